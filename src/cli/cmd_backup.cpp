// SPDX-License-Identifier: Apache-2.0
//
// `warden backup DIR DEST`: a copy of a store that is itself a store. It looks below the
// C ABI, at the log: nothing has to be replayed to copy it, so that a store larger than
// this machine's memory can be copied too.
//
// Invariants:
//   1. DIR is not changed, and no lock of it taken.
//   2. DEST opens as a store if, and only if, this command answers 0.
#include <fmt/format.h>

#include <memory>

#include "cli/commands.hpp"
#include "cli/output.hpp"
#include "cli/store_failure.hpp"
#include "cli/text.hpp"
#include "io/posix_disk.hpp"
#include "log/backup.hpp"

namespace warden::cli {
namespace {

struct BackupOptions {
  std::string directory;
  std::string destination;
  bool json = false;
};

Result<ExitCode> backup(const BackupOptions& options) {
  const auto disk = io::make_real_disk(io::Backend::posix);
  if (disk == nullptr) return bad_environment("out of memory");
  log::BackupReport report;
  if (const Error error = log::backup(*disk, options.directory, options.destination, {}, report)) {
    return store_failure(options.directory, error);
  }
  if (options.json) {
    emit(json_text({{"segments", report.segments},
                    {"bytes", report.bytes},
                    {"epoch", log::epoch_of(report.end)},
                    {"position", log::position_of(report.end)},
                    {"lsn", raw(report.end)}}));
  } else {
    emit(
        fmt::format("copied {} bytes (files of the log: {}), up to position {} of epoch {}\n"
                    "restore it by opening it with hold = true; never write both\n",
                    with_commas(report.bytes), report.segments, log::position_of(report.end),
                    log::epoch_of(report.end)));
  }
  return ExitCode::ok;
}

}  // namespace

void add_backup(CLI::App& app, Command& chosen) {
  CLI::App* command =
      app.add_subcommand("backup", "Copy a store into a new directory, also beside its writer");
  auto options = std::make_shared<BackupOptions>();
  command->add_option("DIR", options->directory, "Directory of the store")->required();
  command->add_option("DEST", options->destination, "New or empty directory")->required();
  command->add_flag("--json", options->json, "Print JSON");
  command->callback([options, &chosen] { chosen = [options] { return backup(*options); }; });
}

}  // namespace warden::cli
