// SPDX-License-Identifier: Apache-2.0
//
// The ring of memory between callers and the committer. A caller takes credit (may
// wait, holds nothing), claims a position under its stripe (one fetch_add, cannot
// wait), copies its record in and publishes it by writing the record's first word.
// The committer reads published records in order, copies them into a block, zeroes
// the place and gives the credit back.
//
//   position   head (freed up to here)     read by committer        tail (claimed)
//      ........|---- zero again ----|#### published ####|## holes ##|..........
//
// Invariants
// 1. Credit held + bytes claimed and not yet freed <= capacity, for each pool apart
//    and so in all. Hence a claim never meets bytes that are not freed.
// 2. Every byte that is not claimed is zero, so a first word of zero means exactly
//    "not published": a gap is never read, and never acknowledged.
// 3. Records begin at multiples of 4 and so does the ring: a first word never wraps.
// 4. Who claims at position p sees the zeroing of that place: the last of those who
//    took credit up to p took some that was freed by it (acquire on the credit), and
//    came before this claim in the chain of read-modify-writes on `tail_`.
// 5. A thread stalled between claim and publish stalls everything behind it.
//
// The atomics, the bytes and the sleep are template parameters, so that tests decide
// every step (tests/interleave); what the library uses is compiled once, in buffer.cpp.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/assert.hpp"
#include "base/types.hpp"
#include "io/futex.hpp"
#include "log/format.hpp"

namespace warden::log {

// The cleaner has room of its own, so that it never waits for callers that wait
// for what it frees.
enum class Pool : std::uint8_t { callers, cleaner };

// The ring's memory, and sleeping.
struct BufferPolicy {
  static constexpr std::size_t kLeastBytes = kPage;
  // Zeroed; null when memory is out.
  static std::byte* map(std::size_t bytes) noexcept;
  static void unmap(std::byte* place, std::size_t bytes) noexcept;

  static void copy_in(std::byte* to, const void* from, std::size_t size) noexcept {
    std::memcpy(to, from, size);
  }
  static void copy_out(void* to, const std::byte* from, std::size_t size) noexcept {
    std::memcpy(to, from, size);
  }
  static void zero(std::byte* from, std::size_t size) noexcept { std::memset(from, 0, size); }
  static std::atomic_ref<std::uint32_t> word(std::byte* place) noexcept {
    return std::atomic_ref<std::uint32_t>(*reinterpret_cast<std::uint32_t*>(place));
  }

  static void wait(io::FutexWord& word, std::uint32_t seen) noexcept {
    io::futex_wait(word, seen, kNever);
  }
  static void wake(io::FutexWord& word) noexcept { io::futex_wake(word); }

  // Bugs to test the tests with.
  static constexpr bool kBugPublishBeforeHead = false;
  static constexpr bool kBugRelaxedPublish = false;
  static constexpr bool kBugReleasePublish = false;
  static constexpr bool kBugCreditBeforeZero = false;
  static constexpr bool kBugRelaxedCredit = false;
  static constexpr bool kBugRelaxedTake = false;
  static constexpr bool kBugRelaxedClaim = false;
  static constexpr bool kBugCreditLostAtWrap = false;
  static constexpr bool kBugZeroLostAtWrap = false;
  static constexpr bool kBugTakeInTwoSteps = false;
  static constexpr bool kBugCreditBeforeCount = false;
  static constexpr bool kBugTakersBeforeCredit = false;
  static constexpr bool kBugWordAfterLook = false;
  static constexpr bool kBugOneLook = false;
  static constexpr bool kBugTailFirst = false;
  static constexpr bool kBugAcquireTaken = false;
};

template <template <class> class Atomic = std::atomic, class Policy = BufferPolicy>
class BasicBuffer {
 public:
  BasicBuffer() = default;
  BasicBuffer(const BasicBuffer&) = delete;
  BasicBuffer& operator=(const BasicBuffer&) = delete;
  ~BasicBuffer();

  // `bytes`: a power of two, at least a page; an eighth of it or more is the cleaner's.
  // False when memory is out.
  bool init(std::size_t bytes) noexcept;
  std::size_t capacity() const noexcept { return capacity_; }
  // The most that one taking of credit can ever be given.
  std::size_t share(Pool pool) const noexcept { return share_[index(pool)]; }

  // ---- callers
  bool try_take(Pool pool, std::size_t bytes) noexcept {
    return take_credit(pool, bytes) != kTooLittle;
  }
  // The same, but only if `fits` says so, of all that is taken then, these bytes included.
  // Others may pass the same look beforehand: of those that do not fit together, the
  // first to take stays, the others give back.
  template <class Fits>
  bool take_if(Pool pool, std::size_t bytes, Fits fits) noexcept {
    const std::int64_t left = take_credit(pool, bytes);
    if (left == kTooLittle) return false;
    const Pool other = pool == Pool::callers ? Pool::cleaner : Pool::callers;
    if (Policy::kBugOneLook || fits(taken(left, other))) return true;
    give_back(pool, bytes);
    return false;
  }
  void give_back(Pool pool, std::size_t bytes) noexcept;
  // Sleeps until credit may have come back or wake_takers() is called, but not if
  // `give_up` says so; whoever makes it true calls wake_takers() afterwards.
  template <class GiveUp>
  void wait_credit(Pool pool, std::size_t bytes, GiveUp give_up) noexcept {
    wait_word([&] {
      return credit_[index(pool)].load(std::memory_order_seq_cst) >=
                 static_cast<std::int64_t>(bytes) ||
             give_up();
    });
  }
  // The same for whatever else `give_up` looks at.
  template <class GiveUp>
  void wait_word(GiveUp give_up) noexcept {
    bool up = Policy::kBugCreditBeforeCount && give_up();
    takers_.fetch_add(1, std::memory_order_seq_cst);
    if (Policy::kBugWordAfterLook) up = give_up();
    const std::uint32_t seen = freed_.load(std::memory_order_seq_cst);
    // Looked at after counting ourselves: what came before is seen here, what comes
    // later finds the count and changes the word.
    if (!Policy::kBugCreditBeforeCount && !Policy::kBugWordAfterLook) up = give_up();
    if (!up) Policy::wait(freed_, seen);
    takers_.fetch_sub(1, std::memory_order_relaxed);
  }
  void wake_takers() noexcept;
  std::uint64_t claim(std::size_t bytes) noexcept {
    // acq_rel: invariant 4.
    constexpr auto kOrder =
        Policy::kBugRelaxedClaim ? std::memory_order_relaxed : std::memory_order_acq_rel;
    return tail_.fetch_add(bytes, kOrder);
  }
  void copy_in(std::uint64_t position, const void* from, std::size_t size) noexcept;
  // The same bytes where they lie, if they lie in one piece; else null.
  const std::byte* contiguous(std::uint64_t position, std::size_t size) const noexcept;
  // The record's head, its first word last: that publishes the record.
  void publish(std::uint64_t position, const RecordHead& head) noexcept;
  // The first word alone, once the rest is there.
  void publish(std::uint64_t position, std::uint32_t word) noexcept;

  // ---- committer
  // First word of the record at `position`, 0 if it is not published.
  std::uint32_t peek(std::uint64_t position) const noexcept;
  // A record is published at `position`; the scribe's last look (doorbell.hpp). The word
  // before the tail: who sees the word sees its claim, whereas an acquire of the tail
  // alone may still find the value before it.
  bool published(std::uint64_t position) const noexcept {
    if constexpr (Policy::kBugTailFirst) return tail() != position && peek(position) != 0;
    return peek(position) != 0 && tail() != position;
  }
  void copy_out(std::uint64_t position, void* to, std::size_t size) const noexcept;
  // Zeroes [position, position + size) and gives the credit back to the pools.
  void free(std::uint64_t position, std::size_t callers, std::size_t cleaner) noexcept;

  // ---- anyone
  // Bytes reserved and not yet in blocks: may be off by those under way. What they took of
  // the room elsewhere, before they were freed, is seen by who reads that afterwards.
  // seq_cst, since who waits for room has this for its last look (wait_word).
  std::uint64_t taken() const noexcept {
    constexpr auto kOrder =
        Policy::kBugAcquireTaken ? std::memory_order_acquire : std::memory_order_seq_cst;
    return taken(credit_[0].load(kOrder), Pool::cleaner);
  }
  std::uint64_t tail() const noexcept { return tail_.load(std::memory_order_acquire); }
  // Before any claim.
  void start_at(std::uint64_t position) noexcept {
    tail_.store(position, std::memory_order_relaxed);
  }

 private:
  static constexpr std::int64_t kTooLittle = -1;

  static constexpr std::size_t index(Pool pool) noexcept { return static_cast<std::size_t>(pool); }
  std::byte* place(std::uint64_t position) const noexcept {
    return bytes_ + (position & (capacity_ - 1));
  }
  // What is taken when so much is left of one pool, and what the other says now.
  std::uint64_t taken(std::int64_t left, Pool other) const noexcept {
    left += credit_[index(other)].load(std::memory_order_seq_cst);
    const auto all = static_cast<std::int64_t>(share_[0] + share_[1]);
    return left >= all ? 0 : static_cast<std::uint64_t>(all - left);
  }
  std::int64_t take_credit(Pool pool, std::size_t bytes) noexcept;

  std::byte* bytes_ = nullptr;
  std::size_t capacity_ = 0;
  std::size_t share_[2] = {0, 0};
  // Bytes claimed so far. Written by claimers; each on a line of its own, since all
  // threads write them.
  alignas(64) Atomic<std::uint64_t> tail_{0};
  // Credit left in each pool. Taken by callers (acquire at least, invariant 4), given back by
  // the committer (release, after zeroing) and by callers that did not use theirs
  // (relaxed would do: it continues the committer's release sequence).
  alignas(64) Atomic<std::int64_t> credit_[2] = {};
  // Grows whenever credit came back while someone waited; a futex word.
  alignas(64) Atomic<std::uint32_t> freed_{0};
  // Takers asleep or about to be. seq_cst with credit_: a taker counts itself, then
  // looks at the credit; the committer adds credit, then looks at the count.
  Atomic<std::uint32_t> takers_{0};
};

template <template <class> class Atomic, class Policy>
BasicBuffer<Atomic, Policy>::~BasicBuffer() {
  if (bytes_ != nullptr) Policy::unmap(bytes_, capacity_);
}

template <template <class> class Atomic, class Policy>
bool BasicBuffer<Atomic, Policy>::init(std::size_t bytes) noexcept {
  constexpr std::size_t kLongest = round_page(record_bytes(kMaxContent) + 2 * kRecordAlign);
  WARDEN_ASSERT(std::has_single_bit(bytes) && bytes >= Policy::kLeastBytes);
  bytes_ = Policy::map(bytes);
  if (bytes_ == nullptr) return false;
  capacity_ = bytes;
  // An eighth is the cleaner's, and where there is enough for both, the longest record:
  // what a caller may append, the cleaner must be able to append again.
  std::size_t cleaner = bytes / 8;
  if (bytes >= 3 * kLongest) cleaner = std::max(cleaner, kLongest);
  share_[index(Pool::cleaner)] = cleaner;
  share_[index(Pool::callers)] = bytes - cleaner;
  for (std::size_t i = 0; i < 2; ++i) {
    credit_[i].store(static_cast<std::int64_t>(share_[i]), std::memory_order_relaxed);
  }
  return true;
}

// What is left of the pool then, or kTooLittle.
template <template <class> class Atomic, class Policy>
std::int64_t BasicBuffer<Atomic, Policy>::take_credit(Pool pool, std::size_t bytes) noexcept {
  auto& credit = credit_[index(pool)];
  const auto want = static_cast<std::int64_t>(bytes);
  // acquire: invariant 4. seq_cst: of two that take from either pool, and then look at the
  // other one, one at least sees both (take_if).
  constexpr auto kOrder =
      Policy::kBugRelaxedTake ? std::memory_order_relaxed : std::memory_order_seq_cst;
  std::int64_t left = credit.load(kOrder);
  while (left >= want) {
    if constexpr (Policy::kBugTakeInTwoSteps) return credit.fetch_sub(want, kOrder) - want;
    if (credit.compare_exchange_weak(left, left - want, kOrder, std::memory_order_relaxed)) {
      return left - want;
    }
  }
  return kTooLittle;
}

template <template <class> class Atomic, class Policy>
void BasicBuffer<Atomic, Policy>::give_back(Pool pool, std::size_t bytes) noexcept {
  if (bytes == 0) return;
  constexpr auto kOrder =
      Policy::kBugRelaxedCredit ? std::memory_order_relaxed : std::memory_order_seq_cst;
  if constexpr (Policy::kBugTakersBeforeCredit) {
    const bool waiting = takers_.load(std::memory_order_seq_cst) != 0;
    credit_[index(pool)].fetch_add(static_cast<std::int64_t>(bytes), kOrder);
    if (waiting) wake_takers();
    return;
  }
  credit_[index(pool)].fetch_add(static_cast<std::int64_t>(bytes), kOrder);
  if (takers_.load(std::memory_order_seq_cst) != 0) wake_takers();
}

template <template <class> class Atomic, class Policy>
void BasicBuffer<Atomic, Policy>::wake_takers() noexcept {
  freed_.fetch_add(1, std::memory_order_seq_cst);
  Policy::wake(freed_);
}

template <template <class> class Atomic, class Policy>
void BasicBuffer<Atomic, Policy>::copy_in(std::uint64_t position, const void* from,
                                          std::size_t size) noexcept {
  if (size == 0) return;
  const std::size_t at = position & (capacity_ - 1);
  const std::size_t first = std::min(size, capacity_ - at);
  Policy::copy_in(bytes_ + at, from, first);
  if (first < size) {
    Policy::copy_in(bytes_, static_cast<const std::byte*>(from) + first, size - first);
  }
}

template <template <class> class Atomic, class Policy>
const std::byte* BasicBuffer<Atomic, Policy>::contiguous(std::uint64_t position,
                                                         std::size_t size) const noexcept {
  const std::size_t at = position & (capacity_ - 1);
  return at + size <= capacity_ ? bytes_ + at : nullptr;
}

template <template <class> class Atomic, class Policy>
void BasicBuffer<Atomic, Policy>::publish(std::uint64_t position, const RecordHead& head) noexcept {
  constexpr std::size_t kRest = sizeof head - sizeof head.word;
  if constexpr (Policy::kBugPublishBeforeHead) publish(position, head.word);
  copy_in(position + sizeof head.word, &head.incarnation_low, kRest);
  if constexpr (!Policy::kBugPublishBeforeHead) publish(position, head.word);
}

template <template <class> class Atomic, class Policy>
void BasicBuffer<Atomic, Policy>::publish(std::uint64_t position, std::uint32_t word) noexcept {
  WARDEN_DEBUG_ASSERT(type_of(word) != RecordType::none);
  // Release hands the record's bytes to the committer. seq_cst, because the caller
  // looks next whether the scribe sleeps, and the scribe says so before it looks here
  // for the last time (doorbell.hpp).
  constexpr auto kOrder = Policy::kBugRelaxedPublish   ? std::memory_order_relaxed
                          : Policy::kBugReleasePublish ? std::memory_order_release
                                                       : std::memory_order_seq_cst;
  Policy::word(place(position)).store(word, kOrder);
}

template <template <class> class Atomic, class Policy>
std::uint32_t BasicBuffer<Atomic, Policy>::peek(std::uint64_t position) const noexcept {
  return Policy::word(place(position)).load(std::memory_order_seq_cst);
}

template <template <class> class Atomic, class Policy>
void BasicBuffer<Atomic, Policy>::copy_out(std::uint64_t position, void* to,
                                           std::size_t size) const noexcept {
  const std::size_t at = position & (capacity_ - 1);
  const std::size_t first = std::min(size, capacity_ - at);
  Policy::copy_out(to, bytes_ + at, first);
  if (first < size) Policy::copy_out(static_cast<std::byte*>(to) + first, bytes_, size - first);
}

template <template <class> class Atomic, class Policy>
void BasicBuffer<Atomic, Policy>::free(std::uint64_t position, std::size_t callers,
                                       std::size_t cleaner) noexcept {
  const std::size_t size = callers + cleaner;
  const std::size_t at = position & (capacity_ - 1);
  const std::size_t first = std::min(size, capacity_ - at);
  if constexpr (Policy::kBugCreditBeforeZero) give_back(Pool::callers, callers);
  Policy::zero(bytes_ + at, first);
  if (first < size && !Policy::kBugZeroLostAtWrap) Policy::zero(bytes_, size - first);
  if constexpr (Policy::kBugCreditBeforeZero) return;
  if (Policy::kBugCreditLostAtWrap && first < size) callers -= size - first;
  // seq_cst implies the release that invariant 4 needs.
  give_back(Pool::callers, callers);
  give_back(Pool::cleaner, cleaner);
}

using Buffer = BasicBuffer<>;
extern template class BasicBuffer<>;

}  // namespace warden::log
