// SPDX-License-Identifier: Apache-2.0
//
// The write-ahead log: opaque records in, positions out, durable in order. It knows
// nothing of items; the engine above replays its records and appends new ones.
//
//   caller:  reserve (may wait) -> [stripe lock] append -> [unlock] -> wait_durable
//   scribe:  published records -> blocks -> write, flush -> durable() -> waiters
//
// Promises
// 1. A record's LSN names it for ever: none is issued twice, also across crashes.
// 2. durable() >= lsn means that the record, and all before it, survive power loss.
// 3. append() cannot wait and cannot fail. reserve() does either, holding nothing.
// 4. After a write or flush has failed nothing more becomes durable: waiters answer
//    outcome_unknown, reserve() answers io, until the store is opened anew.
// 5. What recovery hands out is a prefix of what was appended that holds everything
//    acknowledged; a damaged log is refused, with file and offset.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "base/code.hpp"
#include "io/clock.hpp"
#include "io/disk.hpp"
#include "log/backup.hpp"
#include "log/buffer.hpp"
#include "log/committer.hpp"
#include "log/doorbell.hpp"
#include "log/histogram.hpp"
#include "log/recovery.hpp"

namespace warden::log {

enum class Mode : std::uint8_t {
  write,      // creates the store if the directory is new or empty
  read_only,  // replays what is durable, also beside a writer, and changes nothing
};

struct Options {
  Mode mode = Mode::write;
  std::uint64_t segment_bytes = 64u << 20;       // whole pages, 64 KiB or more
  std::uint64_t first_segment_bytes = 4u << 20;  // later ones double up to segment_bytes
  std::size_t buffer_bytes = 4u << 20;           // a power of two, 64 KiB or more
  unsigned spares = 1;                           // segments kept ready ahead
  Nanos beacon_after = 100 * kMilli;
  Nanos starved_retry = 200 * kMilli;
  io::Clock* clock = nullptr;  // null: the real one
  // No thread is started: the caller drives the log by pump(). For the simulator.
  bool manual = false;
  bool inline_commit = true;  // a lone waiter on an idle log commits by itself
  Uuid uuid;                  // of a new store; zero: drawn at random
  // Of a new store with a uuid: openings that count as having been before its first.
  std::uint32_t epochs_before = 0;
};

enum class ReserveFlags : std::uint32_t {
  none = 0,
  nowait = 1,     // would_block instead of waiting for room
  closing = 2,    // closings, acks, cancels: go on while submits are refused
  cleaner = 4,    // from the cleaner's share; implies nowait
  will_wait = 8,  // the caller calls wait_durable() next: leave waking the scribe to it
};
constexpr ReserveFlags operator|(ReserveFlags a, ReserveFlags b) noexcept {
  return static_cast<ReserveFlags>(raw(a) | raw(b));
}
constexpr bool has(ReserveFlags set, ReserveFlags flag) noexcept {
  return (raw(set) & raw(flag)) != 0;
}

// Room for records, held by one thread at a time; give what is left to release().
struct Credit {
  std::size_t bytes = 0;
  ReserveFlags flags = ReserveFlags::none;
};

// Where a record goes that is published later.
struct Claim {
  std::uint64_t position = 0;
  std::uint32_t content = 0;
  Lsn lsn = Lsn::none;
  ReserveFlags flags = ReserveFlags::none;
};

using Part = std::span<const std::byte>;

struct LogStats {
  const char* backend = "";
  std::string note;  // why a simpler backend was chosen, if it was
  std::uint64_t blocks = 0;
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;  // written, padding and headers included
  std::uint64_t flushes = 0;
  std::uint64_t inline_commits = 0;
  std::uint64_t resubmitted = 0;
  std::uint64_t segments = 0;   // begun in this opening
  std::uint64_t freed = 0;      // segments, by the cleaner
  std::uint64_t recycled = 0;   // of them, used again
  std::uint64_t log_bytes = 0;  // in segments that are still there
  std::uint64_t room = 0;       // bytes writable without a new segment
  std::uint32_t epoch = 0;
  bool starved = false;  // disk full: ordinary reservations are refused
  std::uint64_t acks = 0;
  Nanos ack_p50 = 0;
  Nanos ack_p99 = 0;
  Nanos ack_max_bucket = 0;
  Error failure;  // sticky; code ok while all is well
  RecoveryReport recovery;
};

class Log {
 public:
  // Replays, seals, begins a new epoch. `dir` may not exist yet (mode write). Errors:
  // not_a_store, permission, held, newer_format, corrupt, no_space, no_memory, io,
  // limit, and whatever the sink returned. Nothing was changed where it refuses.
  static Error open(io::Disk& disk, const std::string& path, const Options& options,
                    ReplaySink& sink, std::unique_ptr<Log>& out);
  // Closes without draining if close() was not called.
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  // ---- appending; any thread
  // Room for `records` records of `content_bytes` in all. ok, would_block, no_space,
  // too_large, io (the log has failed), store_closed, read_only, forked.
  Code reserve(std::size_t content_bytes, std::uint32_t records, ReserveFlags flags,
               Credit& out) noexcept;
  void release(Credit& credit) noexcept;
  // Claims, copies and publishes; the record's LSN. The credit must cover it.
  Lsn append(Credit& credit, RecordType type, std::uint64_t incarnation,
             std::span<const Part> parts) noexcept;
  Lsn append(Credit& credit, RecordType type, std::uint64_t incarnation, Part content) noexcept {
    return append(credit, type, incarnation, std::span<const Part>(&content, 1));
  }
  // The same in steps, for contents to be copied outside the stripe's lock. Everything
  // appended later waits for a claim to be published or abandoned: do it at once.
  Claim claim(Credit& credit, std::size_t content) noexcept;
  void publish(const Claim& claim, RecordType type, std::uint64_t incarnation,
               std::span<const Part> parts) noexcept;
  void abandon(const Claim& claim) noexcept;

  // ---- durability; any thread
  Lsn last_appended() const noexcept;
  Lsn durable() const noexcept;
  // ok; timeout; lost (cut off by a crash before this opening); outcome_unknown (the
  // log has failed); store_closed; out_of_range (not issued yet).
  Code wait_durable(Lsn lsn, Nanos timeout) noexcept;
  // Waits for everything appended before the call.
  Code sync(Nanos timeout) noexcept { return wait_durable(last_appended(), timeout); }
  // Called after each advance, by the scribe or by a waiter that commits for itself:
  // short, takes no lock that is held around calls of this log. Set before appending.
  void on_durable(std::function<void(Lsn)> callback);
  // Once, when a write or flush has failed: nothing becomes durable any more.
  void on_failure(std::function<void()> callback);
  // Why storage fails or is full, with the file, told before a call can answer it; that
  // there is room again (code ok), once there is.
  void on_trouble(std::function<void(const Error&)> callback);
  bool failed() const noexcept { return committer_ && committer_->failed(); }
  // What lies behind a refusal, for a person: the failure, or that the disk is full.
  std::string why(Code code) const;

  // ---- cleaning; one thread at a time. The cleaner reads the oldest segment, appends
  // again (ReserveFlags::cleaner) what of it still lives, as it is now, under the
  // stripes' locks, and then frees it. Strictly oldest first.
  struct Oldest {
    std::uint64_t number = 0;  // 0: nothing can be freed
    std::uint64_t bytes = 0;
    Lsn begin = Lsn::none;
    Lsn end = Lsn::none;
  };
  Oldest oldest() const;
  // Its records, in order. corrupt, io, no_memory, forked, or what the sink returned.
  Error read_oldest(std::uint64_t number, ReplaySink& sink);
  // Frees it, once everything up to `moved` (the last record appended again) is
  // durable. ok; timeout: not yet, ask for the same again; as wait_durable, reserve;
  // invalid_argument if it is not the oldest. Once it is asked for, which any other
  // answer than ok and timeout says it was not, it will be freed unless the log fails.
  // `catalog`: what an opening from then on is to be told before the first record; moved
  // from when it is asked for.
  Code free_oldest(std::uint64_t number, Lsn moved, Catalog&& catalog, Nanos timeout) noexcept;
  // The catalog of what was freed before. For the cleaner, once, before it begins.
  const Catalog& catalog() const noexcept { return catalog_; }
  // Called when another segment is begun, or the disk is found full or has room
  // again; as on_durable.
  void on_segment(std::function<void()> callback);

  // Copies the store into a new or empty directory, everything acknowledged before the
  // call included, while it goes on: backup.hpp. Segments are not freed before they are
  // copied: free_oldest() waits for that.
  Error backup(io::Disk& disk, const std::string& to, const BackupWatch& watch, BackupReport& out);

  // ---- life
  // Refuses further reservations, waits at most `drain` for what was appended to be
  // durable, stops, seals, unlocks. Waiters answer store_closed. Idempotent. ok,
  // timeout (something was not durable), outcome_unknown.
  Code close(Nanos drain) noexcept;
  LogStats stats() const;
  // In segments that are still there.
  std::uint64_t log_bytes() const noexcept { return committer_ ? committer_->log_bytes() : 0; }
  // Bytes of copies that would find room without a new segment.
  std::uint64_t cleaner_room() const noexcept;
  // Holds ordinary reservations up (would_block, if they do not wait) until it is taken
  // back: the cleaner's, who else may be outrun.
  void hold_up(bool on) noexcept;
  // The disk is full: ordinary reservations are refused.
  bool starved() const noexcept { return committer_ && committer_->starved(); }
  std::uint32_t epoch() const noexcept { return epoch_; }
  const Uuid& uuid() const noexcept { return uuid_; }
  // Of one record's content.
  std::uint32_t max_content() const noexcept { return max_content_; }
  const RecoveryReport& recovery() const noexcept { return report_; }
  // In a forked child: every call answers `forked`.
  bool forked() const noexcept;

  // ---- manual mode: one pass of the scribe. True if it did anything.
  bool pump(bool drain = false) noexcept;
  bool in_flight() const noexcept { return committer_ && committer_->in_flight(); }
  Nanos idle_time() noexcept { return committer_->idle_time(); }
  io::Queue& queue() noexcept { return *queue_; }

 private:
  Log(const std::string& path, const Options& options);
  static Error open_or_throw(io::Disk& disk, const std::string& path, const Options& options,
                             ReplaySink& sink, std::unique_ptr<Log>& out);
  Error open_dir(io::Disk& disk);
  Error lock();
  Error open_existing(ReplaySink& sink, Recovered& recovered);
  Error check_owner();
  Error check_new();
  Error start(const Recovered& recovered);
  int hire_scribe();
  Uuid new_uuid(const Recovered& recovered) const;
  void scribe() noexcept;
  bool has_work(bool committing, Nanos& limit) noexcept;
  void sleep(bool committing) noexcept;
  void wake_scribe() noexcept;
  void durable_moved(Lsn lsn) noexcept;
  void tell_of_room(const char* what, int error) noexcept;
  bool lead(Lsn lsn) noexcept;
  Code state_of(Lsn lsn) const noexcept;
  Code state_of_earlier(Lsn lsn) const noexcept;
  Code refuse(ReserveFlags flags, std::size_t want,
              const std::uint64_t* taken = nullptr) const noexcept;
  bool must_wait(ReserveFlags flags) const noexcept;
  Code prove(Nanos until) noexcept;
  void fill(const Claim& claim, RecordType type, std::uint64_t incarnation,
            std::span<const Part> parts) noexcept;

  const std::string path_;
  const Options options_;
  std::unique_ptr<io::Dir> dir_;
  std::unique_ptr<io::Queue> queue_;
  std::string note_;
  Buffer buffer_;
  std::unique_ptr<Committer> committer_;
  std::thread scribe_;
  // What the scribe's attach() answered: by the scribe, for who opens, who waits for it.
  static constexpr int kUnattached = 1;
  std::atomic<int> attached_{kUnattached};
  std::vector<EpochEnd> ends_;  // of earlier epochs; constant after opening
  Catalog catalog_;             // likewise
  RecoveryReport report_;
  Uuid uuid_;
  Lsn recovered_end_ = Lsn::none;
  std::uint32_t epoch_ = 0;
  std::uint32_t max_content_ = 0;
  std::uint32_t generation_ = 0;  // io::fork_generation() when opened
  std::function<void(Lsn)> on_durable_;
  std::function<void()> on_failure_;
  std::function<void(const Error&)> on_trouble_;
  std::function<void()> on_segment_;

  std::mutex role_;      // the committer role
  std::mutex close_;     // one close at a time
  std::mutex backup_;    // one backup at a time
  bool closed_ = false;  // under close_
  Doorbell doorbell_;    // the scribe's
  // The scribe's sleep has a time limit, so that a beacon will follow. Under role_.
  bool timed_ = false;
  // Grows with every advance of durable() and on failure and close; a futex word.
  io::FutexWord moved_{0};
  // Threads in wait_durable that may sleep. seq_cst with moved_'s change.
  std::atomic<std::uint32_t> waiters_{0};
  std::atomic<bool> closing_{false};  // no more reservations
  // By the cleaner; seq_cst, as what takers wait for (buffer.hpp, wait_credit).
  std::atomic<bool> held_up_{false};
  std::atomic<bool> stopped_{false};  // the scribe has ended, nothing becomes durable
  std::atomic<bool> stop_{false};     // asks it to
  Histogram acks_;
};

}  // namespace warden::log
