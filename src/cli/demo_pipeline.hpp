// SPDX-License-Identifier: Apache-2.0
//
// The demo's moving parts: feeders, which play a file-upload service on the real
// clock and write down what they did, and the watch, which takes the alerts.
//
// Data flow: DemoFeeder -> track, mark -> store -> alerts -> DemoWatch -> AlertNote.
//
// Invariants:
//   1. A feeder alone writes its records; others read them after join().
//   2. An item that is dropped is given no sign: the feeder just never calls
//      again for it, as a lost file would.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "cli/demo_oracle.hpp"
#include "cli/engine.hpp"
#include "cli/histogram.hpp"

namespace warden::cli {

std::int64_t boottime_ns();
std::int64_t realtime_ns();

// For the live line: written by feeders and watch, read by the main thread for
// show only, hence relaxed throughout.
struct LiveCounts {
  std::atomic<std::uint64_t> tracked{0};
  std::atomic<std::uint64_t> completed{0};
  std::atomic<std::uint64_t> dropped{0};
  std::atomic<std::uint64_t> alerts{0};
};

struct FeederPlan {
  std::uint32_t number = 0;
  std::int64_t begin_ns = 0;  // CLOCK_BOOTTIME, as all instants here
  std::int64_t end_ns = 0;
  double items_per_s = 0;
  double drop_share = 0;
  std::uint64_t seed = 0;
};

class DemoFeeder {
 public:
  DemoFeeder(warden_store* store, std::string_view flow, const FeederPlan& plan, LiveCounts& live);

  // Returns when every item has had its last call.
  void run();

  std::vector<ItemRecord> take_records() { return std::move(records_); }
  std::uint64_t calls() const { return calls_; }
  // Answers that were not the one that had to come, and the first of them.
  std::uint64_t wrong_answers() const { return wrong_answers_; }
  const std::string& first_wrong() const { return first_wrong_; }

 private:
  struct Step {
    std::int64_t when_ns;
    std::uint32_t item;
    std::uint8_t stage;
    // std::push_heap puts the greatest first: later is less.
    friend bool operator<(const Step& a, const Step& b) { return a.when_ns > b.when_ns; }
  };

  void begin_item();
  void take_step(const Step& step);
  void pass(std::uint32_t item, std::uint8_t stage);
  void check(const char* verb, std::uint32_t item, std::int32_t answer, std::int32_t wanted);

  warden_store* store_;
  std::string_view flow_;
  FeederPlan plan_;
  LiveCounts& live_;
  std::mt19937_64 random_;
  std::vector<ItemRecord> records_;
  std::vector<Step> steps_;  // heap
  std::uint64_t calls_ = 0;
  std::uint64_t wrong_answers_ = 0;
  std::string first_wrong_;
};

class DemoWatch {
 public:
  // utc_offset_ns: CLOCK_REALTIME - CLOCK_BOOTTIME when the store was opened.
  DemoWatch(Consumer consumer, std::int64_t utc_offset_ns, LiveCounts& live)
      : consumer_(std::move(consumer)), utc_offset_ns_(utc_offset_ns), live_(live) {}
  DemoWatch(const DemoWatch&) = delete;
  DemoWatch& operator=(const DemoWatch&) = delete;
  ~DemoWatch() { stop(); }

  void start();
  void stop();

  // A copy of what has come so far; any thread.
  std::vector<AlertNote> notes();
  // After stop().
  const Histogram& latency() const { return latency_; }
  const Status& failure() const { return failure_; }

 private:
  void run();
  void note(const warden_alert& alert, std::int64_t taken_ns);

  Consumer consumer_;
  std::int64_t utc_offset_ns_;
  LiveCounts& live_;
  std::thread thread_;
  // Carries no data: join() orders the results.
  std::atomic<bool> stopping_{false};
  std::vector<char> buffer_;
  std::mutex mutex_;  // of notes_
  std::vector<AlertNote> notes_;
  Histogram latency_;
  Status failure_;
};

}  // namespace warden::cli
