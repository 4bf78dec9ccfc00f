// SPDX-License-Identifier: Apache-2.0
//
// Instants as text: `YYYY-MM-DDTHH:MM:SS[.fraction]Z` to UTC nanoseconds since
// 1970 and back. Strict, so that a local time or a missing zone is an error and
// never a wrong deadline.
//
// Invariants:
//   1. parse_instant(format_instant(ns)) == ns for every ns but INT64_MIN and INT64_MAX,
//      which stand for "no time" and "never" and are never the value of a text.
//   2. Nothing but the form above is accepted: upper-case T and Z, 1 to 9 digits
//      of fraction, days that exist, seconds up to 59.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace warden::cli {

inline constexpr std::string_view kInstantForm =
    "YYYY-MM-DDTHH:MM:SS[.fraction]Z, up to 9 digits of fraction, years 1677 to 2262";

std::optional<std::int64_t> parse_instant(std::string_view text);

// The fraction is left out if it is zero, else it has 3, 6 or 9 digits.
std::string format_instant(std::int64_t instant_ns);

}  // namespace warden::cli
