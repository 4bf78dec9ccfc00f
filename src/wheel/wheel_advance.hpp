// SPDX-License-Identifier: Apache-2.0
//
// BasicWheel, the keeper's half: what happens to the entries of a tick. Included by
// wheel.hpp. How the hand moves stands in wheel_keeper.hpp.
//
//   pending_[5..1] --cascade--> kept_ lists of lower levels, or ready_ (due already)
//   pending_[0], ready_ --fire--> on_due
//   a chunk with a cell claimed but not published --> parked_ --poll--> all of these
//
// Invariants
//   1. At most one chunk is being worked on, the first of the first non-empty chain;
//      cursor_ and open_cells_ are its, also between two calls of advance().
//   2. An entry leaves its chunk only when it was fired, dropped as garbage, or placed.
//   3. When memory is out, an entry that cannot be placed stays in its chunk, which is
//      parked: parked_due_ sees to it that its hour is not passed.
#pragma once

#include <algorithm>
#include <utility>

#include "wheel/wheel.hpp"

namespace warden::wheel {

template <template <class> class Atomic, class Policy>
template <class F>
Advanced BasicWheel<Atomic, Policy>::advance(Tick to, std::uint64_t max_work, F&& on_due) noexcept {
  if (to > kMaxTick) to = kMaxTick;
  Progress progress{max_work > 0 ? max_work : 1};
  bool done = true;
  top_up_spares();
  // What was published since the last call is placed before the hand moves.
  if (!std::exchange(resumed_, false)) polled_at_ = kNoTick;
  for (;;) {
    if (!settle(progress, on_due)) {
      done = false;
      break;
    }
    cascade_early(progress);
    const Tick now = now_.load(std::memory_order_relaxed);
    if (now >= to) break;
    if (progress.exhausted()) {
      done = false;
      break;
    }
    const Tick next = bound(std::memory_order_acquire);
    move_towards(next < to ? next : to);
    polled_at_ = kNoTick;
  }
  resumed_ = !done;
  if (done) {
    sweep(progress);
    give_back(progress);
  }
  return {done, progress.fired, progress.work, now_.load(std::memory_order_relaxed)};
}

// Finishes the current tick. False when max_work is used up.
template <template <class> class Atomic, class Policy>
template <class F>
bool BasicWheel<Atomic, Policy>::settle(Progress& progress, F& on_due) noexcept {
  for (unsigned level = kLevels - 1; level > 0; --level) {
    if (!cascade(level, progress)) return false;
  }
  if (!fire_pending(progress, on_due)) return false;
  const Tick now = now_.load(std::memory_order_relaxed);
  if (polled_at_ != now) {
    // Once a tick, and after the cascades, whose entries without memory are here too.
    polled_at_ = now;
    parked_due_ = kNoTick;
    chunks_.append(polling_, parked_);
    parked_ = Chain{};
  }
  return poll_parked(progress, on_due);
}

// Re-buckets what stood in the slot of `level` that begins with the current tick.
template <template <class> class Atomic, class Policy>
bool BasicWheel<Atomic, Policy>::cascade(unsigned level, Progress& progress) noexcept {
  const Tick now = now_.load(std::memory_order_relaxed);
  while (pending_[level].head != kNoChunk) {
    ChunkT& chunk = chunks_[pending_[level].head];
    __builtin_prefetch(&chunks_[chunk.next.load(std::memory_order_relaxed)]);
    for (; cursor_ < chunk.count; ++cursor_) {
      if (progress.exhausted()) return false;
      ++progress.work;
      const std::uint64_t entry = chunk.cell[cursor_].load(std::memory_order_acquire);
      if (entry == kDead) continue;
      bool gone = false;
      if (entry != kUnpublished) {
        Tick due = (now & ~kResidueMask) | entry_residue(entry);
        if (level * kLevelBits > kResidueBits && !read_due(entry, due)) {
          bump(dropped_);
          continue;
        }
        gone = place(entry, due);
      }
      if (!gone) open_cells_ |= std::uint64_t{1} << cursor_;
    }
    if constexpr (Policy::kBugDropEntryInFlight) open_cells_ = 0;
    finish_chunk(pending_[level]);
  }
  return true;
}

template <template <class> class Atomic, class Policy>
template <class F>
bool BasicWheel<Atomic, Policy>::fire_pending(Progress& progress, F& on_due) noexcept {
  Local* const mine = local();
  for (;;) {
    Chain& chain = pending_[0];
    if (chain.head == kNoChunk) {
      if (ready_.head == kNoChunk) return true;
      std::swap(chain, ready_);
    }
    ChunkT& chunk = chunks_[chain.head];
    fetch_nodes_ahead(chain);
    for (; cursor_ < chunk.count; ++cursor_) {
      if (progress.exhausted()) return false;
      ++progress.work;
      const std::uint64_t entry = chunk.cell[cursor_].load(std::memory_order_acquire);
      if (entry == kDead) continue;
      if (entry == kUnpublished) {
        open_cells_ |= std::uint64_t{1} << cursor_;
      } else if (fire(entry, mine, progress, on_due) == Fate::not_yet) {
        bump(dropped_);  // an older timer's entry: the present one stands elsewhere
      }
    }
    finish_chunk(chain);
  }
}

// Entries that were not published, or found no memory, when their chunk was visited.
// They are placed by their node's own due tick, since their slot is gone.
template <template <class> class Atomic, class Policy>
template <class F>
bool BasicWheel<Atomic, Policy>::poll_parked(Progress& progress, F& on_due) noexcept {
  while (polling_.head != kNoChunk) {
    ChunkT& chunk = chunks_[polling_.head];
    for (; cursor_ < chunk.count; ++cursor_) {
      if (progress.exhausted()) return false;
      ++progress.work;
      const std::uint64_t entry = chunk.cell[cursor_].load(std::memory_order_acquire);
      if (entry == kDead) continue;
      if (entry != kUnpublished) {
        Tick due = 0;
        if (!read_due(entry, due)) {
          bump(dropped_);
          continue;
        }
        if (fire(entry, local(), progress, on_due) == Fate::ended) continue;
        if (place(entry, due)) continue;
        if (due < parked_due_) parked_due_ = due;
      }
      open_cells_ |= std::uint64_t{1} << cursor_;
    }
    finish_chunk(polling_);
  }
  return true;
}

// Fires the entry's timer unless it was ended or is not due. Each of cancel and fire
// swaps the armed bit off; the one that succeeds owns the node.
template <template <class> class Atomic, class Policy>
template <class F>
[[gnu::always_inline]] inline auto BasicWheel<Atomic, Policy>::fire(std::uint64_t entry,
                                                                    Local* mine, Progress& progress,
                                                                    F& on_due) noexcept -> Fate {
  const std::uint32_t index = entry_index(entry);
  NodeT& node = nodes_[index];
  std::uint64_t word = node.word.load(std::memory_order_acquire);
  const bool same = Policy::kBugNoGenerationCheck ||
                    ((word >> 1) & kShortGenerationMask) == entry_generation(entry);
  if ((word & 1) == 0 || !same) {
    bump(dropped_);
    return Fate::ended;
  }
  // Right if the swap succeeds: node_pool.hpp, invariant 2.
  const Tick due = node.due.load(std::memory_order_relaxed);
  const std::uint64_t cookie = node.cookie.load(std::memory_order_relaxed);
  if (due > now_.load(std::memory_order_relaxed)) return Fate::not_yet;
  if (!node.word.compare_exchange_strong(word, word & ~std::uint64_t{1}, std::memory_order_acq_rel,
                                         std::memory_order_relaxed)) {
    bump(dropped_);
    return Fate::ended;
  }
  nodes_.note_ended(index, word >> 1);
  if (word >> 1 != kLastGeneration) push_node(mine, index);
  bump(fired_);
  ++progress.fired;
  on_due(make_handle(index, word >> 1), due, cookie);
  return Fate::ended;
}

// A hint for each node that the chunk names.
template <template <class> class Atomic, class Policy>
void BasicWheel<Atomic, Policy>::fetch_nodes(const ChunkT& chunk) noexcept {
  for (std::uint32_t i = 0; i < chunk.count; ++i) {
    const std::uint64_t entry = chunk.cell[i].load(std::memory_order_relaxed);
    if (entry > kDead) __builtin_prefetch(&nodes_[entry_index(entry)], 1);
  }
}

// Before a chain's first chunk is worked through: the nodes of the second are asked for,
// so that their misses pass meanwhile, and the cells of the third.
template <template <class> class Atomic, class Policy>
void BasicWheel<Atomic, Policy>::fetch_nodes_ahead(const Chain& chain) noexcept {
  const ChunkT& chunk = chunks_[chain.head];
  if (fetched_ != chain.head) fetch_nodes(chunk);
  if (chain.head == chain.last) return;
  fetched_ = chunk.next.load(std::memory_order_relaxed);
  const ChunkT& second = chunks_[fetched_];
  fetch_nodes(second);
  if (fetched_ == chain.last) return;
  const ChunkT& third = chunks_[second.next.load(std::memory_order_relaxed)];
  for (std::uint32_t i = 0; i < Policy::kCells; i += 8) __builtin_prefetch(&third.cell[i]);
}

// The due tick of the timer that the entry's node bears; false if the entry is garbage.
// Not validated by a swap: a torn reading belongs to another timer of the same short
// generation, whose own entry stands elsewhere, and firing checks again.
template <template <class> class Atomic, class Policy>
bool BasicWheel<Atomic, Policy>::read_due(std::uint64_t entry, Tick& due) noexcept {
  NodeT& node = nodes_[entry_index(entry)];
  const std::uint64_t word = node.word.load(std::memory_order_acquire);
  if ((word & 1) == 0 || ((word >> 1) & kShortGenerationMask) != entry_generation(entry)) {
    return false;
  }
  due = node.due.load(std::memory_order_acquire);
  return node.word.load(std::memory_order_relaxed) == word;
}

template <template <class> class Atomic, class Policy>
bool BasicWheel<Atomic, Policy>::place(std::uint64_t entry, Tick due) noexcept {
  const Tick now = now_.load(std::memory_order_relaxed);
  if (due <= now) return append_entry(ready_, entry);
  return keep(level_of(due, now), due, entry);
}

template <template <class> class Atomic, class Policy>
bool BasicWheel<Atomic, Policy>::keep(unsigned level, Tick due, std::uint64_t entry) noexcept {
  const std::uint32_t slot = digit(due, level);
  const unsigned parity = static_cast<unsigned>(round_of(due, level) & 1);
  Chain& list = kept_[level][parity][slot];
  if (list.head == kNoChunk) {
    auto& bits = kept_bits_[level][parity].word[slot / 64];
    bits.store(bits.load(std::memory_order_relaxed) | Bitmap<Atomic>::mask(slot),
               std::memory_order_relaxed);
  }
  return append_entry(list, entry);
}

template <template <class> class Atomic, class Policy>
[[gnu::always_inline]] inline bool BasicWheel<Atomic, Policy>::append_entry(
    Chain& list, std::uint64_t entry) noexcept {
  if (list.head == kNoChunk || chunks_[list.head].count == Policy::kCells) {
    const std::uint32_t fresh = take_chunk();
    if (fresh == kNoChunk) return false;
    ChunkT& chunk = chunks_[fresh];
    chunk.count = 0;
    chunk.next.store(list.head, std::memory_order_relaxed);
    if (list.head == kNoChunk) list.last = fresh;
    list.head = fresh;
    ++list.depth;
  }
  ChunkT& chunk = chunks_[list.head];
  chunk.cell[chunk.count++].store(entry, std::memory_order_relaxed);
  return true;
}

// Takes the chunk just worked through off its chain: freed, or parked for its open
// cells. The others are marked one by one: a cell may be published at any moment.
template <template <class> class Atomic, class Policy>
bool BasicWheel<Atomic, Policy>::finish_chunk(Chain& from) noexcept {
  const std::uint32_t index = chunks_.pop_front(from);
  ChunkT& chunk = chunks_[index];
  const std::uint64_t open = std::exchange(open_cells_, 0);
  cursor_ = 0;
  if (open == 0) {
    release_chunk(index);
    return true;
  }
  for (std::uint32_t i = 0; i < chunk.count; ++i) {
    if (((open >> i) & 1) == 0) chunk.cell[i].store(kDead, std::memory_order_relaxed);
  }
  chunks_.append(parked_, Chain{index, index, 1});
  return false;
}

template <template <class> class Atomic, class Policy>
void BasicWheel<Atomic, Policy>::release_chunk(std::uint32_t index) noexcept {
  chunks_.clear(chunks_[index]);
  if (spares_ < kSpareChunks) {
    spare_[spares_++] = index;
  } else {
    chunks_.free(index);
  }
}

template <template <class> class Atomic, class Policy>
std::uint32_t BasicWheel<Atomic, Policy>::take_chunk() noexcept {
  return spares_ > 0 ? spare_[--spares_] : chunks_.alloc();
}

// In proportion to the wheel's size, a few a call. Without memory the cascade still
// loses nothing: what cannot be placed is parked.
template <template <class> class Atomic, class Policy>
void BasicWheel<Atomic, Policy>::top_up_spares() noexcept {
  const std::uint32_t wanted = std::min(kSpareChunks, chunks_.in_existence() / 8);
  for (int i = 0; i < 32 && spares_ < wanted; ++i) {
    const std::uint32_t chunk = chunks_.alloc();
    if (chunk == kNoChunk) return;
    spare_[spares_++] = chunk;
  }
}

}  // namespace warden::wheel
