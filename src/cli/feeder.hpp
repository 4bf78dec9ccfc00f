// SPDX-License-Identifier: Apache-2.0
//
// Feeds an EventLog into a store, in batches, from one or several threads. Each
// feeder owns the cases whose number modulo the feeders is its own, so the
// order of one case's events is kept and feeders never wait for each other.
//
// Data flow: EventLog::order -> a feeder's share -> chunk -> warden_batch_run(TRACK)
// for the cases that begin in it -> warden_batch_run(MARK) for all of it.
//
// Invariants:
//   1. A case's TRACK precedes its first MARK: both lie in one chunk, TRACK is
//      run first, and no MARK of the case lies in an earlier chunk.
//   2. seq of a mark is the place of its row in the order fed, from 1, whoever
//      feeds it: so the same log again changes nothing.
//   3. The first failure stops all feeders; the others' failures are dropped.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "cli/engine.hpp"

namespace warden::cli {

struct FeedOptions {
  std::uint32_t feeders = 1;
  std::uint32_t times = 1;
  std::uint32_t batch = 1024;
};

// What the marks were answered. (A mark that closes its case answers CLOSED, and
// so does every later one: closings are the store's figure, not counted here.)
struct FeedCounts {
  std::uint64_t tracked_new = 0;
  std::uint64_t events = 0;
  std::uint64_t already = 0;
};

class FeedRun {
 public:
  FeedRun(warden_store* store, std::string_view flow, const std::string& log_file,
          const EventLog& log, const FeedOptions& options);
  FeedRun(const FeedRun&) = delete;
  FeedRun& operator=(const FeedRun&) = delete;
  ~FeedRun();

  void start();
  // Ends when every feeder has ended.
  Result<FeedCounts> join();
  // Events fed so far; any thread.
  std::uint64_t fed() const { return fed_.load(std::memory_order_relaxed); }
  bool running() const { return running_.load(std::memory_order_relaxed) != 0; }

 private:
  class Feeder;

  void fail(Failure failure);
  bool failed() const { return failed_.load(std::memory_order_relaxed); }

  warden_store* store_;
  std::string_view flow_;
  const std::string& log_file_;
  const EventLog& log_;
  FeedOptions options_;
  std::vector<warden_batch_due> dues_;
  std::vector<std::thread> threads_;
  // All three are written by feeders and read by others for pace only; results
  // are read after join(), which orders them. Hence relaxed.
  std::atomic<std::uint64_t> fed_{0};
  std::atomic<std::uint32_t> running_{0};
  std::atomic<bool> failed_{false};
  std::mutex mutex_;  // of the two below
  FeedCounts counts_;
  Status failure_;
};

}  // namespace warden::cli
