// SPDX-License-Identifier: Apache-2.0
//
// One alert, as the engine raises it under the stripe's lock. Immutable once it
// is pushed to the hub, which owns it from then on. Names point into flow
// definitions and stage tables, which live as long as the store; key and payload
// live in the blob, of which an alert holds a reference.
#pragma once

#include <string_view>

#include "base/blob.hpp"
#include "base/types.hpp"

namespace warden::alert {

enum class Kind : std::uint8_t {
  warn = 1,
  breach = 2,
  escalation = 3,
  expired = 6,
  suspicious = 7,
  resolved = 9,
};

struct Alert {
  Hash128 id;
  Hash128 incident;
  Hash128 resolves;  // of RESOLVED: the newest alert of its incident
  std::uint64_t incarnation = 0;
  std::uint64_t token = 0;
  Lsn lsn = Lsn::none;
  Nanos deadline = 0;
  Nanos raised = 0;
  Nanos detected = 0;
  std::string_view flow;
  std::string_view rule;
  std::string_view stage;        // the item's at the breach
  std::string_view armed_stage;  // that armed the rule
  Blob* blob = nullptr;          // one reference; key and payload
  std::uint32_t arming = 0;
  std::uint32_t tries = 0;
  Kind kind = Kind::breach;
  std::uint8_t level = 0;
  std::uint8_t severity = 0;
};

}  // namespace warden::alert
