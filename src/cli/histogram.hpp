// SPDX-License-Identifier: Apache-2.0
//
// Counts of non-negative numbers in buckets whose width grows with the number:
// exact below 128, at most 1/64 (1.6 %) wide above, up to 2^63 - 1, in 30 KiB,
// whatever is recorded. The idea is HdrHistogram's.
//
// Bucket of v: the position of its highest bit, and the six bits below it.
//
// Invariants:
//   1. quantile(q) is not below the true quantile and at most 1/64 above it; it
//      never exceeds max().
//   2. min() and max() are exact. A negative number counts as 0.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>

namespace warden::cli {

class Histogram {
 public:
  void record(std::int64_t value) {
    const std::int64_t v = std::max<std::int64_t>(value, 0);
    ++counts_[bucket_of(static_cast<std::uint64_t>(v))];
    min_ = count_ == 0 ? v : std::min(min_, v);
    max_ = std::max(max_, v);
    ++count_;
  }

  std::uint64_t count() const { return count_; }
  std::int64_t min() const { return min_; }
  std::int64_t max() const { return max_; }

  // The number that a share q (0 to 1) of all is at or below; 0 if there is none.
  std::int64_t quantile(double q) const {
    const auto rank = std::max<std::uint64_t>(
        1, static_cast<std::uint64_t>(std::ceil(q * static_cast<double>(count_))));
    std::uint64_t passed = 0;
    for (std::size_t i = 0; i < kBuckets; ++i) {
      passed += counts_[i];
      if (passed >= rank) return std::min(max_, static_cast<std::int64_t>(last_of(i)));
    }
    return max_;
  }

 private:
  static constexpr unsigned kSubBits = 6;
  static constexpr std::uint64_t kSubs = 1U << kSubBits;
  // Highest bits 6 to 62 have 64 buckets each, after the 64 exact ones below.
  static constexpr std::size_t kBuckets = kSubs + (63 - kSubBits) * kSubs;

  static std::size_t bucket_of(std::uint64_t v) {
    if (v < kSubs) return static_cast<std::size_t>(v);
    const auto shift = static_cast<unsigned>(std::bit_width(v)) - 1 - kSubBits;
    return static_cast<std::size_t>((shift + 1) * kSubs + (v >> shift) - kSubs);
  }
  // Greatest number of bucket i.
  static std::uint64_t last_of(std::size_t i) {
    if (i < kSubs) return i;
    const std::size_t shift = i / kSubs - 1;
    return (((kSubs + i % kSubs) + 1) << shift) - 1;
  }

  std::array<std::uint64_t, kBuckets> counts_{};
  std::uint64_t count_ = 0;
  std::int64_t min_ = 0;
  std::int64_t max_ = 0;
};

}  // namespace warden::cli
