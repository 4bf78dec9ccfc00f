// SPDX-License-Identifier: Apache-2.0
//
// What an event or the passing of time does to one item's rules: pure functions
// over a definition and a caller's copy of the item's state. No clock, no I/O, no
// allocation; the engine commits the copy or drops it.
//
//   Event at t:  pass(t)          levels whose instant lies before t are reached
//                start / mark / touch / close
//                pass(t)          what was armed already in the past
//
// Invariants
//   1. A level is reached at the first nanosecond after its instant: never at it.
//   2. Levels of one arming are reached in ascending order, each once.
//   3. `due` rules follow the wall clock, all others elapsed time; both are given
//      with every instant, and are the same on a manual clock.
#pragma once

#include <cstdint>

#include "flow/definition.hpp"

namespace warden::flow {

enum class RuleStatus : std::uint8_t { resting = 0, armed = 1, met = 2, ttl = 3 };

// One rule of one item. Part of the item's blob and of STATE records.
struct RuleSlot {
  Nanos deadline;
  Nanos armed_at;
  std::uint32_t arming;  // counts from 1
  StageNo stage;         // that armed it
  std::uint8_t level;    // highest reached
  RuleStatus status;
};
static_assert(sizeof(RuleSlot) == 24);

struct Instant {
  Nanos elapsed;
  Nanos wall;
};

// A level that was reached.
struct Reached {
  std::uint16_t rule;
  std::uint8_t level;
  Severity severity;
  std::uint32_t arming;
  StageNo armed_stage;
  StageNo stage;   // the item's at the breach
  Nanos deadline;  // instant of the level
  Nanos raised;    // max(deadline, instant of arming)
};

// Sets of the stages named in the text, as words of 64 bits.
class StageSet {
 public:
  explicit StageSet(std::uint64_t* words) noexcept : words_(words) {}
  static std::size_t words_for(std::size_t stages) noexcept { return (stages + 63) / 64; }
  bool has(StageNo stage) const noexcept { return (words_[stage / 64] >> (stage % 64)) & 1; }
  void add(StageNo stage) noexcept { words_[stage / 64] |= std::uint64_t{1} << (stage % 64); }

 private:
  std::uint64_t* words_;
};

// An item's state while it is being changed; `slots` has one entry a rule (at
// least one), `seen` has bits for the stages named in the text.
struct Subject {
  const Definition* flow;
  RuleSlot* slots;
  StageSet seen;
  StageNo stage;  // newest
};

// Instant of a level of an armed rule, kNever if the rule has no such level.
Nanos level_instant(const Rule& rule, const RuleSlot& slot, std::uint8_t level) noexcept;
// The next level that an armed rule has not reached, kLevelNone if none.
std::uint8_t next_level(const Rule& rule, const RuleSlot& slot) noexcept;

// Earliest instant of a level not yet reached, of the rules that follow the wall
// clock or of the others; kNever if there is none.
Nanos earliest(const Definition& flow, const RuleSlot* slots, bool wall) noexcept;
// Earliest deadline armed and not breached, of all rules; kNoTime if none.
Nanos earliest_deadline(const Definition& flow, const RuleSlot* slots) noexcept;
// Rules breached and not met.
std::uint32_t overdue(const Definition& flow, const RuleSlot* slots) noexcept;
// How long ago the earliest missed deadline of an armed rule was, by that rule's own
// clock; 0 if none has passed.
Nanos lateness(const Definition& flow, const RuleSlot* slots, Instant now) noexcept;

// Collects the levels reached; `emit(const Reached&)` in ascending order of instant.
template <class Emit>
void pass(Subject& item, Instant now, Emit&& emit);

// exec: arms `total` and `idle`.
void start(Subject& item, Instant now) noexcept;
// Whether a stage, once passed, closes the item.
bool closes(const Subject& item, StageNo stage) noexcept;

// An event that passes a stage and does not close: rules met, stage set, rules
// armed. `too_soon(rule, slot)` is called for each rule met sooner than its `min`.
template <class TooSoon>
void mark(Subject& item, StageNo stage, Instant now, TooSoon&& too_soon);
// A sign of life: arms `idle` anew.
template <class TooSoon>
void touch(Subject& item, Instant now, TooSoon&& too_soon);
// Closing meets every armed rule.
template <class TooSoon>
void close(Subject& item, Instant now, TooSoon&& too_soon);
// A due given with an event, after the event itself. True if it armed the rule.
bool give_due(Subject& item, std::size_t rule, Nanos instant, Instant now) noexcept;

// ------------------------------------------------------------- implementation

inline Nanos now_of(const Rule& rule, Instant now) noexcept {
  return rule.kind == RuleKind::due ? now.wall : now.elapsed;
}

bool contains(const std::vector<StageNo>& stages, StageNo stage) noexcept;
Severity severity_of(const Rule& rule, std::uint8_t level) noexcept;
void arm(RuleSlot& slot, StageNo stage, Nanos now, Nanos deadline) noexcept;

template <class Emit>
void pass(Subject& item, Instant now, Emit&& emit) {
  const auto& rules = item.flow->rules;
  for (;;) {
    std::size_t best = rules.size();
    std::uint8_t best_level = kLevelNone;
    Nanos best_at = kNever;
    for (std::size_t r = 0; r < rules.size(); ++r) {
      const RuleSlot& slot = item.slots[r];
      if (slot.status != RuleStatus::armed) continue;
      const std::uint8_t level = next_level(rules[r], slot);
      if (level == kLevelNone) continue;
      const Nanos at = level_instant(rules[r], slot, level);
      if (at < now_of(rules[r], now) && at < best_at) {
        best = r;
        best_level = level;
        best_at = at;
      }
    }
    if (best == rules.size()) return;
    RuleSlot& slot = item.slots[best];
    slot.level = best_level;
    emit(Reached{static_cast<std::uint16_t>(best), best_level, severity_of(rules[best], best_level),
                 slot.arming, slot.stage, item.stage, best_at,
                 best_at > slot.armed_at ? best_at : slot.armed_at});
  }
}

template <class TooSoon>
void meet(const Rule& rule, RuleSlot& slot, std::size_t number, Instant now, TooSoon& too_soon) {
  if (slot.status != RuleStatus::armed) return;
  slot.status = RuleStatus::met;
  if (rule.min != 0 && now_of(rule, now) - slot.armed_at < rule.min) too_soon(number, slot);
}

template <class TooSoon>
void mark(Subject& item, StageNo stage, Instant now, TooSoon&& too_soon) {
  const auto& rules = item.flow->rules;
  const bool named = stage < item.flow->stages.size();
  item.stage = stage;  // first: what comes too soon tells the stage that came
  for (std::size_t r = 0; r < rules.size(); ++r) {
    if (named && contains(rules[r].to, stage)) meet(rules[r], item.slots[r], r, now, too_soon);
  }
  for (std::size_t r = 0; r < rules.size() && named; ++r) {
    RuleSlot& slot = item.slots[r];
    if (rules[r].kind != RuleKind::stage || slot.status != RuleStatus::resting) continue;
    if (!contains(rules[r].from, stage)) continue;
    bool was_there = false;  // one of `to`, before this event
    for (const StageNo to : rules[r].to) was_there = was_there || item.seen.has(to);
    if (was_there) {
      slot.status = RuleStatus::met;  // and was never armed
    } else {
      arm(slot, stage, now.elapsed, add_sat(now.elapsed, rules[r].within));
    }
  }
  if (named) item.seen.add(stage);
  touch(item, now, too_soon);
}

template <class TooSoon>
void touch(Subject& item, Instant now, TooSoon&& too_soon) {
  const auto& rules = item.flow->rules;
  for (std::size_t r = 0; r < rules.size(); ++r) {
    if (rules[r].kind != RuleKind::idle) continue;
    meet(rules[r], item.slots[r], r, now, too_soon);
    arm(item.slots[r], item.stage, now.elapsed, add_sat(now.elapsed, rules[r].within));
  }
}

template <class TooSoon>
void close(Subject& item, Instant now, TooSoon&& too_soon) {
  const auto& rules = item.flow->rules;
  for (std::size_t r = 0; r < rules.size(); ++r) {
    meet(rules[r], item.slots[r], r, now, too_soon);
  }
}

}  // namespace warden::flow
