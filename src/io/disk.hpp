// SPDX-License-Identifier: Apache-2.0
//
// What the log needs of storage, as small interfaces, so that the same production
// code runs over io_uring, over pwrite + fdatasync and over the simulator.
//
//   Disk -> Dir (one store directory) -> File
//                                     -> Queue (asynchronous writes and flushes)
//
// Invariants
// 1. Results are as the kernel's: zero or positive is success, negative is -errno.
// 2. Nothing here retries: a short write, EINTR and EAGAIN are the caller's to see.
//    Reads alone go on until the end of file, since they change nothing.
// 3. A failed flush is never asked again: the kernel answers 0 the second time.
// 4. Everything opened is closed on exec, and closed in a forked child (fork.hpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/types.hpp"

namespace warden::io {

// Unit of alignment of every segment write: offset, length and memory.
inline constexpr std::size_t kPageBytes = 4096;

enum class Open : std::uint8_t {
  read,        // buffered, read-only
  read_write,  // existing file, through O_DIRECT where the file system allows it
  create,      // new file, must not exist; as read_write
  small,       // new or truncated file, buffered: manifests, CURRENT
};

class File {
 public:
  virtual ~File() = default;
  File() = default;
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  // Bytes read, less than `size` only at the end of the file.
  virtual std::int64_t read(void* to, std::size_t size, std::uint64_t offset) noexcept = 0;
  // One attempt.
  virtual std::int64_t write(const void* from, std::size_t size, std::uint64_t offset) noexcept = 0;
  virtual int sync_data() noexcept = 0;
  // These bytes will be read soon, in order: a hint.
  virtual void will_read(std::uint64_t offset, std::uint64_t size) noexcept {
    static_cast<void>(offset);
    static_cast<void>(size);
  }
  // What is read from now on comes from the device, but for what was not flushed yet. After
  // a flush that failed the page cache may go on to show what was never written.
  virtual void drop_cached() noexcept {}
  virtual std::int64_t size() noexcept = 0;
};

struct Completion {
  std::uint64_t tag = 0;
  std::int64_t result = 0;
};

// At most `depth` operations are outstanding. All calls but wake() come from the
// thread that called attach().
class Queue {
 public:
  virtual ~Queue() = default;
  Queue() = default;
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  // Makes the calling thread the queue's only submitter. Refused: all that follows
  // is answered with that error.
  virtual int attach() noexcept = 0;
  // `from` stays untouched until its completion is reaped.
  virtual void write(File& file, const void* from, std::size_t size, std::uint64_t offset,
                     std::uint64_t tag) noexcept = 0;
  virtual void flush(File& file, std::uint64_t tag) noexcept = 0;
  // Completions at hand, without waiting.
  virtual std::size_t reap(Completion* out, std::size_t max) noexcept = 0;
  // Submits what is queued, then returns once a completion is there, wake() was
  // called, or `timeout` is over (0: only submits; kNever: no limit).
  virtual void wait(Nanos timeout) noexcept = 0;
  // Any thread; sticks until the next wait().
  virtual void wake() noexcept = 0;
  virtual const char* name() const noexcept = 0;
};

struct LockHolder {
  std::int64_t process = 0;  // 0: it could not be told
  bool gone = false;         // and does not run here (any more)
};

class Dir {
 public:
  virtual ~Dir() = default;
  Dir() = default;
  Dir(const Dir&) = delete;
  Dir& operator=(const Dir&) = delete;

  virtual int open(const char* name, Open mode, std::unique_ptr<File>& out) noexcept = 0;
  virtual int rename(const char* from, const char* to) noexcept = 0;
  virtual int unlink(const char* name) noexcept = 0;
  virtual int sync() noexcept = 0;
  virtual int list(std::vector<std::string>& names) noexcept = 0;
  // Takes the exclusive lock on file LOCK. -EWOULDBLOCK: another opening has it. One
  // whose process is gone has been waited for, for some seconds.
  virtual int lock(LockHolder& holder) noexcept = 0;
  // 1 if some opening holds the lock, 0 if not; takes nothing that outlives the call.
  virtual int locked() noexcept = 0;
  virtual void unlock() noexcept = 0;
  // Some file was opened whose file system refuses O_DIRECT.
  virtual bool buffered() const noexcept { return false; }
  // Call after lock(): the queue keeps the lock alive while writes are in flight.
  // `note` says why a simpler kind was chosen, if it was.
  virtual int make_queue(unsigned depth, std::unique_ptr<Queue>& out,
                         std::string& note) noexcept = 0;
};

class Disk {
 public:
  virtual ~Disk() = default;
  Disk() = default;
  Disk(const Disk&) = delete;
  Disk& operator=(const Disk&) = delete;

  // create: makes the last component of the path if it is missing. Unless there is a
  // CURRENT in it, its name in its parent is durable afterwards, whoever made it.
  virtual int open_dir(const char* path, bool create, std::unique_ptr<Dir>& out) noexcept = 0;
};

}  // namespace warden::io
