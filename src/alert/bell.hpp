// SPDX-License-Identifier: Apache-2.0
//
// How one consumer's pollers are woken: threads asleep in poll by a futex, event
// loops by an eventfd. The bell knows nothing of alerts; hub.hpp argues why no
// ring is lost between looking and sleeping.
//
//   ring ->  word + 1, futex wake if anybody sleeps;  eventfd written if unreadable
//
// Invariants
//   1. A thread that took its ticket, entered, and then sleeps on that ticket
//      returns at once if the bell rang since the ticket.
//   2. signalled_ is true exactly if the eventfd is readable, outside lock_.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>

#include "base/types.hpp"

namespace warden::alert {

// Monotone nanoseconds, for timeouts of callers.
Nanos monotonic_now() noexcept;

class Bell {
 public:
  Bell() = default;
  ~Bell();
  Bell(const Bell&) = delete;
  Bell& operator=(const Bell&) = delete;

  // Any thread.
  void ring() noexcept;           // wakes sleepers, makes the eventfd readable
  void wake_sleepers() noexcept;  // leaves the eventfd as it is
  void clear() noexcept;          // the eventfd is not readable any more

  // The eventfd, made at the first call, unreadable; a negative errno on failure.
  int open_fd() noexcept;

  // Is there anybody whom a ring would reach? Exact under the hub's lock, under
  // which both only become true.
  bool has_listeners() const noexcept {
    return fd_.load(std::memory_order_relaxed) >= 0 ||
           sleepers_.load(std::memory_order_relaxed) != 0;
  }

  std::uint32_t ticket() const noexcept { return word_.load(std::memory_order_seq_cst); }
  void enter() noexcept { sleepers_.fetch_add(1, std::memory_order_seq_cst); }
  void leave() noexcept { sleepers_.fetch_sub(1, std::memory_order_seq_cst); }
  // Until rung, or monotonic_now() reaches `until` (kNever: no limit), or for no
  // reason: callers look again.
  void sleep(std::uint32_t ticket, Nanos until) noexcept;

 private:
  // word_ grows by one a ring; sleepers_ counts threads between enter and leave.
  // Sleeper: sleepers_ + 1, then (in the kernel) word_ == ticket? Ringer: word_ + 1,
  // then sleepers_ == 0? All sequentially consistent, so that not both can miss the
  // other: if the ringer saw no sleeper, its increment comes before the sleeper's
  // comparison, which then fails.
  std::atomic<std::uint32_t> word_{0};
  std::atomic<std::uint32_t> sleepers_{0};
  // Set once, under the hub's lock and lock_; read anywhere. Relaxed: it is a
  // number, nothing is published by it.
  std::atomic<int> fd_{-1};
  std::mutex lock_;  // of signalled_ and of reading and writing the eventfd
  bool signalled_ = false;
};

}  // namespace warden::alert
