// SPDX-License-Identifier: Apache-2.0
//
// The demo's judgement: each kind of fault must be called one, and nothing else.
#include "cli/demo_oracle.hpp"

#include <gtest/gtest.h>

namespace warden::cli {
namespace {

constexpr std::int64_t kMs = 1'000'000;
constexpr std::int64_t kStart = 1'000'000'000'000;
// A call takes a microsecond here.
constexpr std::int64_t kCall = 1'000;

Span call_at(std::int64_t at) {
  return {at, at + kCall};
}

// Tracked at kStart, stage s passed `gaps[s]` after stage s - 1.
ItemRecord item(std::initializer_list<std::int64_t> gaps_ms) {
  ItemRecord record;
  record.tracked = call_at(kStart);
  std::int64_t at = kStart;
  std::size_t stage = 0;
  for (const std::int64_t gap : gaps_ms) {
    at += gap * kMs;
    record.marks[stage++] = call_at(at);
  }
  if (stage < kStages) record.stops_after = static_cast<std::uint8_t>(stage - 1);
  return record;
}

AlertNote alert(std::uint32_t number, std::uint32_t rule, std::uint32_t stage,
                std::int64_t taken = kStart + 5'000 * kMs) {
  return {0, number, rule, stage, true, taken};
}

Verdict judge_one(const ItemRecord& record, const std::vector<AlertNote>& alerts) {
  return judge({{record}}, alerts);
}

const ItemRecord kQuick = item({0, 50, 50, 50});
const ItemRecord kStopsAtUploaded = item({0, 50});
// 600 ms from uploaded to copied, where 500 ms are allowed; 700 ms in all.
const ItemRecord kSlowCopy = item({0, 50, 600, 50});

TEST(DemoOracle, ACompletedItemWithoutAlertsIsClean) {
  const Verdict v = judge_one(kQuick, {});
  EXPECT_TRUE(v.clean());
  EXPECT_EQ(v.tracked, 1U);
  EXPECT_EQ(v.completed, 1U);
  EXPECT_EQ(v.dropped, 0U);
}

TEST(DemoOracle, ADroppedItemNeedsBothItsAlerts) {
  const Verdict v = judge_one(kStopsAtUploaded, {alert(0, 1, 1), alert(0, kTotalRule, 1)});
  EXPECT_TRUE(v.clean()) << v.example;
  EXPECT_EQ(v.dropped, 1U);
  EXPECT_EQ(v.detected, 1U);
  EXPECT_EQ(v.detected_after[1], 1U);
  EXPECT_EQ(judge_one(kStopsAtUploaded, {alert(0, 1, 1)}).missed, 1U);
  EXPECT_EQ(judge_one(kStopsAtUploaded, {alert(0, kTotalRule, 1)}).missed, 1U);
  EXPECT_EQ(judge_one(kStopsAtUploaded, {}).missed, 1U);
  EXPECT_EQ(judge_one(kStopsAtUploaded, {}).detected, 0U);
}

TEST(DemoOracle, AnAlertForAnItemOnTimeIsFalse) {
  EXPECT_EQ(judge_one(kQuick, {alert(0, 1, 1)}).false_alarms, 1U);
  EXPECT_EQ(judge_one(kQuick, {alert(0, kTotalRule, 3)}).false_alarms, 1U);
}

TEST(DemoOracle, ARuleThatWasNeverArmedCannotBreak) {
  EXPECT_EQ(judge_one(kStopsAtUploaded, {alert(0, 2, 1)}).false_alarms, 1U);
}

TEST(DemoOracle, ALateItemMustBeReportedAndIsNoFalseAlarm) {
  const Verdict v = judge_one(kSlowCopy, {alert(0, 1, 1)});
  EXPECT_TRUE(v.clean()) << v.example;
  EXPECT_EQ(v.late, 1U);
  EXPECT_EQ(v.completed, 1U);
  EXPECT_EQ(judge_one(kSlowCopy, {}).missed, 1U);
}

TEST(DemoOracle, ACallThatStraddlesTheDeadlineMayGoEitherWay) {
  ItemRecord record = kQuick;
  const std::int64_t deadline = record.marks[1].before_ns + kDemoRules[1].within_ns;
  record.marks[2] = {deadline - 10, deadline + 10 * kCall};
  record.marks[3] = call_at(deadline + 50 * kMs);
  EXPECT_TRUE(judge_one(record, {}).clean());
  EXPECT_TRUE(judge_one(record, {alert(0, 1, 1)}).clean());
}

TEST(DemoOracle, ExactlyAtTheDeadlineIsOnTime) {
  ItemRecord record = kQuick;
  record.marks[1] = {kStart, kStart};
  record.marks[2] = {kStart + kDemoRules[1].within_ns, kStart + kDemoRules[1].within_ns};
  record.marks[3] = record.marks[2];
  EXPECT_EQ(judge_one(record, {alert(0, 1, 1)}).false_alarms, 1U);
}

TEST(DemoOracle, AnAlertBeforeItsDeadlineIsFalseAndDoesNotCount) {
  const std::int64_t deadline = kStopsAtUploaded.marks[1].before_ns + kDemoRules[1].within_ns;
  const Verdict v =
      judge_one(kStopsAtUploaded, {alert(0, 1, 1, deadline - 1), alert(0, kTotalRule, 1)});
  EXPECT_EQ(v.false_alarms, 1U);
  EXPECT_EQ(v.missed, 1U);
  EXPECT_NE(v.example.find("before its deadline"), std::string::npos);
}

TEST(DemoOracle, TheSameBreachTwiceIsFalse) {
  const Verdict v =
      judge_one(kStopsAtUploaded, {alert(0, 1, 1), alert(0, 1, 1), alert(0, kTotalRule, 1)});
  EXPECT_EQ(v.false_alarms, 1U);
  EXPECT_EQ(v.detected, 1U);
}

TEST(DemoOracle, AWrongStageIsAFaultOfItsOwn) {
  for (const std::uint32_t stage : {0U, 2U, 3U, 4U}) {
    const Verdict v = judge_one(kStopsAtUploaded, {alert(0, 1, stage), alert(0, kTotalRule, 1)});
    EXPECT_EQ(v.wrong_stage, 1U) << stage;
    EXPECT_FALSE(v.clean());
  }
}

TEST(DemoOracle, TheStageAtATotalsDeadlineIsTheOneReachedByThen) {
  // 400 + 500 + 300 ms: the second-last mark comes at 900 ms, the total breaks
  // at 1,000 ms, the last mark comes after it.
  const ItemRecord record = item({0, 400, 500, 300});
  const auto total_at = [&](std::uint32_t stage) {
    return judge_one(record, {alert(0, kTotalRule, stage)}).wrong_stage;
  };
  EXPECT_EQ(total_at(2), 0U);
  EXPECT_EQ(total_at(1), 1U);
  EXPECT_EQ(total_at(3), 1U);
}

TEST(DemoOracle, AlertsForStrangersAreFalse) {
  AlertNote stranger = alert(0, 1, 1);
  stranger.known = false;
  EXPECT_EQ(judge_one(kQuick, {stranger}).false_alarms, 1U);
  EXPECT_EQ(judge_one(kQuick, {alert(7, 1, 1)}).false_alarms, 1U);
  EXPECT_EQ(judge_one(kQuick, {alert(0, kRules, 1)}).false_alarms, 1U);
}

TEST(DemoOracle, KeysComeBack) {
  std::uint32_t feeder = 0;
  std::uint32_t number = 0;
  ASSERT_TRUE(parse_demo_key(demo_key(3, 123456), feeder, number));
  EXPECT_EQ(feeder, 3U);
  EXPECT_EQ(number, 123456U);
  for (const char* key : {"", "upload-", "upload-1", "upload-1-", "upload--1", "upload-1-2x",
                          "other-1-2", "upload-1-99999999999"}) {
    EXPECT_FALSE(parse_demo_key(key, feeder, number)) << key;
  }
}

TEST(DemoOracle, TheFlowNamesEveryRuleAndStage) {
  const std::string text = demo_flow_text();
  for (const char* stage : kStageNames) EXPECT_NE(text.find(stage), std::string::npos);
  for (const DemoRule& rule : kDemoRules) {
    EXPECT_NE(text.find(std::string{"name = \""} + rule.name + '"'), std::string::npos);
    EXPECT_LE(rule.within_ns, kLongestWithinNs);
  }
}

}  // namespace
}  // namespace warden::cli
