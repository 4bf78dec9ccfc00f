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
// 4. Any other refusal, such as that of a seccomp filter installed later, is final: the
//    ring is given back. What the kernel had not taken is answered with that error at once
//    (EIO, if it is one after which callers would wait for room or memory).
//    What it had taken is answered so when nothing of it can land any more: completions
//    cannot be had (DEFER_TASKRUN posts them only to who enters), but the kernel lets go of
//    the ring's file table only after the last write. One end of a pipe stands in that table
//    and nowhere else, and the other end tells when it is closed.
#include <fcntl.h>
#include <liburing.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <new>
#include <vector>

#include "base/assert.hpp"
#include "io/fork.hpp"
#include "io/posix_disk.hpp"
#include "io/wake_event.hpp"

namespace warden::io {
namespace {

constexpr std::uint64_t kWakeTag = ~std::uint64_t{0};
// For how long a kernel that is short of something is not asked again.
constexpr Nanos kPause = kMilli;

class UringQueue final : public Queue {
 public:
  ~UringQueue() override {
    give_back();
    if (gone_ >= 0) close_guarded_fd(gone_);
  }

  int init(unsigned depth, int keep_alive) noexcept {
    const int made = event_.init();
    if (made < 0) return made;
    const unsigned entries = depth + 2;
    try {
      open_.reserve(entries);
      answered_.reserve(entries);
    } catch (const std::bad_alloc&) {
      return -ENOMEM;
    }
    // With DEFER_TASKRUN completions are posted only when this thread enters the
    // kernel for them; TASKRUN_FLAG tells reap() when that is worth while.
    int result = make_ring(entries, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                                        IORING_SETUP_TASKRUN_FLAG);
    if (result == -EINVAL) result = make_ring(entries, 0);  // before Linux 6.1
    if (result < 0) return result;
    return register_files(keep_alive);
  }

  // As io_uring_enable_rings() does, which some liburing 2.3 do not export.
  int attach() noexcept override {
    const long result =
        ::syscall(__NR_io_uring_register, ring_.ring_fd, IORING_REGISTER_ENABLE_RINGS, nullptr, 0);
    if (result >= 0) return 0;
    refuse(-errno);
    return refused_;
  }

  void write(File& file, const void* from, std::size_t size, std::uint64_t offset,
             std::uint64_t tag) noexcept override {
    io_uring_sqe* sqe = take_in(tag);
    if (sqe == nullptr) return;
    io_uring_prep_write(sqe, fd_of(file), from, static_cast<unsigned>(size), offset);
    io_uring_sqe_set_data64(sqe, tag);
  }

  void flush(File& file, std::uint64_t tag) noexcept override {
    io_uring_sqe* sqe = take_in(tag);
    if (sqe == nullptr) return;
    io_uring_prep_fsync(sqe, fd_of(file), IORING_FSYNC_DATASYNC);
    io_uring_sqe_set_data64(sqe, tag);
  }

  std::size_t reap(Completion* out, std::size_t max) noexcept override {
    std::size_t count = 0;
    for (; count < max && !answered_.empty(); ++count) {
      out[count] = answered_.back();
      answered_.pop_back();
    }
    while (count < max && refused_ == 0) {
      io_uring_cqe* cqe = nullptr;
      const int result = io_uring_peek_cqe(&ring_, &cqe);
      if (result != 0 || cqe == nullptr) {
        heed(result);
        break;
      }
      if (take_out(*cqe, out[count])) ++count;
    }
    return count;
  }

  void wait(Nanos timeout) noexcept override {
    if (refused_ != 0) {
      wait_without_ring(timeout);
    } else if (timeout == 0) {
      if (io_uring_sq_ready(&ring_) != 0) heed(io_uring_submit(&ring_));
    } else {
      const int result = submit_and_wait(timeout);
      heed(result);
      // Not to be asked again at once.
      if (result == -EAGAIN || result == -EBUSY) event_.wait(std::min(timeout, kPause));
    }
  }

  void wake() noexcept override { event_.wake(); }

  const char* name() const noexcept override { return "io_uring"; }

 private:
  static int fd_of(File& file) noexcept { return static_cast<RealFile&>(file).fd(); }

  int make_ring(unsigned entries, unsigned flags) noexcept {
    io_uring_params params{};
    params.flags = flags | IORING_SETUP_R_DISABLED | IORING_SETUP_CLAMP;
    NoFork hold;
    const int result = io_uring_queue_init_params(entries, &ring_, &params);
    if (result < 0) return result;
    // EXT_ARG (Linux 5.11) gives waiting with a time limit without a timeout entry.
    const bool waits = (params.features & IORING_FEAT_EXT_ARG) != 0;
    if (!waits || !hold.guard_fd(ring_.ring_fd)) {
      io_uring_queue_exit(&ring_);
      return waits ? -ENOMEM : -ENOSYS;
    }
    made_ = true;
    generation_ = fork_generation();
    // A child's mapping would keep the ring alive, and with it the lock.
    return io_uring_ring_dontfork(&ring_);
  }

  int register_files(int keep_alive) noexcept {
    NoFork hold;  // a child with the end that tells would keep it from telling
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return -errno;
    int result = -ENOMEM;
    if (hold.guard_fd(ends[0])) {
      gone_ = ends[0];
      const int files[2] = {ends[1], keep_alive};
      result = io_uring_register_files(&ring_, files, keep_alive >= 0 ? 2 : 1);
    } else {
      ::close(ends[0]);
    }
    ::close(ends[1]);
    return result;
  }

  // In a forked child there is nothing to give back: the handler has closed the
  // descriptors, and the mappings were not inherited.
  void give_back() noexcept {
    if (!made_ || generation_ != fork_generation()) return;
    made_ = false;
    close_guarded_fd(ring_.ring_fd);
    ring_.ring_fd = -1;
    io_uring_queue_exit(&ring_);  // unmaps
  }

  // Null if the ring takes nothing any more; then the answer is at hand.
  io_uring_sqe* take_in(std::uint64_t tag) noexcept {
    if (refused_ == 0) return next_sqe(tag);
    answered_.push_back({tag, refused_});
    return nullptr;
  }

  // There is always room: callers keep to the depth, the ring has two more.
  io_uring_sqe* next_sqe(std::uint64_t tag) noexcept {
    io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
    WARDEN_ASSERT(sqe != nullptr);
    open_.push_back(tag);
    return sqe;
  }

  // False if it was the poll that wakes.
  bool take_out(io_uring_cqe& cqe, Completion& out) noexcept {
    out = {cqe.user_data, cqe.res};
    io_uring_cqe_seen(&ring_, &cqe);
    const auto at = std::find(open_.begin(), open_.end(), out.tag);
    WARDEN_ASSERT(at != open_.end());
    open_.erase(at);
    if (out.tag != kWakeTag) return true;
    armed_ = false;
    event_.take();
    return false;
  }

  int submit_and_wait(Nanos timeout) noexcept {
    if (!armed_) {
      io_uring_sqe* sqe = next_sqe(kWakeTag);
      io_uring_prep_poll_add(sqe, event_.fd(), POLLIN);
      io_uring_sqe_set_data64(sqe, kWakeTag);
      armed_ = true;
    }
    if (timeout == kNever) return io_uring_submit_and_wait(&ring_, 1);
    io_uring_cqe* cqe = nullptr;
    __kernel_timespec ts{};
    ts.tv_sec = timeout / kSecond;
    ts.tv_nsec = timeout % kSecond;
    return io_uring_submit_and_wait_timeout(&ring_, &cqe, 1, &ts, nullptr);
  }

  // What entering the kernel answered.
  void heed(int result) noexcept {
    const bool passing = result >= 0 || result == -EINTR || result == -EAGAIN || result == -EBUSY ||
                         result == -ETIME;
    if (!passing) refuse(result);
  }

  void refuse(int error) noexcept {
    // The ring does not come back, so nobody is to wait for room or memory.
    constexpr int kWorthWaiting[] = {ENOMEM, ENOSPC, EDQUOT, EMFILE, ENFILE, EFBIG};
    const bool waits = std::find(std::begin(kWorthWaiting), std::end(kWorthWaiting), -error) !=
                       std::end(kWorthWaiting);
    refused_ = waits ? -EIO : error;
    io_uring_cqe* cqe = nullptr;
    while (io_uring_cq_ready(&ring_) != 0 && io_uring_peek_cqe(&ring_, &cqe) == 0) {
      Completion done;
      if (take_out(*cqe, done)) answered_.push_back(done);
    }
    // What the kernel did not take is the last that was queued.
    const std::size_t taken = open_.size() - io_uring_sq_ready(&ring_);
    answer_from(taken);
    give_back();
    // Nothing lands because of the poll.
    if (taken == 1 && open_.front() == kWakeTag) open_.clear();
  }

  void answer_from(std::size_t first) noexcept {
    for (std::size_t i = first; i < open_.size(); ++i) {
      if (open_[i] != kWakeTag) answered_.push_back({open_[i], refused_});
    }
    open_.resize(first);
  }

  void wait_without_ring(Nanos timeout) noexcept {
    if (!answered_.empty()) return;
    if (open_.empty()) {
      if (timeout != 0) event_.wait(timeout);
      return;
    }
    if (event_.wait(timeout, gone_)) answer_from(0);
  }

  io_uring ring_{};
  WakeEvent event_;
  std::vector<std::uint64_t> open_;   // tags of what is queued or with the kernel, in order
  std::vector<Completion> answered_;  // without the ring; neither of them ever allocates
  int gone_ = -1;                     // hangs up once the kernel has let go of the ring
  int refused_ = 0;                   // -errno, once it is
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
