// SPDX-License-Identifier: Apache-2.0
//
// Who wakes the scribe. One thread sleeps when it finds no work; many bring work and
// then ring. Ringing costs one load of a shared line as long as the scribe is awake, and
// of several that find it asleep one alone makes the system call.
//
//   who brings work:   work becomes visible ... ring(): does it sleep?
//   the scribe:        says that it sleeps  ... is there work? -> sleeps
//
// Invariants
// 1. Both sides write, then read what the other one writes, all seq_cst: either who
//    brings work sees the flag, or the scribe sees the work. So what is rung for is
//    published seq_cst too (Buffer::publish, Clerk::put), or under a lock that the
//    scribe takes for its look.
// 2. A wake is kept until the next sleep, should it come before (io::Queue::wake): it may
//    come between the look and the sleep.
// 3. Ringing without work is harmless, work without ringing is not: who leaves the ringing
//    to a later call (ReserveFlags::will_wait) must come to that call.
//
// The atomic is a template parameter, so that tests decide every step (tests/interleave).
#pragma once

#include <atomic>
#include <cstdint>

namespace warden::log {

struct DoorbellPolicy {
  // Bugs to test the tests with.
  static constexpr bool kBugLookBeforeSaying = false;
  static constexpr bool kBugReleaseSaying = false;
};

template <template <class> class Atomic = std::atomic, class Policy = DoorbellPolicy>
class BasicDoorbell {
 public:
  // Any thread, after its work is visible. `wake` is called by the one that must.
  template <class Wake>
  void ring(Wake wake) noexcept {
    // A thread that finds 0 here published before the scribe looked for the last time.
    if (asleep_.load(std::memory_order_seq_cst) == 0) return;
    if (asleep_.exchange(0, std::memory_order_seq_cst) == 1) wake();
  }
  // Says that the scribe is awake, whoever else is about to say so: `wake` always.
  template <class Wake>
  void ring_out(Wake wake) noexcept {
    asleep_.store(0, std::memory_order_seq_cst);
    wake();
  }
  // The scribe. `work` is its last look, `wait` its sleep.
  template <class Work, class Wait>
  void sleep(Work work, Wait wait) noexcept {
    constexpr auto kOrder =
        Policy::kBugReleaseSaying ? std::memory_order_release : std::memory_order_seq_cst;
    const bool early = Policy::kBugLookBeforeSaying && work();
    asleep_.store(1, kOrder);
    if (!(Policy::kBugLookBeforeSaying ? early : work())) wait();
    asleep_.store(0, std::memory_order_seq_cst);
  }

 private:
  // 1 while the scribe sleeps or is about to.
  Atomic<std::uint32_t> asleep_{0};
};

using Doorbell = BasicDoorbell<>;

}  // namespace warden::log
