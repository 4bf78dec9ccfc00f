// SPDX-License-Identifier: Apache-2.0
//
// The shared types: that instants do not wrap at the ends of their range, and that
// the distinct types are as small, and as distinct, as they are meant to be.
#include "base/types.hpp"

#include <gtest/gtest.h>

#include <random>
#include <type_traits>

namespace warden {
namespace {

__extension__ using Wide = __int128;

static_assert(!std::is_convertible_v<Lsn, std::uint64_t>);
static_assert(!std::is_convertible_v<std::uint64_t, Lsn>);
static_assert(!std::is_convertible_v<ItemNo, Lsn>);
static_assert(sizeof(Lsn) == 8 && sizeof(ItemNo) == 4 && sizeof(Hash128) == 16);

TEST(AddSat, AddsWithinTheRange) {
  EXPECT_EQ(add_sat(0, 0), 0);
  EXPECT_EQ(add_sat(kSecond, kMilli), 1'001'000'000);
  EXPECT_EQ(add_sat(-kSecond, kSecond), 0);
  EXPECT_EQ(add_sat(kNever - 1, 1), kNever);
}

TEST(AddSat, StaysAtNeverAboveTheRange) {
  EXPECT_EQ(add_sat(kNever, 1), kNever);
  EXPECT_EQ(add_sat(1, kNever), kNever);
  EXPECT_EQ(add_sat(kNever, kNever), kNever);
}

// The lowest value means "not given", so a sum must never become it by overflow.
TEST(AddSat, StaysAboveNoTimeBelowTheRange) {
  EXPECT_EQ(add_sat(kNoTime + 1, -1), kNoTime) << "no overflow: the plain sum";
  EXPECT_EQ(add_sat(kNoTime + 1, -2), kNoTime + 1);
  EXPECT_EQ(add_sat(kNoTime, kNoTime), kNoTime + 1);
}

TEST(AddSat, AgreesWithWideArithmetic) {
  const std::uint64_t seed = 20'240'229;
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937_64 random(seed);
  for (int i = 0; i < 100'000; ++i) {
    // Shifts spread the values over all magnitudes, so that about half overflow
    // near the ends and half do not.
    const auto a = static_cast<Nanos>(random()) >> (random() % 40);
    const auto b = static_cast<Nanos>(random()) >> (random() % 40);
    const Wide wide = static_cast<Wide>(a) + b;
    Nanos expected = static_cast<Nanos>(wide);
    if (wide > kNever) expected = kNever;
    if (wide < kNoTime) expected = kNoTime + 1;
    ASSERT_EQ(add_sat(a, b), expected) << a << " + " << b;
  }
}

TEST(Units, AreMultiplesOfEachOther) {
  EXPECT_EQ(kDay, 86'400 * kSecond);
  EXPECT_EQ(kYear, 31'557'600 * kSecond) << "365.25 days";
  EXPECT_LT(100 * kYear, kNever / 2) << "a hundred years from any near instant must fit";
}

TEST(Hash128, ComparesByBothHalves) {
  const Hash128 a{1, 2};
  EXPECT_EQ(a, (Hash128{1, 2}));
  EXPECT_NE(a, (Hash128{1, 3}));
  EXPECT_NE(a, (Hash128{2, 2}));
  EXPECT_LT((Hash128{1, 9}), (Hash128{2, 0})) << "low is compared first";
}

TEST(Raw, GivesTheNumberOfAnEnum) {
  EXPECT_EQ(raw(Lsn::none), 0u);
  EXPECT_EQ(raw(ItemNo::none), 0xffff'ffffu);
  EXPECT_EQ(raw(Lsn{std::uint64_t{7} << 44}), std::uint64_t{7} << 44);
}

}  // namespace
}  // namespace warden
