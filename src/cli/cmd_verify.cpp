// SPDX-License-Identifier: Apache-2.0
//
// `warden verify DIR`: the verdict on a store, for a person or a program. It looks below
// the C ABI: what it compares are the parts that a store is built of.
//
// Invariant: with --json there is a verdict on stdout whatever the exit code; a store
// that cannot be read has its one line on stderr as well.
#include <fmt/format.h>

#include <memory>

#include "cli/commands.hpp"
#include "cli/output.hpp"
#include "cli/store_failure.hpp"
#include "cli/text.hpp"
#include "engine/verify.hpp"

namespace warden::cli {
namespace {

using Json = nlohmann::ordered_json;
using engine::Counters;

struct VerifyOptions {
  std::string directory;
  bool json = false;
};

const char* refusal_name(Code code) {
  switch (code) {
    case Code::corrupt:
      return "damaged";
    case Code::newer_format:
      return "newer-format";
    case Code::not_a_store:
      return "not-a-store";
    default:
      return "unreadable";
  }
}

Result<ExitCode> refused(const VerifyOptions& options, const Error& error) {
  Failure failure = store_failure(options.directory, error);
  if (options.json) {
    emit(json_text({{"ok", false},
                    {"verdict", refusal_name(error.code)},
                    {"error", failure.message},
                    {"offset", error.offset}}));
  }
  return failure;
}

struct Row {
  const char* name;
  std::uint64_t value;
};

std::vector<Row> rows_of(const engine::Verdict& v) {
  const engine::Figures& f = v.figures;
  return {{"flows", f.flows},
          {"items_created", f.values[Counters::submitted_total]},
          {"submitted", f.values[Counters::submitted]},
          {"live", f.values[Counters::live]},
          {"done", f.values[Counters::done]},
          {"cancelled", f.values[Counters::cancelled]},
          {"expired", f.values[Counters::expired]},
          {"tombstones", f.tombstones},
          {"alerts_raised", f.values[Counters::alerts_raised]},
          {"alerts_kept", f.alerts_kept},
          {"timers", f.timers},
          {"records", v.log.records},
          {"blocks", v.log.blocks},
          {"torn_bytes", v.log.torn_bytes},
          {"epoch", v.epoch},
          {"durable_lsn", raw(v.durable)}};
}

std::vector<std::string> faults_of(const engine::Verdict& v) {
  std::vector<std::string> out;
  const engine::Figures& f = v.figures;
  if (!v.balanced()) {
    out.push_back(fmt::format("{} items were created, {} are accounted for",
                              f.values[Counters::submitted_total], v.accounted));
  }
  if (!v.counted()) {
    out.push_back(fmt::format("{} items are open, the figures say {}", v.open,
                              f.values[Counters::submitted] + f.values[Counters::live]));
  }
  if (v.unindexed != 0) {
    out.push_back(fmt::format("{} open items are not found by their key", v.unindexed));
  }
  if (v.untimed != 0) {
    out.push_back(fmt::format("{} open items have a deadline and no timer", v.untimed));
  }
  if (!v.rebuilt.value_or(true)) out.push_back("built twice from the log, two stores came out");
  return out;
}

void print_json(const engine::Verdict& v) {
  Json out{{"ok", v.good()}, {"verdict", v.good() ? "ok" : "faulty"}};
  out["checksums"] = true;  // or opening would have refused
  out["links"] = true;
  out["balanced"] = v.balanced();
  out["counted"] = v.counted();
  out["indexed"] = v.unindexed == 0;
  out["timed"] = v.untimed == 0;
  out["rebuilt_equal"] = v.rebuilt ? Json(*v.rebuilt) : Json();
  out["digest"] = fmt::format("{:016x}{:016x}", v.digest.high, v.digest.low);
  out["faults"] = faults_of(v);
  for (const Row& row : rows_of(v)) out[row.name] = row.value;
  emit(json_text(out));
}

void print_text(const engine::Verdict& v) {
  for (const Row& row : rows_of(v)) {
    emit(fmt::format("{:<14}{:>20}\n", row.name, with_commas(row.value)));
  }
  emit(fmt::format("digest  {:016x}{:016x}\n\n", v.digest.high, v.digest.low));
  for (const std::string& fault : faults_of(v)) emit(fmt::format("FAULT: {}\n", fault));
  if (v.good()) {
    emit(v.rebuilt ? "ok: checksums, links, balance, index and timers are right; built twice, the "
                     "store is the same\n"
                   : "ok: checksums, links, balance, index and timers are right; not built twice, "
                     "since a writer went on meanwhile\n");
  }
  if (v.log.torn_bytes != 0) {
    emit("the torn tail is what a crash cut short: none of it was ever acknowledged\n");
  }
}

Result<ExitCode> verify(const VerifyOptions& options) {
  engine::Verdict verdict;
  if (const Error error = engine::verify(options.directory, verdict)) {
    return refused(options, error);
  }
  options.json ? print_json(verdict) : print_text(verdict);
  return verdict.good() ? ExitCode::ok : ExitCode::fault_found;
}

}  // namespace

void add_verify(CLI::App& app, Command& chosen) {
  CLI::App* command = app.add_subcommand("verify", "Read a store's whole log and check it");
  auto options = std::make_shared<VerifyOptions>();
  command->add_option("DIR", options->directory, "Directory of the store")->required();
  command->add_flag("--json", options->json, "Print JSON");
  command->callback([options, &chosen] { chosen = [options] { return verify(*options); }; });
}

}  // namespace warden::cli
