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

struct Alert;
struct Entry;

enum class Kind : std::uint8_t {
  warn = 1,
  breach = 2,
  escalation = 3,
  expired = 6,
  suspicious = 7,
  resolved = 9,
};

// An item's closing resolves an overdue rule; it does not undo what these tell. So
// they are never withdrawn and no RESOLVED follows them.
constexpr bool is_lasting(Kind kind) noexcept {
  return kind == Kind::expired || kind == Kind::suspicious;
}

// What the hub keeps beside an alert. Producers touch `next` and `is_closing`
// only, inside push; everything else is under the hub's lock.
struct Hooks {
  Alert* next = nullptr;     // in the queue, then in the list of what is kept
  Alert* prev = nullptr;     // in the list of what is kept
  Entry* entries = nullptr;  // one for every consumer that holds it
  std::uint64_t order = 0;   // of arrival at the hub
  Lsn closed_lsn = Lsn::none;
  bool is_closing = false;  // not an alert: says that its item has closed
  bool closed = false;      // its item has closed, as of closed_lsn
  bool kept = false;        // is in the list
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
  Hooks hooks;  // the hub's own
};

}  // namespace warden::alert
