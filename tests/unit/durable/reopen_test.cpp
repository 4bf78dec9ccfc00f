// SPDX-License-Identifier: Apache-2.0
//
// What a store in a directory still knows after it was closed and opened again, or
// cut off: items to the last field, flows and their versions, what has ended.
#include <algorithm>
#include <atomic>
#include <set>
#include <thread>

#include "on_disk.hpp"

namespace warden::test {
namespace {

class Reopen : public OnDisk {
 protected:
  std::map<std::string, std::string> texts() {
    std::map<std::string, std::string> out;
    for (const Item& one : store().scan()) out[one.flow + "/" + one.key] = text_of(one);
    return out;
  }
  // A few items in every state that an open item can have.
  void fill() {
    Store& s = open();
    s.define(kUpload);
    s.track("begun", "payload 1");
    s.track("marked", std::string(65536, 'p'), {.at = 5 * kS});
    s.mark("marked", "uploading", {.at = 6 * kS, .seq = 10});
    s.mark("marked", "uploaded", {.at = 7 * kS, .seq = 11});
    s.submit("waits", "payload 3", {.ttl = 500 * kS});
    s.submit("waits for ever");
    s.track("promised", "", {.dues = {{"promised", 70 * kS}}});
    s.track("half", "payload 5");
    s.mark("half", "copied");
    s.touch("half", {.at = 20 * kS});
    s.track("extended");
    s.extend_by("extended", "total", 50 * kS, {.seq = 3});
    s.advance(86 * kS);  // warned: total of what was begun at 0; breached: the hand-off
  }
};

TEST_P(Reopen, SaysHowFarItIs) {
  open();
  store().define(kUpload);
  close();
  struct Heard {
    std::vector<std::uint64_t> done;
    std::uint64_t total = 0;
    bool steady = true;  // one total, never less done
    static void hear(void* context, std::uint64_t done, std::uint64_t total) {
      Heard& self = *static_cast<Heard*>(context);
      self.steady = self.steady && (self.done.empty() || self.done.back() <= done) &&
                    (self.total == 0 || self.total == total);
      self.total = total;
      self.done.push_back(done);
    }
  };
  const auto hear = [&](const std::string& path) {
    Heard heard;
    warden_config* config = nullptr;
    EXPECT_EQ(warden_config_new(&config), WARDEN_OK);
    EXPECT_EQ(warden_config_progress(config, Heard::hear, &heard), WARDEN_OK);
    warden_store* store = nullptr;
    EXPECT_EQ(warden_open(path.c_str(), config, &store, nullptr), WARDEN_OK);
    warden_free(store);
    warden_config_free(config);
    return heard;
  };
  const Heard some = hear(path_);
  EXPECT_TRUE(some.steady);
  ASSERT_FALSE(some.done.empty());
  EXPECT_GT(some.total, 0u);
  EXPECT_EQ(some.done.back(), some.total) << "the last call";
  EXPECT_EQ(std::count(some.done.begin(), some.done.end(), some.total), 1);
  EXPECT_TRUE(hear(dir_.path("new")).done.empty()) << "nothing to be read";
}

TEST_P(Reopen, EveryFieldOfEveryItem) {
  fill();
  const auto before = texts();
  const warden_stats stats = store().stats();
  ASSERT_EQ(before.size(), 7u);
  EXPECT_GE(stats.alerts_raised, 3u);
  for (int round = 0; round < 3; ++round) {
    if (round == 1) {
      crash();
    } else {
      reopen();
    }
    EXPECT_EQ(texts(), before) << round;
    const warden_stats again = store().stats();
    EXPECT_EQ(again.submitted, stats.submitted);
    EXPECT_EQ(again.live, stats.live);
    EXPECT_EQ(again.submitted_total, stats.submitted_total);
    EXPECT_EQ(again.alerts_raised, stats.alerts_raised);
    EXPECT_EQ(again.timers, stats.timers);
    store().expect_balance();
  }
}

TEST_P(Reopen, TheBackendIsTheOneAskedFor) {
  open();
  const std::string backend = store().stats().backend;
  if (std::string(GetParam()) == "posix") {
    EXPECT_EQ(backend, "posix");
  } else {
    EXPECT_TRUE(backend == "io_uring" || backend == "posix") << backend;
  }
}

TEST_P(Reopen, KeysAndPayloadsOfAnyBytes) {
  std::string bytes;
  for (int i = 0; i < 512; ++i) bytes += static_cast<char>(i);
  Store& s = open({{"payload_max", "1048576"}});
  s.define(kTimer);
  ASSERT_EQ(s.track(bytes, bytes).code, WARDEN_NEW);
  ASSERT_EQ(s.track(std::string(1, '\0'), "").code, WARDEN_NEW);
  std::string large;
  while (large.size() < 1048576) large += bytes;
  ASSERT_EQ(s.track("large", large).code, WARDEN_NEW);
  Store& again = reopen();
  EXPECT_EQ(again.get_item(bytes).payload, bytes);
  EXPECT_EQ(again.get_item(std::string(1, '\0')).payload, "");
  std::vector<std::uint64_t> room((2 << 20) / 8);
  warden_item item{};
  ASSERT_EQ(
      warden_get(again.get(), "timer", 5, "large", 5, &item, room.data(), room.size() * 8, nullptr),
      WARDEN_OK);
  EXPECT_EQ(read_item(item, room.data()).payload, large);
}

TEST_P(Reopen, SeqTokenAndIncarnationStillDecide) {
  fill();
  const Item before = store().get_item("marked");
  Store& s = reopen();
  EXPECT_EQ(s.mark("marked", "copied", {.seq = 11}).code, WARDEN_ALREADY);
  EXPECT_EQ(s.mark("marked", "copied", {.token = before.raw.token + 1}).code, WARDEN_E_FENCED);
  EXPECT_EQ(s.mark("marked", "copied", {.incarnation = before.raw.incarnation + 1}).code,
            WARDEN_E_FENCED);
  const With right{.seq = 12, .token = before.raw.token, .incarnation = before.raw.incarnation};
  EXPECT_EQ(s.mark("marked", "copied", right).code, WARDEN_OK);
  EXPECT_EQ(s.track("begun", "payload 1").code, WARDEN_EXISTING);
  EXPECT_EQ(s.track("begun", "payload 2").code, WARDEN_E_CONFLICT);
}

TEST_P(Reopen, MarksAddUpToDoneAcrossOpenings) {
  fill();
  EXPECT_EQ(reopen().mark("half", "uploading").code, WARDEN_OK);
  const Answer last = reopen().mark("half", "backed-up");
  EXPECT_EQ(last.code, WARDEN_CLOSED);
  EXPECT_EQ(last.r.verdict, WARDEN_VERDICT_DONE);
}

TEST_P(Reopen, ItemsKeepTheVersionOfTheirFlow) {
  const std::string first = kTimer;
  std::string second = first;
  second.replace(second.find("10s"), 3, "20s");
  Store& s = open();
  const warden_flow_info one = s.define(first);
  s.track("old");
  const warden_flow_info two = s.define(second);
  s.track("new");
  Store& again = reopen();
  EXPECT_EQ(again.stats().flows, 1u);
  again.track("newest");
  EXPECT_EQ(again.get_item("old").raw.deadline_ns, 10 * kS);
  EXPECT_EQ(again.get_item("new").raw.deadline_ns, 20 * kS);
  EXPECT_EQ(again.get_item("newest").raw.deadline_ns, 20 * kS) << "without being defined anew";
  const std::uint64_t records = again.stats().log_records;
  const warden_flow_info same = again.define(second);
  EXPECT_EQ(again.stats().log_records, records) << "the same text is not written again";
  EXPECT_TRUE(std::equal(two.version, two.version + 2, same.version));
  EXPECT_FALSE(std::equal(one.version, one.version + 2, same.version));
}

TEST_P(Reopen, StagesThatCameAsTheyWere) {
  const std::string flow = R"(
[flow]
name = "any"
stages = "any"
[[rule]]
name = "hop"
kind = "stage"
from = "x1"
to = "x9"
within = "10s"
)";
  Store& s = open();
  s.define(flow);
  for (int i = 0; i < 5; ++i) {
    s.track(numbered("k", i));
    for (int stage = 0; stage <= i; ++stage) {
      s.mark(numbered("k", i), numbered("x", stage), {.at = stage * kS});
    }
  }
  for (int opening = 0; opening < 2; ++opening) {
    Store& again = opening == 0 ? reopen() : crash();
    for (int i = 0; i < 5; ++i) {
      const Item item = again.get_item(numbered("k", i));
      EXPECT_EQ(item.stage, numbered("x", i));
      EXPECT_EQ(item.raw.deadline_ns, i == 0 ? WARDEN_NO_TIME : 11 * kS);
    }
    again.mark("k1", numbered("later", opening));
    EXPECT_EQ(again.get_item("k1").stage, numbered("later", opening));
    again.mark("k1", "x1");
  }
  EXPECT_EQ(store().mark("k4", "x9").code, WARDEN_OK);
  EXPECT_EQ(reopen().get_item("k4").rule("hop").status, WARDEN_RULE_MET);
}

TEST_P(Reopen, WhatEndedStaysEnded) {
  Store& s = open();
  s.define(kTimer);
  for (const char* key : {"done", "late", "cancelled", "open"}) s.track(key, "p");
  s.submit("expired", "p", {.ttl = 5 * kS});
  EXPECT_EQ(s.complete("done").code, WARDEN_ON_TIME);
  EXPECT_EQ(s.cancel("cancelled").code, WARDEN_OK);
  EXPECT_EQ(s.complete("early", {.allow_early = true}).code, WARDEN_RECORDED_EARLY);
  s.advance(15 * kS);
  EXPECT_EQ(s.complete("late").code, WARDEN_LATE);
  const std::map<std::string, std::uint32_t> verdicts{{"done", WARDEN_VERDICT_DONE},
                                                      {"late", WARDEN_VERDICT_DONE},
                                                      {"cancelled", WARDEN_VERDICT_CANCELLED},
                                                      {"expired", WARDEN_VERDICT_EXPIRED}};
  for (int opening = 0; opening < 2; ++opening) {
    Store& again = opening == 0 ? reopen() : crash();
    for (const auto& [key, verdict] : verdicts) {
      EXPECT_EQ(again.get_item(key).code, WARDEN_ALREADY_DONE) << key;
      EXPECT_EQ(again.get_item(key).raw.verdict, verdict) << key;
      const Answer answer = again.track(key, "p");
      EXPECT_EQ(answer.code, WARDEN_ALREADY_DONE) << key;
      EXPECT_EQ(answer.r.verdict, verdict) << key;
      EXPECT_EQ(again.complete(key).code, WARDEN_ALREADY_DONE) << key;
    }
    EXPECT_EQ(again.track("early", "p").code, WARDEN_DONE_EARLY);
    const warden_stats stats = again.stats();
    EXPECT_EQ(stats.done, 2u);
    EXPECT_EQ(stats.cancelled, 1u);
    EXPECT_EQ(stats.expired, 1u);
    EXPECT_EQ(stats.early, 1u);
    EXPECT_EQ(stats.live, 1u);
    EXPECT_EQ(stats.submitted_total, 5u);
    again.expect_balance();
  }
}

TEST_P(Reopen, NumbersAreNeverIssuedTwice) {
  std::set<std::uint64_t> incarnations;
  std::set<std::uint64_t> lsns;
  std::uint64_t last_lsn = 0;
  std::uint32_t last_epoch = 0;
  for (int opening = 0; opening < 12; ++opening) {
    Store& s = open();
    if (opening == 0) s.define(kTimer);
    EXPECT_GT(s.stats().epoch, last_epoch);
    last_epoch = s.stats().epoch;
    for (int i = 0; i < 5; ++i) {
      const Answer answer = s.track(numbered("k", opening) + numbered(".", i));
      ASSERT_EQ(answer.code, WARDEN_NEW);
      EXPECT_TRUE(incarnations.insert(answer.r.incarnation).second);
      EXPECT_TRUE(lsns.insert(answer.r.lsn).second);
      EXPECT_GT(answer.r.lsn, last_lsn);
      last_lsn = answer.r.lsn;
    }
    EXPECT_EQ(s.stats().live, 5u * static_cast<unsigned>(opening + 1));
    if (opening % 3 == 2) {
      crash();
      last_epoch = store().stats().epoch;
    }
  }
}

TEST_P(Reopen, VolatileItemsAreGoneAndNothingElse) {
  Store& s = open();
  s.define(kTimer);
  const Answer answer = s.track("timer", "p", {.durability = WARDEN_DURABILITY_VOLATILE});
  EXPECT_EQ(answer.code, WARDEN_NEW);
  EXPECT_EQ(answer.r.durability, WARDEN_DURABILITY_VOLATILE);
  EXPECT_EQ(answer.r.lsn, 0u);
  s.track("kept", "p");
  s.track("closed", "p", {.durability = WARDEN_DURABILITY_VOLATILE});
  EXPECT_EQ(s.complete("closed").code, WARDEN_ON_TIME);
  s.advance(11 * kS);
  Consumer all = s.consumer("all");
  EXPECT_EQ(all.poll().size(), 2u) << "volatile ones are raised like any other";
  s.expect_balance();
  Store& again = reopen();
  EXPECT_EQ(again.get_item("timer").code, WARDEN_E_UNKNOWN_ITEM);
  EXPECT_EQ(again.get_item("closed").code, WARDEN_E_UNKNOWN_ITEM);
  EXPECT_EQ(again.get_item("kept").payload, "p");
  EXPECT_EQ(again.track("timer", "other").code, WARDEN_NEW);
  again.expect_balance();
  Consumer same = again.consumer("all");
  const std::vector<Alert> alerts = same.drain();
  ASSERT_EQ(alerts.size(), 1u);
  EXPECT_EQ(alerts[0].key, "kept");
}

TEST_P(Reopen, ManySegments) {
  Store& s = open({{"durability", "buffered"}});
  s.define(kTimer);
  const std::string payload(32768, 'x');
  for (int i = 0; i < 500; ++i) {
    ASSERT_EQ(s.track(numbered("k", i), payload + numbered("", i)).code, WARDEN_NEW);
  }
  ASSERT_EQ(warden_sync(s.get(), kLong), WARDEN_OK);
  EXPECT_GE(s.stats().log_segments, 3u);
  Store& again = reopen();
  EXPECT_EQ(again.stats().live, 500u);
  for (int i = 0; i < 500; i += 7) {
    EXPECT_EQ(again.get_item(numbered("k", i)).payload, payload + numbered("", i));
  }
}

TEST_P(Reopen, AnEmptyStoreAndOneWithFlowsAlone) {
  open();
  EXPECT_EQ(reopen().stats().flows, 0u);
  store().define(kTimer);
  Store& s = reopen();
  EXPECT_EQ(s.stats().flows, 1u);
  EXPECT_EQ(s.track("k").code, WARDEN_NEW);
}

// A flow with so many rules: its items' records grow with them.
std::string with_rules(int count) {
  std::string text = "[flow]\nname = \"grows\"\nstages = [\"a\", \"b\"]\n";
  for (int i = 0; i < count; ++i) {
    text += "[[rule]]\nname = \"" + numbered("r", i) + "\"\nkind = \"total\"\nwithin = \"" +
            std::to_string(10 + i) + "s\"\n";
  }
  return text;
}

TEST_P(Reopen, AFlowGrowsWhileItsItemsComeAndAreDue) {
  Store& s = open({{"clock", "real"}});
  s.define(with_rules(1));
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  std::atomic<int> tracked{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; !stop; ++i) {
        const std::string key = numbered("k", t) + numbered(".", i);
        ASSERT_EQ(s.track(key, "", {.durability = WARDEN_DURABILITY_BUFFERED}).code, WARDEN_NEW);
        ASSERT_EQ(s.mark(key, "b", {.durability = WARDEN_DURABILITY_BUFFERED}).code, WARDEN_OK);
        ++tracked;
      }
    });
  }
  for (int rules = 2; rules <= 64; rules *= 2) {
    const std::string text = with_rules(rules);  // not by define(): it writes what threads read
    EXPECT_EQ(warden_flow_define(s.get(), text.data(), text.size(), nullptr, nullptr), WARDEN_OK);
    const int before = tracked;
    while (tracked < before + 50) std::this_thread::yield();
  }
  stop = true;
  for (std::thread& one : threads) one.join();
  const auto live = static_cast<std::uint64_t>(tracked);
  EXPECT_EQ(s.stats().live, live);
  EXPECT_EQ(reopen({{"clock", "real"}}).stats().live, live);
  EXPECT_EQ(store().get_item("k0.0").stage, "b");
}

WARDEN_ON_BOTH_BACKENDS(Reopen);

}  // namespace
}  // namespace warden::test
