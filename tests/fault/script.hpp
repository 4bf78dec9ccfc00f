// SPDX-License-Identifier: Apache-2.0
//
// One fixed run of the whole engine: open, define, consumers, track, submit, exec, mark,
// extend, touch, batch, complete, cancel, alerts, acknowledgements, sync, close, open
// again, and once more. Whatever is made to fail meanwhile, every answer is judged:
//
//   an answer      what it says is so; durable ones are remembered as acknowledged
//   an error       of the closed set; nothing was changed, and it can be done again
//   OUTCOME_UNKNOWN, IO
//                  the device has failed: one line of the hook, no acknowledgement any
//                  more, pollers are told; the run goes on in the next opening
//
// Every opening in between is compared with what is expected (expected.hpp).
#pragma once

#include <functional>

#include "expected.hpp"

namespace warden::fault {

class Script {
 public:
  // `lasting`: what fails may go on failing, so that trying again need not help.
  Script(sim::SimWorld& world, io::ManualClock& clock, bool lasting);

  // "" or what was wrong. Gives up, which is not wrong, when nothing can be opened.
  std::string run();
  Expected& expected() { return expected_; }
  std::int64_t now() const { return now_; }
  // How often the device counted as failed, and how often a call was refused.
  unsigned failures() const { return failures_; }
  unsigned refusals() const { return refusals_; }

 private:
  using Call = std::function<std::int32_t(const warden_item_options*, warden_result*)>;
  struct Step {
    const char* name;
    std::function<void()> body;
  };

  std::vector<Step> first_life();
  std::vector<Step> second_life();
  bool run_steps(const std::vector<Step>& steps);
  bool reopen();
  bool may_be_refused(std::int32_t code) const;
  // Calls until it is not refused for want of room or memory, at most three times.
  std::int32_t insist(const char* what, const std::function<std::int32_t()>& call);
  void rest();

  void define(const char* text);
  void verb(const std::string& name, warden_item_options options, const Call& call);
  void track(const std::string& name, std::size_t payload = 10,
             std::uint32_t durability = WARDEN_DURABILITY_DURABLE);
  void mark(const std::string& name, const char* stage);
  void complete(const std::string& name, bool early = false);
  void batch();
  void advance(std::int64_t by);
  void open_consumer(const char* name);
  void delete_consumer(const char* name);
  void take_alerts(std::size_t ack);
  void sync();
  void close();
  void look_at_all();
  bool has_failed();
  void check_failed();
  void wrong(std::string what);

  SimEngine engine_;
  Expected expected_;
  io::ManualClock& clock_;
  const bool lasting_;
  std::int64_t now_ = 1000 * 1'000'000'000LL;
  ConsumerHandle ops_;
  std::string wrong_;
  bool given_up_ = false;
  unsigned failures_ = 0;
  unsigned refusals_ = 0;
};

}  // namespace warden::fault
