// SPDX-License-Identifier: Apache-2.0
//
// Instants as text: the exact form, the ends of the range, the way back.
#include "cli/instant.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <random>

#include "seed.hpp"

namespace warden::cli {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

TEST(Instant, ReadsSecondsAndFractions) {
  EXPECT_EQ(parse_instant("1970-01-01T00:00:00Z"), 0);
  EXPECT_EQ(parse_instant("1970-01-01T00:00:00.000000001Z"), 1);
  EXPECT_EQ(parse_instant("2010-10-21T07:23:07.401Z"), 1'287'645'787'401'000'000);
  EXPECT_EQ(parse_instant("2010-10-21T07:23:07.4Z"), 1'287'645'787'400'000'000);
  EXPECT_EQ(parse_instant("2016-02-29T23:59:59Z"), 1'456'790'399 * kSecond);
  EXPECT_EQ(parse_instant("1969-12-31T23:59:59.5Z"), -kSecond / 2);
}

TEST(Instant, RefusesEveryOtherForm) {
  for (const char* text : {"",
                           "Z",
                           "2016-02-29",
                           "2016-02-29T01:02:03",
                           "2016-02-29T01:02:03+00:00",
                           "2016-02-29 01:02:03Z",
                           "2016-02-29t01:02:03Z",
                           "2016-02-29T01:02:03z",
                           "2016-02-29T01:02:03.Z",
                           "2016-02-29T01:02:03.1234567890Z",
                           "2016-02-29T01:02:03.12a4Z",
                           "2016-02-29T01:02:03,5Z",
                           "2015-02-29T01:02:03Z",
                           "2016-13-01T01:02:03Z",
                           "2016-00-01T01:02:03Z",
                           "2016-01-00T01:02:03Z",
                           "2016-04-31T01:02:03Z",
                           "2016-01-01T24:00:00Z",
                           "2016-01-01T23:60:00Z",
                           "2016-01-01T23:59:60Z",
                           "16-01-01T00:00:00Z",
                           "+016-01-01T00:00:00Z",
                           "2016-1-01T000:00:00Z",
                           " 2016-02-29T01:02:03Z",
                           "2016-02-29T01:02:03Z ",
                           "2016-02-29T01:02:03ZZ",
                           "2016-02-29T-1:02:03Z",
                           "yesterday, about noonZ"}) {
    EXPECT_EQ(parse_instant(text), std::nullopt) << text;
  }
}

TEST(Instant, KnowsTheEndsOfItsRange) {
  constexpr std::int64_t kLast = std::numeric_limits<std::int64_t>::max() - 1;
  constexpr std::int64_t kFirst = std::numeric_limits<std::int64_t>::min() + 1;
  EXPECT_EQ(parse_instant("2262-04-11T23:47:16.854775806Z"), kLast);
  EXPECT_EQ(parse_instant("2262-04-11T23:47:16.854775807Z"), std::nullopt)
      << "INT64_MAX stands for never";
  EXPECT_EQ(parse_instant("2262-04-11T23:47:16.854775808Z"), std::nullopt);
  EXPECT_EQ(parse_instant("1677-09-21T00:12:43.145224193Z"), kFirst);
  EXPECT_EQ(parse_instant("1677-09-21T00:12:43.145224192Z"), std::nullopt)
      << "INT64_MIN stands for no time";
  EXPECT_EQ(parse_instant("1677-09-21T00:12:43.145224191Z"), std::nullopt);
  EXPECT_EQ(parse_instant("0000-01-01T00:00:00Z"), std::nullopt);
  EXPECT_EQ(parse_instant("9999-12-31T23:59:59Z"), std::nullopt);
  EXPECT_EQ(format_instant(kLast), "2262-04-11T23:47:16.854775806Z");
  EXPECT_EQ(format_instant(kFirst), "1677-09-21T00:12:43.145224193Z");
}

TEST(Instant, WritesAsMuchFractionAsThereIs) {
  EXPECT_EQ(format_instant(0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(format_instant(1'287'645'787'401'000'000), "2010-10-21T07:23:07.401Z");
  EXPECT_EQ(format_instant(1'287'645'787'401'020'000), "2010-10-21T07:23:07.401020Z");
  EXPECT_EQ(format_instant(-1), "1969-12-31T23:59:59.999999999Z");
}

TEST(Instant, RandomInstantsComeBack) {
  const std::uint64_t seed = test_seed(7);
  SCOPED_TRACE(seed_text(seed));
  std::mt19937_64 random{seed};
  for (int i = 0; i < 200'000; ++i) {
    auto instant = static_cast<std::int64_t>(random());
    if (instant == std::numeric_limits<std::int64_t>::min()) continue;
    // Whole seconds, milliseconds and microseconds take other paths.
    const std::int64_t unit = i % 4 == 0   ? 1
                              : i % 4 == 1 ? 1'000
                              : i % 4 == 2 ? 1'000'000
                                           : kSecond;
    instant -= instant % unit;
    ASSERT_EQ(parse_instant(format_instant(instant)), instant);
  }
}

}  // namespace
}  // namespace warden::cli
