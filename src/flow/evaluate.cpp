// SPDX-License-Identifier: Apache-2.0
#include "flow/evaluate.hpp"

#include <algorithm>

namespace warden::flow {

bool contains(const std::vector<StageNo>& stages, StageNo stage) noexcept {
  return std::binary_search(stages.begin(), stages.end(), stage);
}

Severity severity_of(const Rule& rule, std::uint8_t level) noexcept {
  if (level == kLevelWarn) return rule.warn_severity;
  if (level == kLevelBreach) return rule.breach_severity;
  const std::size_t escalation = level - kLevelBreach - 1u;
  return escalation < rule.escalate_severity.size() ? rule.escalate_severity[escalation]
                                                    : rule.breach_severity;
}

void arm(RuleSlot& slot, StageNo stage, Nanos now, Nanos deadline) noexcept {
  slot.deadline = deadline;
  slot.armed_at = now;
  slot.arming += 1;
  slot.stage = stage;
  slot.level = kLevelNone;
  slot.status = RuleStatus::armed;
}

Nanos level_instant(const Rule& rule, const RuleSlot& slot, std::uint8_t level) noexcept {
  if (level == kLevelBreach) return slot.deadline;
  if (level == kLevelWarn) {
    if (rule.warn_lead != 0) return add_sat(slot.deadline, -rule.warn_lead);
    if (rule.warn_share_ppm == 0) return kNever;
    const Int128 span = static_cast<Int128>(slot.deadline) - slot.armed_at;
    return slot.armed_at + static_cast<Nanos>(span * rule.warn_share_ppm / 1'000'000);
  }
  const std::size_t escalation = level - kLevelBreach - 1u;
  if (escalation >= rule.escalate.size()) return kNever;
  return add_sat(slot.deadline, rule.escalate[escalation]);
}

std::uint8_t next_level(const Rule& rule, const RuleSlot& slot) noexcept {
  if (slot.level == kLevelNone) {
    // A deadline that had passed when it was armed needs no warning any more.
    const bool warns = rule.warn_lead != 0 || rule.warn_share_ppm != 0;
    return warns && slot.deadline >= slot.armed_at ? kLevelWarn : kLevelBreach;
  }
  const std::uint8_t next = slot.level + 1;
  return next <= kLevelBreach + rule.escalate.size() ? next : kLevelNone;
}

Nanos earliest(const Definition& flow, const RuleSlot* slots, bool wall) noexcept {
  Nanos first = kNever;
  for (std::size_t r = 0; r < flow.rules.size(); ++r) {
    const Rule& rule = flow.rules[r];
    if (slots[r].status != RuleStatus::armed || (rule.kind == RuleKind::due) != wall) continue;
    const std::uint8_t level = next_level(rule, slots[r]);
    if (level != kLevelNone) first = std::min(first, level_instant(rule, slots[r], level));
  }
  return first;
}

Nanos earliest_deadline(const Definition& flow, const RuleSlot* slots) noexcept {
  Nanos first = kNever;
  for (std::size_t r = 0; r < flow.rules.size(); ++r) {
    if (slots[r].status == RuleStatus::armed && slots[r].level < kLevelBreach) {
      first = std::min(first, slots[r].deadline);
    }
  }
  return first == kNever ? kNoTime : first;
}

std::uint32_t overdue(const Definition& flow, const RuleSlot* slots) noexcept {
  std::uint32_t count = 0;
  for (std::size_t r = 0; r < flow.rules.size(); ++r) {
    count += slots[r].status == RuleStatus::armed && slots[r].level >= kLevelBreach ? 1 : 0;
  }
  return count;
}

Nanos lateness(const Definition& flow, const RuleSlot* slots, Instant now) noexcept {
  Nanos late = 0;
  for (std::size_t r = 0; r < flow.rules.size(); ++r) {
    if (slots[r].status != RuleStatus::armed) continue;
    late = std::max(late, add_sat(now_of(flow.rules[r], now), -slots[r].deadline));
  }
  return late;
}

void start(Subject& item, Instant now) noexcept {
  const auto& rules = item.flow->rules;
  for (std::size_t r = 0; r < rules.size(); ++r) {
    RuleSlot& slot = item.slots[r];
    if (slot.status == RuleStatus::ttl) slot = RuleSlot{};
    if (rules[r].kind != RuleKind::total && rules[r].kind != RuleKind::idle) continue;
    arm(slot, item.stage, now.elapsed, add_sat(now.elapsed, rules[r].within));
  }
}

bool closes(const Subject& item, StageNo stage) noexcept {
  const Definition& flow = *item.flow;
  if (stage >= flow.stages.size()) return false;
  if (contains(flow.close, stage)) return true;
  if (!contains(flow.done, stage)) return false;
  return std::all_of(flow.done.begin(), flow.done.end(),
                     [&](StageNo mark) { return mark == stage || item.seen.has(mark); });
}

bool give_due(Subject& item, std::size_t rule, Nanos instant, Instant now) noexcept {
  RuleSlot& slot = item.slots[rule];
  if (slot.status != RuleStatus::resting) return false;
  for (const StageNo to : item.flow->rules[rule].to) {
    if (item.seen.has(to)) {
      slot.status = RuleStatus::met;
      return false;
    }
  }
  arm(slot, item.stage, now.wall, instant);
  return true;
}

}  // namespace warden::flow
