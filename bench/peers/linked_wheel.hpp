// SPDX-License-Identifier: Apache-2.0
//
// The textbook hierarchical timing wheel, as the stand-in for the classic ones: six
// levels of 256 doubly-linked lists, a node a timer from a free list, unlinking at
// cancel, relinking at each cascade. Alone, behind one mutex, and behind 16 mutexed
// shards.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

namespace warden::peers {

class LinkedWheel {
 public:
  struct Link {
    Link* prev;
    Link* next;
  };
  struct Timer : Link {
    std::uint64_t due;
    std::uint64_t cookie;
  };
  using Id = Timer*;

  explicit LinkedWheel(std::uint64_t now) : now_(now) {
    for (auto& level : slot_) {
      for (Link& head : level) head.prev = head.next = &head;
    }
  }

  Id schedule(std::uint64_t due, std::uint64_t cookie) {
    if (free_ == nullptr) grow();
    Timer* timer = free_;
    free_ = static_cast<Timer*>(timer->next);
    timer->due = due > now_ ? due : now_ + 1;
    timer->cookie = cookie;
    link(timer);
    return timer;
  }

  void cancel(Id timer) {
    timer->prev->next = timer->next;
    timer->next->prev = timer->prev;
    release(timer);
  }

  template <class F>
  std::uint64_t advance(std::uint64_t to, F&& on_due) {
    std::uint64_t fired = 0;
    while (now_ < to) {
      ++now_;
      for (unsigned level = 1; level < kLevels; ++level) {
        if (((now_ >> (8 * (level - 1))) & 255) != 0) break;
        cascade(slot_[level][(now_ >> (8 * level)) & 255]);
      }
      Link& head = slot_[0][now_ & 255];
      while (head.next != &head) {
        auto* timer = static_cast<Timer*>(head.next);
        head.next = timer->next;
        timer->next->prev = &head;
        const std::uint64_t cookie = timer->cookie;
        release(timer);
        ++fired;
        on_due(cookie);
      }
    }
    return fired;
  }

 private:
  static constexpr unsigned kLevels = 6;

  void link(Timer* timer) {
    const std::uint64_t differ = timer->due ^ now_;
    const unsigned level =
        differ == 0 ? 0 : (63U - static_cast<unsigned>(__builtin_clzll(differ))) / 8;
    Link& head = slot_[level][(timer->due >> (8 * level)) & 255];
    timer->prev = head.prev;
    timer->next = &head;
    head.prev->next = timer;
    head.prev = timer;
  }
  void cascade(Link& head) {
    Link* at = head.next;
    head.prev = head.next = &head;
    while (at != &head) {
      Link* const next = at->next;
      link(static_cast<Timer*>(at));
      at = next;
    }
  }
  void release(Timer* timer) {
    timer->next = free_;
    free_ = timer;
  }
  void grow() {
    constexpr std::size_t kBlock = 4096;
    blocks_.push_back(std::make_unique<Timer[]>(kBlock));
    for (std::size_t i = kBlock; i-- > 0;) release(&blocks_.back()[i]);
  }

  std::uint64_t now_;
  Timer* free_ = nullptr;
  std::vector<std::unique_ptr<Timer[]>> blocks_;
  Link slot_[kLevels][256];
};

class MutexWheel {
 public:
  using Id = LinkedWheel::Id;
  explicit MutexWheel(std::uint64_t now) : wheel_(now) {}
  Id schedule(std::uint64_t due, std::uint64_t cookie) {
    const std::lock_guard lock(mutex_);
    return wheel_.schedule(due, cookie);
  }
  void cancel(Id id) {
    const std::lock_guard lock(mutex_);
    wheel_.cancel(id);
  }
  template <class F>
  std::uint64_t advance(std::uint64_t to, F&& on_due) {
    const std::lock_guard lock(mutex_);
    return wheel_.advance(to, on_due);
  }

 private:
  std::mutex mutex_;
  LinkedWheel wheel_;
};

class ShardedWheel {
 public:
  static constexpr unsigned kShards = 16;
  struct Id {
    LinkedWheel::Id timer = nullptr;
    unsigned shard = 0;
  };
  explicit ShardedWheel(std::uint64_t now) {
    for (unsigned i = 0; i < kShards; ++i) shard_.emplace_back(now);
  }
  Id schedule(std::uint64_t due, std::uint64_t cookie) {
    thread_local unsigned turn = 0;
    const unsigned at = ++turn % kShards;
    return {shard_[at].wheel.schedule(due, cookie), at};
  }
  void cancel(Id id) { shard_[id.shard].wheel.cancel(id.timer); }
  template <class F>
  std::uint64_t advance(std::uint64_t to, F&& on_due) {
    std::uint64_t fired = 0;
    for (Shard& each : shard_) fired += each.wheel.advance(to, on_due);
    return fired;
  }

 private:
  struct alignas(64) Shard {
    explicit Shard(std::uint64_t now) : wheel(now) {}
    MutexWheel wheel;
  };
  std::deque<Shard> shard_;
};

}  // namespace warden::peers
