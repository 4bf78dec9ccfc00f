// SPDX-License-Identifier: Apache-2.0
//
// The hub: alerts come in from the engine, every named consumer gets its own, in
// its own order, at least once, until it acknowledges.
//
//   engine thread, stripe locked          any thread, hub's lock
//   make .. push, push_closed  -> queue -> intake -> consumers' lines -> poll -> ack
//   stripe released: notify    -> bells (futex, eventfd)
//   scribe: set_durable        -> gates open -> bells
//   keeper: on_time            -> leases expired, delays over -> bells
//
// Contract for producers
//   1. Memory first: make() for every alert and closing that a change may need,
//      before the change; null is the verb's no_memory, nothing half applied.
//      What is not pushed goes back by discard().
//   2. Push under the item's stripe lock, so that an item's pushes are ordered;
//      notify() once after releasing it. push is lock-free and takes no lock of
//      the hub's.
//   3. push_closed once, when an item closes that raised at least one alert, after
//      its alerts. Only kinds for which is_lasting() holds may come after it.
//   4. Incarnations are unique over the store, volatile items included.
//
// What is kept: an alert, until every consumer that wants it has acknowledged it
// (or lost it by withdrawal or deletion). Without any consumer it waits for the
// first that wants it. With consumers of which none wants it, it is dropped and
// counted as unwanted.
//
// No wake-up is lost. Four atomics, all sequentially consistent: queue head H,
// armed A; durable position D, gate armed G.
//   producer   push to H;  then read A, and if set: clear it, ring every bell
//   listener   (hub's lock) clear its eventfd; set A;  then read H, not empty: ring
//   Either the listener's read of H sees the push, or the push comes after it, so
//   the producer's read of A comes after the listener's store to A: it reads true,
//   or a false that some other producer wrote by taking the true. That one rings
//   every bell after taking it, hence after the listener cleared its eventfd and
//   took its ticket; the listener then looks again, sets A again, and the argument
//   starts over with the push before its read of H.
//   If another consumer's thread moves the push out of H before the listener's
//   read, it does so under the hub's lock and rings those who got something.
//   The same with D for H, set_durable for push and G for A; G is set whenever a
//   gate is left with something in it.
//
// Invariants
//   1. Order of locks: hub, bells, bell; hub, stripe (Owings). Callbacks run without any, but the
//      AckSink's and the one of poll.
//   2. What was pushed is in the queue, in staged_ (memory ran out on the way in),
//      or admitted: never lost. staged_ is older than the queue.
#pragma once

#include <functional>
#include <mutex>
#include <vector>

#include "alert/consumer.hpp"
#include "alert/queue.hpp"
#include "base/code.hpp"

namespace warden::alert {

inline constexpr std::uint8_t kLevelResolved = 255;
inline constexpr std::uint32_t kDeliveryWithdrawn = 1;  // WARDEN_ALERT_WITHDRAWN

// Id of the RESOLVED of an incident: XXH3-128 of incident and level.
Hash128 resolved_id(const Hash128& incident) noexcept;

struct HubOptions {
  std::function<Nanos()> now;  // engine clock; called under the hub's lock
  bool real_clock = true;      // does it run by itself, a second a second?
  bool gated = false;          // hand out only up to set_durable's position
  AckSink* sink = nullptr;
  // next_timer() became earlier; called without locks. May be empty.
  std::function<void(Nanos)> timer_moved;
  Allocate allocate = mi_malloc;
};

// One alert as it is handed out; valid inside poll's callback only.
struct Delivery {
  const Alert* alert = nullptr;
  std::uint64_t lease = 0;
  std::uint32_t delivery = 0;  // from 1
  std::uint32_t flags = 0;     // kDeliveryWithdrawn
};

struct Counted {
  Code code = Code::ok;
  std::size_t count = 0;
};

// An alert that somebody still has to acknowledge.
struct Held {
  const Alert& alert;
  const Consumer* consumer;  // null: waits for the first consumer
  std::uint32_t delivery;    // hand-outs so far
};

class Hub {
 public:
  explicit Hub(HubOptions options);
  ~Hub();  // after the last call; handles may outlive it, unused
  Hub(const Hub&) = delete;
  Hub& operator=(const Hub&) = delete;

  // --- producers, any thread; see the contract above
  Alert* make() noexcept { return ledger_.make(); }
  void discard(Alert* alert) noexcept { ledger_.discard(alert); }
  void push(Alert* alert) noexcept;
  // "This item has closed": incarnation, token, tries, lsn, flow, blob (a reference
  // of its own), stage, raised (the closing instant) and detected go into the
  // RESOLVED alerts; the other fields do not matter.
  void push_closed(Alert* closing) noexcept;
  void notify() noexcept;

  // --- the log: everything up to here is on stable storage. Never goes back.
  void set_durable(Lsn lsn) noexcept;

  // --- keeper: when on_time is due at the latest (kNever: not at all), any thread
  Nanos next_timer() const noexcept { return next_timer_.load(std::memory_order_seq_cst); }
  // Takes in what was pushed; rings where leases have expired or delays are over.
  void on_time(Nanos now) noexcept;

  // --- consumers, any thread. options null: the defaults, or those of the name.
  // Codes: ok, invalid_argument, out_of_range, conflict, no_memory, store_closed.
  Error open(std::string_view name, const ConsumerOptions* options, ConsumerRef& consumer);
  // What open would refuse of a new name whatever else there is.
  static Error check(std::string_view name, const ConsumerOptions& wanted);
  // ok; invalid_argument if there is no such name; store_closed.
  Code remove(std::string_view name) noexcept;

  // Leases up to max alerts, waiting up to `timeout` real ns (0: not at all;
  // negative: for ever) for the first. `take` copies one out and says whether it
  // fit; it runs under the hub's lock and must not call the hub. One that did not
  // fit was not leased and stays. Codes: ok with the count (0: the time is over, or
  // wake), buffer_too_small if not even the first fitted, no_memory, store_closed,
  // consumer_closed.
  template <class Take>
  Counted poll(Consumer& consumer, std::size_t max, Nanos timeout, Take&& take) noexcept {
    using Fn = std::remove_reference_t<Take>;
    return poll_raw(consumer, max, timeout, const_cast<void*>(static_cast<const void*>(&take)),
                    [](void* fn, const Delivery& delivery) -> bool {
                      return (*static_cast<Fn*>(fn))(delivery);
                    });
  }
  // Counts those that were still honoured; each settles its alert for this name.
  Counted ack(Consumer& consumer, std::span<const std::uint64_t> leases) noexcept;
  // ok, unknown_lease, out_of_range (negative delay), no_memory, *_closed.
  Code nack(Consumer& consumer, std::uint64_t lease, Nanos delay) noexcept;
  // To `length` from now, 1 ms .. 1 day. Codes as nack.
  Code extend(Consumer& consumer, std::uint64_t lease, Nanos length) noexcept;
  // Every poll that waits under this name returns.
  Code wake(Consumer& consumer) noexcept;
  // The name's eventfd, shared by its handles, open until the last handle of a
  // deleted name goes; a negative Code's number on failure.
  int fd(Consumer& consumer) noexcept;
  std::size_t backlog(const Consumer& consumer) const noexcept;

  Figures figures() const noexcept { return ledger_.figures(); }
  // Wakes every poller; calls that follow answer store_closed. Idempotent.
  void close() noexcept;

  // --- the durable layer
  // Puts back an alert that these consumers had not acknowledged when the store
  // went down: for them it counts as handed out. None: it waits for the first.
  // Owns the alert if the code is ok. In the item's order, before its closing.
  Code restore(Alert* alert, std::span<Consumer* const> holders) noexcept;
  // Puts back that a consumer was told of (and acknowledged) an alert of an item
  // that is still open, so that a RESOLVED will follow. Copies what it needs.
  Code restore_told(Consumer& consumer, const Alert& alert) noexcept;
  // Calls fn(const Held&) for every alert kept and each that holds it, in order of
  // arrival; under the hub's lock. ok, or no_memory before the first call.
  template <class Fn>
  Code for_each_kept(Fn&& fn) noexcept {
    std::lock_guard guard(mutex_);
    if (!intake(nullptr)) return Code::no_memory;
    for (const Alert* alert = ledger_.oldest(); alert != nullptr; alert = alert->hooks.next) {
      for (const Entry* entry = alert->hooks.entries; entry != nullptr;
           entry = entry->next_of_alert) {
        const Consumer* consumer = entry->line->consumer;
        fn(Held{*alert, consumer == &unclaimed_ ? nullptr : consumer, entry->delivery});
      }
    }
    return Code::ok;
  }
  // Calls fn(const Consumer&, incarnation, const Told&) for every incident of an
  // open item that a consumer was told of; under the hub's lock.
  template <class Fn>
  Code for_each_told(Fn&& fn) noexcept {
    std::lock_guard guard(mutex_);
    if (!intake(nullptr)) return Code::no_memory;
    for (const ConsumerRef& consumer : consumers_) {
      consumer->lines_.for_each([&](const Line* line) {
        for (const Told* told = line->told; told != nullptr; told = told->next) {
          fn(std::as_const(*consumer), line->incarnation, *told);
        }
      });
    }
    return Code::ok;
  }

  // What is owed of one item: for the cleaner, who writes it down again. Holds the
  // hub's lock for its life; a stripe's may be taken behind it.
  class Owings {
   public:
    explicit Owings(Hub& hub) noexcept : hub_(hub), guard_(hub.mutex_) {}
    // Takes in what was pushed. With the item's stripe locked: all that it raised.
    // False without memory.
    bool take_in() noexcept { return hub_.intake(nullptr); }
    // Calls fn(const Alert&, const Consumer*) for each alert of the item and each that
    // has yet to acknowledge it (null: the first consumer to come), in the item's order.
    template <class Fn>
    void for_each_held(std::uint64_t incarnation, Fn&& fn) const {
      const auto visit = [&](const Consumer& consumer, const Consumer* name) {
        const Line* line = consumer.lines_.find(incarnation);
        for (const Entry* entry = line == nullptr ? nullptr : line->head; entry != nullptr;
             entry = entry->next_in_line) {
          fn(std::as_const(*entry->alert), name);
        }
      };
      visit(hub_.unclaimed_, nullptr);
      for (const ConsumerRef& consumer : hub_.consumers_) visit(*consumer, consumer.get());
    }
    // Calls fn(const Consumer&, const Told&) for each incident of the item, while it is
    // open, that a consumer was told of.
    template <class Fn>
    void for_each_told(std::uint64_t incarnation, Fn&& fn) const {
      for (const ConsumerRef& consumer : hub_.consumers_) {
        const Line* line = consumer->lines_.find(incarnation);
        for (const Told* told = line == nullptr ? nullptr : line->told; told != nullptr;
             told = told->next) {
          fn(std::as_const(*consumer), *told);
        }
      }
    }

   private:
    Hub& hub_;
    std::lock_guard<std::mutex> guard_;
  };

 private:
  using TakeFn = bool (*)(void*, const Delivery&);

  Counted poll_raw(Consumer& consumer, std::size_t max, Nanos timeout, void* context,
                   TakeFn take) noexcept;
  Counted hand_out(Consumer& consumer, std::size_t max, Nanos now, void* context,
                   TakeFn take) noexcept;

  // Hub's lock held by all of these.
  bool intake(const Consumer* except) noexcept;
  bool admit(Alert* node) noexcept;
  bool admit_alert(Alert* alert) noexcept;
  bool admit_closing(Alert* closing) noexcept;
  bool take_over(Consumer& consumer) noexcept;
  void refresh(Consumer& consumer) noexcept;
  void rearm(Consumer& consumer) noexcept;
  void tell_acked(const Consumer& consumer, std::span<const Alert* const> alerts,
                  std::span<const Alert* const> gone) noexcept;
  bool publish_timer() noexcept;
  Code state_of(const Consumer& consumer) const noexcept;
  Consumer* find(std::string_view name) const noexcept;

  void ring_all() noexcept;  // takes the bells' lock
  void tell_timer(bool moved) noexcept;

  // pending() at which a notify() takes in what nobody polls for: bounds what the
  // queue holds when alerts come and are withdrawn with no consumer about.
  static constexpr std::ptrdiff_t kIntakeAt = 512;

  const HubOptions options_;
  Ledger ledger_;
  Queue queue_;
  alignas(64) std::atomic<bool> armed_{false};
  std::atomic<bool> gate_armed_{false};
  // Written under the hub's lock, before timer_moved is called; read by the keeper,
  // after it has said until when it means to sleep. Sequentially consistent, so
  // that either the keeper sees the new instant, or timer_moved sees the old sleep.
  std::atomic<Nanos> next_timer_{kNever};

  mutable std::mutex mutex_;  // the hub's lock
  std::mutex bells_mutex_;    // with mutex_ to change consumers_, either one to read it
  std::vector<ConsumerRef> consumers_;
  Consumer unclaimed_;  // holds what came while there was no consumer; never polled
  Alert* staged_head_ = nullptr;
  Alert* staged_tail_ = nullptr;
  bool closed_ = false;
};

}  // namespace warden::alert
