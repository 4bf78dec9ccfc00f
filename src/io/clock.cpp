// SPDX-License-Identifier: Apache-2.0
//
// The kernel's clocks.
#include "io/clock.hpp"

#include <ctime>

namespace warden::io {
namespace {

Nanos read_clock(clockid_t id) noexcept {
  timespec ts{};
  clock_gettime(id, &ts);
  return static_cast<Nanos>(ts.tv_sec) * kSecond + ts.tv_nsec;
}

}  // namespace

Nanos RealClock::now_elapsed() noexcept {
  return read_clock(CLOCK_BOOTTIME);
}
Nanos RealClock::now_wall() noexcept {
  return read_clock(CLOCK_REALTIME);
}

RealClock& real_clock() noexcept {
  static RealClock clock;
  return clock;
}

}  // namespace warden::io
