// SPDX-License-Identifier: Apache-2.0
//
// `warden demo`: a file-upload service on the real clock loses a known share of
// its files in silence; every loss must be noticed, and nothing else.
//
// Data flow: feeders (demo_pipeline) -> store in memory -> watch -> judge
// (demo_oracle) -> table. The feeders' own record is the only truth.
//
// Phases: feed for --seconds; let the files under way finish; wait until the
// longest deadline has passed and every alert that must come is in, at most
// kGraceNs more; judge.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <random>
#include <thread>

#include "cli/commands.hpp"
#include "cli/demo_oracle.hpp"
#include "cli/demo_pipeline.hpp"
#include "cli/demo_trial.hpp"
#include "cli/engine.hpp"
#include "cli/output.hpp"
#include "cli/progress.hpp"
#include "cli/text.hpp"

namespace warden::cli {
namespace {

// A false alarm for the last files would show within this after their deadlines.
constexpr std::int64_t kQuietNs = 200'000'000;
// An alert that is not there by then is missed.
constexpr std::int64_t kGraceNs = 5'000'000'000;
constexpr double kMostItems = 50e6;

struct DemoOptions {
  double seconds = 15;
  double rate = 5000;
  std::string drop = "0.5%";
  double drop_share = 0.005;
  std::uint32_t threads = 2;
  std::uint64_t seed = 0;
  bool seed_given = false;
  bool json = false;
  bool memory = false;
  std::string store;
};

struct Outcome {
  Verdict verdict;
  Histogram latency;
  std::uint64_t calls = 0;
  std::uint64_t wrong_answers = 0;
  std::string first_wrong;
  double feed_s = 0;
  std::optional<TrialOutcome> trial;  // of a durable demo

  std::uint64_t alerts() const {
    return latency.count() + (trial ? trial->restart_latency.count() : 0);
  }
  bool clean() const {
    return verdict.clean() && wrong_answers == 0 && (!trial || trial->lost == 0);
  }
  // An example of what is not clean.
  std::string fault() const { return verdict.example.empty() ? first_wrong : verdict.example; }
};

void draw_live(LiveLine& line, const LiveCounts& live, std::int64_t begin_ns) {
  if (!line.shown()) return;
  const auto count = [](const std::atomic<std::uint64_t>& c) {
    return with_commas(c.load(std::memory_order_relaxed));
  };
  line.draw(fmt::format("{:5.1f} s  tracked {}  completed {}  dropped {}  alerts {}",
                        static_cast<double>(boottime_ns() - begin_ns) / 1e9, count(live.tracked),
                        count(live.completed), count(live.dropped), count(live.alerts)));
}

// Runs the feeders to their end, drawing the line meanwhile.
void run_feeders(std::vector<DemoFeeder>& feeders, const LiveCounts& live, LiveLine& line,
                 std::int64_t begin_ns) {
  std::atomic<std::size_t> running{feeders.size()};  // for the loop below only: relaxed
  std::vector<std::jthread> threads;
  threads.reserve(feeders.size());
  for (DemoFeeder& feeder : feeders) {
    threads.emplace_back([&feeder, &running] {
      feeder.run();
      running.fetch_sub(1, std::memory_order_relaxed);
    });
  }
  for (int looks = 0; running.load(std::memory_order_relaxed) != 0; ++looks) {
    std::this_thread::sleep_for(std::chrono::milliseconds{10});
    if (looks % 10 == 0) draw_live(line, live, begin_ns);
  }
}

// Waits for what must come; the verdict over all that came.
Verdict settle(const std::vector<std::vector<ItemRecord>>& records, DemoWatch& watch,
               const LiveCounts& live, LiveLine& line, std::int64_t begin_ns) {
  const std::int64_t last_deadline = boottime_ns() + kLongestWithinNs;
  for (;;) {
    std::this_thread::sleep_for(std::chrono::milliseconds{100});
    draw_live(line, live, begin_ns);
    const std::int64_t now = boottime_ns();
    if (now < last_deadline + kQuietNs) continue;
    if (now > last_deadline + kGraceNs) break;
    if (judge(records, watch.notes()).missed == 0) break;
  }
  watch.stop();
  return judge(records, watch.notes());
}

Result<Outcome> run_demo(const DemoOptions& options) {
  auto store = open_store({{"clock", "real"}});
  if (!store.ok()) return std::move(store.failure());
  const std::int64_t utc_offset_ns = realtime_ns() - boottime_ns();
  Flow flow;
  flow.file = "the demo's flow";
  flow.text = demo_flow_text();
  if (auto bad = define_flow(store.value().get(), flow)) return std::move(*bad);
  warden_consumer_options audit = WARDEN_CONSUMER_OPTIONS_INIT;
  audit.audit = 1;  // so that an alert is judged even if its item closed just after
  auto consumer = open_consumer(store.value().get(), "demo", audit);
  if (!consumer.ok()) return std::move(consumer.failure());

  LiveCounts live;
  LiveLine line;
  DemoWatch watch{std::move(consumer.value()), utc_offset_ns, live};
  watch.start();
  const std::int64_t begin_ns = boottime_ns();
  const std::int64_t end_ns = begin_ns + static_cast<std::int64_t>(options.seconds * 1e9);
  std::vector<DemoFeeder> feeders;
  feeders.reserve(options.threads);
  for (std::uint32_t number = 0; number < options.threads; ++number) {
    feeders.emplace_back(
        store.value().get(), flow.name(),
        FeederPlan{number, begin_ns, end_ns, options.rate / options.threads, options.drop_share,
                   options.seed + number * 0x9E3779B97F4A7C15U},
        live);
  }
  run_feeders(feeders, live, line, begin_ns);

  Outcome outcome;
  outcome.feed_s = static_cast<double>(boottime_ns() - begin_ns) / 1e9;
  std::vector<std::vector<ItemRecord>> records;
  for (DemoFeeder& feeder : feeders) {
    records.push_back(feeder.take_records());
    outcome.calls += feeder.calls();
    outcome.wrong_answers += feeder.wrong_answers();
    if (outcome.first_wrong.empty()) outcome.first_wrong = feeder.first_wrong();
  }
  outcome.verdict = settle(records, watch, live, line, begin_ns);
  if (watch.failure()) return *watch.failure();
  outcome.latency = watch.latency();
  return outcome;
}

// The worker in a process of its own, killed and restarted on the same store.
Result<Outcome> run_durable_demo(const DemoOptions& options) {
  auto done = run_trial({options.store, options.seconds, options.rate, options.drop_share,
                         options.threads, options.seed});
  if (!done.ok()) return std::move(done.failure());
  Outcome outcome;
  outcome.verdict = done.value().verdict;
  outcome.latency = done.value().latency;
  outcome.calls = done.value().acknowledged;
  outcome.wrong_answers = done.value().wrong_answers;
  outcome.first_wrong = done.value().fault;
  outcome.feed_s = done.value().feed_s;
  outcome.trial = std::move(done.value());
  return outcome;
}

nlohmann::ordered_json to_json(const DemoOptions& options, const Outcome& o) {
  const Verdict& v = o.verdict;
  nlohmann::ordered_json out;
  out["seconds"] = options.seconds;
  out["rate"] = options.rate;
  out["drop"] = options.drop_share;
  out["seed"] = options.seed;
  out["threads"] = options.threads;
  out["tracked"] = v.tracked;
  out["completed"] = v.completed;
  out["dropped"] = v.dropped;
  out["detected"] = v.detected;
  for (std::size_t stage = 0; stage + 1 < kStages; ++stage) {
    out["stopped_at"][kStageNames[stage]] = {{"dropped", v.dropped_after[stage]},
                                             {"detected", v.detected_after[stage]}};
  }
  out["late"] = v.late;
  out["missed"] = v.missed;
  out["false_alarms"] = v.false_alarms;
  out["wrong_stage"] = v.wrong_stage;
  out["wrong_answers"] = o.wrong_answers;
  out["alerts"] = o.alerts();
  out["latency_p50_ns"] = o.latency.quantile(0.5);
  out["latency_p99_ns"] = o.latency.quantile(0.99);
  out["latency_max_ns"] = o.latency.max();
  out["calls"] = o.calls;
  out["feed_s"] = o.feed_s;
  if (o.trial) {
    out["recovered"] = o.trial->recovered;
    out["recovered_records"] = o.trial->records;
    out["down_s"] = o.trial->down_s;
    out["restart_alerts"] = o.trial->restart_latency.count();
    out["restart_latency_max_ns"] = o.trial->restart_latency.max();
    out["acknowledged"] = o.trial->acknowledged;
    out["lost"] = o.trial->lost;
    out["came_again"] = o.trial->again;
    out["ack_p50_ns"] = o.trial->acks.quantile(0.5);
    out["ack_p99_ns"] = o.trial->acks.quantile(0.99);
    out["commits_per_s"] = static_cast<double>(o.trial->commits) / o.feed_s;
    out["log_bytes"] = o.trial->log_bytes;
  }
  out["ok"] = o.clean();
  if (!o.clean()) out["fault"] = o.fault();
  return out;
}

std::string to_text(const DemoOptions& options, const Outcome& o) {
  const Verdict& v = o.verdict;
  std::string out = fmt::format(
      "file-upload: {} files/s for {} s from {} threads, {:.3g} % dropped, seed {}\n\n",
      options.rate, options.seconds, options.threads, options.drop_share * 100, options.seed);
  const auto row = [&out](const char* name, const std::string& figure, std::string_view note = "") {
    out += fmt::format("{:<14}{:>12}{}{}\n", name, figure, note.empty() ? "" : "  ", note);
  };
  const auto count = [&row](const char* name, std::uint64_t number, std::string_view note = "") {
    row(name, with_commas(number), note);
  };
  count("tracked", v.tracked);
  count("completed", v.completed);
  count("dropped", v.dropped);
  count("detected", v.detected, "every dropped file, and where it stopped");
  for (std::size_t stage = 0; stage + 1 < kStages; ++stage) {
    out += fmt::format("  stopped at {:<12} dropped {:>7}  detected {:>7}\n", kStageNames[stage],
                       with_commas(v.dropped_after[stage]), with_commas(v.detected_after[stage]));
  }
  count("late", v.late, "by the feeder's own record, and reported");
  count("missed", v.missed, "must be 0");
  count("false alarms", v.false_alarms, "must be 0");
  count("wrong stage", v.wrong_stage, "must be 0");
  count("wrong answers", o.wrong_answers, "must be 0");
  count("alerts", o.alerts(), "a dropped file breaks two rules: its step's and the total's");
  row("latency p50", duration_text(o.latency.quantile(0.5)),
      "from deadline to the consumer's hands");
  row("latency p99", duration_text(o.latency.quantile(0.99)));
  row("latency max", duration_text(o.latency.max()));
  if (o.trial) {
    const TrialOutcome& t = *o.trial;
    count("recovered", t.recovered,
          fmt::format("open files after the kill, from {} records, in {:.2f} s",
                      with_commas(t.records), t.down_s));
    count("due meanwhile", t.restart_latency.count(),
          fmt::format("alerts whose deadline passed then, not counted above; all within {}",
                      duration_text(t.restart_latency.max())));
    count("acknowledged", t.acknowledged, "calls told to be durable");
    count("lost", t.lost, "acknowledged, and not there: must be 0");
    count("came again", t.again, "alerts not acknowledged before the kill, by their ids");
    row("ack p50", duration_text(t.acks.quantile(0.5)), "from the call until it was durable");
    row("ack p99", duration_text(t.acks.quantile(0.99)));
    count("commits/s", static_cast<std::uint64_t>(static_cast<double>(t.commits) / o.feed_s));
    count("log bytes", t.log_bytes);
  }
  if (o.clean()) return out + "\nok: every dropped file was noticed, and nothing else\n";
  return out + fmt::format("\nFAULT: {}\n", o.fault());
}

Result<ExitCode> demo(DemoOptions options) {
  const auto share = parse_share(options.drop);
  if (!share) {
    return bad_usage(fmt::format("--drop {}: expected a share such as 0.5% or 0.005, at most 100%",
                                 in_quotes(options.drop)));
  }
  options.drop_share = *share;
  if (options.rate * options.seconds > kMostItems) {
    return bad_usage(fmt::format("--rate {} for --seconds {}: expected at most 50,000,000 files",
                                 options.rate, options.seconds));
  }
  if (options.memory && !options.store.empty()) {
    return bad_usage("--memory and --store: expected one of them");
  }
  if (!options.seed_given) options.seed = std::random_device{}();
  auto outcome = options.memory ? run_demo(options) : run_durable_demo(options);
  if (!outcome.ok()) return std::move(outcome.failure());
  emit(options.json ? json_text(to_json(options, outcome.value()))
                    : to_text(options, outcome.value()));
  return outcome.value().clean() ? ExitCode::ok : ExitCode::fault_found;
}

}  // namespace

void add_demo(CLI::App& app, Command& chosen) {
  CLI::App* command = app.add_subcommand(
      "demo", "Watch a made-up upload service lose files; see every loss noticed");
  auto options = std::make_shared<DemoOptions>();
  command->add_option("--seconds", options->seconds, "How long files are fed, 1 to 3600")
      ->check(CLI::Range(1.0, 3600.0))
      ->capture_default_str();
  command->add_option("--rate", options->rate, "Files a second, 1 to 1000000")
      ->check(CLI::Range(1.0, 1e6))
      ->capture_default_str();
  command->add_option("--drop", options->drop, "Share of files that is dropped between two stages")
      ->capture_default_str();
  command->add_option("--threads", options->threads, "Threads that play the service, 1 to 64")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  CLI::Option* seed = command->add_option(
      "--seed", options->seed, "Decides delays and drops; chosen and printed if not given");
  command->add_flag("--json", options->json, "Print the table as JSON");
  command->add_option("--store", options->store,
                      "Keep the store in this new directory; without it a temporary one");
  command->add_flag("--memory", options->memory, "Store in memory, nothing is killed");
  command->callback([options, seed, &chosen] {
    options->seed_given = seed->count() > 0;
    chosen = [options] { return demo(*options); };
  });
}

}  // namespace warden::cli
