// SPDX-License-Identifier: Apache-2.0
//
// What the log's buffer and doorbell stand on under the explorer: a small ring whose
// bytes move word by word, each word a store that may linger like any other; sleeping as
// the kernel does it; the committer role as a lock; the queue that the scribe waits at.
#pragma once

#include <cstring>
#include <new>

#include "explorer.hpp"
#include "log/buffer.hpp"
#include "log/doorbell.hpp"

namespace warden::interleave {

// The first word of a record, as std::atomic_ref.
class WordRef {
 public:
  explicit WordRef(std::uint32_t* place) : place_(place) {}
  std::uint32_t load(std::memory_order) const {
    Explorer* const explorer = Explorer::current();
    if (explorer == nullptr) return *place_;
    explorer->step();
    return explorer->load(place_);
  }
  void store(std::uint32_t value, std::memory_order order) const {
    Explorer* const explorer = Explorer::current();
    explorer->step();
    explorer->store(place_, value, order);
  }

 private:
  std::uint32_t* place_;
};

// Everything here is a multiple of a word.
struct TestBuffer : log::BufferPolicy {
  static constexpr std::size_t kLeastBytes = 64;
  static std::byte* map(std::size_t bytes) noexcept {
    auto* const place = static_cast<std::byte*>(::operator new(bytes, std::nothrow));
    if (place != nullptr) std::memset(place, 0, bytes);
    return place;
  }
  static void unmap(std::byte* place, std::size_t) noexcept { ::operator delete(place); }

  static void copy_in(std::byte* to, const void* from, std::size_t size) {
    for (std::size_t at = 0; at < size; at += 4) {
      std::uint32_t value = 0;
      std::memcpy(&value, static_cast<const std::byte*>(from) + at, 4);
      put(to + at, value);
    }
  }
  static void zero(std::byte* from, std::size_t size) {
    for (std::size_t at = 0; at < size; at += 4) put(from + at, 0);
  }
  static void copy_out(void* to, const std::byte* from, std::size_t size) {
    Explorer::current()->step();
    for (std::size_t at = 0; at < size; at += 4) {
      const auto value =
          Explorer::current()->load(reinterpret_cast<const std::uint32_t*>(from + at));
      std::memcpy(static_cast<std::byte*>(to) + at, &value, 4);
    }
  }
  static WordRef word(std::byte* place) { return WordRef(reinterpret_cast<std::uint32_t*>(place)); }

  // The look at the word and the falling asleep are one, as in the kernel.
  static void wait(const Atomic<std::uint32_t>& word, std::uint32_t seen) {
    if (word.load() == seen) Explorer::current()->sleep(&word);
  }
  static void wake(const Atomic<std::uint32_t>& word) {
    Explorer::current()->step();
    Explorer::current()->wake(&word);
  }

  // Of the committer's steps, which buffer_world.hpp takes after block_builder.cpp.
  static constexpr bool kBugRoomAfterCredit = false;

 private:
  static void put(std::byte* to, std::uint32_t value) {
    WordRef(reinterpret_cast<std::uint32_t*>(to)).store(value, std::memory_order_relaxed);
  }
};

// A mutex.
class RoleLock {
 public:
  bool try_lock() { return held_.exchange(1, std::memory_order_acq_rel) == 0; }
  void lock() {
    while (!try_lock()) Explorer::current()->sleep(this);
  }
  void unlock() {
    held_.exchange(0, std::memory_order_acq_rel);
    Explorer::current()->wake(this);
  }

 private:
  Atomic<std::uint32_t> held_{0};
};

// io::Queue without the disk: a wake is kept until the next wait.
class WakeQueue {
 public:
  void wait() {
    Explorer::current()->step();
    while (!woken_) Explorer::current()->sleep(this);
    woken_ = false;
  }
  void wake() {
    Explorer::current()->step();
    woken_ = true;
    Explorer::current()->wake(this);
  }

 private:
  bool woken_ = false;
};

}  // namespace warden::interleave
