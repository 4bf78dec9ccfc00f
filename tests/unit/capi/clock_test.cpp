// SPDX-License-Identifier: Apache-2.0
//
// The manual clock: exact to the nanosecond whatever the tick, years at once, late
// events, the past refused.
#include <map>

#include "client.hpp"
#include "flow_texts.hpp"

namespace warden::test {
namespace {

TEST(Clock, ExactToTheNanosecondWithEveryTick) {
  for (const char* tick : {"64us", "1ms", "1s"}) {
    Store store{{"clock", "manual"}, {"tick", tick}};
    store.define(kTimer);
    Consumer all = store.consumer("all");
    store.track("k", "", {.at = 123'456'789});
    store.advance(10 * kS + 123'456'788);
    EXPECT_TRUE(all.drain().empty()) << tick;
    store.advance(10 * kS + 123'456'789);
    EXPECT_TRUE(all.drain().empty()) << tick << ": exactly at it is on time";
    store.advance(10 * kS + 123'456'790);
    const std::vector<Alert> alerts = all.drain();
    ASSERT_EQ(alerts.size(), 1u) << tick;
    EXPECT_EQ(alerts[0].raw.raised_ns, 10 * kS + 123'456'789);
    EXPECT_EQ(alerts[0].raw.detected_ns, 10 * kS + 123'456'790);
  }
}

TEST(Clock, NanosecondByNanosecond) {
  Store store;
  store.define(kTimer);
  Consumer all = store.consumer("all");
  for (int i = 0; i < 50; ++i) store.track(numbered("k", i), "", {.at = i});
  for (int i = 0; i < 60; ++i) {
    store.advance(10 * kS + i);
    // Deadlines 10 s + 0 ... 10 s + 49; those before now are raised.
    const std::size_t expected = i == 0 || i > 50 ? 0 : 1;
    EXPECT_EQ(all.drain().size(), expected) << i;
  }
}

TEST(Clock, TheSameInstantAgainRaisesWhatLateEventsArmed) {
  Store store;
  store.define(kTimer);
  Consumer all = store.consumer("all");
  store.advance(100 * kS);
  store.track("k", "", {.at = 5 * kS});
  EXPECT_TRUE(all.drain().empty()) << "raised by the next advance";
  EXPECT_EQ(store.get_item("k").raw.deadline_ns, 15 * kS);
  store.advance(100 * kS);
  const std::vector<Alert> alerts = all.drain();
  ASSERT_EQ(alerts.size(), 1u);
  EXPECT_EQ(alerts[0].raw.raised_ns, 15 * kS);
  EXPECT_EQ(alerts[0].raw.detected_ns, 100 * kS);
  store.advance(100 * kS);
  EXPECT_TRUE(all.drain().empty()) << "once";
}

TEST(Clock, ALateItemStillLivesInItsOwnTime) {
  Store store;
  store.define(kTimer);
  store.advance(kYear);
  store.track("k", "", {.at = 5 * kS});
  EXPECT_EQ(store.complete("k", {.at = 15 * kS}).code, WARDEN_ON_TIME);
  EXPECT_EQ(store.stats().alerts_raised, 0u);
}

TEST(Clock, BackwardsAndTheEndsOfTimeAreRefused) {
  Store store{{"clock", "manual"}, {"start", "1000"}};
  EXPECT_EQ(store.stats().now_ns, 1000);
  EXPECT_EQ(warden_clock_advance(store.get(), 999), WARDEN_E_OUT_OF_RANGE);
  EXPECT_EQ(warden_clock_advance(store.get(), 1000), WARDEN_OK);
  EXPECT_EQ(warden_clock_advance(store.get(), 2000), WARDEN_OK);
  EXPECT_EQ(warden_clock_advance(store.get(), 1999), WARDEN_E_OUT_OF_RANGE);
  EXPECT_EQ(warden_clock_advance(store.get(), INT64_MAX), WARDEN_E_OUT_OF_RANGE);
  EXPECT_EQ(warden_clock_advance(store.get(), WARDEN_NO_TIME), WARDEN_E_OUT_OF_RANGE);
  EXPECT_EQ(store.stats().now_ns, 2000);
  EXPECT_EQ(warden_clock_advance(store.get(), INT64_MAX - 1), WARDEN_OK);
}

TEST(Clock, BeforeTheEpoch) {
  Store store{{"clock", "manual"}, {"start", "-5000000000000000000"}};
  store.define(kTimer);
  Consumer all = store.consumer("all");
  const std::int64_t start = -5'000'000'000'000'000'000;
  store.now = start;
  store.track("k", "", {.at = start});
  store.track("before", "", {.at = start - kYear});
  store.advance(start + 10 * kS + 1);
  const std::vector<Alert> alerts = all.drain();
  ASSERT_EQ(alerts.size(), 2u);
  EXPECT_EQ(alerts[0].key, "before") << "the later it is, the sooner";
  EXPECT_EQ(alerts[0].raw.raised_ns, start - kYear + 10 * kS);
}

TEST(Clock, FortyYearsOfItemsInOneStep) {
  Store store;
  store.define(
      "[flow]\nname = \"f\"\nstages = []\n[[rule]]\nname = \"t\"\nkind = \"total\"\n"
      "within = \"1ms\"\nescalate = [\"+1h\", \"+30d\", \"+10y\"]\n");
  Consumer all = store.consumer("all");
  std::map<std::string, std::int64_t> armed;
  for (int i = 0; i < 400; ++i) {
    const std::string key = numbered("k", i);
    armed[key] = i * (kYear / 10) + i * 7919;
    store.track(key, "", {.at = armed[key]});
  }
  store.advance(60 * kYear);
  std::map<std::string, std::vector<std::int64_t>> raised;
  for (const Alert& one : all.drain()) raised[one.key].push_back(one.raw.raised_ns);
  ASSERT_EQ(raised.size(), 400u);
  for (const auto& [key, instants] : raised) {
    const std::int64_t deadline = armed[key] + kMs;
    const std::vector<std::int64_t> expected{deadline, deadline + kH, deadline + 720 * kH,
                                             deadline + 10 * kYear};
    EXPECT_EQ(instants, expected) << key;
  }
  EXPECT_EQ(store.stats().timers, 0u);
  EXPECT_EQ(store.stats().next_due_ns, WARDEN_NO_TIME);
}

TEST(Clock, AJumpOverManyStepsIsTheSameAsTheSteps) {
  const auto run = [](std::int64_t step) {
    Store store;
    store.define(kUpload);
    Consumer all = store.consumer("all");
    for (int i = 0; i < 100; ++i) {
      store.track(numbered("k", i), "", {.at = std::int64_t{i} * 333'333'333});
    }
    std::map<std::pair<std::string, std::uint32_t>, std::int64_t> raised;
    for (std::int64_t now = step; now < 400 * kS + step; now += step) {
      store.advance(now);
      for (const Alert& one : all.drain()) {
        const auto [at, fresh] = raised.try_emplace({one.key, one.raw.level}, one.raw.raised_ns);
        EXPECT_TRUE(fresh) << one.key << " level " << one.raw.level << " raised twice";
      }
    }
    return raised;
  };
  const auto jumped = run(400 * kS);
  EXPECT_EQ(jumped.size(), 400u);
  EXPECT_EQ(run(7 * kS + 1), jumped);
  EXPECT_EQ(run(77'777'777), jumped);
}

TEST(Clock, NextDueIsALowerBound) {
  Store store;
  store.define(kTimer);
  EXPECT_EQ(store.stats().next_due_ns, WARDEN_NO_TIME);
  store.track("k", "", {.at = 0});
  EXPECT_EQ(store.stats().timers, 1u);
  EXPECT_NE(store.stats().next_due_ns, WARDEN_NO_TIME);
  EXPECT_LE(store.stats().next_due_ns, 10 * kS + kMs);
  store.complete("k", {.at = 0});
  EXPECT_EQ(store.stats().timers, 0u);
}

}  // namespace
}  // namespace warden::test
