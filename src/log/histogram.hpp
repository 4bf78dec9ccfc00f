// SPDX-License-Identifier: Apache-2.0
//
// Counts of durations in buckets of at most 1/8 relative width. Any thread adds and
// reads: each count is a number of its own, so relaxed suffices throughout.
#pragma once

#include <array>
#include <atomic>
#include <bit>

#include "base/types.hpp"

namespace warden::log {

class Histogram {
 public:
  void add(Nanos value) noexcept { counts_[bucket(value)].fetch_add(1, std::memory_order_relaxed); }
  std::uint64_t total() const noexcept {
    std::uint64_t sum = 0;
    for (const auto& count : counts_) sum += count.load(std::memory_order_relaxed);
    return sum;
  }
  // Upper bound of the bucket in which the share `quantile` (0..1) is reached.
  Nanos quantile(double quantile) const noexcept {
    const std::uint64_t all = total();
    const double want = quantile * static_cast<double>(all);
    double seen = 0;
    for (std::size_t i = 0; i < kBuckets; ++i) {
      seen += static_cast<double>(counts_[i].load(std::memory_order_relaxed));
      if (all != 0 && seen >= want && seen > 0) return upper(i);
    }
    return 0;
  }

 private:
  static constexpr std::size_t kBuckets = 8 * 60;
  static constexpr std::size_t bucket(Nanos value) noexcept {
    const auto v = static_cast<std::uint64_t>(value < 8 ? 8 : value);
    const auto shift = static_cast<unsigned>(std::bit_width(v)) - 4;  // v >> shift is 8..15
    const std::size_t at = shift * 8 + ((v >> shift) - 8);
    return at < kBuckets ? at : kBuckets - 1;
  }
  static constexpr Nanos upper(std::size_t i) noexcept {
    return static_cast<Nanos>((9 + i % 8) << (i / 8));
  }

  std::array<std::atomic<std::uint64_t>, kBuckets> counts_{};
};

}  // namespace warden::log
