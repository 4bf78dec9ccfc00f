// SPDX-License-Identifier: Apache-2.0
//
// The log's buffer and doorbell as they are, under every race of buffer_plots.hpp: by
// seeds, and exhaustively within a bound of disturbances (preemptions and delayed stores).
// Then random programs. The environment variables are those of interleave_test.cpp.
#include <gtest/gtest.h>

#include <cstdio>

#include "buffer_plots.hpp"
#include "unit/wheel/random.hpp"

namespace warden::interleave {
namespace {

using wheel::number_from_env;

// Calls `run(seed)` for each seed, or the one that was named.
template <class Run>
void for_each_seed(std::uint64_t by_default, Run run) {
  const std::uint64_t fixed = number_from_env("WARDEN_SEED", 0);
  const std::uint64_t seeds = fixed != 0 ? 1 : number_from_env("WARDEN_SEEDS", by_default);
  for (std::uint64_t i = 1; i <= seeds; ++i) {
    run(fixed != 0 ? fixed : i);
    if (testing::Test::HasFatalFailure()) return;
  }
}

TEST(BufferInterleave, EveryRaceBySeed) {
  Explorer explorer;
  for (const auto& plot : all_buffer_plots<TestBuffer>()) {
    for_each_seed(4000, [&](std::uint64_t seed) {
      Seeded decisions(seed);
      const auto error = run_buffer_plot<BufferWorld<TestBuffer>>(explorer, decisions, plot.make);
      ASSERT_EQ(error, "") << plot.name << ": repeat with WARDEN_SEED=" << seed;
    });
    if (HasFatalFailure()) return;
  }
}

class BufferExhausted : public testing::TestWithParam<std::size_t> {};

// So many disturbances unless WARDEN_BOUND says otherwise; with a sanitizer one less.
TEST_P(BufferExhausted, WithinTheBound) {
  Explorer explorer;
  const auto plot = all_buffer_plots<TestBuffer>()[GetParam()];
  Exhaustive decisions(static_cast<unsigned>(number_from_env("WARDEN_BOUND", WARDEN_USUAL_BOUND)));
  std::uint64_t runs = 0;
  do {
    const auto error = run_buffer_plot<BufferWorld<TestBuffer>>(explorer, decisions, plot.make);
    ASSERT_EQ(error, "") << plot.name << ", run " << runs << ", decisions " << decisions.text();
    ++runs;
  } while (decisions.advance());
  std::printf("%s: all %llu runs within the bound\n", plot.name,
              static_cast<unsigned long long>(runs));
}

INSTANTIATE_TEST_SUITE_P(BufferInterleave, BufferExhausted,
                         testing::Range<std::size_t>(0, all_buffer_plots<TestBuffer>().size()),
                         [](const auto& param) {
                           return std::string(all_buffer_plots<TestBuffer>()[param.param].name);
                         });

using World = BufferWorld<TestBuffer>;

// What one fiber of a random program does: one to three things.
void random_calls(World& world, std::uint64_t seed, std::size_t most) {
  wheel::Random dice(seed);
  const std::uint64_t calls = 1 + dice.below(3);
  for (std::uint64_t i = 0; i < calls; ++i) {
    const std::uint64_t what = dice.below(6);
    if (what == 0) {
      world.put_durable();
    } else if (what == 1) {
      world.hold_up(true);
      world.hold_up(false);
    } else {
      World::Credit credit;
      const std::uint64_t records = 1 + dice.below(most);
      if (!world.reserve(credit, records * World::kWant, dice.below(4) != 0)) continue;
      for (std::uint64_t r = 0; r < records; ++r) {
        const std::uint64_t how = dice.below(4);
        if (how == 0) world.abandon(credit);
        if (how > 1) world.append(credit);
      }
      world.release(credit);
    }
  }
}

// A ring with credit for two records, or for four, that may begin anywhere.
BufferPlot<World> random_program(std::uint64_t seed) {
  wheel::Random dice(seed);
  const std::size_t ring = dice.below(2) == 0 ? 64 : 128;
  auto world = std::make_unique<World>(ring, 4 * dice.below(ring / 4));
  World* const w = world.get();
  std::vector<std::function<void()>> bodies{[w] { w->scribe(); }};
  for (std::uint64_t fiber = 1 + dice.below(2); fiber < 4; ++fiber) {
    const std::uint64_t mine = dice.next();
    bodies.push_back([w, mine, ring] { random_calls(*w, mine, ring / 32); });
  }
  return {std::move(world), std::move(bodies)};
}

TEST(BufferInterleave, RandomPrograms) {
  Explorer explorer;
  for_each_seed(20'000, [&](std::uint64_t seed) {
    Seeded decisions(seed);
    const auto error =
        run_buffer_plot<World>(explorer, decisions, [seed] { return random_program(seed); });
    ASSERT_EQ(error, "") << "repeat with WARDEN_SEED=" << seed;
  });
}

}  // namespace
}  // namespace warden::interleave
