// SPDX-License-Identifier: Apache-2.0
//
// See demo_oracle.hpp.
#include "cli/demo_oracle.hpp"

#include <fmt/format.h>

#include <charconv>
#include <string_view>

namespace warden::cli {
namespace {

constexpr std::string_view kKeyPrefix = "upload-";

enum class Expect { never, maybe, surely };

// What arms a rule, and what meets it.
const Span& arming(const ItemRecord& item, std::size_t rule) {
  return rule == kTotalRule ? item.tracked : item.marks[rule];
}
const Span& meeting(const ItemRecord& item, std::size_t rule) {
  return rule == kTotalRule ? item.marks[kStages - 1] : item.marks[rule + 1];
}

Expect expected(const ItemRecord& item, std::size_t rule) {
  const Span& armed = arming(item, rule);
  const Span& met = meeting(item, rule);
  if (!armed.happened()) return Expect::never;
  if (!met.happened()) return Expect::surely;
  const std::int64_t within = kDemoRules[rule].within_ns;
  if (met.after_ns - armed.before_ns <= within) return Expect::never;
  if (met.before_ns - armed.after_ns > within) return Expect::surely;
  return Expect::maybe;
}

// Could the item have stood at `stage` when the rule's deadline passed?
bool stage_possible(const ItemRecord& item, std::size_t rule, std::uint32_t stage) {
  if (stage >= kStages) return false;
  const Span& armed = arming(item, rule);
  const std::int64_t earliest = armed.before_ns + kDemoRules[rule].within_ns;
  const std::int64_t latest = armed.after_ns + kDemoRules[rule].within_ns;
  const Span& entered = item.marks[stage];
  if (!entered.happened() || entered.before_ns > latest) return false;
  if (stage + 1 == kStages) return true;
  const Span& left = item.marks[stage + 1];
  return !left.happened() || left.after_ns >= earliest;
}

class Judgement {
 public:
  explicit Judgement(const std::vector<std::vector<ItemRecord>>& records) : records_(records) {
    for (const auto& items : records) raised_.emplace_back(items.size(), std::uint8_t{0});
  }

  void weigh(const AlertNote& alert);
  void weigh_items();
  Verdict take() { return std::move(verdict_); }

 private:
  void blame(std::string what) {
    if (verdict_.example.empty()) verdict_.example = std::move(what);
  }
  void weigh_item(const ItemRecord& item, std::uint32_t feeder, std::uint32_t number);

  const std::vector<std::vector<ItemRecord>>& records_;
  std::vector<std::vector<std::uint8_t>> raised_;  // a bit a rule, of right alerts
  Verdict verdict_;
};

void Judgement::weigh(const AlertNote& alert) {
  const bool exists = alert.known && alert.feeder < records_.size() &&
                      alert.item < records_[alert.feeder].size() && alert.rule < kRules;
  if (!exists) {
    ++verdict_.false_alarms;
    return blame("false alarm: for an item or rule that the demo never made");
  }
  const ItemRecord& item = records_[alert.feeder][alert.item];
  const std::string name =
      fmt::format("{} rule {}", demo_key(alert.feeder, alert.item), kDemoRules[alert.rule].name);
  std::uint8_t& raised = raised_[alert.feeder][alert.item];
  const auto bit = static_cast<std::uint8_t>(1U << alert.rule);
  if (expected(item, alert.rule) == Expect::never) {
    ++verdict_.false_alarms;
    return blame(fmt::format("false alarm: {} was on time", name));
  }
  if ((raised & bit) != 0) {
    ++verdict_.false_alarms;
    return blame(fmt::format("false alarm: {} was reported twice", name));
  }
  if (alert.taken_ns < arming(item, alert.rule).before_ns + kDemoRules[alert.rule].within_ns) {
    ++verdict_.false_alarms;
    return blame(fmt::format("false alarm: {} was reported before its deadline", name));
  }
  if (!stage_possible(item, alert.rule, alert.stage)) {
    ++verdict_.wrong_stage;
    return blame(fmt::format("wrong stage: {} reported at {}", name,
                             alert.stage < kStages ? kStageNames[alert.stage] : "no known stage"));
  }
  raised = static_cast<std::uint8_t>(raised | bit);
}

void Judgement::weigh_item(const ItemRecord& item, std::uint32_t feeder, std::uint32_t number) {
  if (!item.tracked.happened()) return;
  ++verdict_.tracked;
  const std::uint8_t raised = raised_[feeder][number];
  bool lacks = false;
  for (std::size_t rule = 0; rule < kRules; ++rule) {
    if (expected(item, rule) != Expect::surely || (raised >> rule & 1U) != 0) continue;
    lacks = true;
    blame(fmt::format("missed: {} rule {}", demo_key(feeder, number), kDemoRules[rule].name));
  }
  if (lacks) ++verdict_.missed;
  if (item.stops_after == kCompletes) {
    if (item.marks[kStages - 1].happened()) ++verdict_.completed;
    if (raised != 0) ++verdict_.late;
    return;
  }
  ++verdict_.dropped;
  ++verdict_.dropped_after[item.stops_after];
  if (lacks) return;
  ++verdict_.detected;
  ++verdict_.detected_after[item.stops_after];
}

void Judgement::weigh_items() {
  for (std::uint32_t feeder = 0; feeder < records_.size(); ++feeder) {
    for (std::uint32_t number = 0; number < records_[feeder].size(); ++number) {
      weigh_item(records_[feeder][number], feeder, number);
    }
  }
}

}  // namespace

std::string demo_flow_text() {
  std::string out =
      "[flow]\n"
      "name = \"file-upload\"\n"
      "stages = [\"uploading\", \"uploaded\", \"copied\", \"backed-up\"]\n"
      "done = [\"copied\", \"backed-up\"]\n"
      "dedupe = \"1h\"\n";
  for (std::size_t rule = 0; rule < kRules; ++rule) {
    const DemoRule& r = kDemoRules[rule];
    out += fmt::format("\n[[rule]]\nname = \"{}\"\nwithin = \"{}ms\"\n", r.name,
                       r.within_ns / 1'000'000);
    out += rule == kTotalRule ? std::string{"kind = \"total\"\n"}
                              : fmt::format("kind = \"stage\"\nfrom = \"{}\"\nto = [\"{}\"]\n",
                                            kStageNames[rule], kStageNames[rule + 1]);
  }
  return out;
}

std::string demo_key(std::uint32_t feeder, std::uint32_t item) {
  return fmt::format("{}{}-{}", kKeyPrefix, feeder, item);
}

bool parse_demo_key(std::string_view key, std::uint32_t& feeder, std::uint32_t& item) {
  if (!key.starts_with(kKeyPrefix)) return false;
  const char* const end = key.data() + key.size();
  const auto first = std::from_chars(key.data() + kKeyPrefix.size(), end, feeder);
  if (first.ec != std::errc{} || first.ptr == end || *first.ptr != '-') return false;
  const auto second = std::from_chars(first.ptr + 1, end, item);
  return second.ec == std::errc{} && second.ptr == end;
}

Verdict judge(const std::vector<std::vector<ItemRecord>>& records,
              const std::vector<AlertNote>& alerts) {
  Judgement judgement{records};
  for (const AlertNote& alert : alerts) judgement.weigh(alert);
  judgement.weigh_items();
  return judgement.take();
}

}  // namespace warden::cli
