// SPDX-License-Identifier: Apache-2.0
//
// Definitions of the C library's and liburing's calls that an executable exports come
// before those of the libraries, for libwarden.so too: each counts, kills at its point,
// and goes on to the real one.
#include "kill_points.hpp"

#include <dlfcn.h>
#include <liburing.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace warden::crash {
namespace {

// Set before the store is opened, by the child's only thread; then constant.
struct Armed {
  std::string call;
  std::string file;
  bool after = false;
  std::uint32_t nth = 0;  // 0: nothing is armed
};
Armed armed;
std::atomic<std::uint32_t> passed{0};

const char* kind_of_name(const char* name) {
  const char* slash = std::strrchr(name, '/');
  if (slash != nullptr) name = slash + 1;
  if (std::strncmp(name, "wal-", 4) == 0) return "segment";
  if (std::strncmp(name, "MANIFEST-", 9) == 0) return "manifest";
  if (std::strncmp(name, "CURRENT", 7) == 0) return "current";
  return std::strcmp(name, "LOCK") == 0 ? "lock" : "other";
}

const char* kind_of_file(int fd) {
  struct stat what {};
  if (fstat(fd, &what) == 0 && S_ISDIR(what.st_mode)) return "directory";
  char link[64];
  char path[512];
  std::snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t size = readlink(link, path, sizeof path - 1);
  if (size < 0) return "other";
  path[size] = '\0';
  return kind_of_name(path);
}

[[noreturn]] void die() {
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

// Does the real call, unless this is where to die before it.
template <class Kind, class Real>
auto pass(const char* call, Kind&& kind, Real&& real) {
  if (armed.nth == 0 || armed.call != call || armed.file != kind()) return real();
  const bool here = passed.fetch_add(1, std::memory_order_relaxed) + 1 == armed.nth;
  if (here && !armed.after) die();
  const auto result = real();
  if (here) die();
  return result;
}

template <class Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

struct Place {
  const char* call;
  const char* file;
  bool certain;
};
constexpr Place kPlaces[] = {
    {"openat", "manifest", true},       {"openat", "current", true},
    {"openat", "segment", true},        {"pwrite", "manifest", true},
    {"pwrite", "current", true},        {"pwrite", "segment", false},
    {"pwrite", "lock", true},           {"ftruncate", "lock", true},
    {"fdatasync", "manifest", true},    {"fdatasync", "current", true},
    {"fdatasync", "segment", true},     {"renameat", "current", true},
    {"renameat", "segment", false},     {"unlinkat", "manifest", true},
    {"unlinkat", "segment", false},     {"fsync", "directory", true},
    {"io_uring_submit", "ring", false}, {"io_uring_submit_and_wait", "ring", false},
};

}  // namespace

std::string Point::name() const {
  return std::string(call) + ":" + file + ":" + (after ? "after" : "before") + ":" +
         std::to_string(nth);
}

std::vector<Point> named_points(std::uint32_t most, bool with_ring) {
  std::vector<Point> out;
  for (std::uint32_t nth = 1; nth <= most; ++nth) {
    for (const Place& place : kPlaces) {
      if (!with_ring && std::strcmp(place.file, "ring") == 0) continue;
      for (const bool after : {false, true}) {
        out.push_back({place.call, place.file, after, nth, place.certain && nth == 1});
      }
    }
  }
  return out;
}

void arm(const std::string& name) {
  const std::size_t first = name.find(':');
  const std::size_t second = name.find(':', first + 1);
  const std::size_t third = name.find(':', second + 1);
  if (third == std::string::npos) return;
  armed.call = name.substr(0, first);
  armed.file = name.substr(first + 1, second - first - 1);
  armed.after = name.substr(second + 1, third - second - 1) == "after";
  armed.nth = static_cast<std::uint32_t>(std::strtoul(name.c_str() + third + 1, nullptr, 10));
}

}  // namespace warden::crash

#define KILL_POINT extern "C" __attribute__((visibility("default")))

using warden::crash::kind_of_file;
using warden::crash::kind_of_name;
using warden::crash::next;
using warden::crash::pass;

KILL_POINT ssize_t pwrite(int fd, const void* from, size_t size, off_t offset) {
  static const auto real = next<decltype(pwrite)>("pwrite");
  return pass(
      "pwrite", [&] { return kind_of_file(fd); }, [&] { return real(fd, from, size, offset); });
}
KILL_POINT int fdatasync(int fd) {
  static const auto real = next<decltype(fdatasync)>("fdatasync");
  return pass(
      "fdatasync", [&] { return kind_of_file(fd); }, [&] { return real(fd); });
}
KILL_POINT int fsync(int fd) {
  static const auto real = next<decltype(fsync)>("fsync");
  return pass(
      "fsync", [&] { return kind_of_file(fd); }, [&] { return real(fd); });
}
KILL_POINT int ftruncate(int fd, off_t size) noexcept {
  static const auto real = next<int(int, off_t)>("ftruncate");
  return pass(
      "ftruncate", [&] { return kind_of_file(fd); }, [&] { return real(fd, size); });
}
KILL_POINT int renameat(int from_dir, const char* from, int to_dir, const char* to) noexcept {
  static const auto real = next<int(int, const char*, int, const char*)>("renameat");
  return pass(
      "renameat", [&] { return kind_of_name(to); },
      [&] { return real(from_dir, from, to_dir, to); });
}
KILL_POINT int unlinkat(int dir, const char* name, int flags) noexcept {
  static const auto real = next<int(int, const char*, int)>("unlinkat");
  return pass(
      "unlinkat", [&] { return kind_of_name(name); }, [&] { return real(dir, name, flags); });
}
KILL_POINT int openat(int dir, const char* name, int flags, ...) {
  static const auto real = next<int(int, const char*, int, ...)>("openat");
  const auto call = [&] { return real(dir, name, flags, 0644); };
  // Only what makes a file changes the directory.
  if ((flags & O_CREAT) == 0) return call();
  return pass(
      "openat", [&] { return kind_of_name(name); }, call);
}
KILL_POINT int io_uring_submit(io_uring* ring) {
  static const auto real = next<int(io_uring*)>("io_uring_submit");
  return pass(
      "io_uring_submit", [] { return "ring"; }, [&] { return real(ring); });
}
KILL_POINT int io_uring_submit_and_wait(io_uring* ring, unsigned count) {
  static const auto real = next<int(io_uring*, unsigned)>("io_uring_submit_and_wait");
  return pass(
      "io_uring_submit_and_wait", [] { return "ring"; }, [&] { return real(ring, count); });
}
