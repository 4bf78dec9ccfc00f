// SPDX-License-Identifier: Apache-2.0
//
// The keeper turns the wheels. A due entry names an item; under the item's stripe
// the keeper checks that the handle is still the item's (else a caller has set
// another timer meanwhile, and owns it), works out which levels have passed,
// raises them, and sets the next timer.
//
// If memory is out while an item fires, its timer is gone and cannot be set: the
// item is flagged, and the keeper tries all flagged items again, once a second,
// until it succeeds. Nothing is lost; it may be late, and says so by `detected`.
#include <algorithm>

#include "engine/change.hpp"

namespace warden::engine {

using index::State;

namespace {
constexpr std::uint64_t kMaxWork = 4096;  // of a wheel, between two looks at the clock
}  // namespace

void Store::flag_for_rearm(index::Item& item, Code why) noexcept {
  item.flags |= index::kNeedsTimer;
  rearm_.store(why, std::memory_order_release);
}

// `mine(item, draft)` is asked under the lock whether the entry still counts; it
// forgets the handle that fired.
template <class Mine>
void Store::fire(std::uint32_t number, flow::Instant now, Mine&& mine) noexcept {
  index::Item& item = index_->item(number);
  const std::uint32_t stripe = item.stripe.load(std::memory_order_relaxed);
  if (stripe == 0) return;
  Entry e;
  After after;
  e.stripe = &index_->stripe(stripe - 1);
  // Room for the largest change of any flow: which one it is, only the lock can tell;
  // once more if a flow with a larger one came meanwhile (see lock_key).
  Code room = Code::ok;
  for (;;) {
    const std::uint32_t most = flows_->max_record();
    room = recorder_.reserve(most, 1, log::ReserveFlags::closing, e.room);
    e.lock = std::unique_lock(e.stripe->lock);
    if (is_error(room) || flows_->max_record() == most) break;
    e.lock.unlock();
    e.room.give_back();
  }
  if (item.stripe.load(std::memory_order_relaxed) != stripe || !mine(item)) return;
  e.item = &item;
  e.number = number;
  item.flags &= static_cast<std::uint8_t>(~index::kNeedsTimer);
  if (is_error(room)) {
    flag_for_rearm(item, room);
    return;
  }
  try {
    FlowVersion& flow = flows_->version(item.flow);
    e.flow = flow.name;
    e.hash = hash_of(*flow.name, item.blob->key());
    Draft draft(hub_, id_, flow, item);
    if (!held_.load(std::memory_order_acquire) && draft.expire(now)) {
      draft.at = std::max(draft.at, now.elapsed);
    } else {
      pass(draft, now);
    }
    if (const Code code = commit(e, draft, after); is_error(code)) flag_for_rearm(item, code);
  } catch (const std::bad_alloc&) {
    flag_for_rearm(item, Code::no_memory);
  }
  e.lock.unlock();
  if (after.notify) hub_.notify();
}

// One budgeted turn of both wheels. True when both have reached `now`.
bool Store::turn(flow::Instant now, std::uint64_t max_work) noexcept {
  const auto tick = static_cast<std::uint64_t>(config_.tick);
  const auto ticks = [&](Nanos at) {
    return at < base_ ? wheel::Tick{0}
                      : (static_cast<std::uint64_t>(at) - static_cast<std::uint64_t>(base_)) / tick;
  };
  // On a manual clock the tick that `now` lies in is turned too: its levels before
  // `now` are raised, the others go to the near list.
  const std::uint64_t ahead = time_.manual() ? 1 : 0;
  const auto on_elapsed = [&](wheel::Handle handle, wheel::Tick, std::uint64_t cookie) {
    fire(static_cast<std::uint32_t>(cookie), now, [&](index::Item& item) {
      if (item.timer != raw(handle)) return false;
      item.timer = 0;
      return true;
    });
  };
  const auto on_wall = [&](wheel::Handle handle, wheel::Tick, std::uint64_t cookie) {
    fire(static_cast<std::uint32_t>(cookie), now, [&](index::Item& item) {
      auto* timer = reinterpret_cast<std::uint64_t*>(static_cast<char*>(item.blob->state()) + 8);
      if (!flows_->version(item.flow).has_due || *timer != raw(handle)) return false;
      *timer = 0;
      return true;
    });
  };
  const bool one = elapsed_->advance(ticks(now.elapsed) + ahead, max_work, on_elapsed).done;
  const bool two = wall_->advance(ticks(now.wall) + ahead, max_work, on_wall).done;
  return one && two;
}

void Store::revisit(flow::Instant now) noexcept {
  for (const NearList::Near& near : near_.take()) {
    fire(near.number, now,
         [&](const index::Item& item) { return item.incarnation == near.incarnation; });
  }
}

void Store::rearm_flagged(flow::Instant now) noexcept {
  if (rearm_.exchange(Code::ok, std::memory_order_acq_rel) == Code::ok) return;
  for (std::uint32_t number = 0; number < index_->high(); ++number) {
    if (!index_->has_chunk(number)) continue;
    fire(number, now,
         [](const index::Item& item) { return (item.flags & index::kNeedsTimer) != 0; });
  }
}

Code Store::clock_advance(Nanos to) {
  if (read_only_) return Code::read_only;
  if (!time_.manual()) return Code::bad_state;
  if (to == kNoTime || to == kNever) return Code::out_of_range;
  Room room;
  if (const Code code = recorder_.reserve(8, 1, log::ReserveFlags::closing, room); is_error(code)) {
    return code;
  }
  std::unique_lock guard(advance_);
  if (to < time_.elapsed()) return Code::out_of_range;
  Writer anchor;
  anchor.word(static_cast<std::uint64_t>(to));
  if (to > time_.elapsed()) recorder_.append(room, log::RecordType::anchor, 0, anchor.bytes());
  time_.set(to);
  if (held_.load(std::memory_order_acquire)) return Code::ok;
  const flow::Instant now{to, to};
  revisit(now);
  while (!turn(now, kMaxWork)) {
  }
  rearm_flagged(now);
  guard.unlock();
  hub_.on_time(to);
  hub_.notify();
  if (const Code code = sync(-1); is_error(code)) return code;
  return rearm_.load(std::memory_order_acquire);
}

Nanos Store::instant_of(wheel::Tick tick) const noexcept {
  if (tick == wheel::kNoTick) return kNever;
  const Int128 at = static_cast<Int128>(tick) * config_.tick + base_;
  return at > kNever ? kNever : static_cast<Nanos>(at);
}

// Only a keeper may ask the wheels: on a manual clock that is whoever has the advance
// lock; on the real one it tells what it found when it went to sleep.
Nanos Store::next_due() noexcept {
  Nanos due = kNever;
  if (time_.manual()) {
    std::lock_guard guard(advance_);
    due = instant_of(std::min(elapsed_->next_due(), wall_->next_due()));
  } else {
    due = keeper_next_due_.load(std::memory_order_relaxed);
  }
  return due == kNever ? kNoTime : due;
}

// Sleeps until the earlier of the wheels' next entries, of the hub's next lease to
// end, and, while something is to be looked at again, of one second from now.
void Store::sleep_until_due() noexcept {
  Nanos elapsed = instant_of(elapsed_->prepare_sleep());
  const Nanos wall = instant_of(wall_->prepare_sleep());
  keeper_next_due_.store(std::min(elapsed, wall), std::memory_order_relaxed);
  const Nanos lease = hub_.next_timer();
  // Stored before next_timer is looked at again; leases_end_at reads it after the
  // hub has published the lease: sequentially consistent, so one sees the other.
  keeper_hub_timer_.store(lease, std::memory_order_seq_cst);
  elapsed = std::min({elapsed, lease, hub_.next_timer()});
  if (!near_.empty() || rearm_.load(std::memory_order_acquire) != Code::ok) {
    elapsed = std::min(elapsed, time_.elapsed() + kSecond);
  }
  if (!closed_.load(std::memory_order_seq_cst)) {
    wakeup_.sleep(elapsed == kNever ? kNever : elapsed - time_.offset(), wall);
  }
  elapsed_->end_sleep();
  wall_->end_sleep();
  keeper_wakeups_.fetch_add(1, std::memory_order_relaxed);
}

void Store::leases_end_at(Nanos instant) noexcept {
  if (time_.manual()) return;
  if (instant < keeper_hub_timer_.load(std::memory_order_seq_cst)) wakeup_.wake();
}

void Store::keep() noexcept {
  Nanos looked_again = 0;
  while (!closed_.load(std::memory_order_seq_cst)) {
    if (held_.load(std::memory_order_seq_cst)) {
      wakeup_.sleep(kNever, kNever);
      continue;
    }
    const flow::Instant now = time_.now(true);
    if (!turn(now, kMaxWork)) continue;
    if (now.elapsed - looked_again >= kSecond) {
      revisit(now);
      rearm_flagged(now);
      looked_again = now.elapsed;
    }
    hub_.on_time(now.elapsed);
    sleep_until_due();
  }
}

}  // namespace warden::engine
