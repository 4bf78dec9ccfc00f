// SPDX-License-Identifier: Apache-2.0
//
// Counts of durations in buckets of at most 1/8 relative width. Any thread adds and
// reads: each count is a number of its own, so relaxed suffices throughout.
#pragma once

#include <algorithm>
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
  // The longest duration of the bucket in which the share `quantile` (0..1) is reached;
  // 0 if nothing was counted.
  Nanos quantile(double quantile) const noexcept {
    const std::uint64_t all = total();
    if (all == 0) return 0;
    const double most = static_cast<double>(all);
    const double want = std::clamp(quantile * most, 1.0, most);
    // Counts only grow, so there are at least `all` up to the last bucket.
    std::size_t at = 0;
    for (double seen = count(at); seen < want; seen += count(++at)) {
    }
    return longest(at);
  }

  static constexpr std::size_t kBuckets = 8 * 60;
  static constexpr std::size_t bucket(Nanos value) noexcept {
    const auto v = static_cast<std::uint64_t>(value < 8 ? 8 : value);
    const auto shift = static_cast<unsigned>(std::bit_width(v)) - 4;  // v >> shift is 8..15
    return shift * 8 + ((v >> shift) - 8);
  }
  static constexpr Nanos longest(std::size_t i) noexcept {
    return static_cast<Nanos>(((std::uint64_t{9} + i % 8) << (i / 8)) - 1);
  }

 private:
  double count(std::size_t i) const noexcept {
    return static_cast<double>(counts_[i].load(std::memory_order_relaxed));
  }

  std::array<std::atomic<std::uint64_t>, kBuckets> counts_{};
};
// Every duration has a bucket.
static_assert(Histogram::bucket(kNever) == Histogram::kBuckets - 1);
static_assert(Histogram::longest(Histogram::kBuckets - 1) == kNever);

}  // namespace warden::log
