// SPDX-License-Identifier: Apache-2.0
//
// The distinct types that all modules share. An enum class or a one-field struct
// costs nothing and keeps a position of the log from being taken for an instant.
#pragma once

#include <compare>
#include <cstdint>
#include <limits>
#include <type_traits>

namespace warden {

// UTC nanoseconds since 1970, or a length of time in nanoseconds.
using Nanos = std::int64_t;

inline constexpr Nanos kNoTime = std::numeric_limits<Nanos>::min();
inline constexpr Nanos kNever = std::numeric_limits<Nanos>::max();
inline constexpr Nanos kMicro = 1'000;
inline constexpr Nanos kMilli = 1'000'000;
inline constexpr Nanos kSecond = 1'000'000'000;
inline constexpr Nanos kMinute = 60 * kSecond;
inline constexpr Nanos kHour = 60 * kMinute;
inline constexpr Nanos kDay = 24 * kHour;
// A year of 365.25 days, as durations in text use it.
inline constexpr Nanos kYear = 365 * kDay + 6 * kHour;

// For products of times, which exceed 64 bits.
__extension__ typedef __int128 Int128;

// Sum of two times that stays at the ends of the range instead of wrapping.
constexpr Nanos add_sat(Nanos a, Nanos b) noexcept {
  Nanos sum = 0;
  if (!__builtin_add_overflow(a, b, &sum)) return sum;
  return b > 0 ? kNever : kNoTime + 1;
}

// Position in the log: 20 bits of epoch, 44 of position. 0 is no position.
enum class Lsn : std::uint64_t { none = 0 };

// Number of an item's slot in the item table: dense, reused after closing.
enum class ItemNo : std::uint32_t { none = 0xffff'ffff };

// 128-bit hash, of keys and of alert ids.
struct Hash128 {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  friend constexpr auto operator<=>(const Hash128&, const Hash128&) = default;
};

template <class E>
constexpr auto raw(E value) noexcept {
  return static_cast<std::underlying_type_t<E>>(value);
}

}  // namespace warden
