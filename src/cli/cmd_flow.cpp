// SPDX-License-Identifier: Apache-2.0
//
// `warden flow check FILE`: is this flow one that a store would take, and what does
// it say?
#include <memory>

#include "cli/commands.hpp"
#include "cli/engine.hpp"
#include "cli/flow_view.hpp"
#include "cli/output.hpp"

namespace warden::cli {
namespace {

struct CheckOptions {
  std::string file;
  bool json = false;
};

Result<ExitCode> check(const CheckOptions& options) {
  auto flow = read_flow(options.file);
  if (!flow.ok()) return std::move(flow.failure());
  auto store = open_store({{"clock", "manual"}, {"stripes", "16"}});
  if (!store.ok()) return std::move(store.failure());
  if (auto bad = define_flow(store.value().get(), flow.value())) return std::move(*bad);
  auto view = view_of_flow(flow.value().text);
  if (!view.ok()) return std::move(view.failure());
  emit(options.json ? json_text(view.value().json) : view.value().text);
  return ExitCode::ok;
}

}  // namespace

void add_flow(CLI::App& app, Command& chosen) {
  CLI::App* flow = app.add_subcommand("flow", "Work on flow definitions");
  flow->require_subcommand(1);
  CLI::App* command = flow->add_subcommand(
      "check", "Check a flow definition; print its name, version, stages and a table of its rules");
  auto options = std::make_shared<CheckOptions>();
  command->add_option("FILE", options->file, "Flow definition in TOML")->required();
  command->add_flag("--json", options->json, "Print JSON");
  command->callback([options, &chosen] { chosen = [options] { return check(*options); }; });
}

}  // namespace warden::cli
