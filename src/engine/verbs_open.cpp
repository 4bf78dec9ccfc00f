// SPDX-License-Identifier: Apache-2.0
//
// Verbs by which an item comes to be and begins: submit, exec, track.
#include <limits>

#include "engine/change.hpp"

namespace warden::engine {

using index::State;
using index::Verdict;

namespace {

// An item number and a blob that go back if the item does not come to be.
struct Fresh {
  index::Index& index;
  index::Stripe& stripe;
  ItemNo number = ItemNo::none;
  Blob* blob = nullptr;
  ~Fresh() {
    if (blob != nullptr) blob->unref();
    if (number != ItemNo::none) index.give_back(stripe, number);
  }
};

}  // namespace

void Store::fill(Result& r, const Draft& draft) noexcept {
  r.incarnation = draft.incarnation;
  r.token = draft.token();
  r.state = draft.state;
  r.verdict = draft.verdict;
  r.alerts = draft.alerts;
  r.tries = draft.tries;
  r.deadline =
      draft.state == State::live ? flow::earliest_deadline(draft.flow.def, draft.slots()) : kNoTime;
}

void Store::fill(Result& r, const index::Tombstone& stone) noexcept {
  r.incarnation = stone.incarnation;
  r.state = State::closed;
  r.verdict = Verdict{stone.verdict};
}

Code Store::check_dues(const FlowVersion& flow, const Options& o) noexcept {
  for (std::size_t i = 0; i < o.dues.count; ++i) {
    const Due due = o.dues[i];
    if (flow.find_due(due.rule) < 0) return Code::unknown_rule;
    if (due.instant == kNoTime || due.instant == kNever) return Code::out_of_range;
  }
  return Code::ok;
}

Code Store::give_dues(Draft& draft, const Options& o, flow::Instant now) {
  if (const Code code = check_dues(draft.flow, o); is_error(code)) return code;
  for (std::size_t i = 0; i < o.dues.count && draft.state == State::live; ++i) {
    const auto rule = static_cast<std::size_t>(draft.flow.find_due(o.dues[i].rule));
    flow::give_due(draft.subject(), rule, o.dues[i].instant, now);
  }
  return Code::ok;
}

Code Store::create(Entry& e, std::string_view payload, const Options& o, bool exec, Result& r,
                   After& after) {
  if (payload.size() > config_.payload_max) return Code::too_large;
  if (o.incarnation != 0 || o.token != 0) return Code::fenced;
  FlowVersion& flow = *e.newest;
  Fresh fresh{*index_, *e.stripe};
  if (!e.stripe->cells.room()) return Code::no_memory;
  fresh.number = index_->take(*e.stripe);
  if (fresh.number == ItemNo::none) return Code::no_memory;
  fresh.blob = Blob::make(flow.state_len, e.key, payload);
  if (fresh.blob == nullptr) return Code::no_memory;

  const std::uint64_t incarnation = incarnations_.next(e.hash);
  if (incarnation == 0) return Code::limit;
  const auto now = instant(o, kNoTime, flow.has_due);
  Draft draft(hub_, id_, flow, fresh.blob, incarnation);
  draft.created() = now.elapsed;
  draft.at = now.elapsed;
  draft.seq = o.seq;
  if (exec) {
    draft.start(now);
    if (const Code code = give_dues(draft, o, now); is_error(code)) return code;
    pass(draft, now, true);
  } else {
    draft.submit(o.ttl == 0 ? kNever : add_sat(now.elapsed, o.ttl));
  }

  e.number = raw(fresh.number);
  e.item = &index_->item(e.number);
  e.item->timer = 0;
  e.item->alerts = 0;
  e.item->flags = o.durability == Durability::in_memory ? index::kVolatile : 0;
  e.item->lsn = Lsn::none;
  e.payload = &payload;
  // Before its timer is set: a keeper to which the timer falls due at once must find
  // which lock to wait for, or it would take the item for gone and drop the timer.
  // Relaxed: publishing the timer releases it. Fresh takes it back on failure.
  e.item->stripe.store(index_->stripe_of(e.hash) + 1, std::memory_order_relaxed);
  if (const Code code = commit(e, draft, after); is_error(code)) return code;
  // From here on nothing fails.
  e.stripe->cells.put(index::Index::cell_hash(e.hash), e.number);
  counters_.add(Counters::submitted_total);
  counters_.add(exec ? Counters::live : Counters::submitted);
  counters_.add(Counters::events);
  counters_.add(Counters::blob_bytes, fresh.blob->bytes());
  fill(r, draft);
  fresh.blob = nullptr;
  fresh.number = ItemNo::none;
  return Code::created;
}

Code Store::submit_in(Entry& e, std::string_view payload, const Options& o, bool exec, Result& r,
                      After& after) {
  if (o.ttl != 0 && (o.ttl < flow::kMinWithin || o.ttl > flow::kMaxWithin)) {
    return Code::out_of_range;
  }
  if (e.stone != nullptr) {
    fill(r, *e.stone);
    after.lsn = recorder_.last();
    return e.stone->early != 0 ? Code::done_early : Code::already_done;
  }
  if (e.item == nullptr) return create(e, payload, o, exec, r, after);
  if (e.item->blob->payload() != payload) {
    r.incarnation = e.item->incarnation;
    after.lsn = e.item->lsn;
    return Code::conflict;
  }
  const bool begins = exec && e.item->state == State::submitted;
  const Code code =
      change(e, o, r, after, Code::already_done, [&](Draft& draft, flow::Instant now) {
        if (!begins) return Code::existing;
        draft.start(now);
        const Code given = give_dues(draft, o, now);
        return is_error(given) ? given : Code::existing;
      });
  return code == Code::already ? Code::existing : code;
}

Code Store::submit(const Target& target, std::string_view payload, const Options& o, Result& r) {
  return with_key(
      target, o, Need{payload.size() + target.key.size()}, r,
      [&](Entry& e, After& after) { return submit_in(e, payload, o, false, r, after); });
}

Code Store::track(const Target& target, std::string_view payload, const Options& o, Result& r) {
  return with_key(target, o, Need{payload.size() + target.key.size()}, r,
                  [&](Entry& e, After& after) { return submit_in(e, payload, o, true, r, after); });
}

Code Store::exec(const Target& target, const Options& o, Result& r) {
  return with_key(target, o, Need{}, r, [&](Entry& e, After& after) {
    const bool runs = e.item != nullptr && e.item->state == State::live;
    return change(e, o, r, after, Code::already_done, [&](Draft& draft, flow::Instant now) {
      if (runs) return Code::already_armed;
      draft.start(now);
      const Code given = give_dues(draft, o, now);
      return is_error(given) ? given : Code::armed;
    });
  });
}

}  // namespace warden::engine
