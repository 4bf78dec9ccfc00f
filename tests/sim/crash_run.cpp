// SPDX-License-Identifier: Apache-2.0
//
// Lives of a log that end in crashes, and a log whose sectors rot.
#include "log_runs.hpp"

namespace warden::sim {
namespace {

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

}  // namespace

std::string run_crash_seed(std::uint64_t seed, int steps, Coverage& coverage) {
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

std::string run_rot(std::uint64_t seed) {
  SimWorld world(seed);
  io::ManualClock clock(kSecond);
  LogModel model(world, clock);
  std::string wrong = model.open();
  bool alive = true;
  for (int i = 0; i < 10 && wrong.empty(); ++i) {
    wrong = model.append(50, alive);
    if (wrong.empty()) wrong = model.sync(alive);
  }
  if (!wrong.empty()) return wrong;
  model.rest(kSecond);  // the beacon
  model.drop();
  world.restart_at_random();
  for (const std::string name : {"wal-1", "wal-2"}) {
    if (world.now().find(name) == world.now().end()) continue;
    const std::size_t size = world.now()[name]->durable.size();
    for (std::size_t at = 0; at < size; at += kSector) {
      auto copy = world.clone(seed);
      Node& node = *copy->now()[name];
      node.durable[at + 7] = static_cast<char>(node.durable[at + 7] ^ 4);
      node.seen = node.durable;
      io::ManualClock later(2 * kSecond);
      LogModel twin(*copy, later);
      twin.adopt(model);
      wrong = twin.open();
      if (twin.open_error().code == Code::corrupt) continue;
      if (!wrong.empty()) return wrong + ", with sector " + std::to_string(at) + " flipped";
    }
  }
  return {};
}

}  // namespace warden::sim
