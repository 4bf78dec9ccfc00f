// SPDX-License-Identifier: Apache-2.0
//
// Keeps the log small although some items never end. Segments go strictly oldest
// first; what still lives in the oldest one is written again at the log's end, as it
// is now, and then the segment is freed. A thread of its own, asleep until another
// segment is begun or the disk is found full.
//
//   read the oldest segment, record by record
//     BODY, ITEM, PAST   item open  -> ITEM, and OWED for its alerts
//                        closed, alerts still owed -> PAST, OWED
//     closing, STONES    dedupe window not over -> STONES
//     FLOW, STAGE_NAME, CONSUMER, ANCHOR, counts -> the catalog (freed_part.hpp)
//     anything else      is dead: superseded by what is written for its item
//   wait until all that was appended by now is durable, not only the copies
//   free it: a manifest without the segment, with the next catalog
//
// Why only records that bear a key matter: each of them is the whole of what the log
// says of its item before it, and everything else about the item comes after it. So
// when the newest such record of an item is not in the oldest segment, nothing of the
// item in that segment is needed.
//
// Why it waits for all: that an item is closed, or an alert acknowledged, may itself
// not be durable yet. A crash must not bring the item back open when its BODY is gone.
//
// When: while the log takes more than log_factor times what lives, and two segments.
// If in one round through the whole log most of it had to be written again (what lives
// was underestimated), the bound moves up to what was reached and a segment more, lest
// it run for ever. While it is at work and the log takes more than twice that, what brings
// new work (not what ends it) waits: nobody outruns the cleaner. On a full disk:
// whatever the bound, but only if all that lives in the oldest segment fits into what is
// left, which is measured first: else the last of the disk would go to what is there
// already, and what ends it would be refused.
//
// How fast: a segment is gone through in pieces, kPace bytes for each that others append
// meanwhile, and slowly without any, so that the copies of one segment are spread over
// what is written into another, and nobody waits behind all of them at once. At once
// only on a full disk, or when the log has outgrown its bound by two segments.
//
// Invariants
//   1. A copy is composed and appended under the item's stripe; if it has alerts, also
//      with consumers frozen, the hub locked and all pushes taken in. So memory, hub
//      and log agree on what it says. Order of locks: consumers, hub, stripe.
//   2. Room for a copy is the cleaner's own (log/buffer.hpp) and taken before any lock.
//   3. Nothing in memory changes by cleaning.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "engine/freed_part.hpp"
#include "engine/incarnation.hpp"
#include "engine/owed_record.hpp"
#include "engine/store.hpp"

namespace warden::engine {

class Cleaner final : private log::ReplaySink {
 public:
  explicit Cleaner(Store& store) noexcept : store_(store) {}
  ~Cleaner() override { stop(); }

  // The log is open. no_memory if there is no thread to be had; corrupt if the catalog
  // of the log cannot be.
  Error start();
  // Idempotent. Before the log is closed.
  void stop() noexcept;
  // Any thread; takes no lock that is held around calls of the log.
  void wake() noexcept;

  // What ended it, if anything did: a damaged segment, say. Any thread.
  Error failure() const;

 private:
  void run() noexcept;
  bool wanted() noexcept;
  void hold_up_beyond(std::uint64_t bytes) noexcept;
  void let_go(bool for_good) noexcept;
  bool pressed() noexcept;
  void keep_pace(std::size_t bytes) noexcept;
  Code clean_oldest();
  Error move_oldest(const log::Log::Oldest& oldest);
  Error measure(const log::Log::Oldest& oldest);
  void give_up(const Error& error) noexcept;

  // Of one segment. An error ends the pass: store_closed when it is to stop.
  Error apply(Lsn lsn, log::RecordType type, std::uint64_t incarnation,
              std::span<const std::byte> content) override;
  void progress(std::uint64_t done, std::uint64_t total) override;
  Error keyed(log::RecordType type, std::uint64_t incarnation, std::span<const std::byte> content);
  Error state(std::span<const std::byte> content, std::uint64_t incarnation);
  Error stones(std::span<const std::byte> content);

  // cleaner_copies.cpp
  struct Keyed {
    FlowVersion* flow = nullptr;
    std::string_view key;
    std::string_view payload;
    Hash128 hash;
    std::uint64_t incarnation = 0;
  };
  Error copy_plain(const Keyed& of, bool& done);
  Error copy_with_alerts(const Keyed& of);
  void write_item(const Keyed& of, const index::Item* item, Room& room);
  index::Item* open_item(const Keyed& of, index::Stripe& stripe) noexcept;
  void encode_item(const Keyed& of, const index::Item& item);
  Error keep_stone(const Hash128& key, std::uint64_t incarnation, bool early);
  Error flush_stones(std::uint32_t lane);
  void append(Room& room, log::RecordType type, std::uint64_t incarnation,
              const Writer& content) noexcept;
  // Waits for room, as long as it is not stopped.
  Error reserve(std::size_t bytes, std::uint32_t records, Room& room);

  Store& store_;
  std::thread thread_;
  std::mutex mutex_;  // of what follows, and of holding the log up
  std::condition_variable moved_;
  bool woken_ = false;
  // Beyond so many bytes of log new work waits, from the waking until the cleaner has
  // looked and can do no more; 0: not known, or the cleaner has ended.
  std::uint64_t most_ = 0;
  // Set by stop() under the mutex, read by the thread also without it: it only ends
  // work sooner, so relaxed.
  std::atomic<bool> stop_{false};

  // From here on the thread's.
  FreedPart freed_;     // up to the oldest segment
  FreedPart next_;      // with the one that is being read
  StateRecord record_;  // of the record at hand
  OwedNames written_;   // of the item at hand, in portions written
  OwedRecord owed_;     // of the item at hand
  Writer out_;
  std::array<Writer, kLanes> stones_;
  Lsn round_end_ = Lsn::none;  // where the log ended when the round began
  std::uint64_t round_freed_ = 0;
  std::uint64_t round_copied_ = 0;
  std::uint64_t press_ = 0;         // beyond so many bytes of log it does not keep pace
  Lsn pass_from_ = Lsn::none;       // where the log ended when the pass began
  Nanos pass_begun_ = 0;            // by CLOCK_MONOTONIC
  std::uint64_t pass_copied_ = 0;   // round_copied_ then
  std::uint64_t pass_read_ = 0;     // bytes gone through
  std::uint64_t pass_allowed_ = 0;  // bytes that may be, as far as it was looked up
  std::uint64_t bound_ = 0;         // raised when a round was in vain; 0: not
  bool ended_ = false;              // given up
  bool fits_ = false;               // measured on a full disk before the pass began
  bool measuring_ = false;          // nothing is written, only added up
  std::uint64_t measured_ = 0;
  mutable std::mutex failure_lock_;
  Error failure_;
};

}  // namespace warden::engine
