// SPDX-License-Identifier: Apache-2.0
#include "engine/owed_record.hpp"

#include <unordered_map>

namespace warden::engine {
namespace {

// Held entries of one alert are found again by its address.
using Places = std::unordered_map<const alert::Alert*, std::size_t>;

std::uint16_t rule_number(const FlowVersion& flow, std::string_view rule) noexcept {
  const int found = flow.find_rule(rule);
  return found < 0 ? 0xffff : static_cast<std::uint16_t>(found);
}

flow::StageNo stage_number(const FlowVersion& flow, std::string_view stage) noexcept {
  return stage.empty() ? flow::kNoStage : flow.stages.find(stage);
}

RaisedRecord raised_of(const FlowVersion& flow, const alert::Alert& alert) noexcept {
  RaisedRecord out;
  out.reached.rule = rule_number(flow, alert.rule);
  out.reached.level = alert.level;
  out.reached.severity = flow::Severity{alert.severity};
  out.reached.arming = alert.arming;
  out.reached.armed_stage = stage_number(flow, alert.armed_stage);
  out.reached.stage = stage_number(flow, alert.stage);
  out.reached.deadline = alert.deadline;
  out.reached.raised = alert.raised;
  out.kind = alert.kind;
  out.detected = alert.detected;
  return out;
}

// A RESOLVED stands for the incident whose end its holder has yet to be told.
void add_resolved(const FlowVersion& flow, const alert::Alert& resolved, std::uint64_t holder,
                  OwedRecord& out) {
  out.at = resolved.raised;
  out.closing_stage = stage_number(flow, resolved.stage);
  out.closing_tries = resolved.tries;
  out.told.push_back({holder, rule_number(flow, resolved.rule), resolved.severity,
                      stage_number(flow, resolved.armed_stage), resolved.arming, resolved.deadline,
                      resolved.resolves});
}

void encode_held(Writer& out, const OwedRecord::Held& held, Nanos at) {
  encode_raised(out, held.raised, at);
  out.varint(held.tries);
  out.byte(held.unclaimed ? 1 : 0);
  out.varint(held.holders.size());
  for (const std::uint64_t holder : held.holders) out.varint(holder);
}

void encode_told(Writer& out, const OwedRecord::Told& told, Nanos at) {
  out.varint(told.consumer);
  out.varint(told.rule == 0xffff ? 0 : std::uint64_t{told.rule} + 1);
  out.varint(told.arming);
  out.varint(stage_code(told.armed_stage));
  out.byte(told.severity);
  out.delta(told.deadline, at);
  out.hash(told.newest);
}

bool decode_held(Reader& in, const FlowVersion& flow, Nanos at, OwedRecord::Held& out) {
  if (!decode_raised(in, flow, at, out.raised)) return false;
  out.tries = static_cast<std::uint32_t>(in.varint());
  out.unclaimed = in.byte() != 0;
  out.holders.clear();
  for (std::uint64_t left = in.varint(); left > 0 && !in.failed(); --left) {
    out.holders.push_back(in.varint());
  }
  return !in.failed();
}

bool decode_told(Reader& in, const FlowVersion& flow, Nanos at, OwedRecord::Told& out) {
  out.consumer = in.varint();
  const std::uint64_t rule = in.varint();
  out.rule = rule == 0 ? 0xffff : static_cast<std::uint16_t>(rule - 1);
  out.arming = static_cast<std::uint32_t>(in.varint());
  const bool known = stage_of(in.varint(), flow, out.armed_stage);
  out.severity = in.byte();
  out.deadline = in.delta(at);
  out.newest = in.hash();
  return known && rule <= flow.def.rules.size() && out.severity <= raw(flow::Severity::critical) &&
         !in.failed();
}

OwedNames::Name name_of(const OwedRecord::Held& held) noexcept {
  return {held.raised.reached.rule, held.raised.reached.arming, held.raised.reached.level};
}
OwedNames::Name name_of(const OwedRecord::Told& told) noexcept {
  return {told.rule, told.arming, told.consumer};
}

}  // namespace

void OwedRecord::leave_out(const OwedNames& names) {
  if (!names.held.empty()) {
    std::erase_if(held, [&](const Held& one) { return names.held.contains(name_of(one)); });
  }
  if (!names.told.empty()) {
    std::erase_if(told, [&](const Told& one) { return names.told.contains(name_of(one)); });
  }
}

void OwedRecord::note(std::size_t held_count, std::size_t told_count, OwedNames& names) const {
  for (std::size_t i = 0; i < held_count; ++i) names.held.insert(name_of(held[i]));
  for (std::size_t i = 0; i < told_count; ++i) names.told.insert(name_of(told[i]));
}

void collect_owed(const alert::Hub::Owings& hub, const Consumers& consumers,
                  const FlowVersion& flow, std::uint64_t incarnation, bool closed,
                  OwedRecord& out) {
  out = OwedRecord();
  out.flow = flow.number;
  out.closed = closed;
  Places places;
  hub.for_each_held(incarnation, [&](const alert::Alert& alert, const alert::Consumer* consumer) {
    const std::uint64_t holder = consumer == nullptr ? 0 : consumers.number_of(consumer->name());
    if (alert.kind == alert::Kind::resolved) {
      add_resolved(flow, alert, holder, out);
      return;
    }
    const auto [place, fresh] = places.emplace(&alert, out.held.size());
    if (fresh) {
      out.held.push_back({raised_of(flow, alert), alert.tries, false, {}});
      if (!closed) out.at = alert.detected;
    }
    OwedRecord::Held& held = out.held[place->second];
    if (consumer == nullptr) {
      held.unclaimed = true;
    } else {
      held.holders.push_back(holder);
    }
  });
  hub.for_each_told(incarnation, [&](const alert::Consumer& consumer, const alert::Told& told) {
    out.told.push_back({consumers.number_of(consumer.name()), rule_number(flow, told.rule),
                        told.severity, stage_number(flow, told.armed_stage), told.arming,
                        told.deadline, told.newest});
  });
}

void encode_owed(Writer& out, const OwedRecord& record, std::size_t most, std::size_t& held_from,
                 std::size_t& told_from) {
  Writer list;
  std::size_t held = 0;
  std::size_t told = 0;
  for (; held_from < record.held.size() && (held == 0 || list.bytes().size() < most); ++held) {
    encode_held(list, record.held[held_from++], record.at);
  }
  Writer second;
  for (; told_from < record.told.size() &&
         (told == 0 || list.bytes().size() + second.bytes().size() < most);
       ++told) {
    encode_told(second, record.told[told_from++], record.at);
  }
  out.varint(record.flow);
  out.byte(record.closed ? 1 : 0);
  out.word(static_cast<std::uint64_t>(record.at));
  if (record.closed) {
    out.varint(stage_code(record.closing_stage));
    out.varint(record.closing_tries);
  }
  out.varint(held);
  out.append(list.bytes());
  out.varint(told);
  out.append(second.bytes());
}

bool decode_owed_body(Reader& in, const FlowVersion& flow, OwedRecord& out) {
  const std::uint8_t closed = in.byte();
  out.closed = closed != 0;
  out.at = static_cast<Nanos>(in.word());
  if (closed > 1) return false;
  if (out.closed) {
    if (!stage_of(in.varint(), flow, out.closing_stage)) return false;
    out.closing_tries = static_cast<std::uint32_t>(in.varint());
  }
  out.held.clear();
  for (std::uint64_t left = in.varint(); left > 0; --left) {
    if (!decode_held(in, flow, out.at, out.held.emplace_back())) return false;
  }
  out.told.clear();
  for (std::uint64_t left = in.varint(); left > 0; --left) {
    if (!decode_told(in, flow, out.at, out.told.emplace_back())) return false;
  }
  return !in.failed() && in.at_end();
}

}  // namespace warden::engine
