// SPDX-License-Identifier: Apache-2.0
//
// `warden flow check FILE`: is this flow one that a store would take?
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.hpp"
#include "cli/engine.hpp"
#include "cli/output.hpp"
#include "cli/text.hpp"

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
  const warden_flow_info& info = flow.value().info;
  const std::string version = fmt::format("{:016x}{:016x}", info.version[1], info.version[0]);
  if (options.json) {
    nlohmann::ordered_json out;
    out["name"] = flow.value().name();
    out["version"] = version;
    out["stages"] = info.stages;
    out["any_stages"] = info.any_stages != 0;
    out["rules"] = info.rules;
    emit(json_text(out));
    return ExitCode::ok;
  }
  emit(fmt::format("flow     {}\nversion  {}\nstages   {}{}\nrules    {}\n",
                   one_line(flow.value().name()), version, info.stages,
                   info.any_stages != 0 ? " named, any other taken as it comes" : "", info.rules));
  return ExitCode::ok;
}

}  // namespace

void add_flow(CLI::App& app, Command& chosen) {
  CLI::App* flow = app.add_subcommand("flow", "Work on flow definitions");
  flow->require_subcommand(1);
  CLI::App* command = flow->add_subcommand(
      "check", "Check a flow definition; print its name, version, stages and rules");
  auto options = std::make_shared<CheckOptions>();
  command->add_option("FILE", options->file, "Flow definition in TOML")->required();
  command->add_flag("--json", options->json, "Print JSON");
  command->callback([options, &chosen] { chosen = [options] { return check(*options); }; });
}

}  // namespace warden::cli
