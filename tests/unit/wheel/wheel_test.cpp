// SPDX-License-Identifier: Apache-2.0
//
// The wheel on one thread, case by case: what each verb answers, at each level and at
// each edge.
#include "wheel/wheel.hpp"

#include <gtest/gtest.h>

#include <map>
#include <vector>

namespace warden::wheel {
namespace {

struct Fired {
  Handle handle;
  Tick due;
  std::uint64_t cookie;
  Tick at;
};

class WheelTest : public ::testing::Test {
 protected:
  void start(Tick now, std::uint32_t max_timers = kMaxTimers) {
    wheel_ = Wheel::create({.now = now, .max_timers = max_timers});
    ASSERT_NE(wheel_, nullptr);
  }
  Advanced go(Tick to, std::uint64_t max_work = ~std::uint64_t{0}) {
    return wheel_->advance(to, max_work, [&](Handle handle, Tick due, std::uint64_t cookie) {
      fired_.push_back({handle, due, cookie, wheel_->now()});
    });
  }
  std::unique_ptr<Wheel> wheel_;
  std::vector<Fired> fired_;
};

TEST_F(WheelTest, FreshWheelIsEmptyAndSmall) {
  start(0);
  EXPECT_EQ(wheel_->size(), 0U);
  EXPECT_EQ(wheel_->next_due(), kNoTick);
  EXPECT_LT(wheel_->bytes(), 128U << 10);
  const Advanced advanced = go(1000);
  EXPECT_TRUE(advanced.done);
  EXPECT_EQ(advanced.now, 1000U);
  EXPECT_EQ(advanced.fired, 0U);
}

TEST_F(WheelTest, FiresAtItsTickAndNotBefore) {
  start(5);
  const Scheduled made = wheel_->schedule(10, 77);
  ASSERT_EQ(made.refusal, Refusal::none);
  EXPECT_EQ(wheel_->size(), 1U);
  EXPECT_EQ(wheel_->next_due(), 10U);
  go(9);
  EXPECT_TRUE(fired_.empty());
  go(10);
  ASSERT_EQ(fired_.size(), 1U);
  EXPECT_EQ(fired_[0].handle, made.handle);
  EXPECT_EQ(fired_[0].due, 10U);
  EXPECT_EQ(fired_[0].cookie, 77U);
  EXPECT_EQ(wheel_->size(), 0U);
}

TEST_F(WheelTest, DueOfTellsWhileItStands) {
  start(0);
  const Handle cancelled = wheel_->schedule(300, 1).handle;
  const Handle fires = wheel_->schedule(400, 2).handle;
  EXPECT_EQ(wheel_->due_of(cancelled), 300U);
  EXPECT_EQ(wheel_->due_of(fires), 400U);
  EXPECT_TRUE(wheel_->cancel(cancelled));
  EXPECT_EQ(wheel_->due_of(cancelled), kNoTick);
  go(400);
  EXPECT_EQ(wheel_->due_of(fires), kNoTick);
  EXPECT_EQ(wheel_->due_of(Handle::none), kNoTick);
}

TEST_F(WheelTest, EveryLevelIsExact) {
  for (const Tick now : {Tick{0}, Tick{255}, Tick{0x1234567}, (Tick{1} << 40) - 1}) {
    start(now);
    std::multimap<Tick, std::uint64_t> expected;
    for (unsigned bit = 0; bit < 47; ++bit) {
      for (const Tick off : {Tick{0}, Tick{1}, Tick{3}}) {
        const Tick due = now + (Tick{1} << bit) + off;
        if (due > kMaxTick) continue;
        ASSERT_EQ(wheel_->schedule(due, due).refusal, Refusal::none);
        expected.emplace(due, due);
      }
    }
    fired_.clear();
    // Step to just before and onto each due tick.
    for (auto it = expected.begin(); it != expected.end(); it = expected.upper_bound(it->first)) {
      const Tick due = it->first;
      if (due > wheel_->now() + 1) {
        const std::size_t before = fired_.size();
        go(due - 1);
        EXPECT_EQ(fired_.size(), before);
      }
      EXPECT_LE(wheel_->next_due(), due);
      go(due);
    }
    ASSERT_EQ(fired_.size(), expected.size());
    for (const Fired& each : fired_) {
      EXPECT_EQ(each.at, each.due);
      EXPECT_EQ(each.cookie, each.due);
    }
    EXPECT_EQ(wheel_->next_due(), kNoTick);
  }
}

TEST_F(WheelTest, OneJumpOfYearsFiresAllInOrderOfTicks) {
  start(1);
  for (unsigned bit = 1; bit < 47; ++bit) wheel_->schedule(Tick{1} << bit, bit);
  go(kMaxTick - 1);
  ASSERT_EQ(fired_.size(), 46U);
  for (std::size_t i = 0; i < fired_.size(); ++i) {
    EXPECT_EQ(fired_[i].due, Tick{1} << (i + 1));
    EXPECT_EQ(fired_[i].at, fired_[i].due);
  }
}

TEST_F(WheelTest, DueNowOrPastFiresAtTheVeryNextTick) {
  for (const Tick now : {Tick{100}, Tick{255}, Tick{65535}, (Tick{1} << 32) - 1}) {
    start(now);
    fired_.clear();
    wheel_->schedule(now, 1);
    wheel_->schedule(3, 2);
    go(now);
    EXPECT_TRUE(fired_.empty());
    EXPECT_EQ(wheel_->next_due(), now + 1);
    go(now + 1);
    ASSERT_EQ(fired_.size(), 2U);
    EXPECT_EQ(fired_[1].due, 3U);
    EXPECT_EQ(fired_[1].at, now + 1);
  }
}

TEST_F(WheelTest, CancelEndsOnceAndNeverAnothersTimer) {
  start(0);
  const Handle first = wheel_->schedule(10, 1).handle;
  EXPECT_TRUE(wheel_->cancel(first));
  EXPECT_FALSE(wheel_->cancel(first));
  const Handle second = wheel_->schedule(10, 2).handle;  // the same node again
  EXPECT_EQ(handle_index(first), handle_index(second));
  EXPECT_FALSE(wheel_->cancel(first));
  go(20);
  ASSERT_EQ(fired_.size(), 1U);
  EXPECT_EQ(fired_[0].handle, second);
  EXPECT_FALSE(wheel_->cancel(second));
  EXPECT_EQ(wheel_->size(), 0U);
  EXPECT_EQ(wheel_->garbage(), 0U);
}

TEST_F(WheelTest, HandlesThatWereNeverMadeAreRefused) {
  start(0);
  EXPECT_FALSE(wheel_->cancel(Handle::none));
  EXPECT_FALSE(wheel_->cancel(static_cast<Handle>(~std::uint64_t{0})));
  EXPECT_FALSE(wheel_->cancel(make_handle(3, 1)));
  wheel_->schedule(10, 1);
  EXPECT_FALSE(wheel_->cancel(make_handle(7, 0)));
}

TEST_F(WheelTest, AReusedNodesOldEntryDoesNotFireItEarly) {
  start(0);
  const Handle old = wheel_->schedule(10, 1).handle;
  wheel_->cancel(old);
  for (int i = 0; i < 2048 - 1; ++i) wheel_->cancel(wheel_->schedule(5000, 3).handle);
  // 2,048 generations later: the short generation in the old entry matches again.
  const Handle young = wheel_->schedule(300, 2).handle;
  ASSERT_EQ(handle_index(old), handle_index(young));
  ASSERT_EQ(handle_generation(young) - handle_generation(old), 2048U);
  go(299);
  EXPECT_TRUE(fired_.empty());
  go(300);
  ASSERT_EQ(fired_.size(), 1U);
  EXPECT_EQ(fired_[0].handle, young);
}

TEST_F(WheelTest, RefusalsAreTypedAndLeaveNothing) {
  start(0, 3);
  EXPECT_EQ(wheel_->schedule(kMaxTick + 1, 0).refusal, Refusal::out_of_range);
  Handle kept = Handle::none;
  for (int i = 0; i < 3; ++i) kept = wheel_->schedule(50, 0).handle;
  EXPECT_EQ(wheel_->schedule(50, 0).refusal, Refusal::too_many);
  EXPECT_EQ(wheel_->size(), 3U);
  EXPECT_TRUE(wheel_->cancel(kept));
  EXPECT_EQ(wheel_->schedule(50, 0).refusal, Refusal::none);
  go(50);
  EXPECT_EQ(fired_.size(), 3U);
}

TEST_F(WheelTest, TheEndOfTimeIsReached) {
  start(kMaxTick - 2);
  wheel_->schedule(kMaxTick, 1);
  go(kMaxTick);
  EXPECT_EQ(fired_.size(), 1U);
  EXPECT_EQ(wheel_->schedule(kMaxTick, 1).refusal, Refusal::out_of_range);
  EXPECT_EQ(Wheel::create({.now = kMaxTick}), nullptr);
}

TEST_F(WheelTest, MaxWorkStopsAndResumesAnywhere) {
  for (const std::uint64_t max_work : {1U, 2U, 61U, 62U, 63U, 1000U}) {
    start(0);
    fired_.clear();
    for (std::uint64_t i = 0; i < 1000; ++i) wheel_->schedule(70'000 + i % 300, i);
    for (std::uint64_t i = 0; i < 500; ++i) wheel_->schedule(100, i);
    std::uint64_t calls = 0;
    for (Advanced now = go(200'000, max_work); !now.done; now = go(200'000, max_work)) {
      ASSERT_LT(now.work, max_work + DefaultPolicy::kCells);
      ASSERT_GT(now.work, 0U) << "no progress";
      ++calls;
    }
    EXPECT_GE(calls * max_work, 1500U - max_work);
    EXPECT_EQ(fired_.size(), 1500U);
    for (const Fired& each : fired_) EXPECT_EQ(each.at, each.due);
  }
}

TEST_F(WheelTest, OnDueMayScheduleAndCancel) {
  start(0);
  std::uint64_t hops = 0;
  Handle victim = wheel_->schedule(10, 9).handle;
  wheel_->schedule(1, 0);
  const auto on_due = [&](Handle, Tick due, std::uint64_t cookie) {
    ASSERT_NE(cookie, 9U) << "cancelled by an earlier firing";
    ++hops;
    EXPECT_EQ(due, wheel_->now());
    if (due == 5) {
      EXPECT_TRUE(wheel_->cancel(victim));
    }
    if (hops < 1000) wheel_->schedule(due + 1, 0);
  };
  const Advanced advanced = wheel_->advance(5000, ~std::uint64_t{0}, on_due);
  EXPECT_TRUE(advanced.done);
  EXPECT_EQ(hops, 1000U);
  EXPECT_EQ(wheel_->size(), 0U);
}

TEST_F(WheelTest, SleepIsEndedByAnEarlierTimerOnly) {
  start(0);
  wheel_->schedule(100, 0);
  EXPECT_FALSE(wheel_->schedule(50, 0).wake) << "the keeper is awake";
  EXPECT_EQ(wheel_->prepare_sleep(), 50U);
  EXPECT_FALSE(wheel_->schedule(50, 0).wake);
  EXPECT_FALSE(wheel_->schedule(1000, 0).wake);
  EXPECT_TRUE(wheel_->schedule(49, 0).wake);
  EXPECT_FALSE(wheel_->schedule(49, 0).wake) << "woken already";
  EXPECT_TRUE(wheel_->schedule(1, 0).wake);
  wheel_->end_sleep();
  EXPECT_FALSE(wheel_->schedule(1, 0).wake);
}

TEST_F(WheelTest, AnEmptyWheelSleepsForEverAndIsWokenByTheFirst) {
  start(0);
  EXPECT_EQ(wheel_->prepare_sleep(), kNoTick);
  EXPECT_TRUE(wheel_->schedule(Tick{1} << 45, 0).wake);
}

TEST_F(WheelTest, BatchesAnswerLikeSingleCalls) {
  start(0);
  std::vector<Request> requests;
  for (std::uint64_t i = 0; i < 100; ++i) requests.push_back({i * 7, i});
  requests.push_back({kMaxTick + 1, 0});
  std::vector<Scheduled> answers(requests.size());
  EXPECT_EQ(wheel_->schedule_batch(requests, answers), 100U);
  EXPECT_EQ(answers[100].refusal, Refusal::out_of_range);
  std::vector<Handle> handles;
  for (std::size_t i = 0; i < 50; ++i) handles.push_back(answers[2 * i].handle);
  handles.push_back(handles[0]);
  handles.push_back(Handle::none);
  const auto ended = std::make_unique<bool[]>(handles.size());
  EXPECT_EQ(wheel_->cancel_batch(handles, {ended.get(), handles.size()}), 50U);
  EXPECT_TRUE(ended[0]);
  EXPECT_FALSE(ended[50]);
  EXPECT_FALSE(ended[51]);
  go(1000);
  ASSERT_EQ(fired_.size(), 50U);
  for (const Fired& each : fired_) EXPECT_EQ(each.cookie % 2, 1U);
}

}  // namespace
}  // namespace warden::wheel
