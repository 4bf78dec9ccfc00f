// SPDX-License-Identifier: Apache-2.0
//
// From the log's records back to a store: flows, items, tombstones, consumers, and
// the alerts that somebody still has to acknowledge. One Replay takes the records of
// some lanes in order of LSN, from one thread; there may be several, one a group of
// lanes (replay_crew.hpp). They share no stripe and no item, so nothing is locked;
// timers and the hub come last, when all is known.
//
// What an alert is owed to: every consumer that was there when it was raised and
// wants it, or the first to come if there was none, until an ACK record names it.
// Which of them had leased it is not logged: after a restart every un-acknowledged
// alert counts as leased, so a closing is followed by its RESOLVED.
//
// A log whose oldest segments were freed begins in the middle: its catalog comes first
// (TOTALS says so), and what lived in them was written again further behind, each
// item whole. Until its ITEM is met, changes of an item whose BODY is gone are passed
// over, since the ITEM holds their result; one that never comes is corruption.
//
// Invariants
//   1. A record that does not fit what came before it is corruption, told by its
//      LSN; nothing is guessed.
//   2. Applying a record a second time changes nothing.
//   3. A record about an item goes to the Replay of its lane; consumers, acks and
//      anchors to all of them; flows and stages to one, while the others rest.
#pragma once

#include <map>
#include <unordered_map>

#include "engine/incarnation.hpp"
#include "engine/owed_record.hpp"
#include "engine/records.hpp"
#include "engine/store.hpp"

namespace warden::engine {

class Replay {
 public:
  // An alert, and the numbers of the consumers that must have it or have had it.
  struct Owed {
    alert::Alert alert;
    std::vector<std::uint64_t> holders;
    std::vector<std::uint64_t> told;
    bool unclaimed = false;
  };
  // An item that raised alerts, while anybody is owed one or may be owed a RESOLVED.
  struct Past {
    std::vector<Owed> owed;
    Blob* blob = nullptr;  // one reference
    bool closed = false;
    alert::Alert closing;
  };

  explicit Replay(Store& store) noexcept : store_(store) {}
  ~Replay() { clear(); }
  Replay(const Replay&) = delete;
  Replay& operator=(const Replay&) = delete;

  Error apply(Lsn lsn, log::RecordType type, std::uint64_t incarnation,
              std::span<const std::byte> content);
  // A flow or the name of a stage: changes what every Replay reads.
  Error apply_shared(Lsn lsn, log::RecordType type, std::uint64_t incarnation,
                     std::span<const std::byte> content);

  // What is left after the last record.
  const std::unordered_map<std::uint64_t, Past>& pasts() const noexcept { return past_; }
  const std::map<std::uint64_t, ConsumerRecord>& consumers() const noexcept { return consumers_; }
  Nanos latest() const noexcept { return latest_; }
  Nanos anchor() const noexcept { return anchor_; }
  std::uint64_t last_consumer() const noexcept { return last_consumer_; }
  // TOTALS: the log was cut.
  void note_cut() noexcept { is_cut_ = true; }
  // An item of which there are changes, but neither a BODY nor an ITEM.
  Error check_whole() const;

 private:
  void clear() noexcept;
  static std::uint32_t open_hash(std::uint64_t incarnation) noexcept {
    return static_cast<std::uint32_t>(((incarnation >> 10) * 0x9e37'79b9'7f4a'7c15) >> 32);
  }
  std::uint32_t find_open(std::uint64_t incarnation) const noexcept;
  Error body(Lsn lsn, std::uint64_t incarnation, Reader& in, bool again);
  Error state_of_unknown(Lsn lsn, std::uint64_t incarnation);
  // replay_moved.cpp
  Error past(Lsn lsn, std::uint64_t incarnation, Reader& in);
  Error owed(Lsn lsn, std::uint64_t incarnation, Reader& in);
  Error stones(Lsn lsn, Reader& in);
  Error totals(Lsn lsn, Reader& in);
  Past* past_of(std::uint64_t incarnation);
  void put_held(Lsn lsn, Past& past, Blob* blob, std::uint64_t incarnation, const FlowVersion& flow,
                const OwedRecord::Held& held);
  void put_told(Lsn lsn, Past& past, Blob* blob, std::uint64_t incarnation, const FlowVersion& flow,
                const OwedRecord::Told& told);
  // Makes the key free of a tombstone; false if an item has it.
  bool clear_key(index::Stripe& stripe, const Hash128& key);
  bool makes_way(index::Stripe& stripe, const index::Tombstone& stone);
  std::uint32_t find_key(index::Stripe& stripe, const Hash128& key) const noexcept;
  Error state(Lsn lsn, std::uint64_t incarnation, Reader& in);
  Error close(Lsn lsn, std::uint64_t incarnation, std::uint32_t number, const StateRecord& record);
  Error bury(std::uint64_t incarnation, const StateRecord& record);
  Error consumer(std::uint64_t number, Reader& in);
  Error ack(std::uint64_t number, Reader& in);
  void settle(Past& past, std::uint64_t consumer, const Hash128& id, bool withdrawn);
  void raise(Lsn lsn, std::uint64_t incarnation, const FlowVersion& flow, Blob* blob,
             const StateRecord& record);
  void put_state(index::Item& item, Lsn lsn, const FlowVersion& flow, const StateRecord& record);
  bool wants(std::uint64_t consumer, const alert::Alert& alert) const;
  void forget(std::unordered_map<std::uint64_t, Past>::iterator past);
  static Error corrupt(Lsn lsn, std::string_view what);

  Store& store_;
  StateRecord record_;  // of the record at hand
  index::Cells open_;   // incarnation -> number of an item that is not closed
  std::unordered_map<std::uint64_t, Past> past_;
  std::map<std::uint64_t, ConsumerRecord> consumers_;
  // Of items whose BODY is gone, the newest change that was passed over.
  std::unordered_map<std::uint64_t, Lsn> headless_;
  OwedRecord owed_;  // of the record at hand
  std::uint64_t last_consumer_ = 0;
  bool is_cut_ = false;
  Nanos latest_ = kNoTime;
  Nanos anchor_ = kNoTime;
};

}  // namespace warden::engine
