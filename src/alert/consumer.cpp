// SPDX-License-Identifier: Apache-2.0
//
// Arrival, placing, leases and acknowledgement of one consumer; closing.cpp has
// what the closing of an item does. consumer.hpp draws the flow.
#include "alert/consumer.hpp"

#include <algorithm>
#include <new>

#include "base/assert.hpp"

namespace warden::alert {

Consumer::Consumer(std::string name, ConsumerOptions options, Ledger& ledger)
    : name_(std::move(name)),
      options_(std::move(options)),
      ledger_(ledger),
      lines_(ledger.allocate) {}

Consumer::~Consumer() {
  mi_free(spare_told_);
}

bool Consumer::wants(const Alert& alert) const noexcept {
  return alert.severity >= options_.min_severity &&
         (options_.flow.empty() || options_.flow == alert.flow) &&
         (options_.rule.empty() || options_.rule == alert.rule);
}

Line* Consumer::line_of(std::uint64_t incarnation) noexcept {
  Line* line = lines_.find(incarnation);
  if (line != nullptr) return line;
  void* place = ledger_.allocate(sizeof(Line));
  if (place == nullptr) return nullptr;
  line = new (place) Line;
  line->incarnation = incarnation;
  line->consumer = this;
  lines_.insert(line);
  return line;
}

// Room in the heaps for `more` entries than there are.
bool Consumer::make_room(std::size_t more) noexcept {
  if (!ready_.reserve(ledger_.allocate, backlog_ + more)) return false;
  if (!ledger_.gated || options_.early) return true;
  return gate_.reserve(ledger_.allocate, backlog_ + more);
}

Entry* Consumer::prepare(Alert* alert) noexcept {
  if (!make_room(1)) return nullptr;
  Line* line = line_of(alert->incarnation);
  if (line == nullptr) return nullptr;
  Entry* entry = ledger_.slab.take();
  if (entry == nullptr) {
    erase_if_done(line);
    return nullptr;
  }
  entry->line = line;
  Ledger::hold(alert, entry);
  ++backlog_;
  return entry;
}

void Consumer::unprepare(Entry* entry) noexcept {
  Line* line = entry->line;
  Ledger::unlink(entry);
  ledger_.slab.give_back(entry);
  --backlog_;
  erase_if_done(line);
}

void Consumer::append(Entry* entry) noexcept {
  Line* line = entry->line;
  if (entry->alert->hooks.closed && !is_lasting(entry->alert->kind)) {
    entry->flags |= Entry::kWithdrawn;
  }
  if (line->tail == nullptr) {
    line->head = line->tail = entry;
    place(entry);
  } else {
    line->tail->next_in_line = entry;
    line->tail = entry;
  }
}

bool Consumer::append_restored(Entry* entry) noexcept {
  if (!remember(entry->line, *entry->alert)) return false;
  entry->delivery = 1;
  append(entry);
  return true;
}

Told* Consumer::find_told(const Line* line, const Hash128& incident) noexcept {
  // Levels of one incident mostly come one after the other.
  if (line->newest_told != nullptr && line->newest_told->incident == incident) {
    return line->newest_told;
  }
  Told* told = line->told;
  while (told != nullptr && told->incident != incident) told = told->next;
  return told;
}

// Notes that the consumer was told of the alert's incident, if a RESOLVED is to
// follow it. False without memory.
bool Consumer::remember(Line* line, const Alert& alert) noexcept {
  if (is_lasting(alert.kind) || alert.kind == Kind::resolved) return true;
  Told* told = find_told(line, alert.incident);
  if (told == nullptr) {
    if (spare_told_ == nullptr) {
      void* place = ledger_.allocate(sizeof(Told));
      if (place == nullptr) return false;
      spare_told_ = new (place) Told;
    }
    told = spare_told_;
    spare_told_ = nullptr;
    *told = Told{};
    told->incident = alert.incident;
    (line->told == nullptr ? line->told : line->newest_told->next) = told;
    line->newest_told = told;
    ++line->told_count;
  }
  told->newest = alert.id;
  told->rule = alert.rule;
  told->armed_stage = alert.armed_stage;
  told->deadline = alert.deadline;
  told->arming = alert.arming;
  told->severity = alert.severity;
  return true;
}

// A hand-out that says WITHDRAWN tells of the closing too, so it waits for both.
Lsn Consumer::gate_lsn(const Entry& entry) const noexcept {
  const Alert& alert = *entry.alert;
  if ((entry.flags & Entry::kWithdrawn) == 0) return alert.lsn;
  return std::max(alert.lsn, alert.hooks.closed_lsn);
}

void Consumer::place(Entry* entry) noexcept {
  const Alert& alert = *entry->alert;
  const Lsn lsn = gate_lsn(*entry);
  if (options_.early || ledger_.is_durable(lsn)) {
    const std::uint64_t rank = 0xffu - alert.severity;
    ready_.push({ordered(alert.deadline), rank << HeapItem::kRankShift | alert.hooks.order, entry});
    entry->place = Place::ready;
  } else {
    gate_.push({raw(lsn), alert.hooks.order, entry});
    entry->place = Place::gate;
  }
}

void Consumer::unplace(Entry* entry) noexcept {
  switch (entry->place) {
    case Place::none:
      break;
    case Place::gate:
      gate_.remove(entry);
      break;
    case Place::ready:
      ready_.remove(entry);
      break;
    case Place::timer:
      timers_.remove(entry);
      break;
  }
  entry->place = Place::none;
}

void Consumer::open_gate() noexcept {
  while (!gate_.empty() && ledger_.is_durable(Lsn{gate_.top().when})) {
    Entry* entry = gate_.top().entry;
    unplace(entry);
    place(entry);
  }
}

bool Consumer::prepare_lease() noexcept {
  if (!timers_.reserve(ledger_.allocate, timers_.size() + 1)) return false;
  if (spare_told_ != nullptr) return true;
  void* place = ledger_.allocate(sizeof(Told));
  if (place == nullptr) return false;
  spare_told_ = new (place) Told;
  return true;
}

void Consumer::lease(Entry* entry, Nanos now) noexcept {
  if (entry->delivery == 0 && (entry->flags & Entry::kWithdrawn) == 0) {
    WARDEN_ASSERT(remember(entry->line, *entry->alert));
  }
  ready_.remove(entry);
  entry->lease += EntrySlab::kOneGeneration;
  entry->flags |= Entry::kLeased;
  ++entry->delivery;
  entry->place = Place::timer;
  timers_.push({ordered(add_sat(now, options_.lease)), entry->alert->hooks.order, entry});
}

std::uint32_t Consumer::flags_of(const Entry& entry) const noexcept {
  return (entry.flags & Entry::kWithdrawn) != 0 ? 1u : 0u;
}

Entry* Consumer::leased(std::uint64_t lease) const noexcept {
  Entry* entry = ledger_.slab.find(lease);
  if (entry == nullptr || entry->line == nullptr || entry->line->consumer != this) return nullptr;
  return entry->lease == lease && (entry->flags & Entry::kLeased) != 0 ? entry : nullptr;
}

// Takes an entry out of its line and lets go of its alert. `before` is the one in
// front of it, null for the first; the next one is not placed yet.
void Consumer::take_out(Entry* entry, Entry* before) noexcept {
  unplace(entry);
  Line* line = entry->line;
  (before == nullptr ? line->head : before->next_in_line) = entry->next_in_line;
  if (line->tail == entry) line->tail = before;
  --backlog_;
  ledger_.drop(entry);
}

void Consumer::settle(Entry* entry) noexcept {
  Line* line = entry->line;
  WARDEN_ASSERT(line->head == entry);
  take_out(entry, nullptr);
  if (line->head != nullptr) {
    place(line->head);
  } else {
    erase_if_done(line);
  }
  gate_.shrink(ledger_.allocate, backlog_);
  ready_.shrink(ledger_.allocate, backlog_);
  timers_.shrink(ledger_.allocate, timers_.size());
}

bool Consumer::postpone(Entry* entry, Nanos due, bool keep_lease) noexcept {
  if (!timers_.reserve(ledger_.allocate, timers_.size() + 1)) return false;
  unplace(entry);
  if (!keep_lease) entry->flags &= static_cast<std::uint8_t>(~Entry::kLeased);
  timers_.push({ordered(due), entry->alert->hooks.order, entry});
  entry->place = Place::timer;
  return true;
}

void Consumer::expire(Nanos now) noexcept {
  while (!timers_.empty() && timers_.top().when <= ordered(now)) {
    Entry* entry = timers_.top().entry;
    unplace(entry);
    place(entry);
  }
}

Nanos Consumer::next_timer() const noexcept {
  if (timers_.empty()) return kNever;
  return static_cast<Nanos>(timers_.top().when ^ (std::uint64_t{1} << 63));
}

void Consumer::forget_told(Line* line) noexcept {
  for (Told* told = line->told; told != nullptr;) {
    Told* next = told->next;
    mi_free(told);
    told = next;
  }
  line->told = line->newest_told = nullptr;
  line->told_count = 0;
}

void Consumer::erase_if_done(Line* line) noexcept {
  if (line->head != nullptr || line->told != nullptr) return;
  lines_.erase(line);
  mi_free(line);
}

void Consumer::clear() noexcept {
  lines_.for_each([this](Line* line) {
    while (line->head != nullptr) take_out(line->head, nullptr);
    forget_told(line);
    mi_free(line);
  });
  lines_.clear();
}

}  // namespace warden::alert
