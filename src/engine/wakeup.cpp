// SPDX-License-Identifier: Apache-2.0
#include "engine/wakeup.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace warden::engine {
namespace {

void arm(int fd, Nanos at, int flags) noexcept {
  itimerspec spec{};  // all zero disarms
  if (at != kNever) {
    const Nanos wanted = std::max<Nanos>(at, 1);
    spec.it_value.tv_sec = wanted / kSecond;
    spec.it_value.tv_nsec = wanted % kSecond;
  }
  timerfd_settime(fd, flags, &spec, nullptr);
}

void drain(int fd) noexcept {
  std::uint64_t count = 0;
  // Nothing to read, or ECANCELED after a step of the clock: both are answers.
  [[maybe_unused]] const ssize_t got = read(fd, &count, sizeof count);
}

}  // namespace

Wakeup::~Wakeup() {
  for (const int fd : {event_, boot_, wall_}) {
    if (fd >= 0) ::close(fd);
  }
}

Error Wakeup::open() {
  event_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  boot_ = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
  wall_ = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
  if (event_ >= 0 && boot_ >= 0 && wall_ >= 0) return {};
  return Error{Code::io, std::string("cannot create the keeper's timers: ") + std::strerror(errno)};
}

void Wakeup::wake() noexcept {
  const std::uint64_t one = 1;
  // EAGAIN means that the counter is full: the keeper is as good as woken.
  [[maybe_unused]] const ssize_t put = write(event_, &one, sizeof one);
}

void Wakeup::sleep(Nanos boot, Nanos wall) noexcept {
  arm(boot_, boot, TFD_TIMER_ABSTIME);
  arm(wall_, wall, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET);
  pollfd fds[3] = {{event_, POLLIN, 0}, {boot_, POLLIN, 0}, {wall_, POLLIN, 0}};
  if (poll(fds, 3, -1) <= 0) return;
  for (const pollfd& one : fds) {
    if (one.revents != 0) drain(one.fd);
  }
}

}  // namespace warden::engine
