// SPDX-License-Identifier: Apache-2.0
//
// std::atomic, the ring's bytes and a futex over Relacy, which executes the memory model
// of C++11: a load that may read an older value sometimes does, and a plain access that
// is not ordered with another one is reported.
//
// A word of the ring is read and written both plainly and as an atomic. So it is two
// things here: a variable for the plain accesses, which tells of races, and an atomic
// that has the value.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "log/buffer.hpp"
#include "log/doorbell.hpp"

#include <relacy/relacy.hpp>
// Relacy renames half of the language.
#undef new
#undef delete
#undef malloc
#undef calloc
#undef realloc
#undef free
#undef assert
#undef errno
#undef memory_order_relaxed
#undef memory_order_consume
#undef memory_order_acquire
#undef memory_order_release
#undef memory_order_acq_rel
#undef memory_order_seq_cst

namespace warden::interleave {

constexpr rl::memory_order modelled(std::memory_order order) {
  switch (order) {
    case std::memory_order_relaxed:
      return rl::mo_relaxed;
    case std::memory_order_acquire:
    case std::memory_order_consume:
      return rl::mo_acquire;
    case std::memory_order_release:
      return rl::mo_release;
    case std::memory_order_acq_rel:
      return rl::mo_acq_rel;
    case std::memory_order_seq_cst:
      break;
  }
  return rl::mo_seq_cst;
}

template <class T>
class ModelAtomic {
 public:
  ModelAtomic() : ModelAtomic(T{}) {}
  ModelAtomic(T value) { value_.store(value, rl::mo_relaxed, RL_INFO); }  // NOLINT: as std::atomic
  ModelAtomic(const ModelAtomic&) = delete;
  ModelAtomic& operator=(const ModelAtomic&) = delete;

  T load(std::memory_order order = std::memory_order_seq_cst) const {
    return value_.load(modelled(order), RL_INFO);
  }
  void store(T value, std::memory_order order = std::memory_order_seq_cst) {
    value_.store(value, modelled(order), RL_INFO);
  }
  T exchange(T value, std::memory_order order = std::memory_order_seq_cst) {
    return value_.exchange(value, modelled(order), RL_INFO);
  }
  T fetch_add(T by, std::memory_order order = std::memory_order_seq_cst) {
    return value_.fetch_add(by, modelled(order), RL_INFO);
  }
  T fetch_sub(T by, std::memory_order order = std::memory_order_seq_cst) {
    return value_.fetch_sub(by, modelled(order), RL_INFO);
  }
  bool compare_exchange_weak(T& expected, T desired, std::memory_order success,
                             std::memory_order failure) {
    return value_.compare_exchange_weak(expected, desired, modelled(success), RL_INFO,
                                        modelled(failure), RL_INFO);
  }

  // A futex, as the kernel does it: the look and the falling asleep are one.
  void sleep_while(T seen) {
    rl::context& context = rl::ctx();
    context.sched();
    context.atomic_thread_fence_seq_cst();
    {
      const rl::preemption_disabler one(context);
      if (value_.load(rl::mo_acquire, RL_INFO) != seen) return;
    }
    value_.wait(context, false, false, RL_INFO);
  }
  void wake_all() {
    rl::context& context = rl::ctx();
    context.sched();
    context.atomic_thread_fence_seq_cst();
    value_.wake(context, 1000, RL_INFO);
  }

 private:
  mutable rl::atomic<T> value_;
};

struct ModelWord {
  rl::var<std::uint32_t> plain;
  ModelAtomic<std::uint32_t> value;
};

// The buffer's policy. The ring's addresses are those of `bytes`, its words stand beside.
struct ModelBuffer : log::BufferPolicy {
  static constexpr std::size_t kRing = 64;
  static constexpr std::size_t kLeastBytes = kRing;
  struct Memory {
    Memory() {
      for (ModelWord& each : words) each.plain(RL_INFO).store(0);
    }
    std::byte bytes[kRing] = {};
    ModelWord words[kRing / 4];
  };
  static Memory*& memory() {
    static Memory* one = nullptr;
    return one;
  }
  static ModelWord& at(const std::byte* place) {
    return memory()->words[(place - memory()->bytes) / 4];
  }

  static std::byte* map(std::size_t) noexcept { return memory()->bytes; }
  static void unmap(std::byte*, std::size_t) noexcept {}
  static void copy_in(std::byte* to, const void* from, std::size_t size) {
    for (std::size_t i = 0; i < size; i += 4) {
      std::uint32_t value = 0;
      std::memcpy(&value, static_cast<const std::byte*>(from) + i, 4);
      put(at(to + i), value);
    }
  }
  static void zero(std::byte* from, std::size_t size) {
    for (std::size_t i = 0; i < size; i += 4) put(at(from + i), 0);
  }
  static void copy_out(void* to, const std::byte* from, std::size_t size) {
    for (std::size_t i = 0; i < size; i += 4) {
      (void)at(from + i).plain(RL_INFO).load();
      const std::uint32_t value = at(from + i).value.load(std::memory_order_relaxed);
      std::memcpy(static_cast<std::byte*>(to) + i, &value, 4);
    }
  }
  static ModelAtomic<std::uint32_t>& word(std::byte* place) { return at(place).value; }

  static void wait(ModelAtomic<std::uint32_t>& word, std::uint32_t seen) { word.sleep_while(seen); }
  static void wake(ModelAtomic<std::uint32_t>& word) { word.wake_all(); }

 private:
  static void put(ModelWord& word, std::uint32_t value) {
    word.plain(RL_INFO).store(value);
    word.value.store(value, std::memory_order_relaxed);
  }
};

}  // namespace warden::interleave
