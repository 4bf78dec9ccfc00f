// SPDX-License-Identifier: Apache-2.0
//
// The hub's doors: pushes, hand-out, leases, time and closing. intake.cpp has the
// way from the queue to the consumers, hub.hpp the contracts and arguments.
#include "alert/hub.hpp"

#include <algorithm>

#include "base/assert.hpp"

namespace warden::alert {

Hub::Hub(HubOptions options)
    : options_(std::move(options)),
      ledger_(options_.allocate, options_.sink, options_.gated),
      unclaimed_(std::string(), ConsumerOptions{}, ledger_) {}

Hub::~Hub() {
  for (const ConsumerRef& consumer : consumers_) consumer->clear();
  unclaimed_.clear();
  const auto free_chain = [this](Alert* node) {
    while (node != nullptr) {
      Alert* next = node->hooks.next;
      ledger_.discard(node);
      node = next;
    }
  };
  free_chain(staged_head_);
  free_chain(queue_.take_all());
}

void Hub::push(Alert* alert) noexcept {
  ledger_.raised.fetch_add(1, std::memory_order_relaxed);
  ledger_.kept.fetch_add(1, std::memory_order_relaxed);
  queue_.push(alert);
}

void Hub::push_closed(Alert* closing) noexcept {
  closing->hooks.is_closing = true;
  queue_.push(closing);
}

void Hub::notify() noexcept {
  // Mostly false: one load. The exchange makes one producer ring for all.
  if (armed_.load(std::memory_order_seq_cst) && armed_.exchange(false, std::memory_order_seq_cst)) {
    ring_all();
  }
  if (queue_.pending() < kIntakeAt || !mutex_.try_lock()) return;
  intake(nullptr);  // what memory does not suffice for stays staged
  mutex_.unlock();
}

void Hub::ring_all() noexcept {
  std::lock_guard guard(bells_mutex_);
  for (const ConsumerRef& consumer : consumers_) consumer->bell_.ring();
}

void Hub::set_durable(Lsn lsn) noexcept {
  std::uint64_t known = ledger_.durable.load(std::memory_order_relaxed);
  do {
    if (known >= raw(lsn)) return;
  } while (!ledger_.durable.compare_exchange_weak(known, raw(lsn), std::memory_order_seq_cst));
  if (gate_armed_.load(std::memory_order_seq_cst) &&
      gate_armed_.exchange(false, std::memory_order_seq_cst)) {
    ring_all();
  }
}

void Hub::fail() noexcept {
  failed_.store(true, std::memory_order_seq_cst);
  ring_all();
}

// Opens the gate as far as may be, rings if anything is ready.
void Hub::refresh(Consumer& consumer) noexcept {
  if (!consumer.gate_.empty()) {
    gate_armed_.store(true, std::memory_order_seq_cst);
    consumer.open_gate();
  }
  if (!consumer.ready_.empty()) consumer.bell_.ring();
}

// Leaves the bell as it has to be when the lock is released: rung if anything may
// be waiting, else silent, and armed if anybody listens.
void Hub::rearm(Consumer& consumer) noexcept {
  if (!consumer.bell_.has_listeners()) return;
  if (!consumer.ready_.empty() || staged_head_ != nullptr) {
    consumer.bell_.ring();
    return;
  }
  consumer.bell_.clear();
  armed_.store(true, std::memory_order_seq_cst);
  if (!queue_.empty()) consumer.bell_.ring();
  refresh(consumer);
}

bool Hub::publish_timer() noexcept {
  Nanos next = kNever;
  for (const ConsumerRef& consumer : consumers_) next = std::min(next, consumer->next_timer());
  return next < next_timer_.exchange(next, std::memory_order_seq_cst);
}

void Hub::tell_timer(bool moved) noexcept {
  if (moved && options_.timer_moved) options_.timer_moved(next_timer());
}

void Hub::on_time(Nanos now) noexcept {
  std::lock_guard guard(mutex_);
  if (closed_) return;
  intake(nullptr);
  for (const ConsumerRef& consumer : consumers_) {
    consumer->expire(now);
    refresh(*consumer);
  }
  publish_timer();
}

Code Hub::state_of(const Consumer& consumer) const noexcept {
  if (closed_) return Code::store_closed;
  return consumer.deleted_ ? Code::consumer_closed : Code::ok;
}

Counted Hub::hand_out(Consumer& consumer, std::size_t max, Nanos now, void* context,
                      TakeFn take) noexcept {
  std::size_t count = 0;
  while (count < max && !consumer.ready_.empty()) {
    if (!consumer.prepare_lease()) return {count == 0 ? Code::no_memory : Code::ok, count};
    Entry* entry = consumer.ready_.top().entry;
    const Delivery delivery{entry->alert, consumer.next_lease(*entry), entry->delivery + 1,
                            consumer.flags_of(*entry)};
    if (!take(context, delivery)) {
      return {count == 0 ? Code::buffer_too_small : Code::ok, count};
    }
    consumer.lease(entry, now);
    ++count;
  }
  return {Code::ok, count};
}

Counted Hub::poll_raw(Consumer& consumer, std::size_t max, Nanos timeout, void* context,
                      TakeFn take) noexcept {
  const Nanos until = timeout < 0 ? kNever : timeout == 0 ? 0 : add_sat(monotonic_now(), timeout);
  std::unique_lock guard(mutex_);
  const std::uint64_t wakes = consumer.wakes_;
  for (;;) {
    Counted answer{state_of(consumer), 0};
    if (answer.code != Code::ok || max == 0) return answer;
    const std::uint32_t ticket = consumer.bell_.ticket();
    const Nanos now = options_.now();
    const bool whole = intake(&consumer);
    consumer.open_gate();
    consumer.expire(now);
    const Nanos timer_before = consumer.next_timer();
    answer = hand_out(consumer, max, now, context, take);
    if (answer.code == Code::ok && answer.count == 0 && !whole) answer.code = Code::no_memory;
    if (answer.code == Code::ok && answer.count == 0 && failed_.load(std::memory_order_seq_cst)) {
      answer.code = Code::io;
    }
    const bool done = answer.code != Code::ok || answer.count > 0 || consumer.wakes_ != wakes ||
                      timeout == 0 || (until != kNever && monotonic_now() >= until);
    if (!done) consumer.bell_.enter();
    rearm(consumer);
    const Nanos timer = consumer.next_timer();
    if (timer < timer_before) consumer.bell_.wake_sleepers();
    Nanos sleep_until = until;
    if (options_.real_clock && timer != kNever) {
      sleep_until = std::min(until, add_sat(monotonic_now(), timer - now));
    }
    const bool moved = publish_timer();
    guard.unlock();
    tell_timer(moved);
    if (done) return answer;
    consumer.bell_.sleep(ticket, sleep_until);
    consumer.bell_.leave();
    guard.lock();
  }
}

void Hub::tell_acked(const Consumer& consumer, std::span<const Alert* const> alerts,
                     std::span<const Alert* const> gone) noexcept {
  if (!alerts.empty()) options_.sink->acked(consumer.name(), alerts, false);
  if (!gone.empty()) options_.sink->acked(consumer.name(), gone, true);
}

Counted Hub::ack(Consumer& consumer, std::span<const std::uint64_t> leases) noexcept {
  std::lock_guard guard(mutex_);
  Counted answer{state_of(consumer), 0};
  if (answer.code != Code::ok) return answer;
  constexpr std::size_t kAtOnce = 64;
  Entry* entries[kAtOnce];
  const Alert* alerts[kAtOnce];
  const Alert* gone[kAtOnce];
  while (!leases.empty()) {
    std::size_t found = 0;
    std::size_t withdrawn = 0;
    const std::size_t looked = std::min(leases.size(), kAtOnce);
    for (const std::uint64_t lease : leases.first(looked)) {
      Entry* entry = consumer.leased(lease);
      if (entry == nullptr) continue;
      // Not honoured a second time, should it stand here twice.
      entry->flags &= static_cast<std::uint8_t>(~Entry::kLeased);
      entries[found] = entry;
      if ((entry->flags & Entry::kWithdrawn) != 0) {
        gone[withdrawn++] = entry->alert;
      } else {
        alerts[found - withdrawn] = entry->alert;
      }
      ++found;
    }
    if (options_.sink != nullptr)
      tell_acked(consumer, {alerts, found - withdrawn}, {gone, withdrawn});
    for (std::size_t i = 0; i < found; ++i) consumer.settle(entries[i]);
    answer.count += found;
    leases = leases.subspan(looked);
  }
  publish_timer();
  refresh(consumer);
  return answer;
}

Code Hub::nack(Consumer& consumer, std::uint64_t lease, Nanos delay) noexcept {
  if (delay < 0) return Code::out_of_range;
  bool moved = false;
  {
    std::lock_guard guard(mutex_);
    if (const Code code = state_of(consumer); code != Code::ok) return code;
    Entry* entry = consumer.leased(lease);
    if (entry == nullptr) return Code::unknown_lease;
    const Nanos now = options_.now();
    if (!consumer.postpone(entry, add_sat(now, delay), false)) return Code::no_memory;
    consumer.expire(now);
    consumer.bell_.wake_sleepers();  // they sleep until the first timer: look again
    moved = publish_timer();
    refresh(consumer);
  }
  tell_timer(moved);
  return Code::ok;
}

Code Hub::extend(Consumer& consumer, std::uint64_t lease, Nanos length) noexcept {
  if (length < kMinLease || length > kMaxLease) return Code::out_of_range;
  bool moved = false;
  {
    std::lock_guard guard(mutex_);
    if (const Code code = state_of(consumer); code != Code::ok) return code;
    Entry* entry = consumer.leased(lease);
    if (entry == nullptr) return Code::unknown_lease;
    if (!consumer.postpone(entry, add_sat(options_.now(), length), true)) return Code::no_memory;
    consumer.bell_.wake_sleepers();
    moved = publish_timer();
  }
  tell_timer(moved);
  return Code::ok;
}

Code Hub::wake(Consumer& consumer) noexcept {
  std::lock_guard guard(mutex_);
  if (const Code code = state_of(consumer); code != Code::ok) return code;
  ++consumer.wakes_;
  consumer.bell_.wake_sleepers();
  return Code::ok;
}

int Hub::fd(Consumer& consumer) noexcept {
  std::lock_guard guard(mutex_);
  if (const Code code = state_of(consumer); code != Code::ok) return raw(code);
  const int fd = consumer.bell_.open_fd();
  if (fd < 0) return raw(Code::limit);  // of descriptors, by the system
  intake(&consumer);
  consumer.expire(options_.now());
  rearm(consumer);
  publish_timer();
  return fd;
}

std::size_t Hub::backlog(const Consumer& consumer) const noexcept {
  std::lock_guard guard(mutex_);
  return consumer.backlog_;
}

Code Hub::remove(std::string_view name) noexcept {
  std::lock_guard guard(mutex_);
  if (closed_) return Code::store_closed;
  // What was pushed before this call was raised while the name still stood.
  intake(nullptr);
  for (std::size_t i = 0; i < consumers_.size(); ++i) {
    if (consumers_[i]->name() != name) continue;
    ConsumerRef consumer = consumers_[i];
    {
      std::lock_guard bells(bells_mutex_);
      consumers_.erase(consumers_.begin() + static_cast<std::ptrdiff_t>(i));
    }
    consumer->deleted_ = true;
    consumer->clear();
    consumer->bell_.ring();  // its pollers learn that it is gone
    publish_timer();
    return Code::ok;
  }
  return Code::invalid_argument;
}

void Hub::close() noexcept {
  std::lock_guard guard(mutex_);
  closed_ = true;
  for (const ConsumerRef& consumer : consumers_) consumer->bell_.ring();
}

}  // namespace warden::alert
