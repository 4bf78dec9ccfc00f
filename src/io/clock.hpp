// SPDX-License-Identifier: Apache-2.0
//
// Where time comes from, injectable: the real clocks, or one moved by hand.
// Engine time is made from these two readings by the engine, not here.
#pragma once

#include <atomic>

#include "base/types.hpp"

namespace warden::io {

class Clock {
 public:
  virtual ~Clock() = default;
  // Grows while the machine is suspended too; its zero means nothing.
  virtual Nanos now_elapsed() noexcept = 0;
  // UTC since 1970; may step either way.
  virtual Nanos now_wall() noexcept = 0;
};

// CLOCK_BOOTTIME and CLOCK_REALTIME.
class RealClock final : public Clock {
 public:
  Nanos now_elapsed() noexcept override;
  Nanos now_wall() noexcept override;
};

// One for the process; stateless.
RealClock& real_clock() noexcept;

// Moves only by the calls below. Any thread may read and move it: each reading is
// an independent number that orders nothing else, so relaxed suffices.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(Nanos wall = 0) noexcept : wall_(wall) {}
  Nanos now_elapsed() noexcept override { return elapsed_.load(std::memory_order_relaxed); }
  Nanos now_wall() noexcept override { return wall_.load(std::memory_order_relaxed); }
  void advance(Nanos by) noexcept {
    elapsed_.fetch_add(by, std::memory_order_relaxed);
    wall_.fetch_add(by, std::memory_order_relaxed);
  }
  void step_wall(Nanos by) noexcept { wall_.fetch_add(by, std::memory_order_relaxed); }

 private:
  std::atomic<Nanos> elapsed_{0};
  std::atomic<Nanos> wall_;
};

}  // namespace warden::io
