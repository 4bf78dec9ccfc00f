// SPDX-License-Identifier: Apache-2.0
#include "index/tombstones.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "index/cells.hpp"

namespace warden::index {
namespace {

Tombstone stone(std::uint64_t key) { return {{key, ~key}, key, 0, 1, 0, 0, 0}; }

TEST(Tombstones, KeepsNumbersWhileItGrowsAndTurns) {
  Tombstones ring;
  std::uint64_t pushed = 0;
  std::uint64_t popped = 0;
  std::vector<std::uint32_t> numbers;
  for (int round = 0; round < 50; ++round) {
    for (int i = 0; i < 37; ++i) {
      ASSERT_TRUE(ring.room());
      numbers.push_back(ring.next_number());
      EXPECT_NE(numbers.back(), Cells::kEmpty);
      EXPECT_NE(numbers.back() & Tombstones::kBit, 0U);
      ring.push(stone(pushed++));
    }
    for (int i = 0; i < 30; ++i) {
      EXPECT_EQ(ring.oldest().incarnation, popped);
      EXPECT_EQ(ring.oldest_number(), numbers[popped]);
      ring.pop();
      ++popped;
    }
    for (std::uint64_t i = popped; i < pushed; ++i) {
      ASSERT_EQ(ring.at(numbers[i]).incarnation, i);
    }
    EXPECT_EQ(ring.count(), pushed - popped);
  }
}

TEST(Tombstones, CoarseExpiryNeverComesSooner) {
  EXPECT_EQ(coarse_expiry(-5), 0U);
  EXPECT_EQ(coarse_expiry(1), 1U);
  EXPECT_EQ(coarse_expiry(kSecond), 2U);
  EXPECT_EQ(coarse_expiry(kNever), 0xffff'ffffU);
  for (const Nanos at : {Nanos{1}, kSecond - 1, kSecond, kHour + 1, 50 * kYear}) {
    EXPECT_GE(Nanos{coarse_expiry(at)} * kSecond, at);
  }
}

}  // namespace
}  // namespace warden::index
