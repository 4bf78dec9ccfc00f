// SPDX-License-Identifier: Apache-2.0
//
// The two that do the same job: watch an item of a key and a payload until it is
// completed or its deadline passes, whichever comes first; a mark moves it to a stage
// that has a nearer deadline.
//
//   Warden  a store in memory, through the C ABI, with the flow of subjects.cpp
//   Plain   what one writes without it: std::unordered_map and std::priority_queue behind
//           one mutex, a thread that waits for the earliest deadline, lazy cancelling
//
// Each verb takes the ids of items and runs them one call at a time, or (Warden: one
// warden_batch_run; Plain: one hold of the mutex) `batch` at a time. What an id was
// answered is checked: a wrong answer ends the program.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <queue>
#include <unordered_map>

#include "measure.hpp"
#include "warden/warden.h"

namespace bench {

using Ids = std::span<const std::uint64_t>;

class Warden {
 public:
  static constexpr const char* kName = "warden";

  // `rules`: 1, a total deadline alone; 2, one for a stage too (mark needs it).
  explicit Warden(unsigned rules);
  ~Warden();
  Warden(const Warden&) = delete;
  Warden& operator=(const Warden&) = delete;

  void track(Ids ids, std::size_t batch);
  void mark(Ids ids, std::size_t batch);
  void complete(Ids ids, std::size_t batch);

  std::uint64_t live() const;
  std::uint64_t timers() const;
  std::uint64_t item_bytes() const;

 private:
  void run(std::uint32_t op, Ids ids, std::size_t batch, std::int32_t expected);
  warden_stats stats() const;

  warden_store* store_ = nullptr;
};

class Plain {
 public:
  static constexpr const char* kName = "unordered_map + priority_queue + mutex";

  explicit Plain(unsigned rules);
  ~Plain();
  Plain(const Plain&) = delete;
  Plain& operator=(const Plain&) = delete;

  void track(Ids ids, std::size_t batch);
  void mark(Ids ids, std::size_t batch);
  void complete(Ids ids, std::size_t batch);

  std::uint64_t live();

 private:
  struct Entry {
    std::string payload;
    std::int64_t total_ns;      // deadline of the whole
    std::int64_t deadline_ns;   // the nearest
    std::uint32_t armings = 1;  // in the queue, this one included
    std::uint32_t stage = 0;
    bool done = false;
  };
  struct Due {
    std::int64_t at_ns;
    Entry* entry;
    bool operator<(const Due& other) const noexcept { return at_ns > other.at_ns; }
  };
  // Opens the vector of the queue, so that cancelled entries can be swept out.
  struct Queue : std::priority_queue<Due> {
    std::vector<Due>& all() noexcept { return c; }
  };

  template <class One>
  void run(Ids ids, std::size_t batch, One&& one);
  void arm(Entry* entry, std::int64_t at);
  void drop(const Due& due);
  void sweep();
  void keep();

  std::mutex mutex_;
  std::condition_variable earlier_;
  std::unordered_map<std::string, Entry*> items_;
  Queue queue_;
  std::uint64_t cancelled_ = 0;  // entries of the queue whose item is done
  std::uint64_t missed_ = 0;
  bool stop_ = false;
  std::thread keeper_;
};

}  // namespace bench
