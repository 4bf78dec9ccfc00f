// SPDX-License-Identifier: Apache-2.0
//
// Drives a log over the simulated disk and keeps, beside it, what it was promised.
// After every opening: what was acknowledged is there, what is there was appended,
// in order and without a gap, and no position was ever issued twice.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "coverage.hpp"
#include "log/log.hpp"
#include "sim_disk.hpp"

namespace warden::sim {

struct Issued {
  Lsn lsn = Lsn::none;
  std::string content;
};

class LogModel {
 public:
  LogModel(SimWorld& world, io::ManualClock& clock);

  // Each returns what is wrong, or an empty string.
  std::string open();
  std::string check_reader();
  // One random step of a user. False in `alive` once the log can do nothing more.
  std::string step(bool& alive);
  std::string append(std::size_t size, bool& alive,
                     log::ReserveFlags flags = log::ReserveFlags::nowait);
  std::string sync(bool& alive);
  void pump(unsigned passes);
  // Lets the log rest for so long.
  void rest(Nanos span);
  std::string close_cleanly();
  // The process is gone; the world is as it is.
  void drop();

  bool is_open() const { return log_ != nullptr; }
  log::Log& log() { return *log_; }
  Coverage& coverage() { return coverage_; }
  const Error& open_error() const { return open_error_; }
  log::Options& options() { return options_; }
  // Makes the model the twin of another's, over a clone of its world.
  void adopt(const LogModel& other) {
    history_ = other.history_;
    acked_ = other.acked_;
    highest_ = other.highest_;
  }
  std::size_t issued() const { return history_.size(); }

 private:
  std::string note_acks();
  std::string check_recovered(const std::vector<Issued>& got);

  SimWorld& world_;
  io::ManualClock& clock_;
  std::unique_ptr<io::Disk> disk_;
  log::Options options_;
  std::unique_ptr<log::Log> log_;
  std::vector<Issued> history_;  // that may still be there, in order
  std::size_t acked_ = 0;        // as many of them must be
  Lsn highest_ = Lsn::none;      // ever issued
  Error open_error_;
  Coverage coverage_;
};

}  // namespace warden::sim
