// SPDX-License-Identifier: Apache-2.0
//
// A flow, parsed and checked: what the engine evaluates. Plain immutable data;
// one Definition lives as long as its store, so that items, alerts and records
// may point at its names.
//
// Invariants of every Definition that parse() hands out:
//   1. Stage numbers count from 0 in the order of `stages`; every stage named by
//      a rule, by `done` or by `close` is in `stages` (with `any` too, where
//      further names get numbers from stages.size() on, at run time).
//   2. `from`, `to`, `done`, `close` are sorted and without repeats; `done` and
//      `close` are disjoint.
//   3. Rule names are unique; `within` lies in 1 ms .. 100 years, or is 0 for
//      kind due; escalations ascend strictly and are positive.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.hpp"

namespace warden::flow {

using StageNo = std::uint16_t;
inline constexpr StageNo kNoStage = 0xffff;
inline constexpr std::size_t kMaxStages = 4096;
inline constexpr std::size_t kMaxRules = 64;
inline constexpr std::size_t kMaxEscalations = 16;
inline constexpr std::size_t kMaxNameBytes = 255;
inline constexpr std::size_t kMaxTextBytes = 1 << 20;
inline constexpr Nanos kMinWithin = kMilli;
inline constexpr Nanos kMaxWithin = 100 * kYear;

enum class RuleKind : std::uint8_t { total, idle, stage, due };
enum class Severity : std::uint8_t { info = 1, warning = 2, error = 3, critical = 4 };

// Levels of a rule, in the order in which they are reached.
inline constexpr std::uint8_t kLevelNone = 0;
inline constexpr std::uint8_t kLevelWarn = 1;
inline constexpr std::uint8_t kLevelBreach = 2;  // escalation k (from 1) is kLevelBreach + k
inline constexpr std::uint8_t kLevelSuspicious = 254;
inline constexpr std::uint8_t kLevelResolved = 255;

struct Rule {
  std::string name;
  RuleKind kind = RuleKind::total;
  Nanos within = 0;
  std::vector<StageNo> from;  // kind stage only
  std::vector<StageNo> to;
  // warn_at: a share of the time from arming to deadline in millionths, or a
  // lead before the deadline; at most one of them is not 0.
  std::uint32_t warn_share_ppm = 0;
  Nanos warn_lead = 0;
  std::vector<Nanos> escalate;  // after the deadline
  Severity warn_severity = Severity::warning;
  Severity breach_severity = Severity::error;
  std::vector<Severity> escalate_severity;  // as long as `escalate`
  Nanos min = 0;  // met sooner than this after arming is SUSPICIOUS; 0: off
  Nanos cap = 0;  // extend moves the deadline to at most this long after arming; 0: no cap
};

struct Definition {
  std::string name;
  std::string text;  // as given
  Hash128 version;   // XXH3-128 of `text`, seed 0
  bool any_stages = false;
  std::vector<std::string> stages;
  std::vector<StageNo> done;   // closes once all are set
  std::vector<StageNo> close;  // any one closes
  Nanos dedupe = kHour;        // how long a closed key is remembered
  std::vector<Rule> rules;

  // Number of a stage named in the text, or kNoStage. Linear for few stages; the
  // engine keeps its own table for the hot path.
  StageNo find_stage(std::string_view stage_name) const noexcept {
    for (std::size_t i = 0; i < stages.size(); ++i) {
      if (stages[i] == stage_name) return static_cast<StageNo>(i);
    }
    return kNoStage;
  }
};

}  // namespace warden::flow
