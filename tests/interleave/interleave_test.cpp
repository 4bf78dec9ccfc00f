// SPDX-License-Identifier: Apache-2.0
//
// The wheel as it is, under every race of plots.hpp: by seeds, and exhaustively within
// a bound of disturbances (preemptions and delayed stores). Then random programs.
//   WARDEN_SEED=n repeats one seed; WARDEN_SEEDS=n sets how many; WARDEN_BOUND=n the
//   bound of the exhaustive runs.
#include <gtest/gtest.h>

#include <cstdlib>

#include "plots.hpp"
#include "unit/wheel/random.hpp"

namespace warden::interleave {
namespace {

// Threads without a slot: no cache stands before the shared free list.
struct NoCachePolicy : TestPolicy {
  static unsigned thread_slot() noexcept { return wheel::kThreadSlots; }
};

template <class Policy>
void run_seeds(std::uint64_t seeds_by_default) {
  const std::uint64_t fixed = wheel::number_from_env("WARDEN_SEED", 0);
  const std::uint64_t seeds =
      fixed != 0 ? 1 : wheel::number_from_env("WARDEN_SEEDS", seeds_by_default);
  Explorer explorer;
  for (const auto& plot : all_plots<Policy>()) {
    for (std::uint64_t i = 1; i <= seeds; ++i) {
      const std::uint64_t seed = fixed != 0 ? fixed : i;
      Seeded decisions(seed);
      const std::string error = run_plot<Policy>(explorer, decisions, plot.make);
      ASSERT_EQ(error, "") << plot.name << ": repeat with WARDEN_SEED=" << seed;
    }
  }
}

TEST(WheelInterleave, EveryRaceBySeed) {
  run_seeds<TestPolicy>(4000);
}
TEST(WheelInterleave, EveryRaceBySeedWithoutCaches) {
  run_seeds<NoCachePolicy>(2000);
}

template <class Policy>
void exhaust(const std::string& name, unsigned bound) {
  Explorer explorer;
  for (const auto& plot : all_plots<Policy>()) {
    if (name != plot.name) continue;
    Exhaustive decisions(static_cast<unsigned>(wheel::number_from_env("WARDEN_BOUND", bound)));
    std::uint64_t runs = 0;
    do {
      const std::string error = run_plot<Policy>(explorer, decisions, plot.make);
      ASSERT_EQ(error, "") << plot.name << ", run " << runs << ", decisions " << decisions.text();
      ++runs;
    } while (decisions.advance());
    std::printf("%s: all %llu runs within the bound\n", plot.name,
                static_cast<unsigned long long>(runs));
    return;
  }
  FAIL() << "no plot of the name " << name;
}

class Exhausted : public ::testing::TestWithParam<std::size_t> {};

TEST_P(Exhausted, WithinTwoDisturbances) {
  exhaust<TestPolicy>(all_plots<TestPolicy>()[GetParam()].name, 2);
}

INSTANTIATE_TEST_SUITE_P(WheelInterleave, Exhausted,
                         ::testing::Range<std::size_t>(0, all_plots<TestPolicy>().size()),
                         [](const auto& param) {
                           return std::string(all_plots<TestPolicy>()[param.param].name);
                         });

TEST(WheelInterleave, NodesChangeHandsWithinTwoDisturbances) {
  exhaust<NoCachePolicy>("shared_free_list", 2);
  exhaust<NoCachePolicy>("stale_cancel_of_a_reused_node", 2);
}

// An upkeep looks at every slot, so its runs are long: one disturbance, at any step.
TEST(WheelInterleave, UpkeepWithinOneDisturbance) {
  exhaust<UpkeepPolicy>("sweep_against_schedule_and_cancel", 1);
  exhaust<UpkeepPolicy>("early_cascade_against_schedule", 1);
}

TEST(WheelInterleave, ReturnOfMemoryWithinTwoDisturbances) {
  exhaust<TrimPolicy>("return_of_memory_against_schedule", 2);
}

// Random programs of three fibers near random edges.
template <class Policy>
Plot<Policy> random_plot(std::uint64_t seed) {
  wheel::Random random(seed);
  constexpr Tick kEdges[] = {10,           kEdge - 1,           kEdge,
                             kFarEdge - 3, (Tick{1} << 32) - 2, (Tick{1} << 40) - 1};
  const Tick now = kEdges[random.below(6)];
  auto world = std::make_unique<World<Policy>>(now);
  World<Policy>* const w = world.get();
  const std::uint64_t before = random.below(6);
  const auto due = [now](wheel::Random& dice) { return now + dice.magnitude(1 + dice.below(18)); };
  for (std::uint64_t i = 0; i < before; ++i) {
    const std::size_t timer = w->schedule(due(random));
    if (random.below(3) == 0) w->cancel(timer);
  }
  const std::uint64_t dice_seed = random.next();
  std::vector<std::function<void()>> bodies;
  bodies.push_back([w, dice_seed] {
    wheel::Random dice(dice_seed);
    for (std::uint64_t i = 0; i < 1 + dice.below(3); ++i) {
      const Tick to = w->wheel().now() + dice.magnitude(1 + dice.below(12));
      w->advance(to, dice.below(3) == 0 ? 1 + dice.below(4) : ~std::uint64_t{0});
    }
    if (dice.below(3) == 0) w->sleep();
  });
  for (std::uint64_t fiber = 1; fiber <= 2; ++fiber) {
    bodies.push_back([w, dice_seed, fiber, before, due] {
      wheel::Random dice(dice_seed + fiber);
      std::vector<std::size_t> mine;
      for (std::uint64_t i = 0; i < 1 + dice.below(4); ++i) {
        const std::uint64_t what = dice.below(4);
        if (what < 2) {
          mine.push_back(w->schedule(due(dice)));
        } else if (what == 2 && !mine.empty()) {
          w->cancel(mine[dice.below(mine.size())]);
        } else if (before > 0) {
          w->cancel(dice.below(before));
        }
      }
    });
  }
  return {std::move(world), std::move(bodies)};
}

template <class Policy>
void run_random_plots() {
  const std::uint64_t fixed = wheel::number_from_env("WARDEN_SEED", 0);
  const std::uint64_t seeds = fixed != 0 ? 1 : wheel::number_from_env("WARDEN_SEEDS", 20'000);
  Explorer explorer;
  for (std::uint64_t i = 1; i <= seeds; ++i) {
    const std::uint64_t seed = fixed != 0 ? fixed : i;
    Seeded decisions(seed);
    const std::string error =
        run_plot<Policy>(explorer, decisions, [seed] { return random_plot<Policy>(seed); });
    ASSERT_EQ(error, "") << "repeat with WARDEN_SEED=" << seed;
  }
}

TEST(WheelInterleave, RandomPrograms) {
  run_random_plots<TestPolicy>();
}
TEST(WheelInterleave, RandomProgramsAmidReturnsOfMemory) {
  run_random_plots<TrimPolicy>();
}
TEST(WheelInterleave, RandomProgramsAmidUpkeep) {
  run_random_plots<UpkeepPolicy>();
}

}  // namespace
}  // namespace warden::interleave
