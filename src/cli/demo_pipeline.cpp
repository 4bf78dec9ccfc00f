// SPDX-License-Identifier: Apache-2.0
//
// See demo_pipeline.hpp.
#include "cli/demo_pipeline.hpp"

#include <time.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace warden::cli {
namespace {

constexpr std::int64_t kShortestStepNs = 20'000'000;
constexpr std::int64_t kLongestStepNs = 120'000'000;
// Feeders sleep at least this long and then do all that has become due.
constexpr std::int64_t kNapNs = 500'000;
constexpr std::int64_t kPollNs = 50'000'000;
constexpr std::size_t kAlertsAPoll = 256;
constexpr std::size_t kBufferBytes = std::size_t{1} << 16;

std::int64_t read_clock(clockid_t clock) {
  struct timespec now {};
  ::clock_gettime(clock, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

void sleep_until(std::int64_t boottime) {
  struct timespec until {};
  until.tv_sec = boottime / 1'000'000'000;
  until.tv_nsec = boottime % 1'000'000'000;
  // Woken early by a signal, the caller's loop looks at the clock and comes again.
  ::clock_nanosleep(CLOCK_BOOTTIME, TIMER_ABSTIME, &until, nullptr);
}

}  // namespace

std::int64_t boottime_ns() {
  return read_clock(CLOCK_BOOTTIME);
}
std::int64_t realtime_ns() {
  return read_clock(CLOCK_REALTIME);
}

DemoFeeder::DemoFeeder(warden_store* store, std::string_view flow, const FeederPlan& plan,
                       LiveCounts& live)
    : store_(store), flow_(flow), plan_(plan), live_(live), random_(plan.seed) {
  const double seconds = static_cast<double>(plan.end_ns - plan.begin_ns) / 1e9;
  records_.reserve(static_cast<std::size_t>(plan.items_per_s * seconds) + 1);
}

void DemoFeeder::check(const char* verb, std::uint32_t item, std::int32_t answer,
                       std::int32_t wanted) {
  ++calls_;
  if (answer == wanted) return;
  ++wrong_answers_;
  if (!first_wrong_.empty()) return;
  first_wrong_ =
      fmt::format("{} of {} answered {}; expected {}", verb, demo_key(plan_.number, item),
                  warden_code_name(answer), warden_code_name(wanted));
}

void DemoFeeder::pass(std::uint32_t item, std::uint8_t stage) {
  const std::string key = demo_key(plan_.number, item);
  const std::string_view name = kStageNames[stage];
  Span& span = records_[item].marks[stage];
  span.before_ns = boottime_ns();
  const std::int32_t answer = warden_mark(store_, flow_.data(), flow_.size(), key.data(),
                                          key.size(), name.data(), name.size(), nullptr, nullptr);
  span.after_ns = boottime_ns();
  check("mark", item, answer, stage + 1U == kStages ? WARDEN_CLOSED : WARDEN_OK);
}

void DemoFeeder::begin_item() {
  const auto item = static_cast<std::uint32_t>(records_.size());
  ItemRecord& record = records_.emplace_back();
  if (std::uniform_real_distribution<double>{0, 1}(random_) < plan_.drop_share) {
    record.stops_after =
        static_cast<std::uint8_t>(std::uniform_int_distribution<int>{0, kStages - 2}(random_));
  }
  const std::string key = demo_key(plan_.number, item);
  record.tracked.before_ns = boottime_ns();
  const std::int32_t answer = warden_track(store_, flow_.data(), flow_.size(), key.data(),
                                           key.size(), nullptr, 0, nullptr, nullptr);
  record.tracked.after_ns = boottime_ns();
  check("track", item, answer, WARDEN_NEW);
  live_.tracked.fetch_add(1, std::memory_order_relaxed);
  take_step({0, item, 0});
}

void DemoFeeder::take_step(const Step& step) {
  pass(step.item, step.stage);
  if (step.stage + 1U == kStages) {
    live_.completed.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  if (records_[step.item].stops_after == step.stage) {
    live_.dropped.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  const std::int64_t delay =
      std::uniform_int_distribution<std::int64_t>{kShortestStepNs, kLongestStepNs}(random_);
  steps_.push_back({boottime_ns() + delay, step.item, static_cast<std::uint8_t>(step.stage + 1)});
  std::push_heap(steps_.begin(), steps_.end());
}

void DemoFeeder::run() {
  const double interval_ns = 1e9 / plan_.items_per_s;
  for (;;) {
    const std::int64_t now = boottime_ns();
    // Steps come first: an item under way must not be late because of new ones.
    while (!steps_.empty() && steps_.front().when_ns <= now) {
      std::pop_heap(steps_.begin(), steps_.end());
      const Step step = steps_.back();
      steps_.pop_back();
      take_step(step);
    }
    const std::int64_t next_item =
        plan_.begin_ns + std::llround(static_cast<double>(records_.size()) * interval_ns);
    const bool feeding = next_item < plan_.end_ns && now < plan_.end_ns;
    if (feeding && next_item <= now) {
      begin_item();
      continue;
    }
    if (!feeding && steps_.empty()) return;
    std::int64_t wake = feeding ? next_item : steps_.front().when_ns;
    if (!steps_.empty()) wake = std::min(wake, steps_.front().when_ns);
    sleep_until(std::max(wake, now + kNapNs));
  }
}

void DemoWatch::start() {
  buffer_.resize(kBufferBytes);
  thread_ = std::thread{[this] { run(); }};
}

void DemoWatch::stop() {
  stopping_.store(true, std::memory_order_relaxed);
  if (!thread_.joinable()) return;
  warden_consumer_wake(consumer_.get());
  thread_.join();
}

std::vector<AlertNote> DemoWatch::notes() {
  const std::lock_guard lock{mutex_};
  return notes_;
}

void DemoWatch::note(const warden_alert& alert, std::int64_t taken_ns) {
  live_.alerts.fetch_add(1, std::memory_order_relaxed);
  if (alert.kind != WARDEN_KIND_BREACH || alert.delivery > 1) return;
  const auto text = [&](std::uint32_t offset, std::uint32_t size) {
    return std::string_view{buffer_.data() + offset, size};
  };
  AlertNote note;
  note.known = parse_demo_key(text(alert.key_offset, alert.key_len), note.feeder, note.item);
  const std::string_view rule = text(alert.rule_offset, alert.rule_len);
  while (note.rule < kRules && rule != kDemoRules[note.rule].name) ++note.rule;
  const std::string_view stage = text(alert.stage_offset, alert.stage_len);
  while (note.stage < kStages && stage != kStageNames[note.stage]) ++note.stage;
  note.taken_ns = taken_ns;
  latency_.record(taken_ns + utc_offset_ns_ - alert.deadline_ns);
  const std::lock_guard lock{mutex_};
  notes_.push_back(note);
}

void DemoWatch::run() {
  std::vector<warden_alert> alerts(kAlertsAPoll);
  std::vector<std::uint64_t> leases;
  while (!stopping_.load(std::memory_order_relaxed)) {
    std::size_t need = 0;
    const std::int32_t taken =
        warden_consumer_poll(consumer_.get(), kPollNs, alerts.data(), alerts.size(), buffer_.data(),
                             buffer_.size(), &need);
    const std::int64_t now = boottime_ns();
    if (taken == WARDEN_E_BUFFER_TOO_SMALL) {
      buffer_.resize(std::max(need, buffer_.size() * 2));
      continue;
    }
    if (taken < 0) {
      failure_ = engine_failure("polling for alerts", taken);
      return;
    }
    leases.clear();
    for (std::int32_t i = 0; i < taken; ++i) {
      note(alerts[static_cast<std::size_t>(i)], now);
      leases.push_back(alerts[static_cast<std::size_t>(i)].lease);
    }
    if (leases.empty()) continue;
    const std::int32_t acked = warden_alert_ack(consumer_.get(), leases.data(), leases.size());
    if (acked < 0) {
      failure_ = engine_failure("acknowledging alerts", acked);
      return;
    }
  }
}

}  // namespace warden::cli
