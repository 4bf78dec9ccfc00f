// SPDX-License-Identifier: Apache-2.0
//
// Golden files of tests/data/flows: invalid/NAME.toml must be refused with exactly
// the line of NAME.expect ("line:column: message"); valid/NAME.toml must be taken
// and read as NAME.expect describes it. With WARDEN_GOLDEN_UPDATE set the .expect
// files are written anew, to be reviewed as any other change; the test then fails.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include "flow/parse.hpp"
#include "support.hpp"

namespace warden::flow::test {
namespace {

const std::string kFlows = WARDEN_TEST_DATA "/flows";

bool updating() {
  return std::getenv("WARDEN_GOLDEN_UPDATE") != nullptr;
}

void compare(const std::string& path, const std::string& actual) {
  if (updating()) {
    std::ofstream(path, std::ios::binary) << actual;
    ADD_FAILURE() << path << " written; run again without WARDEN_GOLDEN_UPDATE";
    return;
  }
  EXPECT_EQ(read_file(path), actual) << path;
}

TEST(FlowGolden, invalid_flows_are_refused_with_the_expected_line) {
  const std::string folder = kFlows + "/invalid";
  const auto names = names_in(folder, ".toml");
  ASSERT_FALSE(names.empty());
  if (!updating()) {
    EXPECT_EQ(names, names_in(folder, ".expect"));
  }
  for (const std::string& name : names) {
    SCOPED_TRACE(name);
    const std::string text = read_file(folder + "/" + name + ".toml");
    Definition out;
    out.name = "untouched";
    const Error error = parse(text, out);
    EXPECT_EQ(raw(error.code), raw(Code::flow_syntax));
    EXPECT_EQ(broken_refusal(error), "");
    EXPECT_EQ(out.name, "untouched");
    EXPECT_TRUE(out.text.empty());
    compare(folder + "/" + name + ".expect", std::to_string(error.line) + ":" +
                                                 std::to_string(error.column) + ": " +
                                                 error.message + "\n");
  }
}

TEST(FlowGolden, valid_flows_read_as_expected) {
  const std::string folder = kFlows + "/valid";
  const auto names = names_in(folder, ".toml");
  ASSERT_FALSE(names.empty());
  if (!updating()) {
    EXPECT_EQ(names, names_in(folder, ".expect"));
  }
  for (const std::string& name : names) {
    SCOPED_TRACE(name);
    const std::string text = read_file(folder + "/" + name + ".toml");
    Definition out;
    const Error error = parse(text, out);
    EXPECT_FALSE(error) << error.line << ":" << error.column << ": " << error.message;
    EXPECT_EQ(out.text, text);
    EXPECT_EQ(broken_invariant(out), "");
    compare(folder + "/" + name + ".expect", describe(out));
  }
}

// The flows of the real logs: the rules of their truth, by name, kind and length.
struct LogFlow {
  std::string name;
  std::string rules;
  std::string close;
};

TEST(FlowGolden, flows_of_the_real_logs_hold_the_rules_of_their_truth) {
  const std::vector<LogFlow> flows{
      {"bpic2020_permit",
       "G idle 1679556s; D total 11430915s to Payment Handled; S_declare_60d stage 5184000s from "
       "End trip to Declaration SUBMITTED by EMPLOYEE; U_approved_before_trip due 0s to Permit "
       "FINAL_APPROVED by SUPERVISOR, Permit FINAL_APPROVED by DIRECTOR; ",
       ""},
      {"kth_sp2", "G idle 35820s; D total 75632s; U_walltime due 0s to ended; ", " ended"},
      {"receipt", "G idle 1641066s; D total 7070580s; U_case_deadline due 0s to CASE CLOSED; ",
       " CASE CLOSED"},
      {"sepsis",
       "G idle 137144s; D total 1286748s; S_antibiotics_1h stage 3600s from ER Sepsis Triage to IV "
       "Antibiotics; S_lactate_3h stage 10800s from ER Sepsis Triage to LacticAcid; ",
       " Release A Release B Release C Release D Release E"},
      {"uci_incident", "G idle 623160s; D total 2252040s; ", " Closed"},
  };
  std::vector<std::string> names;
  for (const LogFlow& flow : flows) {
    SCOPED_TRACE(flow.name);
    names.push_back(flow.name);
    Definition out;
    const Error error = parse(read_file(kFlows + "/" + flow.name + ".toml"), out);
    ASSERT_FALSE(error) << error.line << ":" << error.column << ": " << error.message;
    EXPECT_EQ(broken_invariant(out), "");
    EXPECT_EQ(out.name, flow.name);
    EXPECT_TRUE(out.any_stages);
    EXPECT_TRUE(out.done.empty());
    EXPECT_EQ(out.dedupe, 100 * kYear);
    constexpr const char* kKinds[] = {"total", "idle", "stage", "due"};
    std::string rules;
    for (const Rule& rule : out.rules) {
      rules += rule.name + " " + kKinds[raw(rule.kind)] + " " +
               std::to_string(rule.within / kSecond) + "s";
      EXPECT_EQ(rule.within % kSecond, 0);
      const char* separator = " from ";
      for (StageNo stage : rule.from) rules += separator + out.stages.at(stage);
      separator = " to ";
      for (StageNo stage : rule.to) {
        rules += separator + out.stages.at(stage);
        separator = ", ";
      }
      rules += "; ";
    }
    EXPECT_EQ(rules, flow.rules);
    std::string close;
    for (StageNo stage : out.close) close += " " + out.stages.at(stage);
    EXPECT_EQ(close, flow.close);
  }
  EXPECT_EQ(names_in(kFlows, ".toml"), names);
}

}  // namespace
}  // namespace warden::flow::test
