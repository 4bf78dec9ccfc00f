// SPDX-License-Identifier: Apache-2.0
//
// The demo's other half: what the feeders themselves did and when, and the
// judgement whether the alerts that came are the ones that had to come. It
// knows the pipeline, and nothing of the engine.
//
// Data flow: feeders -> ItemRecord, alerts -> AlertNote; judge() compares.
//
// How it is fair: a feeder reads the clock before and after each call, so the
// instant that the engine gave the event lies between the two. From two such
// spans follows that a step was on time for certain, late for certain, or (when
// a call straddles the deadline) either. Only what is certain is demanded or
// forbidden. All instants here are CLOCK_BOOTTIME, on which durations elapse.
//
// Invariants:
//   1. An item that stops after stage s has marks up to s and none after it.
//   2. judge() looks at finished records only: feeders have been joined.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace warden::cli {

inline constexpr std::size_t kStages = 4;
inline constexpr std::array<const char*, kStages> kStageNames{"uploading", "uploaded", "copied",
                                                              "backed-up"};

// Rule r < 3 watches the step from stage r to r + 1; rule 3 the whole.
inline constexpr std::size_t kRules = 4;
inline constexpr std::size_t kTotalRule = 3;
struct DemoRule {
  const char* name;
  std::int64_t within_ns;
};
inline constexpr std::array<DemoRule, kRules> kDemoRules{{{"upload", 400'000'000},
                                                          {"copy", 500'000'000},
                                                          {"back-up", 600'000'000},
                                                          {"total", 1'000'000'000}}};
inline constexpr std::int64_t kLongestWithinNs = 1'000'000'000;

// The flow of the demo, as its store is given it.
std::string demo_flow_text();

// When a call was made: before it and after it.
struct Span {
  std::int64_t before_ns = 0;
  std::int64_t after_ns = 0;
  bool happened() const { return after_ns != 0; }
};

inline constexpr std::uint8_t kCompletes = 255;

struct ItemRecord {
  Span tracked;
  std::array<Span, kStages> marks;
  std::uint8_t stops_after = kCompletes;  // stage 0 to 2 for an item that is dropped
};

// An item is known by its feeder and its number there.
struct AlertNote {
  std::uint32_t feeder = 0;
  std::uint32_t item = 0;
  std::uint32_t rule = 0;   // kRules: a rule that the demo has not
  std::uint32_t stage = 0;  // item's stage at the breach; kStages: none of the demo's
  bool known = false;       // the key is one of the demo's form
  std::int64_t taken_ns = 0;
};

struct Verdict {
  std::uint64_t tracked = 0;
  std::uint64_t completed = 0;
  std::uint64_t dropped = 0;
  std::uint64_t detected =
      0;  // dropped items with every alert they had to have, and where they stopped
  std::array<std::uint64_t, kStages> dropped_after{};
  std::array<std::uint64_t, kStages> detected_after{};
  std::uint64_t late = 0;          // not dropped, but late by the record, and reported
  std::uint64_t missed = 0;        // items (dropped or late for certain) that lack an alert
  std::uint64_t false_alarms = 0;  // alerts for what was on time, too early, twice, or unknown
  std::uint64_t wrong_stage = 0;   // alerts that name a stage where the item was not
  std::string example;             // of a fault, for a person

  bool clean() const { return missed == 0 && false_alarms == 0 && wrong_stage == 0; }
};

Verdict judge(const std::vector<std::vector<ItemRecord>>& records,
              const std::vector<AlertNote>& alerts);

// Key of an item, and back: false if it is of another form.
std::string demo_key(std::uint32_t feeder, std::uint32_t item);
bool parse_demo_key(std::string_view key, std::uint32_t& feeder, std::uint32_t& item);

}  // namespace warden::cli
