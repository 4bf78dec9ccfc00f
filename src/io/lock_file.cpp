// SPDX-License-Identifier: Apache-2.0
//
// Who holds LOCK, and whether it is still there.
#include "io/lock_file.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <string_view>

#include "io/futex.hpp"
#include "io/posix_disk.hpp"

namespace warden::io {
namespace {

// Of a lock without a text: a reader's short look, or a writer that has not yet written.
constexpr Nanos kNamelessPatience = 50 * kMilli;

struct LockText {
  std::int64_t process = 0;  // 0: there is none
  std::int64_t start = 0;
  bool has_start = false;
};

LockText read_text(int fd) noexcept {
  char text[64] = {};
  LockText out;
  const ssize_t got = ::pread(fd, text, sizeof text - 1, 0);
  // Without its end it is being written.
  if (got <= 0 || text[got - 1] != '\n') return out;
  const char* end = text + got;
  const auto [after, error] = std::from_chars(text, end, out.process);
  if (error == std::errc() && *after == ' ') {
    out.has_start = std::from_chars(after + 1, end, out.start).ec == std::errc();
  }
  return out;
}

struct ProcessState {
  char letter = 0;  // 0: it cannot be told
  std::int64_t start = 0;
};

// "<pid> (<name>) <state> ...": the name may hold anything, so look from its end.
ProcessState state_of(std::int64_t process) noexcept {
  constexpr int kStart = 22 - 3;  // fields after the state
  ProcessState out;
  char text[1024] = {};
  std::snprintf(text, sizeof text, "/proc/%lld/stat", static_cast<long long>(process));
  const int fd = ::open(text, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return out;
  const ssize_t got = ::read(fd, text, sizeof text - 1);
  ::close(fd);
  text[std::max<ssize_t>(got, 0)] = '\0';
  const char* at = std::strrchr(text, ')');
  if (at == nullptr || at[1] == '\0') return out;
  out.letter = at[2];
  at += 2;
  for (int i = 0; i < kStart && at != nullptr; ++i) at = std::strchr(at + 1, ' ');
  if (at != nullptr) std::from_chars(at + 1, text + sizeof text, out.start);
  return out;
}

// No such process, or one that has ended and is only waiting to be collected, or another.
bool is_gone(const LockText& text) noexcept {
  if (text.process <= 0) return false;
  // We write the start, so this is not ours.
  if (!text.has_start && text.process == ::getpid()) return true;
  if (::kill(static_cast<pid_t>(text.process), 0) != 0 && errno == ESRCH) return true;
  const ProcessState state = state_of(text.process);
  if (state.letter == 'Z' || state.letter == 'X') return true;
  return state.start != 0 && text.start != 0 && state.start != text.start;
}

int write_text(int fd) noexcept {
  char text[64];
  const auto process = static_cast<long long>(::getpid());
  const int size = std::snprintf(text, sizeof text, "%lld %lld\n", process,
                                 static_cast<long long>(state_of(process).start));
  std::int64_t named = ::ftruncate(fd, 0) == 0 ? 0 : -errno;
  if (named == 0) named = write_within_limit(fd, text, static_cast<std::size_t>(size), 0);
  if (named == size) return 0;
  const int error = named < 0 ? static_cast<int>(-named) : ENOSPC;
  // A full disk must not keep a store from being opened.
  return error == ENOSPC || error == EDQUOT || error == EFBIG ? 0 : -error;
}

}  // namespace

int take_lock(int fd, Nanos patience, LockHolder& holder) noexcept {
  holder = {};
  const Nanos begun = monotonic_now();
  for (;;) {
    if (::flock(fd, LOCK_EX | LOCK_NB) == 0) return write_text(fd);
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK) return -errno;
    const LockText text = read_text(fd);
    holder = {text.process, is_gone(text)};
    const Nanos waits = text.process == 0 ? std::min(patience, kNamelessPatience)
                        : holder.gone     ? patience
                                          : 0;
    if (monotonic_now() - begun >= waits) return -EWOULDBLOCK;
    ::usleep(1000);
  }
}

void give_lock_back(int fd) noexcept {
  if (::ftruncate(fd, 0) != 0) errno = 0;
  // LOCK_UN, since the ring's file table still holds the description.
  ::flock(fd, LOCK_UN);
}

}  // namespace warden::io
