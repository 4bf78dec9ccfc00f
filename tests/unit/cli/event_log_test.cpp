// SPDX-License-Identifier: Apache-2.0
//
// Event logs: what is read, in which order it is fed, and the message for each
// thing that may be wrong with one.
#include "cli/event_log.hpp"

#include <gtest/gtest.h>

namespace warden::cli {
namespace {

constexpr const char* kHeader = "case_id,stage,timestamp,seq,due\n";

Result<EventLog> load(const std::string& text, FeedOrder order = FeedOrder::file,
                      const std::vector<DueColumn>& dues = {}) {
  return load_event_log("log.csv", text, dues, order);
}

std::string fault(const std::string& text, FeedOrder order = FeedOrder::file,
                  const std::vector<DueColumn>& dues = {}) {
  const auto log = load(text, order, dues);
  EXPECT_FALSE(log.ok());
  if (log.ok()) return {};
  EXPECT_EQ(log.failure().exit_code, ExitCode::bad_input);
  return log.failure().message;
}

void expect_fault(const std::string& message, const std::string& place, const std::string& what) {
  EXPECT_EQ(message.rfind("log.csv:" + place + ": ", 0), 0U) << message;
  EXPECT_NE(message.find(what), std::string::npos) << message;
  EXPECT_NE(message.find("expected"), std::string::npos) << message;
  EXPECT_EQ(message.find('\n'), std::string::npos) << message;
}

TEST(EventLog, ReadsRowsAndKeepsEachNameOnce) {
  const auto log = load(std::string{kHeader} +
                            "a,start,1970-01-01T00:00:02Z,2,\n"
                            "b,start,1970-01-01T00:00:01Z,1,1970-01-01T00:00:09Z\n"
                            "a,end,1970-01-01T00:00:03Z,3,\n",
                        FeedOrder::file, {{"U", "due"}});
  ASSERT_TRUE(log.ok()) << log.failure().message;
  const EventLog& l = log.value();
  EXPECT_EQ(l.cases.size(), 2U);
  EXPECT_EQ(l.stages.size(), 2U);
  EXPECT_EQ(l.text(l.stages[1].name), "end");
  EXPECT_EQ(l.stages[1].first_line, 4U);
  EXPECT_EQ(l.text(l.cases[l.rows[1].case_no]), "b");
  EXPECT_EQ(l.rows[0].case_no, l.rows[2].case_no);
  EXPECT_EQ(l.first_ns, 1'000'000'000);
  EXPECT_EQ(l.last_ns, 3'000'000'000);
  EXPECT_EQ(l.rows[0].due_count, 0U);
  ASSERT_EQ(l.rows[1].due_count, 1U);
  EXPECT_EQ(l.dues[l.rows[1].due_first].instant_ns, 9'000'000'000);
  EXPECT_EQ(l.text(l.due_rules[0]), "U");
  EXPECT_EQ(l.order, (std::vector<std::uint32_t>{0, 1, 2})) << "the file's order, not sorted";
}

TEST(EventLog, SeqOrderSortsByNumberNotByText) {
  const auto log = load(std::string{kHeader} +
                            "a,s,1970-01-01T00:00:01Z,10,\n"
                            "a,s,1970-01-01T00:00:02Z,9,\n"
                            "a,s,1970-01-01T00:00:03Z,0,\n",
                        FeedOrder::seq);
  ASSERT_TRUE(log.ok());
  EXPECT_EQ(log.value().order, (std::vector<std::uint32_t>{2, 1, 0}));
}

TEST(EventLog, ColumnsMayStandAnywhere) {
  const auto log = load("x,timestamp,case_id,y,stage\n1,1970-01-01T00:00:00Z,k,2,s\n");
  ASSERT_TRUE(log.ok());
  EXPECT_EQ(log.value().text(log.value().cases[0]), "k");
}

TEST(EventLog, RowsWithoutACaseAreOneCase) {
  const auto log = load(
      "case_id,stage,timestamp\n,s,1970-01-01T00:00:00Z\n"
      "k,s,1970-01-01T00:00:00Z\n,t,1970-01-01T00:00:01Z\n");
  ASSERT_TRUE(log.ok());
  const EventLog& l = log.value();
  EXPECT_EQ(l.cases.size(), 2U);
  EXPECT_EQ(l.rows[0].case_no, l.rows[2].case_no);
  EXPECT_EQ(l.text(l.cases[0]), kBlankCaseKey) << "a key has at least one byte";
  EXPECT_EQ(case_of_key(l.text(l.cases[0])), "");
  EXPECT_EQ(case_of_key("k"), "k");
  EXPECT_EQ(l.blank_cases, 2U);
}

TEST(EventLog, TwoDueColumnsOfOneRow) {
  const auto log = load(
      "case_id,stage,timestamp,p,q\nk,s,1970-01-01T00:00:00Z,"
      "1970-01-01T00:00:01Z,1970-01-01T00:00:02Z\n",
      FeedOrder::file, {{"P", "p"}, {"Q", "q"}});
  ASSERT_TRUE(log.ok());
  ASSERT_EQ(log.value().rows[0].due_count, 2U);
  EXPECT_EQ(log.value().dues[1].rule_no, 1U);
  EXPECT_EQ(log.value().dues[1].instant_ns, 2'000'000'000);
}

TEST(EventLog, RefusesMissingAndDoubledColumns) {
  expect_fault(fault("case_id,stage\nk,s\n"), "1", "no column 'timestamp'");
  expect_fault(fault("case,stage,timestamp\n"), "1", "no column 'case_id'");
  expect_fault(fault("case_id,timestamp\n"), "1", "no column 'stage'");
  expect_fault(fault("case_id,stage,timestamp\n", FeedOrder::seq), "1", "no column 'seq'");
  expect_fault(fault("case_id,stage,timestamp\n", FeedOrder::file, {{"U", "due"}}), "1",
               "no column 'due' (given with --due U=due)");
  expect_fault(fault("case_id,stage,timestamp,stage\n"), "1", "two columns are named 'stage'");
}

TEST(EventLog, RefusesLogsWithoutEvents) {
  expect_fault(fault("\n\n"), "1", "empty");
  expect_fault(fault(kHeader), "1", "no rows");
}

TEST(EventLog, RefusesBadRowsAtTheirLine) {
  const std::string good = std::string{kHeader} + "k,s,1970-01-01T00:00:00Z,1,\n";
  expect_fault(fault(good + "k,s,1970-01-01 00:00:00,2,\n"), "3", "'1970-01-01 00:00:00'");
  expect_fault(fault(good + "k,s,,2,\n"), "3", "timestamp ''");
  expect_fault(fault(good + "k,s,1970-01-01T00:00:00Z,2\n"), "3", "4 fields; expected 5");
  expect_fault(fault(good + "k,,1970-01-01T00:00:00Z,2,\n"), "3", "stage has 0 bytes");
  expect_fault(fault(good + std::string(513, 'k') + ",s,1970-01-01T00:00:00Z,2,\n"), "3",
               "case_id has 513 bytes");
  expect_fault(fault(good + "k," + std::string(256, 's') + ",1970-01-01T00:00:00Z,2,\n"), "3",
               "stage has 256 bytes");
  expect_fault(fault(good + "k,\"a\tb\",1970-01-01T00:00:00Z,2,\n"), "3",
               "stage 'a\\x09b' has a control character at byte 1; expected none");
  expect_fault(fault(good + "k,\"s,1970-01-01T00:00:00Z,2,\n"), "3", "never closed");
  expect_fault(fault(good + "k,s,1970-01-01T00:00:00Z,2,soon\n", FeedOrder::file, {{"U", "due"}}),
               "3", "due 'soon'");
}

TEST(EventLog, RefusesBadSeqsOnlyIfTheyAreUsed) {
  const std::string good = std::string{kHeader} + "k,s,1970-01-01T00:00:00Z,7,\n";
  for (const char* seq : {"", "x", "-1", "1.0", " 1", "18446744073709551616"}) {
    const std::string text = good + "k,s,1970-01-01T00:00:00Z," + seq + ",\n";
    EXPECT_TRUE(load(text).ok()) << seq;
    expect_fault(fault(text, FeedOrder::seq), "3", "is no number");
  }
  expect_fault(fault(good + "k,s,1970-01-01T00:00:00Z,7,\n", FeedOrder::seq), "3",
               "seq 7 stands on line 2 too");
}

TEST(EventLog, LinesCountThroughQuotedLineBreaks) {
  expect_fault(fault("case_id,stage,timestamp\nk,\"two\nlines\",1970-01-01T00:00:00Z\nk,s,bad\n"),
               "4", "'bad'");
}

}  // namespace
}  // namespace warden::cli
