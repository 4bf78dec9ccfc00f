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
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/types.hpp"
#include "io/futex.hpp"
#include "log/format.hpp"

namespace warden::log {

// The cleaner has room of its own, so that it never waits for callers that wait
// for what it frees.
enum class Pool : std::uint8_t { callers, cleaner };

class Buffer {
 public:
  Buffer() = default;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer();

  // `bytes`: a power of two, at least a page; an eighth of it or more is the cleaner's.
  // False when memory is out.
  bool init(std::size_t bytes) noexcept;
  std::size_t capacity() const noexcept { return capacity_; }
  // The most that one taking of credit can ever be given.
  std::size_t share(Pool pool) const noexcept { return share_[index(pool)]; }

  // ---- callers
  bool try_take(Pool pool, std::size_t bytes) noexcept;
  void give_back(Pool pool, std::size_t bytes) noexcept;
  // Sleeps until credit may have come back or wake_takers() is called, but not if
  // `give_up` says so; whoever makes it true calls wake_takers() afterwards.
  template <class GiveUp>
  void wait_credit(Pool pool, std::size_t bytes, GiveUp give_up) noexcept {
    takers_.fetch_add(1, std::memory_order_seq_cst);
    const std::uint32_t seen = freed_.load(std::memory_order_seq_cst);
    // Looked at after counting ourselves: credit that came before is seen here,
    // credit that comes later finds the count and changes the word.
    if (credit_[index(pool)].load(std::memory_order_seq_cst) < static_cast<std::int64_t>(bytes) &&
        !give_up()) {
      io::futex_wait(freed_, seen, kNever);
    }
    takers_.fetch_sub(1, std::memory_order_relaxed);
  }
  // The same for whatever else `give_up` looks at.
  template <class GiveUp>
  void wait_word(GiveUp give_up) noexcept {
    takers_.fetch_add(1, std::memory_order_seq_cst);
    const std::uint32_t seen = freed_.load(std::memory_order_seq_cst);
    if (!give_up()) io::futex_wait(freed_, seen, kNever);
    takers_.fetch_sub(1, std::memory_order_relaxed);
  }
  void wake_takers() noexcept;
  std::uint64_t claim(std::size_t bytes) noexcept {
    // acq_rel: invariant 4.
    return tail_.fetch_add(bytes, std::memory_order_acq_rel);
  }
  void copy_in(std::uint64_t position, const void* from, std::size_t size) noexcept;
  // The same bytes where they lie, if they lie in one piece; else null.
  const std::byte* contiguous(std::uint64_t position, std::size_t size) const noexcept;
  void publish(std::uint64_t position, std::uint32_t word) noexcept;

  // ---- committer
  // First word of the record at `position`, 0 if it is not published.
  std::uint32_t peek(std::uint64_t position) const noexcept;
  void copy_out(std::uint64_t position, void* to, std::size_t size) const noexcept;
  // Zeroes [position, position + size) and gives the credit back to the pools.
  void free(std::uint64_t position, std::size_t callers, std::size_t cleaner) noexcept;

  // ---- anyone
  std::uint64_t tail() const noexcept { return tail_.load(std::memory_order_acquire); }
  // Before any claim.
  void start_at(std::uint64_t position) noexcept {
    tail_.store(position, std::memory_order_relaxed);
  }

 private:
  static constexpr std::size_t index(Pool pool) noexcept { return static_cast<std::size_t>(pool); }
  std::byte* place(std::uint64_t position) const noexcept {
    return bytes_ + (position & (capacity_ - 1));
  }

  std::byte* bytes_ = nullptr;
  std::size_t capacity_ = 0;
  std::size_t share_[2] = {0, 0};
  // Bytes claimed so far. Written by claimers; each on a line of its own, since all
  // threads write them.
  alignas(64) std::atomic<std::uint64_t> tail_{0};
  // Credit left in each pool. Taken by callers (acquire, invariant 4), given back by
  // the committer (release, after zeroing) and by callers that did not use theirs
  // (relaxed: it continues the committer's release sequence).
  alignas(64) std::atomic<std::int64_t> credit_[2] = {};
  // Grows whenever credit came back while someone waited; a futex word.
  alignas(64) io::FutexWord freed_{0};
  // Takers asleep or about to be. seq_cst with credit_: a taker counts itself, then
  // looks at the credit; the committer adds credit, then looks at the count.
  std::atomic<std::uint32_t> takers_{0};
};

}  // namespace warden::log
