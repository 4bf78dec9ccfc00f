// SPDX-License-Identifier: Apache-2.0
#include "cli/replay_checks.hpp"

#include <fmt/format.h>

#include <filesystem>

#include "cli/file_io.hpp"
#include "cli/flow_view.hpp"
#include "cli/instant.hpp"
#include "cli/text.hpp"

namespace warden::cli {
namespace {

bool nothing_there(const std::string& directory) {
  std::error_code error;
  return !std::filesystem::exists(directory, error) || std::filesystem::is_empty(directory, error);
}

bool same_file(const std::string& a, const std::string& b) {
  std::error_code error;
  if (std::filesystem::equivalent(a, b, error)) return true;
  const auto whole = [&error](const std::string& path) {
    return std::filesystem::weakly_canonical(std::filesystem::absolute(path, error), error);
  };
  return whole(a) == whole(b);
}

}  // namespace

Status check_store(warden_store* store, const Flow& flow, const ReplayOptions& options,
                   const EventLog& log) {
  warden_stats stats = WARDEN_STATS_INIT;
  if (const std::int32_t code = warden_stats_get(store, &stats); code < 0) {
    return engine_failure("reading the figures", code);
  }
  constexpr const char* kExpected =
      "expected the store of an earlier replay of this log, or a new directory";
  if (stats.now_ns > log.last_ns) {
    return bad_input(
        fmt::format("{}: this store's clock stands after {}, the last instant of {}; {}",
                    options.store, format_instant(log.last_ns), options.log_file, kExpected));
  }
  warden_item item;
  char buffer[64];
  const std::int32_t code = warden_get(store, flow.name().data(), flow.name().size(), "x", 1, &item,
                                       buffer, sizeof buffer, nullptr);
  if (stats.flows != 0 && code == WARDEN_E_UNKNOWN_FLOW) {
    return bad_input(fmt::format("{}: this store holds other flows and not {}; {}", options.store,
                                 in_quotes(flow.name()), kExpected));
  }
  return std::nullopt;
}

Status check_dedupe(const ReplayOptions& options, const Flow& flow, const EventLog& log) {
  if (options.store.empty()) return std::nullopt;
  auto dedupe = dedupe_of_flow(flow.text);
  if (!dedupe.ok()) return std::move(dedupe.failure());
  const std::int64_t span = log.last_ns - log.first_ns;
  if (dedupe.value().ns >= span) return std::nullopt;
  return bad_input(fmt::format(
      "{}: closed cases are forgotten after {}, but {} is {} days long, so a run that was killed "
      "could not go on; with --store expected a longer `dedupe`, such as \"100y\"",
      flow.file, dedupe.value().text, options.log_file, span / 86'400'000'000'000 + 1));
}

std::string replay_identity(const ReplayOptions& options, const Flow& flow,
                            std::string_view events) {
  std::uint64_t sum = 0xcbf29ce484222325U;  // FNV-1a: guards against mistakes
  const auto add = [&sum](std::string_view bytes) {
    for (const char c : bytes) sum = (sum ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
    sum = (sum ^ 0x100U) * 0x100000001b3U;  // where one ends
  };
  add(events);
  add(flow.text);
  add(options.order);
  for (const std::string& due : options.dues) add(due);
  return fmt::format("{:016x}", sum);
}

Result<JournalPlace> find_journal(const ReplayOptions& options, const std::string& identity) {
  JournalPlace place;
  if (options.store.empty()) return place;
  place.anew = nothing_there(options.store);
  if (options.alerts_file.empty()) return place;
  std::error_code error;
  if (std::filesystem::exists(options.alerts_file, error) &&
      !std::filesystem::is_regular_file(options.alerts_file, error)) {
    return bad_usage(
        fmt::format("--alerts {}: expected a regular file with --store", options.alerts_file));
  }
  place.path = options.alerts_file + ".journal";
  place.owner.store =
      std::filesystem::weakly_canonical(std::filesystem::absolute(options.store, error), error)
          .string();
  place.owner.replay = identity;
  // A new store begins its journal anew; another store's, or another kind of file, stays.
  if (auto bad = AlertJournal::check(place.path, place.owner, place.anew)) return std::move(*bad);
  return place;
}

Status check_outputs(const ReplayOptions& options) {
  struct Named {
    const char* name;
    std::string file;
  };
  std::vector<Named> files{{"EVENTS", options.log_file}, {"--flow", options.flow_file}};
  const auto add = [&files](const char* name, const std::string& file) -> Status {
    for (const Named& other : files) {
      if (!same_file(file, other.file)) continue;
      return bad_usage(fmt::format("{} {}: is the file of {} too; expected one of its own", name,
                                   file, other.name));
    }
    files.push_back({name, file});
    return check_writable(file);
  };
  if (!options.alerts_file.empty()) {
    if (auto bad = add("--alerts", options.alerts_file)) return bad;
    if (!options.store.empty()) {
      files.push_back({"the journal of --alerts", options.alerts_file + ".journal"});
      for (const char* input : {options.log_file.c_str(), options.flow_file.c_str()}) {
        if (same_file(files.back().file, input)) {
          return bad_usage(
              fmt::format("--alerts {}: its journal would be {}; expected another name",
                          options.alerts_file, input));
        }
      }
    }
  }
  if (!options.ids_file.empty()) {
    if (auto bad = add("--alert-ids", options.ids_file)) return bad;
  }
  if (!options.store.empty() && !options.ids_file.empty() && options.alerts_file.empty()) {
    return bad_usage("--alert-ids: with --store expected --alerts too");
  }
  return std::nullopt;
}

}  // namespace warden::cli
