// SPDX-License-Identifier: Apache-2.0
//
// What the model answers to each verb.
#include <algorithm>

#include "driver.hpp"

namespace warden::test {

void Driver::fill(Told& told, const View& view) {
  told.has_item = true;
  told.state = view.state;
  told.verdict = view.verdict;
  told.alerts = static_cast<std::uint32_t>(view.alerts.size());
  told.tries = view.tries;
  told.deadline = view.state == WARDEN_STATE_LIVE ? view.deadline() : WARDEN_NO_TIME;
}

std::vector<GivenDue> Driver::given(const With& with) {
  std::vector<GivenDue> out;
  for (const Due& one : with.dues) out.push_back({one.rule, one.instant});
  return out;
}

std::int32_t Driver::check_dues(const FlowDef& flow, const std::vector<Due>& dues) const {
  for (const Due& due : dues) {
    const RuleDef* rule = flow.find(due.rule);
    if (rule == nullptr || rule->kind != RuleKind::due) return WARDEN_E_UNKNOWN_RULE;
  }
  return WARDEN_OK;
}

// Whether a closed key is still remembered: for the dedupe window from the later of
// the item's own time and the clock, in whole seconds and never sooner.
bool Driver::remembered(const Name& name, Nanos at) {
  const auto found = stones_.find(name);
  if (found == stones_.end()) return false;
  if (found->second.expires_s * kS >= std::max(at, clock_)) return true;
  stones_.erase(found);
  return false;
}

// Works the item out anew: new alerts go to the consumers; closed, it is buried.
void Driver::settle(const Name& name) {
  Tracked& item = open_.at(name);
  item.view = replay(*item.flow, item.history);
  for (; item.emitted < item.view.alerts.size(); ++item.emitted) {
    Expected alert = item.view.alerts[item.emitted];
    alert.item = item.id;
    alert.key = item.key;
    alert.flow = item.flow->name;
    model_plain_.push(alert);
    model_audit_.push(alert);
    ++raised_;
  }
  if (item.view.state != WARDEN_STATE_CLOSED) return;
  model_plain_.closed(item.id, item.view, item.key, item.flow->name);
  model_audit_.closed(item.id, item.view, item.key, item.flow->name);
  ++closed_[item.view.verdict];
  const Nanos until = std::max(item.view.closed_at, clock_) + item.flow->dedupe;
  stones_[name] = {item.view.verdict, false, until / kS + 1, item.incarnation};
  open_.erase(name);
}

Driver::Told Driver::accept(Tracked& item, const Event& event, const Ask& ask, std::int32_t code) {
  Told told;
  item.history.push_back(event);
  if (ask.with.seq != 0) item.seq = ask.with.seq;
  const Name name = ask.name;
  const View after = replay(*item.flow, item.history);
  fill(told, after);
  told.code = code;
  settle(name);
  return told;
}

Driver::Told Driver::open_item(const Ask& ask, bool begins) {
  Told told;
  const auto& flow = newest_.at(ask.name.first);
  if (ask.with.incarnation != 0 || ask.with.token != 0) {
    told.code = WARDEN_E_FENCED;
    return told;
  }
  if (begins) told.code = check_dues(*flow, ask.with.dues);
  if (told.code < 0) return told;
  Tracked item;
  item.id = next_id_++;
  item.flow = flow;
  item.key = ask.name.second;
  item.payload = ask.payload;
  item.seq = ask.with.seq;
  item.history.push_back({.what = Event::created, .at = ask.with.at, .ttl = ask.with.ttl});
  if (begins) {
    item.history.push_back({.what = Event::begun, .at = ask.with.at, .dues = given(ask.with)});
  }
  ++created_;
  open_[ask.name] = std::move(item);
  settle(ask.name);
  fill(told, open_.at(ask.name).view);
  told.code = WARDEN_NEW;
  return told;
}

Driver::Told Driver::refuse(const Tracked& item, std::int32_t code) {
  Told told;
  fill(told, item.view);
  told.code = code;
  return told;
}

// Verbs that ask for the item's state are answered with it; the others, that it is done.
std::int32_t Driver::when_closed(Ask::Verb verb) {
  const bool tells_closed =
      verb == Ask::mark || verb == Ask::touch || verb == Ask::extend_by || verb == Ask::extend_to;
  return tells_closed ? WARDEN_CLOSED : WARDEN_ALREADY_DONE;
}

Driver::Told Driver::change(const Ask& ask, Tracked& item) {
  const With& with = ask.with;
  const bool opens = ask.verb == Ask::submit || ask.verb == Ask::track;
  if (opens && ask.payload != item.payload) return refuse(item, WARDEN_E_CONFLICT);
  if (with.incarnation != 0 && with.incarnation != item.incarnation) {
    return refuse(item, WARDEN_E_FENCED);
  }
  if (with.seq != 0 && with.seq <= item.seq) {
    return refuse(item, opens ? WARDEN_EXISTING : WARDEN_ALREADY);
  }
  if (with.token != 0 && with.token != item.token) return refuse(item, WARDEN_E_FENCED);

  // What the item is at this event's instant, before the event.
  std::vector<Event> history = item.history;
  const Event seen{.what = Event::seen, .at = with.at};
  history.push_back(seen);
  const View now = replay(*item.flow, history);
  if (now.state == WARDEN_STATE_CLOSED) {
    Ask unspent = ask;
    unspent.with.seq = 0;
    return accept(item, seen, unspent, when_closed(ask.verb));
  }
  return apply(ask, item, now);
}

// The event itself, on an item that is open at its instant.
Driver::Told Driver::apply(const Ask& ask, Tracked& item, const View& now) {
  const With& with = ask.with;
  const bool live = now.state == WARDEN_STATE_LIVE;
  const Event seen{.what = Event::seen, .at = with.at};
  switch (ask.verb) {
    case Ask::submit:
      return accept(item, seen, ask, WARDEN_EXISTING);
    case Ask::track:
    case Ask::exec: {
      const bool track = ask.verb == Ask::track;
      if (live) return accept(item, seen, ask, track ? WARDEN_EXISTING : WARDEN_ALREADY_ARMED);
      if (const std::int32_t code = check_dues(*item.flow, with.dues); code < 0) {
        return refuse(item, code);
      }
      const Event begun{.what = Event::begun, .at = with.at, .dues = given(with)};
      return accept(item, begun, ask, track ? WARDEN_EXISTING : WARDEN_ARMED);
    }
    case Ask::mark: {
      if (!live) return refuse(item, WARDEN_E_BAD_STATE);
      if (const std::int32_t code = check_dues(*item.flow, with.dues); code < 0) {
        return refuse(item, code);
      }
      if (!item.flow->takes(ask.arg)) return refuse(item, WARDEN_E_UNKNOWN_STAGE);
      const Event marked{
          .what = Event::marked, .at = with.at, .name = ask.arg, .dues = given(with)};
      Told told = accept(item, marked, ask, WARDEN_OK);
      if (told.state == WARDEN_STATE_CLOSED) told.code = WARDEN_CLOSED;
      return told;
    }
    case Ask::touch:
      if (!live) return refuse(item, WARDEN_E_BAD_STATE);
      return accept(item, {.what = Event::touched, .at = with.at}, ask, WARDEN_OK);
    case Ask::extend_by:
    case Ask::extend_to:
      return extend(ask, item, now);
    case Ask::complete: {
      const Nanos missed = live ? now.earliest_missed() : kNone;
      Told told = accept(item, {.what = Event::completed, .at = with.at}, ask,
                         missed == kNone ? WARDEN_ON_TIME : WARDEN_LATE);
      if (missed != kNone) told.late = now.own - missed;
      return told;
    }
    case Ask::cancel:
      return accept(item, {.what = Event::cancelled, .at = with.at}, ask, WARDEN_OK);
  }
  return {};
}

Driver::Told Driver::extend(const Ask& ask, Tracked& item, const View& now) {
  const RuleDef* rule = item.flow->find(ask.arg);
  if (rule == nullptr) return refuse(item, WARDEN_E_UNKNOWN_RULE);
  if (now.state != WARDEN_STATE_LIVE) return refuse(item, WARDEN_E_BAD_STATE);
  const RuleState& state = now.rules[static_cast<std::size_t>(rule - item.flow->rules.data())];
  if (!state.armed) return refuse(item, WARDEN_E_BAD_STATE);
  const Nanos wanted = ask.verb == Ask::extend_by ? state.deadline + ask.amount : ask.amount;
  Nanos to = wanted;
  if (rule->cap != 0 && wanted > state.deadline) {
    to = std::min(wanted, std::max(state.deadline, state.first_armed + rule->cap));
  }
  const Event extended{.what = Event::extended, .at = ask.with.at, .name = ask.arg, .to = to};
  Told told = accept(item, extended, ask, to == wanted ? WARDEN_OK : WARDEN_CAPPED);
  told.deadline = to;
  return told;
}

Driver::Told Driver::ask_model(const Ask& ask) {
  Told told;
  const bool opens = ask.verb == Ask::submit || ask.verb == Ask::track;
  if (remembered(ask.name, ask.with.at)) {
    const Stone& stone = stones_.at(ask.name);
    told.state = WARDEN_STATE_CLOSED;
    told.verdict = stone.verdict;
    if (opens) {
      told.code = stone.early ? WARDEN_DONE_EARLY : WARDEN_ALREADY_DONE;
    } else if (ask.with.incarnation != 0 && ask.with.incarnation != stone.incarnation) {
      told.code = WARDEN_E_FENCED;
    } else {
      told.code = when_closed(ask.verb);
    }
    return told;
  }
  const auto found = open_.find(ask.name);
  if (found != open_.end()) return change(ask, found->second);
  if (opens) return open_item(ask, ask.verb == Ask::track);
  told.code = WARDEN_E_UNKNOWN_ITEM;
  if (ask.verb == Ask::complete && ask.with.allow_early) {
    if (ask.with.incarnation != 0 || ask.with.token != 0) {
      told.code = WARDEN_E_FENCED;
      return told;
    }
    told.code = WARDEN_RECORDED_EARLY;
    told.state = WARDEN_STATE_CLOSED;
    told.verdict = WARDEN_VERDICT_DONE;
    const Nanos until = std::max(ask.with.at, clock_) + newest_.at(ask.name.first)->dedupe;
    stones_[ask.name] = {WARDEN_VERDICT_DONE, true, until / kS + 1, 0};
    ++early_;
  }
  return told;
}

}  // namespace warden::test
