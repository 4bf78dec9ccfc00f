// SPDX-License-Identifier: Apache-2.0
//
// Who is waited for that has LOCK, and who is not. Somebody else's lock is another
// description of this process; what its text says is the test's. A patience without end
// shows that nobody waits: the test would hang.
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <sstream>
#include <thread>

#include "../log/log_fixture.hpp"
#include "child.hpp"
#include "io/lock_file.hpp"

namespace warden::log::test {
namespace {

using io::LockHolder;
using io::take_lock;
using warden::test::in_child;

// Of /proc/<process>/stat, field by field from the state on.
std::string start_of(pid_t process) {
  const std::string all = read_file("/proc/" + std::to_string(process) + "/stat");
  std::istringstream fields(all.substr(all.rfind(')') + 1));
  std::string field;
  for (int i = 3; i <= 22; ++i) fields >> field;
  return field;
}

std::string text_of(pid_t process) {
  return std::to_string(process) + " " + start_of(process) + "\n";
}

class Lock : public ::testing::Test {
 protected:
  void SetUp() override {
    theirs_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    ours_ = ::open(path_.c_str(), O_RDWR | O_CLOEXEC);
    ASSERT_EQ(::flock(theirs_, LOCK_EX | LOCK_NB), 0);
  }
  void TearDown() override {
    ::close(theirs_);
    ::close(ours_);
  }
  void says(const std::string& text) { std::ofstream(path_, std::ios::trunc) << text; }
  void expect_alive(const std::string& text, pid_t process) {
    says(text);
    LockHolder holder;
    EXPECT_EQ(take_lock(ours_, kNever, holder), -EWOULDBLOCK) << text;
    EXPECT_EQ(holder.process, process) << text;
    EXPECT_FALSE(holder.gone) << text;
  }
  void expect_gone(const std::string& text, pid_t process) {
    says(text);
    LockHolder holder;
    EXPECT_EQ(take_lock(ours_, kMilli, holder), -EWOULDBLOCK) << "the limit is over: " << text;
    EXPECT_EQ(holder.process, process) << text;
    EXPECT_TRUE(holder.gone) << text;
  }

  TempDir dir_;
  std::string path_ = dir_.parent() + "/LOCK";
  int theirs_ = -1;
  int ours_ = -1;
};

TEST_F(Lock, WhoLivesIsNotWaitedFor) {
  expect_alive(text_of(::getpid()), ::getpid());
  expect_alive(text_of(::getppid()), ::getppid());
  expect_alive(std::to_string(::getppid()) + "\n", ::getppid());
  expect_alive(std::to_string(::getppid()) + " 0\n", ::getppid());
  expect_alive(std::to_string(::getpid()) + " 0\n", ::getpid());
}

TEST_F(Lock, WhoIsNotOursToAskLives) {
  says(text_of(::getpid()));
  const pid_t parent = ::getpid();
  EXPECT_EQ(in_child([&] {
              if (::geteuid() == 0) GIVE_UP_UNLESS(::setgid(65534) == 0 && ::setuid(65534) == 0);
              LockHolder holder;
              GIVE_UP_UNLESS(take_lock(ours_, kNever, holder) == -EWOULDBLOCK);
              GIVE_UP_UNLESS(holder.process == parent && !holder.gone);
              return 0;
            }),
            0);
}

TEST_F(Lock, WhoHasEndedIsWaitedForUpToALimit) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(ends[1]);
    char byte = 0;
    _exit(::read(ends[0], &byte, 1) == 0 ? 0 : 1);
  }
  ::close(ends[0]);
  const std::string text = text_of(child);
  expect_alive(text, child);
  ::close(ends[1]);
  siginfo_t info{};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT), 0);
  expect_gone(text, child);  // not yet collected
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  expect_gone(text, child);
  expect_gone(std::to_string(child) + "\n", child);
}

// A container that is started again calls everybody by the same numbers.
TEST_F(Lock, ANumberThatIsSomebodyElsesByNowIsNoHolder) {
  expect_gone(std::to_string(::getppid()) + " 1" + start_of(::getppid()) + "\n", ::getppid());
  expect_gone(std::to_string(::getpid()) + " 1" + start_of(::getpid()) + "\n", ::getpid());
  expect_gone(std::to_string(::getpid()) + "\n", ::getpid());
}

TEST_F(Lock, WhoHasNoNameYetIsWaitedForAShortWhile) {
  for (const char* text : {"", "\n", "17", "nonsense\n"}) {
    says(text);
    LockHolder holder;
    EXPECT_EQ(take_lock(ours_, kNever, holder), -EWOULDBLOCK) << text;
    EXPECT_EQ(holder.process, 0) << text;
  }
}

TEST_F(Lock, IsTakenWhenTheLastWritesHaveEndedAndGivenBack) {
  says(std::to_string(::getpid()) + "\n");
  std::thread kernel([this] { ::flock(theirs_, LOCK_UN); });
  LockHolder holder;
  EXPECT_EQ(take_lock(ours_, kNever, holder), 0);
  kernel.join();
  EXPECT_EQ(read_file(path_), text_of(::getpid()));
  io::give_lock_back(ours_);
  EXPECT_EQ(read_file(path_), "");
  EXPECT_EQ(::flock(theirs_, LOCK_EX | LOCK_NB), 0);
}

}  // namespace
}  // namespace warden::log::test
