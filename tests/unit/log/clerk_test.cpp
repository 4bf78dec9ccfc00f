// SPDX-License-Identifier: Apache-2.0
//
// The clerk's thread, stopped before each call of each errand while the log is closed, or
// while the process forks; and threads that cannot be had, or are had in vain.
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "clerk_fixture.hpp"

namespace warden::log::test {
namespace {

// --------------------------------------------------------------------- closing
class ClerkClosing : public ClerkErrand {
 protected:
  // Closes on a thread of its own, and is back once that waits for the clerk.
  void begin_closing() {
    std::atomic<pid_t> thread{0};
    closer_ = std::thread([this, &thread] {
      thread = static_cast<pid_t>(::syscall(SYS_gettid));
      code_ = log_->close(kNever);
      closed_ = true;
    });
    Credit credit;
    while (log_->reserve(1, 1, ReserveFlags::nowait, credit) != Code::store_closed) {
      log_->release(credit);
      std::this_thread::yield();
    }
    while (thread == 0) std::this_thread::yield();
    wait_until_asleep(thread);
    EXPECT_FALSE(closed_) << "its clerk is out";
  }
  Code end_closing() {
    closer_.join();
    closed_ = false;
    return code_;
  }

 private:
  std::atomic<Code> code_{Code::ok};
  std::atomic<bool> closed_{false};
  std::thread closer_;
};

TEST_P(ClerkClosing, WaitsForTheErrandAndLosesNothing) {
  for (const bool synchronous : {true, false}) {
    for (const std::string& point : GetParam().points) {
      if (!synchronous && point != GetParam().points.back()) continue;  // it flushes for real
      SCOPED_TRACE(point + (synchronous ? ", synchronous" : ""));
      const int before = threads_running();
      ASSERT_NO_FATAL_FAILURE(start(synchronous));
      ASSERT_NO_FATAL_FAILURE(send(GetParam(), point));
      Credit credit;
      ASSERT_EQ(log_->reserve(20, 1, ReserveFlags::none, credit), Code::ok);
      const Lsn last = issue(credit);  // nobody waits for it but close()
      begin_closing();
      gate_->open();
      EXPECT_EQ(end_closing(), Code::ok);
      EXPECT_EQ(wait_for(last), Code::ok);
      // It may learn of the closing before it sees that the segment is gone.
      const Code freed = join_cleaner();
      EXPECT_TRUE(freed == Code::ok || freed == Code::store_closed) << raw(freed);
      if (GetParam().frees) is_freed();
      log_.reset();
      EXPECT_EQ(threads_running(), before);
      ASSERT_NO_FATAL_FAILURE(expect_no_orphans());
      ASSERT_NO_FATAL_FAILURE(expect_kept());
    }
  }
}

TEST_P(ClerkClosing, AnErrandThatFailsThenLosesNothingEither) {
  for (const int error : {ENOSPC, EIO}) {
    for (const std::string& point : GetParam().points) {
      SCOPED_TRACE(point + " answers " + std::to_string(error));
      const int before = threads_running();
      ASSERT_NO_FATAL_FAILURE(start());
      ASSERT_NO_FATAL_FAILURE(send(GetParam(), point));
      begin_closing();
      gate_->fail(point, error);
      gate_->open();
      const bool harmless = error == ENOSPC || is_ignored(point);
      EXPECT_EQ(end_closing(), harmless ? Code::ok : Code::outcome_unknown);
      join_cleaner();
      log_.reset();
      EXPECT_EQ(threads_running(), before);
      ASSERT_NO_FATAL_FAILURE(expect_kept());
    }
  }
}

// Without close(): the destructor waits for no record, but for its clerk.
TEST_P(ClerkClosing, SoDoesTheDestructor) {
  const int before = threads_running();
  ASSERT_NO_FATAL_FAILURE(start());
  ASSERT_NO_FATAL_FAILURE(prepare(GetParam()));
  gate_->close(GetParam().points.front());
  if (GetParam().frees) {
    ASSERT_NO_FATAL_FAILURE(only_ask_to_free());
  } else {
    ASSERT_NO_FATAL_FAILURE(trigger(GetParam()));
  }
  gate_->await();
  std::atomic<pid_t> thread{0};
  std::atomic<bool> gone{false};
  std::thread owner([&] {
    thread = static_cast<pid_t>(::syscall(SYS_gettid));
    log_.reset();
    gone = true;
  });
  while (thread == 0) std::this_thread::yield();
  wait_until_asleep(thread);
  EXPECT_FALSE(gone);
  gate_->open();
  owner.join();
  if (GetParam().frees) is_freed();
  EXPECT_EQ(threads_running(), before);
  ASSERT_NO_FATAL_FAILURE(expect_no_orphans());
  ASSERT_NO_FATAL_FAILURE(expect_kept());
}

INSTANTIATE_TEST_SUITE_P(Errands, ClerkClosing, testing::ValuesIn(kinds()), name_of_kind);

// --------------------------------------------------------------------- forking
class ClerkForking : public ClerkErrand {
 protected:
  // No other thread is at work any more, or holds a lock of the allocator's: sanitizers
  // do not guard theirs across fork().
  static void wait_until_alone() {
    const std::string self = std::to_string(::syscall(SYS_gettid));
    for (bool alone = false; !alone;) {
      alone = true;
      for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task")) {
        const std::string thread = entry.path().filename().string();
        alone &= thread == self || is_asleep(thread);
      }
    }
  }
  // In the child: how many answers are wrong.
  int wrong_answers() {
    Credit credit;
    BackupReport report;
    KeepingSink sink;
    const Lsn lsn = log_->last_appended();
    const std::uint64_t oldest = asked_ != 0 ? asked_ : 1;
    int wrong = 0;
    wrong += log_->forked() ? 0 : 1;
    wrong += log_->reserve(1, 1, ReserveFlags::none, credit) == Code::forked ? 0 : 1;
    log_->release(credit);
    wrong += log_->wait_durable(lsn, kNever) == Code::forked ? 0 : 1;
    wrong += log_->sync(kNever) == Code::forked ? 0 : 1;
    wrong += log_->oldest().number == 0 ? 0 : 1;
    wrong += log_->read_oldest(oldest, sink).code == Code::forked ? 0 : 1;
    wrong += log_->free_oldest(oldest, lsn, {}, kNever) == Code::forked ? 0 : 1;
    wrong += log_->backup(*disk_, dir_->path() + "2", {}, report).code == Code::forked ? 0 : 1;
    wrong += log_->close(kNever) == Code::forked ? 0 : 1;
    return wrong;
  }
  // The exit code of a child that does this; -1 if it did not end by itself.
  template <class Body>
  int in_child(Body body) {
    wait_until_alone();
    std::fflush(nullptr);
    const pid_t child = ::fork();
    if (child == 0) {
      ::alarm(100);  // rather than wait for ever, with its parent
      body();
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
};

TEST_P(ClerkForking, TheChildHasNoPartInTheErrand) {
  for (const bool synchronous : {true, false}) {
    for (const std::string& point : GetParam().points) {
      if (!synchronous && point != GetParam().points.back()) continue;  // it flushes for real
      SCOPED_TRACE(point + (synchronous ? ", synchronous" : ""));
      ASSERT_NO_FATAL_FAILURE(start(synchronous));
      ASSERT_NO_FATAL_FAILURE(send(GetParam(), point));
      EXPECT_EQ(in_child([this] {
                  const int wrong = wrong_answers();
                  log_.reset();
                  leave_child(wrong + 100 * gate_->calls_of_child());
                }),
                0);
      gate_->open();
      EXPECT_EQ(join_cleaner(), Code::ok);
      if (GetParam().frees) is_freed();
      ASSERT_NO_FATAL_FAILURE(put_until(log_->stats().segments + 2));
      EXPECT_EQ(log_->close(kNever), Code::ok);
      log_.reset();
      ASSERT_NO_FATAL_FAILURE(expect_no_orphans());
      ASSERT_NO_FATAL_FAILURE(expect_kept());
    }
  }
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
// By exit(), the log as it is. Sanitizers would look through the child for leaks, without
// the threads whose stacks hold what is not leaked.
TEST_P(ClerkForking, TheChildMayExitWithTheLogOpen) {
  ASSERT_NO_FATAL_FAILURE(start());
  ASSERT_NO_FATAL_FAILURE(send(GetParam(), GetParam().points.back()));
  EXPECT_EQ(in_child([this] { std::exit(wrong_answers()); }), 0);
  gate_->open();
  EXPECT_EQ(join_cleaner(), Code::ok);
  if (GetParam().frees) is_freed();
  ASSERT_NO_FATAL_FAILURE(put_one());
  EXPECT_EQ(log_->close(kNever), Code::ok);
  ASSERT_NO_FATAL_FAILURE(expect_kept());
}
#endif

INSTANTIATE_TEST_SUITE_P(Errands, ClerkForking, testing::ValuesIn(kinds()), name_of_kind);

// -------------------------------------------------------------------- starting
class ClerkStarting : public ClerkTest {
 protected:
  Error open() {
    KeepingSink sink;
    return Log::open(*disk_, dir_->path(), options_, sink, log_);
  }
};

// Hired, and never sent: the thread that was to send it could not be had.
TEST_F(ClerkStarting, WithoutAScribeTheClerkIsLetGo) {
  ASSERT_NO_FATAL_FAILURE(start());
  ASSERT_NO_FATAL_FAILURE(put_one());
  EXPECT_EQ(log_->close(kNever), Code::ok);
  log_.reset();
  const int before = threads_running();
  refuse_thread(2);
  const Error error = open();
  refuse_thread(0);
  EXPECT_EQ(error.code, Code::no_memory);
  EXPECT_EQ(log_, nullptr);
  EXPECT_EQ(threads_running(), before);
  ASSERT_EQ(open().code, Code::ok) << "nothing was held";
  EXPECT_EQ(threads_running(), before + 2);
  ASSERT_NO_FATAL_FAILURE(put_until(2));
  EXPECT_EQ(log_->close(kNever), Code::ok);
  ASSERT_NO_FATAL_FAILURE(expect_kept());
  EXPECT_EQ(threads_running(), before);
}

// The scribe does its errands.
TEST_F(ClerkStarting, WithoutAClerkAllGoesOn) {
  ASSERT_NO_FATAL_FAILURE(start());
  log_.reset();
  const int before = threads_running();
  refuse_thread(1);
  ASSERT_EQ(open().code, Code::ok);
  refuse_thread(0);
  EXPECT_EQ(threads_running(), before + 1) << "the scribe alone";
  ASSERT_NO_FATAL_FAILURE(fill(3));
  ASSERT_NO_FATAL_FAILURE(free_one());
  ASSERT_NO_FATAL_FAILURE(fill(4));
  ASSERT_NO_FATAL_FAILURE(free_one());
  EXPECT_EQ(log_->stats().recycled, 1u);
  EXPECT_EQ(log_->close(kNever), Code::ok);
  log_.reset();
  EXPECT_EQ(threads_running(), before);
  ASSERT_NO_FATAL_FAILURE(expect_no_orphans());
  ASSERT_NO_FATAL_FAILURE(expect_kept());
}

// Each call of an opening in turn: where it fails, nobody was hired, or is gone again.
TEST_F(ClerkStarting, AnOpeningThatFailsLeavesNoThread) {
  ASSERT_NO_FATAL_FAILURE(start());
  ASSERT_NO_FATAL_FAILURE(put_until(2));
  EXPECT_EQ(log_->close(kNever), Code::ok);
  log_.reset();
  const int before = threads_running();
  int refused = 0;
  for (int n = 1;; ++n) {
    SCOPED_TRACE(n);
    int calls = 0;
    disk_->hook = [&](const sim::Call&) -> sim::Answer {
      return ++calls == n ? sim::Answer(-EIO) : std::nullopt;
    };
    const Error error = open();
    const bool reached = calls >= n;
    disk_->hook = nullptr;
    EXPECT_EQ(error.code == Code::ok, log_ != nullptr);
    refused += error.code != Code::ok ? 1 : 0;
    EXPECT_EQ(threads_running(), log_ != nullptr ? before + 2 : before);
    log_.reset();
    EXPECT_EQ(threads_running(), before);
    if (!reached) break;
  }
  EXPECT_GT(refused, 20);
  ASSERT_NO_FATAL_FAILURE(expect_kept());
}

}  // namespace
}  // namespace warden::log::test
