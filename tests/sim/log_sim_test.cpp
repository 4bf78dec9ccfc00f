// SPDX-License-Identifier: Apache-2.0
//
// H1: seeded runs of the log over the simulated disk, with crashes also while
// recovering. WARDEN_SEED=<n> or --seed=<n> runs one; WARDEN_SEEDS=<n> as many.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "log_model.hpp"

namespace warden::sim {
namespace {

std::uint64_t g_seed = 0;  // 0: all

std::uint64_t number_of(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

void add(Coverage& sum, const Coverage& one) {
  sum.openings += one.openings;
  sum.failed_openings += one.failed_openings;
  sum.crashes += one.crashes;
  sum.torn_tails += one.torn_tails;
  sum.records += one.records;
  sum.recovered += one.recovered;
  sum.cut += one.cut;
  sum.segments += one.segments;
  sum.sticky += one.sticky;
  sum.readers += one.readers;
  sum.no_space += one.no_space;
}

void set_faults(SimWorld& world) {
  world.faults = {};
  Rng& rng = world.rng();
  if (rng() % 2 == 0) world.faults.again = 20;
  if (rng() % 2 == 0) world.faults.interrupted = 20;
  if (rng() % 2 == 0) world.faults.short_write = 20;
  if (rng() % 8 == 0) world.faults.write_error = 3;
  if (rng() % 8 == 0) world.faults.flush_error = 3;
}

// Opens, if need be through up to three crashes while opening.
std::string open_somehow(SimWorld& world, LogModel& model) {
  for (int deep = 0;; ++deep) {
    if (deep < 3 && world.rng()() % 3 == 0) world.crash_at = 1 + world.rng()() % 60;
    std::string wrong = model.open();
    if (!wrong.empty()) return wrong;
    if (model.is_open()) return {};
    if (!world.crashed() && deep > 20) {
      return "it does not open: " + model.open_error().message;
    }
    if (deep > 3) world.faults = {};
    if (world.crashed()) {
      ++model.coverage().crashes;
      world.restart_at_random();
    }
  }
}

std::string run_seed(std::uint64_t seed, int steps, Coverage& coverage) {
  SimWorld world(seed);
  io::ManualClock clock(1'000'000'000);
  LogModel model(world, clock);
  std::string wrong;
  for (int life = 0; life < 6 && wrong.empty(); ++life) {
    set_faults(world);
    wrong = open_somehow(world, model);
    if (!wrong.empty()) break;
    world.crash_at = world.operations() + 1 + world.rng()() % 400;
    bool alive = true;
    for (int i = 0; i < steps && alive && wrong.empty() && !world.crashed(); ++i) {
      wrong = model.step(alive);
    }
    if (!wrong.empty()) break;
    const unsigned end = static_cast<unsigned>(world.rng()() % 4);
    if (!world.crashed() && alive && end == 0) {
      wrong = model.close_cleanly();
      world.locked = false;
      world.crash_at = 0;
      if (world.crashed()) world.restart_at_random();
      if (wrong.empty() && world.rng()() % 2 == 0) wrong = model.check_reader();
      continue;
    }
    const bool power = world.crashed() || end != 1;
    model.drop();
    ++model.coverage().crashes;
    if (power) {
      world.restart_at_random();
    } else {
      world.restart_after_kill();
    }
  }
  add(coverage, model.coverage());
  return wrong;
}

TEST(LogSim, AcknowledgedIsRecoveredAndRecoveredWasAppended) {
  const std::uint64_t first = g_seed != 0 ? g_seed : 1;
  const std::uint64_t count = g_seed != 0 ? 1 : number_of("WARDEN_SEEDS", 500);
  const int steps = static_cast<int>(number_of("WARDEN_STEPS", 200));
  Coverage coverage;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    const std::string wrong = run_seed(seed, steps, coverage);
    ASSERT_EQ(wrong, "") << "seed " << seed << "; again with WARDEN_SEED=" << seed;
  }
  std::printf(
      "log simulation: seeds %llu..%llu, %llu openings (%llu failed by injected faults), "
      "%llu crashes, %llu torn tails, %llu records appended, %llu recovered, %llu cut, "
      "%llu segments, %llu sticky failures, %llu readers\n",
      static_cast<unsigned long long>(first), static_cast<unsigned long long>(first + count - 1),
      static_cast<unsigned long long>(coverage.openings),
      static_cast<unsigned long long>(coverage.failed_openings),
      static_cast<unsigned long long>(coverage.crashes),
      static_cast<unsigned long long>(coverage.torn_tails),
      static_cast<unsigned long long>(coverage.records),
      static_cast<unsigned long long>(coverage.recovered),
      static_cast<unsigned long long>(coverage.cut),
      static_cast<unsigned long long>(coverage.segments),
      static_cast<unsigned long long>(coverage.sticky),
      static_cast<unsigned long long>(coverage.readers));
  if (count >= 100) {
    EXPECT_GT(coverage.torn_tails, 0u);
    EXPECT_GT(coverage.cut, 0u);
    EXPECT_GT(coverage.sticky, 0u);
    EXPECT_GT(coverage.readers, 0u);
    EXPECT_GT(coverage.segments, coverage.openings / 2);
  }
}

}  // namespace
}  // namespace warden::sim

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  warden::sim::g_seed = warden::sim::number_of("WARDEN_SEED", 0);
  for (int i = 1; i < argc; ++i) {
    if (std::strncmp(argv[i], "--seed=", 7) == 0) {
      warden::sim::g_seed = std::strtoull(argv[i] + 7, nullptr, 10);
    }
  }
  return RUN_ALL_TESTS();
}
