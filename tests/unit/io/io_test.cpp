// SPDX-License-Identifier: Apache-2.0
//
// The real disk where the system says no: io_uring or O_DIRECT refused by a seccomp
// filter, a file-size limit, a forked child. Each in a process of its own, since
// filters and limits cannot be taken back.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "../log/log_fixture.hpp"
#include "child.hpp"
#include "io/fork.hpp"
#include "refused_call.hpp"

namespace warden::log::test {
namespace {

using warden::test::in_child;
using warden::test::refuse;

// Appends, syncs, closes, reopens: 0 if all is there.
int use_store(const std::string& path, const char* backend, const std::string& note) {
  const auto disk = io::make_real_disk(io::Backend::automatic);
  for (std::size_t round = 0; round < 2; ++round) {
    KeepingSink sink;
    std::unique_ptr<Log> log;
    const Error error = Log::open(*disk, path, small_options(), sink, log);
    if (error) std::fprintf(stderr, "%s\n", error.message.c_str());
    GIVE_UP_UNLESS(!error);
    GIVE_UP_UNLESS(sink.seen.size() == round * 300);
    for (int i = 0; i < 300; ++i) put(*log, std::string(1000, 'i'));
    GIVE_UP_UNLESS(log->sync(kNever) == Code::ok);
    GIVE_UP_UNLESS(std::string(log->stats().backend) == backend);
    GIVE_UP_UNLESS(log->stats().note.find(note) != std::string::npos);
    GIVE_UP_UNLESS(log->close(kNever) == Code::ok);
  }
  return 0;
}

TEST(RealDisk, FallsBackWhereIoUringIsRefused) {
  for (const int error : {EPERM, ENOSYS, ENOMEM}) {
    TempDir dir;
    EXPECT_EQ(in_child([&] {
                GIVE_UP_UNLESS(refuse(SYS_io_uring_setup, error));
                return use_store(dir.path(), "posix", "io_uring was refused");
              }),
              0)
        << "errno " << error;
  }
}

TEST(RealDisk, DoesNotFallBackWhereIoUringIsDemanded) {
  TempDir dir;
  EXPECT_EQ(in_child([&] {
              GIVE_UP_UNLESS(refuse(SYS_io_uring_setup, EPERM));
              const auto disk = io::make_real_disk(io::Backend::uring);
              KeepingSink sink;
              std::unique_ptr<Log> log;
              const Error error = Log::open(*disk, dir.path(), small_options(), sink, log);
              GIVE_UP_UNLESS(error.code == Code::permission);
              GIVE_UP_UNLESS(error.message.find("asynchronous writing") != std::string::npos);
              return 0;
            }),
            0);
}

TEST(RealDisk, WorksWithoutODirect) {
  TempDir dir;
  EXPECT_EQ(in_child([&] {
              GIVE_UP_UNLESS(refuse(SYS_openat, EINVAL, 2, O_DIRECT));
              return use_store(dir.path(), "io_uring", "");
            }),
            0);
}

// Its name in its parent, whoever made it: an fsync that fails is how to see it.
TEST(RealDisk, ADirectoryIsMadeDurableUntilItHoldsAStore) {
  TempDir dir;
  std::filesystem::create_directory(dir.path());
  EXPECT_EQ(in_child([&] {
              const auto disk = io::make_real_disk(io::Backend::posix);
              std::unique_ptr<io::Dir> out;
              GIVE_UP_UNLESS(refuse(SYS_fsync, EIO));
              GIVE_UP_UNLESS(disk->open_dir(dir.path().c_str(), true, out) == -EIO && !out);
              GIVE_UP_UNLESS(disk->open_dir(dir.path().c_str(), false, out) == 0);
              std::ofstream(dir.path() + "/CURRENT") << "MANIFEST-1";
              GIVE_UP_UNLESS(disk->open_dir(dir.path().c_str(), true, out) == 0);
              return 0;
            }),
            0);
}

TEST(RealDisk, AParentThatMayNotBeReadIsNoHindrance) {
  TempDir dir;
  std::filesystem::create_directory(dir.path());
  EXPECT_EQ(::chmod(dir.path().c_str(), 0777), 0);
  EXPECT_EQ(::chmod(dir.parent().c_str(), 0711), 0);
  EXPECT_EQ(in_child([&] {
              if (::geteuid() == 0) GIVE_UP_UNLESS(::setgid(65534) == 0 && ::setuid(65534) == 0);
              return use_store(dir.path(), "io_uring", "");
            }),
            0);
  EXPECT_EQ(::chmod(dir.parent().c_str(), 0755), 0);
}

TEST(RealDisk, AFileSizeLimitRefusesAndDoesNotKill) {
  TempDir dir;
  EXPECT_EQ(in_child([&] {
              // The first segment fits, the next, twice as large, does not.
              const rlimit limit = {130 * 1024, 130 * 1024};
              GIVE_UP_UNLESS(::setrlimit(RLIMIT_FSIZE, &limit) == 0);
              const auto disk = io::make_real_disk(io::Backend::automatic);
              KeepingSink sink;
              std::unique_ptr<Log> log;
              Options options = small_options();
              options.buffer_bytes = 64 * 1024;
              GIVE_UP_UNLESS(!Log::open(*disk, dir.path(), options, sink, log));
              std::size_t taken = 0;
              Code code = Code::ok;
              while (taken < 1000) {
                Credit credit;
                const std::string text(500, 'f');
                code = log->reserve(text.size(), 1, ReserveFlags::none, credit);
                if (code != Code::ok) break;
                log->append(credit, RecordType::state, 1, bytes_of(text));
                log->release(credit);
                ++taken;
                log->wait_durable(log->last_appended(), kMilli);
              }
              GIVE_UP_UNLESS(code == Code::no_space);
              GIVE_UP_UNLESS(taken > 0);
              const Lsn durable = log->durable();
              log->close(kMilli);
              log.reset();
              KeepingSink again;
              options.mode = Mode::read_only;
              GIVE_UP_UNLESS(!Log::open(*disk, dir.path(), options, again, log));
              GIVE_UP_UNLESS(!again.seen.empty() && again.seen.back().lsn >= durable);
              return 0;
            }),
            0);
}

TEST(RealDisk, AForkedChildIsRefusedAndHoldsNothing) {
  for (const io::Backend backend : {io::Backend::uring, io::Backend::posix}) {
    TempDir dir;
    const auto disk = io::make_real_disk(backend);
    KeepingSink sink;
    std::unique_ptr<Log> log;
    ASSERT_EQ(Log::open(*disk, dir.path(), small_options(), sink, log).code, Code::ok);
    const Lsn lsn = put(*log, "of the parent");
    // The scribe is asleep then: the child frees memory, and no sanitizer's runtime
    // could do that if a thread of the parent was inside it during the fork.
    ASSERT_EQ(log->sync(kNever), Code::ok);
    int hold[2];
    ASSERT_EQ(::pipe(hold), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      ::close(hold[1]);
      Credit credit;
      bool good = log->forked();
      good = good && log->reserve(1, 1, ReserveFlags::none, credit) == Code::forked;
      good = good && log->wait_durable(lsn, kNever) == Code::forked;
      good = good && log->close(kNever) == Code::forked;
      good = good && log->free_oldest(1, lsn, {}, 0) == Code::forked;
      log.reset();
      // Stays until the parent has opened the store anew.
      char byte = 0;
      const bool told = ::read(hold[0], &byte, 1) == 1;
      _exit(good && told ? 0 : 1);
    }
    ::close(hold[0]);
    EXPECT_EQ(log->sync(kNever), Code::ok);
    EXPECT_EQ(log->close(kSecond), Code::ok);
    EXPECT_EQ(Log::open(*disk, dir.path(), small_options(), sink, log).code, Code::ok);
    EXPECT_EQ(sink.seen.size(), 1u);
    ASSERT_EQ(::write(hold[1], "x", 1), 1);
    ::close(hold[1]);
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
}

TEST(RealDisk, AnOrphanedChildDoesNotKeepTheLock) {
  TempDir dir;
  int hold[2];
  ASSERT_EQ(::pipe(hold), 0);
  EXPECT_EQ(in_child([&] {
              const auto disk = io::make_real_disk(io::Backend::uring);
              KeepingSink sink;
              std::unique_ptr<Log> log;
              GIVE_UP_UNLESS(!Log::open(*disk, dir.path(), small_options(), sink, log));
              put(*log, "x");
              GIVE_UP_UNLESS(log->sync(kNever) == Code::ok);
              ::close(hold[1]);
              if (::fork() == 0) {
                char byte = 0;
                _exit(::read(hold[0], &byte, 1) == 0 ? 0 : 1);
              }
              _exit(0);  // as if killed: nothing is closed properly
              return 1;
            }),
            0);
  const auto disk = io::make_real_disk(io::Backend::uring);
  KeepingSink sink;
  std::unique_ptr<Log> log;
  const Error error = Log::open(*disk, dir.path(), small_options(), sink, log);
  EXPECT_EQ(error.code, Code::ok) << error.message;
  EXPECT_EQ(sink.seen.size(), 1u);
  ::close(hold[0]);
  ::close(hold[1]);
}

TEST(Clock, ManualMovesByHandOnly) {
  io::ManualClock clock(500);
  EXPECT_EQ(clock.now_wall(), 500);
  EXPECT_EQ(clock.now_elapsed(), 0);
  clock.advance(10);
  clock.step_wall(-100);
  EXPECT_EQ(clock.now_wall(), 410);
  EXPECT_EQ(clock.now_elapsed(), 10);
}

TEST(Clock, RealNeverGoesBackOnElapsed) {
  Nanos last = io::real_clock().now_elapsed();
  for (int i = 0; i < 1000; ++i) {
    const Nanos now = io::real_clock().now_elapsed();
    ASSERT_GE(now, last);
    last = now;
  }
  EXPECT_GT(io::real_clock().now_wall(), 1'600'000'000 * kSecond);
}

}  // namespace
}  // namespace warden::log::test
