// SPDX-License-Identifier: Apache-2.0
//
// Life and death of alerts in the hub; ledger.hpp has the invariants.
#include "alert/ledger.hpp"

#include <new>

#include "base/assert.hpp"

namespace warden::alert {

Ledger::Ledger(Allocate allocate_fn, AckSink* ack_sink, bool is_gated) noexcept
    : allocate(allocate_fn),
      sink(ack_sink),
      gated(is_gated),
      slab(allocate_fn),
      durable(is_gated ? 0 : ~0ull) {}

Ledger::~Ledger() {
  while (oldest_ != nullptr) {
    Alert* next = oldest_->hooks.next;
    discard(oldest_);
    oldest_ = next;
  }
}

Alert* Ledger::make() noexcept {
  void* place = allocate(sizeof(Alert));
  return place == nullptr ? nullptr : new (place) Alert;
}

void Ledger::discard(Alert* alert) noexcept {
  if (alert == nullptr) return;
  if (alert->blob != nullptr) alert->blob->unref();
  alert->~Alert();
  mi_free(alert);
}

void Ledger::keep(Alert* alert) noexcept {
  Hooks& hooks = alert->hooks;
  hooks.order = next_order_++;
  hooks.kept = true;
  hooks.next = nullptr;
  hooks.prev = newest_;
  (newest_ == nullptr ? oldest_ : newest_->hooks.next) = alert;
  newest_ = alert;
}

void Ledger::unlink(Entry* entry) noexcept {
  Entry** at = &entry->alert->hooks.entries;
  while (*at != entry) at = &(*at)->next_of_alert;
  *at = entry->next_of_alert;
}

void Ledger::drop(Entry* entry) noexcept {
  Alert* alert = entry->alert;
  unlink(entry);
  slab.give_back(entry);
  Hooks& hooks = alert->hooks;
  if (hooks.entries != nullptr || !hooks.kept) return;
  (hooks.prev == nullptr ? oldest_ : hooks.prev->hooks.next) = hooks.next;
  (hooks.next == nullptr ? newest_ : hooks.next->hooks.prev) = hooks.prev;
  kept.fetch_sub(1, std::memory_order_relaxed);
  discard(alert);
}

Figures Ledger::figures() const noexcept {
  return {raised.load(std::memory_order_relaxed), withdrawn.load(std::memory_order_relaxed),
          unwanted.load(std::memory_order_relaxed), kept.load(std::memory_order_relaxed)};
}

}  // namespace warden::alert
