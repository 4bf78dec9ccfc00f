// SPDX-License-Identifier: Apache-2.0
//
// See record_view.hpp.
#include "cli/record_view.hpp"

#include <fmt/format.h>

#include "cli/instant.hpp"
#include "cli/item_view.hpp"
#include "cli/text.hpp"
#include "engine/freed_part.hpp"
#include "engine/owed_record.hpp"

namespace warden::cli {
namespace {

using engine::FlowVersion;
using engine::Reader;
using engine::StateRecord;
using Json = nlohmann::ordered_json;
using log::RecordType;

constexpr std::size_t kLineMost = 160;

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Json instant(Nanos at) {
  return at == kNoTime || at == kNever ? Json() : Json(format_instant(at));
}

void put_bytes(Json& out, const std::string& name, std::string_view bytes) {
  const bool text = first_non_text_byte(bytes) == bytes.size();
  out[text ? name : name + "_hex"] = text ? std::string(bytes) : hex(bytes);
}

std::string hash_text(const Hash128& hash) {
  return fmt::format("{:016x}{:016x}", hash.high, hash.low);
}

const char* state_name(const StateRecord& record) {
  if (record.early) return "early";
  switch (record.state) {
    case index::State::submitted:
      return "submitted";
    case index::State::live:
      return "live";
    case index::State::closed:
      return "closed";
    case index::State::none:
      break;
  }
  return "none";
}

const char* verdict_name(index::Verdict verdict) {
  constexpr const char* kNames[] = {"none", "done", "cancelled", "expired"};
  return raw(verdict) < std::size(kNames) ? kNames[raw(verdict)] : "unknown";
}

const char* kind_name(alert::Kind kind) {
  switch (kind) {
    case alert::Kind::warn:
      return "WARN";
    case alert::Kind::breach:
      return "BREACH";
    case alert::Kind::escalation:
      return "ESCALATION";
    case alert::Kind::expired:
      return "EXPIRED";
    case alert::Kind::suspicious:
      return "SUSPICIOUS";
    case alert::Kind::resolved:
      return "RESOLVED";
  }
  return "unknown";
}

std::string stage_name(const FlowVersion& flow, flow::StageNo stage) {
  return std::string(flow.stages.name(stage));
}

std::string rule_name(const FlowVersion& flow, std::size_t rule) {
  return rule < flow.def.rules.size() ? flow.def.rules[rule].name : std::string();
}

Json rules_json(const FlowVersion& flow, const StateRecord& record) {
  constexpr const char* kStatus[] = {"resting", "armed", "met", "ttl"};
  Json out = Json::array();
  for (std::size_t i = 0; i < record.slots.size(); ++i) {
    const flow::RuleSlot& slot = record.slots[i];
    Json one{{"rule", rule_name(flow, i)}, {"status", kStatus[raw(slot.status)]}};
    if (slot.status != flow::RuleStatus::resting) {
      one["level"] = slot.level;
      one["arming"] = slot.arming;
      one["stage"] = stage_name(flow, slot.stage);
      one["deadline"] = instant(slot.deadline);
      one["armed_at"] = instant(slot.armed_at);
    }
    out.push_back(one);
  }
  return out;
}

Json alert_json(const FlowVersion& flow, const engine::RaisedRecord& one) {
  constexpr const char* kSeverity[] = {"none", "info", "warning", "error", "critical"};
  return {{"rule", rule_name(flow, one.reached.rule)},
          {"kind", kind_name(one.kind)},
          {"level", one.reached.level},
          {"severity", kSeverity[raw(one.reached.severity)]},
          {"arming", one.reached.arming},
          {"stage", stage_name(flow, one.reached.stage)},
          {"armed_stage", stage_name(flow, one.reached.armed_stage)},
          {"deadline", instant(one.reached.deadline)},
          {"raised", instant(one.reached.raised)},
          {"detected", instant(one.detected)}};
}

Json raised_json(const FlowVersion& flow, const StateRecord& record) {
  Json out = Json::array();
  for (const engine::RaisedRecord& one : record.raised) out.push_back(alert_json(flow, one));
  return out;
}

bool put_state(const RecordNames& names, Reader& in, Json& out) {
  StateRecord record;
  const auto flow_of = [&](std::uint64_t number) { return names.flow(number); };
  if (!engine::decode_state(in, flow_of, record)) return false;
  const FlowVersion& flow = *names.flow(record.flow);
  out["flow"] = flow.def.name;
  out["flow_version"] = record.flow;
  out["state"] = state_name(record);
  if (record.state == index::State::closed) {
    out["verdict"] = verdict_name(record.verdict);
    out["key_hash"] = hash_text(record.key);
  }
  out["at"] = instant(record.at);
  out["stage"] = stage_name(flow, record.stage);
  out["seq"] = record.seq;
  out["tries"] = record.tries;
  out["alerts"] = record.alerts;
  if (record.state != index::State::closed) {
    out["rules"] = rules_json(flow, record);
    Json seen = Json::array();
    for (std::size_t stage = 0; stage < flow.def.stages.size(); ++stage) {
      const bool set =
          stage / 64 < record.seen.size() && (record.seen[stage / 64] >> stage % 64 & 1) != 0;
      if (set) seen.push_back(stage_name(flow, static_cast<flow::StageNo>(stage)));
    }
    out["seen"] = seen;
  }
  out["raised"] = raised_json(flow, record);
  return true;
}

bool put_body(const RecordNames& names, Reader& in, Json& out) {
  in.varint();
  const auto created = static_cast<Nanos>(in.word());
  const std::string_view key = in.text();
  const std::string_view payload = in.text();
  if (in.failed()) return false;
  put_bytes(out, "key", key);
  out["created"] = instant(created);
  out["payload_bytes"] = payload.size();
  put_bytes(out, "payload", payload);
  return put_state(names, in, out);
}

bool put_past(const RecordNames& names, Reader& in, Json& out) {
  const std::uint64_t number = in.varint();
  const std::string_view key = in.text();
  const std::string_view payload = in.text();
  const FlowVersion* flow = names.flow(number);
  put_bytes(out, "key", key);
  out["payload_bytes"] = payload.size();
  put_bytes(out, "payload", payload);
  out["flow"] = flow == nullptr ? std::string() : flow->def.name;
  out["flow_version"] = number;
  return !in.failed();
}

bool put_owed(const RecordNames& names, Reader& in, Json& out) {
  engine::OwedRecord record;
  const auto flow_of = [&](std::uint64_t number) { return names.flow(number); };
  if (!engine::decode_owed(in, flow_of, record)) return false;
  const FlowVersion& flow = *names.flow(record.flow);
  out["flow"] = flow.def.name;
  out["flow_version"] = record.flow;
  out["closed"] = record.closed;
  out["at"] = instant(record.at);
  Json held = Json::array();
  for (const engine::OwedRecord::Held& one : record.held) {
    Json alert = alert_json(flow, one.raised);
    alert["tries"] = one.tries;
    alert["unclaimed"] = one.unclaimed;
    alert["holders"] = Json::array();
    for (const std::uint64_t holder : one.holders) {
      alert["holders"].push_back(names.consumer(holder));
    }
    held.push_back(alert);
  }
  out["held"] = held;
  Json told = Json::array();
  for (const engine::OwedRecord::Told& one : record.told) {
    told.push_back({{"consumer", names.consumer(one.consumer)},
                    {"rule", rule_name(flow, one.rule)},
                    {"arming", one.arming},
                    {"armed_stage", stage_name(flow, one.armed_stage)},
                    {"deadline", instant(one.deadline)},
                    {"newest", hash_text(one.newest)}});
  }
  out["told"] = told;
  return true;
}

bool put_stones(Reader& in, Json& out) {
  Json stones = Json::array();
  while (!in.at_end()) {
    const Hash128 key = in.hash();
    const std::uint64_t incarnation = in.word();
    const std::uint64_t expires = in.varint();
    const std::uint8_t verdict = in.byte();
    if (in.failed()) return false;
    stones.push_back(
        {{"key_hash", hash_text(key)},
         {"incarnation", incarnation},
         {"expires_s", expires},
         {"verdict", verdict_name(index::Verdict{static_cast<std::uint8_t>(verdict & 15)})},
         {"early", verdict >> 4 != 0}});
  }
  out["stones"] = stones;
  return true;
}

bool put_totals(Reader& in, Json& out) {
  engine::Totals totals;
  if (!engine::decode_totals(in, totals)) return false;
  out["submitted"] = totals.submitted;
  out["done"] = totals.done;
  out["cancelled"] = totals.cancelled;
  out["expired"] = totals.expired;
  out["early"] = totals.early;
  out["alerts"] = totals.alerts;
  return true;
}

bool put_consumer(Reader& in, Json& out) {
  constexpr const char* kStart[] = {"now", "oldest", "unacked"};
  engine::ConsumerRecord record;
  if (!engine::decode_consumer(in, record)) return false;
  out["name"] = record.name;
  out["deleted"] = record.deleted;
  out["start"] = kStart[raw(record.options.start)];
  out["audit"] = record.options.audit;
  out["early"] = record.options.early;
  out["min_severity"] = record.options.min_severity;
  out["lease_ns"] = record.options.lease;
  out["flow"] = record.options.flow;
  out["rule"] = record.options.rule;
  return true;
}

bool put_ack(const RecordNames& names, std::uint64_t number, Reader& in, Json& out) {
  const std::uint64_t consumer = number & ~engine::kWithdrawnBit;
  out["consumer"] = names.consumer(consumer);
  out["withdrawn"] = consumer == 0 || consumer != number;
  Json alerts = Json::array();
  while (!in.at_end()) {
    const std::uint64_t incarnation = in.word();
    const Hash128 id = in.hash();
    if (in.failed()) return false;
    alerts.push_back({{"incarnation", incarnation}, {"id", hash_text(id)}});
  }
  out["alert_ids"] = alerts;
  return true;
}

bool put_stage_name(const RecordNames& names, std::uint64_t number, Reader& in, Json& out) {
  const FlowVersion* flow = names.flow(number >> 16);
  out["flow"] = flow == nullptr ? std::string() : flow->def.name;
  out["flow_version"] = number >> 16;
  out["stage_number"] = number & 0xffff;
  out["stage"] = in.text();
  return !in.failed();
}

bool put_flow(const RecordNames& names, std::uint64_t number, Reader& in, Json& out) {
  const FlowVersion* flow = names.flow(number);
  out["flow"] = flow == nullptr ? std::string() : flow->def.name;
  out["flow_version"] = number;
  if (flow != nullptr) out["version"] = hash_text(flow->def.version);
  out["text"] = in.text();
  return !in.failed();
}

bool put_content(const RecordNames& names, RecordType type, std::uint64_t incarnation, Reader& in,
                 Json& out) {
  switch (type) {
    case RecordType::body:
    case RecordType::item:
      return put_body(names, in, out);
    case RecordType::past:
      return put_past(names, in, out);
    case RecordType::owed:
      return put_owed(names, in, out);
    case RecordType::stones:
      return put_stones(in, out);
    case RecordType::totals:
      return put_totals(in, out);
    case RecordType::state:
      return put_state(names, in, out);
    case RecordType::flow:
      return put_flow(names, incarnation, in, out);
    case RecordType::stage_name:
      return put_stage_name(names, incarnation, in, out);
    case RecordType::consumer:
      return put_consumer(in, out);
    case RecordType::ack:
      return put_ack(names, incarnation, in, out);
    case RecordType::anchor:
      out["at"] = instant(static_cast<Nanos>(in.word()));
      return !in.failed();
    default:
      return false;  // of types that this version does not write
  }
}

}  // namespace

const char* type_name(RecordType type) {
  switch (type) {
    case RecordType::body:
      return "body";
    case RecordType::state:
      return "state";
    case RecordType::step:
      return "step";
    case RecordType::alert:
      return "alert";
    case RecordType::flow:
      return "flow";
    case RecordType::consumer:
      return "consumer";
    case RecordType::meta:
      return "meta";
    case RecordType::anchor:
      return "anchor";
    case RecordType::audit:
      return "audit";
    case RecordType::ack:
      return "ack";
    case RecordType::stage_name:
      return "stage-name";
    case RecordType::item:
      return "item";
    case RecordType::past:
      return "past";
    case RecordType::owed:
      return "owed";
    case RecordType::stones:
      return "stones";
    case RecordType::totals:
      return "totals";
    case RecordType::pad:
      return "pad";
    case RecordType::none:
      break;
  }
  return "unknown";
}

RecordNames::RecordNames() : flows_(engine::FlowTable::make()) {}

Error RecordNames::apply(Lsn, RecordType type, std::uint64_t incarnation,
                         std::span<const std::byte> content) {
  try {
    Reader in(content);
    if (type == RecordType::flow) {
      // One that does not fit is told as it is; so are the records of its items.
      if (flows_->restore(in.text(), incarnation).code == Code::no_memory) throw std::bad_alloc();
    } else if (type == RecordType::stage_name) {
      const FlowVersion* flow = flows_->find_version(incarnation >> 16);
      if (flow == nullptr) return {};
      flows_->version(flow->number).stages.find_or_add(in.text(), [](flow::StageNo) {});
    } else if (type == RecordType::consumer) {
      engine::ConsumerRecord record;
      // Of a deleted one the name stays: it may have acknowledged before.
      if (engine::decode_consumer(in, record)) consumers_[incarnation] = record.name;
    }
    return {};
  } catch (const std::bad_alloc&) {
    return Error{Code::no_memory, "out of memory while the log was read"};
  }
}

std::string RecordNames::consumer(std::uint64_t number) const {
  const auto found = consumers_.find(number);
  return found == consumers_.end() ? std::string() : found->second;
}

Json record_json(const RecordNames& names, RecordType type, std::uint64_t incarnation,
                 std::span<const std::byte> content) {
  Reader in(content);
  Json out = Json::object();
  if (put_content(names, type, incarnation, in, out)) return out;
  return {{"content_hex", hex(text_of(content))}};
}

std::string record_text(const RecordNames& names, RecordType type, std::uint64_t incarnation,
                        std::span<const std::byte> content) {
  const Json of = record_json(names, type, incarnation, content);
  std::string out;
  for (const auto& [name, value] : of.items()) {
    const bool plain = value.is_string() || value.is_number() || value.is_boolean();
    const bool told = name != "text" && name != "payload" && name != "payload_hex";
    if (value.is_array() && !value.empty() && name != "rules" && name != "seen") {
      out += fmt::format(" {}={}", name, value.size());
    }
    if (!plain || !told || value == "" || value == 0 || value == false) continue;
    const std::string shown = value.is_string() ? value.get<std::string>() : value.dump();
    out += fmt::format(" {}={}", name, one_line(shown));
  }
  if (out.size() > kLineMost) out = out.substr(0, kLineMost) + "...";
  return out.empty() ? out : out.substr(1);
}

}  // namespace warden::cli
