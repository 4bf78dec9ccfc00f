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
// Memory goes back to the system in units of whole chunks that are all free. The links of
// the free stack stand beside the chunks, not in them, so a free chunk needs no memory:
// the keeper takes the whole stack, drops the pages of the units it finds complete
// (trim), and puts all back, those without memory at the bottom. To whoever pops one
// nothing has happened: dropped pages come back as zeros.
//
// Invariants
//   1. Every cell of a free chunk is 0.
//   2. A chunk is freed by the keeper alone, when every claimed cell was published.
//   3. Cells at and beyond `count` were never claimed.
#pragma once

#include <algorithm>
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
  Atomic<std::uint32_t> next;   // older chunk
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
    ChunkT& chunk = chunks_[index];  // a stale installer may read the links meanwhile
    chunk.next.store(kNoChunk, std::memory_order_relaxed);
    chunk.last.store(index, std::memory_order_relaxed);
    chunk.depth.store(1, std::memory_order_relaxed);
    chunk.count = Policy::kCells;
    return index;
  }

  // By an installer whose chunk was not needed, or by the keeper after clear().
  void free(std::uint32_t index) noexcept { push(index, index, 0); }

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
  std::uint32_t without_memory() const noexcept { return bare_.load(std::memory_order_relaxed); }
  std::uint64_t bytes() const noexcept {
    const std::uint32_t made = in_existence();
    const std::uint32_t bare = without_memory();
    return std::uint64_t{made - (bare < made ? bare : made)} * sizeof(ChunkT) +
           std::uint64_t{made} * sizeof(std::uint32_t);
  }

  // The keeper gives the memory of free chunks back, in pieces: begin_trim() once, then
  // trim() while it answers true. Each looks at no more than kTrimPiece chunks. Meanwhile
  // the free stack fills anew with what is freed; others make new chunks beyond that.
  static constexpr std::uint32_t kTrimPiece = 512;
  void begin_trim() noexcept {
    std::uint64_t head = free_.load(std::memory_order_relaxed);
    // Acquire: the links, and the cells zeroed.
    while (!free_.compare_exchange_weak(head, retag(head, kNoChunk), std::memory_order_acquire,
                                        std::memory_order_relaxed)) {
    }
    trim_ = Trim{};
    trim_.taken = static_cast<std::uint32_t>(head) & kMask;
    trim_.end = in_existence();
    if (trim_.taken != kNoChunk) trim_.stage = Trim::Stage::collect;
  }
  bool trim() noexcept {
    if (trim_.stage == Trim::Stage::collect)
      collect_some();
    else if (trim_.stage == Trim::Stage::drop)
      drop_some();
    return trim_.stage != Trim::Stage::idle;
  }
  bool trimming() const noexcept { return trim_.stage != Trim::Stage::idle; }

 private:
  static constexpr std::uint32_t kMask = (1U << kChunkBits) - 1;
  static constexpr std::uint32_t kMaxChunks = kMask;

  static std::uint64_t retag(std::uint64_t head, std::uint32_t index) noexcept {
    if constexpr (Policy::kBugFreeListWithoutTag) return index;
    return (((head >> kChunkBits) + 1) << kChunkBits) | index;
  }

  // A link: {no memory 1 | in the keeper's hands 1 | next 24}.
  static constexpr std::uint32_t kBare = 1U << 31;
  static constexpr std::uint32_t kHeld = 1U << 30;

  // Puts a chain on the stack; the links inside are set.
  void push(std::uint32_t first, std::uint32_t last, std::uint32_t flags_of_last) noexcept {
    std::uint64_t head = free_.load(std::memory_order_relaxed);
    std::uint64_t next = 0;
    do {
      link_[last].store((static_cast<std::uint32_t>(head) & kMask) | flags_of_last,
                        std::memory_order_relaxed);
      next = retag(head, first);
      // Release: the next owner sees the cells zeroed.
    } while (!free_.compare_exchange_weak(head, next, std::memory_order_release,
                                          std::memory_order_relaxed));
  }

  // Free chunks in the keeper's hands, to go back in one piece.
  struct FreeChain {
    std::uint32_t head = kNoChunk;
    std::uint32_t last = kNoChunk;
  };
  struct Trim {
    enum class Stage : std::uint8_t { idle, collect, drop };
    Stage stage = Stage::idle;
    std::uint32_t taken = kNoChunk;  // of what the stack held: not yet marked kHeld
    std::uint32_t at = 0;            // next unit, by its first chunk
    std::uint32_t end = 0;
    FreeChain warm;
    FreeChain bare;
  };

  // Chunks that are dropped together: whole pages, one of them for the usual chunks.
  static constexpr std::size_t kPage = 4096;
  static constexpr std::uint32_t unit_chunks() noexcept {
    std::uint32_t chunks = Policy::kTrimUnit;
    while (chunks * sizeof(ChunkT) % kPage != 0) chunks *= 2;
    return chunks;
  }
  static constexpr std::uint32_t kUnit = unit_chunks();
  static constexpr std::uint32_t kSegment = 1U << Policy::kChunkSegmentBits;
  static_assert(kSegment % kUnit == 0 && kTrimPiece % kUnit == 0, "units lie in one of each");

  void add(FreeChain& chain, std::uint32_t index, std::uint32_t flags) noexcept {
    link_[index].store(chain.head | flags, std::memory_order_relaxed);
    if (chain.head == kNoChunk) chain.last = index;
    chain.head = index;
  }

  void collect_some() noexcept {
    for (std::uint32_t i = 0; i < kTrimPiece && trim_.taken != kNoChunk; ++i) {
      const std::uint32_t link = link_[trim_.taken].load(std::memory_order_relaxed);
      link_[trim_.taken].store((link & kBare) | kHeld, std::memory_order_relaxed);
      trim_.taken = link & kMask;
    }
    if (trim_.taken == kNoChunk) trim_.stage = Trim::Stage::drop;
  }

  void drop_some() noexcept {
    const std::uint32_t stop = std::min(trim_.end, trim_.at + kTrimPiece);
    while (trim_.at < stop) {
      const std::uint32_t first = trim_.at;
      const std::uint32_t segment_end = (first | (kSegment - 1)) + 1;
      while (trim_.at < std::min(stop, segment_end) && whole(trim_.at)) trim_.at += kUnit;
      // A refusal (locked pages, larger pages than a unit) leaves the memory in place.
      const bool drop =
          trim_.at > first &&
          ::madvise(&chunks_[first], (trim_.at - first) * sizeof(ChunkT), MADV_DONTNEED) == 0;
      if (trim_.at == first) trim_.at += kUnit;
      put_aside(first, std::min(trim_.at, trim_.end), drop);
    }
    if (trim_.at < trim_.end) return;
    if (trim_.bare.head != kNoChunk) push(trim_.bare.head, trim_.bare.last, kBare);
    if (trim_.warm.head != kNoChunk) push(trim_.warm.head, trim_.warm.last, 0);
    trim_.stage = Trim::Stage::idle;
  }

  // Whether the unit is all free and has memory to give.
  bool whole(std::uint32_t first) const noexcept {
    if (first + kUnit > trim_.end) return false;
    std::uint32_t bare = kBare;
    for (std::uint32_t i = first; i < first + kUnit; ++i) {
      const std::uint32_t link = link_[i].load(std::memory_order_relaxed);
      if ((link & kHeld) == 0) return false;
      bare &= link;
    }
    return bare == 0;
  }

  void put_aside(std::uint32_t first, std::uint32_t end, bool dropped) noexcept {
    for (std::uint32_t i = end; i-- > first;) {  // the lowest is to be popped first
      const std::uint32_t link = link_[i].load(std::memory_order_relaxed);
      if ((link & kHeld) == 0) continue;
      if (dropped && (link & kBare) == 0) bare_.fetch_add(1, std::memory_order_relaxed);
      if (dropped || (link & kBare) != 0) {
        add(trim_.bare, i, kBare);
      } else {
        add(trim_.warm, i, 0);
      }
    }
  }

  std::uint32_t pop() noexcept {
    // Acquire pairs with free(); a stale link makes the swap fail by the tag.
    std::uint64_t head = free_.load(std::memory_order_acquire);
    for (;;) {
      const auto top = static_cast<std::uint32_t>(head) & kMask;
      if (top == kNoChunk) return kNoChunk;
      const std::uint32_t link = link_[top].load(std::memory_order_relaxed);
      if (free_.compare_exchange_weak(head, retag(head, link & kMask), std::memory_order_acquire,
                                      std::memory_order_acquire)) {
        if ((link & kBare) != 0) bare_.fetch_sub(1, std::memory_order_relaxed);
        return top;
      }
    }
  }

  std::uint32_t take_fresh() noexcept {
    std::uint32_t index = bump_.load(std::memory_order_relaxed);
    do {
      if (index >= kMaxChunks || !chunks_.ensure(index) || !link_.ensure(index)) {
        return kNoChunk;
      }
      // Relaxed: the chunk is announced to others by its installer's swap.
    } while (!bump_.compare_exchange_weak(index, index + 1, std::memory_order_relaxed));
    ::new (static_cast<void*>(&chunks_[index])) ChunkT{};
    return index;
  }

  Segments<ChunkT, kChunkBits, Policy::kChunkSegmentBits, Atomic> chunks_;
  // Of free chunks; written by whoever pushes or holds them. Announced by free_.
  Segments<Atomic<std::uint32_t>, kChunkBits, Policy::kChunkSegmentBits, Atomic> link_;
  Trim trim_;  // the keeper's
  // Free chunks without memory: a figure. Pages that come back with a neighbour's first
  // touch still count as gone. Any thread, relaxed.
  Atomic<std::uint32_t> bare_{0};
  // Chunks below it were handed out; any thread. 0 is kNoChunk.
  alignas(64) Atomic<std::uint32_t> bump_{1};
  // Free stack: {tag 40 | chunk 24}; any thread.
  alignas(64) Atomic<std::uint64_t> free_{kNoChunk};
};

}  // namespace warden::wheel
