// SPDX-License-Identifier: Apache-2.0
//
// The real disk, whose segments' flushes or writes fail from a given moment on: for
// engines with threads of their own, which the simulated disk is not made for.
#pragma once

#include <atomic>
#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include "io/posix_disk.hpp"

namespace warden::fault {

struct DeviceFault {
  std::atomic<bool> flushes{false};
  std::atomic<bool> writes{false};
};

class FailingFile final : public io::File {
 public:
  FailingFile(std::unique_ptr<io::File> file, const DeviceFault& fault)
      : file_(std::move(file)), fault_(fault) {}
  std::int64_t read(void* to, std::size_t size, std::uint64_t offset) noexcept override {
    return file_->read(to, size, offset);
  }
  std::int64_t write(const void* from, std::size_t size, std::uint64_t offset) noexcept override {
    return fault_.writes ? -EIO : file_->write(from, size, offset);
  }
  int sync_data() noexcept override { return fault_.flushes ? -EIO : file_->sync_data(); }
  std::int64_t size() noexcept override { return file_->size(); }

 private:
  std::unique_ptr<io::File> file_;
  const DeviceFault& fault_;
};

class FailingDir final : public io::Dir {
 public:
  FailingDir(std::unique_ptr<io::Dir> dir, const DeviceFault& fault)
      : dir_(std::move(dir)), fault_(fault) {}
  int open(const char* name, io::Open mode, std::unique_ptr<io::File>& out) noexcept override {
    const int result = dir_->open(name, mode, out);
    if (result == 0) out = std::make_unique<FailingFile>(std::move(out), fault_);
    return result;
  }
  int rename(const char* from, const char* to) noexcept override { return dir_->rename(from, to); }
  int unlink(const char* name) noexcept override { return dir_->unlink(name); }
  int sync() noexcept override { return dir_->sync(); }
  int list(std::vector<std::string>& names) noexcept override { return dir_->list(names); }
  int lock(io::LockHolder& holder) noexcept override { return dir_->lock(holder); }
  int locked() noexcept override { return dir_->locked(); }
  void unlock() noexcept override { dir_->unlock(); }
  // The synchronous one, which goes through the files' own write and sync_data.
  int make_queue(unsigned depth, std::unique_ptr<io::Queue>& out, std::string&) noexcept override {
    return io::make_posix_queue(depth, out);
  }

 private:
  std::unique_ptr<io::Dir> dir_;
  const DeviceFault& fault_;
};

class FailingDisk final : public io::Disk {
 public:
  explicit FailingDisk(const DeviceFault& fault)
      : disk_(io::make_real_disk(io::Backend::posix)), fault_(fault) {}
  int open_dir(const char* path, bool create, std::unique_ptr<io::Dir>& out) noexcept override {
    const int result = disk_->open_dir(path, create, out);
    if (result == 0) out = std::make_unique<FailingDir>(std::move(out), fault_);
    return result;
  }

 private:
  std::unique_ptr<io::Disk> disk_;
  const DeviceFault& fault_;
};

}  // namespace warden::fault
