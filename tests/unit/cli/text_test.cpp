// SPDX-License-Identifier: Apache-2.0
//
// The small helpers of text.hpp.
#include "cli/text.hpp"

#include <gtest/gtest.h>

namespace warden::cli {
namespace {

TEST(Text, FindsTheFirstByteThatIsNoText) {
  EXPECT_EQ(first_non_text_byte("abc"), 3U);
  EXPECT_EQ(first_non_text_byte("Müller 北京 \xF0\x9F\x99\x82"), 19U);
  EXPECT_EQ(first_non_text_byte(std::string_view{"ab\0c", 4}), 2U);
  EXPECT_EQ(first_non_text_byte("ab\xFF"), 2U);
  EXPECT_EQ(first_non_text_byte("ab\x80"), 2U) << "a continuation without a lead";
  EXPECT_EQ(first_non_text_byte("a\xC0\xAF"), 1U) << "overlong";
  EXPECT_EQ(first_non_text_byte("a\xE0\x80\xAF"), 1U) << "overlong";
  EXPECT_EQ(first_non_text_byte("a\xF0\x80\x80\xAF"), 1U) << "overlong";
  EXPECT_EQ(first_non_text_byte("a\xED\xA0\x80"), 1U) << "surrogate";
  EXPECT_EQ(first_non_text_byte("a\xF4\x90\x80\x80"), 1U) << "above U+10FFFF";
  EXPECT_EQ(first_non_text_byte("a\xE5\x8C"), 1U) << "cut off";
}

TEST(Text, QuotesStayShortAndOnOneLine) {
  EXPECT_EQ(in_quotes("plain"), "'plain'");
  EXPECT_EQ(in_quotes("a\nb\x1B[0m"), "'a\\x0Ab\\x1B[0m'");
  const std::string cut = in_quotes(std::string(59, 'x') + "üüü");
  EXPECT_EQ(cut, "'" + std::string(59, 'x') + "...'") << "not inside a character";
}

TEST(Text, CsvFieldsAreQuotedOnlyIfNeedBe) {
  EXPECT_EQ(csv_field("a b"), "a b");
  EXPECT_EQ(csv_field("a,b"), "\"a,b\"");
  EXPECT_EQ(csv_field("say \"hi\""), "\"say \"\"hi\"\"\"");
  EXPECT_EQ(csv_field("a\nb"), "\"a\nb\"");
  EXPECT_EQ(csv_field(""), "");
}

TEST(Text, Numbers) {
  EXPECT_EQ(with_commas(0), "0");
  EXPECT_EQ(with_commas(999), "999");
  EXPECT_EQ(with_commas(1000), "1,000");
  EXPECT_EQ(with_commas(1234567), "1,234,567");
  EXPECT_EQ(duration_text(999), "999 ns");
  EXPECT_EQ(duration_text(1'500), "1.5 us");
  EXPECT_EQ(duration_text(1'234'567), "1.23 ms");
  EXPECT_EQ(duration_text(2'345'678'901), "2.35 s");
}

TEST(Text, Shares) {
  EXPECT_DOUBLE_EQ(parse_share("0.5%").value(), 0.005);
  EXPECT_DOUBLE_EQ(parse_share("0.005").value(), 0.005);
  EXPECT_DOUBLE_EQ(parse_share("100%").value(), 1.0);
  EXPECT_DOUBLE_EQ(parse_share("0").value(), 0.0);
  for (const char* text : {"", "%", "x", "1.5", "101%", "-1%", "5%%", "5 %", "nan", "inf"}) {
    EXPECT_EQ(parse_share(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace warden::cli
