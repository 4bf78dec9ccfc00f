// SPDX-License-Identifier: Apache-2.0
//
// POSIX calls, each checked; see file_io.hpp.
#include "cli/file_io.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <system_error>

#include "cli/text.hpp"

namespace warden::cli {
namespace {

constexpr std::size_t kReadStep = std::size_t{1} << 20;

std::string errno_text(int error) {
  return std::generic_category().message(error);
}

// An open descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  // close() may be where a delayed write error shows (NFS, quotas).
  int close_checked() {
    const int fd = fd_;
    fd_ = -1;
    return ::close(fd) == 0 ? 0 : errno;
  }

 private:
  int fd_;
};

// Reads to the end, or to most_bytes; works for pipes too. An errno, or 0.
int read_all(int fd, std::size_t most_bytes, std::string& out) {
  while (out.size() < most_bytes) {
    const std::size_t before = out.size();
    const std::size_t step = std::min(kReadStep, most_bytes - before);
    out.resize(before + step);
    const ssize_t got = ::read(fd, out.data() + before, step);
    const int error = errno;
    out.resize(before + (got > 0 ? static_cast<std::size_t>(got) : 0));
    if (got == 0) return 0;
    if (got < 0 && error != EINTR) return error;
  }
  return 0;
}

int write_all(int fd, std::string_view content) {
  while (!content.empty()) {
    const ssize_t put = ::write(fd, content.data(), content.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return errno;
    content.remove_prefix(static_cast<std::size_t>(put));
  }
  return 0;
}

// Where the bytes shall go in the end: a symbolic link is followed, so that it
// stays one.
std::string resolved(const std::string& path) {
  char* real = ::realpath(path.c_str(), nullptr);
  if (real == nullptr) return path;
  std::string out = real;
  std::free(real);
  return out;
}

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Failure cannot_write(const std::string& path, int error) {
  return bad_environment(fmt::format(
      "{}: cannot be written: {}; expected a file in a writable folder", path, errno_text(error)));
}

// A pipe or device cannot be replaced by renaming; it is written as it is.
Status write_in_place(const std::string& path, std::string_view content) {
  Descriptor file{::open(path.c_str(), O_WRONLY | O_CLOEXEC)};
  if (file.get() < 0) return cannot_write(path, errno);
  if (const int error = write_all(file.get(), content); error != 0) {
    return cannot_write(path, error);
  }
  return std::nullopt;
}

bool is_special(const struct stat& info) {
  return !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode);
}

}  // namespace

Result<std::string> read_file(const std::string& path, std::string_view expected,
                              std::size_t most_bytes) {
  Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.get() < 0) {
    const int error = errno;
    return bad_input(
        fmt::format("{}: cannot be opened: {}; expected {}", path, errno_text(error), expected));
  }
  struct stat info {};
  const bool known = ::fstat(file.get(), &info) == 0;
  if (known && S_ISDIR(info.st_mode)) {
    return bad_input(fmt::format("{}: is a directory; expected {}", path, expected));
  }
  std::string text;
  if (known && S_ISREG(info.st_mode)) {
    text.reserve(std::min(static_cast<std::size_t>(info.st_size), most_bytes) + kReadStep);
  }
  if (const int error = read_all(file.get(), most_bytes, text); error != 0) {
    return bad_input(
        fmt::format("{}: cannot be read: {}; expected {}", path, errno_text(error), expected));
  }
  return text;
}

Result<std::string> read_text_file(const std::string& path, std::string_view expected) {
  auto content = read_file(path, expected);
  if (!content.ok()) return content;
  std::string& text = content.value();
  if (text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);
  if (text.empty()) {
    return bad_input(fmt::format("{}:1: the file is empty; expected {}", path, expected));
  }
  if (const std::size_t at = first_non_text_byte(text); at < text.size()) {
    const auto line =
        1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n');
    return bad_input(fmt::format("{}:{}: byte 0x{:02X} is not UTF-8 text; expected {}", path, line,
                                 static_cast<unsigned char>(text[at]), expected));
  }
  return content;
}

Status check_writable(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) == 0) {
    if (S_ISDIR(info.st_mode)) {
      return bad_environment(
          fmt::format("{}: is a directory; expected the name of a file to write", path));
    }
    if (::access(path.c_str(), W_OK) != 0) return cannot_write(path, errno);
    if (is_special(info)) return std::nullopt;
  }
  if (path.empty() || path.back() == '/') {
    return bad_environment(fmt::format("'{}': expected the name of a file to write", path));
  }
  if (::access(folder_of(resolved(path)).c_str(), W_OK | X_OK) != 0) {
    return cannot_write(path, errno);
  }
  return std::nullopt;
}

Status write_file(const std::string& path, std::string_view content) {
  struct stat info {};
  if (::stat(path.c_str(), &info) == 0 && is_special(info)) return write_in_place(path, content);
  const std::string target = resolved(path);
  std::string temporary = target + ".XXXXXX";
  Descriptor file{::mkostemp(temporary.data(), O_CLOEXEC)};
  if (file.get() < 0) return cannot_write(path, errno);
  // mkostemp makes it private; the result shall have the mode any new file gets.
  const mode_t mask = ::umask(0);
  ::umask(mask);
  int error = ::fchmod(file.get(), 0666 & ~mask) == 0 ? 0 : errno;
  if (error == 0) error = write_all(file.get(), content);
  if (error == 0 && ::fsync(file.get()) != 0) error = errno;
  if (const int closing = file.close_checked(); error == 0) error = closing;
  if (error == 0 && ::rename(temporary.c_str(), target.c_str()) != 0) error = errno;
  if (error != 0) {
    ::unlink(temporary.c_str());
    return cannot_write(path, error);
  }
  return std::nullopt;
}

}  // namespace warden::cli
