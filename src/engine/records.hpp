// SPDX-License-Identifier: Apache-2.0
//
// The contents of the engine's records (docs/log-format.md has the layout in
// bytes). All numbers are varints unless said otherwise; names of stages and rules
// are their numbers in the flow's version.
//
//   BODY        flow, created (word), key, payload, STATE        the item comes to be
//   STATE       what the item is after a change, alerts raised by it included
//   FLOW        text; the record's incarnation is the version's number
//   STAGE_NAME  name; incarnation = version << 16 | number       stages = "any"
//   CONSUMER    options, name; incarnation = consumer's number; deleted: flag
//   ACK         (incarnation word, alert id)*; incarnation = consumer's number, with
//               kWithdrawnBit if its item closed before they were handed out there
//   ANCHOR      engine time of a manual clock (word)
// What the cleaner writes of what lives in a segment that is about to go:
//   ITEM        as BODY: the item as it is now, without alerts
//   PAST        flow, key, payload: of a closed item of which alerts are still owed
//   OWED        which, and to whom (owed_record.hpp); behind the item's BODY, ITEM or PAST
//   STONES      (hash, incarnation word, expiry in seconds, verdict | early << 4)*, of
//               one lane; incarnation = lane << 10
//   TOTALS      submitted, done, cancelled, expired, early, alerts (freed_part.hpp)
//
// STATE: flow, state | verdict << 4 (byte), at (word), stage + 1, seq, tries,
// alerts; closed: hash of flow and key; else slots and seen words; then the alerts.
// Replay is idempotent: a STATE says what is, never what is added, and an alert's
// id is made from what the record holds.
#pragma once

#include <vector>

#include "alert/alert.hpp"
#include "alert/consumer.hpp"
#include "engine/codec.hpp"
#include "engine/flow_table.hpp"
#include "index/item.hpp"

namespace warden::engine {

// State of a completion that came before its item; as index::State otherwise.
inline constexpr std::uint8_t kEarlyState = 6;

// In an ACK's consumer number: no RESOLVED follows, since nobody was told of them.
inline constexpr std::uint64_t kWithdrawnBit = std::uint64_t{1} << 63;

// An alert as a STATE record holds it.
struct RaisedRecord {
  flow::Reached reached;
  alert::Kind kind;
  Nanos detected;
};

struct StateRecord {
  std::uint16_t flow = 0;
  index::State state = index::State::none;
  index::Verdict verdict = index::Verdict::none;
  bool early = false;  // closed, and the completion came first
  Nanos at = 0;
  flow::StageNo stage = flow::kNoStage;
  std::uint64_t seq = 0;
  std::uint32_t tries = 0;
  std::uint16_t alerts = 0;
  Hash128 key;  // of a closed item
  std::vector<flow::RuleSlot> slots;
  std::vector<std::uint64_t> seen;
  std::vector<RaisedRecord> raised;
};

struct ConsumerRecord {
  bool deleted = false;
  alert::ConsumerOptions options;
  std::string name;
};

void encode_raised(Writer& out, const RaisedRecord& raised, Nanos at);
bool decode_raised(Reader& in, const FlowVersion& flow, Nanos at, RaisedRecord& out) noexcept;
// A stage as a number that has room for "none"; false if the flow can have no such stage.
// Of stages = "any" it may be one whose name was not read, or is lost.
std::uint64_t stage_code(flow::StageNo stage) noexcept;
bool stage_of(std::uint64_t code, const FlowVersion& flow, flow::StageNo& stage) noexcept;
void encode_slot(Writer& out, const flow::RuleSlot& slot, Nanos at);

// False: the bytes are no such record (`out` is then of no use). `flow_of` gives the
// version by number, or null.
template <class FlowOf>
bool decode_state(Reader& in, FlowOf&& flow_of, StateRecord& out);
bool decode_state_head(Reader& in, StateRecord& out);
bool decode_state_body(Reader& in, const FlowVersion& flow, StateRecord& out);
// Whether all stages that it names are known: their records come before it in the log.
bool stages_known(const FlowVersion& flow, const StateRecord& record) noexcept;

void encode_consumer(Writer& out, const ConsumerRecord& record);
bool decode_consumer(Reader& in, ConsumerRecord& out);

template <class FlowOf>
bool decode_state(Reader& in, FlowOf&& flow_of, StateRecord& out) {
  if (!decode_state_head(in, out)) return false;
  const FlowVersion* flow = flow_of(out.flow);
  return flow != nullptr && decode_state_body(in, *flow, out);
}

}  // namespace warden::engine
