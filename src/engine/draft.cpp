// SPDX-License-Identifier: Apache-2.0
#include "engine/draft.hpp"

#include <cstring>
#include <limits>

#include "engine/alert_id.hpp"

namespace warden::engine {

using flow::RuleStatus;
using index::State;
using index::Verdict;

Draft::Draft(alert::Hub& hub, const StoreId& id, FlowVersion& version,
             const index::Item& item) noexcept
    : flow(version), blob(item.blob), incarnation(item.incarnation), seq(item.seq), at(item.at),
      tries(item.tries), alerts(item.alerts), state(item.state), hub_(hub), id_(id),
      subject_{&version.def, reinterpret_cast<flow::RuleSlot*>(state_ + version.slots_at),
               flow::StageSet(reinterpret_cast<std::uint64_t*>(state_ + version.seen_at)),
               item.stage} {
  std::memcpy(state_, blob->state(), version.state_len);
}

Draft::Draft(alert::Hub& hub, const StoreId& id, FlowVersion& version, Blob* own,
             std::uint64_t number) noexcept
    : flow(version), blob(own), incarnation(number), hub_(hub), id_(id),
      subject_{&version.def, reinterpret_cast<flow::RuleSlot*>(state_ + version.slots_at),
               flow::StageSet(reinterpret_cast<std::uint64_t*>(state_ + version.seen_at)),
               flow::kNoStage} {
  std::memset(state_, 0, version.state_len);
}

Draft::~Draft() {
  for (const Raised& one : alerts_) hub_.discard(one.alert);
}

void fill_alert(alert::Alert& alert, const AlertSource& of, const RaisedRecord& raised) noexcept {
  const flow::Reached& reached = raised.reached;
  const flow::Definition& def = of.flow.def;
  const bool has_rule = reached.rule < def.rules.size();
  const std::string_view rule = has_rule ? def.rules[reached.rule].name : std::string_view{};
  const IncidentOf incident{of.id.uuid,     def.name, of.blob->key(),
                            of.incarnation, rule,     reached.arming};
  alert.id = alert_id(incident, reached.level);
  alert.incident = incident_id(incident);
  alert.incarnation = of.incarnation;
  alert.token = of.tries == 0 ? 0 : of.incarnation + of.tries;
  alert.deadline = reached.deadline;
  alert.raised = reached.raised;
  alert.detected = raised.detected;
  alert.flow = def.name;
  alert.rule = rule;
  alert.stage = of.flow.stages.name(reached.stage);
  alert.armed_stage = of.flow.stages.name(reached.armed_stage);
  alert.arming = reached.arming;
  alert.tries = of.tries;
  alert.kind = raised.kind;
  alert.level = reached.level;
  alert.severity = static_cast<std::uint8_t>(reached.severity);
  alert.blob = of.blob;
  of.blob->ref();
}

void Draft::raise(const flow::Reached& reached, alert::Kind kind, flow::Instant now) {
  alerts_.reserve(alerts_.size() + 1);  // so that push_back cannot throw
  alert::Alert* one = hub_.make();
  if (one == nullptr) throw std::bad_alloc();
  const RaisedRecord record{reached, kind, now.elapsed};
  fill_alert(*one, {id_, flow, blob, incarnation, tries}, record);
  alerts_.push_back({one, record});
  if (alerts != std::numeric_limits<std::uint16_t>::max()) ++alerts;
  changed = true;
}

void Draft::encode(Writer& out, const Hash128& key) const {
  out.varint(flow.number);
  out.byte(static_cast<std::uint8_t>(raw(state) | raw(verdict) << 4));
  out.word(static_cast<std::uint64_t>(at));
  out.varint(subject_.stage == warden::flow::kNoStage ? 0 : std::uint64_t{subject_.stage} + 1);
  out.varint(seq);
  out.varint(tries);
  out.varint(alerts);
  if (state == State::closed) {
    out.hash(key);
  } else {
    for (std::size_t i = 0; i < flow.slots; ++i) encode_slot(out, subject_.slots[i], at);
    const auto* seen = reinterpret_cast<const std::uint64_t*>(state_ + flow.seen_at);
    for (std::size_t i = 0; i < flow.seen_words; ++i) out.varint(seen[i]);
  }
  out.varint(alerts_.size());
  for (const Raised& one : alerts_) encode_raised(out, one.record, at);
}

void Draft::raise_suspicious(std::size_t rule, const flow::RuleSlot& slot, flow::Instant now) {
  raise(flow::Reached{static_cast<std::uint16_t>(rule), flow::kLevelSuspicious,
                      flow::Severity::warning, slot.arming, slot.stage, subject_.stage,
                      slot.deadline, now.elapsed},
        alert::Kind::suspicious, now);
}

void Draft::pass(flow::Instant now, bool armed_now) {
  if (state != State::live) return;
  flow::pass(subject_, now, [&](flow::Reached reached) {
    // An extend keeps the first instant of arming, which its cap counts from.
    if (armed_now) reached.raised = flow::now_of(flow.def.rules[reached.rule], now);
    raise(reached,
          reached.level == flow::kLevelWarn     ? alert::Kind::warn
          : reached.level == flow::kLevelBreach ? alert::Kind::breach
                                                : alert::Kind::escalation,
          now);
  });
}

void Draft::submit(Nanos expires) noexcept {
  state = State::submitted;
  if (expires != kNever) {
    slots()[0].deadline = expires;
    slots()[0].armed_at = created();
    slots()[0].status = RuleStatus::ttl;
  }
  changed = true;
}

void Draft::start(flow::Instant now) {
  state = State::live;
  tries += 1;
  flow::start(subject_, now);
  changed = true;
}

void Draft::mark(flow::StageNo stage, flow::Instant now) {
  changed = true;
  if (flow::closes(subject_, stage)) {
    subject_.stage = stage;
    subject_.seen.add(stage);
    close(Verdict::done, now);
    return;
  }
  flow::mark(subject_, stage, now, [&](std::size_t rule, const flow::RuleSlot& slot) {
    raise_suspicious(rule, slot, now);
  });
}

void Draft::touch(flow::Instant now) {
  changed = true;
  flow::touch(subject_, now, [&](std::size_t rule, const flow::RuleSlot& slot) {
    raise_suspicious(rule, slot, now);
  });
}

void Draft::close(Verdict how, flow::Instant now) {
  changed = true;
  const bool counts = how == Verdict::done && state == State::live;
  flow::close(subject_, now, [&](std::size_t rule, const flow::RuleSlot& slot) {
    if (counts) raise_suspicious(rule, slot, now);
  });
  state = State::closed;
  verdict = how;
}

bool Draft::expire(flow::Instant now) {
  if (state != State::submitted) return false;
  const flow::RuleSlot& ttl = slots()[0];
  if (ttl.status != RuleStatus::ttl || ttl.deadline >= now.elapsed) return false;
  raise(flow::Reached{0xffff, flow::kLevelBreach, flow::Severity::error, 1, flow::kNoStage,
                      flow::kNoStage, ttl.deadline, ttl.deadline},
        alert::Kind::expired, now);
  close(Verdict::expired, now);
  return true;
}

void Draft::commit(index::Item& item, Lsn lsn) noexcept {
  std::memcpy(blob->state(), state_, flow.state_len);
  item.flow = flow.number;
  item.stage = subject_.stage;
  item.incarnation = incarnation;
  item.seq = seq;
  item.at = at;
  item.lsn = lsn;
  item.blob = blob;
  item.state = state;
  item.alerts = alerts;
  item.tries = tries;
  for (const Raised& one : alerts_) {
    one.alert->lsn = lsn;
    hub_.push(one.alert);
  }
  alerts_.clear();
}

Nanos Draft::next_elapsed() const noexcept {
  if (state == State::submitted) {
    return slots()[0].status == RuleStatus::ttl ? slots()[0].deadline : kNever;
  }
  return state == State::live ? flow::earliest(flow.def, slots(), false) : kNever;
}

Nanos Draft::next_wall() const noexcept {
  return state == State::live && flow.has_due ? flow::earliest(flow.def, slots(), true) : kNever;
}

}  // namespace warden::engine
