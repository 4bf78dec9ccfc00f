// SPDX-License-Identifier: Apache-2.0
//
// A full disk, and two threads that ask for what is left of the last segment at once:
// each by itself would fit, both do not. (tests/interleave/buffer_plots.hpp has the same
// step by step.)
#include <atomic>
#include <cerrno>
#include <thread>

#include "../../sim/hooked_disk.hpp"
#include "log_fixture.hpp"

namespace warden::log::test {
namespace {

constexpr int kThreads = 2;

class LogAdmission : public testing::Test {
 protected:
  // Writing, and without a file to come after the present one.
  void SetUp() override {
    disk_.synchronous = true;
    disk_.hook = [](const sim::Call& call) -> sim::Answer {
      const bool next = call.op == sim::Op::write && number_in(call.name, "wal-") > 1;
      return next ? sim::Answer(-ENOSPC) : std::nullopt;
    };
    KeepingSink sink;
    const Error error = Log::open(disk_, dir_.path(), small_options(), sink, log_);
    ASSERT_EQ(error.code, Code::ok) << error.message;
    ASSERT_EQ(log_->wait_durable(put(*log_, "first"), kNever), Code::ok);
    while (!log_->starved()) std::this_thread::yield();
  }

  TempDir dir_;
  std::unique_ptr<io::Disk> real_ = io::make_real_disk(io::Backend::posix);
  sim::HookedDisk disk_{*real_};
  std::unique_ptr<Log> log_;
};

// Two threads that come to it within nanoseconds, round after round; the last to come
// lets the others go.
class Meeting {
 public:
  void meet() {
    const std::uint64_t round = round_.load();
    if (here_.fetch_add(1) + 1 == kThreads) {
      here_ = 0;
      round_.store(round + 1);
      return;
    }
    for (unsigned looks = 0; round_.load() == round; ++looks) {
      if (looks > 1000) std::this_thread::yield();
    }
  }

 private:
  std::atomic<int> here_{0};
  std::atomic<std::uint64_t> round_{0};
};

TEST_F(LogAdmission, WhatIsAdmittedTogetherFitsTheRoomThatIsLeft) {
  const std::uint64_t margin = small_options().first_segment_bytes / 16;
  const std::uint64_t room = log_->stats().room - 2 * margin;  // kept back from closings
  const std::size_t want = room / 5 * 3;                       // one fits, two do not
  Meeting meeting;
  std::atomic<std::uint64_t> admitted{0};
  std::uint64_t most = 0;
  int empty_rounds = 0;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (int round = 0; round < 3000; ++round) {
        Credit credit;
        meeting.meet();
        const Code code =
            log_->reserve(want, 1, ReserveFlags::closing | ReserveFlags::nowait, credit);
        EXPECT_TRUE(code == Code::ok || code == Code::no_space) << raw(code);
        admitted += credit.bytes;
        meeting.meet();
        if (thread == 0) {
          most = std::max<std::uint64_t>(most, admitted);
          empty_rounds += admitted == 0 ? 1 : 0;
          admitted = 0;
        }
        log_->release(credit);
        meeting.meet();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(most, room);
  EXPECT_GE(most, want);
  EXPECT_EQ(empty_rounds, 0) << "the first to take is never sent away by the other";
}

}  // namespace
}  // namespace warden::log::test
