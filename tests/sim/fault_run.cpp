// SPDX-License-Identifier: Apache-2.0
//
// Runs in which one thing goes wrong: an operation of the disk, its room, a second
// opening.
#include <cerrno>

#include "log_runs.hpp"

namespace warden::sim {
namespace {

constexpr std::uint64_t kRun = 7;

struct Outcome {
  std::string wrong;
  bool finished = false;  // the run did not notice
};

// Two openings with commits in several segments and a clean close.
Outcome fixed_run(SimWorld& world, LogModel& model) {
  Outcome out;
  for (int life = 0; life < 2; ++life) {
    out.wrong = model.open();
    if (!out.wrong.empty() || !model.is_open()) return out;
    bool alive = true;
    for (int i = 0; i < 24 && alive && out.wrong.empty(); ++i) {
      out.wrong = model.append(i % 8 == 0 ? 5000 : 60, alive);
      if (alive && out.wrong.empty() && i % 4 == 3) {
        // On a full disk waiting for ever is right; here the disk stays full, so look
        // only at what does become durable.
        model.rest(kSecond);
      }
    }
    if (!out.wrong.empty()) return out;
    if (alive && model.log().durable() < model.log().last_appended()) {
      model.drop();
      return out;
    }
    out.wrong = alive ? model.close_cleanly() : std::string();
    model.drop();
    if (!out.wrong.empty() || !alive) return out;
    world.locked = false;
  }
  out.finished = true;
  return out;
}

std::string opens_intact(LogModel& model) {
  std::string wrong = model.open();
  if (wrong.empty() && !model.is_open()) wrong = model.open_error().message;
  return wrong.empty() ? wrong : "afterwards: " + wrong;
}

}  // namespace

std::uint64_t fault_sites() {
  SimWorld world(kRun);
  io::ManualClock clock(kSecond);
  LogModel model(world, clock);
  const Outcome out = fixed_run(world, model);
  return out.finished ? world.operations() : 0;
}

std::string run_fault(std::uint64_t site, int error, bool sticky, bool& unnoticed) {
  SimWorld world(kRun);
  io::ManualClock clock(kSecond);
  LogModel model(world, clock);
  world.fail_at = site;
  world.fail_with = error;
  world.fail_sticky = sticky;
  const Outcome out = fixed_run(world, model);
  if (!out.wrong.empty()) return out.wrong;
  unnoticed = out.finished;
  model.drop();
  world.restart_after_kill();
  std::string wrong = opens_intact(model);
  if (!wrong.empty()) return wrong;
  model.drop();
  world.restart([](std::size_t, std::size_t) { return false; }, 0);
  return opens_intact(model);
}

std::string run_full_disk(int error) {
  SimWorld world(kRun);
  world.full_error = error;
  io::ManualClock clock(kSecond);
  LogModel model(world, clock);
  // Large enough for what closings leave free.
  model.options().first_segment_bytes = model.options().segment_bytes = 512 * 1024;
  std::string wrong = model.open();
  if (!wrong.empty()) return wrong;
  world.capacity = world.used() + 70 * 1024;  // not enough for the next segment
  bool alive = true;
  for (int tries = 0; tries < 1000 && !model.log().stats().starved && wrong.empty(); ++tries) {
    wrong = model.append(500, alive);
    model.rest(kMilli);
  }
  if (!wrong.empty()) return wrong;
  if (!model.log().stats().starved) return "a full disk is not noticed";
  log::Credit credit;
  for (const auto flags : {log::ReserveFlags::nowait, log::ReserveFlags::none}) {
    if (model.log().reserve(100, 1, flags, credit) != Code::no_space) {
      return "a submit is taken on a full disk";
    }
  }
  const std::size_t before = model.issued();
  for (int i = 0; i < 5 && wrong.empty(); ++i) {
    wrong = model.append(100, alive, log::ReserveFlags::closing | log::ReserveFlags::nowait);
    if (wrong.empty()) wrong = model.sync(alive);
  }
  if (!wrong.empty()) return wrong;
  if (model.issued() != before + 5) return "a closing is refused on a full disk";
  world.capacity = ~std::uint64_t{0};
  model.rest(kSecond);
  if (model.log().stats().starved) return "room that is there again is not noticed";
  wrong = model.append(500, alive);
  if (wrong.empty()) wrong = model.sync(alive);
  if (wrong.empty()) wrong = model.close_cleanly();
  if (!wrong.empty() || !alive) return wrong.empty() ? "the log failed" : wrong;
  world.locked = false;
  return opens_intact(model);
}

std::string run_second_opener() {
  SimWorld world(kRun);
  io::ManualClock clock(kSecond);
  LogModel model(world, clock);
  std::string wrong = model.open();
  bool alive = true;
  if (wrong.empty()) wrong = model.append(100, alive);
  if (wrong.empty()) wrong = model.sync(alive);
  if (!wrong.empty()) return wrong;
  LogModel second(world, clock);
  second.adopt(model);
  const std::uint64_t state = world.state_hash();
  wrong = second.open();
  if (second.is_open()) {
    second.drop();
    return "a second opening for writing is let in";
  }
  if (!wrong.empty()) return wrong;
  if (second.open_error().code != Code::held) return second.open_error().message;
  if (world.state_hash() != state) return "a refused opening has changed a file";
  wrong = model.append(100, alive);
  if (wrong.empty()) wrong = model.sync(alive);
  if (wrong.empty()) wrong = model.close_cleanly();
  world.locked = false;
  return wrong.empty() ? opens_intact(model) : wrong;
}

}  // namespace warden::sim
