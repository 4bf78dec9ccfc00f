// SPDX-License-Identifier: Apache-2.0
//
// Text before TOML: UTF-8, positions, what messages quote, suggestions.
#include "flow/text.hpp"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include "flow/definition.hpp"

namespace warden::flow {
namespace {

using namespace std::string_view_literals;

constexpr std::size_t kNone = std::string_view::npos;

TEST(FlowText, takes_every_code_point_but_surrogates) {
  std::string all;
  for (unsigned c = 0; c < 0x110000; ++c) {
    if (c >= 0xd800 && c <= 0xdfff) continue;
    const auto put = [&all](unsigned byte) { all += static_cast<char>(byte); };
    if (c < 0x80) {
      put(c);
    } else if (c < 0x800) {
      put(0xc0 | c >> 6);
      put(0x80 | (c & 63));
    } else if (c < 0x10000) {
      put(0xe0 | c >> 12);
      put(0x80 | (c >> 6 & 63));
      put(0x80 | (c & 63));
    } else {
      put(0xf0 | c >> 18);
      put(0x80 | (c >> 12 & 63));
      put(0x80 | (c >> 6 & 63));
      put(0x80 | (c & 63));
    }
  }
  EXPECT_EQ(find_bad_utf8(all), kNone);
}

TEST(FlowText, finds_the_first_byte_that_is_not_utf8) {
  const std::vector<std::string_view> bad{
      "\x80"sv,              // a continuation alone
      "\xc0\xaf"sv,          // overlong
      "\xc1\xbf"sv,          // overlong
      "\xe0\x9f\xbf"sv,      // overlong
      "\xf0\x8f\xbf\xbf"sv,  // overlong
      "\xed\xa0\x80"sv,      // surrogate
      "\xf4\x90\x80\x80"sv,  // above U+10FFFF
      "\xf5\x80\x80\x80"sv,
      "\xfe"sv,
      "\xff"sv,
      "\xc3"sv,  // cut off
      "\xe2\x82"sv,
      "\xf0\x9f\x98"sv,
      "\xc3(",
      "\xe2\x82(",
      "\xe2(\x82",
      "\xf0\x9f\x98(",
  };
  for (std::string_view text : bad) {
    EXPECT_EQ(find_bad_utf8(text), 0u);
    EXPECT_EQ(find_bad_utf8("ab\xc3\xa4" + std::string(text)), 4u);
    EXPECT_EQ(find_bad_utf8(std::string(text) + "abcd"), 0u);
  }
}

TEST(FlowText, finds_the_first_byte_that_a_name_may_not_hold) {
  constexpr std::size_t kAllGood = std::string_view::npos;
  EXPECT_EQ(find_unprintable(""), kAllGood);
  EXPECT_EQ(find_unprintable("Zürich 北京 🙂"), kAllGood);
  EXPECT_EQ(find_unprintable("a\nb"), 1u);
  EXPECT_EQ(find_unprintable(std::string_view("ab\0", 3)), 2u);
  EXPECT_EQ(find_unprintable("ü\x7f"), 2u);
  EXPECT_EQ(find_unprintable("ü\x1f"), 2u);
  EXPECT_EQ(find_unprintable("caf\xe9"), 3u);
  EXPECT_EQ(find_unprintable("ok\xe5\x8c"), 2u) << "cut off";
}

TEST(FlowText, positions_count_code_points_and_lines) {
  const std::string_view text =
      "a\xc3\xa4"
      "b\n\nc";
  EXPECT_EQ(position_of(text, 0), (Position{1, 1}));
  EXPECT_EQ(position_of(text, 1), (Position{1, 2}));
  EXPECT_EQ(position_of(text, 3), (Position{1, 3}));
  EXPECT_EQ(position_of(text, 4), (Position{1, 4}));  // the newline itself
  EXPECT_EQ(position_of(text, 5), (Position{2, 1}));
  EXPECT_EQ(position_of(text, 6), (Position{3, 1}));
  EXPECT_EQ(position_of(text, 99), (Position{3, 2}));
  EXPECT_EQ(position_of("\xef\xbb\xbf"
                        "ab",
                        4),
            (Position{1, 2}));
}

TEST(FlowText, quotes_on_one_short_line) {
  EXPECT_EQ(in_quotes(""), "''");
  EXPECT_EQ(in_quotes("a b"), "'a b'");
  EXPECT_EQ(in_quotes("a\n\t\x7f\x1b\0"sv), "'a\\x0a\\x09\\x7f\\x1b\\x00'");
  EXPECT_EQ(in_quotes("\xff"), "'\\xff'");
  const std::string x63(63, 'x');
  const std::string x64(64, 'x');
  EXPECT_EQ(in_quotes(x64), "'" + x64 + "'");
  EXPECT_EQ(in_quotes(x64 + "x"), "'" + x64 + "...'");
  // Never cut inside a code point.
  EXPECT_EQ(in_quotes(x63 + "\xc3\xa4"), "'" + x63 + "...'");
}

TEST(FlowText, suggests_only_what_is_near) {
  constexpr std::array kWords{"close"sv, "dedupe"sv, "done"sv, "name"sv, "stages"sv};
  EXPECT_EQ(suggestion("clsoe", kWords), " (did you mean 'close'?)");   // swapped
  EXPECT_EQ(suggestion("stage", kWords), " (did you mean 'stages'?)");  // missing
  EXPECT_EQ(suggestion("namme", kWords), " (did you mean 'name'?)");    // doubled
  EXPECT_EQ(suggestion("dine", kWords), " (did you mean 'done'?)");     // replaced
  EXPECT_EQ(suggestion("STAGES", kWords), " (did you mean 'stages'?)");
  EXPECT_EQ(suggestion("priority", kWords), "");
  EXPECT_EQ(suggestion("x", kWords), "");
  EXPECT_EQ(suggestion("", kWords), "");
  EXPECT_EQ(suggestion(std::string(1000, 'n'), kWords), "");
  EXPECT_EQ(suggestion("name", {}), "");
  constexpr std::array kShort{"a"sv, "b"sv};
  EXPECT_EQ(suggestion("c", kShort), "");  // all letters differ
}

TEST(FlowText, lists_a_few_of_many) {
  EXPECT_EQ(listed({}), "");
  constexpr std::array kTwo{"a"sv, "b\nc"sv};
  EXPECT_EQ(listed(kTwo), "a, b\\x0ac");
  const std::vector<std::string_view> many(20, "x");
  EXPECT_EQ(listed(many), "x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x and 4 more");
}

TEST(FlowText, length_is_limited) {
  EXPECT_FALSE(check_text(std::string(kMaxTextBytes, '\n')));
  const Error error = check_text(std::string(kMaxTextBytes, '\n') + "x");
  EXPECT_EQ(raw(error.code), raw(Code::too_large));
  EXPECT_EQ(error.message, "text of 1048577 bytes is too long; expected at most 1048576");
  EXPECT_EQ(error.line, kMaxTextBytes + 1);
  EXPECT_EQ(error.column, 1u);
}

}  // namespace
}  // namespace warden::flow
