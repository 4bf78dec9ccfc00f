// SPDX-License-Identifier: Apache-2.0
//
// What the wheel's callers see (handles, answers, options) and the policy through
// which tests shrink it, drive its interleavings and plant known bugs.
//
// Invariants
//   1. Handle::none is never handed out: generations start at 1.
//   2. A generation is never used twice for one node: the node retires instead.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/types.hpp"
#include "wheel/thread_slot.hpp"

namespace warden::wheel {

// A position on the time axis; what one tick is worth is the caller's business.
using Tick = std::uint64_t;

inline constexpr unsigned kTickBits = 48;
inline constexpr Tick kMaxTick = (Tick{1} << kTickBits) - 1;
inline constexpr Tick kNoTick = ~Tick{0};  // "nothing is scheduled"

// Names one scheduling of one timer: node index (28 bits), generation (36 bits).
enum class Handle : std::uint64_t { none = 0 };

inline constexpr unsigned kIndexBits = 28;
inline constexpr unsigned kGenerationBits = 36;
inline constexpr std::uint32_t kIndexMask = (1U << kIndexBits) - 1;
inline constexpr std::uint64_t kLastGeneration = (std::uint64_t{1} << kGenerationBits) - 1;
inline constexpr std::uint32_t kMaxTimers = kIndexMask;  // the all-ones index means "none"

constexpr Handle make_handle(std::uint32_t index, std::uint64_t generation) noexcept {
  return static_cast<Handle>((generation << kIndexBits) | index);
}
constexpr std::uint32_t handle_index(Handle handle) noexcept {
  return static_cast<std::uint32_t>(raw(handle)) & kIndexMask;
}
constexpr std::uint64_t handle_generation(Handle handle) noexcept {
  return raw(handle) >> kIndexBits;
}

enum class Refusal : std::uint8_t {
  none,
  no_memory,     // the system gave no more memory; nothing was scheduled
  too_many,      // Options::max_timers are in use
  out_of_range,  // beyond kMaxTick
};

struct Scheduled {
  Handle handle = Handle::none;
  Refusal refusal = Refusal::none;
  bool wake = false;  // the sleeping keeper must be woken
};

struct Request {
  Tick due = 0;
  std::uint64_t cookie = 0;
};

struct Options {
  Tick now = 0;
  // Nodes that may exist. A thread keeps up to 64 free ones for itself, so a refusal
  // may come that much early for every further thread.
  std::uint32_t max_timers = kMaxTimers;
};

struct Advanced {
  bool done = false;        // false: max_work was used up, call again
  std::uint64_t fired = 0;  // calls of on_due
  std::uint64_t work = 0;   // entries visited
  Tick now = 0;
};

// Sizes, the caller's number, and the planted bugs (each off here and switched on by
// exactly one test of tests/interleave, which must then fail to find the wheel sound).
struct DefaultPolicy {
  static constexpr std::uint32_t kCells = 62;           // a chunk of 512 bytes
  static constexpr std::uint32_t kBatch = 32;           // free nodes that change hands at once
  static constexpr unsigned kNodeSegmentBits = 18;      // 6 MiB of address space, 3 huge pages
  static constexpr unsigned kChunkSegmentBits = 14;     // 8 MiB of address space
  static constexpr std::uint64_t kGarbageFloor = 4096;  // entries not worth a compaction
  static constexpr std::uint32_t kEarlyChunks = 16;     // a slot so large is cascaded early
  // Chunks that a large wheel's keeper holds back: a cascade spreads one slot over 256
  // lists before it has emptied its first chunks, also when memory is out.
  static constexpr std::uint32_t kSpareChunks = 576;
  static constexpr std::uint32_t kTrimUnit = 8;      // chunks given back together: a page
  static constexpr std::uint64_t kTrimFloor = 8192;  // free chunks (4 MiB) not worth a return

  static unsigned thread_slot() noexcept { return wheel::thread_slot(); }
  static unsigned thread_slot_limit() noexcept { return wheel::thread_slot_limit(); }

  static constexpr bool kBugNoTagBumpOnEmpty = false;
  static constexpr bool kBugPublishNowAfterClose = false;
  static constexpr bool kBugNoGenerationCheck = false;
  static constexpr bool kBugRelaxedEntryStore = false;
  static constexpr bool kBugDropEntryInFlight = false;
  static constexpr bool kBugFreeListWithoutTag = false;
  static constexpr bool kBugSleepReadBeforeClaim = false;
};

}  // namespace warden::wheel
