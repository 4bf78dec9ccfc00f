// SPDX-License-Identifier: Apache-2.0
//
// The queue where io_uring is refused: an operation is done in the submitting
// call, its completion kept for the next reap(). No thread of its own.
#include <algorithm>
#include <cerrno>
#include <new>
#include <vector>

#include "io/posix_disk.hpp"
#include "io/wake_event.hpp"

namespace warden::io {
namespace {

class PosixQueue final : public Queue {
 public:
  int init(unsigned depth) noexcept {
    try {
      done_.reserve(depth);
    } catch (const std::bad_alloc&) {
      return -ENOMEM;
    }
    return event_.init();
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
    event_.wait(timeout);
  }

  void wake() noexcept override { event_.wake(); }

  const char* name() const noexcept override { return "posix"; }

 private:
  std::vector<Completion> done_;  // capacity is the depth: push_back never allocates
  WakeEvent event_;
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
