// SPDX-License-Identifier: Apache-2.0
//
// What the wheel does ahead of its hour and after: memory under long cancel churn, no
// tick with much to do, an idle keeper that sleeps.
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <vector>

#include "random.hpp"
#include "wheel/wheel.hpp"

namespace warden::wheel {
namespace {

constexpr auto kIgnore = [](Handle, Tick, std::uint64_t) {};

TEST(WheelUpkeep, AnHourOfCancelChurnStaysWithinHalfAgainOfTheLive) {
  constexpr std::uint64_t kLive = 100'000;
  constexpr Tick kHour = 360'000;  // at 10 ms a tick
  auto wheel = Wheel::create({.now = 0});
  Random random(number_from_env("WARDEN_SEED", 1));
  std::vector<Handle> handles;
  for (std::uint64_t i = 0; i < kLive; ++i) {
    handles.push_back(wheel->schedule(2 * kHour + random.below(kHour), i).handle);
  }
  const std::uint64_t live_only = wheel->bytes();
  // Four hundred pairs a second, each timer two to three hours ahead: none ever fires.
  for (Tick now = 1; now <= kHour; ++now) {
    for (int pair = 0; pair < 4; ++pair) {
      Handle& victim = handles[random.below(kLive)];
      ASSERT_TRUE(wheel->cancel(victim));
      victim = wheel->schedule(now + 2 * kHour + random.below(kHour), 0).handle;
    }
    ASSERT_EQ(wheel->advance(now, 4096, kIgnore).fired, 0U);
  }
  EXPECT_EQ(wheel->size(), kLive);
  EXPECT_LE(wheel->garbage(), kLive);
  EXPECT_LE(wheel->bytes(), live_only + live_only / 2);
}

std::uint64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t pages = 0;
  std::uint64_t resident = 0;
  statm >> pages >> resident;
  return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

TEST(WheelUpkeep, ChunksOfAPeakGoBackToTheSystem) {
  constexpr std::uint64_t kPeak = 1'000'000;
  constexpr std::uint64_t kLeft = 10'000;
  auto wheel = Wheel::create({.now = 0});
  Random random(number_from_env("WARDEN_SEED", 1));
  std::vector<Handle> handles;
  handles.reserve(kPeak);
  const auto due = [&] { return wheel->now() + 100'000 + random.below(1'000'000); };
  for (std::uint64_t i = 0; i < kPeak; ++i) handles.push_back(wheel->schedule(due(), i).handle);
  const std::uint64_t peak = wheel->bytes();
  while (handles.size() > kLeft) {
    ASSERT_TRUE(wheel->cancel(handles.back()));
    handles.pop_back();
  }
  // Behind the cancels: each writes its node's byte, which may be a page's first touch.
  const std::uint64_t resident_peak = resident_bytes();
  // A second of ticks: compaction frees the chunks, then their memory is given back.
  for (Tick i = 0; i < 1000; ++i) wheel->advance(wheel->now() + 1, 1 << 20, kIgnore);
  const std::uint64_t given_back = peak - wheel->bytes();
  EXPECT_GT(given_back, kPeak * 8 * 7 / 10);
#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)  // their shadows count too
  EXPECT_GT(resident_peak, resident_bytes() + given_back * 8 / 10);
#else
  EXPECT_GT(resident_peak, 0U);
#endif
  // It is not asleep for ever with work left, and what was given back serves again.
  EXPECT_GT(wheel->prepare_sleep(), wheel->now() + 1);
  wheel->end_sleep();
  while (handles.size() < kPeak) handles.push_back(wheel->schedule(due(), 0).handle);
  EXPECT_LE(wheel->bytes(), peak + peak / 20);
  std::uint64_t fired = 0;
  const Advanced last = wheel->advance(wheel->now() + 2'000'000, ~std::uint64_t{0},
                                       [&](Handle, Tick, std::uint64_t) { ++fired; });
  EXPECT_TRUE(last.done);
  EXPECT_EQ(fired, kPeak);
}

TEST(WheelUpkeep, NoTickOfALargeSlotBearsMuchWork) {
  constexpr std::uint64_t kLive = 500'000;
  auto wheel = Wheel::create({.now = 0});
  Random random(number_from_env("WARDEN_SEED", 1));
  // All in one slot of level 2, one to two minutes ahead at 1 ms a tick.
  for (std::uint64_t i = 0; i < kLive; ++i) wheel->schedule(65'536 + random.below(65'536), i);
  std::uint64_t worst = 0;
  std::uint64_t fired = 0;
  for (Tick now = 1; now < 131'072 + 1; ++now) {
    const Advanced advanced = wheel->advance(now, ~std::uint64_t{0}, kIgnore);
    worst = std::max(worst, advanced.work);
    fired += advanced.fired;
  }
  EXPECT_EQ(fired, kLive);
  EXPECT_LT(worst, 3000U) << "a cascade came all at once";
}

TEST(WheelUpkeep, AnIdleKeeperSleepsUntilTheHour) {
  constexpr std::uint64_t kLive = 1'000'000;
  constexpr Tick kHour = 3'600'000;
  auto wheel = Wheel::create({.now = 0});
  for (std::uint64_t i = 0; i < kLive; ++i) wheel->schedule(kHour + i % 1000, i);
  std::uint64_t wakes = 0;
  std::uint64_t fired = 0;
  std::uint64_t wakes_in_first_half_hour = 0;
  while (fired < kLive) {
    const Tick until = wheel->prepare_sleep();
    ASSERT_NE(until, kNoTick);
    wheel->end_sleep();
    ++wakes;
    if (until < kHour / 2) ++wakes_in_first_half_hour;
    fired += wheel->advance(until, ~std::uint64_t{0}, kIgnore).fired;
  }
  EXPECT_LE(wakes_in_first_half_hour, 1U);
  // Early cascades in pieces of some thousand entries, then a thousand busy ticks.
  EXPECT_LT(wakes, 6000U);
  std::printf(
      "wake-ups: %llu in the first half hour, %llu in the hour and its last second: "
      "%.2f a second\n",
      static_cast<unsigned long long>(wakes_in_first_half_hour),
      static_cast<unsigned long long>(wakes),
      static_cast<double>(wakes) / (static_cast<double>(kHour) / 1000));
  // Then the memory goes back, in as many ticks as it has pieces, and all is quiet.
  std::uint64_t pieces = 0;
  while (wheel->prepare_sleep() != kNoTick && pieces < 1000) {
    wheel->end_sleep();
    wheel->advance(wheel->now() + 1, ~std::uint64_t{0}, kIgnore);
    ++pieces;
  }
  EXPECT_LT(pieces, 200U);
  EXPECT_EQ(wheel->prepare_sleep(), kNoTick);
}

TEST(WheelUpkeep, ASleepingKeeperIsWokenForALargeSlotAndForGarbage) {
  auto wheel = Wheel::create({.now = 0});
  wheel->schedule(70'000, 0);
  EXPECT_EQ(wheel->prepare_sleep(), 65'536U);
  bool woken = false;
  for (std::uint64_t i = 0; i < 200'000 && !woken; ++i) {
    const Scheduled made = wheel->schedule(70'000, i);
    woken = made.wake;
    wheel->cancel(made.handle);
  }
  EXPECT_TRUE(woken) << "garbage grows while the keeper sleeps";
  wheel->end_sleep();
  while (wheel->garbage() > 5000) wheel->advance(wheel->now() + 1, 4096, kIgnore);
  EXPECT_EQ(wheel->size(), 1U);
}

}  // namespace
}  // namespace warden::wheel
