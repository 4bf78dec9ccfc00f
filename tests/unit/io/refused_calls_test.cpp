// SPDX-License-Identifier: Apache-2.0
//
// Calls that a system may refuse while a store is opened: each is a clean error that names
// the directory, or io_uring is done without; and the store opens as it was afterwards.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstdio>

#include "../log/log_fixture.hpp"
#include "child.hpp"
#include "refused_call.hpp"

namespace warden::log::test {
namespace {

using warden::test::in_child;
using warden::test::refuse;

class RefusedCalls : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(open(io::Backend::posix).code, Code::ok);
    for (int i = 0; i < 10; ++i) put(*log_, "kept");
    ASSERT_EQ(log_->close(kNever), Code::ok);
    log_.reset();
  }
  void TearDown() override {
    sink_.seen.clear();
    const Error error = open(io::Backend::uring);
    ASSERT_FALSE(error) << error.message;
    EXPECT_EQ(sink_.seen.size(), kept_);
  }
  Error open(io::Backend backend) {
    const auto disk = io::make_real_disk(backend);
    return Log::open(*disk, dir_.path(), small_options(), sink_, log_);
  }
  // In a child: 0 if opening is refused so.
  int refused(long call, int error, io::Backend backend, Code code, const std::string& says) {
    return in_child([&] {
      GIVE_UP_UNLESS(refuse(call, error));
      const Error got = open(backend);
      if (got.code != code || got.message.find(says) == std::string::npos) {
        std::fprintf(stderr, "%d: %s\n", static_cast<int>(got.code), got.message.c_str());
      }
      GIVE_UP_UNLESS(got.code == code && !log_);
      GIVE_UP_UNLESS(got.message.find(dir_.path()) == 0);
      GIVE_UP_UNLESS(got.message.find(says) != std::string::npos);
      return 0;
    });
  }
  // In a child: 0 if it does without the ring, and says so.
  int falls_back(long call, int error) {
    return in_child([&] {
      GIVE_UP_UNLESS(refuse(call, error));
      GIVE_UP_UNLESS(!open(io::Backend::automatic));
      GIVE_UP_UNLESS(std::string(log_->stats().backend) == "posix");
      GIVE_UP_UNLESS(log_->stats().note.find("io_uring was refused") != std::string::npos);
      put(*log_, "kept");
      GIVE_UP_UNLESS(log_->sync(kNever) == Code::ok);
      GIVE_UP_UNLESS(log_->close(kNever) == Code::ok);
      return 0;
    });
  }

  TempDir dir_;
  KeepingSink sink_;
  std::unique_ptr<Log> log_;
  std::size_t kept_ = 10;
};

TEST_F(RefusedCalls, RegisteringFiles) {
  for (const int error : {EPERM, ENOMEM}) {
    EXPECT_EQ(falls_back(SYS_io_uring_register, error), 0) << error;
    ++kept_;
  }
  EXPECT_EQ(refused(SYS_io_uring_register, EPERM, io::Backend::uring, Code::permission,
                    "set up asynchronous writing"),
            0);
}

// UBSan asks by a pipe of its own whether an address can be read: without one it takes
// every object for damaged.
#if !defined(__SANITIZE_ADDRESS__)
TEST_F(RefusedCalls, ThePipeOfTheRing) {
  EXPECT_EQ(falls_back(SYS_pipe2, EMFILE), 0);
  ++kept_;
}
#endif

TEST_F(RefusedCalls, TheEventThatWakes) {
  for (const io::Backend backend :
       {io::Backend::automatic, io::Backend::uring, io::Backend::posix}) {
    EXPECT_EQ(
        refused(SYS_eventfd2, EMFILE, backend, Code::no_memory, "set up asynchronous writing"), 0);
  }
}

TEST_F(RefusedCalls, TheLock) {
  EXPECT_EQ(refused(SYS_flock, ENOLCK, io::Backend::automatic, Code::io, "LOCK: cannot lock it"),
            0);
  EXPECT_EQ(
      refused(SYS_flock, EPERM, io::Backend::automatic, Code::permission, "LOCK: cannot lock it"),
      0);
}

// Nothing but directories is flushed by fsync().
TEST_F(RefusedCalls, MakingNamesDurable) {
  for (const io::Backend backend : {io::Backend::uring, io::Backend::posix}) {
    EXPECT_EQ(refused(SYS_fsync, EIO, backend, Code::io, "cannot"), 0);
  }
}

TEST_F(RefusedCalls, MakingANewDirectoryDurable) {
  const std::string fresh = dir_.parent() + "/fresh";
  EXPECT_EQ(in_child([&] {
              GIVE_UP_UNLESS(refuse(SYS_fsync, EIO));
              const auto disk = io::make_real_disk(io::Backend::posix);
              const Error got = Log::open(*disk, fresh, small_options(), sink_, log_);
              GIVE_UP_UNLESS(got.code == Code::io && !log_ && got.message.find(fresh) == 0);
              return 0;
            }),
            0);
  // The same again without the filter.
  const auto disk = io::make_real_disk(io::Backend::posix);
  KeepingSink sink;
  std::unique_ptr<Log> log;
  EXPECT_EQ(Log::open(*disk, fresh, small_options(), sink, log).code, Code::ok);
}

// It would wait for a writer, and every fork() of the process for it.
TEST_F(RefusedCalls, AFifoIsNoFile) {
  const auto disk = io::make_real_disk(io::Backend::posix);
  std::unique_ptr<io::Dir> dir;
  std::unique_ptr<io::File> file;
  ASSERT_EQ(disk->open_dir(dir_.parent().c_str(), false, dir), 0);
  ASSERT_EQ(::mkfifo((dir_.parent() + "/fifo").c_str(), 0600), 0);
  EXPECT_EQ(dir->open("fifo", io::Open::read, file), -EINVAL);
  EXPECT_EQ(file, nullptr);
}

}  // namespace
}  // namespace warden::log::test
