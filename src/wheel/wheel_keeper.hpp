// SPDX-License-Identifier: Apache-2.0
//
// BasicWheel, the keeper's half: how the hand moves, and how the keeper sleeps.
// Included by wheel.hpp.
//
// A move from N goes by one slot of the highest level H in which N and the goal differ:
// to the last tick before the goal's slot of level H (nothing stands between, as far as
// the bitmaps tell), then to that slot's first tick. Schedulers that look meanwhile see
// one of these two times, and with either find the slots they may pick open:
//   - with `last`, all digits below H are 255, so that only slots of H and above are
//     picked, and those lie ahead of the hand;
//   - with `last + 1`, the levels below H bear that tick's round, because they were
//     closed while `last` stood.
//
// What a racing scheduler put into a slot that is closed in passing is due already; it
// goes to pending_[0].
#pragma once

#include <algorithm>
#include <utility>

#include "wheel/wheel.hpp"

namespace warden::wheel {

template <template <class> class Atomic, class Policy>
void BasicWheel<Atomic, Policy>::publish(Tick now) noexcept {
  // Release: with this time a scheduler sees the tags that were set for it.
  now_.store(now, std::memory_order_release);
}

template <template <class> class Atomic, class Policy>
Chain BasicWheel<Atomic, Policy>::detach(std::uint64_t word) noexcept {
  const std::uint32_t head = word_chunk(word);
  if (head == kNoChunk) return Chain{};
  ChunkT& chunk = chunks_[head];
  const std::uint32_t position = word_position(word);
  chunk.count = position < Policy::kCells ? position : Policy::kCells;
  return {head, chunk.last.load(std::memory_order_relaxed),
          chunk.depth.load(std::memory_order_relaxed)};
}

// Takes what the slot holds and opens it for `next_round`. Also an empty slot's tag
// moves: a scheduler with a stale now_ would land behind the hand.
template <template <class> class Atomic, class Policy>
Chain BasicWheel<Atomic, Policy>::close(unsigned level, std::uint32_t slot,
                                        Tick next_round) noexcept {
  auto& place = slots_.word[level][slot];
  std::uint64_t word = place.load(std::memory_order_relaxed);
  // Only the keeper moves tags: equal means closed before.
  if (word_tag(word) == round_tag(next_round)) return Chain{};
  if (Policy::kBugNoTagBumpOnEmpty && word_chunk(word) == kNoChunk) return Chain{};
  auto& occupied = slots_.occupied[level];
  if (occupied.test(slot, std::memory_order_relaxed)) {
    occupied.word[slot / 64].fetch_and(~Bitmap<Atomic>::mask(slot), std::memory_order_seq_cst);
  }
  // Acquire: the links and cells of what was installed. Release: who sees the new tag
  // sees a now_ for which it is right.
  word = place.exchange(make_word(next_round, kNoChunk, Policy::kCells), std::memory_order_acq_rel);
  return detach(word);
}

// Closes all that lies between the old hand and `last` (published already), the last
// tick of a slot of some level: slots below it that are not closed bear older rounds.
template <template <class> class Atomic, class Policy>
void BasicWheel<Atomic, Policy>::close_passed(Tick last) noexcept {
  for (unsigned level = 0; level < kLevels; ++level) {
    for (std::uint32_t slot = 0; slot <= digit(last, level); ++slot) {
      chunks_.append(pending_[0], close(level, slot, round_of(last, level) + 1));
    }
    if (digit(last, level) != kSlots - 1) break;  // levels above have not moved
  }
}

// Closes the slot of `level` that begins with `now`, for cascading or firing.
template <template <class> class Atomic, class Policy>
void BasicWheel<Atomic, Policy>::open_slot(Tick now, unsigned level) noexcept {
  const std::uint32_t slot = digit(now, level);
  const Tick round = round_of(now, level);
  chunks_.append(pending_[level], close(level, slot, round + 1));
  chunks_.append(pending_[level], std::exchange(early_[level], Chain{}));
  if (sweep_.level == level && slot_start(sweep_.tick, level) == now) {
    chunks_.append(pending_[level], std::exchange(sweep_.from, Chain{}));
  }
  const unsigned parity = static_cast<unsigned>(round & 1);
  chunks_.append(pending_[level], std::exchange(kept_[level][parity][slot], Chain{}));
  auto& bits = kept_bits_[level][parity].word[slot / 64];
  const std::uint64_t set = bits.load(std::memory_order_relaxed);
  if ((set & Bitmap<Atomic>::mask(slot)) != 0) {
    bits.store(set & ~Bitmap<Atomic>::mask(slot), std::memory_order_relaxed);
  }
}

// Whether a slot open at `now` could be taken for closed at `to`, its tag being the same
// by the wrapping of 28 bits. A stop at the next round of level 1 makes them differ.
template <template <class> class Atomic, class Policy>
bool BasicWheel<Atomic, Policy>::tags_repeat(Tick now, Tick to) noexcept {
  if ((to - now) >> (kTagWrapBits - 1) == 0) return false;
  for (unsigned level = 0; level < 2; ++level) {
    const Tick rounds = round_of(to, level) - round_of(now, level);
    if (rounds > 0 && round_tag(rounds) <= 1) return true;
  }
  return false;
}

// One step towards `to`, which no known entry precedes.
template <template <class> class Atomic, class Policy>
void BasicWheel<Atomic, Policy>::move_towards(Tick to) noexcept {
  const Tick now = now_.load(std::memory_order_relaxed);
  if (tags_repeat(now, to)) to = (now | 0xffff) + 1;
  const unsigned top = level_of(to, now);
  const Tick start = slot_start(to, top);
  if (now != start - 1) {
    if constexpr (!Policy::kBugPublishNowAfterClose) publish(start - 1);
    close_passed(start - 1);
  }
  if constexpr (!Policy::kBugPublishNowAfterClose) publish(start);
  for (unsigned level = top + 1; level-- > 0;) open_slot(start, level);
  if constexpr (Policy::kBugPublishNowAfterClose) publish(start);
}

// The first tick after now_ at which something may have to be done.
template <template <class> class Atomic, class Policy>
Tick BasicWheel<Atomic, Policy>::bound(std::memory_order order) const noexcept {
  const Tick now = now_.load(std::memory_order_relaxed);
  Tick earliest = parked_due_;
  for (unsigned level = 0; level < kLevels; ++level) {
    const Tick round = round_of(now, level);
    const unsigned parity = static_cast<unsigned>(round & 1);
    const std::uint32_t from = digit(now, level) + 1;
    if (from < kSlots) {
      const std::uint32_t open = slots_.occupied[level].next(from, order);
      const std::uint32_t kept = kept_bits_[level][parity].next(from, std::memory_order_relaxed);
      const std::uint32_t slot = open < kept ? open : kept;
      if (slot < kSlots) {
        const Tick start = ((round << kLevelBits) | slot) << (kLevelBits * level);
        if (start < earliest) earliest = start;
      }
    }
    if (level > 0) {  // a large slot ahead is begun before its hour
      const Tick early = early_from(level, now);
      if (early != kNoTick) earliest = std::min(earliest, std::max(early, now + 1));
    }
    const std::uint32_t next = kept_bits_[level][parity ^ 1].next(0, std::memory_order_relaxed);
    if (next < kSlots) {
      const Tick start = (((round + 1) << kLevelBits) | next) << (kLevelBits * level);
      if (start < earliest) earliest = start;
    }
  }
  return earliest;
}

template <template <class> class Atomic, class Policy>
Tick BasicWheel<Atomic, Policy>::next_due() const noexcept {
  const Tick now = now_.load(std::memory_order_relaxed);
  for (const Chain& chain : pending_) {
    if (chain.head != kNoChunk) return now;  // advance() was stopped by max_work
  }
  if (ready_.head != kNoChunk || polling_.head != kNoChunk) return now;
  // A parked cell may be published at any moment and tells nobody: it is polled.
  // So are a compaction and a return of memory under way, which have their share of each
  // tick.
  if (parked_.head != kNoChunk || (sweeping_ && sweep_debt_ > 0) || chunks_.trimming()) {
    return now + 1;
  }
  return bound(std::memory_order_seq_cst);
}

// No wake-up is lost. In the single order of all seq_cst operations:
//   scheduler  sets the slot's bit (if the slot was empty), then reads sleep_until_;
//   keeper     writes sleep_until_, then reads the bits.
// If the keeper's reading misses the bit, it precedes the setting, so the write of
// sleep_until_ does too, and the scheduler sees it: its due is earlier, it answers
// `wake`. If the slot was not empty, another scheduler set the bit, which happens
// before our claim (its installing swap releases, our addition acquires), and the same
// holds. If the keeper's reading sees the bit, it sleeps no longer than to that slot.
// The loop ends when nothing earlier turned up; a lowering that it overwrites belongs
// to a scheduler whose bit the next reading must see.
template <template <class> class Atomic, class Policy>
Tick BasicWheel<Atomic, Policy>::prepare_sleep() noexcept {
  Tick until = next_due();
  // Garbage needs schedules to grow beyond the live: so many chunks are let pass.
  const std::uint64_t spare_entries = std::max<std::uint64_t>(size() / 2, Policy::kGarbageFloor);
  sweep_from_.store(installs_.load(std::memory_order_relaxed) + spare_entries / Policy::kCells + 1,
                    std::memory_order_relaxed);
  for (;;) {
    sleep_until_.store(until, std::memory_order_seq_cst);
    const Tick again = next_due();
    if (again >= until) return until;
    until = again;
  }
}

template <template <class> class Atomic, class Policy>
void BasicWheel<Atomic, Policy>::end_sleep() noexcept {
  sleep_until_.store(0, std::memory_order_seq_cst);  // no target is below: nobody wakes us
}

}  // namespace warden::wheel
