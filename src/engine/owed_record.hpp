// SPDX-License-Identifier: Apache-2.0
//
// OWED: of an item's alerts, those that somebody has yet to acknowledge, and the
// incidents that a consumer was told of while the item is open, or has yet to be told
// the end of when it is closed. The cleaner writes it when the records that raised
// them are about to go.
//
//   flow | closed (byte) | at (word) | closed: closing stage + 1, tries
//   alerts: { raised, as in a STATE | tries | unclaimed (byte) | holders }
//   told:   { consumer | rule + 1 | arming | arming stage + 1 | severity (byte) |
//             deadline (delta) | newest alert told (hash) }
//
// Numbers are varints unless said otherwise; lists begin with their length.
//
// Applying it says what is owed of the alerts that it names, nothing of others: one
// that was raised later stands in a later record, one that nobody is owed in none.
#pragma once

#include <set>
#include <tuple>
#include <vector>

#include "alert/hub.hpp"
#include "engine/consumers.hpp"
#include "engine/draft.hpp"
#include "engine/records.hpp"

namespace warden::engine {

// What entries of one item's OWED are of: rule, arming and level of an alert; rule,
// arming and consumer of an incident told.
struct OwedNames {
  using Name = std::tuple<std::uint16_t, std::uint32_t, std::uint64_t>;
  std::set<Name> held;
  std::set<Name> told;
  void clear() noexcept {
    held.clear();
    told.clear();
  }
};

struct OwedRecord {
  struct Held {
    RaisedRecord raised;
    std::uint32_t tries = 0;
    bool unclaimed = false;  // waits for the first consumer
    std::vector<std::uint64_t> holders;
  };
  struct Told {
    std::uint64_t consumer = 0;
    std::uint16_t rule = 0xffff;
    std::uint8_t severity = 0;
    flow::StageNo armed_stage = flow::kNoStage;
    std::uint32_t arming = 0;
    Nanos deadline = 0;
    Hash128 newest;
  };

  std::uint16_t flow = 0;
  bool closed = false;
  Nanos at = 0;  // of a closed item: when it closed
  flow::StageNo closing_stage = flow::kNoStage;
  std::uint32_t closing_tries = 0;
  std::vector<Held> held;
  std::vector<Told> told;

  bool empty() const noexcept { return held.empty() && told.empty(); }
  // Takes out what is named; adds the first so many of either to the names.
  void leave_out(const OwedNames& names);
  void note(std::size_t held_count, std::size_t told_count, OwedNames& names) const;
};

// What the hub holds of an item of this version; pushes taken in, the stripe locked.
void collect_owed(const alert::Hub::Owings& hub, const Consumers& consumers,
                  const FlowVersion& flow, std::uint64_t incarnation, bool closed, OwedRecord& out);

// The alerts from `held_from` and the told from `told_from` on, up to about `most`
// bytes; moves both to what is left. At least one of either, if there is one.
void encode_owed(Writer& out, const OwedRecord& record, std::size_t most, std::size_t& held_from,
                 std::size_t& told_from);
template <class FlowOf>
bool decode_owed(Reader& in, FlowOf&& flow_of, OwedRecord& out);
bool decode_owed_body(Reader& in, const FlowVersion& flow, OwedRecord& out);

template <class FlowOf>
bool decode_owed(Reader& in, FlowOf&& flow_of, OwedRecord& out) {
  const std::uint64_t number = in.varint();
  const FlowVersion* flow = flow_of(number);
  if (flow == nullptr) return false;
  out.flow = static_cast<std::uint16_t>(number);
  return decode_owed_body(in, *flow, out);
}

}  // namespace warden::engine
