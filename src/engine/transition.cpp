// SPDX-License-Identifier: Apache-2.0
//
// From a finished draft to the item's new state: timers first, since they can be
// refused, then what cannot fail.
#include <algorithm>

#include "engine/store.hpp"

namespace warden::engine {

using index::State;
using index::Verdict;

namespace {
constexpr std::uint64_t kWallBit = std::uint64_t{1} << 32;

Code code_of(wheel::Refusal refusal) noexcept {
  switch (refusal) {
    case wheel::Refusal::none:
      return Code::ok;
    case wheel::Refusal::no_memory:
      return Code::no_memory;
    case wheel::Refusal::too_many:
      return Code::limit;
    case wheel::Refusal::out_of_range:
      return Code::out_of_range;
  }
  return Code::internal;
}
}  // namespace

// The first tick at whose beginning `at` has passed: never early.
wheel::Tick Store::tick_of(Nanos at) const noexcept {
  if (at < base_) return 0;
  const auto distance = static_cast<std::uint64_t>(at) - static_cast<std::uint64_t>(base_);
  return distance / static_cast<std::uint64_t>(config_.tick) + 1;
}

Code Store::set_timer(wheel::Wheel& wheel, std::uint64_t cookie, std::uint64_t incarnation,
                      Nanos at, std::uint64_t old, std::uint64_t& handle, bool& fresh,
                      After& after) {
  handle = old;
  if (at == kNever) {
    handle = 0;  // the old one is cancelled at commit
    return Code::ok;
  }
  const wheel::Tick due = tick_of(at);
  const auto standing = wheel::Handle{old};
  // Later may stay lazy: the standing entry fires early and is set anew then.
  if (old != 0 && wheel.due_of(standing) <= due) return Code::ok;
  if (due <= wheel.now() && (time_.manual() || &wheel == wall_.get())) {
    handle = 0;
    near_.put({static_cast<std::uint32_t>(cookie), incarnation});
    after.wake = true;
    return Code::ok;
  }
  const wheel::Scheduled scheduled = wheel.schedule(due, cookie);
  if (scheduled.refusal != wheel::Refusal::none) return code_of(scheduled.refusal);
  handle = raw(scheduled.handle);
  fresh = true;
  after.wake = after.wake || scheduled.wake;
  return Code::ok;
}

Code Store::set_timers(std::uint32_t number, Draft& draft, std::uint64_t old_elapsed,
                       Timers& timers, After& after) {
  Code code = set_timer(*elapsed_, number, draft.incarnation, draft.next_elapsed(), old_elapsed,
                        timers.elapsed, timers.fresh_elapsed, after);
  if (is_error(code) || !draft.flow.has_due) return code;
  code = set_timer(*wall_, number | kWallBit, draft.incarnation, draft.next_wall(),
                   draft.wall_timer(), timers.wall, timers.fresh_wall, after);
  if (is_error(code)) undo_timers(timers);
  return code;
}

void Store::undo_timers(const Timers& timers) noexcept {
  if (timers.fresh_elapsed) elapsed_->cancel(wheel::Handle{timers.elapsed});
  if (timers.fresh_wall) wall_->cancel(wheel::Handle{timers.wall});
}

Code Store::commit(Entry& e, Draft& draft, After& after) {
  if (const Code fits = encode(e, draft); is_error(fits)) return fits;
  if (draft.state == State::closed) return bury(e, draft, after);
  index::Item& item = *e.item;
  Timers timers;
  const Code code = set_timers(e.number, draft, item.timer, timers, after);
  if (is_error(code)) return code;
  if (item.timer != 0 && item.timer != timers.elapsed) {
    elapsed_->cancel(wheel::Handle{item.timer});
  }
  item.timer = timers.elapsed;
  if (draft.flow.has_due) {
    const std::uint64_t old = draft.wall_timer();
    if (old != 0 && old != timers.wall) wall_->cancel(wheel::Handle{old});
    draft.wall_timer() = timers.wall;
  }
  const std::size_t raised = draft.raised();
  if (raised != 0) {
    counters_.add(Counters::alerts_raised, raised);
    after.notify = true;
  }
  after.lsn = record(e, draft);
  after.in_memory = !is_logged(e);
  draft.commit(item, after.lsn);
  return Code::ok;
}

// The item closes: a tombstone takes its cell, its number and memory are free.
Code Store::bury(Entry& e, Draft& draft, After& after) {
  index::Item& item = *e.item;
  index::Stripe& stripe = *e.stripe;
  const Nanos now = draft.at;
  const bool remembers = trim_tombstones(stripe, time_.manual() ? time_.elapsed() : now);
  // Trimming may have moved this item's cell.
  e.cell = stripe.cells.find(index::Index::cell_hash(e.hash),
                             [&](std::uint32_t found) { return found == e.number; });
  if (remembers && !stripe.tombstones.room()) return Code::no_memory;
  alert::Alert* closing = nullptr;
  if (draft.alerts != 0) {
    closing = hub_.make();
    if (closing == nullptr) return Code::no_memory;
    closing->incarnation = draft.incarnation;
    closing->token = draft.token();
    closing->tries = draft.tries;
    closing->flow = draft.flow.def.name;
    closing->stage = draft.flow.stages.name(draft.subject().stage);
    closing->raised = now;
    closing->detected = now;
    closing->blob = draft.blob;
    draft.blob->ref();
  }
  if (item.timer != 0) elapsed_->cancel(wheel::Handle{item.timer});
  if (draft.flow.has_due && draft.wall_timer() != 0) {
    wall_->cancel(wheel::Handle{draft.wall_timer()});
  }
  const std::size_t raised = draft.raised();
  counters_.add(Counters::alerts_raised, raised);
  count_closed(item.state, draft.verdict);
  counters_.sub(Counters::blob_bytes, item.blob->bytes());
  after.lsn = record(e, draft);
  after.in_memory = !is_logged(e);
  draft.commit(item, after.lsn);
  if (closing != nullptr) {
    closing->lsn = after.lsn;
    hub_.push_closed(closing);
    after.notify = true;
  }
  if (remembers) {
    const std::uint32_t number = stripe.tombstones.next_number();
    stripe.tombstones.push({e.hash, draft.incarnation,
                            index::coarse_expiry(add_sat(dedupe_now(now), draft.flow.def.dedupe)),
                            raw(draft.verdict), 0, 0, 0});
    stripe.cells.set_number(e.cell, number);
  } else {
    stripe.cells.erase(e.cell);
  }
  item.blob->unref();
  item.timer = 0;
  index_->give_back(stripe, ItemNo{e.number});
  e.item = nullptr;
  return Code::ok;
}

// A completion of a key that is not known yet; `limit` where dedupe_max leaves no
// room to remember it. May throw std::bad_alloc.
Code Store::bury_early(Entry& e, Nanos at, After& after) {
  index::Stripe& stripe = *e.stripe;
  const Nanos now = dedupe_now(at);
  if (!trim_tombstones(stripe, time_.manual() ? time_.elapsed() : now)) return Code::limit;
  if (!stripe.cells.room() || !stripe.tombstones.room()) throw std::bad_alloc();
  const FlowVersion* flow = e.newest;
  const std::uint64_t incarnation = incarnations_.next(e.hash);
  if (incarnation == 0) return Code::limit;
  Writer content;
  content.varint(flow->number);
  content.byte(kEarlyState | raw(Verdict::done) << 4);
  content.word(static_cast<std::uint64_t>(now));
  for (int zero = 0; zero < 4; ++zero) content.varint(0);
  content.hash(e.hash);
  content.varint(0);
  after.lsn = recorder_.append(e.room, log::RecordType::state, incarnation, content.bytes());
  const std::uint32_t number = stripe.tombstones.next_number();
  stripe.tombstones.push({e.hash, 0, index::coarse_expiry(add_sat(now, flow->def.dedupe)),
                          raw(Verdict::done), 1, 0, 0});
  stripe.cells.put(index::Index::cell_hash(e.hash), number);
  counters_.add(Counters::early);
  return Code::recorded_early;
}

// The oldest tombstones go when their time is over, or when the stripe holds its
// share of dedupe_max; the shares add up to it. False if the share is none at all.
bool Store::trim_tombstones(index::Stripe& stripe, Nanos now) noexcept {
  const auto which = static_cast<std::uint64_t>(&stripe - &index_->stripe(0));
  const std::uint64_t share = config_.dedupe_max / index_->stripes() +
                              (which < config_.dedupe_max % index_->stripes() ? 1 : 0);
  while (!stripe.tombstones.empty()) {
    if (!stripe.tombstones.oldest_over(now) && stripe.tombstones.count() < share) return true;
    const index::Tombstone& oldest = stripe.tombstones.oldest();
    if (oldest.erased == 0) {
      const std::uint32_t number = stripe.tombstones.oldest_number();
      const std::uint32_t cell =
          stripe.cells.find(index::Index::cell_hash(oldest.key),
                            [&](std::uint32_t found) { return found == number; });
      if (cell != index::Cells::kNotFound) stripe.cells.erase(cell);
    }
    stripe.tombstones.pop();
  }
  return share != 0;
}

void Store::count_closed(State from, Verdict verdict) noexcept {
  counters_.sub(from == State::submitted ? Counters::submitted : Counters::live);
  count_verdict(verdict);
}

void Store::count_verdict(Verdict verdict) noexcept {
  counters_.add(verdict == Verdict::done        ? Counters::done
                : verdict == Verdict::cancelled ? Counters::cancelled
                                                : Counters::expired);
}

void Store::finish(const After& after) noexcept {
  if (after.notify) hub_.notify();
  if (after.wake && !time_.manual()) wakeup_.wake();
}

}  // namespace warden::engine
