// SPDX-License-Identifier: Apache-2.0
//
// A device that fails, for the kernel too: io_uring as well as pwrite answers EIO.
#pragma once

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <filesystem>
#include <string>

namespace warden::test {

// The memory of this process takes the place of each file that it has open and whose path
// contains `part`: of so low addresses as the offsets of a small file are, there is none,
// and that is an EIO. Answers how many files it were.
inline int break_device(const std::string& part) {
  const int memory = ::open("/proc/self/mem", O_RDWR | O_CLOEXEC);
  if (memory < 0) return 0;
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    const std::string target = std::filesystem::read_symlink(entry.path(), gone).string();
    if (gone || target.find(part) == std::string::npos) continue;
    const int fd = std::stoi(entry.path().filename().string());
    // Not dup2(): in the eyes of TSan that would be a race with who writes.
    if (::syscall(SYS_dup3, memory, fd, O_CLOEXEC) == fd) ++count;
  }
  ::close(memory);
  return count;
}

}  // namespace warden::test
