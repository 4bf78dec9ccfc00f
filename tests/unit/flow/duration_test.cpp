// SPDX-License-Identifier: Apache-2.0
//
// Durations: what is read, what is refused and why, and that text and nanoseconds
// go round. Random cases print their seed; WARDEN_SEED sets it.
#include "flow/duration.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <random>
#include <string>
#include <vector>

namespace warden::flow {
namespace {

struct Good {
  std::string text;
  Nanos length;
};

TEST(FlowDuration, reads_what_semantics_promises) {
  const std::vector<Good> cases{
      {"250ms", 250 * kMilli},
      {"10s", 10 * kSecond},
      {"5m", 5 * kMinute},
      {"2h", 2 * kHour},
      {"7d", 7 * kDay},
      {"100y", 100 * kYear},
      {"1us", kMicro},
      {"1ns", 1},
      {"0s", 0},
      {"0ns", 0},
      {"007s", 7 * kSecond},
      {"1h30m", 90 * kMinute},
      {"1y1d1h1m1s1ms1us1ns", kYear + kDay + kHour + kMinute + kSecond + kMilli + kMicro + 1},
      {"1.5s", 1500 * kMilli},
      {"1.5h", 90 * kMinute},
      {"0.5y", kYear / 2},
      {"1h0.5m", kHour + 30 * kSecond},
      {"0.000000001s", 1},
      {"1.50000000000000000000000s", 1500 * kMilli},
      {"PT10S", 10 * kSecond},
      {"P1DT2H", kDay + 2 * kHour},
      {"P1Y2DT3H4M5S", kYear + 2 * kDay + 3 * kHour + 4 * kMinute + 5 * kSecond},
      {"PT1.5S", 1500 * kMilli},
      {"PT5M", 5 * kMinute},
      {"P2W", 14 * kDay},
      {"P0D", 0},
      {"9223372036854775807ns", kNever},
      {"292y", 292 * kYear},
  };
  for (const Good& c : cases) {
    Nanos length = -1;
    const Error error = parse_duration(c.text, length);
    EXPECT_FALSE(error) << c.text << ": " << error.message;
    EXPECT_EQ(length, c.length) << c.text;
  }
}

struct Bad {
  std::string text;
  Code code;
  std::string message;
};

TEST(FlowDuration, refuses_the_rest_and_says_what_was_expected) {
  const std::string expected =
      "expected numbers with units, such as 250ms, 1h30m or 7d, or ISO 8601 such as PT10S";
  const std::string units = "expected one of y, d, h, m, s, ms, us, ns";
  const auto bad = [](const std::string& text, const std::string& why) {
    return Bad{text, Code::invalid_argument, "bad duration '" + text + "': " + why};
  };
  const auto too_long = [](const std::string& text) {
    return Bad{text, Code::out_of_range,
               "duration '" + text + "' is too long: expected at most 292y"};
  };
  const std::string order = " is out of order; expected each unit at most once, largest first";
  const std::vector<Bad> cases{
      bad("", "it is empty; " + expected),
      bad("abc", expected),
      bad("-5s", expected),
      bad("+5s", expected),
      bad(" 5s", expected),
      bad("5 s", expected),
      bad("5s ", expected),
      bad("5s,", expected),
      bad(".5s", expected),
      bad("1,5s", expected),
      bad("5", "a number has no unit; " + units + " after it"),
      bad("1h30", "a number has no unit; " + units + " after it"),
      bad("PT5", "a number has no unit; expected one of H, M, S after it"),
      bad("5min", "unknown unit 'min'; " + units),
      bad("5S", "unknown unit 'S'; " + units),
      bad("1w", "unknown unit 'w'; " + units),
      bad("30m1h", "unit 'h'" + order),
      bad("1h1h", "unit 'h'" + order),
      bad("PT1S1M", "unit 'M'" + order),
      bad("1.s", "expected digits after the '.'"),
      bad("1.5h30m", "only the last number may have a fraction"),
      bad("P1.5DT2H", "only the last number may have a fraction"),
      bad("1.5ns", "the fraction is finer than a nanosecond"),
      bad("0.0000000001s", "the fraction is finer than a nanosecond"),
      bad("0.1234567890123456789s", "the fraction is finer than a nanosecond"),
      bad("P", "nothing follows the P; expected such as PT10S or P1DT2H"),
      bad("PT", "nothing follows the T; expected such as PT10S or P1DT2H"),
      bad("P1DT", "nothing follows the T; expected such as PT10S or P1DT2H"),
      bad("P1M", "months have no fixed length; use days, or PT for minutes"),
      bad("P1H", "unknown unit 'H'; expected one of Y, W, D"),
      bad("P1WT1H", "weeks stand alone in ISO 8601; use days"),
      bad("P1Y1W", "weeks stand alone in ISO 8601; use days"),
      bad("P1W1D", "weeks stand alone in ISO 8601; use days"),
      bad("PT1HT1M", expected),
      bad("pt10s", expected),
      too_long("293y"),
      too_long("9223372036854775808ns"),
      too_long("9223372036s854775808ns"),
      too_long("99999999999999999999999999999999999999999999999999y"),
      too_long("292y292d"),
  };
  for (const Bad& c : cases) {
    Nanos length = -1;
    const Error error = parse_duration(c.text, length);
    EXPECT_EQ(raw(error.code), raw(c.code)) << c.text;
    EXPECT_EQ(error.message, c.message);
    EXPECT_EQ(length, -1) << c.text << ": written although refused";
  }
}

TEST(FlowDuration, shows_junk_on_one_short_line) {
  Nanos length = 0;
  EXPECT_EQ(parse_duration(std::string_view("5\n\0s", 4), length).message,
            "bad duration '5\\x0a\\x00s': expected numbers with units, such as 250ms, 1h30m or "
            "7d, or ISO 8601 such as PT10S");
  EXPECT_LT(parse_duration(std::string(1 << 20, 'x'), length).message.size(), 250u);
}

TEST(FlowDuration, formats_the_shortest_whole_form) {
  const std::vector<Good> cases{
      {"0s", 0},
      {"1ns", 1},
      {"1s", kSecond},
      {"1m30s", 90 * kSecond},
      {"1d2h", 26 * kHour},
      {"1s500ms", 1500 * kMilli},
      {"100y", 100 * kYear},
      {"1y", kYear},
      {"365d", 365 * kDay},
      {"730d12h1s", 2 * kYear + kSecond},
      {"-5m", -5 * kMinute},
      {"106751d23h47m16s854ms775us807ns", kNever},
      {"-106751d23h47m16s854ms775us808ns", kNoTime},
  };
  for (const Good& c : cases) EXPECT_EQ(format_duration(c.length), c.text);
}

TEST(FlowDuration, text_and_nanoseconds_go_round) {
  std::uint64_t seed = std::random_device{}();
  if (const char* given = std::getenv("WARDEN_SEED")) seed = std::strtoull(given, nullptr, 10);
  SCOPED_TRACE("WARDEN_SEED=" + std::to_string(seed));
  std::mt19937_64 random(seed);
  const std::vector<Nanos> units{1, kMicro, kMilli, kSecond, kMinute, kHour, kDay, kYear};
  for (int i = 0; i < 100'000; ++i) {
    // Any magnitude, and sums of few units, where the forms differ.
    auto length = static_cast<Nanos>((random() >> 1) >> (random() % 63));
    if (i % 2 == 0) length = units[random() % 8] * static_cast<Nanos>(random() % 290);
    const std::string text = format_duration(length);
    Nanos back = -1;
    const Error error = parse_duration(text, back);
    ASSERT_FALSE(error) << text << ": " << error.message;
    ASSERT_EQ(back, length) << text;
    ASSERT_EQ(format_duration(back), text);
  }
}

TEST(FlowDuration, one_more_nanosecond_of_a_fraction_is_one_more) {
  for (Nanos n = 1; n < 2'000'000'000; n = n * 3 + 1) {
    std::string decimals = std::to_string(n % kSecond);
    decimals.insert(0, 9 - decimals.size(), '0');
    Nanos length = 0;
    ASSERT_FALSE(parse_duration(std::to_string(n / kSecond) + "." + decimals + "s", length));
    ASSERT_EQ(length, n);
  }
}

}  // namespace
}  // namespace warden::flow
