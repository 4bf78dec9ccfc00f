// SPDX-License-Identifier: Apache-2.0
//
// Sleeping on a 32-bit word with a time limit, which std::atomic::wait lacks.
// The word's own loads and stores carry all ordering; a futex only sleeps.
#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <climits>
#include <ctime>

#include "base/types.hpp"

namespace warden::io {

using FutexWord = std::atomic<std::uint32_t>;
static_assert(sizeof(FutexWord) == 4 && FutexWord::is_always_lock_free);

// Returns when woken, when the word is not `expected`, when `timeout` is over
// (kNever: no limit), or for no reason at all: the caller looks again.
inline void futex_wait(FutexWord& word, std::uint32_t expected, Nanos timeout) noexcept {
  timespec ts{};
  timespec* limit = nullptr;
  if (timeout != kNever) {
    if (timeout <= 0) return;
    ts.tv_sec = timeout / kSecond;
    ts.tv_nsec = timeout % kSecond;
    limit = &ts;
  }
  syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, expected, limit, nullptr, 0);
}

inline void futex_wake(FutexWord& word, int count = INT_MAX) noexcept {
  syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, count, nullptr, nullptr, 0);
}

// CLOCK_MONOTONIC, for time limits and histograms only.
inline Nanos monotonic_now() noexcept {
  timespec ts{};
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return static_cast<Nanos>(ts.tv_sec) * kSecond + ts.tv_nsec;
}

}  // namespace warden::io
