// SPDX-License-Identifier: Apache-2.0
//
// The queue over one io_uring. The ring is made disabled, so that the thread that
// opens the store may register files, and enabled by attach() from the thread that
// will use it: with SINGLE_ISSUER the kernel accepts no other afterwards.
//
// Invariants
// 1. LOCK's descriptor stands in the ring's file table: the lock lives as long as
//    any write of this ring may still land, also after SIGKILL.
// 2. One poll on the eventfd is armed whenever the owner sleeps, so that wake()
//    ends a sleep. Its tag is kept apart from the callers'.
// 3. What the kernel does not take (EAGAIN, EBUSY) stays queued and goes with the
//    next call; nothing is dropped, and nothing is answered before its completion.
#include <liburing.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <new>

#include "io/fork.hpp"
#include "io/posix_disk.hpp"

namespace warden::io {
namespace {

constexpr std::uint64_t kWakeTag = ~std::uint64_t{0};

class UringQueue final : public Queue {
 public:
  ~UringQueue() override {
    // In a forked child there is nothing left to give back: the handler has closed the
    // descriptors, and the mappings were not inherited.
    if (made_ && generation_ == fork_generation()) {
      close_guarded_fd(ring_.ring_fd);
      ring_.ring_fd = -1;
      io_uring_queue_exit(&ring_);  // unmaps
    }
    if (event_ >= 0) close_guarded_fd(event_);
  }

  int init(unsigned depth, int keep_alive) noexcept {
    event_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (event_ < 0) return -errno;
    if (!guard_fd(event_)) {
      ::close(event_);
      event_ = -1;
      return -ENOMEM;
    }
    const unsigned entries = depth + 2;
    // With DEFER_TASKRUN completions are posted only when this thread enters the
    // kernel for them; TASKRUN_FLAG tells reap() when that is worth while.
    int result = make_ring(entries, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                                        IORING_SETUP_TASKRUN_FLAG);
    if (result == -EINVAL) result = make_ring(entries, 0);  // before Linux 6.1
    if (result < 0) return result;
    if (keep_alive >= 0) {
      result = io_uring_register_files(&ring_, &keep_alive, 1);
      if (result < 0) return result;
    }
    return 0;
  }

  // As io_uring_enable_rings() does, which some liburing 2.3 do not export.
  int attach() noexcept override {
    const long result =
        ::syscall(__NR_io_uring_register, ring_.ring_fd, IORING_REGISTER_ENABLE_RINGS, nullptr, 0);
    return result < 0 ? -errno : 0;
  }

  void write(File& file, const void* from, std::size_t size, std::uint64_t offset,
             std::uint64_t tag) noexcept override {
    io_uring_sqe* sqe = next_sqe();
    io_uring_prep_write(sqe, fd_of(file), from, static_cast<unsigned>(size), offset);
    io_uring_sqe_set_data64(sqe, tag);
  }

  void flush(File& file, std::uint64_t tag) noexcept override {
    io_uring_sqe* sqe = next_sqe();
    io_uring_prep_fsync(sqe, fd_of(file), IORING_FSYNC_DATASYNC);
    io_uring_sqe_set_data64(sqe, tag);
  }

  std::size_t reap(Completion* out, std::size_t max) noexcept override {
    std::size_t count = 0;
    io_uring_cqe* cqe = nullptr;
    while (count < max && io_uring_peek_cqe(&ring_, &cqe) == 0 && cqe != nullptr) {
      if (cqe->user_data == kWakeTag) {
        take_wake();
      } else {
        out[count++] = {cqe->user_data, cqe->res};
      }
      io_uring_cqe_seen(&ring_, cqe);
    }
    return count;
  }

  void wait(Nanos timeout) noexcept override {
    if (timeout == 0) {
      if (io_uring_sq_ready(&ring_) != 0) io_uring_submit(&ring_);
      return;
    }
    arm_wake();
    io_uring_cqe* cqe = nullptr;
    if (timeout == kNever) {
      io_uring_submit_and_wait(&ring_, 1);
      return;
    }
    __kernel_timespec ts{};
    ts.tv_sec = timeout / kSecond;
    ts.tv_nsec = timeout % kSecond;
    io_uring_submit_and_wait_timeout(&ring_, &cqe, 1, &ts, nullptr);
  }

  void wake() noexcept override {
    const std::uint64_t one = 1;
    // EAGAIN means that the counter is full of wakes already.
    if (::write(event_, &one, sizeof one) < 0) return;
  }

  const char* name() const noexcept override { return "io_uring"; }

 private:
  static int fd_of(File& file) noexcept { return static_cast<RealFile&>(file).fd(); }

  int make_ring(unsigned entries, unsigned flags) noexcept {
    io_uring_params params{};
    params.flags = flags | IORING_SETUP_R_DISABLED | IORING_SETUP_CLAMP;
    const int result = io_uring_queue_init_params(entries, &ring_, &params);
    if (result < 0) return result;
    // EXT_ARG (Linux 5.11) gives waiting with a time limit without a timeout entry.
    const bool waits = (params.features & IORING_FEAT_EXT_ARG) != 0;
    if (!waits || !guard_fd(ring_.ring_fd)) {
      io_uring_queue_exit(&ring_);
      return waits ? -ENOMEM : -ENOSYS;
    }
    made_ = true;
    generation_ = fork_generation();
    // A child's mapping would keep the ring alive, and with it the lock.
    return io_uring_ring_dontfork(&ring_);
  }

  // There is always room: callers keep to the depth, the ring has two more.
  io_uring_sqe* next_sqe() noexcept {
    io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
    while (sqe == nullptr) {
      io_uring_submit(&ring_);
      sqe = io_uring_get_sqe(&ring_);
    }
    return sqe;
  }

  void arm_wake() noexcept {
    if (armed_) return;
    io_uring_sqe* sqe = next_sqe();
    io_uring_prep_poll_add(sqe, event_, POLLIN);
    io_uring_sqe_set_data64(sqe, kWakeTag);
    armed_ = true;
  }

  void take_wake() noexcept {
    armed_ = false;
    std::uint64_t count = 0;
    if (::read(event_, &count, sizeof count) < 0) return;  // EAGAIN: taken before
  }

  io_uring ring_{};
  int event_ = -1;
  std::uint32_t generation_ = 0;
  bool made_ = false;
  bool armed_ = false;
};

}  // namespace

int make_uring_queue(unsigned depth, int keep_alive, std::unique_ptr<Queue>& out) noexcept {
  std::unique_ptr<UringQueue> queue(new (std::nothrow) UringQueue);
  if (!queue) return -ENOMEM;
  const int result = queue->init(depth, keep_alive);
  if (result == 0) out = std::move(queue);
  return result;
}

}  // namespace warden::io
