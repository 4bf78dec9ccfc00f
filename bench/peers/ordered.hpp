// SPDX-License-Identifier: Apache-2.0
//
// Two containers people use for timers: a binary heap in which a cancelled timer stays
// until it is on top, and a balanced tree. Single-threaded.
#pragma once

#include <cstdint>
#include <map>
#include <queue>
#include <vector>

namespace warden::peers {

class LazyHeap {
 public:
  using Id = std::uint32_t;
  explicit LazyHeap(std::uint64_t) {}

  Id schedule(std::uint64_t due, std::uint64_t cookie) {
    Id id = 0;
    if (free_.empty()) {
      id = static_cast<Id>(timer_.size());
      timer_.push_back({});
    } else {
      id = free_.back();
      free_.pop_back();
    }
    timer_[id].cookie = cookie;
    timer_[id].live = true;
    heap_.push({due, id, ++timer_[id].generation});
    return id;
  }
  void cancel(Id id) {
    timer_[id].live = false;
    free_.push_back(id);
  }
  template <class F>
  std::uint64_t advance(std::uint64_t to, F&& on_due) {
    std::uint64_t fired = 0;
    while (!heap_.empty() && heap_.top().due <= to) {
      const Entry top = heap_.top();
      heap_.pop();
      Timer& timer = timer_[top.id];
      if (!timer.live || timer.generation != top.generation) continue;
      cancel(top.id);
      ++fired;
      on_due(timer.cookie);
    }
    return fired;
  }

 private:
  struct Entry {
    std::uint64_t due;
    Id id;
    std::uint32_t generation;
    bool operator<(const Entry& other) const { return due > other.due; }
  };
  struct Timer {
    std::uint64_t cookie = 0;
    std::uint32_t generation = 0;
    bool live = false;
  };
  std::priority_queue<Entry> heap_;
  std::vector<Timer> timer_;
  std::vector<Id> free_;
};

class Tree {
 public:
  using Id = std::multimap<std::uint64_t, std::uint64_t>::iterator;
  explicit Tree(std::uint64_t) {}
  Id schedule(std::uint64_t due, std::uint64_t cookie) { return map_.emplace(due, cookie); }
  void cancel(Id id) { map_.erase(id); }
  template <class F>
  std::uint64_t advance(std::uint64_t to, F&& on_due) {
    std::uint64_t fired = 0;
    while (!map_.empty() && map_.begin()->first <= to) {
      const std::uint64_t cookie = map_.begin()->second;
      map_.erase(map_.begin());
      ++fired;
      on_due(cookie);
    }
    return fired;
  }

 private:
  std::multimap<std::uint64_t, std::uint64_t> map_;
};

}  // namespace warden::peers
