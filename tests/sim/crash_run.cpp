// SPDX-License-Identifier: Apache-2.0
//
// Lives of a log that end in crashes.
#include "log_runs.hpp"

namespace warden::sim {
namespace {

void set_faults(SimWorld& world) {
  world.faults = {};
  Rng& rng = world.rng();
  if (rng() % 2 == 0) world.faults.again = 20;
  if (rng() % 2 == 0) world.faults.interrupted = 20;
  if (rng() % 2 == 0) world.faults.short_write = 20;
  if (rng() % 8 == 0) world.faults.write_error = 3;
  if (rng() % 8 == 0) world.faults.flush_error = 3;
}

// Opens, if need be through up to three power cuts while opening.
std::string open_somehow(SimWorld& world, LogModel& model) {
  Coverage& coverage = model.coverage();
  for (std::size_t tries = 0, deep = 0;; ++tries) {
    if (deep < 3 && world.rng()() % 3 == 0) world.crash_at = 1 + world.rng()() % 60;
    coverage.states.insert(world.state_hash());
    std::string wrong = model.open();
    if (!wrong.empty()) return wrong;
    if (model.is_open()) {
      ++coverage.deep[deep];
      return {};
    }
    if (!world.crashed() && tries > 20) {
      return "it does not open: " + model.open_error().message;
    }
    if (tries > 3) world.faults = {};
    if (world.crashed()) {
      coverage.cut_at(world, true);
      world.restart_at_random();
      deep += deep < 3 ? 1 : 0;
    }
  }
}

// Ends a life: closed, killed, or the power cut.
std::string end_life(SimWorld& world, LogModel& model, bool alive) {
  Coverage& coverage = model.coverage();
  const unsigned end = static_cast<unsigned>(world.rng()() % 4);
  if (!world.crashed() && alive && end == 0) {
    std::string wrong = model.close_cleanly();
    world.locked = false;
    world.crash_at = 0;
    if (world.crashed()) {
      coverage.cut_at(world, false);
      world.restart_at_random();
    } else {
      ++coverage.closings;
    }
    if (wrong.empty() && world.rng()() % 2 == 0) wrong = model.check_reader();
    return wrong;
  }
  const bool power = world.crashed() || end != 1;
  model.drop();
  if (power) {
    coverage.cut_at(world, false);
    world.restart_at_random();
  } else {
    ++coverage.kills;
    world.restart_after_kill();
  }
  return {};
}

}  // namespace

std::string run_crash_seed(std::uint64_t seed, std::uint64_t steps, Coverage& coverage) {
  SimWorld world(seed);
  io::ManualClock clock(1'000'000'000);
  LogModel model(world, clock);
  std::uint64_t& done = model.coverage().steps;
  std::string wrong;
  while (done < steps && wrong.empty()) {
    set_faults(world);
    wrong = open_somehow(world, model);
    if (!wrong.empty()) break;
    // Most lives are short, so that there are many ends.
    const std::uint64_t most = world.rng()() % 8 == 0 ? 4000 : 400;
    world.crash_at = world.operations() + 1 + world.rng()() % most;
    bool alive = true;
    while (done < steps && alive && wrong.empty() && !world.crashed()) {
      ++done;
      wrong = model.step(alive);
    }
    if (wrong.empty()) wrong = end_life(world, model, alive);
  }
  ++model.coverage().seeds;
  model.coverage().fates = world.fates();
  coverage.add(model.coverage());
  return wrong;
}

}  // namespace warden::sim
