// SPDX-License-Identifier: Apache-2.0
//
// Engine time. On the real clock, elapsed time runs on CLOCK_BOOTTIME (suspend
// counts, steps of the wall clock do not) from the wall clock's reading at opening,
// so that both can be told as UTC; dues follow CLOCK_REALTIME. On a manual clock
// both are the one instant that advance() last set.
#pragma once

#include <time.h>

#include <atomic>

#include "flow/evaluate.hpp"

namespace warden::engine {

class TimeSource {
 public:
  TimeSource(bool manual, Nanos start) noexcept
      : manual_(manual),
        offset_(manual ? 0 : read(CLOCK_REALTIME) - read(CLOCK_BOOTTIME)),
        now_(start) {}

  bool manual() const noexcept { return manual_; }

  // with_wall: for flows with dues; otherwise one clock less is read, and `wall` is
  // the elapsed time too.
  flow::Instant now(bool with_wall) const noexcept {
    const Nanos now = elapsed();
    return {now, with_wall && !manual_ ? read(CLOCK_REALTIME) : now};
  }
  Nanos elapsed() const noexcept {
    return manual_ ? now_.load(std::memory_order_acquire) : read(CLOCK_BOOTTIME) + offset_;
  }
  // What is to be added to a CLOCK_BOOTTIME reading to get engine time.
  Nanos offset() const noexcept { return offset_; }

  // While opening: time goes on from there, also if the wall clock was set back.
  void go_on_from(Nanos instant) noexcept {
    const Nanos now = elapsed();
    if (instant <= now) return;
    if (manual_) {
      set(instant);
    } else {
      offset_ += instant - now;
    }
  }
  // Manual clock, under the store's advance lock.
  void set(Nanos now) noexcept { now_.store(now, std::memory_order_release); }

 private:
  static Nanos read(clockid_t id) noexcept {
    timespec time{};
    clock_gettime(id, &time);
    return time.tv_sec * kSecond + time.tv_nsec;
  }

  bool manual_;
  Nanos offset_;
  // Written by advance() alone, read by any thread: release/acquire, so that who
  // sees the new instant also sees what was raised up to the one before.
  std::atomic<Nanos> now_;
};

}  // namespace warden::engine
