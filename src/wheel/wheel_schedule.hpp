// SPDX-License-Identifier: Apache-2.0
//
// BasicWheel, the half that any thread may call: schedule, cancel, their batches.
// Included by wheel.hpp.
//
//   schedule: free node -> claim a cell -> arm the node -> publish the entry -> wake?
//   cancel:   armed bit off -> free node
//
// Invariants
//   1. A claimed cell is always published, as an entry or as kDead.
//   2. Nothing after the claim can fail: a refusal leaves no trace.
#pragma once

#include <algorithm>
#include <utility>

#include "wheel/wheel.hpp"

namespace warden::wheel {

template <template <class> class Atomic, class Policy>
BasicWheel<Atomic, Policy>::BasicWheel(const Options& options) noexcept
    : nodes_(options.max_timers), now_(options.now) {
  for (unsigned level = 0; level < kLevels; ++level) {
    for (std::uint32_t slot = 0; slot < kSlots; ++slot) {
      const bool passed = slot <= digit(options.now, level);
      slots_.word[level][slot].store(
          make_word(round_of(options.now, level) + (passed ? 1 : 0), kNoChunk, Policy::kCells),
          std::memory_order_relaxed);
    }
  }
}

template <template <class> class Atomic, class Policy>
auto BasicWheel<Atomic, Policy>::local() noexcept -> Local* {
  const unsigned slot = Policy::thread_slot();
  return slot < kThreadSlots ? &locals_[slot] : nullptr;
}

// Without a slot of its own a thread has no cache: what it takes and gives goes through
// one that lives as long as the call.
template <template <class> class Atomic, class Policy>
[[gnu::always_inline]] inline auto BasicWheel<Atomic, Policy>::pop_node(Local* mine) noexcept ->
    typename Nodes::Popped {
  if (mine != nullptr) [[likely]] {
    return nodes_.pop(mine->cache);
  }
  Cache passing;
  const auto popped = nodes_.pop(passing);
  nodes_.flush(passing);
  return popped;
}

template <template <class> class Atomic, class Policy>
[[gnu::always_inline]] inline void BasicWheel<Atomic, Policy>::push_node(
    Local* mine, std::uint32_t index) noexcept {
  if (mine != nullptr) [[likely]] {
    nodes_.push(mine->cache, index);
    return;
  }
  Cache passing;
  nodes_.push(passing, index);
  nodes_.flush(passing);
}

// The slot's chunk is full or missing: puts a fresh one on top and claims its first cell.
// Answers the chunk, or kNoChunk: the word has changed, or (spare is kNoChunk) memory is
// out.
template <template <class> class Atomic, class Policy>
std::uint32_t BasicWheel<Atomic, Policy>::install(unsigned level, std::uint32_t slot,
                                                  std::uint64_t word,
                                                  std::uint32_t& spare) noexcept {
  if (spare == kNoChunk) spare = chunks_.alloc();
  if (spare == kNoChunk) return kNoChunk;
  ChunkT& chunk = chunks_[spare];
  const std::uint32_t below = word_chunk(word);
  chunk.next.store(below, std::memory_order_relaxed);
  if (below == kNoChunk) {
    chunk.last.store(spare, std::memory_order_relaxed);
    chunk.depth.store(1, std::memory_order_relaxed);
  } else {
    ChunkT& older = chunks_[below];
    chunk.last.store(older.last.load(std::memory_order_relaxed), std::memory_order_relaxed);
    chunk.depth.store(older.depth.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
  if (below == kNoChunk) {  // the bit comes before the chunk: slots.hpp, invariant 3
    slots_.occupied[level].word[slot / 64].fetch_or(Bitmap<Atomic>::mask(slot),
                                                    std::memory_order_seq_cst);
  }
  // Release: a claimer sees the cells zeroed, the keeper the links. Acquire: `below`.
  const std::uint64_t mine = make_word(word_tag(word), spare, 1);
  if (!slots_.word[level][slot].compare_exchange_strong(word, mine, std::memory_order_acq_rel,
                                                        std::memory_order_relaxed)) {
    return kNoChunk;
  }
  return std::exchange(spare, kNoChunk);
}

// After an install, the tick beyond which the keeper must not sleep: that of the timer, or
// sooner if the slot has grown so large that it is to be cascaded early, or if so many
// chunks were installed since it went to sleep that it should look after garbage.
template <template <class> class Atomic, class Policy>
Tick BasicWheel<Atomic, Policy>::wake_tick(unsigned level, Tick target,
                                           std::uint32_t chunk) noexcept {
  const std::uint64_t installs = installs_.fetch_add(1, std::memory_order_relaxed) + 1;
  const Tick soon = now_.load(std::memory_order_relaxed) + 1;
  if (installs >= sweep_from_.load(std::memory_order_relaxed)) return std::min(soon, target);
  const std::uint32_t depth = chunks_[chunk].depth.load(std::memory_order_relaxed);
  if (level == 0 || depth % Policy::kEarlyChunks != 0) return target;
  const Tick start = slot_start(target, level);
  const Tick early = start - std::min(start, early_window(level, depth));
  return std::min(target, std::max(early, soon));
}

// What nearly every claim is: the slot stands and its chunk has room. False: claim()
// starts over; a cell past the end was added at most once.
template <template <class> class Atomic, class Policy>
[[gnu::always_inline]] inline bool BasicWheel<Atomic, Policy>::try_claim(Tick due,
                                                                         Claim& claimed) noexcept {
  const Tick now = now_.load(std::memory_order_acquire);
  const Tick target = due > now ? due : now + 1;
  if (target > kMaxTick) return false;
  const unsigned level = level_of(target, now);
  auto& place = slots_.word[level][digit(target, level)];
  const std::uint64_t tag = round_tag(round_of(target, level));
  std::uint64_t word = place.load(std::memory_order_acquire);
  // Another tag: closed since now_ was read, so that now_ has moved.
  if (word_tag(word) != tag || word_position(word) >= Policy::kCells) return false;
  // Acquire: the chunk's cells were zeroed. Release is not needed: nothing was written
  // for others yet.
  word = place.fetch_add(1, std::memory_order_acquire);
  const std::uint32_t cell = word_position(word);
  if (cell >= Policy::kCells) return false;
  auto* const own = &chunks_[word_chunk(word)].cell[cell];
  // Equal tags are equal rounds, unless 2^36 ticks have passed since now_ was read.
  const bool wrapped = (now_.load(std::memory_order_relaxed) - now) >> kTagWrapBits != 0;
  if (word_tag(word) != tag || wrapped) {
    own->store(kDead, std::memory_order_release);
    return false;
  }
  claimed = {own, target, target, Refusal::none};
  return true;
}

template <template <class> class Atomic, class Policy>
[[gnu::noinline]] auto BasicWheel<Atomic, Policy>::claim(Tick due) noexcept -> Claim {
  std::uint32_t spare = kNoChunk;
  Claim claimed;
  while (!try_claim(due, claimed)) {
    const Tick now = now_.load(std::memory_order_acquire);
    const Tick target = due > now ? due : now + 1;
    if (target > kMaxTick) {
      claimed.refusal = Refusal::out_of_range;
      break;
    }
    const unsigned level = level_of(target, now);
    const std::uint32_t slot = digit(target, level);
    const std::uint64_t word = slots_.word[level][slot].load(std::memory_order_acquire);
    if (word_tag(word) != round_tag(round_of(target, level))) continue;
    if (word_position(word) < Policy::kCells) continue;
    const std::uint32_t chunk = install(level, slot, word, spare);
    if (chunk != kNoChunk) {
      auto* const own = &chunks_[chunk].cell[0];
      claimed = {own, target, wake_tick(level, target, chunk), Refusal::none};
      const bool wrapped = (now_.load(std::memory_order_relaxed) - now) >> kTagWrapBits != 0;
      if (!wrapped) break;
      own->store(kDead, std::memory_order_release);
    } else if (spare == kNoChunk) {
      claimed.refusal = Refusal::no_memory;
      break;
    }
  }
  if (spare != kNoChunk) chunks_.free(spare);
  return claimed;
}

// The claim comes before this load, in the order of all seq_cst operations: see
// prepare_sleep(). Of several schedulers earlier than the keeper's hour only those
// that lower it further answer true.
template <template <class> class Atomic, class Policy>
[[gnu::always_inline]] inline bool BasicWheel<Atomic, Policy>::must_wake(Tick target) noexcept {
  Tick until = sleep_until_.load(std::memory_order_seq_cst);
  while (target < until) {
    if (sleep_until_.compare_exchange_weak(until, target, std::memory_order_seq_cst,
                                           std::memory_order_seq_cst)) {
      return true;
    }
  }
  return false;
}

template <template <class> class Atomic, class Policy>
Scheduled BasicWheel<Atomic, Policy>::schedule(Tick due, std::uint64_t cookie) noexcept {
  if (due > kMaxTick) return {Handle::none, Refusal::out_of_range, false};
  Local* const mine = local();
  const auto popped = pop_node(mine);
  if (popped.refusal != Refusal::none) return {Handle::none, popped.refusal, false};
  bool wake = false;
  if constexpr (Policy::kBugSleepReadBeforeClaim) wake = must_wake(due);
  Claim claimed;
  if (!try_claim(due, claimed)) [[unlikely]] {
    claimed = claim(due);
    if (claimed.refusal != Refusal::none) {
      push_node(mine, popped.index);
      return {Handle::none, claimed.refusal, false};
    }
  }
  NodeT& node = nodes_[popped.index];
  const std::uint64_t generation = (node.word.load(std::memory_order_relaxed) >> 1) + 1;
  node.due.store(due, std::memory_order_relaxed);
  node.cookie.store(cookie, std::memory_order_relaxed);
  // Release: who finds the node armed finds its fields.
  node.word.store((generation << 1) | 1, std::memory_order_release);
  if (mine != nullptr) [[likely]] {
    bump(mine->scheduled);
  } else {
    shared_scheduled_.fetch_add(1, std::memory_order_relaxed);
  }
  // Release: who finds the entry finds the node armed.
  constexpr auto order =
      Policy::kBugRelaxedEntryStore ? std::memory_order_relaxed : std::memory_order_release;
  claimed.cell->store(make_entry(popped.index, generation, claimed.target), order);
  if constexpr (!Policy::kBugSleepReadBeforeClaim) wake = must_wake(claimed.wake_by);
  return {make_handle(popped.index, generation), Refusal::none, wake};
}

template <template <class> class Atomic, class Policy>
bool BasicWheel<Atomic, Policy>::cancel(Handle handle) noexcept {
  const std::uint32_t index = handle_index(handle);
  if (!nodes_.known(index)) return false;
  NodeT& node = nodes_[index];
  nodes_.fetch_ended(index);
  // What the word must be, with no look at it before: one miss of the cache, not two.
  std::uint64_t word = (handle_generation(handle) << 1) | 1;
  if constexpr (Policy::kBugNoGenerationCheck) {
    word = node.word.load(std::memory_order_acquire) | 1;
  }
  // The swap decides against a firing and other cancels. Acquire: we own the node now.
  // Release: the reads of whoever armed it come before our successor's writes.
  if (!node.word.compare_exchange_strong(word, word & ~std::uint64_t{1}, std::memory_order_acq_rel,
                                         std::memory_order_relaxed)) {
    return false;
  }
  Local* const mine = local();
  if (mine != nullptr) [[likely]] {
    bump(mine->cancelled);
  } else {
    shared_cancelled_.fetch_add(1, std::memory_order_relaxed);
  }
  nodes_.note_ended(index, word >> 1);
  if (word >> 1 != kLastGeneration) push_node(mine, index);
  return true;
}

template <template <class> class Atomic, class Policy>
Tick BasicWheel<Atomic, Policy>::due_of(Handle handle) noexcept {
  const std::uint32_t index = handle_index(handle);
  if (!nodes_.known(index)) return kNoTick;
  NodeT& node = nodes_[index];
  // Acquire: `due` was written before the word that armed it. If the timer ends in
  // between, the answer is stale, which the caller has ruled out or does not mind.
  const std::uint64_t word = node.word.load(std::memory_order_acquire);
  if ((word & 1) == 0 || word >> 1 != handle_generation(handle)) return kNoTick;
  return node.due.load(std::memory_order_relaxed);
}

template <template <class> class Atomic, class Policy>
std::size_t BasicWheel<Atomic, Policy>::schedule_batch(std::span<const Request> requests,
                                                       std::span<Scheduled> answers) noexcept {
  std::size_t made = 0;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    answers[i] = schedule(requests[i].due, requests[i].cookie);
    made += answers[i].refusal == Refusal::none ? 1 : 0;
  }
  return made;
}

template <template <class> class Atomic, class Policy>
std::size_t BasicWheel<Atomic, Policy>::cancel_batch(std::span<const Handle> handles,
                                                     std::span<bool> answers) noexcept {
  for (const Handle handle : handles) {
    const std::uint32_t index = handle_index(handle);
    if (nodes_.known(index)) __builtin_prefetch(&nodes_[index], 1);
  }
  std::size_t ended = 0;
  for (std::size_t i = 0; i < handles.size(); ++i) {
    answers[i] = cancel(handles[i]);
    ended += answers[i] ? 1 : 0;
  }
  return ended;
}

template <template <class> class Atomic, class Policy>
std::uint64_t BasicWheel<Atomic, Policy>::size() const noexcept {
  std::uint64_t ended =
      fired_.load(std::memory_order_relaxed) + shared_cancelled_.load(std::memory_order_relaxed);
  std::uint64_t scheduled = shared_scheduled_.load(std::memory_order_relaxed);
  for (const Local& each : std::span(locals_).first(Policy::thread_slot_limit())) {
    ended += each.cancelled.load(std::memory_order_relaxed);
    scheduled += each.scheduled.load(std::memory_order_relaxed);
  }
  return scheduled > ended ? scheduled - ended : 0;
}

template <template <class> class Atomic, class Policy>
std::uint64_t BasicWheel<Atomic, Policy>::cancelled_total() const noexcept {
  std::uint64_t cancelled = shared_cancelled_.load(std::memory_order_relaxed);
  for (const Local& each : std::span(locals_).first(Policy::thread_slot_limit())) {
    cancelled += each.cancelled.load(std::memory_order_relaxed);
  }
  return cancelled;
}

template <template <class> class Atomic, class Policy>
std::uint64_t BasicWheel<Atomic, Policy>::garbage() const noexcept {
  const std::uint64_t dropped = dropped_.load(std::memory_order_relaxed);
  const std::uint64_t cancelled = cancelled_total();
  return cancelled > dropped ? cancelled - dropped : 0;
}

}  // namespace warden::wheel
