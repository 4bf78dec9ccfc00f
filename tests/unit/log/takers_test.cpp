// SPDX-License-Identifier: Apache-2.0
//
// A log with its scribe, met at one exact instant: what changes between a caller's
// first look and its sleep, and while the scribe works out how long to sleep. The
// queue and the clock, which both call at those instants, let the test in.
#include <atomic>
#include <functional>
#include <thread>

#include "log_fixture.hpp"

namespace warden::log::test {
namespace {

// Calls `fn` once, when it is armed.
class Once {
 public:
  void arm(std::function<void()> fn) {
    fn_ = std::move(fn);
    armed_.store(true, std::memory_order_release);
  }
  void pass() {
    if (armed_.exchange(false, std::memory_order_acq_rel)) fn_();
  }
  bool armed() const { return armed_.load(std::memory_order_acquire); }

 private:
  std::function<void()> fn_;
  std::atomic<bool> armed_{false};
};

struct Hooks {
  Once wake;
  std::atomic<int> wakes{0};
  std::atomic<bool> asleep{false};  // the scribe said so, and then went to the queue
};

class HookedQueue final : public io::Queue {
 public:
  HookedQueue(std::unique_ptr<io::Queue> queue, Hooks& hooks)
      : queue_(std::move(queue)), hooks_(hooks) {}
  int attach() noexcept override { return queue_->attach(); }
  void write(io::File& file, const void* from, std::size_t size, std::uint64_t offset,
             std::uint64_t tag) noexcept override {
    queue_->write(file, from, size, offset, tag);
  }
  void flush(io::File& file, std::uint64_t tag) noexcept override { queue_->flush(file, tag); }
  std::size_t reap(io::Completion* out, std::size_t max) noexcept override {
    return queue_->reap(out, max);
  }
  void wait(Nanos timeout) noexcept override {
    hooks_.asleep = timeout != 0;
    queue_->wait(timeout);
    hooks_.asleep = false;
  }
  void wake() noexcept override {
    ++hooks_.wakes;
    hooks_.wake.pass();
    queue_->wake();
  }
  const char* name() const noexcept override { return "hooked"; }

 private:
  std::unique_ptr<io::Queue> queue_;
  Hooks& hooks_;
};

class HookedDir final : public io::Dir {
 public:
  HookedDir(std::unique_ptr<io::Dir> dir, Hooks& hooks) : dir_(std::move(dir)), hooks_(hooks) {}
  int open(const char* name, io::Open mode, std::unique_ptr<io::File>& out) noexcept override {
    return dir_->open(name, mode, out);
  }
  int rename(const char* from, const char* to) noexcept override { return dir_->rename(from, to); }
  int unlink(const char* name) noexcept override { return dir_->unlink(name); }
  int sync() noexcept override { return dir_->sync(); }
  int list(std::vector<std::string>& names) noexcept override { return dir_->list(names); }
  int lock(io::LockHolder& holder) noexcept override { return dir_->lock(holder); }
  int locked() noexcept override { return dir_->locked(); }
  void unlock() noexcept override { dir_->unlock(); }
  int make_queue(unsigned depth, std::unique_ptr<io::Queue>& out,
                 std::string& note) noexcept override {
    const int made = dir_->make_queue(depth, out, note);
    if (made == 0) out = std::make_unique<HookedQueue>(std::move(out), hooks_);
    return made;
  }

 private:
  std::unique_ptr<io::Dir> dir_;
  Hooks& hooks_;
};

class HookedDisk final : public io::Disk {
 public:
  explicit HookedDisk(Hooks& hooks) : hooks_(hooks) {}
  int open_dir(const char* path, bool create, std::unique_ptr<io::Dir>& out) noexcept override {
    const int opened = disk_->open_dir(path, create, out);
    if (opened == 0) out = std::make_unique<HookedDir>(std::move(out), hooks_);
    return opened;
  }

 private:
  std::unique_ptr<io::Disk> disk_ = io::make_real_disk(io::Backend::posix);
  Hooks& hooks_;
};

class HookedClock final : public io::Clock {
 public:
  Nanos now_elapsed() noexcept override {
    read.pass();
    return io::real_clock().now_elapsed();
  }
  Nanos now_wall() noexcept override { return io::real_clock().now_wall(); }
  Once read;
};

class Takers : public testing::Test {
 protected:
  // Open, and the scribe asleep: without a record there is nothing that would wake it.
  void SetUp() override {
    Options options = small_options();
    options.clock = &clock_;
    KeepingSink sink;
    const Error error = Log::open(disk_, dir_.path(), options, sink, log_);
    ASSERT_EQ(error.code, Code::ok) << error.message;
    until_asleep();
  }
  void until_asleep() {
    while (!hooks_.asleep) std::this_thread::yield();
  }
  // All that there is, in one credit.
  Credit take_all() {
    Credit credit;
    const std::size_t all = small_options().buffer_bytes / 8 * 7 - 32;
    EXPECT_EQ(log_->reserve(all, 1, ReserveFlags::nowait, credit), Code::ok);
    EXPECT_EQ(log_->reserve(100, 1, ReserveFlags::nowait, other_), Code::would_block);
    return credit;
  }

  Hooks hooks_;
  HookedClock clock_;
  TempDir dir_;
  HookedDisk disk_{hooks_};
  std::unique_ptr<Log> log_;
  Credit other_;
};

TEST_F(Takers, CreditThatComesBackBeforeTheSleepIsSeen) {
  Credit all = take_all();
  hooks_.wake.arm([&] { log_->release(all); });
  EXPECT_EQ(log_->reserve(100, 1, ReserveFlags::none, other_), Code::ok);
  EXPECT_FALSE(hooks_.wake.armed()) << "it came back between the two looks";
  EXPECT_EQ(all.bytes, 0u);
  log_->release(other_);
}

TEST_F(Takers, AnEndThatComesBeforeTheSleepIsSeen) {
  Credit all = take_all();
  std::thread closer;
  hooks_.wake.arm([&] {
    closer = std::thread([&] { EXPECT_EQ(log_->close(kNever), Code::ok); });
    Credit probe;
    while (log_->reserve(1, 1, ReserveFlags::nowait, probe) != Code::store_closed) {
      std::this_thread::yield();
    }
  });
  EXPECT_EQ(log_->reserve(100, 1, ReserveFlags::none, other_), Code::store_closed);
  EXPECT_FALSE(hooks_.wake.armed());
  closer.join();
  log_->release(all);
}

TEST_F(Takers, AHoldUpThatEndsBeforeTheSleepIsSeen) {
  log_->hold_up(true);
  EXPECT_EQ(log_->reserve(100, 1, ReserveFlags::nowait, other_), Code::would_block);
  hooks_.wake.arm([&] { log_->hold_up(false); });
  EXPECT_EQ(log_->reserve(100, 1, ReserveFlags::none, other_), Code::ok);
  EXPECT_FALSE(hooks_.wake.armed());
  log_->release(other_);
}

// Under the role, so whoever comes next may commit for itself and owe the scribe a
// beacon, or leave it a block: it must be awake, or woken, for that.
TEST_F(Takers, WhoComesWhileTheScribeSeesHowLongToSleepWakesIt) {
  Credit credit;
  ASSERT_EQ(log_->reserve(5, 1, ReserveFlags::none, credit), Code::ok);
  Lsn lsn = Lsn::none;
  clock_.read.arm([&] { lsn = log_->append(credit, RecordType::state, 7, bytes_of("hello")); });
  const int before = hooks_.wakes;
  log_->queue().wake();  // turns once, and finds nothing
  while (clock_.read.armed()) std::this_thread::yield();
  until_asleep();
  // Perhaps also the clerk's, who makes the next segment once one was begun.
  EXPECT_GE(hooks_.wakes, before + 2) << "ours, and the one of the record";
  EXPECT_EQ(log_->wait_durable(lsn, kNever), Code::ok);
  log_->release(credit);
}

}  // namespace
}  // namespace warden::log::test
