// SPDX-License-Identifier: Apache-2.0
//
// Makes published records durable: records -> block -> write -> flush -> durable.
// A state machine without a thread of its own; whoever has the committer role runs
// it: the scribe (turn(), asynchronous), a waiter on an idle log (commit_inline(),
// pwrite + fdatasync), or the simulator.
//
// Invariants
// 1. Everything here but `durable()` and the few atomics is touched only under the
//    committer role, which is handed on only while nothing is in flight.
// 2. Blocks are written in order, up to kSlots at once. `durable` moves only over
//    blocks whose writes completed in full length before a flush was issued that
//    succeeded, and only as a prefix. At most two flushes are in flight.
// 3. A block once submitted is never changed: a short or interrupted write is
//    submitted again with the same bytes. After a failed write or flush nothing is
//    ever acknowledged again (failed()); a flush is never repeated.
// 4. A segment is begun only when all blocks of the one before it are flushed, and
//    its header is written with the first block and flushed no later.
// 5. Segments are freed strictly oldest first, on request; a file is renamed or
//    removed only after a manifest without it is durable.
// 6. What takes the directory's journal while all is well is the clerk's, on a thread of
//    its own: segments come into and leave the manifest here once the one that says so is
//    durable, not before.
// 7. A full disk is no failure: the spare segment is made ahead, and when that
//    cannot be done the log is `starved` until it can.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/code.hpp"
#include "io/clock.hpp"
#include "io/disk.hpp"
#include "log/backup.hpp"
#include "log/buffer.hpp"
#include "log/clerk.hpp"
#include "log/manifest.hpp"
#include "log/recovery.hpp"

namespace warden::log {

struct CommitterOptions {
  std::uint64_t segment_bytes = 64u << 20;
  std::uint64_t first_segment_bytes = 4u << 20;
  unsigned spares = 1;  // kept ready ahead
  Nanos beacon_after = 100 * kMilli;
  Nanos starved_retry = 200 * kMilli;
};

// Told under the committer role, each of them set; must not call the log back, except
// for reading.
struct Listener {
  std::function<void(Lsn)> durable;
  // Storage failed or is full (what could not be done, and why; errno 0: there is room
  // again). Told before a call can answer it, so that who gets the answer finds the
  // reason told; and room only once it is there.
  std::function<void(const Error&)> failing;
  std::function<void(const char* what, int error)> starved;
  std::function<void()> failed;  // from now on calls answer it
  std::function<void()> room;    // reservations are refused from now on, or not any more
  std::function<void()> freed;
  std::function<void()> segment;  // another one was begun
};

// At the end of each segment, kept for the beacon: once the log rests, that a segment's last
// records were acknowledged is provable also where it is full.
inline constexpr std::uint32_t kBeaconPage = kPage;

class Committer {
 public:
  Committer(io::Dir& dir, std::string path, io::Queue& queue, io::Clock& clock, Buffer& buffer,
            CommitterOptions options, Listener listener);
  ~Committer();

  // Begins after recovery: new epoch, everything sealed, spares taken over or made,
  // all in a durable manifest. Allocates all that is ever needed for commits.
  Error begin(const Recovered& recovered, const Uuid& uuid);
  // Directory work on a thread, which calls `finished` after each errand; without this
  // turn() does it.
  void hire(std::function<void()> finished) { clerk_.hire(std::move(finished)); }

  // One pass; true if it did anything, so that another is worth while.
  // `drain`: make nothing new but what is published, no beacon, no spare.
  bool turn(bool drain) noexcept;
  // A block or flush was submitted whose completion is not yet there: the role must
  // be kept. A spare in the making does not bind it.
  bool committing() const noexcept { return outstanding_ != 0; }
  // Anything at all was submitted whose completion is not yet there.
  bool in_flight() const noexcept { return outstanding_ != 0 || maker_.busy || !clerk_.idle(); }
  // The clerk has come back, which is turn()'s to see. Any thread.
  bool errand_done() const noexcept { return clerk_.done(); }
  // turn() would go on making the next segment.
  bool spare_due() const noexcept;
  // Records at hand that turn() would put into a block.
  bool pending() const noexcept;
  // Everything taken from the buffer is flushed.
  bool quiet() const noexcept {
    return !in_flight() && written_sequence_ == next_sequence_ &&
           flushed_sequence_ == next_sequence_;
  }
  // pending() is true, but only a completion or time can help.
  bool blocked() const noexcept { return blocked_; }
  // How long nothing needs to be done if nobody publishes or completes.
  Nanos idle_time(bool drain = false) noexcept;
  // Commits what is published now, at most one block, in this thread. False if that
  // is turn()'s business at present.
  bool commit_inline() noexcept;
  // Seals everything in a manifest that says "clean". Nothing in flight or pending.
  Error seal() noexcept;

  // ---- any thread
  // The oldest segment if it is complete, else number 0.
  SegmentEntry oldest() const;
  // Asks the committer to free it and to keep this catalog from then on; `freed()`
  // reaches the number once that is durable.
  void request_free(std::uint64_t number, Catalog&& catalog) noexcept {
    const std::lock_guard lock(list_);
    free_catalog_ = std::move(catalog);
    free_wanted_.store(number, std::memory_order_release);
  }
  // What was asked for and not done yet; 0: nothing. freed() moves before it is cleared.
  std::uint64_t free_wanted() const noexcept {
    return free_wanted_.load(std::memory_order_acquire);
  }
  std::uint64_t freed() const noexcept { return freed_.load(std::memory_order_acquire); }
  // What there is at this instant, for a backup; from now on no segment is freed whose
  // number is `pinned` or above. One backup at a time.
  Snapshot snapshot();
  // Moves the pin up; kUnpinned ends it.
  void pin(std::uint64_t number) noexcept;
  static constexpr std::uint64_t kUnpinned = ~std::uint64_t{0};
  bool is_pinned(std::uint64_t number) const noexcept;
  // Of blocks and headers in segments that are still there.
  std::uint64_t log_bytes() const noexcept { return log_bytes_.load(std::memory_order_relaxed); }
  Lsn durable() const noexcept {
    return static_cast<Lsn>(durable_.load(std::memory_order_acquire));
  }
  bool failed() const noexcept { return failed_.load(std::memory_order_acquire); }
  bool starved() const noexcept { return starved_by() != 0; }
  // The errno of what found no room; 0: there is some.
  int starved_by() const noexcept { return starved_.load(std::memory_order_acquire); }
  // Bytes of segments that can still be written without a new file.
  std::uint64_t room() const noexcept { return room_.load(std::memory_order_relaxed); }
  // The next segment is there, so that more will be made in time.
  bool spare_ready() const noexcept { return spare_ready_.load(std::memory_order_acquire); }
  // By what parts of it is kept back (Log::refuse): a sixteenth of the newest segment,
  // at most the buffer.
  std::uint64_t margin() const noexcept { return margin_.load(std::memory_order_relaxed); }
  std::uint32_t epoch() const noexcept { return manifest_.epoch; }  // constant after begin()
  const Manifest& manifest() const noexcept { return manifest_; }   // under the role
  std::uint32_t max_content() const noexcept { return max_content_; }

  struct Counters {
    std::atomic<std::uint64_t> blocks{0};
    std::atomic<std::uint64_t> records{0};
    std::atomic<std::uint64_t> bytes{0};  // of blocks, padding included
    std::atomic<std::uint64_t> flushes{0};
    std::atomic<std::uint64_t> inline_commits{0};
    std::atomic<std::uint64_t> segments{0};
    std::atomic<std::uint64_t> resubmitted{0};
    std::atomic<std::uint64_t> freed{0};     // segments
    std::atomic<std::uint64_t> recycled{0};  // of them, used again
  };
  const Counters& counters() const noexcept { return counters_; }
  Error failure() const { return failure_; }  // once failed()

 private:
  static constexpr unsigned kSlots = 8;
  // New segments are zeroed in such pieces: small, since on the synchronous queue one
  // delays the next commit.
  static constexpr std::size_t kZeroPiece = 64 * 1024;
  static constexpr unsigned kFlushes = 2;
  enum class SlotState : std::uint8_t { free, writing, waiting, written };

  struct Slot {
    std::byte* data = nullptr;  // room for kMaxBlock, page-aligned
    std::uint64_t offset = 0;
    std::uint64_t end = 0;  // LSN durable once this and all before are flushed
    std::uint64_t sequence = 0;
    std::uint32_t length = 0;
    std::uint32_t tries = 0;
    Nanos retry_at = 0;
    SlotState state = SlotState::free;
  };
  struct Flush {
    bool active = false;
    bool done = false;  // and well, but an older one is not back
    std::uint64_t sequence = 0;
    std::uint64_t end = 0;
  };
  struct Current {  // the segment being written; number 0: none yet in this epoch
    std::unique_ptr<io::File> file;
    SegmentEntry entry;
    std::uint64_t offset = 0;
    Digest chain;
  };
  struct Spare {
    SegmentEntry entry;
    std::unique_ptr<io::File> file;
  };
  struct Maker {  // of the next spare
    enum class State : std::uint8_t { idle, opening, writing, flush, listing } state = State::idle;
    std::unique_ptr<io::File> file;
    SegmentEntry entry;
    std::uint64_t offset = 0;
    std::uint64_t limit = 0;  // zeros up to here: all of it, or a recycled file's header
    std::uint32_t tries = 0;
    bool busy = false;  // an operation is in flight, or the clerk at work on it
    Nanos retry_at = 0;
  };

  // committer.cpp: blocks and flushes
  void complete(const io::Completion& completion) noexcept;
  void complete_write(unsigned slot, std::int64_t result) noexcept;
  void complete_flush(unsigned flush, std::int64_t result) noexcept;
  void submit_slot(unsigned slot) noexcept;
  bool resubmit_waiting() noexcept;
  bool build_blocks() noexcept;
  bool may_build() const noexcept;
  bool issue_flush() noexcept;
  void advance_written() noexcept;
  void advance_durable(std::uint64_t end) noexcept;
  bool beacon() noexcept;
  unsigned slot_at(std::uint64_t sequence) const noexcept {
    return static_cast<unsigned>(sequence % kSlots);
  }
  bool slot_free() const noexcept { return next_sequence_ - written_sequence_ < kSlots; }
  static bool retryable(std::int64_t result) noexcept;
  bool write_here(Slot& slot) noexcept;
  bool rests() const noexcept;
  void fail(const char* what, std::int64_t result) noexcept;
  void set_starved(const char* what, int error) noexcept;

  // Bytes of the current segment that blocks with records may still take.
  std::uint64_t left() const noexcept {
    const std::uint64_t end = current_.file ? current_.entry.size - kBeaconPage : 0;
    return end > current_.offset ? end - current_.offset : 0;
  }

  // block_builder.cpp: what goes into a slot
  struct Gathered {
    std::uint32_t bytes = 0;
    std::uint32_t count = 0;
    std::uint32_t moved = 0;  // bytes of the cleaner's
    bool no_room = false;     // the next record does not fit this segment
  };
  Gathered gather(std::uint64_t room) const noexcept;
  void build_block(const Gathered& what, std::uint32_t flags) noexcept;
  void build_header() noexcept;
  Slot& take_slot() noexcept;

  // segments.cpp: beginning, the current segment, the manifest
  Error allocate();
  Error sync_recovered(const Recovered& recovered);
  Error begin_spares(const Recovered& recovered);
  Error make_first();
  SegmentEntry& listed(std::uint64_t number) noexcept;
  bool rotate() noexcept;
  void publish_room() noexcept;
  void drop_leftovers(const Manifest& keep, bool segments_only);

  // spares.cpp: making and freeing segments
  bool make_spare() noexcept;
  bool begin_spare() noexcept;
  bool free_oldest() noexcept;
  bool take_errand() noexcept;
  void complete(Errand& errand) noexcept;
  void complete_open(Errand& errand) noexcept;
  void complete_make(std::int64_t result) noexcept;
  bool list_spare() noexcept;
  void complete_list() noexcept;
  void complete_drop(Errand& errand) noexcept;
  void manifest_failed(int result) noexcept;
  void make_failed(const char* what, int result) noexcept;

  io::Dir& dir_;
  const std::string path_;
  io::Queue& queue_;
  io::Clock& clock_;
  Buffer& buffer_;
  const CommitterOptions options_;
  const Listener listener_;

  Manifest manifest_;
  Current current_;
  SegmentEntry before_;        // sealed: what the next segment continues; number 0: nothing
  std::vector<Spare> spares_;  // the next to be used first
  SegmentEntry recyclable_;    // freed, its file kept to become the next spare; 0: none
  // Guards manifest_.segments for oldest(), which comes from other threads; all
  // changes are made under the role as well. And free_catalog_.
  mutable std::mutex list_;
  std::uint64_t pinned_ = kUnpinned;  // under list_
  // A manifest without this segment, the oldest, is being written; 0: none. Under list_.
  std::uint64_t dropping_ = 0;
  Catalog free_catalog_;  // to be kept once free_wanted_ is freed
  Clerk clerk_;
  Maker maker_;
  std::byte* memory_ = nullptr;
  std::size_t memory_bytes_ = 0;
  std::byte* zeros_ = nullptr;
  Slot slots_[kSlots];
  Flush flushes_[kFlushes];
  std::uint64_t start_mark_ = 0;
  std::uint32_t max_content_ = 0;

  std::atomic<std::uint64_t> read_{0};  // position: all before is in blocks. Written under the
                                        // role, read by the scribe without it before it sleeps
                                        // (relaxed: a stale value only finds an old record's
                                        // place, which is zero or newly published).
  std::uint64_t next_sequence_ = 1;     // of the next slot taken
  std::uint64_t written_sequence_ = 1;  // first one not yet complete
  std::uint64_t written_end_ = 0;       // LSN up to there
  std::uint64_t asked_sequence_ = 1;    // covered by flushes issued
  std::uint64_t flushed_sequence_ = 1;  // covered by flushes succeeded
  unsigned outstanding_ = 0;            // blocks and flushes in flight
  bool blocked_ = false;
  bool beacon_owed_ = false;
  Nanos beacon_due_ = 0;
  Error failure_;

  // Written under the role with release, after the acknowledged bytes are safe; read
  // by anyone with acquire.
  std::atomic<std::uint64_t> durable_{0};
  std::atomic<bool> failed_{false};
  std::atomic<int> starved_{0};
  std::atomic<std::uint64_t> room_{0};
  std::atomic<std::uint64_t> margin_{0};
  std::atomic<bool> spare_ready_{false};
  std::atomic<std::uint64_t> log_bytes_{0};
  std::atomic<std::uint64_t> free_wanted_{0};  // set by the cleaner, cleared under the role
  std::atomic<std::uint64_t> freed_{0};        // newest number freed
  std::uint64_t sealed_bytes_ = 0;             // under the role
  Counters counters_;
};

}  // namespace warden::log
