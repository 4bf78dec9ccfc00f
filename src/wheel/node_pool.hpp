// SPDX-License-Identifier: Apache-2.0
//
// The timers' nodes, 24 bytes each, and who may have the next free one.
//
// A free node is filed in one of three places: its last user's own cache (two chains
// of at most kBatch nodes, no atomic operation to push or pop), the shared stack of
// whole batches (one compare-and-swap a batch), or never used yet (taken kBatch at a
// time from a counter). A cache that holds two full chains gives one back.
//
// Node::word is {generation 36 | armed 1}: odd while the timer is scheduled. Exactly
// one of cancel and fire clears the bit, and that one owns the node.
//
// Beside the nodes stands a byte for each, the low bits of the generation that ended
// last: whether an entry is garbage can be asked of 1 byte instead of a cold node. An
// entry whose generation is not the one after it is garbage for certain.
//
// Invariants
//   1. Only the owner of a free node writes its `due` and `cookie` (links then).
//   2. `due` and `cookie` of an armed node are constant; a reader that has loaded them
//      and then swapped the same word from armed to free has read the right ones: the
//      next writer of them acquires that very swap.
//   3. The generation grows with each scheduling and never wraps: the node retires.
#pragma once

#include <new>

#include "wheel/segments.hpp"
#include "wheel/types.hpp"

namespace warden::wheel {

template <template <class> class Atomic>
struct Node {
  // Set by the scheduler that owns the free node (release), cleared by the winner of
  // cancel and fire (compare-and-swap).
  Atomic<std::uint64_t> word;
  Atomic<std::uint64_t> due;     // while free: index of the next node of the chain
  Atomic<std::uint64_t> cookie;  // head of a shared batch: {nodes 32 | next batch 32}
};

template <template <class> class Atomic, class Policy>
class NodePool {
 public:
  using NodeT = Node<Atomic>;
  static constexpr std::uint32_t kNil = kIndexMask;
  static constexpr std::uint32_t kBatch = Policy::kBatch;

  // Two chains of free nodes and a range of unused ones; only their thread touches
  // them, and a successor in its thread slot sees them by that slot's hand-over.
  struct Cache {
    std::uint32_t head[2] = {kNil, kNil};
    std::uint32_t nodes[2] = {0, 0};
    std::uint32_t fresh = 0;
    std::uint32_t fresh_end = 0;
  };

  struct Popped {
    std::uint32_t index = kNil;
    Refusal refusal = Refusal::none;
  };

  explicit NodePool(std::uint32_t max_nodes) noexcept
      : max_nodes_(max_nodes < kMaxTimers ? max_nodes : kMaxTimers) {}

  NodeT& operator[](std::uint32_t index) noexcept { return nodes_[index]; }

  // By the owner of a timer just ended, before the node is free: so the byte of a
  // generation is there before the next one is armed.
  [[gnu::always_inline]] void note_ended(std::uint32_t index, std::uint64_t generation) noexcept {
    ended_[index].store(static_cast<std::uint8_t>(generation), std::memory_order_relaxed);
  }
  // False if the timer of that generation has ended. Relaxed: who found its entry has
  // acquired the arming, and with it the byte of the generation before.
  [[gnu::always_inline]] bool may_live(std::uint32_t index,
                                       std::uint64_t generation) const noexcept {
    const unsigned ended = ended_[index].load(std::memory_order_relaxed);
    return ((ended + 1 - generation) & 0xff) == 0;
  }
  void fetch_ended(std::uint32_t index) noexcept { __builtin_prefetch(&ended_[index], 1); }

  // Whether `index` was ever handed out, for handles that nobody vouches for. Acquire:
  // the segment was installed before the counter passed the index.
  bool known(std::uint32_t index) const noexcept {
    return index < bump_.load(std::memory_order_acquire);
  }

  std::uint64_t bytes() const noexcept {
    return std::uint64_t{bump_.load(std::memory_order_relaxed)} * (sizeof(NodeT) + 1);
  }

  [[gnu::always_inline]] Popped pop(Cache& cache) noexcept {
    if (cache.nodes[0] > 0) [[likely]] {
      return {take_head(cache), Refusal::none};
    }
    return refill(cache);
  }

  [[gnu::always_inline]] void push(Cache& cache, std::uint32_t index) noexcept {
    if (cache.nodes[0] == kBatch) [[unlikely]] {
      rotate(cache);
    }
    nodes_[index].due.store(cache.head[0], std::memory_order_relaxed);
    cache.head[0] = index;
    ++cache.nodes[0];
  }

  // Empties a cache that was made for one call (threads without a slot).
  void flush(Cache& cache) noexcept {
    for (int chain : {0, 1}) {
      if (cache.nodes[chain] > 0) push_batch(cache.head[chain], cache.nodes[chain]);
      cache.nodes[chain] = 0;
    }
    while (cache.fresh < cache.fresh_end) {
      const std::uint32_t index = construct(cache.fresh++);
      push_batch(index, 1);
    }
  }

 private:
  // The first chain is empty.
  [[gnu::noinline]] Popped refill(Cache& cache) noexcept {
    if (cache.nodes[1] > 0) {
      swap_chains(cache);
      return {take_head(cache), Refusal::none};
    }
    if (cache.fresh < cache.fresh_end) return {construct(cache.fresh++), Refusal::none};
    if (pop_batch(cache.head[0], cache.nodes[0])) return {take_head(cache), Refusal::none};
    const Refusal refusal = take_fresh(cache);
    if (refusal != Refusal::none) return {kNil, refusal};
    return {construct(cache.fresh++), Refusal::none};
  }

  // The first chain is full: it becomes the second, whose nodes go to all.
  [[gnu::noinline]] void rotate(Cache& cache) noexcept {
    if (cache.nodes[1] > 0) push_batch(cache.head[1], cache.nodes[1]);
    cache.head[1] = cache.head[0];
    cache.nodes[1] = cache.nodes[0];
    cache.head[0] = kNil;
    cache.nodes[0] = 0;
  }

  static void swap_chains(Cache& cache) noexcept {
    const std::uint32_t head = cache.head[0];
    const std::uint32_t nodes = cache.nodes[0];
    cache.head[0] = cache.head[1];
    cache.nodes[0] = cache.nodes[1];
    cache.head[1] = head;
    cache.nodes[1] = nodes;
  }

  std::uint32_t take_head(Cache& cache) noexcept {
    const std::uint32_t index = cache.head[0];
    cache.head[0] = static_cast<std::uint32_t>(nodes_[index].due.load(std::memory_order_relaxed));
    --cache.nodes[0];
    return index;
  }

  std::uint32_t construct(std::uint32_t index) noexcept {
    ::new (static_cast<void*>(&nodes_[index])) NodeT{};
    return index;
  }

  static std::uint64_t retag(std::uint64_t head, std::uint32_t index) noexcept {
    if constexpr (Policy::kBugFreeListWithoutTag) return index;
    return (((head >> kIndexBits) + 1) << kIndexBits) | index;
  }

  void push_batch(std::uint32_t index, std::uint32_t nodes) noexcept {
    std::uint64_t head = batches_.load(std::memory_order_relaxed);
    std::uint64_t next = 0;
    do {
      nodes_[index].cookie.store((std::uint64_t{nodes} << 32) | (head & kIndexMask),
                                 std::memory_order_relaxed);
      next = retag(head, index);
      // Release: the popper sees the links, written by whoever freed the nodes.
    } while (!batches_.compare_exchange_weak(head, next, std::memory_order_release,
                                             std::memory_order_relaxed));
  }

  bool pop_batch(std::uint32_t& index, std::uint32_t& nodes) noexcept {
    // Acquire pairs with push_batch. The link may be stale when another thread has
    // popped this head meanwhile; then the tag has moved and the swap fails.
    std::uint64_t head = batches_.load(std::memory_order_acquire);
    for (;;) {
      const auto top = static_cast<std::uint32_t>(head & kIndexMask);
      if (top == kNil) return false;
      const std::uint64_t link = nodes_[top].cookie.load(std::memory_order_relaxed);
      const auto below = static_cast<std::uint32_t>(link) & kIndexMask;
      if (batches_.compare_exchange_weak(head, retag(head, below), std::memory_order_acquire,
                                         std::memory_order_acquire)) {
        index = top;
        nodes = static_cast<std::uint32_t>(link >> 32);
        return true;
      }
    }
  }

  Refusal take_fresh(Cache& cache) noexcept {
    std::uint32_t start = bump_.load(std::memory_order_relaxed);
    for (;;) {
      if (start >= max_nodes_) return Refusal::too_many;
      std::uint32_t end = start + kBatch < max_nodes_ ? start + kBatch : max_nodes_;
      const std::uint32_t segment_end = (start | (Segments_::kPerSegment - 1)) + 1;
      if (end > segment_end) end = segment_end;
      if (!nodes_.ensure(start) || !ended_.ensure(start)) return Refusal::no_memory;
      // Release: known() of another thread must see the segment.
      if (bump_.compare_exchange_weak(start, end, std::memory_order_release,
                                      std::memory_order_relaxed)) {
        cache.fresh = start;
        cache.fresh_end = end;
        return Refusal::none;
      }
    }
  }

  using Segments_ = Segments<NodeT, kIndexBits, Policy::kNodeSegmentBits, Atomic>;

  Segments_ nodes_;
  // Written by the owner of a node whose timer has just ended; read by the keeper.
  Segments<Atomic<std::uint8_t>, kIndexBits, Policy::kNodeSegmentBits, Atomic> ended_;
  const std::uint32_t max_nodes_;
  // Nodes below it were handed out. Any thread, by compare-and-swap.
  alignas(64) Atomic<std::uint32_t> bump_{0};
  // Stack of batches: {tag 36 | head 28}. Any thread. The tag makes a head that was
  // popped and pushed again differ, until 2^36 batches pass within one stalled swap.
  alignas(64) Atomic<std::uint64_t> batches_{kNil};
};

}  // namespace warden::wheel
