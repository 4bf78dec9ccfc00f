// SPDX-License-Identifier: Apache-2.0
//
// The tests tested: seven bugs, each compiled into the wheel by its policy, each of
// which the named race must find. What finds a bug is printed as the decisions that
// replay it.
#include <gtest/gtest.h>

#include "plots.hpp"

namespace warden::interleave {
namespace {

template <class Policy>
using PlotMaker = typename Plots<Policy>::Make;

// Seeds first, then all runs within two disturbances; answers what was found.
template <class Policy>
std::string find(const PlotMaker<Policy>& make, std::uint64_t seeds = 20'000) {
  Explorer explorer;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    Seeded decisions(seed);
    const std::string error = run_plot<Policy>(explorer, decisions, make);
    if (!error.empty()) {
      std::printf("found by seed %llu: %s\n", static_cast<unsigned long long>(seed), error.c_str());
      return error;
    }
  }
  Exhaustive decisions(2);
  do {
    const std::string error = run_plot<Policy>(explorer, decisions, make);
    if (!error.empty()) {
      std::printf("found by decisions %s: %s\n", decisions.text().c_str(), error.c_str());
      return error;
    }
  } while (decisions.advance());
  return "";
}

struct NoTagBumpOnEmpty : TestPolicy {
  static constexpr bool kBugNoTagBumpOnEmpty = true;
};
TEST(WheelPlanted, NoTagBumpOnAnEmptySlot) {
  EXPECT_NE(find<NoTagBumpOnEmpty>(Plots<NoTagBumpOnEmpty>::schedule_behind_a_jump), "");
}

struct PublishNowAfterClose : TestPolicy {
  static constexpr bool kBugPublishNowAfterClose = true;
};
TEST(WheelPlanted, NowPublishedAfterClosing) {
  const std::string error =
      find<PublishNowAfterClose>(Plots<PublishNowAfterClose>::schedule_into_closing_tick, 100);
  EXPECT_NE(error, "");
}

struct NoGenerationCheck : TestPolicy {
  static constexpr bool kBugNoGenerationCheck = true;
};
TEST(WheelPlanted, GenerationNotChecked) {
  EXPECT_NE(find<NoGenerationCheck>(Plots<NoGenerationCheck>::stale_cancel_of_a_reused_node), "");
}

struct RelaxedEntryStore : TestPolicy {
  static constexpr bool kBugRelaxedEntryStore = true;
};
TEST(WheelPlanted, RelaxedInsteadOfReleaseOnTheEntryStore) {
  const std::string error =
      find<RelaxedEntryStore>(Plots<RelaxedEntryStore>::schedule_into_closing_tick);
  EXPECT_NE(error, "");
}

struct DropEntryInFlight : TestPolicy {
  static constexpr bool kBugDropEntryInFlight = true;
};
TEST(WheelPlanted, CascadeDropsTheEntryInFlight) {
  const std::string error =
      find<DropEntryInFlight>(Plots<DropEntryInFlight>::schedule_into_cascading_slot);
  EXPECT_NE(error, "");
}

struct FreeListWithoutTag : TestPolicy {
  static constexpr bool kBugFreeListWithoutTag = true;
  static unsigned thread_slot() noexcept { return wheel::kThreadSlots; }
};
TEST(WheelPlanted, FreeListWithoutATag) {
  EXPECT_NE(find<FreeListWithoutTag>(Plots<FreeListWithoutTag>::shared_free_list), "");
}

struct SleepReadBeforeClaim : TestPolicy {
  static constexpr bool kBugSleepReadBeforeClaim = true;
};
TEST(WheelPlanted, WakeUpLostBetweenClaimAndSleep) {
  const std::string error =
      find<SleepReadBeforeClaim>(Plots<SleepReadBeforeClaim>::sleep_against_schedule);
  EXPECT_NE(error.find("wake-up lost"), std::string::npos) << error;
}

}  // namespace
}  // namespace warden::interleave
