// SPDX-License-Identifier: Apache-2.0
//
// Text before TOML: UTF-8, positions, what messages quote, suggestions, nesting.
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

TEST(Text, takes_every_code_point_but_surrogates) {
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

TEST(Text, finds_the_first_byte_that_is_not_utf8) {
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

TEST(Text, positions_count_code_points_and_lines) {
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

TEST(Text, quotes_on_one_short_line) {
  EXPECT_EQ(in_quotes(""), "''");
  EXPECT_EQ(in_quotes("a b"), "'a b'");
  EXPECT_EQ(in_quotes("a\n\t\x7f\x1b\0"sv), "'a\\x0a\\x09\\x7f\\x1b\\x00'");
  EXPECT_EQ(in_quotes("\xff"), "'\\xff'");
  EXPECT_EQ(in_quotes(std::string(64, 'x')), "'" + std::string(64, 'x') + "'");
  EXPECT_EQ(in_quotes(std::string(65, 'x')), "'" + std::string(64, 'x') + "...'");
  // Never cut inside a code point.
  EXPECT_EQ(in_quotes(std::string(63, 'x') + "\xc3\xa4"), "'" + std::string(63, 'x') + "...'");
}

TEST(Text, suggests_only_what_is_near) {
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

TEST(Text, lists_a_few_of_many) {
  EXPECT_EQ(listed({}), "");
  constexpr std::array kTwo{"a"sv, "b\nc"sv};
  EXPECT_EQ(listed(kTwo), "a, b\\x0ac");
  const std::vector<std::string_view> many(20, "x");
  EXPECT_EQ(listed(many), "x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x and 4 more");
}

std::string nested(std::size_t brackets) {
  return "a = " + std::string(brackets, '[') + std::string(brackets, ']') + "\n";
}

TEST(Text, nesting_is_counted_outside_of_strings_and_comments) {
  EXPECT_FALSE(check_text(nested(kMaxNesting)));
  EXPECT_EQ(check_text(nested(kMaxNesting + 1)).message,
            "nested too deep; expected at most 16 levels");
  std::string dots = "a";
  for (std::size_t i = 0; i < kMaxNesting; ++i) dots += ".a";
  EXPECT_FALSE(check_text(dots + " = 1\n" + dots + " = 1\n"));
  EXPECT_EQ(check_text("\n" + dots + ".a = 1\n").line, 2u);
  // Dots and brackets in strings and comments do not count; quotes inside of
  // strings do not end them.
  const std::string deep = "[[[[[[[[[[[[[[[[[[[[......................";
  for (const std::string& text : {
           "a = \"" + deep + "\"\n",
           "a = '" + deep + "'\n",
           "# " + deep + "\n",
           "a = \"\\\"" + deep + "\"\n",
           "a = \"\\\\\"\nb = '" + deep + "'\n",
           "a = \"\"\"\n\"\"" + deep + "\n\"\"\"\n",
           "a = '''\n'" + deep + "\n'''\n",
           "a = \"\"\"\"" + deep + "\"\"\"\"\"\nb = \"" + deep + "\"\n",
           "a = \"\"\nb = \"" + deep + "\"\n",
           "a = '\\'\nb = '" + deep + "'\n",
           "a = \"\"\"\\\"\"\"" + deep + "\"\"\"\n",
       }) {
    EXPECT_FALSE(check_text(text)) << text;
  }
  // Behind them it does.
  for (const std::string before : {"a = \"]\"\n", "a = '''\n'x'''''\n", "a = \"\"\"\"\"\"\n",
                                   "a = \"\\\\\"\n", "a = '\\'\n", "# \"\n"}) {
    const Error error = check_text(before + nested(17));
    EXPECT_EQ(error.message, "nested too deep; expected at most 16 levels") << before;
    EXPECT_EQ(error.column, 21u) << before;
  }
  // Unbalanced brackets cannot wrap.
  EXPECT_FALSE(check_text("]]]]]]}}}}}}}\n" + nested(kMaxNesting)));
}

TEST(Text, length_is_limited) {
  EXPECT_FALSE(check_text(std::string(kMaxTextBytes, '\n')));
  const Error error = check_text(std::string(kMaxTextBytes, '\n') + "x");
  EXPECT_EQ(raw(error.code), raw(Code::too_large));
  EXPECT_EQ(error.message, "text of 1048577 bytes is too long; expected at most 1048576");
  EXPECT_EQ(error.line, kMaxTextBytes + 1);
  EXPECT_EQ(error.column, 1u);
}

}  // namespace
}  // namespace warden::flow
