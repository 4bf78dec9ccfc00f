// SPDX-License-Identifier: Apache-2.0
//
// A naive model of items, rules and consumers, written from what the header and
// docs/flows.md promise, to hold the engine against. It keeps every item's history
// as a list and works out the item's state from the list's beginning each time it is
// asked: no timers, no slots, names instead of numbers.
//
// Invariants
//   1. A history only grows; what a refusal or ALREADY answered is not in it.
//   2. The alerts of a history's beginning are the beginning of its alerts.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace warden::test {

using Nanos = std::int64_t;
inline constexpr Nanos kNone = INT64_MIN;

enum class RuleKind { total, idle, stage, due };

struct RuleDef {
  std::string name;
  RuleKind kind = RuleKind::total;
  Nanos within = 0;
  std::set<std::string> from;
  std::set<std::string> to;
  int warn_percent = 0;
  Nanos warn_lead = 0;
  std::vector<Nanos> escalate;
  std::vector<int> severity;  // one a level, or none at all
  Nanos min = 0;
  Nanos cap = 0;

  bool warns() const { return warn_percent != 0 || warn_lead != 0; }
  int severity_of(int level) const;
};

struct FlowDef {
  std::string name;
  bool any = false;
  std::vector<std::string> stages;
  std::set<std::string> done;
  std::set<std::string> close;
  Nanos dedupe = 0;
  std::vector<RuleDef> rules;

  bool takes(const std::string& stage) const;
  const RuleDef* find(const std::string& rule) const;
  std::string text() const;  // as TOML
};

struct GivenDue {
  std::string rule;
  Nanos instant;
};

// One entry of an item's history.
struct Event {
  enum What { created, begun, seen, marked, touched, extended, completed, cancelled, clock };
  What what;
  Nanos at;
  std::string name = {};  // of the stage, or of the rule extended
  std::vector<GivenDue> dues = {};
  Nanos to = 0;   // extended: the new deadline
  Nanos ttl = 0;  // created
};

// An alert as the model expects it.
struct Expected {
  std::uint64_t item = 0;
  std::string key, flow, rule, stage, armed_stage;
  std::uint32_t kind = 0, level = 0, severity = 0, arming = 0, tries = 0, flags = 0;
  Nanos deadline = 0, raised = 0, detected = 0;
  std::uint32_t resolves_level = 0;  // RESOLVED: level of the alert that it resolves

  bool is_lasting() const;
  std::string text() const;  // for comparing and for people
};

struct RuleState {
  bool armed = false;
  bool met = false;
  std::uint32_t arming = 0;
  Nanos first_armed = 0;  // min and cap count from here, a share of the time too
  Nanos armed_at = 0;     // the extend's instant, if one moved it
  Nanos deadline = 0;
  std::uint32_t level = 0;
  std::string armed_stage;
};

// What a history comes to.
struct View {
  std::uint32_t state = 0;
  std::uint32_t verdict = 0;
  std::uint32_t tries = 0;
  Nanos created = 0;
  Nanos own = kNone;  // the item's own time
  Nanos closed_at = 0;
  Nanos expires = kNone;
  std::string stage;
  std::set<std::string> seen;
  std::vector<RuleState> rules;
  std::vector<Expected> alerts;

  Nanos deadline() const;
  std::uint32_t overdue() const;
  Nanos earliest_missed() const;
};

View replay(const FlowDef& flow, const std::vector<Event>& history);

// One named consumer that acknowledges all it is given.
class ModelConsumer {
 public:
  explicit ModelConsumer(bool audit) : audit_(audit) {}
  void push(const Expected& alert);
  void closed(std::uint64_t item, const View& view, const std::string& key,
              const std::string& flow);
  // All that waits, as sorted texts.
  std::vector<std::string> drain();

 private:
  using Incident = std::pair<std::string, std::uint32_t>;  // rule and arming
  bool audit_;
  std::map<std::uint64_t, std::vector<Expected>> waiting_;
  std::map<std::uint64_t, std::map<Incident, Expected>> told_;
};

}  // namespace warden::test
