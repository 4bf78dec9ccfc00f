// SPDX-License-Identifier: Apache-2.0
//
// How the keeper sleeps: until an instant of elapsed time (a timerfd on
// CLOCK_BOOTTIME, so that a suspend does not prolong it), until an instant of the
// wall clock (CLOCK_REALTIME with TFD_TIMER_CANCEL_ON_SET, so that a step of the
// clock wakes it), or until wake(). See timerfd_create(2).
#pragma once

#include "base/code.hpp"
#include "base/types.hpp"

namespace warden::engine {

class Wakeup {
 public:
  Wakeup() = default;
  ~Wakeup();
  Wakeup(const Wakeup&) = delete;
  Wakeup& operator=(const Wakeup&) = delete;

  Error open();
  // Any thread. What was written before it is seen by the keeper when it wakes.
  void wake() noexcept;
  // The keeper alone. Instants on CLOCK_BOOTTIME and CLOCK_REALTIME; kNever: none.
  void sleep(Nanos boot, Nanos wall) noexcept;

 private:
  int event_ = -1;
  int boot_ = -1;
  int wall_ = -1;
};

}  // namespace warden::engine
