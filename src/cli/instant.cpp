// SPDX-License-Identifier: Apache-2.0
//
// The calendar is the proleptic Gregorian one of std::chrono; only digits and
// separators are read here.
#include "cli/instant.hpp"

#include <fmt/format.h>

#include <chrono>
#include <limits>

namespace warden::cli {
namespace {

constexpr std::int64_t kSecondNs = 1'000'000'000;

// `count` digits at `at`, or -1 if one of them is none.
int digits(std::string_view text, std::size_t at, std::size_t count) {
  int value = 0;
  for (std::size_t i = at; i < at + count; ++i) {
    if (text[i] < '0' || text[i] > '9') return -1;
    value = value * 10 + (text[i] - '0');
  }
  return value;
}

// The part after the seconds: "Z" or ".123Z", in nanoseconds, or -1.
std::int64_t fraction_ns(std::string_view tail) {
  if (tail == "Z") return 0;
  if (tail.size() < 3 || tail.size() > 11 || tail.front() != '.' || tail.back() != 'Z') return -1;
  std::int64_t value = 0;
  std::int64_t unit = kSecondNs;
  for (const char c : tail.substr(1, tail.size() - 2)) {
    if (c < '0' || c > '9') return -1;
    unit /= 10;
    value += (c - '0') * unit;
  }
  return value;
}

}  // namespace

std::optional<std::int64_t> parse_instant(std::string_view text) {
  if (text.size() < 20 || text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' ||
      text[16] != ':') {
    return std::nullopt;
  }
  const int year = digits(text, 0, 4);
  const int month = digits(text, 5, 2);
  const int day = digits(text, 8, 2);
  const int hour = digits(text, 11, 2);
  const int minute = digits(text, 14, 2);
  const int second = digits(text, 17, 2);
  const std::int64_t fraction = fraction_ns(text.substr(19));
  if (year < 0 || month < 1 || day < 1 || hour < 0 || hour > 23 || minute < 0 || minute > 59 ||
      second < 0 || second > 59 || fraction < 0) {
    return std::nullopt;
  }
  const std::chrono::year_month_day date{std::chrono::year{year},
                                         std::chrono::month{static_cast<unsigned>(month)},
                                         std::chrono::day{static_cast<unsigned>(day)}};
  if (!date.ok()) return std::nullopt;
  const std::int64_t days = std::chrono::sys_days{date}.time_since_epoch().count();
  std::int64_t seconds = days * 86'400 + hour * 3'600 + minute * 60 + second;
  std::int64_t rest = fraction;
  // Before 1970 the seconds alone may lie below the range while the sum does not:
  // both parts get the sign of the sum.
  if (seconds < 0 && rest > 0) {
    ++seconds;
    rest -= kSecondNs;
  }
  std::int64_t instant = 0;
  if (__builtin_mul_overflow(seconds, kSecondNs, &instant) ||
      __builtin_add_overflow(instant, rest, &instant) ||
      instant == std::numeric_limits<std::int64_t>::min() ||
      instant == std::numeric_limits<std::int64_t>::max()) {
    return std::nullopt;
  }
  return instant;
}

std::string format_instant(std::int64_t instant_ns) {
  std::int64_t seconds = instant_ns / kSecondNs;
  std::int64_t fraction = instant_ns % kSecondNs;
  if (fraction < 0) {
    fraction += kSecondNs;
    --seconds;
  }
  std::int64_t days = seconds / 86'400;
  std::int64_t rest = seconds % 86'400;
  if (rest < 0) {
    rest += 86'400;
    --days;
  }
  const std::chrono::year_month_day date{std::chrono::sys_days{std::chrono::days{days}}};
  std::string out =
      fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", static_cast<int>(date.year()),
                  static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                  rest / 3'600, rest / 60 % 60, rest % 60);
  if (fraction == 0) return out + 'Z';
  if (fraction % 1'000'000 == 0) return out + fmt::format(".{:03}Z", fraction / 1'000'000);
  if (fraction % 1'000 == 0) return out + fmt::format(".{:06}Z", fraction / 1'000);
  return out + fmt::format(".{:09}Z", fraction);
}

}  // namespace warden::cli
