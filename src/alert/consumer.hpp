// SPDX-License-Identifier: Apache-2.0
//
// One named consumer: which alerts it still has to acknowledge, in which order it
// gets them, and what it was told of each open item. Everything but the bell and
// the name is under the hub's lock; only the hub calls it.
//
//   prepare -> append -> line of its item -> first of the line: place()
//        place: not durable -> gate (by position)   durable -> ready (severity, lateness)
//        lease: ready -> timer    expired, or given back: timer -> ready
//        settle (ack), withdraw (closing): out of the line; the next one is placed
//
// Invariants, besides those of entry.hpp
//   1. No heap allocates where that could not be answered: room in ready_ and gate_
//      is reserved on arrival, for the whole backlog; in timers_ by prepare_lease.
//   2. A RESOLVED stands behind every alert of its item that was handed out, since
//      nothing of an item is appended after its closing, lasting kinds excepted.
#pragma once

#include <memory>
#include <string>

#include "alert/bell.hpp"
#include "alert/heap.hpp"
#include "alert/ledger.hpp"

namespace warden::alert {

inline constexpr Nanos kDefaultLease = 30 * kSecond;
inline constexpr Nanos kMinLease = kMilli;
inline constexpr Nanos kMaxLease = kDay;

enum class Start : std::uint8_t {
  now,      // alerts that arrive from now on
  oldest,   // from the oldest still kept
  unacked,  // where this name stood; for a new one as `oldest`
};

struct ConsumerOptions {
  Start start = Start::unacked;  // of a new name
  bool audit = false;            // also gets alerts that were withdrawn
  bool early = false;            // does not wait for durability
  std::uint8_t min_severity = 0;
  Nanos lease = kDefaultLease;
  std::string flow{};  // empty: of all flows
  std::string rule{};  // empty: of all rules

  bool agrees_with(const ConsumerOptions& other) const noexcept {
    return audit == other.audit && early == other.early && min_severity == other.min_severity &&
           lease == other.lease && flow == other.flow && rule == other.rule;
  }
};

class Consumer {
 public:
  Consumer(std::string name, ConsumerOptions options, Ledger& ledger);
  ~Consumer();
  Consumer(const Consumer&) = delete;
  Consumer& operator=(const Consumer&) = delete;

  const std::string& name() const noexcept { return name_; }
  const ConsumerOptions& options() const noexcept { return options_; }

 private:
  friend class Hub;

  bool wants(const Alert& alert) const noexcept;

  // Arrival, in two steps so that nothing is half done without memory. prepare
  // makes the line, the entry (linked to the alert) and room; null without memory.
  Entry* prepare(Alert* alert) noexcept;
  bool make_room(std::size_t more) noexcept;
  void unprepare(Entry* entry) noexcept;
  void append(Entry* entry) noexcept;
  // As handed out before: told of, delivery counted, no lease.
  bool append_restored(Entry* entry) noexcept;
  bool remember(Line* line, const Alert& alert) noexcept;
  Line* line_of(std::uint64_t incarnation) noexcept;  // made if need be

  // An item has closed. make_resolved puts one RESOLVED an incident told of before
  // `list`, newest first; withdraw then takes out what was never handed out; the
  // RESOLVED are appended after it.
  bool make_resolved(const Alert& closing, Alert*& list) noexcept;
  void withdraw(Line* line, Lsn closed_lsn) noexcept;

  // Hand-out. prepare_lease may fail without memory; lease cannot.
  bool prepare_lease() noexcept;
  void lease(Entry* entry, Nanos now) noexcept;
  std::uint64_t next_lease(const Entry& entry) const noexcept {
    return entry.lease + EntrySlab::kOneGeneration;
  }
  std::uint32_t flags_of(const Entry& entry) const noexcept;

  // The entry out under this lease; null if it is not honoured (any more).
  Entry* leased(std::uint64_t lease) const noexcept;
  void settle(Entry* entry) noexcept;
  bool postpone(Entry* entry, Nanos due, bool keep_lease) noexcept;

  void open_gate() noexcept;
  void expire(Nanos now) noexcept;
  Nanos next_timer() const noexcept;
  // Lets go of everything; the consumer stays usable as an empty one.
  void clear() noexcept;

  Lsn gate_lsn(const Entry& entry) const noexcept;
  void place(Entry* entry) noexcept;
  void unplace(Entry* entry) noexcept;
  void take_out(Entry* entry, Entry* before) noexcept;
  void erase_if_done(Line* line) noexcept;
  static void forget_told(Line* line) noexcept;
  static Told* find_told(const Line* line, const Hash128& incident) noexcept;

  const std::string name_;
  const ConsumerOptions options_;
  Ledger& ledger_;
  Bell bell_;

  LineTable lines_;
  Heap gate_;                   // by log position; empty where nothing is gated
  Heap ready_;                  // by severity, deadline, arrival
  Heap timers_;                 // by expiry of the lease, or by the instant asked for
  Told* spare_told_ = nullptr;  // what prepare_lease set aside
  std::size_t backlog_ = 0;     // entries, the prepared ones included
  std::uint64_t wakes_ = 0;
  bool deleted_ = false;
};

// A consumer lives as long as anybody has a handle; deleted, it only says so.
using ConsumerRef = std::shared_ptr<Consumer>;

}  // namespace warden::alert
