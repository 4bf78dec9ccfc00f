// SPDX-License-Identifier: Apache-2.0
//
// A pass over the tokens of a TOML text before the TOML library sees it, for two
// things that the library (3.3) does not survive:
//   - tables and arrays nested without limit, by brackets or by dotted keys, which
//     exhaust the stack when they are freed;
//   - characters beyond ASCII where it asks whether they are white space: outside of
//     strings and comments, and behind a '\' in a string of several lines. Its
//     answer is undefined for U+00A1 to U+0499. Nearly all of that is not TOML
//     anyway.
//
// Invariants:
//   1. A text that is taken nests at most kMaxNesting brackets, and at most
//      kMaxNesting dots in one key.
//   2. On a prefix of valid TOML the pass knows what is a string or a comment. The
//      library stops at the first character that cannot go on such a prefix, except
//      that it reads a bare value up to its end before it judges it; so the pass
//      itself refuses whatever could make the two disagree within a bare value: a
//      quote, '=', '[' or '{' that touches it. What the pass makes of a text behind
//      the place where the library stops does not matter.
#pragma once

#include <cstddef>
#include <string_view>

#include "base/code.hpp"

namespace warden::flow {

inline constexpr std::size_t kMaxNesting = 16;

// `text` is UTF-8.
Error check_structure(std::string_view text);

}  // namespace warden::flow
