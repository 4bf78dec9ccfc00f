// SPDX-License-Identifier: Apache-2.0
//
// Files and directories of the real disk.
#include "io/posix_disk.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <new>
#include <string_view>

#include "io/fork.hpp"
#include "io/lock_file.hpp"

namespace warden::io {
namespace {

int open_guarded(int dir, const char* name, int flags) noexcept {
  NoFork hold;
  int fd = -1;
  do {
    fd = ::openat(dir, name, flags | O_CLOEXEC, 0644);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) return -errno;
  if (hold.guard_fd(fd)) return fd;
  ::close(fd);
  return -ENOMEM;
}

// O_DIRECT where it works: some file systems refuse it when opening. Those that
// accept it there and refuse at the first write are found by one read, which needs
// the same alignment and changes nothing. The page is on the stack: in thread-local
// storage it would keep the library from being loaded by dlopen() (tests/header).
int open_direct(int dir, const char* name, int flags, std::atomic<bool>& buffered) noexcept {
  int fd = open_guarded(dir, name, flags | O_DIRECT);
  if (fd < 0 && fd != -EINVAL) return fd;
  if (fd >= 0) {
    alignas(kPageBytes) char page[kPageBytes];
    if (::pread(fd, page, sizeof page, 0) >= 0 || errno != EINVAL) return fd;
    close_guarded_fd(fd);
    flags &= ~O_EXCL;  // it is ours: made just above
  } else {
    flags &= ~O_EXCL;  // the file may have been made before the refusal
  }
  buffered.store(true, std::memory_order_relaxed);
  return open_guarded(dir, name, flags);
}

class RealDir final : public Dir {
 public:
  RealDir(int fd, Backend backend) noexcept : fd_(fd), backend_(backend) {}
  ~RealDir() override {
    RealDir::unlock();
    close_guarded_fd(fd_);
  }

  int open(const char* name, Open mode, std::unique_ptr<File>& out) noexcept override {
    int fd = -1;
    switch (mode) {
      case Open::read:
        // So that a FIFO of that name is refused below, and does not wait for a writer.
        fd = open_guarded(fd_, name, O_RDONLY | O_NONBLOCK);
        break;
      case Open::read_write:
        fd = open_direct(fd_, name, O_RDWR, buffered_);
        break;
      case Open::create:
        fd = open_direct(fd_, name, O_RDWR | O_CREAT | O_EXCL, buffered_);
        break;
      case Open::small:
        fd = open_guarded(fd_, name, O_RDWR | O_CREAT | O_TRUNC);
        break;
    }
    if (fd < 0) return fd;
    struct stat st {};
    if (::fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
      close_guarded_fd(fd);
      return -EINVAL;
    }
    out.reset(new (std::nothrow) RealFile(fd));
    if (out) return 0;
    close_guarded_fd(fd);
    return -ENOMEM;
  }

  int rename(const char* from, const char* to) noexcept override {
    return ::renameat(fd_, from, fd_, to) == 0 ? 0 : -errno;
  }
  int unlink(const char* name) noexcept override {
    return ::unlinkat(fd_, name, 0) == 0 ? 0 : -errno;
  }
  int sync() noexcept override { return ::fsync(fd_) == 0 ? 0 : -errno; }

  int list(std::vector<std::string>& names) noexcept override {
    NoFork hold;  // closed again before a child can begin
    const int copy = ::openat(fd_, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (copy < 0) return -errno;
    DIR* dir = ::fdopendir(copy);
    if (dir == nullptr) {
      ::close(copy);
      return -ENOMEM;
    }
    int result = 0;
    try {
      names.clear();
      for (;;) {
        errno = 0;
        const dirent* entry = ::readdir(dir);
        if (entry == nullptr) {
          result = -errno;
          break;
        }
        const std::string_view name = entry->d_name;
        if (name != "." && name != "..") names.emplace_back(name);
      }
    } catch (const std::bad_alloc&) {
      result = -ENOMEM;
    }
    ::closedir(dir);
    return result;
  }

  int lock(LockHolder& holder) noexcept override {
    holder = {};
    const int fd = open_guarded(fd_, "LOCK", O_RDWR | O_CREAT);
    if (fd < 0) return fd;
    const int result = take_lock(fd, kLockPatience, holder);
    if (result == 0) {
      lock_ = fd;
    } else {
      close_guarded_fd(fd);
    }
    return result;
  }

  int locked() noexcept override {
    const int fd = open_guarded(fd_, "LOCK", O_RDONLY | O_NONBLOCK);
    if (fd == -ENOENT) return 0;
    if (fd < 0) return fd;
    // Shared and given back at once. A writer that opens in this very instant is
    // refused and may try again; nothing else can tell without side effects.
    int result = 0;
    if (::flock(fd, LOCK_SH | LOCK_NB) != 0) {
      result = errno == EWOULDBLOCK ? 1 : -errno;
    } else {
      ::flock(fd, LOCK_UN);
    }
    close_guarded_fd(fd);
    return result;
  }

  void unlock() noexcept override {
    // In a forked child the number is closed, and may be another file's by now.
    if (lock_ < 0 || generation_ != fork_generation()) return;
    give_lock_back(lock_);
    close_guarded_fd(lock_);
    lock_ = -1;
  }

  bool buffered() const noexcept override { return buffered_.load(std::memory_order_relaxed); }

  int make_queue(unsigned depth, std::unique_ptr<Queue>& out, std::string& note) noexcept override {
    if (backend_ != Backend::posix) {
      const int result = make_uring_queue(depth, lock_, out);
      if (result == 0 || backend_ == Backend::uring) return result;
      try {
        note = std::string("io_uring was refused (") + std::strerror(-result) +
               "); using pwrite and fdatasync";
      } catch (const std::bad_alloc&) {
        return -ENOMEM;
      }
    }
    return make_posix_queue(depth, out);
  }

 private:
  int fd_;
  int lock_ = -1;
  // Set by the opener's thread, then by the log's clerk; read by the scribe before it flushes a
  // file. Relaxed: the file's own way from the clerk to the scribe orders it.
  std::atomic<bool> buffered_{false};
  const std::uint32_t generation_ = fork_generation();
  Backend backend_;
};

class RealDisk final : public Disk {
 public:
  explicit RealDisk(Backend backend) noexcept : backend_(backend) {}

  int open_dir(const char* path, bool create, std::unique_ptr<Dir>& out) noexcept override {
    if (create && ::mkdir(path, 0755) != 0 && errno != EEXIST) return -errno;
    const int fd = open_guarded(AT_FDCWD, path, O_RDONLY | O_DIRECTORY);
    if (fd < 0) return fd;
    // Its name is not known to be durable before there is a CURRENT: it may have been made
    // by somebody who synced nothing, or by an opening that was killed before it did.
    int result = 0;
    if (create && ::faccessat(fd, "CURRENT", F_OK, 0) != 0) result = sync_parent(fd);
    if (result == 0) {
      out.reset(new (std::nothrow) RealDir(fd, backend_));
      if (out) return 0;
      result = -ENOMEM;
    }
    close_guarded_fd(fd);
    return result;
  }

 private:
  static int sync_parent(int dir) noexcept {
    const int parent = ::openat(dir, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    // Who may not read it may still have a store in it: then the whole file system.
    if (parent < 0 && errno == EACCES) return ::syncfs(dir) == 0 ? 0 : -errno;
    if (parent < 0) return -errno;
    struct stat ours {};
    struct stat above {};
    // The root of a file system of its own is there anyway, and what stands above it may
    // have no directory to flush (a read-only image, for one).
    const bool mounted =
        ::fstat(dir, &ours) == 0 && ::fstat(parent, &above) == 0 && ours.st_dev != above.st_dev;
    const int result = mounted || ::fsync(parent) == 0 ? 0 : -errno;
    ::close(parent);
    return result;
  }

  Backend backend_;
};

}  // namespace

// pwrite() beyond RLIMIT_FSIZE raises SIGXFSZ, which would end a program that knows
// nothing of it. So the limit is asked first, and what it forbids is answered as the
// kernel would answer a program that ignores the signal: cut short, or EFBIG. (Writes of
// a ring come from threads that block every signal.)
std::int64_t write_within_limit(int fd, const void* from, std::size_t size,
                                std::uint64_t offset) noexcept {
  rlimit limit{};
  if (::getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
      offset + size > limit.rlim_cur) {
    const std::uint64_t allowed = limit.rlim_cur / kPageBytes * kPageBytes;
    if (offset >= allowed) return -EFBIG;
    size = static_cast<std::size_t>(allowed - offset);
  }
  const ssize_t put = ::pwrite(fd, from, size, static_cast<off_t>(offset));
  return put < 0 ? -errno : put;
}

RealFile::~RealFile() {
  close_guarded_fd(fd_);
}

std::int64_t RealFile::read(void* to, std::size_t size, std::uint64_t offset) noexcept {
  auto* out = static_cast<char*>(to);
  std::size_t done = 0;
  while (done < size) {
    const ssize_t got = ::pread(fd_, out + done, size - done, static_cast<off_t>(offset + done));
    if (got < 0) {
      if (errno == EINTR) continue;
      return -errno;
    }
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return static_cast<std::int64_t>(done);
}

std::int64_t RealFile::write(const void* from, std::size_t size, std::uint64_t offset) noexcept {
  return write_within_limit(fd_, from, size, offset);
}

int RealFile::sync_data() noexcept {
  return ::fdatasync(fd_) == 0 ? 0 : -errno;
}

void RealFile::will_read(std::uint64_t offset, std::uint64_t size) noexcept {
  ::posix_fadvise(fd_, static_cast<off_t>(offset), static_cast<off_t>(size), POSIX_FADV_WILLNEED);
}

// Not only where O_DIRECT is refused: there are file systems that take it and write through
// the cache all the same. What is not flushed stays.
void RealFile::drop_cached() noexcept {
  ::posix_fadvise(fd_, 0, 0, POSIX_FADV_DONTNEED);
}

std::int64_t RealFile::size() noexcept {
  struct stat st {};
  return ::fstat(fd_, &st) == 0 ? static_cast<std::int64_t>(st.st_size) : -errno;
}

std::unique_ptr<Disk> make_real_disk(Backend backend) noexcept {
  return std::unique_ptr<Disk>(new (std::nothrow) RealDisk(backend));
}

}  // namespace warden::io
