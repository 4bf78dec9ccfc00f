// SPDX-License-Identifier: Apache-2.0
//
// The engine: the only place that sees flows, index, wheel and alerts together.
// A verb runs to its end on its caller's thread:
//
//   flow lookup -> hash -> stripe lock -> find -> draft (levels passed, the event,
//   levels passed again) -> timers -> commit and push alerts -> unlock -> notify
//
// Invariants
//   1. An item changes only under its stripe's lock, and only by Draft::commit:
//      whole, or not at all. Whatever can fail (memory, wheel) comes before it.
//   2. A live item with a level still to come has a wheel entry at or before that
//      level, or stands on the near list, or is flagged kNeedsTimer. Entries may
//      come early and in vain: what is due is recomputed from the item.
//   3. Lock order: advance lock (manual clock only) -> stripe -> a flow's or the
//      near list's mutex. The hub's lock is never taken under a stripe; the cleaner
//      takes a stripe under it.
//   4. Alerts of one item are pushed under its stripe's lock, so in its order.
#pragma once

#include <algorithm>
#include <memory>
#include <shared_mutex>
#include <thread>

#include "alert/hub.hpp"
#include "engine/config.hpp"
#include "engine/consumers.hpp"
#include "engine/counters.hpp"
#include "engine/draft.hpp"
#include "engine/durable_bell.hpp"
#include "engine/flow_table.hpp"
#include "engine/incarnation.hpp"
#include "engine/near_list.hpp"
#include "engine/reading.hpp"
#include "engine/recorder.hpp"
#include "engine/time_source.hpp"
#include "engine/verbs.hpp"
#include "engine/wakeup.hpp"
#include "index/index.hpp"
#include "wheel/wheel.hpp"

namespace warden::engine {

class Cleaner;

enum class Op : std::uint8_t { track = 1, mark = 2, complete = 3 };

// One entry of a batch and what it was answered.
struct BatchEntry {
  std::string_view key;
  std::string_view arg;
  Options options;
  Code code = Code::ok;
  Result result;
};

struct Figures {
  std::uint64_t values[Counters::kCount];
  std::uint32_t flows = 0;
  std::uint64_t alerts_withdrawn = 0;
  std::uint64_t alerts_kept = 0;
  std::uint64_t tombstones = 0;
  std::uint64_t timers = 0;
  std::uint64_t keeper_wakeups = 0;
  std::uint64_t item_bytes = 0;
  Nanos now = 0;
  Nanos next_due = kNoTime;
};

// What a store stands on in place of the machine: a disk that a test has made, and a
// log that it drives.
struct Footing {
  io::Disk* disk = nullptr;
  log::Options log;
};

class Store {
 public:
  // path: null keeps everything in memory.
  static Error open(const char* path, const Config& config, std::unique_ptr<Store>& store,
                    const Footing* footing = nullptr);
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  // ok, store_closed or forked: asked by every call first.
  Code usable() const noexcept;
  // Waits at most `drain` for what was answered BUFFERED to become durable.
  Code close(Nanos drain) noexcept;
  Code release_hold() noexcept;
  Code clock_advance(Nanos to);
  Error define_flow(std::string_view text, const FlowVersion*& version);

  // The verbs. Each may throw std::bad_alloc, nothing changed.
  Code submit(const Target& target, std::string_view payload, const Options& o, Result& r);
  Code exec(const Target& target, const Options& o, Result& r);
  Code track(const Target& target, std::string_view payload, const Options& o, Result& r);
  Code mark(const Target& target, std::string_view stage, const Options& o, Result& r);
  Code touch(const Target& target, const Options& o, Result& r);
  Code extend(const Target& target, std::string_view rule, Nanos by, Nanos to, const Options& o,
              Result& r);
  Code complete(const Target& target, const Options& o, Result& r);
  Code cancel(const Target& target, const Options& o, Result& r);
  // Many of them in order, each with its own answer, none waited for;
  // settle_batch waits for all, up to the highest position answered.
  void run_batch(Op op, std::string_view flow, std::span<BatchEntry> entries);
  Code settle_batch(Durability wanted, Lsn last, Result& r) noexcept;

  // Reads an item as it stands into `out` (its strings are copied).
  Code get(const Target& target, Reading& out);
  // The next open item at or after number `from` that `wanted` accepts; false at
  // the end. `from` is moved behind it.
  template <class Wanted>
  bool scan(std::uint32_t& from, Wanted&& wanted, Reading& out);

  alert::Hub& hub() noexcept { return hub_; }
  Error open_consumer(std::string_view name, const alert::ConsumerOptions* options,
                      alert::ConsumerRef& consumer);
  Code remove_consumer(std::string_view name);
  alert::Counted ack(alert::Consumer& consumer, std::span<const std::uint64_t> leases);

  // Waits for a position that a caller names, or for all that was appended so far.
  // Alerts up to there can be polled when it answers ok.
  Code wait_durable(Lsn lsn, Nanos timeout) noexcept;
  Code sync(Nanos timeout) noexcept { return opened(recorder_.last(), timeout); }
  Recorder& recorder() noexcept { return recorder_; }
  int durable_fd() const noexcept { return durable_bell_.fd(); }
  void arm_durable(Lsn lsn) noexcept;
  Figures figures() noexcept;
  log::LogStats log_stats() { return recorder_.log().stats(); }
  // A copy in a new or empty directory, while the store is used. bad_state if it keeps
  // everything in memory; as log::Log::backup.
  Error backup(const char* to, log::BackupReport& out);

 private:
  // A key, looked up, with its stripe locked.
  struct Entry {
    std::string_view key;
    FlowName* flow = nullptr;
    FlowVersion* newest = nullptr;  // of the flow, when the key was locked
    Hash128 hash;
    std::unique_lock<index::StripeLock> lock;
    index::Stripe* stripe = nullptr;
    std::uint32_t cell = index::Cells::kNotFound;
    std::uint32_t number = 0;  // of the item, if there is one
    index::Item* item = nullptr;
    index::Tombstone* stone = nullptr;
    Room room;                                  // in the log, for what this verb may append
    const std::string_view* payload = nullptr;  // of an item that is about to be
  };
  // What is left to do once the stripe is released.
  struct After {
    bool notify = false;
    bool wake = false;
    bool in_memory = false;  // the item is volatile
    Lsn lsn = Lsn::none;     // to be durable before the answer
  };
  // What a verb may append, besides the state of an item of its flow.
  struct Need {
    std::size_t extra = 0;
    log::ReserveFlags flags = log::ReserveFlags::none;
  };
  // Timers that a draft wants, set before it is committed.
  struct Timers {
    std::uint64_t elapsed = 0;
    std::uint64_t wall = 0;
    bool fresh_elapsed = false;
    bool fresh_wall = false;
  };

  explicit Store(const Config& config) noexcept;
  friend class Replay;
  friend class ReplayCrew;
  friend class Checker;
  friend class Cleaner;
  Error open_log(const char* path, const Footing* footing);
  void watch_log();
  Error start_keeper();
  void adopt(const Hash128& uuid) noexcept;
  bool make_parts() noexcept;
  void forget_all();

  // lookup.cpp
  Code check(const Target& target, const Options& o) const noexcept;
  Hash128 hash_of(const FlowName& flow, std::string_view key) const noexcept;
  Code look_up(const Target& target, const Options& o, Entry& e, const Need& need);
  Code lock_key(Entry& e, const Options& o, const Need& need);
  void look_up_hashed(Entry& e, const Options& o);
  // Dedupe windows begin and end by the later of the event's instant and the clock:
  // on a manual clock, items may live far apart, and one does not end another's.
  Nanos dedupe_now(Nanos at) const noexcept {
    return time_.manual() ? std::max(at, time_.elapsed()) : at;
  }
  void drop_stone(Entry& e) noexcept;
  flow::Instant instant(const Options& o, Nanos at_least, bool with_wall) const noexcept;
  // recording.cpp
  Code reserve(Entry& e, std::uint32_t most, const Need& need) noexcept;
  Lsn record(Entry& e, const Draft& draft) noexcept;
  bool is_logged(const Entry& e) const noexcept;
  Code encode(Entry& e, Draft& draft);
  Code settle(Code code, const Options& o, const After& after, Result& r) noexcept;
  Code opened(Lsn lsn, Nanos timeout) noexcept;
  flow::StageNo stage_number(Entry& e, FlowVersion& flow, std::string_view stage);

  // The advance lock, shared, on a manual clock; nothing on the real one.
  std::shared_lock<std::shared_mutex> read_lock() {
    return time_.manual() ? std::shared_lock(advance_) : std::shared_lock<std::shared_mutex>();
  }

  // transition.cpp
  Code set_timers(std::uint32_t number, Draft& draft, std::uint64_t old_elapsed, Timers& timers,
                  After& after);
  Code set_timer(wheel::Wheel& wheel, std::uint64_t cookie, std::uint64_t incarnation, Nanos at,
                 std::uint64_t old, std::uint64_t& handle, bool& fresh, After& after);
  void undo_timers(const Timers& timers) noexcept;
  Code commit(Entry& e, Draft& draft, After& after);
  Code bury(Entry& e, Draft& draft, After& after);
  Code bury_early(Entry& e, Nanos at, After& after);
  bool trim_tombstones(index::Stripe& stripe, Nanos now) noexcept;
  void finish(const After& after) noexcept;
  void count_closed(index::State from, index::Verdict verdict) noexcept;
  void count_verdict(index::Verdict verdict) noexcept;

  // verbs_*.cpp
  Code create(Entry& e, std::string_view payload, const Options& o, bool exec, Result& r,
              After& after);
  Code submit_in(Entry& e, std::string_view payload, const Options& o, bool exec, Result& r,
                 After& after);
  Code mark_in(Entry& e, std::string_view stage, const Options& o, Result& r, After& after);
  Code close_in(Entry& e, index::Verdict verdict, const Options& o, Result& r, After& after);
  // Reserves, finds and locks, runs body(entry, after), releases, notifies and wakes,
  // waits until what is answered is durable.
  template <class Body>
  Code with_key(const Target& target, const Options& o, const Need& need, Result& r, Body&& body);
  template <class Apply>
  Code change(Entry& e, const Options& o, Result& r, After& after, Code when_closed, Apply&& apply);
  void run_groups(Op op, std::string_view flow, std::span<BatchEntry> entries, After& after);
  void prefetch_items(Op op, std::span<const Hash128> hashes) noexcept;
  Code run_one(Op op, Entry& e, BatchEntry& entry, After& after);
  // Nothing is raised while the store is held.
  void pass(Draft& draft, flow::Instant now, bool after_event = false) {
    if (!held_.load(std::memory_order_acquire)) draft.pass(now, after_event);
  }
  static Code check_dues(const FlowVersion& flow, const Options& o) noexcept;
  static Code give_dues(Draft& draft, const Options& o, flow::Instant now);
  static void fill(Result& r, const Draft& draft) noexcept;
  static void fill(Result& r, const index::Tombstone& stone) noexcept;

  // keeper.cpp
  void keep() noexcept;
  bool turn(flow::Instant now, std::uint64_t max_work) noexcept;
  template <class Mine>
  void fire(std::uint32_t number, flow::Instant now, Mine&& mine) noexcept;
  void flag_for_rearm(index::Item& item, Code why) noexcept;
  void revisit(flow::Instant now) noexcept;
  void rearm_flagged(flow::Instant now) noexcept;
  void sleep_until_due() noexcept;
  void leases_end_at(Nanos instant) noexcept;
  wheel::Tick tick_of(Nanos at) const noexcept;
  Nanos instant_of(wheel::Tick tick) const noexcept;
  Nanos next_due() noexcept;

  const Config config_;
  StoreId id_;  // set while opening, then constant, as the next
  std::uint64_t seed_;
  const std::uint32_t fork_generation_;
  TimeSource time_;
  const Nanos base_;  // instant of tick 0 of both wheels
  std::unique_ptr<FlowTable> flows_;
  std::unique_ptr<index::Index> index_;
  std::unique_ptr<wheel::Wheel> elapsed_;
  std::unique_ptr<wheel::Wheel> wall_;
  std::unique_ptr<io::Disk> disk_;
  Recorder recorder_;
  alert::Hub hub_;
  NearList near_;
  Counters counters_;
  Wakeup wakeup_;
  // Held shared by every verb and exclusively by clock_advance, on a manual clock
  // only: so an advance sees every deadline armed before it, to the nanosecond.
  std::shared_mutex advance_;
  DurableBell durable_bell_;
  Consumers consumers_;
  Incarnations incarnations_;
  // Everything is accepted, nothing fires. Cleared once, by release_hold, which then
  // wakes the keeper.
  std::atomic<bool> held_{false};
  bool read_only_ = false;  // constant once open
  // Set once by close; relaxed would do, since nothing is read through it.
  std::atomic<bool> closed_{false};
  // Not ok: some item has kNeedsTimer, and why: set under its stripe by whoever ran out of
  // memory or of room in the log, taken by the keeper, who then takes every stripe.
  std::atomic<Code> rearm_{Code::ok};
  std::atomic<std::uint64_t> keeper_wakeups_{0};
  std::atomic<Nanos> keeper_hub_timer_{kNever};  // what the keeper sleeps for
  std::atomic<Nanos> keeper_next_due_{kNever};   // a figure, by the keeper
  std::mutex closing_;
  std::thread keeper_;
  std::unique_ptr<Cleaner> cleaner_;  // of a store with a log that is written
};

template <class Wanted>
bool Store::scan(std::uint32_t& from, Wanted&& wanted, Reading& out) {
  for (; from < index_->high(); ++from) {
    if (!index_->has_chunk(from)) continue;
    index::Item& item = index_->item(from);
    const std::uint32_t stripe = item.stripe.load(std::memory_order_relaxed);
    if (stripe == 0) continue;
    std::lock_guard guard(index_->stripe(stripe - 1).lock);
    if (item.stripe.load(std::memory_order_relaxed) != stripe) {
      // Freed, or given to another key of another time: that one was not there
      // throughout, and is seen if it is there when we look again.
      continue;
    }
    const FlowVersion& flow = flows_->version(item.flow);
    if (!wanted(item, flow)) continue;
    read_item(item, flow, out);
    ++from;
    return true;
  }
  return false;
}

}  // namespace warden::engine
