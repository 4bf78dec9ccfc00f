// SPDX-License-Identifier: Apache-2.0
//
// Futex and eventfd behind bell.hpp. Linux only, as the rest of the runtime.
#include "alert/bell.hpp"

#include <linux/futex.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <climits>

#include "base/assert.hpp"

namespace warden::alert {

static_assert(sizeof(std::atomic<std::uint32_t>) == 4, "a futex is 32 bits");
static_assert(std::atomic<std::uint32_t>::is_always_lock_free);

Nanos monotonic_now() noexcept {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * kSecond + now.tv_nsec;
}

Bell::~Bell() {
  const int fd = fd_.load(std::memory_order_relaxed);
  if (fd >= 0) ::close(fd);
}

void Bell::wake_sleepers() noexcept {
  word_.fetch_add(1, std::memory_order_seq_cst);
  if (sleepers_.load(std::memory_order_seq_cst) == 0) return;
  syscall(SYS_futex, &word_, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
}

void Bell::ring() noexcept {
  wake_sleepers();
  if (fd_.load(std::memory_order_relaxed) < 0) return;
  std::lock_guard guard(lock_);
  if (signalled_) return;
  // Cannot fail: the counter is 0, as nobody else writes it.
  WARDEN_ASSERT(eventfd_write(fd_.load(std::memory_order_relaxed), 1) == 0);
  signalled_ = true;
}

void Bell::clear() noexcept {
  if (fd_.load(std::memory_order_relaxed) < 0) return;
  std::lock_guard guard(lock_);
  if (!signalled_) return;
  eventfd_t count = 0;
  eventfd_read(fd_.load(std::memory_order_relaxed), &count);
  signalled_ = false;
}

int Bell::open_fd() noexcept {
  std::lock_guard guard(lock_);
  int fd = fd_.load(std::memory_order_relaxed);
  if (fd >= 0) return fd;
  fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (fd < 0) return -errno;
  fd_.store(fd, std::memory_order_relaxed);
  return fd;
}

void Bell::sleep(std::uint32_t ticket, Nanos until) noexcept {
  timespec limit{};
  if (until != kNever) {
    if (until < 0) until = 0;
    limit.tv_sec = until / kSecond;
    limit.tv_nsec = until % kSecond;
  }
  // Absolute, on CLOCK_MONOTONIC (what FUTEX_WAIT_BITSET takes by default).
  syscall(SYS_futex, &word_, FUTEX_WAIT_BITSET_PRIVATE, ticket, until == kNever ? nullptr : &limit,
          nullptr, FUTEX_BITSET_MATCH_ANY);
}

}  // namespace warden::alert
