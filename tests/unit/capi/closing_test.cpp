// SPDX-License-Identifier: Apache-2.0
//
// How items end: complete, cancel, TTL; what is remembered of them, for how long
// and how many; completions that come before their items.
#include <set>

#include "client.hpp"
#include "flow_texts.hpp"

namespace warden::test {
namespace {

class Closing : public ::testing::Test {
 protected:
  void SetUp() override { store_.define(kUpload); }
  void TearDown() override { store_.expect_balance(); }
  Store store_;
};

TEST_F(Closing, CompleteOnTimeEvenExactlyAtTheDeadline) {
  store_.track("k", "", {.at = 0});
  const Answer done = store_.complete("k", {.at = 100 * kS});
  EXPECT_EQ(done.code, WARDEN_ON_TIME);
  EXPECT_EQ(done.r.late_ns, 0);
  EXPECT_EQ(done.r.verdict, WARDEN_VERDICT_DONE);
  EXPECT_EQ(done.r.state, WARDEN_STATE_CLOSED);
  EXPECT_EQ(done.r.deadline_ns, WARDEN_NO_TIME);
  EXPECT_EQ(done.r.alerts, 1u) << "the warning at 80 s";
}

TEST_F(Closing, LateByOneNanosecond) {
  store_.track("k", "", {.at = 0});
  const Answer done = store_.complete("k", {.at = 100 * kS + 1});
  EXPECT_EQ(done.code, WARDEN_LATE);
  EXPECT_EQ(done.r.late_ns, 1);
  EXPECT_EQ(done.r.alerts, 2u);
}

TEST_F(Closing, LateCountsFromTheEarliestMissedDeadline) {
  store_.track("k", "", {.at = 0, .dues = {{"promised", 60 * kS}}});
  const Answer done = store_.complete("k", {.at = 130 * kS});
  EXPECT_EQ(done.code, WARDEN_LATE);
  EXPECT_EQ(done.r.late_ns, 70 * kS);
}

TEST_F(Closing, CompleteIsIdempotentAndTellsTheFirstVerdict) {
  store_.track("k");
  EXPECT_EQ(store_.cancel("k").code, WARDEN_OK);
  const Answer after = store_.complete("k");
  EXPECT_EQ(after.code, WARDEN_ALREADY_DONE);
  EXPECT_EQ(after.r.verdict, WARDEN_VERDICT_CANCELLED);
  EXPECT_EQ(store_.cancel("k").code, WARDEN_ALREADY_DONE);
  EXPECT_EQ(store_.exec("k").code, WARDEN_ALREADY_DONE);
  EXPECT_EQ(store_.submit("k").code, WARDEN_ALREADY_DONE);
  EXPECT_EQ(store_.track("k", "other payload").code, WARDEN_ALREADY_DONE);
  EXPECT_EQ(store_.extend_to("k", "total", 5).code, WARDEN_CLOSED);
  EXPECT_EQ(store_.stats().cancelled, 1u);
  EXPECT_EQ(store_.stats().done, 0u);
}

TEST_F(Closing, ASubmittedItemMayBeCompletedOrCancelled) {
  store_.submit("a");
  store_.submit("b");
  EXPECT_EQ(store_.complete("a").code, WARDEN_ON_TIME);
  EXPECT_EQ(store_.cancel("b").code, WARDEN_OK);
  EXPECT_EQ(store_.stats().submitted, 0u);
  EXPECT_EQ(store_.complete("c").code, WARDEN_E_UNKNOWN_ITEM);
  EXPECT_EQ(store_.cancel("c").code, WARDEN_E_UNKNOWN_ITEM);
}

TEST_F(Closing, GetTellsTheVerdictOfAKeyStillRemembered) {
  const std::uint64_t incarnation = store_.track("k", "p").r.incarnation;
  store_.complete("k");
  const Item item = store_.get_item("k");
  EXPECT_EQ(item.code, WARDEN_ALREADY_DONE);
  EXPECT_EQ(item.raw.state, WARDEN_STATE_CLOSED);
  EXPECT_EQ(item.raw.verdict, WARDEN_VERDICT_DONE);
  EXPECT_EQ(item.raw.incarnation, incarnation);
  EXPECT_EQ(item.payload, "");
}

TEST_F(Closing, TtlExpiresWhatWasNeverExeced) {
  Consumer all = store_.consumer("all");
  store_.submit("k", "p", {.at = 0, .ttl = 5 * kS});
  store_.submit("begun", "p", {.at = 0, .ttl = 5 * kS});
  store_.submit("never", "p", {.at = 0});
  store_.exec("begun", {.at = 5 * kS});
  store_.advance(5 * kS);
  EXPECT_TRUE(all.poll().empty()) << "exactly at its time it may still begin";
  store_.advance(5 * kS + 1);
  const std::vector<Alert> alerts = all.poll();
  ASSERT_EQ(alerts.size(), 1u);
  EXPECT_EQ(alerts[0].key, "k");
  EXPECT_EQ(alerts[0].payload, "p");
  EXPECT_EQ(alerts[0].rule, "");
  EXPECT_EQ(alerts[0].raw.kind, WARDEN_KIND_EXPIRED);
  EXPECT_EQ(alerts[0].raw.deadline_ns, 5 * kS);
  EXPECT_EQ(alerts[0].raw.raised_ns, 5 * kS);
  EXPECT_EQ(store_.stats().expired, 1u);
  const Answer late = store_.exec("k", {.at = 6 * kS});
  EXPECT_EQ(late.code, WARDEN_ALREADY_DONE);
  EXPECT_EQ(late.r.verdict, WARDEN_VERDICT_EXPIRED);
  EXPECT_EQ(store_.get_item("never").raw.state, WARDEN_STATE_SUBMITTED);
}

TEST_F(Closing, TtlIsAlsoSeenByTheVerbThatComesTooLate) {
  struct Case {
    const char* key;
    std::int32_t code;
  };
  for (const char* key : {"exec", "submit", "track", "mark", "touch", "complete", "cancel"}) {
    store_.submit(key, "", {.at = 0, .ttl = 1 * kS});
  }
  const With late{.at = 1 * kS + 1};
  EXPECT_EQ(store_.exec("exec", late).code, WARDEN_ALREADY_DONE);
  EXPECT_EQ(store_.submit("submit", "", late).code, WARDEN_ALREADY_DONE);
  EXPECT_EQ(store_.track("track", "", late).code, WARDEN_ALREADY_DONE);
  EXPECT_EQ(store_.mark("mark", "copied", late).code, WARDEN_CLOSED);
  EXPECT_EQ(store_.touch("touch", late).code, WARDEN_CLOSED);
  const Answer complete = store_.complete("complete", late);
  EXPECT_EQ(complete.code, WARDEN_ALREADY_DONE);
  EXPECT_EQ(complete.r.verdict, WARDEN_VERDICT_EXPIRED);
  EXPECT_EQ(complete.r.alerts, 1u);
  EXPECT_EQ(store_.cancel("cancel", late).code, WARDEN_ALREADY_DONE);
  EXPECT_EQ(store_.stats().expired, 7u);
  EXPECT_EQ(store_.stats().alerts_raised, 7u);
}

TEST_F(Closing, TtlHasARange) {
  EXPECT_EQ(store_.submit("k", "", {.at = 0, .ttl = kMs - 1}).code, WARDEN_E_OUT_OF_RANGE);
  EXPECT_EQ(store_.submit("k", "", {.at = 0, .ttl = -1}).code, WARDEN_E_OUT_OF_RANGE);
  EXPECT_EQ(store_.submit("k", "", {.at = 0, .ttl = 100 * kYear + 1}).code, WARDEN_E_OUT_OF_RANGE);
  EXPECT_EQ(store_.submit("a", "", {.at = 0, .ttl = kMs}).code, WARDEN_NEW);
  EXPECT_EQ(store_.submit("b", "", {.at = 0, .ttl = 100 * kYear}).code, WARDEN_NEW);
}

TEST_F(Closing, TheDedupeWindowKeepsTheKeyAndThenLetsItGo) {
  store_.track("k", "", {.at = 0});
  const std::uint64_t first = store_.complete("k", {.at = 10 * kS}).r.incarnation;
  EXPECT_EQ(store_.track("k", "", {.at = 10 * kS + kH}).code, WARDEN_ALREADY_DONE);
  EXPECT_EQ(store_.stats().tombstones, 1u);
  // Coarse: in whole seconds, and never too soon.
  const Answer anew = store_.track("k", "", {.at = 12 * kS + kH});
  EXPECT_EQ(anew.code, WARDEN_NEW);
  EXPECT_GT(anew.r.incarnation, first);
  EXPECT_EQ(store_.stats().tombstones, 0u);
}

TEST_F(Closing, TheWindowPassesWithTheClockToo) {
  store_.track("k", "", {.at = 0});
  store_.complete("k", {.at = 0});
  store_.advance(kH);
  EXPECT_EQ(store_.get_item("k").code, WARDEN_ALREADY_DONE);
  store_.advance(kH + 2 * kS);
  EXPECT_EQ(store_.get_item("k").code, WARDEN_E_UNKNOWN_ITEM);
}

TEST_F(Closing, AnotherItemsTimeDoesNotEndTheWindowOfThisOne) {
  // Feeders need not agree on an instant: some of the items are in year 40.
  for (int i = 0; i < 500; ++i) {
    const std::string key = numbered("old", i);
    store_.track(key, "", {.at = 0});
    store_.complete(key, {.at = 0});
  }
  for (int i = 0; i < 5000; ++i) {
    const std::string key = numbered("far", i);
    store_.track(key, "", {.at = 40 * kYear});
    store_.complete(key, {.at = 40 * kYear});
  }
  int forgotten = 0;
  for (int i = 0; i < 500; ++i) {
    const std::string key = numbered("old", i);
    forgotten += store_.track(key, "", {.at = 1}).code != WARDEN_ALREADY_DONE;
  }
  EXPECT_EQ(forgotten, 0);
}

TEST(Dedupe, AtMostDedupeMaxAreKeptAndTheOldestGoFirst) {
  Store store{{"clock", "manual"}, {"stripes", "16"}, {"dedupe_max", "100"}};
  store.define(kTimer);
  for (int i = 0; i < 1000; ++i) {
    const std::string key = numbered("k", i);
    store.track(key, "", {.at = 0});
    store.complete(key, {.at = 0});
    ASSERT_LE(store.stats().tombstones, 100u) << i;
  }
  EXPECT_EQ(store.stats().tombstones, 100u);
  EXPECT_EQ(store.get_item("k999").code, WARDEN_ALREADY_DONE);
  EXPECT_EQ(store.get_item("k0").code, WARDEN_E_UNKNOWN_ITEM);
  EXPECT_EQ(store.track("k0", "", {.at = 0}).code, WARDEN_NEW);
  store.expect_balance();
}

TEST(Dedupe, NoneAreKeptWithDedupeMaxZero) {
  Store store{{"clock", "manual"}, {"dedupe_max", "0"}};
  store.define(kTimer);
  for (int i = 0; i < 100; ++i) {
    const std::string key = numbered("k", i % 7);
    ASSERT_EQ(store.track(key, "", {.at = 0}).code, WARDEN_NEW);
    ASSERT_EQ(store.complete(key, {.at = 0}).code, WARDEN_ON_TIME);
    ASSERT_EQ(store.stats().tombstones, 0u);
  }
  EXPECT_EQ(store.complete("early", {.at = 0, .allow_early = true}).code, WARDEN_E_LIMIT)
      << "what cannot be remembered is not said to be";
  store.expect_balance();
}

TEST_F(Closing, AnEarlyCompletionIsRememberedForTheItemToCome) {
  const Answer early = store_.complete("k", {.at = 0, .allow_early = true});
  EXPECT_EQ(early.code, WARDEN_RECORDED_EARLY);
  EXPECT_EQ(early.r.verdict, WARDEN_VERDICT_DONE);
  EXPECT_EQ(store_.complete("k", {.at = 0, .allow_early = true}).code, WARDEN_ALREADY_DONE);
  const Answer late = store_.track("k", "p", {.at = 1});
  EXPECT_EQ(late.code, WARDEN_DONE_EARLY);
  EXPECT_EQ(late.r.verdict, WARDEN_VERDICT_DONE);
  EXPECT_EQ(store_.submit("k", "p", {.at = 1}).code, WARDEN_DONE_EARLY);
  const warden_stats stats = store_.stats();
  EXPECT_EQ(stats.early, 1u);
  EXPECT_EQ(stats.submitted_total, 0u) << "counted beside the balance";
  EXPECT_EQ(stats.done, 0u);
  EXPECT_EQ(store_.track("k", "p", {.at = 2 * kH}).code, WARDEN_NEW) << "after the window";
}

TEST_F(Closing, CompletionOfAKnownKeyIsNotEarly) {
  store_.track("k", "", {.at = 0});
  EXPECT_EQ(store_.complete("k", {.at = 0, .allow_early = true}).code, WARDEN_ON_TIME);
  EXPECT_EQ(store_.stats().early, 0u);
}

TEST_F(Closing, ClosingBeforeAnAlertWasHandedOutWithdrawsIt) {
  Consumer plain = store_.consumer("plain");
  warden_consumer_options with_audit = WARDEN_CONSUMER_OPTIONS_INIT;
  with_audit.audit = 1;
  Consumer audit = store_.consumer("audit", &with_audit);
  store_.track("k", "", {.at = 0});
  store_.advance(100 * kS + 1);
  store_.complete("k", {.at = 100 * kS + 1});
  EXPECT_TRUE(plain.poll().empty());
  EXPECT_EQ(store_.stats().alerts_withdrawn, 2u + 2u) << "by consumer";
  std::vector<Alert> seen = audit.drain();
  ASSERT_EQ(seen.size(), 2u) << "the audit gets them all the same, and no RESOLVED";
  for (const Alert& one : seen) EXPECT_EQ(one.raw.flags, WARDEN_ALERT_WITHDRAWN);
  EXPECT_EQ(store_.stats().alerts_kept, 0u);
}

TEST_F(Closing, ClosingAfterTheLeaseIsFollowedByResolved) {
  Consumer all = store_.consumer("all");
  store_.track("k", "p", {.at = 0});
  store_.advance(100 * kS + 1);
  std::vector<Alert> told = all.drain();
  ASSERT_EQ(told.size(), 2u);
  store_.complete("k", {.at = 105 * kS});
  std::vector<Alert> resolved = all.poll();
  ASSERT_EQ(resolved.size(), 1u) << "one an incident";
  EXPECT_EQ(resolved[0].raw.kind, WARDEN_KIND_RESOLVED);
  EXPECT_EQ(resolved[0].raw.level, WARDEN_LEVEL_RESOLVED);
  EXPECT_EQ(resolved[0].resolves(), told[1].id());
  EXPECT_EQ(resolved[0].incident(), told[0].incident());
  EXPECT_NE(resolved[0].id(), told[0].id());
  EXPECT_NE(resolved[0].id(), told[1].id());
  EXPECT_EQ(resolved[0].key, "k");
  EXPECT_EQ(resolved[0].payload, "p");
  EXPECT_EQ(resolved[0].raw.raised_ns, 105 * kS);
}

TEST_F(Closing, ResolvedNeverOvertakesItsAlert) {
  Consumer all = store_.consumer("all");
  store_.track("k", "", {.at = 0});
  store_.advance(100 * kS + 1);
  std::vector<Alert> leased = all.poll();
  ASSERT_EQ(leased.size(), 1u) << "one un-acknowledged alert an item";
  store_.cancel("k", {.at = 101 * kS});
  EXPECT_TRUE(all.poll().empty()) << "RESOLVED waits for the ack";
  all.ack(leased);
  const std::vector<Alert> after = all.poll();
  ASSERT_EQ(after.size(), 1u) << "the breach, never handed out, was withdrawn";
  EXPECT_EQ(after[0].raw.kind, WARDEN_KIND_RESOLVED);
}

}  // namespace
}  // namespace warden::test
