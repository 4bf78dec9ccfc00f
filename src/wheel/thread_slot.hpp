// SPDX-License-Identifier: Apache-2.0
//
// A small number for each running thread, process-wide, by which a wheel finds the
// thread's own cache of free nodes. A number returns to the pool when its thread
// ends, and the next thread to take it takes over the caches filed under it.
//
// Invariants
//   1. No two running threads hold the same number below kThreadSlots.
//   2. Who takes a number sees all that its last holder wrote (release, then acquire).
//   3. A thread that finds no number, or is past its thread-local destructors, gets
//      kThreadSlots: it works without a cache.
#pragma once

#include <cstdint>

namespace warden::wheel {

inline constexpr unsigned kThreadSlots = 128;
inline constexpr unsigned kSlotUnset = ~0U;

namespace detail {
// Initial-exec: one instruction to read, also from a shared library. Four bytes fit
// the reserve that the loader keeps for libraries opened late. Constinit here too: else
// each reading first asks whether there is something to initialize.
extern constinit thread_local unsigned t_slot __attribute__((tls_model("initial-exec")));
unsigned take_thread_slot() noexcept;
}  // namespace detail

// All numbers taken so far are below it. Relaxed: for sums that are exact only when
// nobody is inside a call.
unsigned thread_slot_limit() noexcept;

inline unsigned thread_slot() noexcept {
  const unsigned slot = detail::t_slot;
  return slot != kSlotUnset ? slot : detail::take_thread_slot();
}

}  // namespace warden::wheel
