// SPDX-License-Identifier: Apache-2.0
//
// `warden replay EVENTS.csv --flow FLOW.toml`: which alerts would this flow have
// raised over this log?
//
// Data flow: flow and log are read and checked against each other -> store on
// the manual clock -> audit consumer -> feeders -> the clock runs to the log's
// last event -> summary and OUT.csv. With --store the store is durable: alerts wait in
// it until everything has been fed and synced, and go through the journal beside
// OUT.csv, so that a run killed at any point is made good by the same command.
//
// Invariants:
//   1. Nothing is created before all input has been found good, and OUT.csv only
//      appears whole.
//   2. stdout bears the summary alone, in one form: text or JSON.
#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "cli/collector.hpp"
#include "cli/commands.hpp"
#include "cli/engine.hpp"
#include "cli/feeder.hpp"
#include "cli/file_io.hpp"
#include "cli/instant.hpp"
#include "cli/output.hpp"
#include "cli/progress.hpp"
#include "cli/replay_checks.hpp"
#include "cli/replay_summary.hpp"
#include "cli/text.hpp"

namespace warden::cli {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

Result<std::vector<DueColumn>> parse_dues(const std::vector<std::string>& given) {
  std::vector<DueColumn> out;
  for (const std::string& text : given) {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == text.size()) {
      return bad_usage(fmt::format("--due {}: expected RULE=COLUMN", in_quotes(text)));
    }
    DueColumn due{text.substr(0, equals), text.substr(equals + 1)};
    for (const DueColumn& other : out) {
      if (other.rule == due.rule) {
        return bad_usage(fmt::format("--due {}: rule {} is given twice; expected one column a rule",
                                     in_quotes(text), in_quotes(due.rule)));
      }
    }
    out.push_back(std::move(due));
  }
  return out;
}

void show_progress(const FeedRun& run, std::uint64_t total) {
  LiveLine line;
  const auto start = Clock::now();
  // Looks often, since its end is part of the time that is reported, and draws
  // seldom.
  for (std::uint64_t looks = 1; run.running(); ++looks) {
    std::this_thread::sleep_for(std::chrono::milliseconds{1});
    if (!line.shown() || looks % 50 != 0) continue;
    const double share = static_cast<double>(run.fed()) / static_cast<double>(total);
    line.draw(fmt::format("{} {:3.0f} %  {} events  {:.1f} s", bar(share), share * 100,
                          with_commas(run.fed()), seconds_since(start)));
  }
}

Status sync_store(warden_store* store) {
  if (const std::int32_t code = warden_sync(store, -1); code < 0) {
    return engine_failure("making the log durable", code);
  }
  return std::nullopt;
}

Status advance_to(warden_store* store, std::int64_t last_ns) {
  const std::int32_t code = warden_clock_advance(store, last_ns);
  if (code < 0) return engine_failure("advancing the clock to the last event", code);
  return std::nullopt;
}

// The alerts of a durable store: journal first, then acknowledged.
Status drain_store(warden_store* store, Collector& collector, AlertJournal& journal,
                   const ReplayOptions& options) {
  if (auto bad = sync_store(store)) return bad;
  if (options.alerts_file.empty()) return std::nullopt;
  if (auto bad = collector.drain(journal)) return bad;
  return sync_store(store);
}

Status read_figures(warden_store* store, const ReplayOptions& options, const Collector& collector,
                    Summary& summary) {
  warden_stats stats = WARDEN_STATS_INIT;
  if (const std::int32_t code = warden_stats_get(store, &stats); code < 0) {
    return engine_failure("reading the figures", code);
  }
  summary.open_items = stats.submitted + stats.live;
  summary.closed_items = stats.done + stats.cancelled + stats.expired;
  if (options.store.empty()) return std::nullopt;
  summary.store = StoreFigures{stats.recovered_records, stats.log_bytes,   stats.log_records,
                               stats.alerts_raised,     stats.alerts_kept, stats.epoch};
  // The store counts every alert that it ever raised: a journal that was removed or is
  // of another --alerts file shows here, instead of in an OUT.csv with rows missing.
  if (!options.alerts_file.empty() && collector.distinct() != stats.alerts_raised) {
    return bad_input(fmt::format(
        "{}.journal: {} alerts, but the store {} has raised {}; expected the --alerts file that "
        "earlier runs on this store were given, with its journal",
        options.alerts_file, collector.distinct(), options.store, stats.alerts_raised));
  }
  return std::nullopt;
}

// Everything from the open store to the last alert.
Status feed_all(warden_store* store, const Flow& flow, const ReplayOptions& options,
                const EventLog& log, Collector& collector, AlertJournal& journal,
                Summary& summary) {
  const bool durable = !options.store.empty();
  const auto start = Clock::now();
  if (!durable) collector.start();
  FeedRun run{store, flow.name(), options.log_file, log, options.feed};
  run.start();
  show_progress(run, static_cast<std::uint64_t>(log.rows.size()) * options.feed.times);
  auto counts = run.join();
  if (!counts.ok()) return std::move(counts.failure());
  summary.fed = counts.value();
  if (auto bad = advance_to(store, log.last_ns)) return bad;
  if (auto bad = durable ? drain_store(store, collector, journal, options) : collector.finish()) {
    return bad;
  }
  summary.feed_s = seconds_since(start);
  summary.alerts = collector.counts();
  return read_figures(store, options, collector, summary);
}

// Opens the store, and with one on disk what of its alerts was taken before.
Result<Store> open_replay_store(const ReplayOptions& options, std::int64_t start_ns) {
  std::vector<Setting> settings{{"clock", "manual"}, {"start", std::to_string(start_ns)}};
  if (options.store.empty()) return open_store(settings);
  settings.push_back({"durability", "buffered"});  // one sync at the end stands for all
  return open_store(settings, options.store.c_str());
}

Status write_outputs(const ReplayOptions& options, Collector& collector) {
  if (!options.ids_file.empty()) {
    if (auto bad = write_file(options.ids_file, collector.ids_text())) return bad;
  }
  if (options.alerts_file.empty()) return std::nullopt;
  return write_file(options.alerts_file, collector.to_csv());
}

// All input is good: from here on things are created.
Result<Summary> run_replay(const ReplayOptions& options, Flow& flow, const EventLog& log,
                           const std::string& identity) {
  auto place = find_journal(options, identity);
  if (!place.ok()) return std::move(place.failure());
  const std::string& journal_path = place.value().path;
  AlertJournal journal;
  // Before the store is made: what the file holds is of one that is gone.
  if (place.value().anew && !journal_path.empty()) {
    std::error_code error;
    std::filesystem::remove(journal_path, error);
  }
  auto store = open_replay_store(options, log.first_ns);
  if (!store.ok()) return std::move(store.failure());
  if (!options.store.empty() && !place.value().anew) {
    if (auto bad = check_store(store.value().get(), flow, options, log)) return std::move(*bad);
  }
  if (auto bad = define_flow(store.value().get(), flow)) return std::move(*bad);
  warden_consumer_options audit = WARDEN_CONSUMER_OPTIONS_INIT;
  audit.audit = 1;
  auto consumer = open_consumer(store.value().get(), "replay", audit);
  if (!consumer.ok()) return std::move(consumer.failure());
  Collector collector{std::move(consumer.value()), !options.alerts_file.empty()};
  if (!journal_path.empty()) {
    if (auto bad = journal.open(journal_path, place.value().owner, place.value().anew,
                                [&](AlertEntry entry) { collector.recall(std::move(entry)); })) {
      return std::move(*bad);
    }
  }
  Summary summary;
  summary.rows = log.rows.size();
  summary.cases = log.cases.size();
  summary.blank_cases = log.blank_cases;
  summary.first_ns = log.first_ns;
  summary.last_ns = log.last_ns;
  if (auto bad = feed_all(store.value().get(), flow, options, log, collector, journal, summary)) {
    return std::move(*bad);
  }
  if (auto bad = write_outputs(options, collector)) return std::move(*bad);
  return summary;
}

Result<ExitCode> replay(const ReplayOptions& options) {
  const auto start = Clock::now();
  auto dues = parse_dues(options.dues);
  if (!dues.ok()) return std::move(dues.failure());
  if (auto bad = check_outputs(options)) return std::move(*bad);
  auto flow = read_flow(options.flow_file);
  if (!flow.ok()) return std::move(flow.failure());
  auto text = read_text_file(options.log_file, "a CSV file of events");
  if (!text.ok()) return std::move(text.failure());
  auto loaded = load_event_log(options.log_file, text.value(), dues.value(),
                               options.order == "seq" ? FeedOrder::seq : FeedOrder::file);
  if (!loaded.ok()) return std::move(loaded.failure());
  const std::string identity = replay_identity(options, flow.value(), text.value());
  text.value() = std::string{};  // its names are in the log now
  if (auto bad =
          check_log_against_flow(options.log_file, loaded.value(), flow.value(), dues.value())) {
    return std::move(*bad);
  }
  if (auto bad = check_dedupe(options, flow.value(), loaded.value())) return std::move(*bad);
  auto done = run_replay(options, flow.value(), loaded.value(), identity);
  if (!done.ok()) return std::move(done.failure());
  Summary& summary = done.value();
  summary.wall_s = seconds_since(start);
  emit(options.json ? json_text(to_json(summary)) : to_text(summary));
  return ExitCode::ok;
}

}  // namespace

void add_replay(CLI::App& app, Command& chosen) {
  CLI::App* command = app.add_subcommand(
      "replay", "Feed a log of events to a flow and print the alerts it would have raised");
  auto options = std::make_shared<ReplayOptions>();
  command
      ->add_option("EVENTS", options->log_file,
                   "CSV (RFC 4180, UTF-8) with a header and at least the columns case_id, stage, "
                   "timestamp (YYYY-MM-DDTHH:MM:SS[.fraction]Z)")
      ->required();
  command->add_option("--flow", options->flow_file, "Flow definition in TOML")->required();
  command
      ->add_option("--due", options->dues,
                   "RULE=COLUMN: an instant in COLUMN is given with its event as a due of RULE; "
                   "may be repeated")
      ->allow_extra_args(false);
  command->add_option("--alerts", options->alerts_file,
                      "Write the breaches to this CSV: rule,case_id,stage,deadline,raise_at");
  command->add_option("--alert-ids", options->ids_file,
                      "Write the ids of all alerts to this file, one a line");
  command->add_option("--store", options->store,
                      "Keep everything in this directory, durably; the same command again goes on "
                      "where a run was killed");
  command
      ->add_option("--order", options->order,
                   "time: the order of the file, which is not sorted; seq: by the column seq")
      ->check(CLI::IsMember({"time", "seq"}))
      ->capture_default_str();
  command->add_option("--feeders", options->feed.feeders, "Threads that feed, each its own cases")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  command
      ->add_option("--times", options->feed.times,
                   "Feed the whole log this often into the same run; the result is the same")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->add_option("--batch", options->feed.batch, "Events a batch")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  command->add_flag("--json", options->json, "Print the summary as JSON");
  command->callback([options, &chosen] { chosen = [options] { return replay(*options); }; });
}

}  // namespace warden::cli
