// SPDX-License-Identifier: Apache-2.0
//
// Alerts and their consumers over restarts: what was acknowledged does not come again,
// what was not does, under the same id.
#include <algorithm>
#include <set>

#include "on_disk.hpp"

namespace warden::test {
namespace {

using Ids = std::set<std::pair<std::uint64_t, std::uint64_t>>;

Ids ids_of(const std::vector<Alert>& alerts) {
  Ids out;
  for (const Alert& one : alerts) EXPECT_TRUE(out.insert(one.id()).second) << one.key;
  return out;
}

// All that an alert says, but its lease and how often it was handed out.
std::string text_of(const Alert& one) {
  std::ostringstream out;
  const warden_alert& raw = one.raw;
  out << one.flow << '/' << one.key << '/' << one.rule << " id " << raw.id[0] << ' ' << raw.id[1]
      << " incident " << raw.incident[0] << ' ' << raw.incident[1] << " resolves "
      << raw.resolves[0] << ' ' << raw.resolves[1] << " incarnation " << raw.incarnation
      << " token " << raw.token << " lsn " << raw.lsn << " deadline " << raw.deadline_ns
      << " raised " << raw.raised_ns << " detected " << raw.detected_ns << " kind " << raw.kind
      << " level " << raw.level << " severity " << raw.severity << " flags " << raw.flags
      << " tries " << raw.tries << " arming " << raw.arming << " stage " << one.stage
      << " armed by " << one.armed_stage << " payload " << one.payload;
  return out.str();
}

class Alerts : public OnDisk {
 protected:
  // So many items of kTimer, all breached.
  void breach(int count, const char* stem = "k") {
    Store& s = store();
    s.define(kTimer);
    for (int i = 0; i < count; ++i) {
      s.track(numbered(stem, i), "payload",
              {.at = s.now, .durability = WARDEN_DURABILITY_BUFFERED});
    }
    s.advance(s.now + 10 * kS + 1);
  }
  void sync() { EXPECT_EQ(warden_sync(store().get(), kLong), WARDEN_OK); }
};

TEST_P(Alerts, ARestartChangesNoFieldOfAnAlert) {
  Store& s = open();
  s.define(kUpload);
  Consumer before = s.consumer("before");
  s.consumer("after");
  s.track("a", "payload", {.dues = {{"promised", 90 * kS}}});
  s.mark("a", "uploading", {.at = kS});
  s.mark("a", "uploaded", {.at = 2 * kS});
  s.track("b");
  s.advance(200 * kS);
  std::vector<std::string> expected;
  for (const Alert& one : before.drain()) expected.push_back(text_of(one));
  EXPECT_EQ(expected.size(), 10u) << "four levels of total each, the hand-off, the promise";
  reopen();
  std::vector<std::string> texts;
  for (const Alert& one : store().consumer("after").drain()) texts.push_back(text_of(one));
  EXPECT_EQ(texts, expected);
}

TEST_P(Alerts, TheSameTextInEveryOpeningUntilAcknowledged) {
  Store& s = open();
  s.define(kUpload);
  s.consumer("c");
  s.track("a", "payload");
  s.mark("a", "uploading", {.at = kS});
  s.mark("a", "uploaded", {.at = 2 * kS});
  s.track("b", "", {.dues = {{"promised", 30 * kS}}});
  s.advance(60 * kS);
  std::vector<std::string> first;
  for (int opening = 0; opening < 4; ++opening) {
    if (opening == 2) {
      crash();
    } else if (opening > 0) {
      reopen();
    }
    std::vector<std::string> texts;
    for (const Alert& one : store().consumer("c").poll()) texts.push_back(text_of(one));
    std::sort(texts.begin(), texts.end());
    if (opening == 0) first = texts;
    EXPECT_EQ(texts.size(), 2u);
    EXPECT_EQ(texts, first) << opening;
    EXPECT_EQ(store().stats().alerts_raised, 2u) << "none is raised anew";
  }
}

TEST_P(Alerts, AcknowledgedTheyDoNotComeAgain) {
  open();
  Consumer c = store().consumer("c");
  breach(10);
  const std::vector<Alert> all = c.poll();
  ASSERT_EQ(all.size(), 10u);
  EXPECT_EQ(c.ack({all.begin(), all.begin() + 4}), 4);
  sync();
  const Ids left = ids_of({all.begin() + 4, all.end()});
  crash();
  Consumer again = store().consumer("c");
  const std::vector<Alert> rest = again.poll();
  EXPECT_EQ(ids_of(rest), left);
  for (const Alert& one : rest) EXPECT_GT(one.raw.delivery, 1u) << "it counts as handed out";
  EXPECT_EQ(again.ack(rest), 6);
  reopen();
  EXPECT_TRUE(store().consumer("c").poll().empty());
  EXPECT_EQ(store().stats().alerts_kept, 0u);
}

// The hub tells the log of 64 at a time; a record of acks holds at most 512.
TEST_P(Alerts, ThousandsAcknowledgedInOneCall) {
  constexpr std::size_t kCount = 3000;
  constexpr std::size_t kAcked = 2345;
  open();
  Consumer c = store().consumer("c");
  breach(kCount);
  std::vector<Alert> all;
  for (std::vector<Alert> some = c.poll(); !some.empty(); some = c.poll()) {
    all.insert(all.end(), some.begin(), some.end());
  }
  ASSERT_EQ(all.size(), kCount);
  EXPECT_EQ(c.ack({all.begin(), all.begin() + kAcked}), static_cast<int>(kAcked));
  sync();
  const Ids left = ids_of({all.begin() + kAcked, all.end()});
  crash();
  Consumer again = store().consumer("c");
  EXPECT_EQ(ids_of(again.drain()), left);
  EXPECT_TRUE(reopen().consumer("c").poll().empty());
}

TEST_P(Alerts, LeasesEndWithTheOpening) {
  open();
  warden_consumer_options options = WARDEN_CONSUMER_OPTIONS_INIT;
  options.lease_ns = 24 * kH;
  Consumer c = store().consumer("c", &options);
  breach(1);
  EXPECT_EQ(c.poll().size(), 1u);
  EXPECT_TRUE(c.poll().empty()) << "leased for a day";
  reopen();
  Consumer again = store().consumer("c", &options);
  EXPECT_EQ(again.poll().size(), 1u) << "nobody holds it any more";
  EXPECT_TRUE(again.poll().empty());
  store().advance(store().now + 24 * kH);
  EXPECT_EQ(again.poll().size(), 1u) << "the length of the lease is the name's";
}

TEST_P(Alerts, EveryNameHasItsOwnPosition) {
  open();
  Consumer a = store().consumer("a");
  Consumer b = store().consumer("b");
  warden_consumer_options options = WARDEN_CONSUMER_OPTIONS_INIT;
  options.start = WARDEN_START_NOW;
  breach(3);
  a.drain();
  Consumer late = store().consumer("late", &options);
  reopen();
  EXPECT_TRUE(store().consumer("a").poll().empty());
  EXPECT_EQ(store().consumer("b").poll().size(), 3u);
  EXPECT_TRUE(store().consumer("late").poll().empty());
  breach(2, "later");
  EXPECT_EQ(store().consumer("a").poll().size(), 2u);
  EXPECT_EQ(store().consumer("late").poll().size(), 2u);
  reopen();
  EXPECT_EQ(store().consumer("a").poll().size(), 2u);
  EXPECT_EQ(store().consumer("b").poll().size(), 5u);
  EXPECT_EQ(store().consumer("late").poll().size(), 2u);
}

TEST_P(Alerts, OptionsOfANameOutliveTheOpening) {
  warden_consumer_options options = WARDEN_CONSUMER_OPTIONS_INIT;
  options.flow = "upload";
  options.flow_len = 6;
  options.rule = "hand-off";
  options.rule_len = 8;
  options.min_severity = WARDEN_SEVERITY_ERROR;
  open();
  { Consumer c = store().consumer("picky", &options); }
  reopen();
  warden_consumer* handle = nullptr;
  warden_consumer_options other = options;
  other.rule = "total";
  other.rule_len = 5;
  warden_error error = WARDEN_ERROR_INIT;
  EXPECT_EQ(warden_consumer_open(store().get(), "picky", 5, &other, &handle, &error),
            WARDEN_E_CONFLICT);
  EXPECT_EQ(handle, nullptr);
  Store& s = store();
  s.define(kTimer);
  s.track("timer");
  s.define(kUpload);
  s.track("k", "", {.at = 0});
  s.mark("k", "uploaded", {.at = kS});
  s.advance(200 * kS);
  Consumer same = s.consumer("picky", &options);
  const std::vector<Alert> alerts = same.drain();
  ASSERT_EQ(alerts.size(), 1u);
  EXPECT_EQ(alerts[0].rule, "hand-off");
}

TEST_P(Alerts, WithoutAConsumerTheyWaitForTheFirst) {
  open();
  breach(3);
  reopen();
  EXPECT_EQ(store().stats().alerts_kept, 3u);
  Ids ids;
  {
    Consumer first = store().consumer("first");
    ids = ids_of(first.poll());
    EXPECT_EQ(ids.size(), 3u);
  }
  reopen();
  EXPECT_EQ(ids_of(store().consumer("first").drain()), ids);
  EXPECT_TRUE(store().consumer("second").poll().empty()) << "the first took them";
}

TEST_P(Alerts, WhatTheFirstConsumerDoesNotTakeWaitsForTheNext) {
  open();
  breach(3);
  // Neither wants them: one begins now, one wants what is worse than any of them.
  warden_consumer_options from_now = WARDEN_CONSUMER_OPTIONS_INIT;
  from_now.start = WARDEN_START_NOW;
  store().consumer("now", &from_now);
  warden_consumer_options worst = WARDEN_CONSUMER_OPTIONS_INIT;
  worst.min_severity = WARDEN_SEVERITY_CRITICAL;
  store().consumer("worst", &worst);
  EXPECT_EQ(store().stats().alerts_kept, 3u);
  reopen();
  EXPECT_EQ(store().stats().alerts_kept, 3u);
  EXPECT_TRUE(store().consumer("now").drain().empty());
  EXPECT_EQ(ids_of(store().consumer("late").poll()).size(), 3u);
  reopen();
  EXPECT_EQ(ids_of(store().consumer("late").poll()).size(), 3u) << "it is owed them since";
}

TEST_P(Alerts, ADeletedNameHoldsNothingBackAndMayBeUsedAgain) {
  open();
  store().consumer("c");
  breach(3);
  EXPECT_EQ(warden_consumer_delete(store().get(), "c", 1), WARDEN_OK);
  EXPECT_EQ(store().stats().alerts_kept, 0u);
  crash();
  EXPECT_EQ(store().stats().alerts_kept, 0u);
  EXPECT_TRUE(store().consumer("c").poll().empty());
  breach(1, "later");
  EXPECT_EQ(reopen().consumer("c").poll().size(), 1u);
}

TEST_P(Alerts, ResolvedForWhatWasAcknowledgedInAnEarlierOpening) {
  open();
  Consumer c = store().consumer("c");
  breach(1);
  const std::vector<Alert> told = c.drain();
  ASSERT_EQ(told.size(), 1u);
  reopen();
  EXPECT_EQ(store().complete("k0").code, WARDEN_LATE);
  std::string text;
  for (int opening = 0; opening < 3; ++opening) {
    Consumer again = store().consumer("c");
    const std::vector<Alert> resolved = again.poll();
    ASSERT_EQ(resolved.size(), 1u) << opening;
    EXPECT_EQ(resolved[0].raw.kind, WARDEN_KIND_RESOLVED);
    EXPECT_EQ(resolved[0].resolves(), told[0].id());
    EXPECT_EQ(resolved[0].incident(), told[0].incident());
    EXPECT_NE(resolved[0].id(), told[0].id());
    if (opening == 0) text = text_of(resolved[0]);
    EXPECT_EQ(text_of(resolved[0]), text);
    if (opening == 2) again.ack(resolved);
    if (opening == 0) crash();
    if (opening == 1) reopen();
  }
  EXPECT_TRUE(reopen().consumer("c").poll().empty());
}

// After a restart an alert counts as leased: its closing resolves and does not withdraw.
TEST_P(Alerts, ClosedAfterARestartTheAlertComesAndThenItsResolved) {
  open();
  store().consumer("c");
  breach(1);
  reopen();
  store().complete("k0");
  for (int opening = 0; opening < 2; ++opening) {
    Consumer c = store().consumer("c");
    const std::vector<Alert> first = c.poll();
    ASSERT_EQ(first.size(), 1u);
    EXPECT_EQ(first[0].raw.kind, WARDEN_KIND_BREACH) << "RESOLVED never overtakes its alert";
    if (opening == 1) {
      const std::vector<Alert> all = c.drain();
      EXPECT_TRUE(all.empty());
      c.ack(first);
      const std::vector<Alert> second = c.drain();
      ASSERT_EQ(second.size(), 1u);
      EXPECT_EQ(second[0].raw.kind, WARDEN_KIND_RESOLVED);
      EXPECT_EQ(second[0].resolves(), first[0].id());
    }
    reopen();
  }
  EXPECT_EQ(store().stats().alerts_kept, 0u);
}

TEST_P(Alerts, WithdrawnBeforeTheRestartTheyStayWithdrawn) {
  open();
  store().consumer("c");
  warden_consumer_options options = WARDEN_CONSUMER_OPTIONS_INIT;
  options.audit = 1;
  store().consumer("audit", &options);
  breach(2);
  store().complete("k0");
  EXPECT_EQ(store().consumer("c").poll().size(), 1u);
  reopen();
  const std::vector<Alert> rest = store().consumer("c").poll();
  ASSERT_EQ(rest.size(), 1u);
  EXPECT_EQ(rest[0].key, "k1");
  std::map<std::string, std::vector<std::uint32_t>> audited;
  for (const Alert& one : store().consumer("audit", &options).drain()) {
    audited[one.key].push_back(one.raw.kind);
  }
  EXPECT_FALSE(audited["k0"].empty()) << "an audit consumer hears of it all the same";
  EXPECT_EQ(audited["k0"].front(), WARDEN_KIND_BREACH);
  EXPECT_EQ(audited["k1"], std::vector<std::uint32_t>{WARDEN_KIND_BREACH});
}

TEST_P(Alerts, AcknowledgedAsWithdrawnNothingFollowsIt) {
  warden_consumer_options options = WARDEN_CONSUMER_OPTIONS_INIT;
  options.audit = 1;
  open();
  Consumer audit = store().consumer("audit", &options);
  breach(3);
  store().complete("k1");
  const std::vector<Alert> all = audit.poll();
  ASSERT_EQ(all.size(), 3u);
  for (const Alert& one : all) {
    EXPECT_EQ(one.raw.flags, one.key == "k1" ? WARDEN_ALERT_WITHDRAWN : 0u);
  }
  EXPECT_EQ(audit.ack(all), 3);
  sync();
  EXPECT_TRUE(crash().consumer("audit", &options).poll().empty());
  store().complete("k0");
  const std::vector<Alert> resolved = reopen().consumer("audit", &options).poll();
  ASSERT_EQ(resolved.size(), 1u) << "of what it had been told in earnest";
  EXPECT_EQ(resolved[0].key, "k0");
  EXPECT_EQ(resolved[0].raw.kind, WARDEN_KIND_RESOLVED);
}

TEST_P(Alerts, LevelsGoOnWhereTheyStood) {
  Store& s = open();
  s.define(kUpload);
  s.track("k");
  Consumer c = s.consumer("c");
  s.advance(81 * kS);
  const std::vector<Alert> warned = c.drain();
  ASSERT_EQ(warned.size(), 1u);
  EXPECT_EQ(warned[0].raw.level, WARDEN_LEVEL_WARN);
  std::uint32_t level = WARDEN_LEVEL_BREACH;
  for (const std::int64_t at : {101 * kS, 111 * kS, 161 * kS}) {
    reopen();
    store().advance(at);
    Consumer again = store().consumer("c");
    const std::vector<Alert> next = again.drain();
    ASSERT_EQ(next.size(), 1u) << at;
    EXPECT_EQ(next[0].raw.level, level++);
    EXPECT_EQ(next[0].incident(), warned[0].incident());
    EXPECT_EQ(next[0].raw.arming, warned[0].raw.arming);
  }
  EXPECT_EQ(store().get_item("k").raw.alerts, 4u);
  EXPECT_EQ(store().stats().timers, 1u) << "only `quiet` is still to come";
}

TEST_P(Alerts, TheWorstFirstAlsoAfterARestart) {
  open();
  store().consumer("c");
  store().define(kTimer);
  for (int i = 0; i < 20; ++i) store().track(numbered("k", i), "", {.at = (19 - i) * kS});
  store().advance(kH);
  reopen();
  const std::vector<Alert> alerts = store().consumer("c").poll();
  ASSERT_EQ(alerts.size(), 20u);
  for (std::size_t i = 1; i < alerts.size(); ++i) {
    EXPECT_LE(alerts[i - 1].raw.deadline_ns, alerts[i].raw.deadline_ns);
  }
}

WARDEN_ON_BOTH_BACKENDS(Alerts);

}  // namespace
}  // namespace warden::test
