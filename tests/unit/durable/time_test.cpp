// SPDX-License-Identifier: Apache-2.0
//
// Time across openings: deadlines that passed while the store was closed, dues,
// extensions, TTLs, dedupe windows, hold, and the manual clock itself.
#include <chrono>
#include <set>
#include <thread>

#include "on_disk.hpp"

namespace warden::test {
namespace {

// A rule with a cap, one with a due.
constexpr const char* kMoving = R"(
[flow]
name = "moving"
stages = ["a", "b"]
dedupe = "10s"
[[rule]]
name = "total"
kind = "total"
within = "10s"
cap = "30s"
[[rule]]
name = "promise"
kind = "due"
to = ["b"]
warn_at = "5s"
)";

class Time : public OnDisk {
 protected:
  // Engine time, as far as it can be read while no store is open.
  static std::int64_t wall_clock() {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
  }
  std::vector<Alert> drain() { return store().consumer("c").drain(); }
};

TEST_P(Time, WhatPassedWhileClosedIsRaisedOnceEach) {
  Store& s = open();
  s.define(kTimer);
  s.consumer("c");
  for (int i = 0; i < 100; ++i) {
    s.track(numbered("k", i), "", {.at = i, .durability = WARDEN_DURABILITY_BUFFERED});
  }
  reopen({{"start", "31557600000000000"}});  // a year later
  EXPECT_EQ(store().now, kYear);
  store().advance(kYear);
  std::set<std::string> keys;
  for (const Alert& one : drain()) {
    EXPECT_TRUE(keys.insert(one.key).second) << one.key;
    EXPECT_EQ(one.raw.raised_ns, one.raw.deadline_ns) << "the deadline, not the opening";
    EXPECT_EQ(one.raw.detected_ns, kYear);
  }
  EXPECT_EQ(keys.size(), 100u);
  for (int opening = 0; opening < 2; ++opening) {
    reopen();
    store().advance(store().now + kYear);
    EXPECT_TRUE(drain().empty()) << opening;
  }
  EXPECT_EQ(store().stats().alerts_raised, 100u);
  EXPECT_EQ(store().stats().timers, 0u);
}

TEST_P(Time, OnTheRealClockToo) {
  std::string flow = kTimer;
  flow.replace(flow.find("10s"), 3, "20ms");
  Store& s = open({{"clock", "real"}});
  s.define(flow);
  s.consumer("c");
  std::map<std::string, std::int64_t> deadlines;
  for (int i = 0; i < 5; ++i) {
    deadlines[numbered("k", i)] = s.track(numbered("k", i)).r.deadline_ns;
  }
  close();
  while (wall_clock() <= deadlines["k4"]) std::this_thread::yield();
  Store& again = open({{"clock", "real"}});
  Consumer c = again.consumer("c");
  while (!deadlines.empty()) {
    const std::vector<Alert> some = c.poll(16, kLong);
    ASSERT_FALSE(some.empty());
    for (const Alert& one : some) {
      ASSERT_EQ(deadlines.count(one.key), 1u) << one.key << " was raised twice";
      EXPECT_EQ(one.raw.deadline_ns, deadlines[one.key]);
      EXPECT_EQ(one.raw.raised_ns, one.raw.deadline_ns);
      EXPECT_GT(one.raw.detected_ns, one.raw.deadline_ns);
      deadlines.erase(one.key);
    }
    c.ack(some);
  }
  Store& last = reopen({{"clock", "real"}});
  EXPECT_EQ(last.stats().alerts_raised, 5u);
  EXPECT_TRUE(last.consumer("c").poll().empty());
}

TEST_P(Time, EngineTimeNeverGoesBackOverARestart) {
  Store& s = open({{"clock", "real"}});
  s.define(kTimer);
  std::int64_t before = 0;
  for (int opening = 0; opening < 4; ++opening) {
    const std::int64_t now = store().stats().now_ns;
    EXPECT_GE(now, before);
    store().track(numbered("k", opening));
    before = store().get_item(numbered("k", opening)).raw.created_ns;
    EXPECT_GE(before, now);
    reopen({{"clock", "real"}});
  }
}

TEST_P(Time, TheManualClockIsWhereItWas) {
  open();
  store().advance(1234567);
  EXPECT_EQ(reopen().now, 1234567);
  EXPECT_EQ(crash().now, 1234567);
  EXPECT_EQ(warden_clock_advance(store().get(), 1234566), WARDEN_E_OUT_OF_RANGE);
  EXPECT_EQ(reopen({{"start", "1000"}}).now, 1234567) << "never back";
  EXPECT_EQ(reopen({{"start", "2000000"}}).now, 2000000);
  store().define(kTimer);
  EXPECT_EQ(store().track("k").r.deadline_ns, 2000000 + 10 * kS);
}

TEST_P(Time, BeforeTheEpochToo) {
  open({{"start", "-5000000000"}});
  store().define(kTimer);
  store().track("k");
  store().advance(-kS);
  reopen({{"start", "-5000000000"}});
  EXPECT_EQ(store().now, -kS);
  EXPECT_EQ(store().get_item("k").raw.deadline_ns, 5 * kS);
  store().consumer("c");
  store().advance(5 * kS + 1);
  EXPECT_EQ(drain().size(), 1u);
}

TEST_P(Time, DuesComeWhenTheyWerePromised) {
  Store& s = open();
  s.define(kMoving);
  s.consumer("c");
  s.track("future", "", {.dues = {{"promise", 8 * kS}}});
  s.track("past", "", {.at = 2 * kS, .dues = {{"promise", -kS}}});
  s.track("kept", "", {.dues = {{"promise", 8 * kS}}});
  s.mark("kept", "b", {.at = kS});
  reopen();
  EXPECT_EQ(store().get_item("future").rule("promise").deadline, 8 * kS);
  EXPECT_EQ(store().get_item("kept").rule("promise").status, WARDEN_RULE_MET);
  std::map<std::string, std::vector<std::int64_t>> raised;
  for (const Alert& one : drain()) raised[one.key].push_back(one.raw.raised_ns);
  EXPECT_EQ(raised["past"], std::vector<std::int64_t>{2 * kS}) << "at its arming, unwarned";
  store().advance(4 * kS);
  reopen();
  store().advance(9 * kS);
  for (const Alert& one : drain()) raised[one.key].push_back(one.raw.raised_ns);
  EXPECT_EQ(raised["future"], (std::vector<std::int64_t>{3 * kS, 8 * kS}));
  EXPECT_EQ(raised.count("kept"), 0u);
  EXPECT_EQ(raised["past"].size(), 1u);
}

TEST_P(Time, AnExtensionIsKeptAndItsCapStillCounts) {
  Store& s = open();
  s.define(kMoving);
  s.consumer("c");
  s.track("k");
  EXPECT_EQ(s.extend_by("k", "total", 5 * kS, {.seq = 1}).r.deadline_ns, 15 * kS);
  reopen();
  EXPECT_EQ(store().get_item("k").rule("total").deadline, 15 * kS);
  EXPECT_EQ(store().get_item("k").rule("total").arming, 2u);
  EXPECT_EQ(store().extend_by("k", "total", 5 * kS, {.seq = 1}).code, WARDEN_ALREADY)
      << "a repeated call never extends twice";
  store().advance(15 * kS);
  EXPECT_TRUE(drain().empty());
  const Answer capped = store().extend_by("k", "total", kH, {.seq = 2});
  EXPECT_EQ(capped.code, WARDEN_CAPPED);
  EXPECT_EQ(capped.r.deadline_ns, 30 * kS) << "of the arming in the first opening";
  crash();
  store().advance(31 * kS);
  const std::vector<Alert> alerts = drain();
  ASSERT_EQ(alerts.size(), 1u);
  EXPECT_EQ(alerts[0].raw.raised_ns, 30 * kS);
  EXPECT_EQ(alerts[0].raw.arming, 3u);
}

TEST_P(Time, AnExtensionReachesTheSameLevelUnderANewId) {
  Store& s = open();
  s.define(kMoving);
  s.consumer("c");
  s.track("k");
  s.advance(11 * kS);
  const std::vector<Alert> first = drain();
  ASSERT_EQ(first.size(), 1u);
  reopen();
  store().extend_to("k", "total", 20 * kS);
  reopen();
  store().advance(21 * kS);
  const std::vector<Alert> second = drain();
  ASSERT_EQ(second.size(), 1u);
  EXPECT_EQ(second[0].raw.level, first[0].raw.level);
  EXPECT_NE(second[0].id(), first[0].id());
}

TEST_P(Time, SubmittedItemsExpireInALaterOpening) {
  Store& s = open();
  s.define(kTimer);
  s.consumer("c");
  s.submit("goes", "p", {.ttl = 5 * kS});
  s.submit("begins", "p", {.ttl = 5 * kS});
  s.submit("stays", "p");
  reopen();
  EXPECT_EQ(store().exec("begins", {.at = 4 * kS}).code, WARDEN_ARMED);
  reopen();
  store().advance(6 * kS);
  const std::vector<Alert> alerts = drain();
  ASSERT_EQ(alerts.size(), 1u);
  EXPECT_EQ(alerts[0].key, "goes");
  EXPECT_EQ(alerts[0].raw.kind, WARDEN_KIND_EXPIRED);
  reopen();
  store().advance(7 * kS);
  EXPECT_TRUE(drain().empty());
  EXPECT_EQ(store().get_item("goes").raw.verdict, WARDEN_VERDICT_EXPIRED);
  EXPECT_EQ(store().get_item("stays").raw.state, WARDEN_STATE_SUBMITTED);
  EXPECT_EQ(store().stats().expired, 1u);
  store().expect_balance();
}

TEST_P(Time, TheDedupeWindowRunsOnWhileClosed) {
  Store& s = open();
  s.define(kMoving);
  const std::uint64_t incarnation = s.track("k").r.incarnation;
  s.complete("k", {.at = kS});
  s.complete("early", {.at = kS, .allow_early = true});
  reopen();
  EXPECT_EQ(store().stats().tombstones, 2u);
  store().advance(9 * kS);
  EXPECT_EQ(store().track("k").code, WARDEN_ALREADY_DONE);
  EXPECT_EQ(store().track("early").code, WARDEN_DONE_EARLY);
  reopen();
  EXPECT_EQ(store().track("k").code, WARDEN_ALREADY_DONE);
  store().advance(20 * kS);
  reopen();
  const Answer anew = store().track("k");
  EXPECT_EQ(anew.code, WARDEN_NEW) << "its window is over";
  EXPECT_NE(anew.r.incarnation, incarnation);
  EXPECT_EQ(store().track("early").code, WARDEN_NEW);
  reopen();
  EXPECT_EQ(store().get_item("k").raw.incarnation, anew.r.incarnation);
  EXPECT_EQ(store().stats().done, 1u);
  store().expect_balance();
}

TEST_P(Time, HeldEverythingIsAcceptedAndNothingFires) {
  Store& s = open();
  s.define(kTimer);
  s.consumer("c");
  s.track("before");
  reopen({{"hold", "true"}});
  store().track("during", "", {.at = kS});
  store().submit("ttl", "", {.ttl = 2 * kS});
  store().advance(kH);
  EXPECT_TRUE(drain().empty());
  EXPECT_EQ(store().stats().alerts_raised, 0u);
  EXPECT_EQ(store().stats().expired, 0u);
  EXPECT_EQ(store().complete("unheard of").code, WARDEN_E_UNKNOWN_ITEM);
  EXPECT_EQ(store().mark("during", "x").code, WARDEN_E_UNKNOWN_STAGE);
  EXPECT_EQ(store().touch("during").code, WARDEN_OK);
  EXPECT_EQ(store().stats().alerts_raised, 0u) << "an event raises nothing either";
  EXPECT_EQ(warden_release_hold(store().get()), WARDEN_OK);
  EXPECT_EQ(warden_release_hold(store().get()), WARDEN_OK) << "idempotent";
  store().advance(kH);
  std::map<std::string, std::int64_t> raised;
  for (const Alert& one : drain()) raised[one.key] = one.raw.raised_ns;
  EXPECT_EQ(raised, (std::map<std::string, std::int64_t>{
                        {"before", 10 * kS}, {"during", 11 * kS}, {"ttl", 2 * kS}}));
}

TEST_P(Time, HoldEndsWithTheOpeningThatAskedForIt) {
  Store& s = open({{"hold", "true"}});
  s.define(kTimer);
  s.consumer("c");
  s.track("k");
  s.advance(kH);
  EXPECT_TRUE(drain().empty());
  reopen();
  store().advance(kH);
  EXPECT_EQ(drain().size(), 1u);
}

TEST_P(Time, HeldOnTheRealClock) {
  std::string flow = kTimer;
  flow.replace(flow.find("10s"), 3, "5ms");
  Store& s = open({{"clock", "real"}, {"hold", "true"}});
  s.define(flow);
  Consumer c = s.consumer("c");
  const std::int64_t deadline = s.track("k").r.deadline_ns;
  while (s.stats().now_ns < deadline + 20 * kMs) std::this_thread::yield();
  EXPECT_TRUE(c.poll().empty());
  EXPECT_EQ(s.stats().alerts_raised, 0u);
  EXPECT_EQ(warden_release_hold(s.get()), WARDEN_OK);
  const std::vector<Alert> alerts = c.poll(1, kLong);
  ASSERT_EQ(alerts.size(), 1u);
  EXPECT_EQ(alerts[0].raw.raised_ns, deadline);
}

WARDEN_ON_BOTH_BACKENDS(Time);

}  // namespace
}  // namespace warden::test
