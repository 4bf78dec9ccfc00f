// SPDX-License-Identifier: Apache-2.0
//
// Which alerts come, in which order and with which fields: warning, breach,
// escalations, SUSPICIOUS; ids and incidents; dues in the past; events out of order.
#include <algorithm>
#include <set>

#include "client.hpp"
#include "flow_texts.hpp"

namespace warden::test {
namespace {

class Levels : public ::testing::Test {
 protected:
  void TearDown() override { store_.expect_balance(); }
  Store store_;
};

TEST_F(Levels, InOrderWithTheirInstantsAndSeverities) {
  store_.define(kUpload);
  Consumer all = store_.consumer("all");
  store_.track("k", "pay", {.at = 0});
  store_.mark("k", "uploading", {.at = 70 * kS});
  store_.advance(1000 * kS);
  const std::vector<Alert> alerts = all.drain();
  ASSERT_EQ(alerts.size(), 4u);
  const std::uint32_t kinds[] = {WARDEN_KIND_WARN, WARDEN_KIND_BREACH, WARDEN_KIND_ESCALATION,
                                 WARDEN_KIND_ESCALATION};
  const std::int64_t instants[] = {80 * kS, 100 * kS, 110 * kS, 160 * kS};
  const std::uint32_t severities[] = {WARDEN_SEVERITY_WARNING, WARDEN_SEVERITY_ERROR,
                                      WARDEN_SEVERITY_CRITICAL, WARDEN_SEVERITY_CRITICAL};
  std::set<std::pair<std::uint64_t, std::uint64_t>> ids;
  for (std::size_t i = 0; i < 4; ++i) {
    const Alert& one = alerts[i];
    EXPECT_EQ(one.raw.kind, kinds[i]);
    EXPECT_EQ(one.raw.level, WARDEN_LEVEL_WARN + i);
    EXPECT_EQ(one.raw.deadline_ns, instants[i]);
    EXPECT_EQ(one.raw.raised_ns, instants[i]) << "never the tick";
    EXPECT_EQ(one.raw.detected_ns, 1000 * kS);
    EXPECT_EQ(one.raw.severity, severities[i]);
    EXPECT_EQ(one.raw.delivery, 1u);
    EXPECT_EQ(one.raw.arming, 1u);
    EXPECT_EQ(one.raw.tries, 1u);
    EXPECT_EQ(one.raw.flags, 0u);
    EXPECT_EQ(one.raw.lsn, 0u);
    EXPECT_EQ(one.flow, "upload");
    EXPECT_EQ(one.rule, "total");
    EXPECT_EQ(one.stage, "uploading");
    EXPECT_EQ(one.armed_stage, "");
    EXPECT_EQ(one.payload, "pay");
    EXPECT_EQ(one.incident(), alerts[0].incident());
    EXPECT_EQ(one.raw.incarnation, store_.get_item("k").raw.incarnation);
    EXPECT_EQ(one.raw.token, store_.get_item("k").raw.token);
    ids.insert(one.id());
  }
  EXPECT_EQ(ids.size(), 4u);
  EXPECT_EQ(store_.get_item("k").raw.alerts, 4u);
  EXPECT_EQ(store_.get_item("k").rule("total").level, WARDEN_LEVEL_BREACH + 2);
  EXPECT_EQ(store_.get_item("k").raw.overdue, 1u);
}

TEST_F(Levels, IdsAreTheSameForEveryConsumerAndDelivery) {
  store_.define(kTimer);
  warden_consumer_options quick = WARDEN_CONSUMER_OPTIONS_INIT;
  quick.lease_ns = kS;
  Consumer a = store_.consumer("a", &quick);
  Consumer b = store_.consumer("b");
  store_.track("k", "", {.at = 0});
  store_.advance(11 * kS);
  const std::vector<Alert> first = a.poll();
  ASSERT_EQ(first.size(), 1u);
  store_.advance(12 * kS);
  const std::vector<Alert> again = a.poll();
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0].id(), first[0].id());
  EXPECT_EQ(again[0].raw.delivery, 2u);
  EXPECT_NE(again[0].raw.lease, first[0].raw.lease);
  EXPECT_EQ(b.poll().at(0).id(), first[0].id());
}

TEST_F(Levels, IdsDifferByItemRuleArmingAndStore) {
  std::set<std::pair<std::uint64_t, std::uint64_t>> ids;
  std::set<std::pair<std::uint64_t, std::uint64_t>> incidents;
  for (int round = 0; round < 2; ++round) {
    Store store;
    store.define(
        "[flow]\nname = \"f\"\nstages = []\n[[rule]]\nname = \"t\"\nkind = \"total\"\n"
        "within = \"1s\"\n[[rule]]\nname = \"u\"\nkind = \"idle\"\nwithin = \"1s\"\n");
    Consumer all = store.consumer("all");
    for (const char* key : {"a", "b"}) {
      store.track(key, "", {.at = 0});
      store.touch(key, {.at = 5 * kS});
      store.touch(key, {.at = 10 * kS});
    }
    store.advance(20 * kS);
    const std::vector<Alert> alerts = all.drain();
    EXPECT_EQ(alerts.size(), 8u);
    for (const Alert& one : alerts) {
      ids.insert(one.id());
      incidents.insert(one.incident());
    }
  }
  EXPECT_EQ(ids.size(), 16u);
  EXPECT_EQ(incidents.size(), 16u);
}

TEST_F(Levels, StageRuleTellsWhatArmedItAndWhereItStands) {
  store_.define(kUpload);
  Consumer all = store_.consumer("all");
  store_.track("k", "", {.at = 0});
  store_.mark("k", "uploaded", {.at = 1 * kS});
  store_.mark("k", "uploading", {.at = 2 * kS});
  store_.advance(60 * kS);
  const std::vector<Alert> alerts = all.drain();
  ASSERT_EQ(alerts.size(), 1u);
  EXPECT_EQ(alerts[0].rule, "hand-off");
  EXPECT_EQ(alerts[0].armed_stage, "uploaded");
  EXPECT_EQ(alerts[0].stage, "uploading");
  EXPECT_EQ(alerts[0].raw.deadline_ns, 51 * kS);
}

TEST_F(Levels, ALateEventRaisesFirstWhatHadPassed) {
  store_.define(kUpload);
  Consumer all = store_.consumer("all");
  store_.track("k", "", {.at = 0});
  store_.mark("k", "uploaded", {.at = 1 * kS});
  const Answer late = store_.mark("k", "copied", {.at = 52 * kS});
  EXPECT_EQ(late.code, WARDEN_OK);
  EXPECT_EQ(late.r.alerts, 1u);
  const std::vector<Alert> alerts = all.drain();
  ASSERT_EQ(alerts.size(), 1u);
  EXPECT_EQ(alerts[0].stage, "uploaded") << "the stage at the breach";
  EXPECT_EQ(alerts[0].raw.detected_ns, 52 * kS);
  EXPECT_EQ(store_.get_item("k").rule("hand-off").status, WARDEN_RULE_MET);
}

TEST_F(Levels, ADueInThePastIsRaisedByTheVerbThatArmsIt) {
  store_.define(kUpload);
  Consumer all = store_.consumer("all");
  store_.track("k", "", {.at = 50 * kS, .dues = {{"promised", 20 * kS}}});
  std::vector<Alert> alerts = all.drain();
  ASSERT_EQ(alerts.size(), 1u);
  EXPECT_EQ(alerts[0].rule, "promised");
  EXPECT_EQ(alerts[0].raw.deadline_ns, 20 * kS);
  EXPECT_EQ(alerts[0].raw.raised_ns, 50 * kS);
  store_.mark("k", "backed-up", {.at = 50 * kS});
  EXPECT_EQ(store_.get_item("k").raw.alerts, 1u) << "a later event does not undo it";
  store_.track("now", "", {.at = 50 * kS, .dues = {{"promised", 50 * kS}}});
  EXPECT_TRUE(all.drain().empty()) << "exactly now is not past";
}

TEST_F(Levels, OnlyTheFirstDueCounts) {
  store_.define(kUpload);
  store_.track("k", "", {.at = 0, .dues = {{"promised", 20 * kS}}});
  store_.mark("k", "uploading", {.at = 1, .dues = {{"promised", 90 * kS}}});
  EXPECT_EQ(store_.get_item("k").rule("promised").deadline, 20 * kS);
  store_.track("m", "", {.at = 0});
  store_.mark("m", "backed-up", {.at = 1});
  store_.mark("m", "uploading", {.at = 2, .dues = {{"promised", 90 * kS}}});
  EXPECT_NE(store_.get_item("m").rule("promised").status, WARDEN_RULE_ARMED)
      << "one of `to` was already seen";
}

TEST_F(Levels, TooFastIsSuspicious) {
  store_.define(
      "[flow]\nname = \"f\"\nstages = [\"a\", \"b\", \"c\"]\n[[rule]]\nname = \"s\"\n"
      "kind = \"stage\"\nfrom = \"a\"\nto = \"b\"\nwithin = \"10s\"\nmin = \"2s\"\n");
  Consumer all = store_.consumer("all");
  store_.track("k", "", {.at = 0});
  store_.mark("k", "a", {.at = 0});
  store_.mark("k", "b", {.at = 2 * kS - 1});
  store_.track("ok", "", {.at = 0});
  store_.mark("ok", "a", {.at = 0});
  store_.mark("ok", "b", {.at = 2 * kS});
  const std::vector<Alert> alerts = all.drain();
  ASSERT_EQ(alerts.size(), 1u);
  EXPECT_EQ(alerts[0].key, "k");
  EXPECT_EQ(alerts[0].raw.kind, WARDEN_KIND_SUSPICIOUS);
  EXPECT_EQ(alerts[0].raw.level, WARDEN_LEVEL_SUSPICIOUS);
  EXPECT_EQ(alerts[0].raw.severity, WARDEN_SEVERITY_WARNING);
  EXPECT_EQ(alerts[0].raw.deadline_ns, 10 * kS);
  EXPECT_EQ(alerts[0].raw.raised_ns, 2 * kS - 1);
  EXPECT_EQ(alerts[0].armed_stage, "a");
  EXPECT_EQ(alerts[0].stage, "b") << "the stage that came too soon";
  store_.complete("k", {.at = 2 * kS});
  EXPECT_TRUE(all.drain().empty()) << "no RESOLVED follows it";
}

TEST_F(Levels, SuspiciousStageIsTheSameWhetherTheMarkClosesOrNot) {
  store_.define(
      "[flow]\nname = \"f\"\nstages = [\"a\", \"b\"]\nclose = [\"b\"]\n[[rule]]\nname = \"s\"\n"
      "kind = \"stage\"\nfrom = \"a\"\nto = \"b\"\nwithin = \"10s\"\nmin = \"2s\"\n");
  Consumer all = store_.consumer("all");
  store_.track("k", "", {.at = 0});
  store_.mark("k", "a", {.at = 0});
  EXPECT_EQ(store_.mark("k", "b", {.at = 1}).code, WARDEN_CLOSED);
  const std::vector<Alert> alerts = all.drain();
  ASSERT_EQ(alerts.size(), 1u) << "lasting: the closing does not withdraw it";
  EXPECT_EQ(alerts[0].stage, "b");
}

TEST_F(Levels, ACancelIsNotTooFast) {
  store_.define(
      "[flow]\nname = \"f\"\nstages = []\n[[rule]]\nname = \"t\"\nkind = \"total\"\n"
      "within = \"10s\"\nmin = \"2s\"\n");
  store_.track("a", "", {.at = 0});
  store_.track("b", "", {.at = 0});
  store_.cancel("a", {.at = 1});
  EXPECT_EQ(store_.stats().alerts_raised, 0u);
  store_.complete("b", {.at = 1});
  EXPECT_EQ(store_.stats().alerts_raised, 1u);
}

TEST_F(Levels, MoreAlertsThanAnItemCountsAreStillAllRaised) {
  store_.define(
      "[flow]\nname = \"f\"\nstages = []\n[[rule]]\nname = \"i\"\nkind = \"idle\"\n"
      "within = \"10s\"\nmin = \"1s\"\n");
  store_.track("k", "", {.at = 0});
  constexpr std::uint64_t kTouches = 66000;
  for (std::uint64_t i = 0; i < kTouches; ++i) store_.touch("k", {.at = 1});
  EXPECT_EQ(store_.stats().alerts_raised, kTouches);
}

TEST_F(Levels, EventsOutOfOrderRunInTheItemsOwnTime) {
  store_.define(kTimer);
  store_.track("k", "", {.at = 5 * kS});
  store_.touch("k", {.at = 9 * kS});
  store_.touch("k", {.at = 7 * kS});
  EXPECT_EQ(store_.get_item("k").raw.last_event_ns, 9 * kS) << "the latest it has seen";
  // Another item may live in quite another time.
  store_.track("past", "", {.at = -40 * kYear});
  const Answer done = store_.complete("past", {.at = -40 * kYear + 11 * kS});
  EXPECT_EQ(done.code, WARDEN_LATE);
  EXPECT_EQ(done.r.late_ns, 1 * kS);
}

TEST_F(Levels, ALeadLongerThanWhatIsLeftWarnsAtOnce) {
  store_.define(
      "[flow]\nname = \"f\"\nstages = []\n[[rule]]\nname = \"d\"\nkind = \"due\"\n"
      "warn_at = \"1d\"\n");
  Consumer all = store_.consumer("all");
  store_.track("k", "", {.at = 0, .dues = {{"d", kH}}});
  const std::vector<Alert> alerts = all.drain();
  ASSERT_EQ(alerts.size(), 1u);
  EXPECT_EQ(alerts[0].raw.kind, WARDEN_KIND_WARN);
  EXPECT_EQ(alerts[0].raw.deadline_ns, kH - 24 * kH);
  EXPECT_EQ(alerts[0].raw.raised_ns, 0);
}

}  // namespace
}  // namespace warden::test
