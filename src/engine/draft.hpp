// SPDX-License-Identifier: Apache-2.0
//
// An item's next state while a verb or the keeper works it out, under the stripe's
// lock: a copy of everything that the event can change, and the alerts that it
// raises, allocated as they come. Nothing of the item changes before commit; when
// memory is out, or the verb refuses, the draft is dropped and that is all.
#pragma once

#include <vector>

#include "alert/hub.hpp"
#include "engine/flow_table.hpp"
#include "engine/records.hpp"
#include "index/item.hpp"

namespace warden::engine {

// What alerts' ids are made from besides the item; fixed for a store.
struct StoreId {
  Hash128 uuid;
};

// Fills in an alert of an item from what a STATE record holds of it: the same when it
// is raised and when it is replayed. Takes a reference of the blob.
struct AlertSource {
  const StoreId& id;
  const FlowVersion& flow;
  Blob* blob;
  std::uint64_t incarnation;
  std::uint32_t tries;
};
void fill_alert(alert::Alert& alert, const AlertSource& of, const RaisedRecord& raised) noexcept;

class Draft {
 public:
  // Of an item as it stands.
  Draft(alert::Hub& hub, const StoreId& id, FlowVersion& flow, const index::Item& item) noexcept;
  // Of an item that is about to be: blob is its own, with zeroed state.
  Draft(alert::Hub& hub, const StoreId& id, FlowVersion& flow, Blob* blob,
        std::uint64_t incarnation) noexcept;
  ~Draft();
  Draft(const Draft&) = delete;
  Draft& operator=(const Draft&) = delete;

  // Levels whose instant lies before now. May throw std::bad_alloc. After the event
  // of now, what is left was armed by that event, so it is raised at its instant.
  void pass(flow::Instant now, bool armed_now = false);
  void start(flow::Instant now);
  void submit(Nanos expires) noexcept;  // kNever: no TTL
  // A stage passed; closes the item if the flow says so.
  void mark(flow::StageNo stage, flow::Instant now);
  void touch(flow::Instant now);
  void close(index::Verdict verdict, flow::Instant now);
  // A submitted item whose TTL lies before now expires. True if it did.
  bool expire(flow::Instant now);

  // Copies it all into the item (not timers, not lsn) and hands the alerts to the hub.
  void commit(index::Item& item, Lsn lsn) noexcept;
  // As the content of a STATE record; `key` is written for a closed item.
  void encode(Writer& out, const Hash128& key) const;

  Nanos next_elapsed() const noexcept;  // of a level or the TTL; kNever if none
  Nanos next_wall() const noexcept;
  flow::RuleSlot* slots() noexcept { return subject_.slots; }
  const flow::RuleSlot* slots() const noexcept { return subject_.slots; }
  flow::Subject& subject() noexcept { return subject_; }
  Nanos& created() noexcept { return *reinterpret_cast<Nanos*>(state_); }
  std::uint64_t& wall_timer() noexcept { return *reinterpret_cast<std::uint64_t*>(state_ + 8); }
  std::size_t raised() const noexcept { return alerts_.size(); }
  std::uint64_t token() const noexcept { return tries == 0 ? 0 : incarnation + tries; }

  FlowVersion& flow;
  Blob* blob;
  std::uint64_t incarnation;
  std::uint64_t seq = 0;
  Nanos at = kNoTime;
  std::uint32_t tries = 0;
  std::uint16_t alerts = 0;
  index::State state = index::State::none;
  index::Verdict verdict = index::Verdict::none;
  bool changed = false;

 private:
  void raise(const flow::Reached& reached, alert::Kind kind, flow::Instant now);
  void raise_suspicious(std::size_t rule, const flow::RuleSlot& slot, flow::Instant now);

  alert::Hub& hub_;
  const StoreId& id_;
  struct Raised {
    alert::Alert* alert;
    RaisedRecord record;
  };

  std::vector<Raised> alerts_;
  alignas(8) std::byte state_[kMaxStateBytes];
  flow::Subject subject_;
};

}  // namespace warden::engine
