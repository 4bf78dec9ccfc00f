// SPDX-License-Identifier: Apache-2.0
//
// std::atomic's face over a plain variable: the wheel without one locked instruction,
// good for one thread only. What it costs beside the real one is what atomicity costs.
#pragma once

#include <atomic>

namespace warden::bench {

template <class T>
class PlainAtomic {
 public:
  PlainAtomic() = default;
  PlainAtomic(T value) : value_(value) {}  // NOLINT: implicit, as std::atomic
  PlainAtomic(const PlainAtomic&) = delete;
  PlainAtomic& operator=(const PlainAtomic&) = delete;

  T load(std::memory_order = std::memory_order_seq_cst) const { return value_; }
  void store(T value, std::memory_order = std::memory_order_seq_cst) { value_ = value; }
  T exchange(T value, std::memory_order = std::memory_order_seq_cst) {
    const T old = value_;
    value_ = value;
    return old;
  }
  T fetch_add(T by, std::memory_order = std::memory_order_seq_cst) {
    return exchange(static_cast<T>(value_ + by));
  }
  T fetch_sub(T by, std::memory_order = std::memory_order_seq_cst) {
    return exchange(static_cast<T>(value_ - by));
  }
  T fetch_or(T bits, std::memory_order = std::memory_order_seq_cst) {
    return exchange(static_cast<T>(value_ | bits));
  }
  T fetch_and(T bits, std::memory_order = std::memory_order_seq_cst) {
    return exchange(static_cast<T>(value_ & bits));
  }
  bool compare_exchange_strong(T& expected, T desired, std::memory_order,
                               std::memory_order = std::memory_order_seq_cst) {
    if (value_ == expected) {
      value_ = desired;
      return true;
    }
    expected = value_;
    return false;
  }
  bool compare_exchange_weak(T& expected, T desired, std::memory_order,
                             std::memory_order = std::memory_order_seq_cst) {
    return compare_exchange_strong(expected, desired, {}, {});
  }

 private:
  T value_{};
};

}  // namespace warden::bench
