// SPDX-License-Identifier: Apache-2.0
#include "model.hpp"

#include <algorithm>

#include "warden/warden.h"

namespace warden::test {
namespace {

// One walk through a history.
class Walk {
 public:
  explicit Walk(const FlowDef& flow) : flow_(flow) { view_.rules.resize(flow.rules.size()); }
  void step(const Event& event);
  View take() { return std::move(view_); }

 private:
  bool live() const { return view_.state == WARDEN_STATE_LIVE; }
  void raise(Expected alert, Nanos now);
  void expire(Nanos now);
  void pass(Nanos now);
  void arm(std::size_t rule, Nanos deadline);
  void meet(std::size_t rule, bool may_be_too_soon);
  void begin();
  void mark(const std::string& stage);
  void idle_again();
  void close(std::uint32_t verdict);
  void give_dues(const std::vector<GivenDue>& dues);
  void extend(const std::string& rule, Nanos to);

  const FlowDef& flow_;
  View view_;
};

void Walk::raise(Expected alert, Nanos now) {
  alert.stage = view_.stage;
  alert.tries = view_.tries;
  alert.detected = now;
  view_.alerts.push_back(std::move(alert));
}

// A time to live that has passed ends a submitted item.
void Walk::expire(Nanos now) {
  if (view_.state != WARDEN_STATE_SUBMITTED || view_.expires == kNone || view_.expires >= now) {
    return;
  }
  Expected alert;
  alert.kind = WARDEN_KIND_EXPIRED;
  alert.level = WARDEN_LEVEL_BREACH;
  alert.severity = WARDEN_SEVERITY_ERROR;
  alert.arming = 1;
  alert.deadline = alert.raised = view_.expires;
  raise(alert, now);
  view_.own = std::max(view_.own, now);
  close(WARDEN_VERDICT_EXPIRED);
}

// Every level whose instant lies before now, once each.
void Walk::pass(Nanos now) {
  if (!live()) return;
  for (std::size_t r = 0; r < flow_.rules.size(); ++r) {
    const RuleDef& def = flow_.rules[r];
    RuleState& state = view_.rules[r];
    if (!state.armed) continue;
    std::vector<std::pair<std::uint32_t, Nanos>> levels;
    if (def.warns() && state.deadline >= state.first_armed) {
      const Nanos share = (state.deadline - state.first_armed) / 100 * def.warn_percent +
                          (state.deadline - state.first_armed) % 100 * def.warn_percent / 100;
      levels.emplace_back(WARDEN_LEVEL_WARN, def.warn_lead != 0 ? state.deadline - def.warn_lead
                                                                : state.first_armed + share);
    }
    levels.emplace_back(WARDEN_LEVEL_BREACH, state.deadline);
    for (std::size_t k = 0; k < def.escalate.size(); ++k) {
      levels.emplace_back(WARDEN_LEVEL_BREACH + 1 + k, state.deadline + def.escalate[k]);
    }
    for (const auto& [level, instant] : levels) {
      if (level <= state.level || instant >= now) continue;
      state.level = level;
      Expected alert;
      alert.rule = def.name;
      alert.kind = level == WARDEN_LEVEL_WARN     ? WARDEN_KIND_WARN
                   : level == WARDEN_LEVEL_BREACH ? WARDEN_KIND_BREACH
                                                  : WARDEN_KIND_ESCALATION;
      alert.level = level;
      alert.severity = static_cast<std::uint32_t>(def.severity_of(static_cast<int>(level)));
      alert.arming = state.arming;
      alert.armed_stage = state.armed_stage;
      alert.deadline = instant;
      alert.raised = std::max(instant, state.armed_at);
      raise(alert, now);
    }
  }
}

void Walk::arm(std::size_t rule, Nanos deadline) {
  RuleState& state = view_.rules[rule];
  state.armed = true;
  state.met = false;
  state.arming += 1;
  state.first_armed = state.armed_at = view_.own;
  state.deadline = deadline;
  state.level = 0;
  state.armed_stage = view_.stage;
}

void Walk::meet(std::size_t rule, bool may_be_too_soon) {
  const RuleDef& def = flow_.rules[rule];
  RuleState& state = view_.rules[rule];
  if (!state.armed) return;
  state.armed = false;
  state.met = true;
  if (!may_be_too_soon || def.min == 0 || view_.own - state.first_armed >= def.min) return;
  Expected alert;
  alert.rule = def.name;
  alert.kind = WARDEN_KIND_SUSPICIOUS;
  alert.level = WARDEN_LEVEL_SUSPICIOUS;
  alert.severity = WARDEN_SEVERITY_WARNING;
  alert.arming = state.arming;
  alert.armed_stage = state.armed_stage;
  alert.deadline = state.deadline;
  alert.raised = view_.own;
  raise(alert, view_.own);
}

void Walk::begin() {
  view_.state = WARDEN_STATE_LIVE;
  view_.tries += 1;
  for (std::size_t r = 0; r < flow_.rules.size(); ++r) {
    const RuleDef& def = flow_.rules[r];
    if (def.kind == RuleKind::total || def.kind == RuleKind::idle) arm(r, view_.own + def.within);
  }
}

void Walk::idle_again() {
  for (std::size_t r = 0; r < flow_.rules.size(); ++r) {
    if (flow_.rules[r].kind != RuleKind::idle) continue;
    meet(r, true);
    arm(r, view_.own + flow_.rules[r].within);
  }
}

void Walk::mark(const std::string& stage) {
  const std::set<std::string> before = view_.seen;
  view_.stage = stage;
  view_.seen.insert(stage);
  const bool all_done =
      !flow_.done.empty() && flow_.done.count(stage) != 0 &&
      std::includes(view_.seen.begin(), view_.seen.end(), flow_.done.begin(), flow_.done.end());
  if (all_done || flow_.close.count(stage) != 0) {
    close(WARDEN_VERDICT_DONE);
    return;
  }
  for (std::size_t r = 0; r < flow_.rules.size(); ++r) {
    if (flow_.rules[r].to.count(stage) != 0) meet(r, true);
  }
  for (std::size_t r = 0; r < flow_.rules.size(); ++r) {
    const RuleDef& def = flow_.rules[r];
    const auto was_seen = [&](const std::string& one) { return before.count(one) != 0; };
    if (def.kind != RuleKind::stage || def.from.count(stage) == 0) continue;
    const bool first = std::none_of(def.from.begin(), def.from.end(), was_seen);
    const bool too_late = std::any_of(def.to.begin(), def.to.end(), was_seen);
    if (first && !too_late) arm(r, view_.own + def.within);
  }
  idle_again();
}

void Walk::close(std::uint32_t verdict) {
  const bool too_soon_counts = live() && verdict == WARDEN_VERDICT_DONE;
  for (std::size_t r = 0; r < flow_.rules.size(); ++r) meet(r, too_soon_counts);
  view_.state = WARDEN_STATE_CLOSED;
  view_.verdict = verdict;
  view_.closed_at = view_.own;
}

void Walk::give_dues(const std::vector<GivenDue>& dues) {
  for (const GivenDue& due : dues) {
    for (std::size_t r = 0; r < flow_.rules.size() && live(); ++r) {
      const RuleDef& def = flow_.rules[r];
      const RuleState& state = view_.rules[r];
      if (def.name != due.rule || state.arming != 0) continue;
      const bool seen = std::any_of(def.to.begin(), def.to.end(), [&](const std::string& to) {
        return view_.seen.count(to) != 0;
      });
      if (!seen) arm(r, due.instant);
    }
  }
}

void Walk::extend(const std::string& rule, Nanos to) {
  for (std::size_t r = 0; r < flow_.rules.size(); ++r) {
    RuleState& state = view_.rules[r];
    if (flow_.rules[r].name != rule || state.deadline == to) continue;
    state.deadline = to;
    state.armed_at = view_.own;
    state.arming += 1;
    state.level = 0;
  }
}

void Walk::step(const Event& event) {
  if (event.what == Event::clock) {
    expire(event.at);
    pass(event.at);
    return;
  }
  view_.own = std::max(view_.own, event.at);
  if (event.what == Event::created) {
    view_.state = WARDEN_STATE_SUBMITTED;
    view_.created = event.at;
    view_.expires = event.ttl == 0 ? kNone : event.at + event.ttl;
    return;
  }
  expire(view_.own);
  if (view_.state == WARDEN_STATE_CLOSED) return;
  pass(view_.own);
  switch (event.what) {
    case Event::begun:
      begin();
      break;
    case Event::marked:
      mark(event.name);
      break;
    case Event::touched:
      idle_again();
      break;
    case Event::extended:
      extend(event.name, event.to);
      break;
    case Event::completed:
      close(WARDEN_VERDICT_DONE);
      break;
    case Event::cancelled:
      close(WARDEN_VERDICT_CANCELLED);
      break;
    case Event::created:
    case Event::seen:
    case Event::clock:
      break;
  }
  give_dues(event.dues);
  pass(view_.own);
}

}  // namespace

int RuleDef::severity_of(int level) const {
  const int place = level - (warns() ? WARDEN_LEVEL_WARN : WARDEN_LEVEL_BREACH);
  if (!severity.empty()) return severity[static_cast<std::size_t>(place)];
  if (level == WARDEN_LEVEL_WARN) return WARDEN_SEVERITY_WARNING;
  return level == WARDEN_LEVEL_BREACH ? WARDEN_SEVERITY_ERROR : WARDEN_SEVERITY_CRITICAL;
}

bool FlowDef::takes(const std::string& stage) const {
  return any || std::find(stages.begin(), stages.end(), stage) != stages.end();
}

const RuleDef* FlowDef::find(const std::string& rule) const {
  for (const RuleDef& one : rules) {
    if (one.name == rule) return &one;
  }
  return nullptr;
}

bool Expected::is_lasting() const {
  return kind == WARDEN_KIND_EXPIRED || kind == WARDEN_KIND_SUSPICIOUS;
}

Nanos View::deadline() const {
  Nanos first = kNone;
  for (const RuleState& one : rules) {
    if (!one.armed || one.level >= WARDEN_LEVEL_BREACH) continue;
    if (first == kNone || one.deadline < first) first = one.deadline;
  }
  return first;
}

std::uint32_t View::overdue() const {
  return static_cast<std::uint32_t>(std::count_if(
      rules.begin(), rules.end(),
      [](const RuleState& one) { return one.armed && one.level >= WARDEN_LEVEL_BREACH; }));
}

Nanos View::earliest_missed() const {
  Nanos first = kNone;
  for (const RuleState& one : rules) {
    if (!one.armed || one.deadline >= own) continue;
    if (first == kNone || one.deadline < first) first = one.deadline;
  }
  return first;
}

View replay(const FlowDef& flow, const std::vector<Event>& history) {
  Walk walk(flow);
  for (const Event& event : history) walk.step(event);
  return walk.take();
}

void ModelConsumer::push(const Expected& alert) {
  waiting_[alert.item].push_back(alert);
}

// What was not handed out yet is withdrawn; what was is resolved.
void ModelConsumer::closed(std::uint64_t item, const View& view, const std::string& key,
                           const std::string& flow) {
  std::vector<Expected> kept;
  for (Expected& one : waiting_[item]) {
    if (!one.is_lasting() && !audit_) continue;
    if (!one.is_lasting()) one.flags = WARDEN_ALERT_WITHDRAWN;
    kept.push_back(one);
  }
  for (const auto& [incident, newest] : told_[item]) {
    Expected resolved = newest;
    resolved.key = key;
    resolved.flow = flow;
    resolved.kind = WARDEN_KIND_RESOLVED;
    resolved.level = WARDEN_LEVEL_RESOLVED;
    resolved.resolves_level = newest.level;
    resolved.stage = view.stage;
    resolved.tries = view.tries;
    resolved.raised = resolved.detected = view.closed_at;
    kept.push_back(resolved);
  }
  told_.erase(item);
  waiting_[item] = std::move(kept);
}

std::vector<std::string> ModelConsumer::drain() {
  std::vector<std::string> out;
  for (const auto& [item, alerts] : waiting_) {
    for (const Expected& one : alerts) {
      out.push_back(one.text());
      if (one.is_lasting() || one.flags != 0 || one.kind == WARDEN_KIND_RESOLVED) continue;
      told_[item][{one.rule, one.arming}] = one;
    }
  }
  waiting_.clear();
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace warden::test
