// SPDX-License-Identifier: Apache-2.0
//
// An eventfd for callers that wait for durability in a loop of their own: armed
// with a position, it is signalled once everything up to there is durable. One
// position at a time; the highest asked for wins.
//
// No signal is lost: arm() stores the position, then looks at the log; the log
// moves durable, then looks at the position. Both sequentially consistent, so at
// least one of the two sees the other and rings. A log that has failed counts as
// durable without end here: who waits is told, and asks the log what has become of it.
#pragma once

#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>

#include "base/types.hpp"

namespace warden::engine {

class DurableBell {
 public:
  DurableBell() = default;
  ~DurableBell() {
    if (fd_ >= 0) ::close(fd_);
  }
  DurableBell(const DurableBell&) = delete;
  DurableBell& operator=(const DurableBell&) = delete;

  bool open() noexcept {
    fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return fd_ >= 0;
  }
  int fd() const noexcept { return fd_; }

  // `durable()` gives the log's position now.
  template <class Durable>
  void arm(Lsn lsn, Durable&& durable) noexcept {
    std::uint64_t drained = 0;
    [[maybe_unused]] const ssize_t got = read(fd_, &drained, sizeof drained);
    std::uint64_t armed = armed_.load(std::memory_order_seq_cst);
    while (armed < raw(lsn) &&
           !armed_.compare_exchange_weak(armed, raw(lsn), std::memory_order_seq_cst)) {
    }
    advanced(durable());
  }
  void fail() noexcept { advanced(Lsn{~std::uint64_t{0}}); }
  // From the log, after durable has moved.
  void advanced(Lsn durable) noexcept {
    std::uint64_t armed = armed_.load(std::memory_order_seq_cst);
    if (armed == 0 || armed > raw(durable)) return;
    if (armed_.compare_exchange_strong(armed, 0, std::memory_order_seq_cst)) {
      const std::uint64_t one = 1;
      [[maybe_unused]] const ssize_t put = write(fd_, &one, sizeof one);
    }
  }

 private:
  int fd_ = -1;
  // Any thread; 0: not armed.
  std::atomic<std::uint64_t> armed_{0};
};

}  // namespace warden::engine
