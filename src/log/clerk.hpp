// SPDX-License-Identifier: Apache-2.0
//
// The committer's errands in the directory: another file, a manifest, a removal. Each
// takes some commits of the file system's journal, milliseconds in which whoever
// waits for an answer would wait too, so a thread of their own does them.
//
//   committer: fills in errand(), send() ... done(): reads the result, take()
//   clerk:                          perform(), then calls `finished`
//
// One errand at a time. It carries what it needs, a copy of the manifest included:
// the committer goes on changing its own meanwhile. Without a thread (a log in manual
// mode, or none can be had) the committer performs it itself, one turn later, so that
// there too other things happen in between.
//
// Invariants
// 1. The errand belongs to the committer while the state is idle or done, to the clerk
//    while it is sent. The state is the one atomic, and hands the errand over. It is
//    seq_cst for the scribe's sleep (doorbell.hpp): the clerk stores "done", then looks
//    whether the scribe sleeps; the scribe says that it does, then looks for "done".
// 2. A forked child has no clerk: nothing is waited for there, or joined.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "io/disk.hpp"
#include "io/futex.hpp"
#include "log/manifest.hpp"

namespace warden::log {

struct Errand {
  enum class Kind : std::uint8_t {
    create,   // the file `name`, opened into `file`
    recycle,  // `from` renamed to `name` and then cleared, and `name` opened
    list,     // the directory flushed, then `manifest` written
    drop,     // `manifest` written, then the file `from` removed, if it names one
  };
  Kind kind = Kind::create;
  std::string from;
  std::string name;
  Manifest manifest;  // its number moves on once CURRENT may name it
  std::unique_ptr<io::File> file;
  int result = 0;  // 0, -errno
};

class Clerk {
 public:
  explicit Clerk(io::Dir& dir) noexcept : dir_(dir) {}
  ~Clerk();  // idle, unless the process is a forked child
  Clerk(const Clerk&) = delete;
  Clerk& operator=(const Clerk&) = delete;

  // From now on by a thread, if one can be had; it calls `finished` after each errand.
  void hire(std::function<void()> finished);

  // ---- under the committer role
  bool idle() const noexcept { return state() == State::idle; }
  Errand& errand() noexcept { return errand_; }
  void send() noexcept;
  // Without a thread: performs what was sent. True if it did.
  bool step() noexcept;
  void take() noexcept { put(State::idle); }

  // ---- any thread
  bool done() const noexcept { return state() == State::done; }

 private:
  enum class State : std::uint32_t { idle, sent, done, stop };

  State state() const noexcept {
    return static_cast<State>(state_.load(std::memory_order_seq_cst));
  }
  void put(State state) noexcept {
    state_.store(static_cast<std::uint32_t>(state), std::memory_order_seq_cst);
  }
  void work() noexcept;
  void perform() noexcept;
  int attempt();

  io::Dir& dir_;
  Errand errand_;
  io::FutexWord state_{0};  // a State
  std::function<void()> finished_;
  std::uint32_t generation_ = 0;  // io::fork_generation() when hired
  std::thread thread_;
};

}  // namespace warden::log
