// SPDX-License-Identifier: Apache-2.0
//
// The pool behind thread_slot(): one bit a number.
#include "wheel/thread_slot.hpp"

#include <atomic>
#include <bit>

namespace warden::wheel {

namespace detail {

constinit thread_local unsigned t_slot = kSlotUnset;

namespace {

// Set bits are taken numbers. Touched at a thread's first and last moment only. The
// exchange of a bit acquires what the number's last holder released (invariant 2).
constinit std::atomic<std::uint64_t> g_taken[kThreadSlots / 64] = {};

// Raised by each taker, never lowered.
constinit std::atomic<unsigned> g_limit{0};

void raise_limit(unsigned to) noexcept {
  unsigned seen = g_limit.load(std::memory_order_relaxed);
  while (seen < to && !g_limit.compare_exchange_weak(seen, to, std::memory_order_relaxed)) {
  }
}

struct Returner {
  // Thread-local destructors that run later find no cache (invariant 3).
  ~Returner() {
    const unsigned slot = t_slot;
    t_slot = kThreadSlots;
    if (slot >= kThreadSlots) return;
    g_taken[slot / 64].fetch_and(~(std::uint64_t{1} << (slot % 64)), std::memory_order_release);
  }
  void touch() noexcept {}
};

}  // namespace

unsigned take_thread_slot() noexcept {
  thread_local Returner returner;
  returner.touch();
  for (unsigned word = 0; word < kThreadSlots / 64; ++word) {
    std::uint64_t taken = g_taken[word].load(std::memory_order_relaxed);
    while (~taken != 0) {
      const unsigned bit = static_cast<unsigned>(std::countr_one(taken));
      if (g_taken[word].compare_exchange_weak(taken, taken | (std::uint64_t{1} << bit),
                                              std::memory_order_acquire,
                                              std::memory_order_relaxed)) {
        raise_limit(word * 64 + bit + 1);
        return t_slot = word * 64 + bit;
      }
    }
  }
  return t_slot = kThreadSlots;
}

}  // namespace detail

unsigned thread_slot_limit() noexcept {
  return detail::g_limit.load(std::memory_order_relaxed);
}

}  // namespace warden::wheel
