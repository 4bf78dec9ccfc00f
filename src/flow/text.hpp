// SPDX-License-Identifier: Apache-2.0
//
// What the reader of flows needs to know about text before and beside TOML:
// whether it is text at all, where an offset stands, how to show a piece of it in
// a message of one line, and which known word was probably meant.
//
// Invariants:
//   1. Columns count code points from 1, lines count from 1 and end at '\n'; a
//      leading byte order mark takes no column.
//   2. in_quotes() gives no control character and at most kMaxQuoted bytes of the
//      text, whatever it is given.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/code.hpp"

namespace warden::flow {

struct Position {
  std::uint32_t line = 1;
  std::uint32_t column = 1;
  friend constexpr auto operator<=>(const Position&, const Position&) = default;
};

// A refusal of a flow's text at a position.
Error refuse(Position at, std::string message);

Position position_of(std::string_view text, std::size_t offset) noexcept;

// Offset of the first byte that is not part of a well-formed UTF-8 sequence
// (overlong forms and surrogates are not), or npos.
std::size_t find_bad_utf8(std::string_view text) noexcept;

// Offset of the first byte that a name may not hold: of a control character, or not
// well-formed UTF-8; or npos.
std::size_t find_unprintable(std::string_view name) noexcept;

// Refuses what is not text (too long, a NUL, not UTF-8), and what check_structure
// refuses.
Error check_text(std::string_view text);

inline constexpr std::size_t kMaxQuoted = 64;

// 'text' in single quotes, control characters escaped, cut if long.
std::string in_quotes(std::string_view text);

// "a, b, c", cut after the first few if they are many.
std::string listed(std::span<const std::string_view> words);

// " (did you mean 'x'?)" for the nearest of `known` if one is near, else "".
std::string suggestion(std::string_view word, std::span<const std::string_view> known);

}  // namespace warden::flow
