// SPDX-License-Identifier: Apache-2.0
//
// The wheel when the system has no more memory to give.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include "random.hpp"
#include "wheel/wheel.hpp"

namespace warden::wheel {
namespace {

constexpr auto kIgnore = [](Handle, Tick, std::uint64_t) {};

// Memory comes in eighths of the usual segments, so that little is needed to use it up.
struct SmallSegments : DefaultPolicy {
  static constexpr unsigned kNodeSegmentBits = 15;
  static constexpr unsigned kChunkSegmentBits = 11;
};

TEST(WheelMemory, CascadedEntriesSurviveMemoryRunningOut) {
  auto wheel = BasicWheel<std::atomic, SmallSegments>::create({.now = 0});
  // Spread over many slots of level 1 from one of level 2: the cascade needs chunks.
  std::uint64_t made = 0;
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_AS, &before), 0);
  Random random(7);
  for (; made < 112'000; ++made) {
    ASSERT_EQ(wheel->schedule(65'536 + random.below(60'000), made).refusal, Refusal::none);
  }
  // The keeper has been about: it holds some chunks back for its cascades.
  for (Tick tick = 1; tick <= 50; ++tick) wheel->advance(tick, 4096, kIgnore);
  const rlimit none{1, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_AS, &none), 0);
  // No further segment can be had: schedule until the pools are empty.
  std::uint64_t refused = 0;
  while (refused < 1000 && made < 400'000) {
    const Scheduled answer = wheel->schedule(65'536 + random.below(60'000), made);
    if (answer.refusal == Refusal::none) {
      ++made;
    } else {
      EXPECT_EQ(answer.refusal, Refusal::no_memory);
      ++refused;
    }
  }
  std::uint64_t fired = 0;
  std::uint64_t wrong = 0;
  std::uint64_t work = 0;
  for (bool done = false; !done;) {
    const Advanced advanced =
        wheel->advance(130'000, 100'000, [&](Handle, Tick due, std::uint64_t) {
          ++fired;
          wrong += due != wheel->now() ? 1 : 0;
        });
    work += advanced.work;
    done = advanced.done;
  }
  ASSERT_EQ(setrlimit(RLIMIT_AS, &before), 0);
  EXPECT_EQ(refused, 1000U);
  EXPECT_EQ(fired, made);
  EXPECT_EQ(wrong, 0U);
  // Parked entries are looked at each tick: were many of them parked, the work would be
  // theirs times the ticks. Early pieces and the spare chunks see to it that few are.
  EXPECT_LE(work, 4 * made);
}

}  // namespace
}  // namespace warden::wheel
