// SPDX-License-Identifier: Apache-2.0
//
// The hidden command `warden demo-worker`: the upload service of a durable demo, with
// its store, in a process that the parent kills. It tells on stdout (a pipe) what it
// does (demo_wire.hpp) and ends in order once its stdin is closed.
//
// Data flow: scan of the store -> items under way go on where they stood -> feeders ->
// track, mark (buffered) -> acker: waits until they are durable, then tells so;
// alerts -> told, then acknowledged.
//
// Invariants:
//   1. Several threads write to the pipe, each whole notes, at most 4,096 bytes a write.
//   2. An alert is in the pipe before it is acknowledged: it is told at least once.
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <mutex>
#include <thread>

#include "cli/commands.hpp"
#include "cli/demo_pipeline.hpp"
#include "cli/demo_wire.hpp"

namespace warden::cli {
namespace {

constexpr std::int64_t kShortestStepNs = 20'000'000;
constexpr std::int64_t kLongestStepNs = 120'000'000;
constexpr std::size_t kAlertsAPoll = 64;
constexpr std::int64_t kPollNs = 50'000'000;

struct WorkerOptions {
  std::string store;
  std::int64_t end_ns = 0;
  double rate = 0;  // of one feeder
  double drop_share = 0;
  std::uint64_t seed = 0;
  std::vector<std::uint32_t> from;  // first new item, a feeder each
};

struct Step {
  std::int64_t when_ns;
  std::uint32_t item;
  std::uint32_t step;
  friend bool operator<(const Step& a, const Step& b) { return a.when_ns > b.when_ns; }
};

class Worker {
 public:
  Worker(const WorkerOptions& options, warden_store* store, Consumer consumer)
      : options_(options),
        store_(store),
        consumer_(std::move(consumer)),
        utc_offset_ns_(realtime_ns() - boottime_ns()),
        steps_(options.from.size()) {}

  void run();

 private:
  void tell(const Note* notes, std::size_t count);
  void scan();
  void feed(std::uint32_t feeder);
  void call(std::uint32_t feeder, const Step& step);
  void follow(std::uint32_t feeder, std::uint32_t item, std::uint32_t passed);
  void acknowledge();
  void watch();
  void tell_figures();

  const WorkerOptions& options_;
  warden_store* store_;
  Consumer consumer_;
  std::int64_t utc_offset_ns_;
  std::vector<std::vector<Step>> steps_;  // a heap a feeder, its own
  std::mutex mutex_;                      // of the two below
  std::vector<Note> waiting_;
  std::uint64_t last_lsn_ = 0;
  // Pace only, no data: join() orders the rest. Relaxed.
  std::atomic<bool> stopping_{false};
  std::atomic<std::size_t> feeding_{0};
};

// The parent gone, there is nobody to tell: the process ends at once.
void Worker::tell(const Note* notes, std::size_t count) {
  while (count > 0) {
    const std::size_t now = std::min(count, kNotesAWrite);
    const ssize_t put = ::write(STDOUT_FILENO, notes, now * sizeof(Note));
    if (put < 0 && errno == EINTR) continue;
    if (put != static_cast<ssize_t>(now * sizeof(Note))) std::_Exit(1);
    notes += now;
    count -= now;
  }
}

// Plans what comes after the step `passed`, if anything does.
void Worker::follow(std::uint32_t feeder, std::uint32_t item, std::uint32_t passed) {
  const std::uint8_t stop = stop_of(options_.seed, feeder, item, options_.drop_share);
  if (passed + 1 == kSteps || (passed > 0 && stop == passed - 1)) return;
  thread_local std::mt19937_64 random{std::random_device{}()};
  const std::int64_t delay = passed == 0 ? 0
                                         : std::uniform_int_distribution<std::int64_t>{
                                               kShortestStepNs, kLongestStepNs}(random);
  auto& heap = steps_[feeder];
  heap.push_back({boottime_ns() + delay, item, passed + 1});
  std::push_heap(heap.begin(), heap.end());
}

void Worker::call(std::uint32_t feeder, const Step& step) {
  const std::string key = demo_key(feeder, step.item);
  const std::string_view flow = "file-upload";
  Note note;
  note.kind = NoteKind::begin;
  note.feeder = feeder;
  note.item = step.item;
  note.step = step.step;
  note.a = boottime_ns();
  tell(&note, 1);
  warden_result result = WARDEN_RESULT_INIT;
  std::int32_t answer = 0;
  std::int32_t wanted = WARDEN_NEW;
  if (step.step == 0) {
    answer = warden_track(store_, flow.data(), flow.size(), key.data(), key.size(), nullptr, 0,
                          nullptr, &result);
  } else {
    const std::string_view stage = kStageNames[step.step - 1];
    wanted = step.step + 1 == kSteps ? WARDEN_CLOSED : WARDEN_OK;
    answer = warden_mark(store_, flow.data(), flow.size(), key.data(), key.size(), stage.data(),
                         stage.size(), nullptr, &result);
  }
  note.b = boottime_ns();
  note.kind = NoteKind::done;
  if (answer != wanted) {
    note.kind = NoteKind::wrong;
    note.a = answer;
    tell(&note, 1);
    return;
  }
  {
    const std::lock_guard lock{mutex_};
    waiting_.push_back(note);
    last_lsn_ = std::max(last_lsn_, result.lsn);
  }
  follow(feeder, step.item, step.step);
}

void Worker::feed(std::uint32_t feeder) {
  auto& heap = steps_[feeder];
  std::uint32_t item = options_.from[feeder];
  const std::int64_t begin = boottime_ns();
  const std::uint32_t first = item;
  for (;;) {
    const std::int64_t now = boottime_ns();
    while (!heap.empty() && heap.front().when_ns <= now) {
      std::pop_heap(heap.begin(), heap.end());
      const Step step = heap.back();
      heap.pop_back();
      call(feeder, step);
    }
    const std::int64_t next =
        begin + static_cast<std::int64_t>(static_cast<double>(item - first) * 1e9 / options_.rate);
    const bool feeding = now < options_.end_ns && next < options_.end_ns;
    if (feeding && next <= now) {
      call(feeder, {now, item++, 0});
    } else if (!feeding && heap.empty()) {
      break;
    } else {
      std::this_thread::sleep_for(std::chrono::microseconds{500});
    }
  }
  feeding_.fetch_sub(1, std::memory_order_relaxed);
}

void Worker::acknowledge() {
  std::vector<Note> notes;
  for (int rounds = 0;; ++rounds) {
    const bool last = feeding_.load(std::memory_order_relaxed) == 0;
    std::uint64_t lsn = 0;
    notes.clear();
    {
      const std::lock_guard lock{mutex_};
      notes.swap(waiting_);
      lsn = last_lsn_;
    }
    if (notes.empty()) {
      if (last) return;
      std::this_thread::sleep_for(std::chrono::microseconds{200});
      continue;
    }
    const std::int32_t code = warden_wait_durable(store_, lsn, -1);
    const std::int64_t now = boottime_ns();
    for (Note& note : notes) {
      note.c = now;
      if (code >= 0) continue;
      note.kind = NoteKind::wrong;
      note.a = code;
    }
    tell(notes.data(), notes.size());
    if (rounds % 64 == 0) tell_figures();
  }
}

void Worker::watch() {
  std::vector<warden_alert> alerts(kAlertsAPoll);
  std::vector<char> buffer(std::size_t{1} << 18);
  std::vector<std::uint64_t> leases;
  std::vector<Note> notes;
  while (!stopping_.load(std::memory_order_relaxed)) {
    const std::int32_t taken =
        warden_consumer_poll(consumer_.get(), kPollNs, alerts.data(), alerts.size(), buffer.data(),
                             buffer.size(), nullptr);
    const std::int64_t now = boottime_ns();
    leases.clear();
    notes.clear();
    for (std::int32_t i = 0; i < taken; ++i) {
      const warden_alert& alert = alerts[static_cast<std::size_t>(i)];
      leases.push_back(alert.lease);
      if (alert.kind != WARDEN_KIND_BREACH) continue;
      const auto text = [&](std::uint32_t offset, std::uint32_t size) {
        return std::string_view{buffer.data() + offset, size};
      };
      Note note;
      note.kind = NoteKind::alert;
      note.known = parse_demo_key(text(alert.key_offset, alert.key_len), note.feeder, note.item);
      const std::string_view rule = text(alert.rule_offset, alert.rule_len);
      while (note.step < kRules && rule != kDemoRules[note.step].name) ++note.step;
      const std::string_view stage = text(alert.stage_offset, alert.stage_len);
      while (note.stage < kStages && stage != kStageNames[note.stage]) ++note.stage;
      note.a = now;
      note.b = now + utc_offset_ns_ - alert.deadline_ns;
      note.id[0] = alert.id[0];
      note.id[1] = alert.id[1];
      notes.push_back(note);
    }
    tell(notes.data(), notes.size());
    if (!leases.empty()) warden_alert_ack(consumer_.get(), leases.data(), leases.size());
  }
}

void Worker::tell_figures() {
  warden_stats stats = WARDEN_STATS_INIT;
  if (warden_stats_get(store_, &stats) < 0) return;
  Note note;
  note.kind = NoteKind::figures;
  note.a = static_cast<std::int64_t>(stats.log_commits);
  note.b = static_cast<std::int64_t>(stats.log_bytes);
  note.c = static_cast<std::int64_t>(stats.recovered_records);
  tell(&note, 1);
}

// Tells every open item, and plans its next step.
void Worker::scan() {
  warden_scan* walk = nullptr;
  std::vector<warden_item> items(64);
  std::vector<char> buffer(std::size_t{1} << 18);
  if (warden_scan_open(store_, nullptr, &walk, nullptr) < 0) std::_Exit(1);
  std::int32_t got = 0;
  while ((got = warden_scan_next(walk, items.data(), items.size(), buffer.data(), buffer.size(),
                                 nullptr)) > 0) {
    for (std::int32_t i = 0; i < got; ++i) {
      const warden_item& item = items[static_cast<std::size_t>(i)];
      Note note;
      note.kind = NoteKind::present;
      parse_demo_key({buffer.data() + item.key_offset, item.key_len}, note.feeder, note.item);
      const std::string_view stage{buffer.data() + item.stage_offset, item.stage_len};
      for (std::uint32_t s = 0; s < kStages; ++s) {
        if (stage == kStageNames[s]) note.step = s + 1;
      }
      tell(&note, 1);
      if (note.feeder < steps_.size()) follow(note.feeder, note.item, note.step);
    }
  }
  warden_scan_close(walk);
  Note end;
  end.kind = NoteKind::scan_end;
  tell(&end, 1);
}

void Worker::run() {
  scan();
  tell_figures();
  feeding_.store(options_.from.size(), std::memory_order_relaxed);
  std::thread watcher{[this] { watch(); }};
  std::thread acker{[this] { acknowledge(); }};
  std::vector<std::thread> feeders;
  for (std::uint32_t feeder = 0; feeder < options_.from.size(); ++feeder) {
    feeders.emplace_back([this, feeder] { feed(feeder); });
  }
  for (std::thread& feeder : feeders) feeder.join();
  acker.join();
  tell_figures();
  Note fed;
  fed.kind = NoteKind::fed;
  tell(&fed, 1);
  char byte = 0;
  while (::read(STDIN_FILENO, &byte, 1) < 0 && errno == EINTR) {
  }
  stopping_.store(true, std::memory_order_relaxed);
  warden_consumer_wake(consumer_.get());
  watcher.join();
  scan();
}

Result<ExitCode> work(const WorkerOptions& options) {
  auto store = open_store({{"clock", "real"}, {"durability", "buffered"}}, options.store.c_str());
  if (!store.ok()) return std::move(store.failure());
  Flow flow;
  flow.file = "the demo's flow";
  flow.text = demo_flow_text();
  if (auto bad = define_flow(store.value().get(), flow)) return std::move(*bad);
  warden_consumer_options audit = WARDEN_CONSUMER_OPTIONS_INIT;
  audit.audit = 1;
  auto consumer = open_consumer(store.value().get(), "demo", audit);
  if (!consumer.ok()) return std::move(consumer.failure());
  Worker{options, store.value().get(), std::move(consumer.value())}.run();
  return ExitCode::ok;
}

}  // namespace

void add_demo_worker(CLI::App& app, Command& chosen) {
  CLI::App* command = app.add_subcommand("demo-worker", "Used by demo")->group("");
  auto options = std::make_shared<WorkerOptions>();
  command->add_option("--store", options->store)->required();
  command->add_option("--end", options->end_ns)->required();
  command->add_option("--rate", options->rate)->required();
  command->add_option("--drop", options->drop_share)->required();
  command->add_option("--seed", options->seed)->required();
  command->add_option("--from", options->from)->required();
  command->callback([options, &chosen] { chosen = [options] { return work(*options); }; });
}

}  // namespace warden::cli
