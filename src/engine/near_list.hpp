// SPDX-License-Identifier: Apache-2.0
//
// Items whose next level the wheel cannot hold to the nanosecond: on a manual
// clock, levels inside the tick that the wheel has already passed (or in a late
// event's past); on the real clock, dues after the wall clock was set back. The
// keeper looks at all of them at each advance (manual) or once a second (real).
//
// An entry names an item, not a deadline: what is due is recomputed, so a stale
// or doubled entry is harmless: put() comes before the commit of the change.
#pragma once

#include <atomic>
#include <mutex>
#include <utility>
#include <vector>

#include "base/types.hpp"

namespace warden::engine {

class NearList {
 public:
  struct Near {
    std::uint32_t number;
    std::uint64_t incarnation;
  };

  // May throw std::bad_alloc, nothing changed.
  void put(Near near) {
    std::lock_guard guard(mutex_);
    list_.push_back(near);
    size_.store(list_.size(), std::memory_order_relaxed);
  }
  std::vector<Near> take() {
    std::lock_guard guard(mutex_);
    size_.store(0, std::memory_order_relaxed);
    return std::exchange(list_, {});
  }
  bool empty() const noexcept { return size_.load(std::memory_order_relaxed) == 0; }
  std::size_t size() const noexcept { return size_.load(std::memory_order_relaxed); }

 private:
  std::mutex mutex_;
  std::vector<Near> list_;
  // Written under the mutex; read by the keeper as a hint, who takes the mutex if
  // it is not 0. A put() wakes the keeper where that matters.
  std::atomic<std::size_t> size_{0};
};

}  // namespace warden::engine
