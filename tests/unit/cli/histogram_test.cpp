// SPDX-License-Identifier: Apache-2.0
//
// Histogram against sorted samples.
#include "cli/histogram.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <random>
#include <vector>

#include "seed.hpp"

namespace warden::cli {
namespace {

TEST(Histogram, EmptyIsAllZero) {
  const Histogram h;
  EXPECT_EQ(h.count(), 0U);
  EXPECT_EQ(h.quantile(0.5), 0);
  EXPECT_EQ(h.max(), 0);
}

TEST(Histogram, SmallNumbersAreExact) {
  Histogram h;
  for (int v = 1; v <= 100; ++v) h.record(v);
  EXPECT_EQ(h.quantile(0.5), 50);
  EXPECT_EQ(h.quantile(0.99), 99);
  EXPECT_EQ(h.quantile(1.0), 100);
  EXPECT_EQ(h.quantile(0.0), 1);
  EXPECT_EQ(h.min(), 1);
  EXPECT_EQ(h.max(), 100);
}

TEST(Histogram, TakesTheEndsOfTheRange) {
  Histogram h;
  h.record(-5);
  EXPECT_EQ(h.max(), 0) << "a negative number counts as 0";
  h.record(std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(h.max(), std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(h.quantile(1.0), std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(h.quantile(0.5), 0);
}

TEST(Histogram, EveryPowerOfTwoAndItsNeighboursFallWhereTheyBelong) {
  for (int bit = 1; bit < 63; ++bit) {
    for (const std::int64_t d : {-1, 0, 1}) {
      const std::int64_t v = (std::int64_t{1} << bit) + d;
      Histogram h;
      h.record(v);
      h.record(std::numeric_limits<std::int64_t>::max());
      const std::int64_t q = h.quantile(0.5);
      ASSERT_GE(q, v) << bit;
      ASSERT_LE(q - v, v / 64) << bit;
    }
  }
}

TEST(Histogram, QuantilesAreNeverBelowAndAtMostASixtyFourthAbove) {
  const std::uint64_t seed = test_seed(11);
  SCOPED_TRACE(seed_text(seed));
  std::mt19937_64 random{seed};
  for (int round = 0; round < 50; ++round) {
    Histogram h;
    std::vector<std::int64_t> all;
    for (int i = 0; i < 1000; ++i) {
      const auto v = static_cast<std::int64_t>(random() >> (1 + random() % 62));
      h.record(v);
      all.push_back(v);
    }
    std::sort(all.begin(), all.end());
    for (const double q : {0.01, 0.25, 0.5, 0.9, 0.99, 0.999, 1.0}) {
      const auto rank = static_cast<std::size_t>(std::ceil(q * 1000.0));
      const std::int64_t truth = all[rank - 1];
      ASSERT_GE(h.quantile(q), truth) << "q " << q;
      ASSERT_LE(h.quantile(q) - truth, truth / 64) << "q " << q;
    }
  }
}

}  // namespace
}  // namespace warden::cli
