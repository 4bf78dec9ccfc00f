// SPDX-License-Identifier: Apache-2.0
//
// A thread that forks at any moment while another opens and closes directories, locks and
// queues: no child ever has a LOCK or a ring. The children make system calls only, since
// a lock of the allocator or of a sanitizer may have been taken when they began.
#include <dirent.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "../log/log_fixture.hpp"
#include "io/posix_disk.hpp"

namespace warden::log::test {
namespace {

enum Found : int { kNothing = 0, kLock = 10, kRing = 11, kCannotLook = 12 };

bool ends_with(const char* text, std::size_t size, const char* end) {
  const std::size_t length = std::strlen(end);
  return size >= length && std::memcmp(text + size - length, end, length) == 0;
}

int what_is_open() {
  const long dir = ::syscall(SYS_openat, AT_FDCWD, "/proc/self/fd", O_RDONLY | O_DIRECTORY, 0);
  if (dir < 0) return kCannotLook;
  alignas(8) char entries[4096];
  for (;;) {
    const long size = ::syscall(SYS_getdents64, dir, entries, sizeof entries);
    if (size <= 0) return size == 0 ? kNothing : kCannotLook;
    for (long at = 0; at < size;) {
      dirent64 entry;
      std::memcpy(&entry, entries + at, offsetof(dirent64, d_name));
      const char* name = entries + at + offsetof(dirent64, d_name);
      char target[512];
      const long length = ::syscall(SYS_readlinkat, dir, name, target, sizeof target);
      at += entry.d_reclen;
      if (length <= 0) continue;
      if (ends_with(target, static_cast<std::size_t>(length), "/LOCK")) return kLock;
      if (ends_with(target, static_cast<std::size_t>(length), "[io_uring]")) return kRing;
    }
  }
}

TEST(ForkWindow, NoChildHasALockOrARing) {
  TempDir temp;
  std::atomic<bool> done{false};
  std::atomic<int> forked{0};
  std::atomic<int> found{kNothing};
  std::thread forker([&] {
    while (!done && found == kNothing) {
      const pid_t child = ::fork();
      if (child == 0) _exit(what_is_open());
      int status = 0;
      ::waitpid(child, &status, 0);
      found = WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + status;
      ++forked;
    }
  });
  const auto disk = io::make_real_disk(io::Backend::uring);
  for (int round = 0; (round < 300 || forked < 100) && !HasFailure() && found == kNothing;
       ++round) {
    std::unique_ptr<io::Dir> dir;
    std::unique_ptr<io::Queue> queue;
    std::string note;
    io::LockHolder holder;
    EXPECT_EQ(disk->open_dir(temp.path().c_str(), true, dir), 0);
    EXPECT_EQ(dir->lock(holder), 0);
    EXPECT_EQ(dir->make_queue(4, queue, note), 0);
    queue.reset();
  }
  done = true;
  forker.join();
  EXPECT_EQ(found, kNothing) << "10: LOCK, 11: a ring";
}

}  // namespace
}  // namespace warden::log::test
