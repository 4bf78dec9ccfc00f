// SPDX-License-Identifier: Apache-2.0
//
// The public face of the wheel: six levels of 256 slots, each one 64-bit word, and a
// bitmap of the slots that may hold something.
//
// Word: | round tag 28 | chunk 24 | position 12 |. A scheduler claims a cell by adding
// 1; at kCells and beyond it must install a chunk first. The position carries into the
// chunk field only after 4096 - kCells additions past the end, and a thread adds past
// the end at most once before it looks again: safe below 4,000 threads.
//
// Invariants
//   1. Slot (L, s) takes entries of round (due >> 8(L+1)) = its tag, mod 2^28, only.
//   2. The tag moves when the keeper closes the slot, and by the keeper alone.
//   3. A slot's bit is set before a chunk is installed in the empty slot, and cleared
//      by the keeper before it closes it: a chunk without its bit is never seen.
#pragma once

#include <bit>

#include "wheel/chunk_pool.hpp"

namespace warden::wheel {

inline constexpr unsigned kLevelBits = 8;
inline constexpr unsigned kLevels = kTickBits / kLevelBits;
inline constexpr std::uint32_t kSlots = 1U << kLevelBits;
inline constexpr std::uint32_t kBitmapWords = kSlots / 64;

inline constexpr unsigned kPositionBits = 12;
inline constexpr unsigned kTagBits = 28;
static_assert(kTagBits + kChunkBits + kPositionBits == 64);
// A round of level 0 repeats its tag after so many ticks.
inline constexpr unsigned kTagWrapBits = kTagBits + kLevelBits;

constexpr std::uint32_t digit(Tick tick, unsigned level) noexcept {
  return static_cast<std::uint32_t>(tick >> (kLevelBits * level)) & (kSlots - 1);
}
constexpr Tick round_of(Tick tick, unsigned level) noexcept {
  return tick >> (kLevelBits * (level + 1));
}
// First tick of the slot of `level` in which `tick` lies.
constexpr Tick slot_start(Tick tick, unsigned level) noexcept {
  return tick >> (kLevelBits * level) << (kLevelBits * level);
}
// The level at which a timer due at `due` stands when it is `now`; they differ.
constexpr unsigned level_of(Tick due, Tick now) noexcept {
  return (static_cast<unsigned>(std::bit_width(due ^ now)) - 1) / kLevelBits;
}

constexpr std::uint64_t make_word(Tick round, std::uint32_t chunk, std::uint32_t pos) noexcept {
  return (round << (kChunkBits + kPositionBits)) |
         (static_cast<std::uint64_t>(chunk) << kPositionBits) | pos;
}
constexpr std::uint64_t word_tag(std::uint64_t word) noexcept {
  return word >> (kChunkBits + kPositionBits);
}
constexpr std::uint64_t round_tag(Tick round) noexcept {
  return round & ((std::uint64_t{1} << kTagBits) - 1);
}
constexpr std::uint32_t word_chunk(std::uint64_t word) noexcept {
  return static_cast<std::uint32_t>(word >> kPositionBits) & ((1U << kChunkBits) - 1);
}
constexpr std::uint32_t word_position(std::uint64_t word) noexcept {
  return static_cast<std::uint32_t>(word) & ((1U << kPositionBits) - 1);
}

// A set of slots of one level.
template <template <class> class Atomic>
struct Bitmap {
  Atomic<std::uint64_t> word[kBitmapWords] = {};

  // Lowest set slot at or above `from`, or kSlots.
  std::uint32_t next(std::uint32_t from, std::memory_order order) const noexcept {
    for (std::uint32_t w = from / 64; w < kBitmapWords; ++w) {
      std::uint64_t bits = word[w].load(order);
      if (w == from / 64) bits &= ~std::uint64_t{0} << (from % 64);
      if (bits != 0) return w * 64 + static_cast<std::uint32_t>(std::countr_zero(bits));
    }
    return kSlots;
  }
  bool test(std::uint32_t slot, std::memory_order order) const noexcept {
    return ((word[slot / 64].load(order) >> (slot % 64)) & 1) != 0;
  }
  static constexpr std::uint64_t mask(std::uint32_t slot) noexcept {
    return std::uint64_t{1} << (slot % 64);
  }
};

template <template <class> class Atomic>
struct SlotTable {
  // Schedulers claim (fetch_add) and install (compare-and-swap); the keeper closes and
  // detaches (exchange).
  Atomic<std::uint64_t> word[kLevels][kSlots];
  // Schedulers set, the keeper clears; seq_cst, see prepare_sleep().
  alignas(64) Bitmap<Atomic> occupied[kLevels];
};

}  // namespace warden::wheel
