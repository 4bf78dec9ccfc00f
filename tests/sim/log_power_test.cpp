// SPDX-License-Identifier: Apache-2.0
//
// H3: power loss before every single operation of a fixed run; at each, all subsets
// of the unflushed writes if they are at most 8, else 200 samples, each whole and
// torn at a sector, with each number of directory changes that may have survived.
#include <gtest/gtest.h>

#include <cstdio>

#include "log_model.hpp"

namespace warden::sim {
namespace {

constexpr std::uint64_t kRuns[] = {11, 12, 13, 14};  // seeds of the fixed runs

// Two openings, some commits in several segments, a rest, a clean close.
std::string fixed_run(SimWorld& world, LogModel& model) {
  for (int life = 0; life < 2; ++life) {
    std::string wrong = model.open();
    if (!wrong.empty() || !model.is_open()) return wrong;
    bool alive = true;
    for (int i = 0; i < 36 && alive && wrong.empty() && !world.crashed(); ++i) {
      wrong = model.append(i % 9 == 0 ? 5000 : 60, alive);
      if (alive && wrong.empty() && i % 12 == 11) wrong = model.sync(alive);
      if (alive && i == 20) model.rest(200 * kMilli);
    }
    if (!wrong.empty() || !alive || world.crashed()) return wrong;
    wrong = model.close_cleanly();
    if (!wrong.empty() || world.crashed()) return wrong;
    world.locked = false;
  }
  return {};
}

struct States {
  std::uint64_t points = 0;
  std::uint64_t states = 0;
  std::uint64_t torn = 0;
};

// Restarts a copy of the world in one state and checks what is recovered.
std::string check_state(const SimWorld& world, const LogModel& model, std::uint64_t subset,
                        std::size_t tear_at, std::size_t entries, States& states) {
  auto copy = world.clone(1);
  io::ManualClock clock(5'000'000'000);
  LogModel twin(*copy, clock);
  twin.adopt(model);
  copy->restart(
      [&](std::size_t write, std::size_t sector) {
        return (subset >> (write % 64) & 1) != 0 && sector < tear_at;
      },
      entries);
  ++states.states;
  std::string wrong = twin.open();
  if (wrong.empty() && !twin.is_open()) wrong = twin.open_error().message;
  if (wrong.empty()) states.torn += twin.coverage().torn_tails;
  // And once more after a second cut right now: opening must not have lost anything.
  if (wrong.empty()) {
    twin.drop();
    copy->restart([](std::size_t, std::size_t) { return false; }, 0);
    wrong = twin.open();
    if (wrong.empty() && !twin.is_open()) wrong = "again: " + twin.open_error().message;
  }
  return wrong;
}

void every_state(std::uint64_t run, States& states) {
  std::uint64_t last = 0;
  {
    SimWorld world(run);
    io::ManualClock clock(1'000'000'000);
    LogModel model(world, clock);
    ASSERT_EQ(fixed_run(world, model), "");
    last = world.operations();
  }
  ASSERT_GT(last, 100u);
  for (std::uint64_t point = 1; point <= last; ++point) {
    SimWorld world(run);
    io::ManualClock clock(1'000'000'000);
    LogModel model(world, clock);
    world.crash_at = point;
    ASSERT_EQ(fixed_run(world, model), "") << "run " << run << " to operation " << point;
    ASSERT_TRUE(world.crashed());
    model.drop();
    ++states.points;
    Rng rng(point);
    const std::size_t writes = world.unflushed();
    const bool all = writes <= 8;
    const std::uint64_t count = all ? std::uint64_t{1} << writes : 200;
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::uint64_t subset = all ? i : rng();
      const std::size_t entries = rng() % (world.unsynced_entries() + 1);
      for (const std::size_t tear_at : {std::size_t{1} << 40, 1 + rng() % 8}) {
        ASSERT_EQ(check_state(world, model, subset, tear_at, entries, states), "")
            << "power cut before operation " << point << ", writes kept " << subset
            << ", torn at sector " << tear_at << ", directory changes kept " << entries;
      }
    }
  }
}

TEST(LogPower, EveryStateThatAPowerLossCanLeaveIsRecovered) {
  States states;
  for (const std::uint64_t run : kRuns) {
    every_state(run, states);
    if (HasFatalFailure()) return;
  }
  std::printf("power loss: %llu points, %llu states, %llu with a torn tail\n",
              static_cast<unsigned long long>(states.points),
              static_cast<unsigned long long>(states.states),
              static_cast<unsigned long long>(states.torn));
  EXPECT_GE(states.states, 300u);
  EXPECT_GT(states.torn, 0u);
}

}  // namespace
}  // namespace warden::sim
