// SPDX-License-Identifier: Apache-2.0
//
// Verbs on an item under way, and those that close it.
#include "engine/change.hpp"
#include "flow/text.hpp"

namespace warden::engine {

using index::State;
using index::Verdict;

Code Store::mark_in(Entry& e, std::string_view stage, const Options& o, Result& r, After& after) {
  return change(e, o, r, after, Code::closed, [&](Draft& draft, flow::Instant now) {
    if (draft.state != State::live) return Code::bad_state;
    // Before the stage: a refused mark leaves no name of a stage behind.
    if (const Code code = check_dues(draft.flow, o); is_error(code)) return code;
    flow::StageNo number = draft.flow.stages.find(stage);
    if (number == flow::kNoStage && draft.flow.def.any_stages) {
      if (flow::find_unprintable(stage) != std::string_view::npos) return Code::invalid_argument;
      number = stage_number(e, draft.flow, stage);
    }
    if (number == flow::kNoStage) return Code::unknown_stage;
    draft.mark(number, now);
    if (const Code code = give_dues(draft, o, now); is_error(code)) return code;
    return draft.state == State::closed ? Code::closed : Code::ok;
  });
}

Code Store::mark(const Target& target, std::string_view stage, const Options& o, Result& r) {
  return with_key(target, o, Need{}, r,
                  [&](Entry& e, After& after) { return mark_in(e, stage, o, r, after); });
}

Code Store::touch(const Target& target, const Options& o, Result& r) {
  return with_key(target, o, Need{}, r, [&](Entry& e, After& after) {
    return change(e, o, r, after, Code::closed, [](Draft& draft, flow::Instant now) {
      if (draft.state != State::live) return Code::bad_state;
      draft.touch(now);
      return Code::ok;
    });
  });
}

namespace {

// Where extend may move a deadline to, at most.
Nanos latest(const flow::Rule& rule, const flow::RuleSlot& slot) noexcept {
  return rule.cap == 0 ? kNever - 1 : add_sat(slot.armed_at, rule.cap);
}

Code extend_slot(const flow::Rule& rule, flow::RuleSlot& slot, Nanos by, Nanos to,
                 Nanos& deadline) noexcept {
  if (slot.status != flow::RuleStatus::armed) return Code::bad_state;
  const Nanos wanted = to != kNoTime ? to : add_sat(slot.deadline, by);
  const Nanos moved = std::min(wanted, std::max(latest(rule, slot), slot.deadline));
  deadline = moved;
  if (moved != slot.deadline) {
    slot.deadline = moved;
    slot.arming += 1;  // its levels can be reached anew, under ids of their own
    slot.level = flow::kLevelNone;
  }
  return moved == wanted ? Code::ok : Code::capped;
}

}  // namespace

Code Store::extend(const Target& target, std::string_view rule, Nanos by, Nanos to,
                   const Options& o, Result& r) {
  if ((by == kNoTime) == (to == kNoTime)) return Code::invalid_argument;
  if (by != kNoTime && o.token == 0 && o.seq == 0) return Code::invalid_argument;
  if (by != kNoTime && (by > flow::kMaxWithin || by < -flow::kMaxWithin)) {
    return Code::out_of_range;
  }
  return with_key(target, o, Need{}, r, [&](Entry& e, After& after) {
    Nanos deadline = kNoTime;
    const Code code = change(e, o, r, after, Code::closed, [&](Draft& draft, flow::Instant) {
      const int number = draft.flow.find_rule(rule);
      if (number < 0) return Code::unknown_rule;
      if (draft.state != State::live) return Code::bad_state;
      const auto n = static_cast<std::size_t>(number);
      draft.changed = true;
      return extend_slot(draft.flow.def.rules[n], draft.slots()[n], by, to, deadline);
    });
    if (deadline != kNoTime) r.deadline = deadline;
    return code;
  });
}

Code Store::close_in(Entry& e, Verdict verdict, const Options& o, Result& r, After& after) {
  if (e.item == nullptr && e.stone == nullptr && verdict == Verdict::done && o.allow_early) {
    // Who knows an incarnation or a token means an item that is gone, not one to come.
    if (o.incarnation != 0 || o.token != 0) return Code::fenced;
    const Code code = bury_early(e, instant(o, kNoTime, false).elapsed, after);
    if (is_error(code)) return code;
    r.state = State::closed;
    r.verdict = Verdict::done;
    return code;
  }
  return change(e, o, r, after, Code::already_done, [&](Draft& draft, flow::Instant now) {
    const Nanos late =
        draft.state == State::live ? flow::lateness(draft.flow.def, draft.slots(), now) : 0;
    draft.close(verdict, now);
    if (verdict != Verdict::done) return Code::ok;
    r.late = late;
    return late == 0 ? Code::on_time : Code::late;
  });
}

Code Store::complete(const Target& target, const Options& o, Result& r) {
  return with_key(target, o, Need{0, log::ReserveFlags::closing}, r,
                  [&](Entry& e, After& after) { return close_in(e, Verdict::done, o, r, after); });
}

Code Store::cancel(const Target& target, const Options& o, Result& r) {
  return with_key(target, o, Need{0, log::ReserveFlags::closing}, r, [&](Entry& e, After& after) {
    return close_in(e, Verdict::cancelled, o, r, after);
  });
}

}  // namespace warden::engine
