// SPDX-License-Identifier: Apache-2.0
//
// What all consumers of a hub share: where memory comes from, the slots of
// entries, the list of alerts kept, what is durable, and the figures.
//
// Invariants (under the hub's lock)
//   1. An alert is in the list from its arrival until its last entry goes; then it
//      is freed, its blob's reference with it.
//   2. The list is in order of arrival (hooks.order).
#pragma once

#include <atomic>
#include <span>
#include <string_view>

#include "alert/entry.hpp"

namespace warden::alert {

// What a durable store writes down. Called under the hub's lock: it must not call
// the hub, and must not wait for anyone who might.
class AckSink {
 public:
  virtual ~AckSink() = default;
  // These do not come again to this consumer. They live until the call returns. `gone`:
  // they were handed out as withdrawn, so no RESOLVED follows them.
  virtual void acked(std::string_view consumer, std::span<const Alert* const> alerts,
                     bool gone) = 0;
  // The same, because its item closed before it was handed out there (an
  // empty name: there was no consumer yet). After the closing's record, so whatever is written here
  // never outlives it in the log.
  virtual void withdrawn(std::string_view consumer, const Alert& alert) {
    static_cast<void>(consumer);
    static_cast<void>(alert);
  }
};

struct Figures {
  std::uint64_t raised = 0;     // alerts pushed
  std::uint64_t withdrawn = 0;  // by consumer; once if there was none
  std::uint64_t unwanted = 0;   // matched no consumer's filter, though there was one
  std::uint64_t kept = 0;       // now: not acknowledged by all that want them
};

class Ledger {
 public:
  Ledger(Allocate allocate, AckSink* sink, bool gated) noexcept;
  ~Ledger();
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;

  // Any thread. An alert of its own, not pushed anywhere; null without memory.
  Alert* make() noexcept;
  // Frees one that is in no list and has no entries.
  void discard(Alert* alert) noexcept;

  // The rest: hub's lock held.
  void keep(Alert* alert) noexcept;
  // Ends an entry's hold on its alert and frees the slot; frees the alert with the
  // last one.
  void drop(Entry* entry) noexcept;
  // Adds an entry to those of an alert.
  static void hold(Alert* alert, Entry* entry) noexcept {
    entry->alert = alert;
    entry->next_of_alert = alert->hooks.entries;
    alert->hooks.entries = entry;
  }
  static void unlink(Entry* entry) noexcept;
  // In order of arrival, by hooks.next.
  Alert* oldest() const noexcept { return oldest_; }

  bool is_durable(Lsn lsn) const noexcept {
    return raw(lsn) <= durable.load(std::memory_order_seq_cst);
  }
  Figures figures() const noexcept;

  const Allocate allocate;
  AckSink* const sink;
  const bool gated;
  EntrySlab slab;

  // Highest position known durable; all ones where nothing is gated. Written by
  // the scribe, read under the hub's lock. Sequentially consistent for the
  // argument in hub.hpp; the log itself needs no order from it.
  std::atomic<std::uint64_t> durable;

  // Figures: any thread adds and reads; relaxed, as each stands for itself.
  alignas(64) std::atomic<std::uint64_t> raised{0};
  std::atomic<std::uint64_t> kept{0};
  std::atomic<std::uint64_t> withdrawn{0};
  std::atomic<std::uint64_t> unwanted{0};

 private:
  Alert* oldest_ = nullptr;
  Alert* newest_ = nullptr;
  std::uint64_t next_order_ = 1;
};

}  // namespace warden::alert
