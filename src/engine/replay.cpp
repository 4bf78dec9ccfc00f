// SPDX-License-Identifier: Apache-2.0
#include "engine/replay.hpp"

#include <algorithm>

namespace warden::engine {

using index::State;
using log::RecordType;

void Replay::clear() noexcept {
  for (auto& [incarnation, past] : past_) {
    for (Owed& owed : past.owed) owed.alert.blob->unref();
    past.blob->unref();
  }
  past_.clear();
  consumers_.clear();
  latest_ = anchor_ = kNoTime;
}

Error Replay::corrupt(Lsn lsn, std::string_view what) {
  return Error{Code::corrupt, "the record at LSN " + std::to_string(raw(lsn)) + " is " +
                                  std::string(what) + ": expected one that fits those before it"};
}

Error Replay::apply(Lsn lsn, RecordType type, std::uint64_t incarnation,
                    std::span<const std::byte> content) {
  try {
    Reader in(content);
    switch (type) {
      case RecordType::body:
        return body(lsn, incarnation, in, false);
      case RecordType::item:
        return body(lsn, incarnation, in, true);
      case RecordType::past:
        return past(lsn, incarnation, in);
      case RecordType::owed:
        return owed(lsn, incarnation, in);
      case RecordType::stones:
        return stones(lsn, in);
      case RecordType::totals:
        return totals(lsn, in);
      case RecordType::state:
        return state(lsn, incarnation, in);
      case RecordType::consumer:
        return consumer(incarnation, in);
      case RecordType::ack:
        return ack(incarnation, in);
      case RecordType::anchor:
        anchor_ = std::max(anchor_, static_cast<Nanos>(in.word()));
        return in.failed() ? corrupt(lsn, "an anchor cut short") : Error{};
      default:
        return corrupt(lsn, "of an unknown type");
    }
  } catch (const std::bad_alloc&) {
    return Error{Code::no_memory, "out of memory while the log was replayed"};
  }
}

Error Replay::apply_shared(Lsn lsn, RecordType type, std::uint64_t incarnation,
                           std::span<const std::byte> content) {
  try {
    Reader in(content);
    const std::string_view text = in.text();
    if (in.failed()) return corrupt(lsn, "a flow or a stage cut short");
    if (type == RecordType::flow) return store_.flows_->restore(text, incarnation);
    const FlowVersion* flow = store_.flows_->find_version(incarnation >> 16);
    if (flow == nullptr) return corrupt(lsn, "a stage of an unknown flow");
    auto& stages = const_cast<FlowVersion*>(flow)->stages;
    const flow::StageNo number = stages.find_or_add(text, [](flow::StageNo) {});
    return number == (incarnation & 0xffff) ? Error{} : corrupt(lsn, "a stage with another number");
  } catch (const std::bad_alloc&) {
    return Error{Code::no_memory, "out of memory while the log was replayed"};
  }
}

// A million items are a million misses: of the index's cell for an item that is new, of
// the open item's cell, hot line and state for a change.
void Replay::fetch_cell(RecordType type, std::uint64_t incarnation,
                        std::span<const std::byte> content) const noexcept {
  if (type == RecordType::state) {
    open_.prefetch(open_hash(incarnation));
    return;
  }
  if (type != RecordType::body && type != RecordType::item) return;
  open_.prefetch(open_hash(incarnation));
  Reader in(content);
  const FlowVersion* flow = store_.flows_->find_version(in.varint());
  in.word();
  const std::string_view key = in.text();
  if (flow == nullptr || in.failed()) return;
  const Hash128 hash = store_.hash_of(*flow->name, key);
  store_.index_->stripe(store_.index_->stripe_of(hash))
      .cells.prefetch(index::Index::cell_hash(hash));
}

void Replay::fetch_item(RecordType type, std::uint64_t incarnation) const noexcept {
  if (type != RecordType::state) return;
  // The first cell of these hash bits: nearly always the one.
  const std::uint32_t found =
      open_.find(open_hash(incarnation), [](std::uint32_t) { return true; });
  if (found == index::Cells::kNotFound) return;
  __builtin_prefetch(&store_.index_->item(open_.number(found)), 1);
}

std::uint32_t Replay::find_open(std::uint64_t incarnation) const noexcept {
  return open_.find(open_hash(incarnation), [&](std::uint32_t number) {
    return store_.index_->item(number).incarnation == incarnation;
  });
}

// `again`: as it was when the cleaner met it, written when its BODY was about to go.
Error Replay::body(Lsn lsn, std::uint64_t incarnation, Reader& in, bool again) {
  const std::uint64_t number = in.varint();
  const auto created = static_cast<Nanos>(in.word());
  const std::string_view key = in.text();
  const std::string_view payload = in.text();
  const FlowVersion* flow = store_.flows_->find_version(number);
  if (flow == nullptr || in.failed() || key.empty() || key.size() > kMaxKeyBytes) {
    return corrupt(lsn, "an item that cannot be");
  }
  const auto flow_of = [&](std::uint64_t n) { return store_.flows_->find_version(n); };
  if (!decode_state(in, flow_of, record_) || record_.state == State::closed ||
      record_.flow != number || !stages_known(*flow, record_)) {
    return corrupt(lsn, "an item without its state");
  }
  const Hash128 hash = store_.hash_of(*flow->name, key);
  if (lane_of(hash) != lane_of(incarnation)) return corrupt(lsn, "an item of another lane");
  if (again) {
    headless_.erase(incarnation);
    const std::uint32_t found = find_open(incarnation);
    if (found != index::Cells::kNotFound) {  // its BODY is still there
      index::Item& item = store_.index_->item(open_.number(found));
      if (item.flow != number || item.blob->key() != key) return corrupt(lsn, "of another item");
      put_state(item, lsn, *flow, record_);
      return {};
    }
  }
  const std::uint32_t stripe_number = store_.index_->stripe_of(hash);
  index::Stripe& stripe = store_.index_->stripe(stripe_number);
  if (!stripe.cells.room() || !open_.room()) throw std::bad_alloc();
  const ItemNo item_number = store_.index_->take(stripe);
  Blob* blob = item_number == ItemNo::none ? nullptr : Blob::make(flow->state_len, key, payload);
  if (blob == nullptr) throw std::bad_alloc();
  // An earlier item of this key is a tombstone by now, its window over.
  if (!clear_key(stripe, hash)) {
    blob->unref();
    store_.index_->give_back(stripe, item_number);
    return corrupt(lsn, "an item whose key another one has");
  }
  stripe.cells.put(index::Index::cell_hash(hash), raw(item_number));
  index::Item& item = store_.index_->item(raw(item_number));
  item.incarnation = incarnation;
  item.timer = 0;
  item.flags = 0;
  item.blob = blob;
  item.state = State::none;
  item.stripe.store(stripe_number + 1, std::memory_order_relaxed);
  *static_cast<Nanos*>(blob->state()) = created;
  open_.put(open_hash(incarnation), raw(item_number));
  if (!again) store_.counters_.add(Counters::submitted_total);  // else TOTALS has counted it
  store_.counters_.add(Counters::blob_bytes, blob->bytes());
  put_state(item, lsn, *flow, record_);
  raise(lsn, incarnation, *flow, blob, record_);
  return {};
}

void Replay::put_state(index::Item& item, Lsn lsn, const FlowVersion& flow,
                       const StateRecord& record) {
  auto* state = static_cast<char*>(item.blob->state());
  std::memcpy(state + flow.slots_at, record.slots.data(),
              record.slots.size() * sizeof(flow::RuleSlot));
  if (!record.seen.empty()) {
    std::memcpy(state + flow.seen_at, record.seen.data(), record.seen.size() * 8);
  }
  item.flow = flow.number;
  item.stage = record.stage;
  item.seq = record.seq;
  item.at = record.at;
  item.lsn = lsn;
  item.alerts = record.alerts;
  item.tries = record.tries;
  const auto gauge = [](State of) {
    return of == State::submitted ? Counters::submitted : Counters::live;
  };
  if (item.state != record.state) {
    if (item.state != State::none) store_.counters_.sub(gauge(item.state));
    store_.counters_.add(gauge(record.state));
  }
  item.state = record.state;
  latest_ = std::max(latest_, record.at);
}

Error Replay::state(Lsn lsn, std::uint64_t incarnation, Reader& in) {
  const auto flow_of = [&](std::uint64_t n) { return store_.flows_->find_version(n); };
  if (!decode_state(in, flow_of, record_) ||
      !stages_known(store_.flows_->version(record_.flow), record_)) {
    return corrupt(lsn, "a state that cannot be");
  }
  const std::uint32_t found = find_open(incarnation);
  if (found == index::Cells::kNotFound) return state_of_unknown(lsn, incarnation);
  const std::uint32_t number = open_.number(found);
  index::Item& item = store_.index_->item(number);
  const FlowVersion& flow = store_.flows_->version(record_.flow);
  if (item.flow != record_.flow) return corrupt(lsn, "a state of another flow");
  raise(lsn, incarnation, flow, item.blob, record_);
  if (record_.state == State::closed) {
    open_.erase(found);
    return close(lsn, incarnation, number, record_);
  }
  put_state(item, lsn, flow, record_);
  return {};
}

// A completion that came before its item; or, in a log that was cut, a change of one
// whose BODY is gone.
Error Replay::state_of_unknown(Lsn lsn, std::uint64_t incarnation) {
  if (record_.early) {
    store_.counters_.add(Counters::early);
    return bury(incarnation, record_);
  }
  if (!is_cut_) return corrupt(lsn, "a state of an unknown item");
  store_.counters_.add(Counters::alerts_raised, record_.raised.size());
  latest_ = std::max(latest_, record_.at);
  if (record_.state != State::closed) {
    headless_[incarnation] = lsn;
    return {};
  }
  headless_.erase(incarnation);
  store_.count_verdict(record_.verdict);
  return bury(incarnation, record_);
}

Error Replay::close(Lsn lsn, std::uint64_t incarnation, std::uint32_t number,
                    const StateRecord& record) {
  index::Item& item = store_.index_->item(number);
  index::Stripe& stripe = store_.index_->stripe(item.stripe.load(std::memory_order_relaxed) - 1);
  const FlowVersion& flow = store_.flows_->version(item.flow);
  if (store_.hash_of(*flow.name, item.blob->key()) != record.key) {
    return corrupt(lsn, "a closing of another key");
  }
  const std::uint32_t cell = stripe.cells.find(
      index::Index::cell_hash(record.key), [&](std::uint32_t other) { return other == number; });
  if (cell == index::Cells::kNotFound) return corrupt(lsn, "a closing of a key that is gone");
  stripe.cells.erase(cell);
  store_.count_closed(item.state, record.verdict);
  store_.counters_.sub(Counters::blob_bytes, item.blob->bytes());
  const auto past = past_.find(incarnation);
  if (past != past_.end()) {
    alert::Alert& closing = past->second.closing;
    past->second.closed = true;
    closing.incarnation = incarnation;
    closing.tries = record.tries;
    closing.token = record.tries == 0 ? 0 : incarnation + record.tries;
    closing.lsn = lsn;
    closing.flow = flow.def.name;
    closing.stage = flow.stages.name(record.stage);
    closing.raised = record.at;
    closing.detected = record.at;
    forget(past);
  }
  item.blob->unref();
  store_.index_->give_back(stripe, ItemNo{number});
  return bury(incarnation, record);
}

Error Replay::bury(std::uint64_t incarnation, const StateRecord& record) {
  index::Stripe& stripe = store_.index_->stripe(store_.index_->stripe_of(record.key));
  const FlowVersion& flow = store_.flows_->version(record.flow);
  // As the engine did: on a manual clock, items live at times of their own.
  const bool manual = store_.time_.manual();
  const Nanos now = manual ? std::max(record.at, anchor_) : record.at;
  latest_ = std::max(latest_, record.at);
  if (!store_.trim_tombstones(stripe, manual ? std::max<Nanos>(anchor_, 0) : now)) return {};
  if (!stripe.cells.room() || !stripe.tombstones.room()) throw std::bad_alloc();
  // An item of the key, where its own record is applied again: it has the key.
  if (!clear_key(stripe, record.key)) return {};
  const std::uint32_t number = stripe.tombstones.next_number();
  stripe.tombstones.push({record.key, record.early ? 0 : incarnation,
                          index::coarse_expiry(add_sat(now, flow.def.dedupe)), raw(record.verdict),
                          static_cast<std::uint8_t>(record.early ? 1 : 0), 0, 0});
  stripe.cells.put(index::Index::cell_hash(record.key), number);
  return {};
}

bool Replay::wants(std::uint64_t consumer, const alert::Alert& alert) const {
  const auto found = consumers_.find(consumer);
  if (found == consumers_.end()) return false;
  const alert::ConsumerOptions& o = found->second.options;
  return alert.severity >= o.min_severity && (o.flow.empty() || o.flow == alert.flow) &&
         (o.rule.empty() || o.rule == alert.rule);
}

void Replay::raise(Lsn lsn, std::uint64_t incarnation, const FlowVersion& flow, Blob* blob,
                   const StateRecord& record) {
  store_.counters_.add(Counters::alerts_raised, record.raised.size());
  for (const RaisedRecord& raised : record.raised) {
    Past& past = past_[incarnation];
    if (past.blob == nullptr) {
      past.blob = blob;
      blob->ref();
    }
    Owed& owed = past.owed.emplace_back();
    fill_alert(owed.alert, {store_.id_, flow, blob, incarnation, record.tries}, raised);
    owed.alert.lsn = lsn;
    for (const auto& [number, consumer] : consumers_) {
      if (wants(number, owed.alert)) owed.holders.push_back(number);
    }
    owed.unclaimed = consumers_.empty();
  }
}

Error Replay::consumer(std::uint64_t number, Reader& in) {
  ConsumerRecord record;
  if (!decode_consumer(in, record)) return corrupt(Lsn::none, "a consumer that cannot be");
  last_consumer_ = std::max(last_consumer_, number);
  if (record.deleted) {
    consumers_.erase(number);
    for (auto past = past_.begin(); past != past_.end();) {
      const auto next = std::next(past);
      for (Owed& owed : past->second.owed) {
        std::erase(owed.holders, number);
        std::erase(owed.told, number);
      }
      forget(past);
      past = next;
    }
    return {};
  }
  const bool from_now = record.options.start == alert::Start::now;
  consumers_[number] = record;
  for (auto& [incarnation, past] : past_) {
    for (Owed& owed : past.owed) {
      const bool kept = owed.unclaimed || !owed.holders.empty();
      if (!kept || from_now || !wants(number, owed.alert)) continue;
      owed.holders.push_back(number);
      owed.unclaimed = false;
    }
  }
  return {};
}

Error Replay::ack(std::uint64_t number, Reader& in) {
  const std::uint64_t consumer = number & ~kWithdrawnBit;
  const bool withdrawn = (number & kWithdrawnBit) != 0;
  while (!in.at_end()) {
    const std::uint64_t incarnation = in.word();
    const Hash128 id = in.hash();
    if (in.failed()) return corrupt(Lsn::none, "an ack cut short");
    const auto past = past_.find(incarnation);
    if (past == past_.end()) continue;
    settle(past->second, consumer, id, withdrawn);
    forget(past);
  }
  return {};
}

void Replay::settle(Past& past, std::uint64_t consumer, const Hash128& id, bool withdrawn) {
  for (Owed& owed : past.owed) {
    if (owed.alert.id == id) {
      if (consumer == 0) owed.unclaimed = false;
      if (std::erase(owed.holders, consumer) != 0 && !withdrawn) owed.told.push_back(consumer);
    } else if (alert::resolved_id(owed.alert.incident) == id) {
      std::erase(owed.holders, consumer);
      std::erase(owed.told, consumer);
    }
  }
}

// Drops an item's past once nobody is owed anything of it, now or at its closing.
void Replay::forget(std::unordered_map<std::uint64_t, Past>::iterator past) {
  if (!past->second.closed) return;
  for (const Owed& owed : past->second.owed) {
    const bool lasting = alert::is_lasting(owed.alert.kind);
    if (!owed.holders.empty() || (owed.unclaimed && lasting)) return;
    if (!owed.told.empty() && !lasting) return;
  }
  for (Owed& owed : past->second.owed) owed.alert.blob->unref();
  past->second.blob->unref();
  past_.erase(past);
}

}  // namespace warden::engine
