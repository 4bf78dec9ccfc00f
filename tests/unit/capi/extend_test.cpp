// SPDX-License-Identifier: Apache-2.0
//
// Moving deadlines: by and to, the cap, new armings, deadlines in the past.
#include "client.hpp"

namespace warden::test {
namespace {

constexpr const char* kFlow = R"(
[flow]
name = "f"
stages = ["a", "b"]
[[rule]]
name = "total"
kind = "total"
within = "100s"
warn_at = "80%"
[[rule]]
name = "capped"
kind = "total"
within = "50s"
cap = "70s"
[[rule]]
name = "quiet"
kind = "idle"
within = "1000s"
[[rule]]
name = "step"
kind = "stage"
from = "a"
to = "b"
within = "30s"
)";

class Extend : public ::testing::Test {
 protected:
  void SetUp() override {
    store_.define(kFlow);
    token_ = store_.track("k", "", {.at = 0}).r.token;
  }
  void TearDown() override { store_.expect_balance(); }
  Store store_;
  std::uint64_t token_ = 0;
};

TEST_F(Extend, ByMovesTheDeadlineAndArmsAnew) {
  const Answer moved = store_.extend_by("k", "total", 20 * kS, {.at = 1, .token = token_});
  EXPECT_EQ(moved.code, WARDEN_OK);
  EXPECT_EQ(moved.r.deadline_ns, 120 * kS) << "of the rule, not the earliest";
  EXPECT_EQ(store_.get_item("k").rule("total").deadline, 120 * kS);
  EXPECT_EQ(store_.get_item("k").rule("total").arming, 2u);
  EXPECT_EQ(store_.extend_by("k", "total", -50 * kS, {.at = 1, .seq = 1}).r.deadline_ns, 70 * kS);
}

TEST_F(Extend, ByNeedsATokenOrASeq) {
  EXPECT_EQ(store_.extend_by("k", "total", kS, {.at = 1}).code, WARDEN_E_INVALID_ARGUMENT);
  EXPECT_EQ(store_.extend_by("k", "total", kS, {.at = 1, .token = token_ - 1}).code,
            WARDEN_E_FENCED);
  EXPECT_EQ(store_.extend_by("k", "total", kS, {.at = 1, .seq = 5}).code, WARDEN_OK);
  EXPECT_EQ(store_.extend_by("k", "total", kS, {.at = 1, .seq = 5}).code, WARDEN_ALREADY)
      << "a lost answer extends once";
  EXPECT_EQ(store_.get_item("k").rule("total").deadline, 101 * kS);
}

TEST_F(Extend, ExactlyOneOfByAndTo) {
  EXPECT_EQ(store_.extend("k", "total", WARDEN_NO_TIME, WARDEN_NO_TIME, {.at = 1}).code,
            WARDEN_E_INVALID_ARGUMENT);
  EXPECT_EQ(store_.extend("k", "total", 1, 1, {.at = 1, .seq = 1}).code, WARDEN_E_INVALID_ARGUMENT);
  EXPECT_EQ(store_.extend_by("k", "total", 100 * kYear + 1, {.at = 1, .seq = 1}).code,
            WARDEN_E_OUT_OF_RANGE);
}

TEST_F(Extend, ToIsIdempotent) {
  EXPECT_EQ(store_.extend_to("k", "total", 300 * kS, {.at = 1}).r.deadline_ns, 300 * kS);
  const Answer again = store_.extend_to("k", "total", 300 * kS, {.at = 1});
  EXPECT_EQ(again.code, WARDEN_OK);
  EXPECT_EQ(again.r.deadline_ns, 300 * kS);
  EXPECT_EQ(store_.get_item("k").rule("total").arming, 2u) << "not moved, not armed anew";
}

TEST_F(Extend, IsNoEventForIdle) {
  store_.extend_to("k", "total", 300 * kS, {.at = 10 * kS});
  EXPECT_EQ(store_.get_item("k").rule("quiet").deadline, 1000 * kS);
  EXPECT_EQ(store_.get_item("k").rule("quiet").arming, 1u);
}

TEST_F(Extend, TheCapHolds) {
  const Answer capped = store_.extend_to("k", "capped", 200 * kS, {.at = 1});
  EXPECT_EQ(capped.code, WARDEN_CAPPED);
  EXPECT_EQ(capped.r.deadline_ns, 70 * kS);
  const Answer more = store_.extend_by("k", "capped", kS, {.at = 2, .seq = 1});
  EXPECT_EQ(more.code, WARDEN_CAPPED) << "however often it is asked";
  EXPECT_EQ(more.r.deadline_ns, 70 * kS);
  EXPECT_EQ(store_.extend_to("k", "capped", 70 * kS, {.at = 3}).code, WARDEN_OK);
  EXPECT_EQ(store_.extend_to("k", "capped", 20 * kS, {.at = 3}).code, WARDEN_OK);
}

TEST_F(Extend, TheCapCountsFromTheArmingNotFromTheDeadline) {
  const std::uint64_t token = store_.track("late", "", {.at = 1000 * kS}).r.token;
  const Answer capped = store_.extend_by("late", "capped", kH, {.at = 1040 * kS, .token = token});
  EXPECT_EQ(capped.code, WARDEN_CAPPED);
  EXPECT_EQ(capped.r.deadline_ns, (1000 + 70) * kS) << "within 50 s: 20 s more, not 70 s more";
  // A cap that is not beyond the deadline leaves extend no room forward.
  store_.define(
      "[flow]\nname = \"short\"\nstages = []\n[[rule]]\nname = \"d\"\nkind = \"due\"\n"
      "cap = \"10s\"\n");
  store_.track("k", "", {.at = 0, .dues = {{"d", 60 * kS}}});
  const Answer stays = store_.extend_to("k", "d", 61 * kS, {.at = 1});
  EXPECT_EQ(stays.code, WARDEN_CAPPED);
  EXPECT_EQ(stays.r.deadline_ns, 60 * kS);
  EXPECT_EQ(store_.extend_to("k", "d", 30 * kS, {.at = 2}).r.deadline_ns, 30 * kS);
}

TEST_F(Extend, Refusals) {
  EXPECT_EQ(store_.extend_to("nobody", "total", 5).code, WARDEN_E_UNKNOWN_ITEM);
  EXPECT_EQ(store_.extend_to("k", "nosuch", 5).code, WARDEN_E_UNKNOWN_RULE);
  EXPECT_EQ(store_.extend_to("k", "step", 5).code, WARDEN_E_BAD_STATE) << "not armed";
  store_.submit("s");
  EXPECT_EQ(store_.extend_to("s", "total", 5).code, WARDEN_E_BAD_STATE);
  store_.mark("k", "a", {.at = 1});
  store_.mark("k", "b", {.at = 2});
  EXPECT_EQ(store_.extend_to("k", "step", 5).code, WARDEN_E_BAD_STATE) << "met";
  store_.complete("k", {.at = 3});
  EXPECT_EQ(store_.extend_to("k", "total", 5).code, WARDEN_CLOSED);
}

TEST_F(Extend, AMovedDeadlineIsRaisedAtItsNewInstantOnly) {
  Consumer all = store_.consumer("all");
  store_.extend_to("k", "capped", 70 * kS, {.at = 1});
  store_.advance(70 * kS);
  EXPECT_TRUE(all.drain().empty());
  store_.advance(70 * kS + 1);
  const std::vector<Alert> alerts = all.drain();
  ASSERT_EQ(alerts.size(), 1u);
  EXPECT_EQ(alerts[0].rule, "capped");
  EXPECT_EQ(alerts[0].raw.deadline_ns, 70 * kS);
  EXPECT_EQ(alerts[0].raw.arming, 2u);
}

TEST_F(Extend, ADeadlineMovedIntoThePastIsRaisedAtOnce) {
  Consumer all = store_.consumer("all");
  store_.extend_to("k", "capped", 10 * kS, {.at = 40 * kS});
  const std::vector<Alert> alerts = all.drain();
  ASSERT_EQ(alerts.size(), 1u);
  EXPECT_EQ(alerts[0].raw.kind, WARDEN_KIND_BREACH);
  EXPECT_EQ(alerts[0].raw.deadline_ns, 10 * kS);
  EXPECT_EQ(alerts[0].raw.raised_ns, 40 * kS) << "the instant of the new arming";
}

TEST_F(Extend, AfterABreachTheNewArmingMayBreachAnew) {
  Consumer all = store_.consumer("all");
  store_.advance(60 * kS);
  const std::vector<Alert> first = all.drain();
  ASSERT_EQ(first.size(), 1u);
  EXPECT_EQ(store_.get_item("k").raw.overdue, 1u);
  EXPECT_EQ(store_.extend_to("k", "capped", 65 * kS, {.at = 60 * kS}).code, WARDEN_OK);
  EXPECT_EQ(store_.get_item("k").raw.overdue, 0u);
  store_.advance(65 * kS + 1);
  const std::vector<Alert> second = all.drain();
  ASSERT_EQ(second.size(), 1u);
  EXPECT_NE(second[0].id(), first[0].id());
  EXPECT_NE(second[0].incident(), first[0].incident());
}

TEST_F(Extend, EveryLevelFollowsTheNewDeadline) {
  Consumer all = store_.consumer("all");
  store_.extend_to("k", "capped", 70 * kS, {.at = 0});
  store_.extend_to("k", "total", 200 * kS, {.at = 0});
  store_.complete("nobody");
  store_.advance(160 * kS + 1);
  const std::vector<Alert> alerts = all.drain();
  ASSERT_EQ(alerts.size(), 2u);
  EXPECT_EQ(alerts[1].raw.kind, WARDEN_KIND_WARN);
  EXPECT_EQ(alerts[1].raw.deadline_ns, 160 * kS) << "80 % of the time from arming";
}

}  // namespace
}  // namespace warden::test
