// SPDX-License-Identifier: Apache-2.0
#include "engine/records.hpp"

#include <algorithm>

namespace warden::engine {

using flow::RuleSlot;
using flow::RuleStatus;

std::uint64_t stage_code(flow::StageNo stage) noexcept {
  return stage == flow::kNoStage ? 0 : std::uint64_t{stage} + 1;
}

bool stage_of(std::uint64_t code, const FlowVersion& flow, flow::StageNo& stage) noexcept {
  if (code > flow::kMaxStages) return false;
  stage = code == 0 ? flow::kNoStage : static_cast<flow::StageNo>(code - 1);
  return code == 0 || flow.stages.may_have(stage);
}

namespace {

// `escalations`: of its rule; levels beyond are none of it.
bool decode_slot(Reader& in, const FlowVersion& flow, std::size_t escalations, Nanos at,
                 RuleSlot& slot) noexcept {
  const std::uint8_t status = in.byte();
  if (status > raw(RuleStatus::ttl)) return false;
  slot = RuleSlot{};
  slot.status = RuleStatus{status};
  if (slot.status == RuleStatus::resting) return !in.failed();
  slot.level = in.byte();
  // A time to live comes from no stage; whatever number stands there says nothing.
  const bool known = stage_of(in.varint(), flow, slot.stage) || slot.status == RuleStatus::ttl;
  slot.arming = static_cast<std::uint32_t>(in.varint());
  slot.deadline = in.delta(at);
  slot.armed_at = in.delta(at);
  return known && slot.level <= flow::kLevelBreach + escalations && !in.failed();
}

bool is_raised_kind(std::uint8_t kind) noexcept {
  switch (alert::Kind{kind}) {
    case alert::Kind::warn:
    case alert::Kind::breach:
    case alert::Kind::escalation:
    case alert::Kind::expired:
    case alert::Kind::suspicious:
      return true;
    case alert::Kind::resolved:  // follows from a closing, and is in no record
      return false;
  }
  return false;
}

}  // namespace

bool decode_raised(Reader& in, const FlowVersion& flow, Nanos at, RaisedRecord& out) noexcept {
  const std::uint64_t rule = in.varint();
  out.reached.rule = rule == 0 ? 0xffff : static_cast<std::uint16_t>(rule - 1);
  out.reached.level = in.byte();
  const std::uint8_t kind = in.byte();
  out.kind = alert::Kind{kind};
  const std::uint8_t severity = in.byte();
  out.reached.severity = flow::Severity{severity};
  out.reached.arming = static_cast<std::uint32_t>(in.varint());
  const bool stage_known = stage_of(in.varint(), flow, out.reached.stage);
  const bool known = stage_of(in.varint(), flow, out.reached.armed_stage) && stage_known;
  out.reached.deadline = in.delta(at);
  out.reached.raised = in.delta(at);
  out.detected = in.delta(at);
  return known && is_raised_kind(kind) && rule <= flow.def.rules.size() &&
         severity <= raw(flow::Severity::critical) && !in.failed();
}

void encode_slot(Writer& out, const RuleSlot& slot, Nanos at) {
  out.byte(raw(slot.status));
  if (slot.status == RuleStatus::resting) return;
  out.byte(slot.level);
  out.varint(stage_code(slot.stage));
  out.varint(slot.arming);
  out.delta(slot.deadline, at);
  out.delta(slot.armed_at, at);
}

void encode_raised(Writer& out, const RaisedRecord& raised, Nanos at) {
  const flow::Reached& reached = raised.reached;
  out.varint(reached.rule == 0xffff ? 0 : std::uint64_t{reached.rule} + 1);
  out.byte(reached.level);
  out.byte(raw(raised.kind));
  out.byte(raw(reached.severity));
  out.varint(reached.arming);
  out.varint(stage_code(reached.stage));
  out.varint(stage_code(reached.armed_stage));
  out.delta(reached.deadline, at);
  out.delta(reached.raised, at);
  out.delta(raised.detected, at);
}

bool decode_state_head(Reader& in, StateRecord& out) {
  const std::uint64_t flow = in.varint();
  const std::uint8_t state = in.byte();
  out.flow = static_cast<std::uint16_t>(flow);
  out.early = (state & 15) == kEarlyState;
  out.state =
      out.early ? index::State::closed : index::State{static_cast<std::uint8_t>(state & 15)};
  out.verdict = index::Verdict{static_cast<std::uint8_t>(state >> 4)};
  const bool known = out.state == index::State::submitted || out.state == index::State::live ||
                     out.state == index::State::closed;
  return known && raw(out.verdict) <= raw(index::Verdict::expired) &&
         flow < FlowTable::kMaxVersions && !in.failed();
}

bool decode_state_body(Reader& in, const FlowVersion& flow, StateRecord& out) {
  out.at = static_cast<Nanos>(in.word());
  if (!stage_of(in.varint(), flow, out.stage)) return false;
  out.seq = in.varint();
  out.tries = static_cast<std::uint32_t>(in.varint());
  out.alerts = static_cast<std::uint16_t>(in.varint());
  out.slots.clear();
  out.seen.clear();
  if (out.state == index::State::closed) {
    out.key = in.hash();
  } else {
    out.slots.resize(flow.slots);
    for (std::size_t i = 0; i < out.slots.size(); ++i) {
      const auto& rules = flow.def.rules;
      const std::size_t escalations = i < rules.size() ? rules[i].escalate.size() : 0;
      if (!decode_slot(in, flow, escalations, out.at, out.slots[i])) return false;
    }
    out.seen.resize(flow.seen_words);
    for (std::uint64_t& word : out.seen) word = in.varint();
  }
  const std::uint64_t raised = in.varint();
  if (in.failed() || raised > 4096) return false;
  out.raised.resize(raised);
  for (RaisedRecord& one : out.raised) {
    if (!decode_raised(in, flow, out.at, one)) return false;
  }
  return !in.failed() && in.at_end();
}

bool stages_known(const FlowVersion& flow, const StateRecord& record) noexcept {
  const auto known = [&](flow::StageNo stage) {
    return stage == flow::kNoStage || flow.stages.has(stage);
  };
  return known(record.stage) &&
         std::all_of(record.slots.begin(), record.slots.end(),
                     [&](const RuleSlot& slot) {
                       return slot.status == RuleStatus::resting ||
                              slot.status == RuleStatus::ttl || known(slot.stage);
                     }) &&
         std::all_of(record.raised.begin(), record.raised.end(), [&](const RaisedRecord& one) {
           return known(one.reached.stage) && known(one.reached.armed_stage);
         });
}

void encode_consumer(Writer& out, const ConsumerRecord& record) {
  out.byte(record.deleted ? 1 : 0);
  out.byte(raw(record.options.start));
  out.byte(record.options.audit ? 1 : 0);
  out.byte(record.options.early ? 1 : 0);
  out.byte(record.options.min_severity);
  out.varint(static_cast<std::uint64_t>(record.options.lease));
  out.text(record.options.flow);
  out.text(record.options.rule);
  out.text(record.name);
}

bool decode_consumer(Reader& in, ConsumerRecord& out) {
  out.deleted = in.byte() != 0;
  const std::uint8_t start = in.byte();
  out.options.audit = in.byte() != 0;
  out.options.early = in.byte() != 0;
  out.options.min_severity = in.byte();
  out.options.lease = static_cast<Nanos>(in.varint());
  out.options.flow = in.text();
  out.options.rule = in.text();
  out.name = in.text();
  if (start > raw(alert::Start::unacked)) return false;
  out.options.start = alert::Start{start};
  return !in.failed() && in.at_end();
}

}  // namespace warden::engine
