// SPDX-License-Identifier: Apache-2.0
//
// The command `warden`: reads the command line, runs one command, prints the one
// line of a failure. Nothing else writes to stderr, but for the live line on a
// terminal.
#include <warden/warden.h>

#include <fmt/format.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <new>
#include <system_error>

#include "cli/commands.hpp"
#include "cli/text.hpp"

namespace warden::cli {
namespace {

constexpr const char* kFooter =
    "Exit codes:\n"
    "  0  done\n"
    "  1  the run found a fault (demo: a dropped item missed, a false alarm)\n"
    "  2  the command line is wrong\n"
    "  3  an input file is missing, unreadable or wrong\n"
    "  4  output cannot be written, or memory or threads are out\n"
    "  5  the engine refused or failed what it should have accepted\n";

int report(const Failure& failure) {
  std::fprintf(stderr, "warden: %s\n", one_line(failure.message).c_str());
  return static_cast<int>(failure.exit_code);
}

// What was printed must have reached its reader: a full disk is a failure.
int finish(const Result<ExitCode>& result) {
  if (!result.ok()) return report(result.failure());
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    return report(bad_environment(fmt::format("standard output cannot be written: {}",
                                              std::generic_category().message(errno))));
  }
  return static_cast<int>(result.value());
}

int run(int argc, char** argv) {
  if (warden_abi_check(WARDEN_ABI, 0) < 0) {
    return report(Failure{ExitCode::engine,
                          fmt::format("libwarden {} does not fit this command; expected ABI {}",
                                      warden_version_string(), WARDEN_ABI)});
  }
  CLI::App app{"Warden notices work that does not finish in time.", "warden"};
  app.set_version_flag("--version", fmt::format("warden {}", warden_version_string()));
  app.require_subcommand(1);
  app.footer(kFooter);
  Command chosen;
  add_demo(app, chosen);
  add_demo_worker(app, chosen);
  add_replay(app, chosen);
  add_flow(app, chosen);
  add_inspect(app, chosen);
  add_verify(app, chosen);
  add_dump(app, chosen);
  add_backup(app, chosen);
  add_salvage(app, chosen);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
    return report(bad_usage(fmt::format("{}; see `warden --help`", error.what())));
  }
  return finish(chosen());
}

}  // namespace
}  // namespace warden::cli

int main(int argc, char** argv) {
  using namespace warden::cli;
  // Beyond a limit of file sizes a write is to fail, and be told, like one on a full disk.
  std::signal(SIGXFSZ, SIG_IGN);
  // Only allocation and thread creation throw here.
  try {
    return run(argc, argv);
  } catch (const std::bad_alloc&) {
    std::fputs("warden: out of memory\n", stderr);
  } catch (const std::system_error& error) {
    std::fprintf(stderr, "warden: a thread could not be started: %s\n", error.what());
  }
  return static_cast<int>(ExitCode::environment);
}
