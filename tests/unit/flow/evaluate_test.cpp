// SPDX-License-Identifier: Apache-2.0
//
// What events and time do to rules, case by case, without an engine.
#include "flow/evaluate.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <vector>

#include "flow/parse.hpp"

namespace warden::flow {
namespace {

class Evaluate : public ::testing::Test {
 protected:
  void define(std::string_view rules) {
    const std::string text =
        "[flow]\nname = \"f\"\nstages = [\"a\", \"b\", \"c\", \"d\"]\n" + std::string(rules);
    const Error error = parse(text, flow_);
    ASSERT_FALSE(error) << error.message;
    slots_.assign(flow_.rules.size(), RuleSlot{});
    words_.assign(1, 0);
    item_.emplace(Subject{&flow_, slots_.data(), StageSet(words_.data()), kNoStage});
  }
  static Instant at(Nanos s) { return {s * kSecond, s * kSecond}; }
  StageNo no(std::string_view name) { return flow_.find_stage(name); }
  void mark(std::string_view stage, Nanos s) {
    pass(s);
    flow::mark(*item_, no(stage), at(s), [&](std::size_t rule, const RuleSlot&) {
      too_soon_.push_back(flow_.rules[rule].name);
    });
    pass(s);
  }
  void pass(Nanos s, Nanos more_ns = 0) {
    Instant now = at(s);
    now.elapsed += more_ns;
    now.wall += more_ns;
    flow::pass(*item_, now, [&](const Reached& reached) { reached_.push_back(reached); });
  }
  Definition flow_;
  std::vector<RuleSlot> slots_;
  std::vector<std::uint64_t> words_;
  std::optional<Subject> item_;
  std::vector<Reached> reached_;
  std::vector<std::string> too_soon_;
};

TEST_F(Evaluate, ExactlyAtTheDeadlineIsOnTime) {
  define("[[rule]]\nname = \"t\"\nkind = \"total\"\nwithin = \"10s\"\n");
  start(*item_, at(0));
  pass(10);
  EXPECT_TRUE(reached_.empty());
  pass(10, 1);
  ASSERT_EQ(reached_.size(), 1U);
  EXPECT_EQ(reached_[0].deadline, 10 * kSecond);
  EXPECT_EQ(reached_[0].raised, 10 * kSecond);
  EXPECT_EQ(reached_[0].level, kLevelBreach);
  pass(1000);
  EXPECT_EQ(reached_.size(), 1U) << "a level is reached once";
}

TEST_F(Evaluate, LevelsComeInOrder) {
  define(
      "[[rule]]\nname = \"t\"\nkind = \"total\"\nwithin = \"100s\"\nwarn_at = \"80%\"\n"
      "escalate = [\"+10s\", \"+1m\"]\n");
  start(*item_, at(0));
  EXPECT_EQ(earliest(flow_, slots_.data(), false), 80 * kSecond);
  pass(81);
  EXPECT_EQ(earliest(flow_, slots_.data(), false), 100 * kSecond);
  pass(1000);
  ASSERT_EQ(reached_.size(), 4U);
  const Nanos instants[] = {80, 100, 110, 160};
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(reached_[i].level, kLevelWarn + i);
    EXPECT_EQ(reached_[i].deadline, instants[i] * kSecond);
  }
  EXPECT_EQ(earliest(flow_, slots_.data(), false), kNever);
  EXPECT_EQ(overdue(flow_, slots_.data()), 1U);
}

TEST_F(Evaluate, WarnByLead) {
  define("[[rule]]\nname = \"t\"\nkind = \"total\"\nwithin = \"100s\"\nwarn_at = \"30s\"\n");
  start(*item_, at(5));
  EXPECT_EQ(earliest(flow_, slots_.data(), false), 75 * kSecond);
}

TEST_F(Evaluate, IdleIsArmedAnewByEveryEvent) {
  define("[[rule]]\nname = \"i\"\nkind = \"idle\"\nwithin = \"10s\"\n");
  start(*item_, at(0));
  mark("a", 8);
  mark("b", 16);
  EXPECT_TRUE(reached_.empty());
  pass(27);
  ASSERT_EQ(reached_.size(), 1U);
  EXPECT_EQ(reached_[0].deadline, 26 * kSecond);
  EXPECT_EQ(reached_[0].armed_stage, no("b"));
  EXPECT_EQ(reached_[0].arming, 3U);
  mark("c", 30);
  EXPECT_EQ(slots_[0].level, kLevelNone);
  EXPECT_EQ(slots_[0].arming, 4U);
}

TEST_F(Evaluate, StageRuleIsArmedByTheFirstFromAndMetByALaterTo) {
  define(
      "[[rule]]\nname = \"s\"\nkind = \"stage\"\nfrom = \"a\"\nto = [\"b\"]\nwithin = \"10s\"\n");
  start(*item_, at(0));
  EXPECT_EQ(earliest(flow_, slots_.data(), false), kNever);
  mark("a", 5);
  EXPECT_EQ(slots_[0].deadline, 15 * kSecond);
  mark("a", 9);
  EXPECT_EQ(slots_[0].deadline, 15 * kSecond) << "the first entry arms, no other";
  mark("b", 15);
  EXPECT_EQ(slots_[0].status, RuleStatus::met);
  mark("a", 20);
  EXPECT_EQ(slots_[0].status, RuleStatus::met);
  EXPECT_TRUE(reached_.empty());
}

TEST_F(Evaluate, StageRuleRestsIfToWasSeenBefore) {
  define(
      "[[rule]]\nname = \"s\"\nkind = \"stage\"\nfrom = \"a\"\nto = [\"b\"]\nwithin = \"10s\"\n");
  start(*item_, at(0));
  mark("b", 1);
  mark("a", 2);
  pass(1000);
  EXPECT_TRUE(reached_.empty());
}

TEST_F(Evaluate, LateMeetingIsABreachFirst) {
  define(
      "[[rule]]\nname = \"s\"\nkind = \"stage\"\nfrom = \"a\"\nto = [\"b\"]\nwithin = \"10s\"\n");
  start(*item_, at(0));
  mark("a", 0);
  mark("b", 11);
  ASSERT_EQ(reached_.size(), 1U);
  EXPECT_EQ(reached_[0].stage, no("a")) << "the item's stage at the breach";
}

TEST_F(Evaluate, DueInThePastIsRaisedByTheArmingVerb) {
  define("[[rule]]\nname = \"u\"\nkind = \"due\"\nto = [\"b\"]\n");
  start(*item_, at(100));
  mark("a", 100);
  EXPECT_TRUE(give_due(*item_, 0, 50 * kSecond, at(100)));
  pass(100);
  ASSERT_EQ(reached_.size(), 1U);
  EXPECT_EQ(reached_[0].deadline, 50 * kSecond);
  EXPECT_EQ(reached_[0].raised, 100 * kSecond);
  EXPECT_EQ(reached_[0].armed_stage, no("a"));
}

TEST_F(Evaluate, OnlyTheFirstDueCountsAndNoneAfterTo) {
  define("[[rule]]\nname = \"u\"\nkind = \"due\"\nto = [\"b\"]\n");
  start(*item_, at(0));
  EXPECT_TRUE(give_due(*item_, 0, 50 * kSecond, at(0)));
  EXPECT_FALSE(give_due(*item_, 0, 70 * kSecond, at(0)));
  EXPECT_EQ(slots_[0].deadline, 50 * kSecond);

  define("[[rule]]\nname = \"u\"\nkind = \"due\"\nto = [\"b\"]\n");
  start(*item_, at(0));
  mark("b", 1);
  EXPECT_FALSE(give_due(*item_, 0, 50 * kSecond, at(1)));
}

TEST_F(Evaluate, DueFollowsTheWallClock) {
  define("[[rule]]\nname = \"u\"\nkind = \"due\"\nto = [\"b\"]\n");
  start(*item_, at(0));
  give_due(*item_, 0, 50 * kSecond, at(0));
  const auto raise = [&](const Reached& reached) { reached_.push_back(reached); };
  flow::pass(*item_, Instant{100 * kSecond, 40 * kSecond}, raise);
  EXPECT_TRUE(reached_.empty());
  flow::pass(*item_, Instant{1 * kSecond, 51 * kSecond}, raise);
  EXPECT_EQ(reached_.size(), 1U);
  EXPECT_EQ(earliest(flow_, slots_.data(), false), kNever);
}

TEST_F(Evaluate, DoneNeedsAllCloseNeedsOne) {
  Definition flow;
  ASSERT_FALSE(
      parse("[flow]\nname = \"f\"\nstages = [\"a\", \"b\", \"c\"]\ndone = [\"a\", \"b\"]\n"
            "close = [\"c\"]\n[[rule]]\nname = \"t\"\nkind = \"total\"\nwithin = \"1s\"\n",
            flow));
  RuleSlot slot{};
  std::uint64_t word = 0;
  Subject item{&flow, &slot, StageSet(&word), kNoStage};
  EXPECT_FALSE(closes(item, flow.find_stage("a")));
  EXPECT_TRUE(closes(item, flow.find_stage("c")));
  item.seen.add(flow.find_stage("b"));
  EXPECT_TRUE(closes(item, flow.find_stage("a")));
  EXPECT_FALSE(closes(item, flow.find_stage("b")));
}

TEST_F(Evaluate, TooSoonIsSuspicious) {
  define(
      "[[rule]]\nname = \"s\"\nkind = \"stage\"\nfrom = \"a\"\nto = [\"b\"]\nwithin = \"10s\"\n"
      "min = \"2s\"\n");
  start(*item_, at(0));
  mark("a", 0);
  mark("b", 1);
  ASSERT_EQ(too_soon_.size(), 1U);
  EXPECT_EQ(too_soon_[0], "s");
}

TEST_F(Evaluate, TotalWithToIsMetByIt) {
  define("[[rule]]\nname = \"t\"\nkind = \"total\"\nto = [\"b\"]\nwithin = \"10s\"\n");
  start(*item_, at(0));
  mark("b", 5);
  mark("a", 50);
  pass(1000);
  EXPECT_TRUE(reached_.empty());
}

TEST_F(Evaluate, LatenessIsByEachRulesOwnClock) {
  define(
      "[[rule]]\nname = \"t\"\nkind = \"total\"\nwithin = \"10s\"\n"
      "[[rule]]\nname = \"d\"\nkind = \"due\"\nto = \"b\"\n");
  start(*item_, at(0));
  EXPECT_EQ(lateness(flow_, slots_.data(), at(10)), 0) << "exactly at the deadline is on time";
  EXPECT_EQ(lateness(flow_, slots_.data(), at(12)), 2 * kSecond);
  // The wall clock was set forward by an hour: the due is measured on it, the total is not.
  const Instant now{5 * kSecond, 3605 * kSecond};
  ASSERT_TRUE(give_due(*item_, 1, 3600 * kSecond, at(0)));
  EXPECT_EQ(lateness(flow_, slots_.data(), now), 5 * kSecond);
  // Set back: elapsed time counts for the total all the same.
  EXPECT_EQ(lateness(flow_, slots_.data(), Instant{14 * kSecond, 0}), 4 * kSecond);
  slots_[1].deadline = kNoTime + 1;
  EXPECT_EQ(lateness(flow_, slots_.data(), now), kNever) << "as far past as can be told";
}

TEST_F(Evaluate, ARuleBreachedAndMetIsNotLate) {
  define("[[rule]]\nname = \"s\"\nkind = \"stage\"\nfrom = \"a\"\nto = \"b\"\nwithin = \"10s\"\n");
  start(*item_, at(0));
  mark("a", 1);
  mark("b", 100);
  EXPECT_EQ(reached_.size(), 1U) << "the breach was raised";
  EXPECT_EQ(lateness(flow_, slots_.data(), at(200)), 0);
}

}  // namespace
}  // namespace warden::flow
