// SPDX-License-Identifier: Apache-2.0
//
// CsvReader against RFC 4180: what it takes, what it refuses and where.
#include "cli/csv_reader.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "cli/text.hpp"
#include "seed.hpp"

namespace warden::cli {
namespace {

using Row = std::vector<std::string>;

std::vector<Row> read_all(std::string_view text) {
  CsvReader reader{text};
  std::vector<Row> rows;
  while (reader.next() == CsvReader::Outcome::row) {
    rows.emplace_back(reader.fields().begin(), reader.fields().end());
  }
  EXPECT_EQ(reader.next(), CsvReader::Outcome::end) << reader.fault();
  return rows;
}

struct Fault {
  std::size_t line;
  std::string what;
};

Fault read_fault(std::string_view text) {
  CsvReader reader{text};
  CsvReader::Outcome outcome = reader.next();
  while (outcome == CsvReader::Outcome::row) outcome = reader.next();
  EXPECT_EQ(outcome, CsvReader::Outcome::fault);
  EXPECT_EQ(reader.next(), CsvReader::Outcome::fault) << "a fault must stay";
  return {reader.fault_line(), reader.fault()};
}

TEST(CsvReader, PlainRows) {
  EXPECT_EQ(read_all("a,b,c\n1,,3\n"), (std::vector<Row>{{"a", "b", "c"}, {"1", "", "3"}}));
}

TEST(CsvReader, LastRowMayLackItsLineEnd) {
  EXPECT_EQ(read_all("a,b\n1,2"), (std::vector<Row>{{"a", "b"}, {"1", "2"}}));
  EXPECT_EQ(read_all("a,b\n1,"), (std::vector<Row>{{"a", "b"}, {"1", ""}}));
  EXPECT_EQ(read_all("a,b\n1,\"\""), (std::vector<Row>{{"a", "b"}, {"1", ""}}));
}

TEST(CsvReader, EmptyTextHasNoRows) {
  EXPECT_TRUE(read_all("").empty());
  EXPECT_TRUE(read_all("\n\r\n\n").empty());
}

TEST(CsvReader, CrLfAndLfMayMix) {
  EXPECT_EQ(read_all("a,b\r\n1,2\n3,4\r\n"),
            (std::vector<Row>{{"a", "b"}, {"1", "2"}, {"3", "4"}}));
}

TEST(CsvReader, QuotesHoldCommasLineBreaksAndQuotes) {
  EXPECT_EQ(read_all("\"a,b\",\"c\r\nd\",\"say \"\"hi\"\"\"\n\"\"\"\",x,\"\"\n"),
            (std::vector<Row>{{"a,b", "c\r\nd", "say \"hi\""}, {"\"", "x", ""}}));
}

TEST(CsvReader, SpacesBelongToTheField) {
  EXPECT_EQ(read_all(" a , b\n"), (std::vector<Row>{{" a ", " b"}}));
}

TEST(CsvReader, Utf8PassesThrough) {
  EXPECT_EQ(read_all("Müller,\"北京, 中国\"\n"), (std::vector<Row>{{"Müller", "北京, 中国"}}));
}

TEST(CsvReader, LineIsThePhysicalOneWhereTheRowBegan) {
  CsvReader reader{"h\n\"1\n2\n3\"\n\nx\n"};
  std::vector<std::size_t> lines;
  while (reader.next() == CsvReader::Outcome::row) lines.push_back(reader.line());
  EXPECT_EQ(lines, (std::vector<std::size_t>{1, 2, 6}));
}

TEST(CsvReader, TwoRebuiltFieldsOfARowBothStayGood) {
  EXPECT_EQ(read_all("\"a\"\"1\",\"b\"\"2\",\"c\"\"3\"\n"),
            (std::vector<Row>{{"a\"1", "b\"2", "c\"3"}}));
}

TEST(CsvReader, RefusesAnOpenQuoteAtTheLineWhereItOpened) {
  const Fault fault = read_fault("a,b\n1,\"2\n3,4\n");
  EXPECT_EQ(fault.line, 2U);
  EXPECT_NE(fault.what.find("never closed"), std::string::npos);
}

TEST(CsvReader, RefusesAQuoteInsideAPlainField) {
  const Fault fault = read_fault("a,b\n1,x\"y\n");
  EXPECT_EQ(fault.line, 2U);
  EXPECT_NE(fault.what.find("inside an unquoted field"), std::string::npos);
}

TEST(CsvReader, RefusesTextAfterAClosingQuote) {
  const Fault fault = read_fault("a,b\n\"x\n\"y,1\n");
  EXPECT_EQ(fault.line, 3U);
  EXPECT_NE(fault.what.find("follows a closing quote"), std::string::npos);
}

TEST(CsvReader, RefusesALoneCarriageReturn) {
  EXPECT_EQ(read_fault("a,b\n1\r2,3\n").line, 2U);
  EXPECT_EQ(read_fault("a\r").line, 1U);
}

// Whatever csv_field writes, CsvReader reads back.
TEST(CsvReader, RandomRowsSurviveWritingAndReading) {
  const std::uint64_t seed = test_seed(20260117);
  SCOPED_TRACE(seed_text(seed));
  std::mt19937_64 random{seed};
  const std::string alphabet = "ab,\"\r\n x";
  for (int round = 0; round < 2000; ++round) {
    std::vector<Row> rows(1 + random() % 4, Row(1 + random() % 4));
    std::string text;
    for (Row& row : rows) {
      for (std::size_t i = 0; i < row.size(); ++i) {
        for (auto left = random() % 6; left > 0; --left) row[i] += alphabet[random() % 8];
        if (i != 0) text += ',';
        text += csv_field(row[i]);
      }
      // A row of one empty field is a blank line, which is passed over.
      if (row.size() == 1 && row[0].empty()) {
        row[0] = 'z';
        text += 'z';
      }
      text += random() % 2 == 0 ? "\n" : "\r\n";
    }
    ASSERT_EQ(read_all(text), rows) << "round " << round << "\n" << text;
  }
}

}  // namespace
}  // namespace warden::cli
