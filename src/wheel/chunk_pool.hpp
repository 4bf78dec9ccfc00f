// SPDX-License-Identifier: Apache-2.0
//
// Entries and the chunks that hold them: what stands in a slot of the wheel.
//
// Entry, 64 bits: | published 1 | due, low 24 bits | generation, low 11 | node 28 |
// A cell is 0 until its claimer has published. The due bits suffice to cascade levels
// 1 to 3 without a look at the node; the generation bits are only a filter, the node's
// own word decides.
//
// A chunk belongs to exactly one of: the free stack, one scheduler about to install
// it, one slot's public chain, the keeper. A chain runs from its newest chunk by
// `next`; all but the newest are full.
//
// Invariants
//   1. Every cell of a free chunk is 0.
//   2. A chunk is freed by the keeper alone, when every claimed cell was published.
//   3. Cells at and beyond `count` were never claimed.
#pragma once

#include <new>

#include "wheel/segments.hpp"
#include "wheel/types.hpp"

namespace warden::wheel {

inline constexpr std::uint64_t kUnpublished = 0;
inline constexpr std::uint64_t kDead = 1;  // claimed in vain, or already dealt with
inline constexpr std::uint64_t kPublished = std::uint64_t{1} << 63;
inline constexpr unsigned kShortGenerationBits = 11;
inline constexpr std::uint64_t kShortGenerationMask = (1U << kShortGenerationBits) - 1;
inline constexpr unsigned kResidueShift = kIndexBits + kShortGenerationBits;
inline constexpr unsigned kResidueBits = 24;
inline constexpr Tick kResidueMask = (Tick{1} << kResidueBits) - 1;
static_assert(kResidueShift + kResidueBits == 63);

constexpr std::uint64_t make_entry(std::uint32_t index, std::uint64_t generation,
                                   Tick due) noexcept {
  return kPublished | ((due & kResidueMask) << kResidueShift) |
         ((generation & kShortGenerationMask) << kIndexBits) | index;
}
constexpr std::uint32_t entry_index(std::uint64_t entry) noexcept {
  return static_cast<std::uint32_t>(entry) & kIndexMask;
}
constexpr std::uint64_t entry_generation(std::uint64_t entry) noexcept {
  return (entry >> kIndexBits) & kShortGenerationMask;
}
constexpr Tick entry_residue(std::uint64_t entry) noexcept {
  return (entry >> kResidueShift) & kResidueMask;
}

inline constexpr unsigned kChunkBits = 24;
inline constexpr std::uint32_t kNoChunk = 0;  // chunk 0 is never handed out

template <template <class> class Atomic, std::uint32_t kCells>
struct Chunk {
  // The three links are written by the installer before its releasing swap, or by the
  // keeper for chunks of its own. Another installer may read a stale one; its swap
  // then fails. Relaxed therefore suffices.
  Atomic<std::uint32_t> next;   // older chunk, or the next free one
  Atomic<std::uint32_t> last;   // oldest chunk of the chain
  Atomic<std::uint32_t> depth;  // chunks of the chain
  std::uint32_t count;          // cells claimed; the owner's
  // Each is claimed by one scheduler, published by its release store, and read by the
  // keeper with acquire: an entry's node is armed before the entry is seen.
  Atomic<std::uint64_t> cell[kCells];
};

// A detached chain, the keeper's.
struct Chain {
  std::uint32_t head = kNoChunk;
  std::uint32_t last = kNoChunk;
  std::uint32_t depth = 0;
};

template <template <class> class Atomic, class Policy>
class ChunkPool {
 public:
  using ChunkT = Chunk<Atomic, Policy::kCells>;

  ChunkT& operator[](std::uint32_t index) noexcept { return chunks_[index]; }
  const ChunkT& operator[](std::uint32_t index) const noexcept { return chunks_[index]; }

  // kNoChunk when memory is out. Any thread.
  std::uint32_t alloc() noexcept {
    std::uint32_t index = pop();
    if (index == kNoChunk) index = take_fresh();
    if (index == kNoChunk) return kNoChunk;
    ChunkT& chunk = chunks_[index];
    chunk.next.store(kNoChunk, std::memory_order_relaxed);
    chunk.last.store(index, std::memory_order_relaxed);
    chunk.depth.store(1, std::memory_order_relaxed);
    chunk.count = Policy::kCells;
    return index;
  }

  // By an installer whose chunk was not needed, or by the keeper after clear().
  void free(std::uint32_t index) noexcept {
    std::uint64_t head = free_.load(std::memory_order_relaxed);
    std::uint64_t next = 0;
    do {
      chunks_[index].next.store(static_cast<std::uint32_t>(head) & kMask,
                                std::memory_order_relaxed);
      next = retag(head, index);
      // Release: the next owner sees the cells zeroed.
    } while (!free_.compare_exchange_weak(head, next, std::memory_order_release,
                                          std::memory_order_relaxed));
  }

  // Zeroes the claimed cells (invariant 1).
  void clear(ChunkT& chunk) noexcept {
    for (std::uint32_t i = 0; i < chunk.count; ++i) {
      chunk.cell[i].store(kUnpublished, std::memory_order_relaxed);
    }
  }

  void append(Chain& to, const Chain& more) noexcept {
    if (more.head == kNoChunk) return;
    if (to.head == kNoChunk) {
      to = more;
      return;
    }
    chunks_[to.last].next.store(more.head, std::memory_order_relaxed);
    to.last = more.last;
    to.depth += more.depth;
  }

  // Takes the first chunk off the chain.
  std::uint32_t pop_front(Chain& chain) noexcept {
    const std::uint32_t index = chain.head;
    if (index == chain.last) {
      chain = Chain{};
    } else {
      chain.head = chunks_[index].next.load(std::memory_order_relaxed);
      --chain.depth;
    }
    return index;
  }

  std::uint32_t in_existence() const noexcept { return bump_.load(std::memory_order_relaxed); }
  std::uint64_t bytes() const noexcept {
    return std::uint64_t{bump_.load(std::memory_order_relaxed)} * sizeof(ChunkT);
  }

 private:
  static constexpr std::uint32_t kMask = (1U << kChunkBits) - 1;
  static constexpr std::uint32_t kMaxChunks = kMask;

  static std::uint64_t retag(std::uint64_t head, std::uint32_t index) noexcept {
    if constexpr (Policy::kBugFreeListWithoutTag) return index;
    return (((head >> kChunkBits) + 1) << kChunkBits) | index;
  }

  std::uint32_t pop() noexcept {
    // Acquire pairs with free(); a stale link makes the swap fail by the tag.
    std::uint64_t head = free_.load(std::memory_order_acquire);
    for (;;) {
      const auto top = static_cast<std::uint32_t>(head) & kMask;
      if (top == kNoChunk) return kNoChunk;
      const std::uint32_t below = chunks_[top].next.load(std::memory_order_relaxed) & kMask;
      if (free_.compare_exchange_weak(head, retag(head, below), std::memory_order_acquire,
                                      std::memory_order_acquire)) {
        return top;
      }
    }
  }

  std::uint32_t take_fresh() noexcept {
    std::uint32_t index = bump_.load(std::memory_order_relaxed);
    do {
      if (index >= kMaxChunks || !chunks_.ensure(index)) return kNoChunk;
      // Relaxed: the chunk is announced to others by its installer's swap.
    } while (!bump_.compare_exchange_weak(index, index + 1, std::memory_order_relaxed));
    ::new (static_cast<void*>(&chunks_[index])) ChunkT{};
    return index;
  }

  Segments<ChunkT, kChunkBits, Policy::kChunkSegmentBits, Atomic> chunks_;
  // Chunks below it were handed out; any thread. 0 is kNoChunk.
  alignas(64) Atomic<std::uint32_t> bump_{1};
  // Free stack: {tag 40 | chunk 24}; any thread.
  alignas(64) Atomic<std::uint64_t> free_{kNoChunk};
};

}  // namespace warden::wheel
