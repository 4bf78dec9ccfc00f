// SPDX-License-Identifier: Apache-2.0
//
// The queue where io_uring is refused: an operation is done in the submitting
// call, its completion kept for the next reap(). No thread of its own.
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <new>
#include <vector>

#include "io/fork.hpp"
#include "io/posix_disk.hpp"

namespace warden::io {
namespace {

class PosixQueue final : public Queue {
 public:
  ~PosixQueue() override {
    if (event_ >= 0) close_guarded_fd(event_);
  }

  int init(unsigned depth) noexcept {
    try {
      done_.reserve(depth);
    } catch (const std::bad_alloc&) {
      return -ENOMEM;
    }
    event_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (event_ < 0) return -errno;
    if (guard_fd(event_)) return 0;
    ::close(event_);
    event_ = -1;
    return -ENOMEM;
  }

  int attach() noexcept override { return 0; }
  void write(File& file, const void* from, std::size_t size, std::uint64_t offset,
             std::uint64_t tag) noexcept override {
    done_.push_back({tag, file.write(from, size, offset)});
  }
  void flush(File& file, std::uint64_t tag) noexcept override {
    done_.push_back({tag, file.sync_data()});
  }

  std::size_t reap(Completion* out, std::size_t max) noexcept override {
    const std::size_t count = std::min(max, done_.size());
    std::copy_n(done_.begin(), count, out);
    done_.erase(done_.begin(), done_.begin() + static_cast<std::ptrdiff_t>(count));
    return count;
  }

  void wait(Nanos timeout) noexcept override {
    if (!done_.empty() || timeout == 0) return;
    pollfd item{event_, POLLIN, 0};
    timespec ts{};
    if (timeout != kNever) ts = {timeout / kSecond, timeout % kSecond};
    if (::ppoll(&item, 1, timeout == kNever ? nullptr : &ts, nullptr) <= 0) return;
    std::uint64_t count = 0;
    // EAGAIN only: someone else's wait took it, which cannot be, or a spurious poll.
    if (::read(event_, &count, sizeof count) < 0) return;
  }

  void wake() noexcept override {
    const std::uint64_t one = 1;
    // EAGAIN means that the counter is full of wakes already.
    if (::write(event_, &one, sizeof one) < 0) return;
  }

  const char* name() const noexcept override { return "posix"; }

 private:
  std::vector<Completion> done_;  // capacity is the depth: push_back never allocates
  int event_ = -1;
};

}  // namespace

int make_posix_queue(unsigned depth, std::unique_ptr<Queue>& out) noexcept {
  std::unique_ptr<PosixQueue> queue(new (std::nothrow) PosixQueue);
  if (!queue) return -ENOMEM;
  const int result = queue->init(depth);
  if (result == 0) out = std::move(queue);
  return result;
}

}  // namespace warden::io
