// SPDX-License-Identifier: Apache-2.0
//
// The simulated disk, each of whose answers a test may choose by the operation's name,
// and a queue that completes nothing before the test says so, in what order it likes.
//
//   script.answer("write wal-1", {-EINTR, 512});   its next two writes answer this
//   script.count("flush wal-1")                    so many were asked for
//   queue.finish(0)                                the oldest operation in flight is done
//
// Names: write, flush, open and unlink with the file's; rename with the new one's;
// list, sync. A short answer writes as many bytes. kDo: what it would have answered.
#pragma once

#include <cstdint>
#include <deque>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "../../sim/sim_disk.hpp"
#include "io/disk.hpp"

namespace warden::log::test {

inline constexpr std::int64_t kDo = std::numeric_limits<std::int64_t>::min();

class Script {
 public:
  bool buffered = false;  // the file system refuses O_DIRECT
  void answer(const std::string& what, std::initializer_list<std::int64_t> results) {
    auto& list = answers_[what];
    list.insert(list.end(), results);
  }
  // The same, so many times.
  void answer(const std::string& what, std::size_t times, std::int64_t result) {
    auto& list = answers_[what];
    list.insert(list.end(), times, result);
  }
  std::size_t count(const std::string& what) const {
    const auto found = counts_.find(what);
    return found == counts_.end() ? 0 : found->second;
  }
  // What was chosen and not asked for.
  std::size_t left() const {
    std::size_t sum = 0;
    for (const auto& [what, list] : answers_) sum += list.size();
    return sum;
  }
  std::int64_t next(const std::string& what) {
    ++counts_[what];
    const auto found = answers_.find(what);
    if (found == answers_.end() || found->second.empty()) return kDo;
    const std::int64_t result = found->second.front();
    found->second.pop_front();
    return result;
  }

 private:
  std::map<std::string, std::deque<std::int64_t>> answers_;
  std::map<std::string, std::size_t> counts_;
};

class ScriptedFile final : public io::File {
 public:
  ScriptedFile(std::unique_ptr<io::File> file, Script& script, std::string name)
      : file_(std::move(file)), script_(script), name_(std::move(name)) {}
  std::int64_t read(void* to, std::size_t size, std::uint64_t offset) noexcept override {
    return file_->read(to, size, offset);
  }
  std::int64_t write(const void* from, std::size_t size, std::uint64_t offset) noexcept override {
    const sim::Exempt exempt;
    return write_as(script_.next("write " + name_), from, size, offset);
  }
  int sync_data() noexcept override {
    const sim::Exempt exempt;
    return flush_as(script_.next("flush " + name_));
  }
  std::int64_t size() noexcept override { return file_->size(); }

  std::int64_t write_as(std::int64_t result, const void* from, std::size_t size,
                        std::uint64_t offset) noexcept {
    if (result == kDo) return file_->write(from, size, offset);
    if (result > 0) file_->write(from, static_cast<std::size_t>(result), offset);
    return result;
  }
  int flush_as(std::int64_t result) noexcept {
    return result == kDo ? file_->sync_data() : static_cast<int>(result);
  }
  const std::string& name() const { return name_; }

 private:
  std::unique_ptr<io::File> file_;
  Script& script_;
  const std::string name_;
};

class ScriptedDir final : public io::Dir {
 public:
  ScriptedDir(std::unique_ptr<io::Dir> dir, Script& script)
      : dir_(std::move(dir)), script_(script) {}
  int open(const char* name, io::Open mode, std::unique_ptr<io::File>& out) noexcept override {
    const sim::Exempt exempt;
    const int result =
        ask(std::string("open ") + name, [&] { return dir_->open(name, mode, out); });
    if (result == 0) out = std::make_unique<ScriptedFile>(std::move(out), script_, name);
    return result;
  }
  int rename(const char* from, const char* to) noexcept override {
    const sim::Exempt exempt;
    return ask(std::string("rename ") + to, [&] { return dir_->rename(from, to); });
  }
  int unlink(const char* name) noexcept override {
    const sim::Exempt exempt;
    return ask(std::string("unlink ") + name, [&] { return dir_->unlink(name); });
  }
  int sync() noexcept override {
    const sim::Exempt exempt;
    return ask("sync", [&] { return dir_->sync(); });
  }
  int list(std::vector<std::string>& names) noexcept override {
    const sim::Exempt exempt;
    return ask("list", [&] { return dir_->list(names); });
  }
  int lock(io::LockHolder& holder) noexcept override { return dir_->lock(holder); }
  int locked() noexcept override { return dir_->locked(); }
  void unlock() noexcept override { dir_->unlock(); }
  bool buffered() const noexcept override { return script_.buffered; }
  int make_queue(unsigned depth, std::unique_ptr<io::Queue>& out,
                 std::string& note) noexcept override {
    return dir_->make_queue(depth, out, note);
  }

 private:
  template <class Real>
  int ask(const std::string& what, Real real) {
    const std::int64_t result = script_.next(what);
    return result == kDo ? real() : static_cast<int>(result);
  }

  std::unique_ptr<io::Dir> dir_;
  Script& script_;
};

class ScriptedQueue final : public io::Queue {
 public:
  int attach() noexcept override { return 0; }
  void write(io::File& file, const void* from, std::size_t size, std::uint64_t offset,
             std::uint64_t tag) noexcept override {
    const sim::Exempt exempt;
    held_.push_back({&static_cast<ScriptedFile&>(file), from, size, offset, tag, false});
  }
  void flush(io::File& file, std::uint64_t tag) noexcept override {
    const sim::Exempt exempt;
    held_.push_back({&static_cast<ScriptedFile&>(file), nullptr, 0, 0, tag, true});
  }
  std::size_t reap(io::Completion* out, std::size_t max) noexcept override {
    std::size_t count = 0;
    for (; count < max && !done_.empty(); ++count) {
      out[count] = done_.front();
      done_.pop_front();
    }
    return count;
  }
  void wait(Nanos) noexcept override {}
  void wake() noexcept override {}
  const char* name() const noexcept override { return "scripted"; }

  // What is in flight, oldest first: "write wal-1 4096+8192", "flush wal-1".
  std::vector<std::string> held() const {
    std::vector<std::string> out;
    for (const Held& each : held_) {
      out.push_back(each.is_flush
                        ? "flush " + each.file->name()
                        : "write " + each.file->name() + " " + std::to_string(each.offset) + "+" +
                              std::to_string(each.size));
    }
    return out;
  }
  // That one completes so; its completion is there for the next turn.
  void finish(std::size_t index, std::int64_t result = kDo) {
    const Held it = held_.at(index);
    held_.erase(held_.begin() + static_cast<std::ptrdiff_t>(index));
    const std::int64_t answer = it.is_flush
                                    ? it.file->flush_as(result)
                                    : it.file->write_as(result, it.from, it.size, it.offset);
    done_.push_back({it.tag, answer});
  }

 private:
  struct Held {
    ScriptedFile* file;
    const void* from;
    std::size_t size;
    std::uint64_t offset;
    std::uint64_t tag;
    bool is_flush;
  };
  std::vector<Held> held_;
  std::deque<io::Completion> done_;
};

}  // namespace warden::log::test
