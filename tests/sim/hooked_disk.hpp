// SPDX-License-Identifier: Apache-2.0
//
// A disk over another one, whose every call a test may answer itself, or do something
// before: for what must happen at one named place, where the simulated disk's faults go
// by number.
//
//   HookedDisk disk(*below);
//   disk.hook = [](const Call& call) -> Answer { ... };  // nothing: as the disk below
//
// An answer is the result of the call: -errno, or the most bytes that a read or write
// moves. A queue's writes and flushes do not come by here unless it is `synchronous`. The
// hook is called by whichever thread calls.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "io/disk.hpp"
#include "io/posix_disk.hpp"

namespace warden::sim {

enum class Op : std::uint8_t {
  open_dir,
  open,
  rename,
  unlink,
  sync_dir,
  list,
  lock,
  locked,
  make_queue,
  read,
  write,
  sync_data,
  size,
};

struct Call {
  Op op;
  std::string name;  // of the file; the directory's path for open_dir
  std::uint64_t offset = 0;
  std::size_t size = 0;
  std::string dir;  // path of the directory
};

using Answer = std::optional<std::int64_t>;
using Hook = std::function<Answer(const Call&)>;

struct Behavior {
  Hook hook;
  io::LockHolder lock_holder;  // whom an answered lock() names
  std::string note;            // of make_queue(), unless the disk below has one
  bool buffered = false;       // the file system refuses O_DIRECT
  // Queues write and flush in the submitting call, through the hook like everything else.
  bool synchronous = false;
};

class HookedFile final : public io::File {
 public:
  HookedFile(std::unique_ptr<io::File> file, std::string dir, std::string name, const Hook& hook)
      : file_(std::move(file)), dir_(std::move(dir)), name_(std::move(name)), hook_(hook) {}
  std::int64_t read(void* to, std::size_t size, std::uint64_t offset) noexcept override {
    const Answer answer = ask(Op::read, offset, size);
    if (answer && *answer < 0) return *answer;
    const std::size_t most = answer ? std::min(size, static_cast<std::size_t>(*answer)) : size;
    return file_->read(to, most, offset);
  }
  std::int64_t write(const void* from, std::size_t size, std::uint64_t offset) noexcept override {
    const Answer answer = ask(Op::write, offset, size);
    if (answer && *answer <= 0) return *answer;
    const std::size_t most = answer ? std::min(size, static_cast<std::size_t>(*answer)) : size;
    return file_->write(from, most, offset);
  }
  int sync_data() noexcept override {
    const Answer answer = ask(Op::sync_data);
    return answer ? static_cast<int>(*answer) : file_->sync_data();
  }
  void drop_cached() noexcept override { file_->drop_cached(); }
  std::int64_t size() noexcept override {
    const Answer answer = ask(Op::size);
    return answer ? *answer : file_->size();
  }
  io::File& below() noexcept { return *file_; }

 private:
  Answer ask(Op op, std::uint64_t offset = 0, std::size_t size = 0) const {
    return hook_ ? hook_({op, name_, offset, size, dir_}) : std::nullopt;
  }

  std::unique_ptr<io::File> file_;
  const std::string dir_;
  const std::string name_;
  const Hook& hook_;
};

class HookedQueue final : public io::Queue {
 public:
  explicit HookedQueue(std::unique_ptr<io::Queue> queue) : queue_(std::move(queue)) {}
  int attach() noexcept override { return queue_->attach(); }
  void write(io::File& file, const void* from, std::size_t size, std::uint64_t offset,
             std::uint64_t tag) noexcept override {
    queue_->write(static_cast<HookedFile&>(file).below(), from, size, offset, tag);
  }
  void flush(io::File& file, std::uint64_t tag) noexcept override {
    queue_->flush(static_cast<HookedFile&>(file).below(), tag);
  }
  std::size_t reap(io::Completion* out, std::size_t max) noexcept override {
    return queue_->reap(out, max);
  }
  void wait(Nanos timeout) noexcept override { queue_->wait(timeout); }
  void wake() noexcept override { queue_->wake(); }
  const char* name() const noexcept override { return queue_->name(); }

 private:
  std::unique_ptr<io::Queue> queue_;
};

class HookedDir final : public io::Dir {
 public:
  HookedDir(std::unique_ptr<io::Dir> dir, std::string path, const Behavior& behavior)
      : dir_(std::move(dir)), path_(std::move(path)), behavior_(behavior) {}
  int open(const char* name, io::Open mode, std::unique_ptr<io::File>& out) noexcept override {
    if (const Answer answer = ask(Op::open, name)) return static_cast<int>(*answer);
    const int result = dir_->open(name, mode, out);
    if (result == 0)
      out = std::make_unique<HookedFile>(std::move(out), path_, name, behavior_.hook);
    return result;
  }
  int rename(const char* from, const char* to) noexcept override {
    const Answer answer = ask(Op::rename, from);
    return answer ? static_cast<int>(*answer) : dir_->rename(from, to);
  }
  int unlink(const char* name) noexcept override {
    const Answer answer = ask(Op::unlink, name);
    return answer ? static_cast<int>(*answer) : dir_->unlink(name);
  }
  int sync() noexcept override {
    const Answer answer = ask(Op::sync_dir, "");
    return answer ? static_cast<int>(*answer) : dir_->sync();
  }
  int list(std::vector<std::string>& names) noexcept override {
    const Answer answer = ask(Op::list, "");
    return answer ? static_cast<int>(*answer) : dir_->list(names);
  }
  int lock(io::LockHolder& holder) noexcept override {
    const Answer answer = ask(Op::lock, "LOCK");
    if (!answer) return dir_->lock(holder);
    holder = behavior_.lock_holder;
    return static_cast<int>(*answer);
  }
  int locked() noexcept override {
    const Answer answer = ask(Op::locked, "LOCK");
    return answer ? static_cast<int>(*answer) : dir_->locked();
  }
  void unlock() noexcept override { dir_->unlock(); }
  bool buffered() const noexcept override { return behavior_.buffered || dir_->buffered(); }
  int make_queue(unsigned depth, std::unique_ptr<io::Queue>& out,
                 std::string& note) noexcept override {
    if (const Answer answer = ask(Op::make_queue, "")) return static_cast<int>(*answer);
    note = behavior_.note;
    if (behavior_.synchronous) return io::make_posix_queue(depth, out);
    const int result = dir_->make_queue(depth, out, note);
    if (result == 0) out = std::make_unique<HookedQueue>(std::move(out));
    return result;
  }

 private:
  Answer ask(Op op, const char* name) const {
    return behavior_.hook ? behavior_.hook({op, name, 0, 0, path_}) : std::nullopt;
  }

  std::unique_ptr<io::Dir> dir_;
  const std::string path_;
  const Behavior& behavior_;
};

class HookedDisk final : public io::Disk, public Behavior {
 public:
  explicit HookedDisk(io::Disk& below) : below_(below) {}
  int open_dir(const char* path, bool create, std::unique_ptr<io::Dir>& out) noexcept override {
    const Answer answer = hook ? hook({Op::open_dir, path, 0, 0, path}) : std::nullopt;
    if (answer) return static_cast<int>(*answer);
    const int result = below_.open_dir(path, create, out);
    if (result == 0) out = std::make_unique<HookedDir>(std::move(out), path, *this);
    return result;
  }

 private:
  io::Disk& below_;
};

}  // namespace warden::sim
