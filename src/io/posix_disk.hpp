// SPDX-License-Identifier: Apache-2.0
//
// The real disk: files through pread, pwrite and fdatasync; queues through
// io_uring where the kernel lets us, else synchronous ones that run an operation
// in the submitting call.
#pragma once

#include "io/disk.hpp"

namespace warden::io {

enum class Backend : std::uint8_t { automatic, uring, posix };

// automatic: io_uring, falling back with a note. uring: refuses to fall back.
std::unique_ptr<Disk> make_real_disk(Backend backend) noexcept;

// Both return 0 or -errno. `keep_alive` is put into the ring's file table, or -1.
int make_uring_queue(unsigned depth, int keep_alive, std::unique_ptr<Queue>& out) noexcept;
int make_posix_queue(unsigned depth, std::unique_ptr<Queue>& out) noexcept;

// pwrite(), but a file-size limit is an answer and no signal.
std::int64_t write_within_limit(int fd, const void* from, std::size_t size,
                                std::uint64_t offset) noexcept;

// A File of the real disk knows its descriptor.
class RealFile : public File {
 public:
  explicit RealFile(int fd) noexcept : fd_(fd) {}
  ~RealFile() override;
  int fd() const noexcept { return fd_; }
  std::int64_t read(void* to, std::size_t size, std::uint64_t offset) noexcept override;
  std::int64_t write(const void* from, std::size_t size, std::uint64_t offset) noexcept override;
  int sync_data() noexcept override;
  void will_read(std::uint64_t offset, std::uint64_t size) noexcept override;
  void drop_cached() noexcept override;
  std::int64_t size() noexcept override;

 private:
  int fd_;
};

}  // namespace warden::io
