// SPDX-License-Identifier: Apache-2.0
//
// BasicWheel, the keeper's half: work done ahead of its hour so that no tick has much
// to do, and the compaction of garbage. Included by wheel.hpp.
//
//   next slot of level L, if large --early, in pieces--> kept_[L-1], round to come
//   any slot, when garbage outgrows  --sweep, in pieces--> kept_[L], survivors only
//
// Both detach what a slot holds by an exchange that keeps its tag: schedulers go on
// with a fresh chunk. What is left of a detached chain when its slot's hour comes joins
// the slot's pending_ chain (open_slot).
//
// Invariants
//   1. early_[L] holds entries of the slot of level L that comes next, none else.
//   2. While sweep_.from is not empty, the bit by which bound() finds that slot is set.
//   3. A chunk is worked through at once; open cells park it, as anywhere.
#pragma once

#include <algorithm>
#include <utility>

#include "wheel/wheel.hpp"

namespace warden::wheel {

// Chunks that stand in the slot of `level` that comes next after `now`.
template <template <class> class Atomic, class Policy>
std::uint32_t BasicWheel<Atomic, Policy>::depth_ahead(unsigned level, Tick start) const noexcept {
  const std::uint32_t slot = digit(start, level);
  std::uint32_t depth = early_[level].depth + kept_[level][round_of(start, level) & 1][slot].depth;
  if (slot != 0 && slots_.occupied[level].test(slot, std::memory_order_acquire)) {
    const std::uint32_t head = word_chunk(slots_.word[level][slot].load(std::memory_order_acquire));
    if (head != kNoChunk) depth += chunks_[head].depth.load(std::memory_order_relaxed);
  }
  return depth;
}

// How many ticks before its slot's start a chain of `depth` chunks is begun: twice what
// pieces of kEarlyPiece a tick need, but no sooner than half a slot ahead.
template <template <class> class Atomic, class Policy>
Tick BasicWheel<Atomic, Policy>::early_window(unsigned level, std::uint32_t depth) noexcept {
  const Tick half = Tick{1} << (kLevelBits * level - 1);
  return std::min<Tick>(half, 2 * (Tick{depth} / kEarlyPiece + 1));
}

// The tick from which the next slot of `level` is to be cascaded early, or kNoTick.
template <template <class> class Atomic, class Policy>
Tick BasicWheel<Atomic, Policy>::early_from(unsigned level, Tick now) const noexcept {
  const Tick start = slot_start(now, level) + (Tick{1} << (kLevelBits * level));
  if (start > kMaxTick) return kNoTick;
  const std::uint32_t depth = depth_ahead(level, start);
  return depth < Policy::kEarlyChunks ? kNoTick : start - early_window(level, depth);
}

// This tick's share of each large slot that comes next.
template <template <class> class Atomic, class Policy>
void BasicWheel<Atomic, Policy>::cascade_early(Progress& progress) noexcept {
  const Tick now = now_.load(std::memory_order_relaxed);
  if (early_at_ == now) return;
  early_at_ = now;
  for (unsigned level = kLevels - 1; level > 0; --level) {
    if (early_from(level, now) > now) continue;
    const Tick start = slot_start(now, level) + (Tick{1} << (kLevelBits * level));
    const std::uint32_t depth = depth_ahead(level, start);
    const Tick left = std::max<Tick>(start - now - 1, 1);
    Tick pieces = std::max<Tick>(kEarlyPiece, (depth + left - 1) / left);
    for (; pieces > 0 && !progress.exhausted(); --pieces) {
      if (early_[level].head == kNoChunk) {
        if (depth_ahead(level, start) < Policy::kEarlyChunks) break;
        chunks_.append(early_[level], detach_open(level, start));
        auto& list = kept_[level][round_of(start, level) & 1][digit(start, level)];
        chunks_.append(early_[level], std::exchange(list, Chain{}));
      }
      cascade_chunk_early(level, start, progress);
    }
  }
}

template <template <class> class Atomic, class Policy>
void BasicWheel<Atomic, Policy>::cascade_chunk_early(unsigned level, Tick start,
                                                     Progress& progress) noexcept {
  ChunkT& chunk = chunks_[early_[level].head];
  __builtin_prefetch(&chunks_[chunk.next.load(std::memory_order_relaxed)]);
  progress.work += chunk.count;
  for (std::uint32_t i = 0; i < chunk.count; ++i) {
    const std::uint64_t entry = chunk.cell[i].load(std::memory_order_acquire);
    if (entry == kDead) continue;
    if (entry == kUnpublished) {
      open_cells_ |= std::uint64_t{1} << i;
      continue;
    }
    Tick due = (start & ~kResidueMask) | entry_residue(entry);
    if (level * kLevelBits > kResidueBits) {
      if (!read_due(entry, due)) {
        bump(dropped_);
        continue;
      }
      due = std::max(due, start);  // was late when it was scheduled: filed under `start`
    }
    if (!keep(level - 1, due, entry)) leave_open(i, due);
  }
  finish_chunk(early_[level]);
}

// An entry that found no memory: its chunk is parked, its hour not passed.
template <template <class> class Atomic, class Policy>
void BasicWheel<Atomic, Policy>::leave_open(std::uint32_t cell, Tick due) noexcept {
  open_cells_ |= std::uint64_t{1} << cell;
  parked_due_ = std::min(parked_due_, due);
}

// Takes what an open slot holds and leaves it open. `tick` lies in the slot.
template <template <class> class Atomic, class Policy>
Chain BasicWheel<Atomic, Policy>::detach_open(unsigned level, Tick tick) noexcept {
  auto& place = slots_.word[level][digit(tick, level)];
  const std::uint64_t word = place.load(std::memory_order_relaxed);
  const Tick round = round_of(tick, level);
  if (word_chunk(word) == kNoChunk || word_tag(word) != round_tag(round)) return Chain{};
  return detach(
      place.exchange(make_word(round, kNoChunk, Policy::kCells), std::memory_order_acq_rel));
}

// Compaction. It is on from the time that garbage exceeds half of the live timers until
// it is less than a quarter, and visits two entries for each timer cancelled meanwhile.
// Once garbage equals the live, one of two is garbage, and as much is dropped as comes:
// garbage stays bounded whatever the rate of cancels.
template <template <class> class Atomic, class Policy>
void BasicWheel<Atomic, Policy>::sweep(Progress& progress) noexcept {
  const std::uint64_t cancelled = cancelled_total();
  const std::uint64_t fresh = cancelled - std::exchange(cancelled_seen_, cancelled);
  const std::uint64_t dropped = dropped_.load(std::memory_order_relaxed);
  const std::uint64_t garbage = cancelled > dropped ? cancelled - dropped : 0;
  const std::uint64_t live = size();
  const std::uint64_t limit = std::max(live / 2 + Policy::kGarbageFloor, 2 * sweep_in_vain_);
  if (!sweeping_ && garbage > limit) {
    sweeping_ = true;
    sweep_debt_ = garbage - live / 4;
  } else if (sweeping_ && garbage <= live / 4 + Policy::kGarbageFloor / 2) {
    sweeping_ = false;
    sweep_in_vain_ = 0;
    trim_above_ = 0;
  }
  // What was begun is finished, lest its slot be compacted by halves for ever.
  if (!sweeping_ && sweep_.from.head == kNoChunk) return;
  sweep_debt_ = std::min<std::uint64_t>(sweep_debt_ + 2 * fresh, 2 * (live + garbage));
  unsigned looked = 0;
  while (sweep_debt_ > 0 && !progress.exhausted()) {
    if (sweep_.from.head == kNoChunk) {
      if (!sweeping_) break;
      if (looked >= kLevels * kSlots * 3) {  // all around, and nothing is worth a visit
        sweeping_ = false;
        sweep_in_vain_ = garbage;
        break;
      }
      looked += next_sweep(kLevels * kSlots * 3 - looked);
      continue;
    }
    const std::uint32_t count = chunks_[sweep_.from.head].count;
    sweep_chunk();
    progress.work += count;
    sweep_debt_ -= std::min<std::uint64_t>(sweep_debt_, count);
  }
}

// Finds the next of public chain, and kept lists of either parity, of each slot in
// turn, worth a visit. Answers how many it looked at.
template <template <class> class Atomic, class Policy>
unsigned BasicWheel<Atomic, Policy>::next_sweep(unsigned limit) noexcept {
  const Tick now = now_.load(std::memory_order_relaxed);
  for (unsigned looked = 1; looked <= limit; ++looked) {
    sweep_at_ = (sweep_at_ + 1) % (kLevels * kSlots * 3);
    const unsigned source = sweep_at_ % 3;
    const std::uint32_t slot = sweep_at_ / 3 % kSlots;
    const unsigned level = sweep_at_ / 3 / kSlots;
    const Tick round = round_of(now, level);
    const auto tick_of = [&](Tick of_round) {
      return ((of_round << kLevelBits) | slot) << (kLevelBits * level);
    };
    if (source == 2) {
      if (slot <= digit(now, level)) continue;  // nothing public behind the hand
      const Tick tick = tick_of(round);
      const std::uint32_t head =
          word_chunk(slots_.word[level][slot].load(std::memory_order_acquire));
      if (head == kNoChunk || chunks_[head].depth.load(std::memory_order_relaxed) < 2) continue;
      sweep_ = {level, tick, detach_open(level, tick)};
    } else {
      Chain& list = kept_[level][source][slot];
      if (list.depth < 2) continue;
      const Tick of_round = (round & 1) == source ? round : round + 1;
      sweep_ = {level, tick_of(of_round), std::exchange(list, Chain{})};
    }
    if (sweep_.from.head != kNoChunk) return looked;
  }
  return limit;
}

template <template <class> class Atomic, class Policy>
void BasicWheel<Atomic, Policy>::sweep_chunk() noexcept {
  ChunkT& chunk = chunks_[sweep_.from.head];
  for (std::uint32_t i = 0; i < chunk.count; ++i) {
    const std::uint64_t entry = chunk.cell[i].load(std::memory_order_relaxed);
    if (entry > kDead) nodes_.fetch_ended(entry_index(entry));
  }
  __builtin_prefetch(&chunks_[chunk.next.load(std::memory_order_relaxed)]);
  for (std::uint32_t i = 0; i < chunk.count; ++i) {
    const std::uint64_t entry = chunk.cell[i].load(std::memory_order_acquire);
    if (entry == kDead) continue;
    if (entry == kUnpublished) {
      open_cells_ |= std::uint64_t{1} << i;
    } else if (!nodes_.may_live(entry_index(entry), entry_generation(entry))) {
      bump(dropped_);
    } else if (!keep(sweep_.level, sweep_.tick, entry)) {
      Tick due = sweep_.tick;
      read_due(entry, due);
      leave_open(i, due);
    }
  }
  finish_chunk(sweep_.from);
}

// Memory goes back to the system when more than twice what the entries need stands free,
// at most kTrimPiece chunks a call; and again when a sixteenth more is free than the last
// pass had to leave (pages with a chunk in use), or a compaction has come to its end.
template <template <class> class Atomic, class Policy>
void BasicWheel<Atomic, Policy>::give_back(Progress& progress) noexcept {
  if (!chunks_.trimming()) {
    const std::uint64_t free = free_chunks();
    const std::uint64_t needed = (size() + garbage()) / Policy::kCells;
    if (free <= 2 * needed + Policy::kTrimFloor) {
      trim_above_ = 0;
      return;
    }
    if (free <= trim_above_) return;
    chunks_.begin_trim();
  }
  if (progress.exhausted()) return;
  progress.work += Chunks::kTrimPiece / Policy::kCells;  // a link is far less than an entry
  if (chunks_.trim()) return;
  const std::uint64_t left = free_chunks();
  trim_above_ = left + left / 16;
}

// About: chunks that have memory and are more than the entries need.
template <template <class> class Atomic, class Policy>
std::uint64_t BasicWheel<Atomic, Policy>::free_chunks() const noexcept {
  const std::uint64_t with_memory = chunks_.in_existence() - chunks_.without_memory();
  const std::uint64_t needed = (size() + garbage()) / Policy::kCells + spares_;
  return with_memory > needed ? with_memory - needed : 0;
}

}  // namespace warden::wheel
