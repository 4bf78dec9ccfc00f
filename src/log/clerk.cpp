// SPDX-License-Identifier: Apache-2.0
#include "log/clerk.hpp"

#include <cerrno>
#include <new>

#include "base/assert.hpp"
#include "io/fork.hpp"
#include "io/quiet_thread.hpp"

namespace warden::log {

Clerk::~Clerk() {
  if (!thread_.joinable()) return;
  if (io::fork_generation() != generation_) {
    thread_.detach();
    return;
  }
  WARDEN_ASSERT(idle());
  put(State::stop);
  io::futex_wake(state_);
  thread_.join();
}

void Clerk::hire(std::function<void()> finished) {
  finished_ = std::move(finished);
  generation_ = io::fork_generation();
  thread_ = io::quiet_thread("warden-clerk", [this] { work(); });
}

void Clerk::send() noexcept {
  WARDEN_ASSERT(idle());
  put(State::sent);
  if (thread_.joinable()) io::futex_wake(state_);
}

bool Clerk::step() noexcept {
  if (thread_.joinable() || state() != State::sent) return false;
  perform();
  put(State::done);
  return true;
}

void Clerk::work() noexcept {
  for (;;) {
    const State now = state();
    if (now == State::stop) return;
    if (now != State::sent) {
      io::futex_wait(state_, static_cast<std::uint32_t>(now), kNever);
      continue;
    }
    perform();
    put(State::done);
    finished_();
  }
}

void Clerk::perform() noexcept {
  try {
    errand_.result = attempt();
  } catch (const std::bad_alloc&) {
    errand_.result = -ENOMEM;
  }
}

int Clerk::attempt() {
  const char* name = errand_.name.c_str();
  if (errand_.kind == Errand::Kind::create) {
    return dir_.open(name, io::Open::create, errand_.file);
  }
  if (errand_.kind == Errand::Kind::recycle) {
    const int renamed = dir_.rename(errand_.from.c_str(), name);
    if (renamed != 0) return renamed;
    errand_.from.clear();
    return dir_.open(name, io::Open::read_write, errand_.file);
  }
  if (errand_.kind == Errand::Kind::list) {
    const int synced = dir_.sync();
    return synced != 0 ? synced : write_manifest(dir_, errand_.manifest);
  }
  const int written = write_manifest(dir_, errand_.manifest);
  // If the file stays, the next opening removes it.
  if (written == 0 && !errand_.from.empty()) dir_.unlink(errand_.from.c_str());
  return written;
}

}  // namespace warden::log
