// SPDX-License-Identifier: Apache-2.0
//
// The engine on the real clock: the keeper raises a deadline after it and never before,
// wakes for an earlier one that comes later, and whoever waits is woken.
//
// Nothing here asserts how soon something happens, only that it does and in which
// order; kLong ends a wait that would hang.
#include <poll.h>

#include <atomic>
#include <chrono>
#include <limits>
#include <set>
#include <thread>

#include "on_disk.hpp"

namespace warden::test {
namespace {

std::string timer_of(const char* name, const char* within) {
  std::string text = kTimer;
  text.replace(text.find("timer"), 5, name);
  text.replace(text.find("10s"), 3, within);
  return text;
}

class RealClock : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (std::string(GetParam()) == "memory") {
      store_ = std::make_unique<Store>(Settings{{"clock", "real"}});
    } else {
      store_ = std::make_unique<Store>(dir_.path("store"),
                                       std::vector<Setting>{{"backend", GetParam()}});
    }
  }
  void TearDown() override { store_->expect_balance(); }
  Store& store() { return *store_; }
  // Makes the flow that of the verbs that follow.
  void use(const char* name, const char* within) { store_->define(timer_of(name, within)); }
  static bool readable(int fd, int timeout_ms) {
    pollfd one{fd, POLLIN, 0};
    return ::poll(&one, 1, timeout_ms) == 1;
  }
  static void expect_in_time(const Alert& one, std::int64_t deadline) {
    EXPECT_EQ(one.raw.deadline_ns, deadline);
    EXPECT_EQ(one.raw.raised_ns, deadline) << "the deadline, not the tick";
    EXPECT_GT(one.raw.detected_ns, deadline) << "noticed before it had passed";
  }

 private:
  TempDir dir_;
  std::unique_ptr<Store> store_;
};

TEST_P(RealClock, ADeadlineIsRaisedAndNotBefore) {
  use("soon", "50ms");
  Consumer c = store().consumer("c");
  const Answer answer = store().track("k", "payload");
  const std::int64_t deadline = answer.r.deadline_ns;
  // As long as the clock had not reached the deadline after a look, none may be there.
  for (;;) {
    const std::uint64_t raised = store().stats().alerts_raised;
    if (store().stats().now_ns > deadline) break;
    EXPECT_EQ(raised, 0u);
  }
  const std::vector<Alert> alerts = c.poll(8, kLong);
  ASSERT_EQ(alerts.size(), 1u);
  EXPECT_EQ(alerts[0].key, "k");
  EXPECT_EQ(alerts[0].payload, "payload");
  expect_in_time(alerts[0], deadline);
  EXPECT_EQ(deadline, store().get_item("k").raw.created_ns + 50 * kMs);
  EXPECT_EQ(store().complete("k").code, WARDEN_LATE);
}

TEST_P(RealClock, TheKeeperWakesForAnEarlierDeadlineThatComesLater) {
  use("far", "1h");
  store().track("far");
  Consumer c = store().consumer("c");
  // It tells for what it sleeps when it lies down.
  while (store().stats().next_due_ns == WARDEN_NO_TIME) std::this_thread::yield();
  for (int round = 0; round < 5; ++round) {
    use("near", "10ms");
    const std::int64_t deadline = store().track(numbered("near", round)).r.deadline_ns;
    const std::vector<Alert> alerts = c.poll(8, kLong);
    ASSERT_EQ(alerts.size(), 1u) << round;
    EXPECT_EQ(alerts[0].key, numbered("near", round));
    expect_in_time(alerts[0], deadline);
    c.ack(alerts);
  }
  EXPECT_EQ(store().stats().alerts_raised, 5u);
}

TEST_P(RealClock, AnExtensionIsHonouredAndAShorteningWakesTheKeeper) {
  use("far", "1h");
  store().track("shortened");
  use("near", "100ms");
  store().track("extended");
  Consumer c = store().consumer("c");
  const Answer later = store().extend_by("extended", "t", 50 * kMs, {.seq = 1});
  ASSERT_EQ(later.code, WARDEN_OK);
  store().flow = "far";
  const std::int64_t sooner = store().stats().now_ns + 20 * kMs;
  ASSERT_EQ(store().extend_to("shortened", "t", sooner).code, WARDEN_OK);
  std::map<std::string, std::int64_t> expected{{"shortened", sooner},
                                               {"extended", later.r.deadline_ns}};
  while (!expected.empty()) {
    const std::vector<Alert> some = c.poll(8, kLong);
    ASSERT_FALSE(some.empty()) << "nobody raised " << expected.begin()->first;
    for (const Alert& one : some) {
      // Should this thread have stood still between the two calls, the first deadline
      // was missed in earnest.
      if (one.raw.arming == 1) continue;
      ASSERT_EQ(expected.count(one.key), 1u) << one.key << " came twice";
      expect_in_time(one, expected[one.key]);
      expected.erase(one.key);
    }
    c.ack(some);
  }
}

TEST_P(RealClock, ADueFollowsTheWallClockAndMayLieInThePast) {
  store().define(
      "[flow]\nname = \"d\"\nstages = []\n[[rule]]\nname = \"promise\"\nkind = \"due\"\n");
  Consumer c = store().consumer("c");
  const std::int64_t now =
      std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count();
  store().track("past", "", {.dues = {{"promise", now - kH}}});
  const std::vector<Alert> past = c.poll(8, kLong);
  ASSERT_EQ(past.size(), 1u);
  EXPECT_EQ(past[0].key, "past");
  EXPECT_EQ(past[0].raw.deadline_ns, now - kH);
  EXPECT_GE(past[0].raw.raised_ns, now) << "the instant of arming";
  c.ack(past);
  const std::int64_t soon = store().stats().now_ns + 30 * kMs;
  store().track("soon", "", {.dues = {{"promise", soon}}});
  const std::vector<Alert> alerts = c.poll(8, kLong);
  ASSERT_EQ(alerts.size(), 1u);
  EXPECT_EQ(alerts[0].key, "soon");
  EXPECT_EQ(alerts[0].raw.raised_ns, soon);
}

TEST_P(RealClock, APollThatWaitsIsWokenByTheAlert) {
  use("soon", "20ms");
  Consumer c = store().consumer("c");
  std::atomic<bool> waiting{false};
  std::vector<Alert> got;
  std::thread waiter([&] {
    waiting = true;
    got = c.poll(8, kLong);
  });
  while (!waiting) std::this_thread::yield();
  const std::int64_t deadline = store().track("k").r.deadline_ns;
  waiter.join();
  ASSERT_EQ(got.size(), 1u);
  expect_in_time(got[0], deadline);
}

TEST_P(RealClock, APollEndsWithItsTimeAndNotBefore) {
  use("far", "1h");
  store().track("k");
  Consumer c = store().consumer("c");
  const auto begun = std::chrono::steady_clock::now();
  EXPECT_TRUE(c.poll(8, 30 * kMs).empty());
  EXPECT_GE(std::chrono::steady_clock::now() - begun, std::chrono::milliseconds(30));
}

TEST_P(RealClock, AWaitingPollIsWokenByHand) {
  Consumer c = store().consumer("c");
  std::atomic<bool> done{false};
  std::thread waiter([&] {
    EXPECT_TRUE(c.poll(8, kLong).empty());
    done = true;
  });
  Consumer other = store().consumer("c");
  // It may not wait yet: a wake reaches those that do.
  while (!done) {
    EXPECT_EQ(warden_consumer_wake(other.get()), WARDEN_OK);
    std::this_thread::yield();
  }
  waiter.join();
}

TEST_P(RealClock, TheEventfdBecomesReadable) {
  use("soon", "20ms");
  Consumer c = store().consumer("c");
  const int fd = warden_consumer_fd(c.get());
  ASSERT_GE(fd, 0);
  EXPECT_FALSE(readable(fd, 0));
  for (int round = 0; round < 5; ++round) {
    store().track(numbered("k", round));
    std::vector<Alert> got;
    while (got.empty()) {  // it may be signalled in vain, but never stay silent
      ASSERT_TRUE(readable(fd, 30000)) << round;
      got = c.poll();
    }
    EXPECT_EQ(got[0].key, numbered("k", round));
    c.ack(got);
    // A poll that finds nothing makes it silent, whatever was signalled in vain before.
    do {
      EXPECT_TRUE(c.poll().empty());
    } while (readable(fd, 0));
  }
}

TEST_P(RealClock, ALeaseRunsOutAndTheAlertComesAgain) {
  use("soon", "1ms");
  warden_consumer_options options = WARDEN_CONSUMER_OPTIONS_INIT;
  options.lease_ns = 20 * kMs;
  Consumer c = store().consumer("c", &options);
  store().track("k");
  const std::vector<Alert> first = c.poll(8, kLong);
  ASSERT_EQ(first.size(), 1u);
  const std::vector<Alert> second = c.poll(8, kLong);
  ASSERT_EQ(second.size(), 1u);
  EXPECT_EQ(second[0].id(), first[0].id());
  EXPECT_EQ(second[0].raw.delivery, 2u);
  EXPECT_EQ(c.ack(first), 0) << "leased anew since";
  ASSERT_EQ(warden_alert_nack(c.get(), second[0].raw.lease, 10 * kMs), WARDEN_OK);
  const std::vector<Alert> third = c.poll(8, kLong);
  ASSERT_EQ(third.size(), 1u);
  EXPECT_EQ(third[0].raw.delivery, 3u);
  EXPECT_EQ(c.ack(third), 1);
}

TEST_P(RealClock, SubmittedItemsExpire) {
  use("soon", "1h");
  Consumer c = store().consumer("c");
  store().submit("k", "", {.ttl = 20 * kMs});
  const std::int64_t ends = store().get_item("k").raw.created_ns + 20 * kMs;
  const std::vector<Alert> alerts = c.poll(8, kLong);
  ASSERT_EQ(alerts.size(), 1u);
  EXPECT_EQ(alerts[0].raw.kind, WARDEN_KIND_EXPIRED);
  expect_in_time(alerts[0], ends);
  EXPECT_EQ(store().get_item("k").raw.verdict, WARDEN_VERDICT_EXPIRED);
}

TEST_P(RealClock, CompletedInTimeNobodyIsTold) {
  use("soon", "30ms");
  Consumer c = store().consumer("c");
  std::int64_t last = std::numeric_limits<std::int64_t>::min();
  std::uint64_t late = 0;
  for (int i = 0; i < 50; ++i) {
    last = std::max(last, store().track(numbered("k", i)).r.deadline_ns);
    late += store().complete(numbered("k", i)).code == WARDEN_LATE ? 1 : 0;
  }
  while (store().stats().now_ns <= last + 20 * kMs) std::this_thread::yield();
  EXPECT_EQ(store().stats().alerts_raised, late) << "late only if this machine stood still";
  EXPECT_EQ(store().stats().timers, 0u);
}

TEST_P(RealClock, ThousandsOfDeadlinesEachOnceInAnyOrder) {
  store().define(
      "[flow]\nname = \"d\"\nstages = []\n[[rule]]\nname = \"promise\"\nkind = \"due\"\n");
  constexpr int kCount = 2000;
  const std::int64_t base = store().stats().now_ns + 50 * kMs;
  std::map<std::string, std::int64_t> expected;
  for (int i = 0; i < kCount; ++i) {
    const std::string key = numbered("k", i);
    expected[key] = base + (i * 7919 % 100) * kMs + i;
    store().track(key, "",
                  {.dues = {{"promise", expected[key]}}, .durability = WARDEN_DURABILITY_BUFFERED});
  }
  Consumer c = store().consumer("c");
  while (!expected.empty()) {
    const std::vector<Alert> some = c.poll(256, kLong);
    ASSERT_FALSE(some.empty()) << expected.size() << " are missing";
    for (const Alert& one : some) {
      ASSERT_EQ(expected.count(one.key), 1u) << one.key << " came twice";
      EXPECT_EQ(one.raw.deadline_ns, expected[one.key]);
      EXPECT_GT(one.raw.detected_ns, one.raw.deadline_ns);
      expected.erase(one.key);
    }
    c.ack(some);
  }
  EXPECT_EQ(store().stats().alerts_raised, static_cast<unsigned>(kCount));
}

// A timer that falls due while the verb that sets it is still under way: the keeper
// must wait for the verb, not take the item for gone.
TEST_P(RealClock, ADeadlineThatPassesInsideItsOwnVerbIsNotLost) {
  store().define(
      "[flow]\nname = \"d\"\nstages = []\n[[rule]]\nname = \"promise\"\nkind = \"due\"\n");
  constexpr int kThreads = 2;
  constexpr int kEach = 2000;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        const std::int64_t now =
            std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count();
        const std::int64_t due = now + (i % 7) * kMs / 20;  // 0 to 0.3 ms ahead
        store().track(numbered(t == 0 ? "a" : "b", i), "",
                      {.dues = {{"promise", due}}, .durability = WARDEN_DURABILITY_BUFFERED});
      }
    });
  }
  for (std::thread& one : threads) one.join();
  Consumer c = store().consumer("c");
  std::set<std::string> seen;
  while (seen.size() < kThreads * kEach) {
    const std::vector<Alert> some = c.poll(256, kLong);
    ASSERT_FALSE(some.empty()) << seen.size() << " of " << kThreads * kEach << " came";
    for (const Alert& one : some) EXPECT_TRUE(seen.insert(one.key).second) << one.key;
    c.ack(some);
  }
  EXPECT_EQ(store().stats().timers, 0u);
}

INSTANTIATE_TEST_SUITE_P(Store, RealClock, ::testing::Values("memory", "auto", "posix"),
                         [](const auto& with) { return std::string(with.param); });

}  // namespace
}  // namespace warden::test
