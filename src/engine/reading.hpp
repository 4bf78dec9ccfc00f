// SPDX-License-Identifier: Apache-2.0
//
// An item as it stood when it was read, copied out under its stripe's lock.
#pragma once

#include <string>
#include <vector>

#include "engine/flow_table.hpp"
#include "index/item.hpp"

namespace warden::engine {

struct Reading {
  std::uint64_t incarnation = 0;
  std::uint64_t token = 0;
  std::uint64_t seq = 0;
  Lsn lsn = Lsn::none;
  Nanos created = 0;
  Nanos last_event = 0;
  Nanos deadline = kNoTime;
  index::State state = index::State::none;
  index::Verdict verdict = index::Verdict::none;
  std::uint32_t tries = 0;
  std::uint32_t alerts = 0;
  std::uint32_t overdue = 0;
  const FlowVersion* flow = nullptr;  // null for a tombstone
  std::string_view stage;
  std::string key;
  std::string payload;
  std::vector<flow::RuleSlot> rules;
};

// Under the lock of the item's stripe. May throw std::bad_alloc.
void read_item(const index::Item& item, const FlowVersion& flow, Reading& out);

}  // namespace warden::engine
