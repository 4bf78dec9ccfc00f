// SPDX-License-Identifier: Apache-2.0
//
// What the closing of an item does to one consumer: alerts never handed out are
// withdrawn; for every incident that it was told of, one RESOLVED follows.
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cstring>

#include "alert/consumer.hpp"
#include "alert/hub.hpp"

namespace warden::alert {

Hash128 resolved_id(const Hash128& incident) noexcept {
  // Little-endian words, low first, then the level.
  unsigned char bytes[17];
  for (unsigned i = 0; i < 8; ++i) {
    bytes[i] = static_cast<unsigned char>(incident.low >> (8 * i));
    bytes[8 + i] = static_cast<unsigned char>(incident.high >> (8 * i));
  }
  bytes[16] = kLevelResolved;
  const XXH128_hash_t hash = XXH3_128bits(bytes, sizeof(bytes));
  return {hash.low64, hash.high64};
}

bool Consumer::make_resolved(const Alert& closing, Alert*& list) noexcept {
  Line* line = lines_.find(closing.incarnation);
  if (line == nullptr || line->told_count == 0) return true;
  if (!make_room(line->told_count)) return false;
  for (const Told* told = line->told; told != nullptr; told = told->next) {
    Alert* alert = ledger_.make();
    if (alert == nullptr) return false;
    Entry* entry = ledger_.slab.take();
    if (entry == nullptr) {
      ledger_.discard(alert);
      return false;
    }
    *alert = closing;
    alert->hooks = Hooks{};
    if (alert->blob != nullptr) alert->blob->ref();
    alert->id = resolved_id(told->incident);
    alert->incident = told->incident;
    alert->resolves = told->newest;
    alert->rule = told->rule;
    alert->armed_stage = told->armed_stage;
    alert->deadline = told->deadline;
    alert->arming = told->arming;
    alert->severity = told->severity;
    alert->kind = Kind::resolved;
    alert->level = kLevelResolved;
    entry->line = line;
    Ledger::hold(alert, entry);
    ++backlog_;
    alert->hooks.next = list;
    list = alert;
  }
  return true;
}

void Consumer::withdraw(Line* line, Lsn closed_lsn) noexcept {
  Entry* before = nullptr;
  for (Entry* entry = line->head; entry != nullptr;) {
    Entry* next = entry->next_in_line;
    Alert* alert = entry->alert;
    if (is_lasting(alert->kind) || alert->kind == Kind::resolved) {
      before = entry;
      entry = next;
      continue;
    }
    alert->hooks.closed = true;
    alert->hooks.closed_lsn = closed_lsn;
    const bool told = entry->delivery > 0;
    if (!told) ledger_.withdrawn.fetch_add(1, std::memory_order_relaxed);
    if (told || options_.audit) {
      if (!told) {
        entry->flags |= Entry::kWithdrawn;
        unplace(entry);  // it may have to wait for the closing now
      }
      before = entry;
    } else {
      if (ledger_.sink != nullptr) ledger_.sink->withdrawn(name_, *alert);
      take_out(entry, before);
    }
    entry = next;
  }
  const bool resolved_follows = line->told != nullptr;
  forget_told(line);
  if (line->head == nullptr) {
    if (!resolved_follows) erase_if_done(line);
  } else if (line->head->place == Place::none) {
    place(line->head);
  }
}

}  // namespace warden::alert
