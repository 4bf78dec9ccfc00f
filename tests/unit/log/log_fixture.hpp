// SPDX-License-Identifier: Apache-2.0
//
// What the log's tests share: a directory that goes away, a sink that keeps what it
// was given, and short ways to append and to damage files.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "io/posix_disk.hpp"
#include "log/log.hpp"

// There if the program counts its coverage and was linked with -u,__gcov_dump.
extern "C" void __gcov_dump(void) __attribute__((weak));

namespace warden::log::test {

// Ends a forked child as it is, but for its counters of coverage.
[[noreturn]] inline void leave_child(int status) {
  if (__gcov_dump != nullptr) __gcov_dump();
  _exit(status);
}

struct Seen {
  Lsn lsn = Lsn::none;
  RecordType type = RecordType::none;
  std::uint64_t incarnation = 0;
  std::string content;
};

class KeepingSink final : public ReplaySink {
 public:
  Error apply(Lsn lsn, RecordType type, std::uint64_t incarnation, Part content) override {
    seen.push_back({lsn, type, incarnation,
                    std::string(reinterpret_cast<const char*>(content.data()), content.size())});
    return {};
  }
  void reset() override { seen.clear(); }
  std::vector<Seen> seen;
};

class TempDir {
 public:
  TempDir() {
    char name[] = "/tmp/warden-log-XXXXXX";
    path_ = ::mkdtemp(name);
  }
  ~TempDir() { std::filesystem::remove_all(path_); }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  std::string path() const { return path_ + "/store"; }
  std::string parent() const { return path_; }

 private:
  std::string path_;
};

inline Part bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

// Small everything, so that segments turn over.
inline Options small_options() {
  Options options;
  options.segment_bytes = 256 * 1024;
  options.first_segment_bytes = 128 * 1024;
  options.buffer_bytes = 256 * 1024;
  options.beacon_after = kMilli;
  return options;
}

inline Lsn put(Log& log, const std::string& text, std::uint64_t incarnation = 7,
               RecordType type = RecordType::state) {
  Credit credit;
  EXPECT_EQ(log.reserve(text.size(), 1, ReserveFlags::will_wait, credit), Code::ok);
  const Lsn lsn = log.append(credit, type, incarnation, bytes_of(text));
  log.release(credit);
  return lsn;
}

inline std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// A thread of ours sleeps in the kernel at this moment.
inline bool is_asleep(const std::string& thread) {
  const std::string text = read_file("/proc/self/task/" + thread + "/stat");
  const std::size_t name_ends = text.rfind(')');
  return name_ends != std::string::npos && text.substr(name_ends + 2, 1) == "S";
}
// Until it does; it is on its way to.
inline void wait_until_asleep(pid_t thread) {
  while (!is_asleep(std::to_string(thread))) std::this_thread::yield();
}

inline void overwrite(const std::string& path, std::uint64_t offset, const std::string& with) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  ASSERT_GE(fd, 0) << path;
  ASSERT_EQ(::pwrite(fd, with.data(), with.size(), static_cast<off_t>(offset)),
            static_cast<ssize_t>(with.size()));
  ::close(fd);
}

inline void flip(const std::string& path, std::uint64_t offset) {
  const std::string all = read_file(path);
  ASSERT_LT(offset, all.size());
  overwrite(path, offset, std::string(1, static_cast<char>(all[offset] ^ 0x10)));
}

// Every file of a directory, by name: to show that nothing was changed. LOCK apart,
// whose text is for messages and follows the lock.
inline std::vector<std::pair<std::string, std::string>> image_of(const std::string& dir) {
  std::vector<std::pair<std::string, std::string>> image;
  for (const auto& entry : std::filesystem::directory_iterator(dir)) {
    if (entry.path().filename() == "LOCK") continue;
    image.emplace_back(entry.path().filename().string(), read_file(entry.path().string()));
  }
  std::sort(image.begin(), image.end());
  return image;
}

}  // namespace warden::log::test
