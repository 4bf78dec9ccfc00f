// SPDX-License-Identifier: Apache-2.0
//
// Replay of what the cleaner wrote: pasts of closed items, what is owed, tombstones,
// totals. All of them may also come beside the records that they stand for, if the
// store went down before the segment was freed: then they change nothing.
#include <algorithm>

#include "engine/alert_id.hpp"
#include "engine/freed_part.hpp"
#include "engine/replay.hpp"

namespace warden::engine {

using index::State;
using log::RecordType;

Error Replay::check_whole() const {
  const auto first =
      std::min_element(headless_.begin(), headless_.end(),
                       [](const auto& a, const auto& b) { return a.second < b.second; });
  if (first == headless_.end()) return {};
  return corrupt(first->second, "a change of an item that is nowhere else in the log");
}

std::uint32_t Replay::find_key(index::Stripe& stripe, const Hash128& key) const noexcept {
  return stripe.cells.find(index::Index::cell_hash(key), [&](std::uint32_t found) {
    if ((found & index::Tombstones::kBit) != 0) return stripe.tombstones.at(found).key == key;
    const index::Item& item = store_.index_->item(found);
    const FlowVersion& flow = store_.flows_->version(item.flow);
    return store_.hash_of(*flow.name, item.blob->key()) == key;
  });
}

bool Replay::clear_key(index::Stripe& stripe, const Hash128& key) {
  const std::uint32_t cell = find_key(stripe, key);
  if (cell == index::Cells::kNotFound) return true;
  const std::uint32_t number = stripe.cells.number(cell);
  if ((number & index::Tombstones::kBit) == 0) return false;
  stripe.tombstones.erase(stripe.tombstones.at(number));
  stripe.cells.erase(cell);
  return true;
}

Replay::Past* Replay::past_of(std::uint64_t incarnation) {
  const auto found = past_.find(incarnation);
  return found == past_.end() ? nullptr : &found->second;
}

Error Replay::past(Lsn lsn, std::uint64_t incarnation, Reader& in) {
  const FlowVersion* flow = store_.flows_->find_version(in.varint());
  const std::string_view key = in.text();
  const std::string_view payload = in.text();
  if (flow == nullptr || in.failed() || !in.at_end() || key.empty() || key.size() > kMaxKeyBytes) {
    return corrupt(lsn, "a closed item that cannot be");
  }
  headless_.erase(incarnation);
  if (past_of(incarnation) != nullptr) return {};
  Blob* blob = Blob::make(0, key, payload);
  if (blob == nullptr) throw std::bad_alloc();
  try {
    past_[incarnation].blob = blob;
  } catch (const std::bad_alloc&) {
    blob->unref();
    throw;
  }
  return {};
}

Error Replay::owed(Lsn lsn, std::uint64_t incarnation, Reader& in) {
  const auto flow_of = [&](std::uint64_t n) { return store_.flows_->find_version(n); };
  if (!decode_owed(in, flow_of, owed_)) return corrupt(lsn, "an account of alerts that cannot be");
  const FlowVersion& flow = store_.flows_->version(owed_.flow);
  const std::uint32_t found = find_open(incarnation);
  Past* past = past_of(incarnation);
  Blob* blob = nullptr;
  if (found != index::Cells::kNotFound) {
    blob = store_.index_->item(open_.number(found)).blob;
  } else if (past != nullptr) {
    blob = past->blob;
  } else if (is_cut_) {
    // Written again since with its item, or nobody is owed anything any more.
    if (!owed_.closed) headless_[incarnation] = lsn;
    return {};
  } else {
    return corrupt(lsn, "an account of alerts of an unknown item");
  }
  if (past == nullptr) {
    past = &past_[incarnation];
    past->blob = blob;
    blob->ref();
  }
  for (const OwedRecord::Held& held : owed_.held) {
    put_held(lsn, *past, blob, incarnation, flow, held);
  }
  for (const OwedRecord::Told& told : owed_.told) {
    put_told(lsn, *past, blob, incarnation, flow, told);
  }
  if (owed_.closed && !past->closed) {
    alert::Alert& closing = past->closing;
    past->closed = true;
    closing.incarnation = incarnation;
    closing.tries = owed_.closing_tries;
    closing.token = owed_.closing_tries == 0 ? 0 : incarnation + owed_.closing_tries;
    closing.lsn = lsn;
    closing.flow = flow.def.name;
    closing.stage = flow.stages.name(owed_.closing_stage);
    closing.raised = owed_.at;
    closing.detected = owed_.at;
  }
  return {};
}

void Replay::put_held(Lsn lsn, Past& past, Blob* blob, std::uint64_t incarnation,
                      const FlowVersion& flow, const OwedRecord::Held& held) {
  Owed fresh;
  fill_alert(fresh.alert, {store_.id_, flow, blob, incarnation, held.tries}, held.raised);
  const auto same = std::find_if(past.owed.begin(), past.owed.end(),
                                 [&](const Owed& one) { return one.alert.id == fresh.alert.id; });
  Owed* owed = nullptr;
  if (same != past.owed.end()) {
    fresh.alert.blob->unref();
    owed = &*same;
  } else {
    fresh.alert.lsn = lsn;
    owed = &past.owed.emplace_back(std::move(fresh));
  }
  owed->unclaimed = held.unclaimed;
  owed->holders.clear();
  for (const std::uint64_t holder : held.holders) {
    if (consumers_.contains(holder)) owed->holders.push_back(holder);
  }
}

// Of an alert that was acknowledged only its incident is left, for the RESOLVED.
void Replay::put_told(Lsn lsn, Past& past, Blob* blob, std::uint64_t incarnation,
                      const FlowVersion& flow, const OwedRecord::Told& told) {
  if (!consumers_.contains(told.consumer)) return;
  const auto same = std::find_if(past.owed.begin(), past.owed.end(),
                                 [&](const Owed& one) { return one.alert.id == told.newest; });
  Owed* owed = same != past.owed.end() ? &*same : nullptr;
  if (owed == nullptr) {
    RaisedRecord raised{};
    raised.reached = {told.rule,     flow::kLevelBreach, flow::Severity{told.severity},
                      told.arming,   told.armed_stage,   flow::kNoStage,
                      told.deadline, told.deadline};
    raised.kind = alert::Kind::breach;
    owed = &past.owed.emplace_back();
    fill_alert(owed->alert, {store_.id_, flow, blob, incarnation, 0}, raised);
    owed->alert.id = told.newest;  // of whatever level it was
    owed->alert.lsn = lsn;
  }
  const bool knows =
      std::find(owed->told.begin(), owed->told.end(), told.consumer) != owed->told.end();
  const bool holds =
      std::find(owed->holders.begin(), owed->holders.end(), told.consumer) != owed->holders.end();
  if (!knows && !holds) owed->told.push_back(told.consumer);
}

// Whether the key is free for the tombstone: not if it was used again meanwhile, or if
// the record that this one stands for was applied too.
bool Replay::makes_way(index::Stripe& stripe, const index::Tombstone& stone) {
  const std::uint32_t cell = find_key(stripe, stone.key);
  if (cell == index::Cells::kNotFound) return true;
  const std::uint32_t number = stripe.cells.number(cell);
  if ((number & index::Tombstones::kBit) == 0) return false;
  // Which is newer? The incarnation tells; of an early completion, which has none, that
  // it was recorded after the other's window was over.
  const index::Tombstone& there = stripe.tombstones.at(number);
  const bool newer = stone.early != 0 || there.early != 0 ? stone.expires_s > there.expires_s
                                                          : stone.incarnation > there.incarnation;
  if (!newer) return false;
  return clear_key(stripe, stone.key);
}

Error Replay::stones(Lsn lsn, Reader& in) {
  while (!in.at_end()) {
    index::Tombstone stone{};
    stone.key = in.hash();
    stone.incarnation = in.word();
    stone.expires_s = static_cast<std::uint32_t>(in.varint());
    const std::uint8_t verdict = in.byte();
    stone.verdict = verdict & 15;
    stone.early = verdict >> 4;
    if (in.failed() || stone.early > 1 || stone.verdict > raw(index::Verdict::expired))
      return corrupt(lsn, "a tombstone that cannot be");
    index::Stripe& stripe = store_.index_->stripe(store_.index_->stripe_of(stone.key));
    const Nanos now = store_.time_.manual() ? std::max<Nanos>(anchor_, 0) : latest_;
    if (!store_.trim_tombstones(stripe, now)) continue;
    if (!stripe.cells.room() || !stripe.tombstones.room()) throw std::bad_alloc();
    if (!makes_way(stripe, stone)) continue;
    const std::uint32_t number = stripe.tombstones.next_number();
    stripe.tombstones.push(stone);
    stripe.cells.put(index::Index::cell_hash(stone.key), number);
  }
  return {};
}

Error Replay::totals(Lsn lsn, Reader& in) {
  Totals totals;
  if (!decode_totals(in, totals)) return corrupt(lsn, "totals that cannot be");
  store_.counters_.add(Counters::submitted_total, totals.submitted);
  store_.counters_.add(Counters::done, totals.done);
  store_.counters_.add(Counters::cancelled, totals.cancelled);
  store_.counters_.add(Counters::expired, totals.expired);
  store_.counters_.add(Counters::early, totals.early);
  store_.counters_.add(Counters::alerts_raised, totals.alerts);
  return {};
}

}  // namespace warden::engine
