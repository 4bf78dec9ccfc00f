// SPDX-License-Identifier: Apache-2.0
//
// From submit to the last mark, one item at a time: every answer of the verbs that
// keep an item open, seq, fencing by incarnation and by token, what get shows.
#include "client.hpp"
#include "flow_texts.hpp"

namespace warden::test {
namespace {

class Items : public ::testing::Test {
 protected:
  void SetUp() override { store_.define(kUpload); }
  void TearDown() override { store_.expect_balance(); }
  Store store_;
};

TEST_F(Items, SubmitAnswersNewThenExistingThenConflict) {
  const Answer first = store_.submit("k", "payload", {.at = 5});
  EXPECT_EQ(first.code, WARDEN_NEW);
  EXPECT_EQ(first.r.state, WARDEN_STATE_SUBMITTED);
  EXPECT_EQ(first.r.token, 0u);
  EXPECT_EQ(first.r.tries, 0u);
  EXPECT_NE(first.r.incarnation, 0u);
  EXPECT_EQ(first.r.deadline_ns, WARDEN_NO_TIME) << "its deadlines rest until exec";
  EXPECT_EQ(first.r.lsn, 0u);
  EXPECT_EQ(first.r.durability, WARDEN_DURABILITY_VOLATILE);
  const Answer again = store_.submit("k", "payload");
  EXPECT_EQ(again.code, WARDEN_EXISTING);
  EXPECT_EQ(again.r.incarnation, first.r.incarnation);
  const Answer other = store_.submit("k", "another");
  EXPECT_EQ(other.code, WARDEN_E_CONFLICT);
  EXPECT_EQ(other.r.incarnation, first.r.incarnation);
  EXPECT_EQ(store_.get_item("k").payload, "payload");
  EXPECT_EQ(store_.stats().submitted, 1u);
  EXPECT_EQ(store_.stats().submitted_total, 1u);
}

TEST_F(Items, ExecArmsOnceAndGivesAToken) {
  store_.submit("k", "", {.at = 1 * kS});
  const Answer armed = store_.exec("k", {.at = 2 * kS});
  EXPECT_EQ(armed.code, WARDEN_ARMED);
  EXPECT_EQ(armed.r.state, WARDEN_STATE_LIVE);
  EXPECT_EQ(armed.r.tries, 1u);
  EXPECT_NE(armed.r.token, 0u);
  EXPECT_EQ(armed.r.deadline_ns, 102 * kS);
  const Answer again = store_.exec("k", {.at = 50 * kS});
  EXPECT_EQ(again.code, WARDEN_ALREADY_ARMED);
  EXPECT_EQ(again.r.token, armed.r.token);
  EXPECT_EQ(again.r.tries, 1u);
  EXPECT_EQ(again.r.deadline_ns, 102 * kS) << "not armed anew";
  EXPECT_EQ(store_.exec("nobody").code, WARDEN_E_UNKNOWN_ITEM);
}

TEST_F(Items, TrackIsBothInOneStep) {
  const Answer fresh = store_.track("k", "p", {.at = 0});
  EXPECT_EQ(fresh.code, WARDEN_NEW);
  EXPECT_EQ(fresh.r.state, WARDEN_STATE_LIVE);
  EXPECT_EQ(fresh.r.tries, 1u);
  EXPECT_EQ(fresh.r.deadline_ns, 100 * kS);
  EXPECT_EQ(store_.track("k", "p").code, WARDEN_EXISTING);
  EXPECT_EQ(store_.track("k", "q").code, WARDEN_E_CONFLICT);

  store_.submit("later", "p", {.at = 0});
  const Answer begun = store_.track("later", "p", {.at = 7 * kS});
  EXPECT_EQ(begun.code, WARDEN_EXISTING);
  EXPECT_EQ(begun.r.state, WARDEN_STATE_LIVE) << "armed now, as it was only submitted";
  EXPECT_EQ(begun.r.deadline_ns, 107 * kS);
  EXPECT_EQ(store_.stats().live, 2u);
  EXPECT_EQ(store_.stats().submitted, 0u);
}

TEST_F(Items, TrackIsRefusedWhole) {
  const With wrong{.at = 0, .dues = {{"promised", 5}, {"nosuch", 5}}};
  EXPECT_EQ(store_.track("k", "p", wrong).code, WARDEN_E_UNKNOWN_RULE);
  EXPECT_EQ(store_.get_item("k").code, WARDEN_E_UNKNOWN_ITEM);
  EXPECT_EQ(store_.track("k", "p", {.at = 0, .dues = {{"total", 5}}}).code, WARDEN_E_UNKNOWN_RULE)
      << "a rule, but not of kind due";
  EXPECT_EQ(store_.stats().submitted_total, 0u);
  EXPECT_EQ(store_.stats().timers, 0u);
  store_.submit("s", "p", {.at = 0});
  EXPECT_EQ(store_.track("s", "p", wrong).code, WARDEN_E_UNKNOWN_RULE);
  EXPECT_EQ(store_.get_item("s").raw.state, WARDEN_STATE_SUBMITTED);
  EXPECT_EQ(store_.exec("s", wrong).code, WARDEN_E_UNKNOWN_RULE);
  EXPECT_EQ(store_.get_item("s").raw.state, WARDEN_STATE_SUBMITTED);
}

TEST_F(Items, MarkPassesStagesAndTheLastOfDoneCloses) {
  store_.track("k", "", {.at = 0});
  EXPECT_EQ(store_.mark("k", "uploading", {.at = 1}).code, WARDEN_OK);
  EXPECT_EQ(store_.get_item("k").stage, "uploading");
  EXPECT_EQ(store_.mark("k", "backed-up", {.at = 2}).code, WARDEN_OK) << "in any order";
  const Answer last = store_.mark("k", "copied", {.at = 3});
  EXPECT_EQ(last.code, WARDEN_CLOSED);
  EXPECT_EQ(last.r.state, WARDEN_STATE_CLOSED);
  EXPECT_EQ(last.r.verdict, WARDEN_VERDICT_DONE);
  const Answer after = store_.mark("k", "uploading", {.at = 4});
  EXPECT_EQ(after.code, WARDEN_CLOSED);
  EXPECT_EQ(after.r.verdict, WARDEN_VERDICT_DONE);
  EXPECT_EQ(store_.stats().done, 1u);
}

TEST_F(Items, AnyOneOfCloseEndsIt) {
  store_.track("k");
  EXPECT_EQ(store_.mark("k", "rejected").code, WARDEN_CLOSED);
}

TEST_F(Items, MarkRefusals) {
  EXPECT_EQ(store_.mark("nobody", "copied").code, WARDEN_E_UNKNOWN_ITEM);
  store_.submit("s");
  const Answer early = store_.mark("s", "uploading");
  EXPECT_EQ(early.code, WARDEN_E_BAD_STATE);
  EXPECT_EQ(early.r.state, WARDEN_STATE_SUBMITTED);
  EXPECT_EQ(store_.touch("s").code, WARDEN_E_BAD_STATE);
  store_.track("k", "", {.at = 0});
  EXPECT_EQ(store_.mark("k", "Copied").code, WARDEN_E_UNKNOWN_STAGE);
  EXPECT_EQ(store_.mark("k", "").code, WARDEN_E_UNKNOWN_STAGE);
  EXPECT_EQ(store_.mark("k", "copied", {.dues = {{"hand-off", 1}}}).code, WARDEN_E_UNKNOWN_RULE);
  EXPECT_EQ(store_.mark("k", "copied", {.dues = {{"promised", WARDEN_NO_TIME}}}).code,
            WARDEN_E_OUT_OF_RANGE);
  EXPECT_EQ(store_.mark("k", "copied", {.dues = {{"promised", INT64_MAX}}}).code,
            WARDEN_E_OUT_OF_RANGE);
  EXPECT_EQ(store_.get_item("k").stage, "") << "nothing was changed";
  EXPECT_EQ(store_.mark("k", "copied").code, WARDEN_OK);
}

TEST_F(Items, ADueThatClosesTheItemIsStillChecked) {
  store_.track("k", "", {.at = 0});
  EXPECT_EQ(store_.mark("k", "rejected", {.at = 1, .dues = {{"nosuch", 1}}}).code,
            WARDEN_E_UNKNOWN_RULE);
  EXPECT_EQ(store_.get_item("k").code, WARDEN_OK);
  EXPECT_EQ(store_.mark("k", "rejected", {.at = 1, .dues = {{"promised", 0}}}).code, WARDEN_CLOSED);
  EXPECT_EQ(store_.stats().alerts_raised, 0u);
}

TEST_F(Items, TouchArmsIdleAnewAndNothingElse) {
  store_.track("k", "", {.at = 0});
  const Answer touched = store_.touch("k", {.at = 40 * kS});
  EXPECT_EQ(touched.code, WARDEN_OK);
  EXPECT_EQ(touched.r.deadline_ns, 100 * kS) << "the earliest";
  const Item item = store_.get_item("k");
  EXPECT_EQ(item.rule("total").deadline, 100 * kS);
  EXPECT_EQ(item.rule("total").arming, 1u);
  EXPECT_EQ(item.rule("quiet").deadline, 1040 * kS);
  EXPECT_EQ(item.rule("quiet").arming, 2u);
  EXPECT_EQ(item.stage, "");
  EXPECT_EQ(store_.touch("nobody").code, WARDEN_E_UNKNOWN_ITEM);
  store_.complete("k", {.at = 50 * kS});
  EXPECT_EQ(store_.touch("k", {.at = 50 * kS}).code, WARDEN_CLOSED);
}

TEST_F(Items, SeqAtOrBelowTheLastOneChangesNothing) {
  EXPECT_EQ(store_.track("k", "", {.at = 0, .seq = 10}).code, WARDEN_NEW);
  EXPECT_EQ(store_.track("k", "", {.at = 0, .seq = 10}).code, WARDEN_EXISTING);
  EXPECT_EQ(store_.mark("k", "uploading", {.at = 1, .seq = 10}).code, WARDEN_ALREADY);
  EXPECT_EQ(store_.mark("k", "uploading", {.at = 1, .seq = 9}).code, WARDEN_ALREADY);
  EXPECT_EQ(store_.get_item("k").stage, "");
  EXPECT_EQ(store_.mark("k", "uploading", {.at = 1, .seq = 11}).code, WARDEN_OK);
  EXPECT_EQ(store_.touch("k", {.at = 2, .seq = 11}).code, WARDEN_ALREADY);
  EXPECT_EQ(store_.exec("k", {.at = 2, .seq = 11}).code, WARDEN_ALREADY);
  EXPECT_EQ(store_.extend_by("k", "total", kS, {.at = 2, .seq = 11}).code, WARDEN_ALREADY);
  EXPECT_EQ(store_.complete("k", {.at = 2, .seq = 11}).code, WARDEN_ALREADY);
  EXPECT_EQ(store_.cancel("k", {.at = 2, .seq = 11}).code, WARDEN_ALREADY);
  EXPECT_EQ(store_.get_item("k").raw.seq, 11u);
  EXPECT_EQ(store_.touch("k", {.at = 2}).code, WARDEN_OK) << "without a seq";
  EXPECT_EQ(store_.get_item("k").raw.seq, 11u);
  EXPECT_EQ(store_.mark("k", "uploaded", {.at = 3, .seq = UINT64_MAX}).code, WARDEN_OK);
  EXPECT_EQ(store_.stats().already, 8u) << "ALREADY, and the second track";
}

TEST_F(Items, ARefusedVerbDoesNotSpendItsSeq) {
  store_.track("k", "", {.at = 0, .seq = 1});
  EXPECT_EQ(store_.mark("k", "nosuch", {.at = 1, .seq = 2}).code, WARDEN_E_UNKNOWN_STAGE);
  EXPECT_EQ(store_.mark("k", "uploading", {.at = 1, .seq = 2}).code, WARDEN_OK);
}

TEST_F(Items, FencingByIncarnation) {
  const std::uint64_t mine = store_.track("k").r.incarnation;
  EXPECT_EQ(store_.touch("k", {.incarnation = mine}).code, WARDEN_OK);
  for (const Answer& one : {store_.touch("k", {.incarnation = mine + 1}),
                            store_.mark("k", "copied", {.incarnation = mine + 1}),
                            store_.exec("k", {.incarnation = mine + 1}),
                            store_.extend_to("k", "total", 5, {.incarnation = mine + 1}),
                            store_.complete("k", {.incarnation = mine + 1}),
                            store_.cancel("k", {.incarnation = mine + 1})}) {
    EXPECT_EQ(one.code, WARDEN_E_FENCED);
    EXPECT_EQ(one.r.incarnation, mine) << "tells who is there";
  }
  EXPECT_EQ(store_.complete("k", {.incarnation = mine}).code, WARDEN_ON_TIME);
  EXPECT_EQ(store_.complete("k", {.incarnation = mine}).code, WARDEN_ALREADY_DONE);
  EXPECT_EQ(store_.complete("k", {.incarnation = mine + 1}).code, WARDEN_E_FENCED);
  EXPECT_EQ(store_.track("new", "", {.incarnation = 5}).code, WARDEN_E_FENCED)
      << "of an item that is not there";
}

TEST_F(Items, FencingByToken) {
  store_.submit("k");
  EXPECT_EQ(store_.exec("k", {.token = 1}).code, WARDEN_E_FENCED) << "it has none before exec";
  const std::uint64_t token = store_.exec("k").r.token;
  EXPECT_EQ(store_.mark("k", "uploading", {.token = token}).code, WARDEN_OK);
  const Answer old = store_.mark("k", "uploaded", {.token = token - 1});
  EXPECT_EQ(old.code, WARDEN_E_FENCED);
  EXPECT_EQ(old.r.token, token) << "tells the current one";
  EXPECT_EQ(store_.touch("k", {.token = token - 1}).code, WARDEN_E_FENCED);
  EXPECT_EQ(store_.get_item("k").stage, "uploading");
  EXPECT_EQ(store_.complete("k").code, WARDEN_ON_TIME) << "needs no token";
}

TEST_F(Items, IncarnationsAreNeverUsedAgain) {
  store_.define("[flow]\nname = \"short\"\nstages = []\ndedupe = \"1ms\"\n");
  std::uint64_t last = 0;
  for (int i = 0; i < 100; ++i) {
    const Answer one = store_.track("k", "", {.at = i * 10 * kS});
    ASSERT_EQ(one.code, WARDEN_NEW) << i;
    EXPECT_GT(one.r.incarnation, last);
    last = one.r.incarnation;
    ASSERT_EQ(store_.complete("k", {.at = i * 10 * kS}).code, WARDEN_ON_TIME);
  }
}

TEST_F(Items, GetShowsItAsItStands) {
  store_.track(
      "key\0with\xff"
      "bytes",
      "pay", {.at = 3, .seq = 4});
  const std::string_view key(
      "key\0with\xff"
      "bytes",
      14);
  store_.track(key, std::string_view("\0p", 2), {.at = 10, .seq = 4});
  store_.mark(key, "uploaded", {.at = 20, .seq = 5, .dues = {{"promised", 30}}});
  const Item item = store_.get_item(key);
  EXPECT_EQ(item.code, WARDEN_OK);
  EXPECT_EQ(item.flow, "upload");
  EXPECT_EQ(item.key, key);
  EXPECT_EQ(item.stage, "uploaded");
  EXPECT_EQ(item.payload, std::string("\0p", 2));
  EXPECT_EQ(item.raw.seq, 5u);
  EXPECT_EQ(item.raw.created_ns, 10);
  EXPECT_EQ(item.raw.last_event_ns, 20);
  EXPECT_EQ(item.raw.deadline_ns, 30);
  EXPECT_EQ(item.raw.state, WARDEN_STATE_LIVE);
  EXPECT_EQ(item.raw.verdict, WARDEN_VERDICT_NONE);
  EXPECT_EQ(item.raw.tries, 1u);
  EXPECT_EQ(item.raw.alerts, 0u);
  EXPECT_EQ(item.raw.overdue, 0u);
  EXPECT_EQ(item.raw.rules_offset % 8, 0u);
  ASSERT_EQ(item.rules.size(), 4u);
  EXPECT_EQ(item.rule("hand-off").deadline, 20 + 50 * kS);
  EXPECT_EQ(item.rule("hand-off").status, WARDEN_RULE_ARMED);
  EXPECT_EQ(item.rule("promised").status, WARDEN_RULE_ARMED);
}

TEST_F(Items, GetOfASubmittedItemShowsRestingRules) {
  store_.submit("k", "", {.at = 0, .ttl = 5 * kS});
  const Item item = store_.get_item("k");
  ASSERT_EQ(item.rules.size(), 4u);
  for (const Rule& rule : item.rules) {
    EXPECT_EQ(rule.status, WARDEN_RULE_RESTING) << rule.name;
    EXPECT_EQ(rule.deadline, WARDEN_NO_TIME) << rule.name;
    EXPECT_EQ(rule.arming, 0u) << rule.name;
  }
}

TEST_F(Items, ARuleNeverArmedIsNotShownAsArmed) {
  store_.track("k", "", {.at = 0});
  store_.mark("k", "copied", {.at = 1});
  store_.mark("k", "uploaded", {.at = 2});
  EXPECT_EQ(store_.get_item("k").rule("hand-off").arming, 0u) << "`to` was there before `from`";
  EXPECT_NE(store_.get_item("k").rule("hand-off").status, WARDEN_RULE_ARMED);
}

TEST_F(Items, KeysOfTwoFlowsAreTwoItems) {
  store_.track("k", "1");
  store_.define(kTimer);
  EXPECT_EQ(store_.track("k", "2").code, WARDEN_NEW);
  EXPECT_EQ(store_.get_item("k").payload, "2");
  store_.flow = "upload";
  EXPECT_EQ(store_.get_item("k").payload, "1");
}

}  // namespace
}  // namespace warden::test
