// SPDX-License-Identifier: Apache-2.0
//
// What ends the sleep of a queue's owner from any thread: an eventfd. A wake() sticks
// until it is taken; closed in a forked child (fork.hpp).
#pragma once

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

#include "base/types.hpp"
#include "io/fork.hpp"

namespace warden::io {

class WakeEvent {
 public:
  WakeEvent() = default;
  ~WakeEvent() {
    if (fd_ >= 0) close_guarded_fd(fd_);
  }
  WakeEvent(const WakeEvent&) = delete;
  WakeEvent& operator=(const WakeEvent&) = delete;

  int init() noexcept {
    NoFork hold;
    fd_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd_ < 0) return -errno;
    if (hold.guard_fd(fd_)) return 0;
    ::close(fd_);
    fd_ = -1;
    return -ENOMEM;
  }

  int fd() const noexcept { return fd_; }

  // Any thread.
  void wake() noexcept {
    const std::uint64_t one = 1;
    // EAGAIN means that the counter is full of wakes already.
    if (::write(fd_, &one, sizeof one) < 0) return;
  }

  void take() noexcept {
    std::uint64_t count = 0;
    if (::read(fd_, &count, sizeof count) < 0) return;  // EAGAIN: taken before
  }

  // Sleeps until wake(), which it takes, or for so long (kNever: no limit), or until the
  // other end of pipe `gone` is closed: true if it is. A signal may end a
  // limited sleep early.
  bool wait(Nanos timeout, int gone = -1) noexcept {
    pollfd items[2] = {{fd_, POLLIN, 0}, {gone, 0, 0}};  // a negative one is passed over
    timespec ts{};
    if (timeout != kNever) ts = {timeout / kSecond, timeout % kSecond};
    int count = 0;
    do {
      count = ::ppoll(items, 2, timeout == kNever ? nullptr : &ts, nullptr);
    } while (count < 0 && errno == EINTR && timeout == kNever);
    if (count <= 0) return false;
    if (items[0].revents != 0) take();
    return items[1].revents != 0;
  }

 private:
  int fd_ = -1;
};

}  // namespace warden::io
