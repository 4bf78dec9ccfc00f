// SPDX-License-Identifier: Apache-2.0
//
// The cleaner, as a user meets it: the log stays small although some items never end,
// and nothing is different for it. Each test fills the log with items that come and go
// until segments were freed, the oldest, with what it looks at, among them.
#include <algorithm>
#include <map>
#include <set>

#include "on_disk.hpp"

namespace warden::test {
namespace {

constexpr std::uint64_t kSegment = 4u << 20;

class Clean : public OnDisk {
 protected:
  // Items of 60,000 bytes that are completed at once, until `freed` segments are gone.
  void churn(std::uint64_t freed, const char* stem = "churn") {
    Store& s = store();
    const std::string flow = s.flow;
    s.define("[flow]\nname = \"churn\"\nstages = []\ndedupe = \"1s\"\n");
    const std::string payload(60000, 'p');
    const With buffered{.durability = WARDEN_DURABILITY_BUFFERED};
    const std::uint64_t goal = s.stats().log_freed + freed;
    for (int i = 0; s.stats().log_freed < goal; ++i) {
      ASSERT_LT(i, 20000) << "nothing is freed";
      const std::string key = std::string(stem) + numbered("-", i);
      ASSERT_EQ(s.track(key, payload, buffered).code, WARDEN_NEW);
      ASSERT_EQ(s.complete(key, buffered).code, WARDEN_ON_TIME);
      if (i % 64 == 0) {
        ASSERT_EQ(warden_sync(s.get(), kLong), WARDEN_OK);
      }
    }
    EXPECT_EQ(warden_sync(s.get(), kLong), WARDEN_OK);
    s.flow = flow;
  }
  // Every open item of the store but those of churn, as text, by key.
  std::map<std::string, std::string> texts() {
    std::map<std::string, std::string> out;
    for (const Item& one : store().scan()) {
      if (one.flow != "churn") out[one.flow + "/" + one.key] = text_of(one);
    }
    return out;
  }
  static std::set<std::string> names_of(const std::vector<Alert>& alerts) {
    std::set<std::string> out;
    for (const Alert& one : alerts) {
      std::ostringstream name;
      name << one.flow << '/' << one.key << '/' << one.rule << " kind " << one.raw.kind << " level "
           << one.raw.level << " id " << one.raw.id[0] << ' ' << one.raw.id[1] << " deadline "
           << one.raw.deadline_ns << " raised " << one.raw.raised_ns << " severity "
           << one.raw.severity << " tries " << one.raw.tries << " token " << one.raw.token
           << " stage " << one.stage << " armed by " << one.armed_stage << " payload "
           << one.payload;
      EXPECT_TRUE(out.insert(name.str()).second) << name.str() << " came twice";
    }
    return out;
  }
};

TEST_P(Clean, TheLogStaysSmallAlthoughSomeItemsNeverEnd) {
  Store& s = open();
  s.define(kUpload);
  for (int i = 0; i < 300; ++i) s.track(numbered("for-ever", i), std::string(200, 'x'));
  std::uint64_t largest = 0;
  for (int round = 0; round < 20; ++round) {
    churn(1, numbered("round", round).c_str());
    largest = std::max(largest, s.stats().log_size);
  }
  // Twice the bound (two segments and little that lives) and a segment, where writers
  // are held up; and the segment that is being written.
  EXPECT_LT(largest, 8 * kSegment);
  EXPECT_GT(s.stats().log_bytes, 20 * kSegment);
  const auto before = texts();
  EXPECT_EQ(before.size(), 300u);
  crash();
  EXPECT_EQ(texts(), before);
  store().expect_balance();
}

TEST_P(Clean, EveryKindOfItemIsAsItWas) {
  Store& s = open();
  s.define(kUpload);
  s.submit("submitted", "payload", {.ttl = 100 * kH});
  s.submit("no-ttl", "payload");
  s.track("new", "payload");
  s.track("on-its-way", "payload", {.at = kS, .seq = 3});
  s.mark("on-its-way", "uploading", {.at = 2 * kS, .seq = 4});
  s.mark("on-its-way", "uploaded", {.at = 3 * kS, .seq = 5});
  s.extend_by("on-its-way", "total", 30 * kS, {.at = 4 * kS, .seq = 6});
  s.track("late", "payload", {.dues = {{"promised", 5 * kS}}});
  s.mark("late", "uploading", {.at = kS});
  s.track("done", "payload");
  s.complete("done");
  s.track("cancelled", "payload");
  s.cancel("cancelled");
  s.complete("early", {.allow_early = true});
  s.advance(10 * kS);
  churn(3, "first");
  s.mark("late", "uploaded", {.at = 20 * kS});
  churn(3, "second");
  const auto before = texts();
  const warden_stats counts = s.stats();
  EXPECT_EQ(before.size(), 5u);
  for (int again = 0; again < 2; ++again) {
    crash();
    Store& now = store();
    EXPECT_EQ(texts(), before);
    EXPECT_EQ(now.get_item("done").raw.verdict, WARDEN_VERDICT_DONE);
    EXPECT_EQ(now.track("done", "payload").code, WARDEN_ALREADY_DONE);
    EXPECT_EQ(now.track("cancelled", "payload").r.verdict, WARDEN_VERDICT_CANCELLED);
    EXPECT_EQ(now.submit("early", "payload").code, WARDEN_DONE_EARLY);
    EXPECT_EQ(now.mark("on-its-way", "uploaded", {.seq = 5}).code, WARDEN_ALREADY);
    EXPECT_EQ(now.submit("new", "other").code, WARDEN_E_CONFLICT);
    const warden_stats after = now.stats();
    EXPECT_EQ(after.submitted_total, counts.submitted_total);
    EXPECT_EQ(after.done, counts.done);
    EXPECT_EQ(after.cancelled, counts.cancelled);
    EXPECT_EQ(after.early, counts.early);
    EXPECT_EQ(after.alerts_raised, counts.alerts_raised);
    EXPECT_EQ(after.submitted, 2u);
    EXPECT_EQ(after.live, 3u);
    now.expect_balance();
  }
}

TEST_P(Clean, DeadlinesGoOn) {
  Store& s = open();
  s.define(kTimer);
  const std::int64_t deadline = s.track("k", "payload").r.deadline_ns;
  churn(3);
  crash();
  Consumer c = store().consumer("c");
  store().advance(deadline);
  EXPECT_TRUE(c.drain().empty());
  store().advance(deadline + 1);
  const std::vector<Alert> alerts = c.drain();
  ASSERT_EQ(alerts.size(), 1u);
  EXPECT_EQ(alerts[0].raw.deadline_ns, deadline);
  EXPECT_EQ(alerts[0].payload, "payload");
}

TEST_P(Clean, AlertsThatNobodyAcknowledgedAreStillOwed) {
  Store& s = open();
  s.define(kUpload);
  Consumer reads = s.consumer("reads");
  s.consumer("sleeps");
  for (const char* key : {"open", "closed-later", "closed"}) {
    s.track(key, std::string("payload of ") + key);
    s.mark(key, "uploaded", {.at = kS});
  }
  s.submit("expires", "payload", {.ttl = 2 * kS});
  s.advance(60 * kS);
  const std::set<std::string> first = names_of(reads.drain());
  EXPECT_EQ(first.size(), 4u) << "three hand-offs, one expiry";
  s.complete("closed", {.at = 61 * kS});
  churn(4, "first");
  s.complete("closed-later", {.at = 62 * kS});
  churn(4, "second");
  crash();
  // Told of all three, so the end of two of them follows; the reader's are acknowledged.
  Consumer again = store().consumer("reads");
  std::set<std::string> resolved;
  for (const Alert& one : again.drain()) {
    EXPECT_EQ(one.raw.kind, WARDEN_KIND_RESOLVED) << one.key;
    EXPECT_TRUE(resolved.insert(one.key).second) << one.key;
    EXPECT_EQ(one.payload, "payload of " + one.key);
    EXPECT_EQ(one.rule, "hand-off");
    EXPECT_EQ(one.armed_stage, "uploaded");
  }
  EXPECT_EQ(resolved, (std::set<std::string>{"closed", "closed-later"}));
  // Never handed out there: withdrawn by the closings; the others are still owed.
  std::set<std::string> keys;
  for (const Alert& one : store().consumer("sleeps").drain()) keys.insert(one.key);
  EXPECT_EQ(keys, (std::set<std::string>{"open", "expires"}));
  churn(4, "third");
  crash();
  EXPECT_TRUE(store().consumer("reads").drain().empty());
  EXPECT_TRUE(store().consumer("sleeps").drain().empty());
  store().complete("open", {.at = 70 * kS});
  for (const char* name : {"reads", "sleeps"}) {
    const std::vector<Alert> last = store().consumer(name).drain();
    ASSERT_EQ(last.size(), 1u) << name;
    EXPECT_EQ(last[0].raw.kind, WARDEN_KIND_RESOLVED);
    EXPECT_EQ(last[0].key, "open");
  }
}

TEST_P(Clean, AlertsLeasedOrWaitingForAFirstConsumerAreStillOwed) {
  Store& s = open();
  s.define(kTimer);
  for (int i = 0; i < 20; ++i) s.track(numbered("k", i), "payload");
  s.advance(20 * kS);
  churn(4, "first");
  crash();
  Consumer c = store().consumer("c");
  const std::vector<Alert> leased = c.poll(20);
  const std::set<std::string> names = names_of(leased);
  EXPECT_EQ(names.size(), 20u);
  store().complete("k0");
  churn(4, "second");
  crash();
  std::set<std::string> again;
  std::vector<Alert> end;
  for (const Alert& one : store().consumer("c").drain()) {
    if (one.raw.kind == WARDEN_KIND_RESOLVED) {
      end.push_back(one);
    } else {
      EXPECT_EQ(one.raw.delivery, 2u) << one.key;
      again.merge(names_of({one}));
    }
  }
  EXPECT_EQ(again, names);
  ASSERT_EQ(end.size(), 1u);
  EXPECT_EQ(end[0].key, "k0");
}

TEST_P(Clean, FlowsStagesAndConsumersOutliveTheirRecords) {
  Store& s = open();
  const std::string any = "[flow]\nname = \"any\"\nstages = \"any\"\n";
  const std::string other = any + "dedupe = \"2h\"\n";
  s.define(any);
  s.track("old", "payload");
  s.mark("old", "a stage of its own");
  s.define(other);
  s.track("newer", "payload");
  s.define(any);  // the first version is the newest again
  warden_consumer_options filter = WARDEN_CONSUMER_OPTIONS_INIT;
  filter.min_severity = 3;
  s.consumer("errors", &filter);
  s.consumer("deleted");
  EXPECT_EQ(warden_consumer_delete(s.get(), "deleted", 7), WARDEN_OK);
  churn(4);
  const auto before = texts();
  crash();
  Store& now = store();
  now.flow = "any";
  EXPECT_EQ(texts(), before);
  EXPECT_EQ(now.get_item("old").stage, "a stage of its own");
  // The same name with other options is refused: the first ones are known.
  warden_consumer* handle = nullptr;
  filter.min_severity = 2;
  EXPECT_EQ(warden_consumer_open(now.get(), "errors", 6, &filter, &handle, nullptr),
            WARDEN_E_CONFLICT);
  churn(4, "more");
  now.flow = "any";
  now.mark("newer", "another one");
  crash();
  EXPECT_EQ(store().get_item("newer").stage, "another one");
}

TEST_P(Clean, TheNewestOfAFlowsVersionsStaysTheNewest) {
  Store& s = open();
  const std::string first = "[flow]\nname = \"f\"\nstages = []\n";
  const std::string last = first + "[[rule]]\nname = \"t\"\nkind = \"total\"\nwithin = \"10s\"\n";
  s.define(first);
  s.define(first + "dedupe = \"2h\"\n");
  s.define(first);  // the newest again
  s.define(last);   // and no more
  churn(4);
  crash();
  store().flow = "f";
  EXPECT_EQ(store().track("k").r.deadline_ns, store().now + 10 * kS);
  store().define(first);
  churn(4, "more");
  crash();
  store().flow = "f";
  EXPECT_EQ(store().track("other").r.deadline_ns, WARDEN_NO_TIME);
}

TEST_P(Clean, AnItemWithMoreAlertsThanOneRecordHolds) {
  constexpr int kCount = 1500;
  Store& s = open();
  s.define(
      "[flow]\nname = \"idle\"\nstages = \"any\"\n"
      "[[rule]]\nname = \"quiet\"\nkind = \"idle\"\nwithin = \"1s\"\n");
  s.consumer("sleeps");
  Consumer reads = s.consumer("reads");
  s.track("k", "payload");
  for (int i = 1; i < kCount; ++i) {
    s.touch("k", {.at = 2 * i * kS, .durability = WARDEN_DURABILITY_BUFFERED});
  }
  s.advance(2 * kCount * kS);
  const std::set<std::string> told = names_of(reads.drain());
  EXPECT_EQ(told.size(), static_cast<std::size_t>(kCount));
  churn(4);
  crash();
  EXPECT_TRUE(store().consumer("reads").drain().empty());
  EXPECT_EQ(names_of(store().consumer("sleeps").drain()), told);
  churn(4, "more");
  store().flow = "idle";
  store().complete("k");
  churn(4, "again");
  crash();
  // Of each incident both were told, so of each both are told the end.
  EXPECT_EQ(store().consumer("reads").drain().size(), static_cast<std::size_t>(kCount));
  EXPECT_EQ(store().consumer("sleeps").drain().size(), static_cast<std::size_t>(kCount));
}

TEST_P(Clean, AnEarlyCompletionIsNotUndoneByAnOlderTombstone) {
  Store& s = open();
  s.define("[flow]\nname = \"f\"\nstages = []\ndedupe = \"10s\"\n");
  s.track("k");
  s.complete("k");
  churn(3, "first");
  store().flow = "f";
  s.advance(s.now + 20 * kS);  // the window is over
  EXPECT_EQ(s.complete("k", {.allow_early = true}).code, WARDEN_RECORDED_EARLY);
  churn(3, "second");
  crash();
  store().flow = "f";
  EXPECT_EQ(store().track("k").code, WARDEN_DONE_EARLY);
}

TEST_P(Clean, AKeyThatIsUsedAgainAndAgain) {
  Store& s = open();
  s.define("[flow]\nname = \"again\"\nstages = []\ndedupe = \"10s\"\n");
  for (int round = 0; round < 6; ++round) {
    store().flow = "again";
    EXPECT_EQ(store().track("k", numbered("payload", round)).code, WARDEN_NEW) << round;
    churn(2, numbered("a", round).c_str());
    EXPECT_EQ(store().complete("k").code, WARDEN_ON_TIME) << round;
    churn(2, numbered("b", round).c_str());
    crash();
    EXPECT_EQ(store().track("k", numbered("payload", round)).code, WARDEN_ALREADY_DONE) << round;
    store().advance(store().now + 12 * kS);
  }
  store().expect_balance();
}

TEST_P(Clean, AReaderBesideItSeesEveryItemThroughout) {
  Store& s = open();
  s.define(kUpload);
  for (int i = 0; i < 50; ++i) s.track(numbered("for-ever", i), "payload");
  for (int round = 0; round < 8; ++round) {
    churn(1, numbered("round", round).c_str());
    const Store reader(path_, {{"clock", "manual"}, {"mode", "read-only"}});
    std::size_t seen = 0;
    for (const Item& one : const_cast<Store&>(reader).scan()) seen += one.flow == "upload";
    EXPECT_EQ(seen, 50u) << round;
  }
}

WARDEN_ON_BOTH_BACKENDS(Clean);

}  // namespace
}  // namespace warden::test
