// SPDX-License-Identifier: Apache-2.0
//
// Every answer of the log's calls while it is held up, starved, failing, closed or forked.
// Opening's stand in opening_test.cpp.
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <atomic>
#include <cerrno>
#include <system_error>
#include <thread>

#include "../../sim/hooked_disk.hpp"
#include "counted_threads.hpp"
#include "log_fixture.hpp"
#include "sim_store.hpp"

namespace warden::log::test {
namespace {

using sim::Answer;
using sim::Call;
using sim::Op;

// -------------------------------------------------- with the scribe's thread
class LogCalls : public testing::Test {
 protected:
  LogCalls() { disk_.synchronous = true; }
  std::unique_ptr<Log> open(Options options = small_options()) {
    std::unique_ptr<Log> log;
    sink_ = {};
    error_ = Log::open(disk_, dir_.path(), options, sink_, log);
    return log;
  }
  // Writes of segments, but not the log's present one, answer so from now on.
  void no_room(int error) {
    disk_.hook = [this, error](const Call& call) -> Answer {
      const bool next = call.op == Op::write && number_in(call.name, "wal-") > 1;
      return next && full_ ? Answer(-error) : std::nullopt;
    };
    full_ = true;
  }

  TempDir dir_;
  std::unique_ptr<io::Disk> real_ = io::make_real_disk(io::Backend::posix);
  sim::HookedDisk disk_{*real_};
  std::atomic<bool> full_{false};
  KeepingSink sink_;
  Error error_;
};

TEST_F(LogCalls, HeldUpOnlyClosingsAndTheCleanerGoOn) {
  auto log = open();
  ASSERT_NE(log, nullptr) << error_.message;
  Credit credit;
  log->hold_up(false);
  log->hold_up(true);
  log->hold_up(true);
  EXPECT_EQ(log->reserve(10, 1, ReserveFlags::nowait, credit), Code::would_block);
  for (const auto flags : {ReserveFlags::closing, ReserveFlags::cleaner,
                           ReserveFlags::closing | ReserveFlags::nowait}) {
    EXPECT_EQ(log->reserve(10, 1, flags, credit), Code::ok);
    log->release(credit);
  }
  // Who waits goes on once it is taken back.
  std::atomic<pid_t> waiting{0};
  std::atomic<bool> taken{false};
  std::thread caller([&] {
    Credit mine;
    waiting = static_cast<pid_t>(::syscall(SYS_gettid));
    EXPECT_EQ(log->reserve(10, 1, ReserveFlags::none, mine), Code::ok);
    taken = true;
    log->release(mine);
  });
  while (waiting == 0) std::this_thread::yield();
  wait_until_asleep(waiting);
  EXPECT_FALSE(taken);
  log->hold_up(false);
  caller.join();
  EXPECT_TRUE(taken);
  EXPECT_EQ(log->wait_durable(put(*log, "x"), kNever), Code::ok);
}

TEST_F(LogCalls, WhoIsHeldUpLearnsOfTheClosing) {
  auto log = open();
  log->hold_up(true);
  std::atomic<pid_t> waiting{0};
  std::thread caller([&] {
    Credit mine;
    waiting = static_cast<pid_t>(::syscall(SYS_gettid));
    EXPECT_EQ(log->reserve(10, 1, ReserveFlags::none, mine), Code::store_closed);
  });
  while (waiting == 0) std::this_thread::yield();
  wait_until_asleep(waiting);
  EXPECT_EQ(log->close(kSecond), Code::ok);
  caller.join();
  log->hold_up(false);
}

TEST_F(LogCalls, WithoutInlineCommitsTheScribeDoesAll) {
  Options options = small_options();
  options.inline_commit = false;
  auto log = open(options);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(log->wait_durable(put(*log, "x"), kNever), Code::ok);
  EXPECT_EQ(log->stats().inline_commits, 0u);
  EXPECT_EQ(log->close(kSecond), Code::ok);
  log = open(options);
  EXPECT_EQ(sink_.seen.size(), 10u);
}

TEST_F(LogCalls, SegmentsAndRoomAreToldOf) {
  Options options = small_options();
  options.segment_bytes = options.first_segment_bytes = 512 * 1024;  // closings leave some free
  auto log = open(options);
  std::atomic<int> segments{0};
  std::atomic<int> full{0};
  std::atomic<int> again{0};
  std::string text;
  std::mutex lock;
  log->on_segment([&] { ++segments; });
  log->on_trouble([&](const Error& error) {
    const std::lock_guard one(lock);
    if (error.code == Code::no_space) text = error.message;
    (error.code == Code::ok ? again : full) += 1;
  });
  EXPECT_NE(log->why(Code::would_block).find("takes no more records"), std::string::npos);
  EXPECT_FALSE(log->starved());
  EXPECT_FALSE(log->failed());
  EXPECT_TRUE(log->catalog().empty());
  no_room(EDQUOT);
  Credit credit;
  Code code = Code::ok;
  while (code == Code::ok || code == Code::would_block) {
    code = log->reserve(3000, 1, ReserveFlags::nowait, credit);
    if (code == Code::ok)
      log->append(credit, RecordType::state, 1, bytes_of(std::string(3000, 'x')));
    log->release(credit);
  }
  EXPECT_EQ(code, Code::no_space);
  EXPECT_EQ(log->sync(kNever), Code::ok);
  EXPECT_TRUE(log->starved());
  EXPECT_EQ(full, 1) << "told before the first answer";
  EXPECT_NE(log->why(code).find("Disk quota exceeded"), std::string::npos) << log->why(code);
  {
    const std::lock_guard one(lock);
    EXPECT_NE(text.find("Disk quota exceeded"), std::string::npos) << text;
  }
  // The cleaner's share and closings go on for a while; then nothing does.
  EXPECT_EQ(log->reserve(100, 1, ReserveFlags::cleaner, credit), Code::ok);
  log->release(credit);
  const auto last = ReserveFlags::closing | ReserveFlags::nowait;
  std::size_t closings = 0;
  for (; (code = log->reserve(3000, 1, last, credit)) == Code::ok; ++closings) {
    log->append(credit, RecordType::state, 1, bytes_of(std::string(3000, 'x')));
    log->release(credit);
    EXPECT_EQ(log->sync(kNever), Code::ok);
  }
  EXPECT_EQ(code, Code::no_space);
  EXPECT_GT(closings, 0u);
  EXPECT_GT(log->log_bytes(), 0u);
  full_ = false;
  while (log->starved()) std::this_thread::yield();
  while (again == 0) std::this_thread::yield();
  EXPECT_NE(log->why(Code::no_space).find("No space left"), std::string::npos);
  const int before = segments;
  while (segments == before) EXPECT_EQ(log->wait_durable(put(*log, "more"), kNever), Code::ok);
  EXPECT_EQ(log->close(kSecond), Code::ok);
}

// A disk with room is no full disk, whatever else the next file wants.
TEST_F(LogCalls, WantOfDescriptorsIsWantOfMemory) {
  auto log = open();
  ASSERT_NE(log, nullptr) << error_.message;
  Error told;
  std::mutex lock;
  log->on_trouble([&](const Error& error) {
    const std::lock_guard one(lock);
    if (error) told = error;
  });
  disk_.hook = [this](const Call& call) -> Answer {
    const bool next = call.op == Op::open && number_in(call.name, "wal-") > 1;
    return next && full_ ? Answer(-EMFILE) : std::nullopt;
  };
  full_ = true;
  Credit credit;
  Code code = Code::ok;
  while (code == Code::ok || code == Code::would_block) {
    code = log->reserve(3000, 1, ReserveFlags::nowait, credit);
    if (code == Code::ok) {
      log->append(credit, RecordType::state, 1, bytes_of(std::string(3000, 'x')));
    }
    log->release(credit);
  }
  EXPECT_EQ(code, Code::no_memory);
  EXPECT_NE(log->why(code).find("Too many open files"), std::string::npos) << log->why(code);
  {
    const std::lock_guard one(lock);
    EXPECT_EQ(told.code, Code::no_memory);
    EXPECT_NE(told.message.find("Too many open files"), std::string::npos) << told.message;
  }
  full_ = false;
  while (log->starved()) std::this_thread::yield();
  EXPECT_EQ(log->wait_durable(put(*log, "more"), kNever), Code::ok);
  EXPECT_NE(log->why(Code::no_memory).find("out of memory"), std::string::npos);
  EXPECT_EQ(log->close(kSecond), Code::ok);
}

TEST_F(LogCalls, AFailureIsToldOnceAndWhyItIs) {
  auto log = open();
  std::atomic<int> told{0};
  EXPECT_EQ(log->wait_durable(put(*log, "before"), kNever), Code::ok);
  EXPECT_EQ(log->close(kSecond), Code::ok);
  log.reset();
  disk_.hook = [this](const Call& call) -> Answer {
    const bool flush = call.op == Op::sync_data && number_in(call.name, "wal-") > 0;
    return flush && full_ ? Answer(-EIO) : std::nullopt;
  };
  full_ = false;
  for (const bool inline_commit : {true, false}) {
    Options options = small_options();
    options.inline_commit = inline_commit;
    log = open(options);
    ASSERT_NE(log, nullptr) << error_.message;
    told = 0;
    log->on_trouble([&](const Error& error) {
      EXPECT_FALSE(log->failed()) << "told before a call can answer it";
      told += error.code == Code::io ? 1 : 100;
    });
    log->on_failure([&] {
      EXPECT_TRUE(log->failed());
      told += 10;
    });
    Credit before;
    ASSERT_EQ(log->reserve(1, 1, ReserveFlags::none, before), Code::ok);
    full_ = true;
    const Lsn lsn = put(*log, "never");
    const Claim late = log->claim(before, 1);
    log->release(before);
    EXPECT_EQ(log->wait_durable(lsn, kNever), Code::outcome_unknown);
    EXPECT_TRUE(log->failed());
    EXPECT_EQ(log->stats().failure.code, Code::io);
    EXPECT_NE(log->why(Code::io).find("cannot flush a"), std::string::npos);
    Credit credit;
    EXPECT_EQ(log->reserve(1, 1, ReserveFlags::none, credit), Code::io);
    log->abandon(late);  // published, but nothing becomes durable any more
    EXPECT_EQ(log->wait_durable(late.lsn, kNever), Code::outcome_unknown);
    EXPECT_EQ(log->close(kSecond), Code::outcome_unknown);
    EXPECT_EQ(told, 11);
    log.reset();
    full_ = false;
  }
  log = open();
  ASSERT_NE(log, nullptr) << error_.message;
  EXPECT_EQ(sink_.seen.front().content, "before");
}

TEST_F(LogCalls, WithoutAThreadNothingIsOpenedAndNothingHeld) {
  open()->close(kSecond);
  sigset_t before;
  pthread_sigmask(SIG_SETMASK, nullptr, &before);
  refuse_thread(2);  // the first is the clerk's
  EXPECT_EQ(open(), nullptr);
  refuse_thread(0);
  EXPECT_EQ(error_.code, Code::no_memory);
  EXPECT_NE(error_.message.find("scribe thread"), std::string::npos) << error_.message;
  sigset_t after;
  pthread_sigmask(SIG_SETMASK, nullptr, &after);
  for (int signal = 1; signal < 32; ++signal) {
    EXPECT_EQ(sigismember(&before, signal), sigismember(&after, signal)) << signal;
  }
  EXPECT_NE(open(), nullptr) << error_.message;
}

TEST_F(LogCalls, AChildOfAManualLogHasNoThreadToLeave) {
  Options options = small_options();
  options.manual = true;
  io::ManualClock clock(kSecond);
  options.clock = &clock;
  auto log = open(options);
  const pid_t child = ::fork();
  if (child == 0) {
    log.reset();
    leave_child(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  put(*log, "x");
  EXPECT_EQ(log->close(kNever), Code::ok);
}

// ------------------------------------------------- a manual log, on the simulated disk
TEST(LogManual, WhoMayWaitMakesTheNextSegment) {
  World store;
  ASSERT_EQ(store.model.open(), "");
  Log& log = store.model.log();
  const std::string text(3000, 'x');
  bool full = false;
  for (int i = 0; i < 200; ++i) {
    Credit credit;
    const Code code = log.reserve(text.size(), 1, ReserveFlags::none, credit);
    if (code == Code::would_block) {  // the ring is full: nothing but a commit helps
      full = true;
      ASSERT_EQ(log.sync(kNever), Code::ok);
      continue;
    }
    ASSERT_EQ(code, Code::ok);
    log.append(credit, RecordType::state, 1, bytes_of(text));
    log.release(credit);
  }
  EXPECT_TRUE(full);
  EXPECT_GT(log.stats().segments, 1u);
  EXPECT_EQ(log.close(kNever), Code::ok);
}

// Closed while blocks wait for room: they were never acknowledged, and say so.
TEST(LogManual, ClosedOnAFullDiskWhatWaitsIsNotDurable) {
  World store;
  ASSERT_EQ(store.model.open(), "");
  Log& log = store.model.log();
  bool alive = true;
  ASSERT_EQ(store.model.append(100, alive), "");
  ASSERT_EQ(store.model.sync(alive), "");
  const Lsn safe = log.durable();
  store.world.fail_at = store.world.operations() + 1;
  store.world.fail_with = -ENOSPC;
  store.world.fail_sticky = true;
  ASSERT_EQ(store.model.append(100, alive), "");
  const Lsn waits = log.last_appended();
  EXPECT_EQ(log.close(0), Code::timeout);
  EXPECT_EQ(log.wait_durable(safe, kNever), Code::ok);
  EXPECT_EQ(log.wait_durable(waits, kNever), Code::store_closed);
  store.model.drop();
  store.world.fail_at = 0;
  store.world.restart_after_kill();
  EXPECT_EQ(store.model.open(), "") << "acknowledged or not, as it says";
  EXPECT_FALSE(store.model.log().recovery().clean);
}

// A claim that is published when all was made durable: it is cut off, but never sealed.
TEST(LogManual, ALogIsNotSealedBehindWhatIsPublishedTooLate) {
  World store;
  ASSERT_EQ(store.model.open(), "");
  Log& log = store.model.log();
  bool alive = true;
  ASSERT_EQ(store.model.append(100, alive), "");
  ASSERT_EQ(store.model.sync(alive), "");
  Credit credit;
  ASSERT_EQ(log.reserve(10, 1, ReserveFlags::nowait, credit), Code::ok);
  const Claim claim = log.claim(credit, 10);
  log.release(credit);
  log.on_durable([&, published = false](Lsn) mutable {
    if (published) return;
    published = true;
    const std::string text(10, 'l');
    const Part part = bytes_of(text);
    log.publish(claim, RecordType::state, 1, {&part, 1});
  });
  EXPECT_EQ(log.close(0), Code::timeout);
  EXPECT_EQ(log.wait_durable(claim.lsn, 0), Code::store_closed);
  store.model.drop();
  store.world.restart_after_kill();
  ASSERT_EQ(store.model.open(), "");
  EXPECT_FALSE(store.model.log().recovery().clean);
  EXPECT_EQ(store.model.log().wait_durable(claim.lsn, 0), Code::lost);
}

}  // namespace
}  // namespace warden::log::test
