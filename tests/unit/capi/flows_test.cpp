// SPDX-License-Identifier: Apache-2.0
//
// Definitions as the store keeps them: versions, what items keep, stages that come
// as they are marked, texts that are refused.
#include "client.hpp"
#include "flow_texts.hpp"

namespace warden::test {
namespace {

std::string timer(const std::string& within) {
  return "[flow]\nname = \"f\"\nstages = []\n[[rule]]\nname = \"t\"\nkind = \"total\"\nwithin = "
         "\"" +
         within + "\"\n";
}

TEST(Flows, InfoTellsWhatWasUnderstood) {
  Store store;
  const warden_flow_info info = store.define(kUpload);
  EXPECT_EQ(info.stages, 5u);
  EXPECT_EQ(info.rules, 4u);
  EXPECT_EQ(info.any_stages, 0u);
  EXPECT_EQ(std::string(info.name, info.name_len), "upload");
  EXPECT_NE(info.version[0] | info.version[1], 0u);
  EXPECT_EQ(store.stats().flows, 1u);
  EXPECT_EQ(warden_flow_define(store.get(), kTimer, std::strlen(kTimer), nullptr, nullptr),
            WARDEN_OK);
  EXPECT_EQ(store.stats().flows, 2u);
}

TEST(Flows, TheSameTextAgainChangesNothing) {
  Store store;
  const warden_flow_info one = store.define(kUpload);
  const warden_flow_info two = store.define(kUpload);
  EXPECT_EQ(one.version[0], two.version[0]);
  EXPECT_EQ(one.version[1], two.version[1]);
  EXPECT_EQ(store.stats().flows, 1u);
}

TEST(Flows, ItemsKeepTheVersionTheyWereCreatedUnder) {
  Store store;
  const warden_flow_info ten = store.define(timer("10s"));
  EXPECT_EQ(store.track("old", "", {.at = 0}).r.deadline_ns, 10 * kS);
  store.submit("waiting", "", {.at = 0});
  const warden_flow_info twenty = store.define(timer("20s"));
  EXPECT_TRUE(ten.version[0] != twenty.version[0] || ten.version[1] != twenty.version[1]);
  EXPECT_EQ(store.track("new", "", {.at = 0}).r.deadline_ns, 20 * kS);
  EXPECT_EQ(store.get_item("old").raw.deadline_ns, 10 * kS);
  EXPECT_EQ(store.exec("waiting", {.at = 0}).r.deadline_ns, 10 * kS);
  // The older text again makes that version the newest.
  const warden_flow_info again = store.define(timer("10s"));
  EXPECT_EQ(again.version[0], ten.version[0]);
  EXPECT_EQ(store.track("third", "", {.at = 0}).r.deadline_ns, 10 * kS);
  EXPECT_EQ(store.stats().flows, 1u);
}

TEST(Flows, AKeyIsFoundUnderEveryVersion) {
  Store store;
  store.define(timer("10s"));
  store.track("k", "p", {.at = 0});
  store.define(timer("20s"));
  EXPECT_EQ(store.track("k", "p", {.at = 0}).code, WARDEN_EXISTING);
  EXPECT_EQ(store.complete("k", {.at = 0}).code, WARDEN_ON_TIME);
}

TEST(Flows, ARefusedTextChangesNothingAndSaysWhere) {
  Store store;
  store.define(timer("10s"));
  const std::string bad = timer("soon");
  warden_error error = WARDEN_ERROR_INIT;
  warden_flow_info info = WARDEN_FLOW_INFO_INIT;
  EXPECT_EQ(warden_flow_define(store.get(), bad.data(), bad.size(), &info, &error),
            WARDEN_E_FLOW_SYNTAX);
  EXPECT_EQ(error.code, WARDEN_E_FLOW_SYNTAX);
  EXPECT_EQ(error.line, 7u);
  EXPECT_EQ(error.column, 10u);
  EXPECT_NE(std::string(error.message).find("within"), std::string::npos) << error.message;
  EXPECT_EQ(info.name_len, 0u);
  EXPECT_EQ(store.track("k", "", {.at = 0}).r.deadline_ns, 10 * kS);
  EXPECT_EQ(warden_flow_define(store.get(), bad.data(), bad.size(), nullptr, nullptr),
            WARDEN_E_FLOW_SYNTAX);
  const std::string huge((1 << 20) + 1, '#');
  EXPECT_EQ(warden_flow_define(store.get(), huge.data(), huge.size(), nullptr, nullptr),
            WARDEN_E_TOO_LARGE);
}

TEST(Flows, AnyStagesTakeNamesAsTheyComeUpTo4096) {
  Store store;
  const warden_flow_info info = store.define(
      "[flow]\nname = \"f\"\nstages = \"any\"\nclose = [\"end\"]\n[[rule]]\nname = \"s\"\n"
      "kind = \"stage\"\nfrom = \"begin\"\nto = \"end\"\nwithin = \"10s\"\n");
  EXPECT_EQ(info.any_stages, 1u);
  EXPECT_EQ(info.stages, 2u) << "named in the text";
  store.track("k", "", {.at = 0});
  for (int i = 0; i < 4094; ++i) {
    ASSERT_EQ(store.mark("k", numbered("stage ", i), {.at = 1}).code, WARDEN_OK) << i;
  }
  EXPECT_EQ(store.get_item("k").stage, "stage 4093");
  EXPECT_EQ(store.mark("k", "one too many", {.at = 1}).code, WARDEN_E_UNKNOWN_STAGE);
  EXPECT_EQ(store.get_item("k").stage, "stage 4093");
  EXPECT_EQ(store.mark("k", "stage 0", {.at = 1}).code, WARDEN_OK) << "those there stay good";
  EXPECT_EQ(store.mark("k", "begin", {.at = 1}).code, WARDEN_OK);
  EXPECT_EQ(store.get_item("k").rule("s").status, WARDEN_RULE_ARMED);
  EXPECT_EQ(store.mark("k", "end", {.at = 2}).code, WARDEN_CLOSED);
}

TEST(Flows, NamesOfStagesHaveTheirLength) {
  Store store;
  store.define("[flow]\nname = \"f\"\nstages = \"any\"\n");
  store.track("k");
  EXPECT_EQ(store.mark("k", "").code, WARDEN_E_UNKNOWN_STAGE);
  EXPECT_EQ(store.mark("k", std::string(255, 's')).code, WARDEN_OK);
  EXPECT_EQ(store.mark("k", std::string(256, 's')).code, WARDEN_E_UNKNOWN_STAGE);
}

TEST(Flows, ARefusedMarkDoesNotSpendOneOfTheNames) {
  Store store;
  store.define("[flow]\nname = \"f\"\nstages = \"any\"\n[[rule]]\nname = \"d\"\nkind = \"due\"\n");
  store.track("k", "", {.at = 0});
  for (int i = 0; i < 4096; ++i) {
    ASSERT_EQ(store.mark("k", numbered("bad ", i), {.at = 0, .dues = {{"x", 1}}}).code,
              WARDEN_E_UNKNOWN_RULE);
  }
  EXPECT_EQ(store.mark("k", "good", {.at = 0}).code, WARDEN_OK);
}

TEST(Flows, AFlowWithoutRulesIsKeptAndCounted) {
  Store store;
  store.define("[flow]\nname = \"f\"\nstages = [\"a\"]\ndone = [\"a\"]\n");
  store.submit("k", "", {.at = 0, .ttl = kS});
  const Answer armed = store.exec("k", {.at = 0});
  EXPECT_EQ(armed.code, WARDEN_ARMED);
  EXPECT_EQ(armed.r.deadline_ns, WARDEN_NO_TIME);
  EXPECT_TRUE(store.get_item("k").rules.empty());
  EXPECT_EQ(store.mark("k", "a", {.at = 0}).code, WARDEN_CLOSED);
  store.submit("dies", "", {.at = 0, .ttl = kS});
  store.advance(2 * kS);
  EXPECT_EQ(store.stats().expired, 1u);
  store.expect_balance();
}

TEST(Flows, AHundredYearsAndAMillisecond) {
  Store store;
  store.define(timer("100y"));
  EXPECT_EQ(store.track("k", "", {.at = 0}).r.deadline_ns, 100 * kYear);
  store.define(timer("1ms"));
  EXPECT_EQ(store.track("m", "", {.at = 0}).r.deadline_ns, kMs);
  Consumer all = store.consumer("all");
  store.advance(100 * kYear);
  EXPECT_EQ(all.drain().size(), 1u);
  store.advance(100 * kYear + 1);
  EXPECT_EQ(all.drain().size(), 1u);
}

}  // namespace
}  // namespace warden::test
