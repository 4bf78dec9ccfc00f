// SPDX-License-Identifier: Apache-2.0
//
// A hook of a disk at which the log's clerk, on its own thread, waits before the call that
// a test names, and which then answers it. Everybody else passes.
//
//   gate.close("rename CURRENT");   // its next such call waits
//   ... what makes it set out ...
//   gate.await();                   // until it stands there
//   ... what is to happen meanwhile ...
//   gate.fail("rename CURRENT", EIO);
//   gate.open();
//
// A call's name: open, write, flush, rename or unlink, and wal, MANIFEST or CURRENT; "sync
// wal", "sync MANIFEST", "sync CURRENT" for the flush of the directory that makes the name
// of such a file durable.
#pragma once

#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <string>

#include "../../sim/hooked_disk.hpp"

namespace warden::log::test {

class ClerkGate {
 public:
  void close(const std::string& point) {
    const std::lock_guard lock(mutex_);
    point_ = point;
    there_ = false;
  }
  void await() {
    std::unique_lock lock(mutex_);
    moved_.wait(lock, [&] { return there_; });
  }
  void open() {
    const std::lock_guard lock(mutex_);
    point_.clear();
    ++opened_;
    moved_.notify_all();
  }
  // Such calls of the clerk answer so, until it is healed.
  void fail(const std::string& point, int error) {
    const std::lock_guard lock(mutex_);
    failing_ = point;
    error_ = error;
  }
  void heal() { fail("", 0); }
  // Calls that a forked child made, in the child.
  int calls_of_child() const { return calls_of_child_; }

  // A hook without a gate. Nothing is flushed: no power is lost here, and a flush takes long.
  static sim::Answer flush_nothing(const sim::Call& call) {
    const bool flush = call.op == sim::Op::sync_data || call.op == sim::Op::sync_dir;
    return flush ? sim::Answer(0) : std::nullopt;
  }
  // As the disk's hook, which flushes nothing either.
  sim::Answer operator()(const sim::Call& call) {
    if (::getpid() != parent_) ++calls_of_child_;
    const sim::Answer done = flush_nothing(call);
    if (!is_clerk()) return done;
    std::unique_lock lock(mutex_);
    const std::string mine = last_ = name_of(call);
    if (mine == point_) {
      there_ = true;
      moved_.notify_all();
      moved_.wait(lock, [&, before = opened_] { return opened_ != before; });
    }
    return mine == failing_ ? sim::Answer(-error_) : done;
  }

 private:
  static bool is_clerk() {
    char name[16] = {};
    return ::pthread_getname_np(::pthread_self(), name, sizeof name) == 0 &&
           std::strcmp(name, "warden-clerk") == 0;
  }
  std::string name_of(const sim::Call& call) const {
    if (call.op == sim::Op::sync_dir) {
      if (last_ == "flush MANIFEST") return "sync MANIFEST";
      return last_ == "rename CURRENT" ? "sync CURRENT" : "sync wal";
    }
    return verb_of(call.op) + " " + call.name.substr(0, call.name.find_first_of("-."));
  }
  static std::string verb_of(sim::Op op) {
    if (op == sim::Op::open) return "open";
    if (op == sim::Op::write) return "write";
    if (op == sim::Op::sync_data) return "flush";
    if (op == sim::Op::rename) return "rename";
    return op == sim::Op::unlink ? "unlink" : "another call";
  }

  const pid_t parent_ = ::getpid();
  std::mutex mutex_;
  std::condition_variable moved_;
  std::string last_;   // call of the clerk
  std::string point_;  // where it waits; empty: nowhere
  bool there_ = false;
  int opened_ = 0;  // times
  std::string failing_;
  int error_ = 0;
  std::atomic<int> calls_of_child_{0};
};

}  // namespace warden::log::test
