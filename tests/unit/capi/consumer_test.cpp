// SPDX-License-Identifier: Apache-2.0
//
// Named consumers through the C ABI: where they start, what they are given and in
// which order, leases, the eventfd, waking, deleting.
#include <poll.h>

#include <algorithm>
#include <atomic>
#include <set>
#include <thread>

#include "client.hpp"
#include "flow_texts.hpp"

namespace warden::test {
namespace {

class Consumers : public ::testing::Test {
 protected:
  void SetUp() override { store_.define(kTimer); }
  void TearDown() override { store_.expect_balance(); }
  // One breach of an item of this name.
  void breach(std::string_view key) {
    store_.track(key, "", {.at = store_.now});
    store_.advance(store_.now + 10 * kS + 1);
  }
  static warden_consumer_options options(std::uint32_t start = WARDEN_START_UNACKED) {
    warden_consumer_options out = WARDEN_CONSUMER_OPTIONS_INIT;
    out.start = start;
    return out;
  }
  static bool readable(int fd) {
    pollfd one{fd, POLLIN, 0};
    return ::poll(&one, 1, 0) == 1;
  }
  Store store_;
};

TEST_F(Consumers, AlertsWaitForTheFirstConsumer) {
  breach("a");
  EXPECT_EQ(store_.consumer("first").drain().size(), 1u);
  EXPECT_EQ(store_.stats().alerts_kept, 0u);
}

TEST_F(Consumers, StartPositions) {
  const warden_consumer_options keeper = options(WARDEN_START_OLDEST);
  Consumer first = store_.consumer("first", &keeper);
  breach("a");
  const warden_consumer_options now = options(WARDEN_START_NOW);
  Consumer late = store_.consumer("now", &now);
  Consumer oldest = store_.consumer("oldest", &keeper);
  Consumer unacked = store_.consumer("unacked");
  breach("b");
  EXPECT_EQ(first.drain().size(), 2u);
  EXPECT_EQ(oldest.drain().size(), 2u);
  EXPECT_EQ(unacked.drain().size(), 2u);
  const std::vector<Alert> from_now = late.drain();
  ASSERT_EQ(from_now.size(), 1u);
  EXPECT_EQ(from_now[0].key, "b");
  // A name that exists goes on where it was, whatever start is asked for.
  breach("c");
  Consumer again = store_.consumer("oldest", &keeper);
  EXPECT_EQ(again.drain().size(), 1u);
}

TEST_F(Consumers, ANameKeepsItsPositionBetweenHandles) {
  { Consumer c = store_.consumer("c"); }
  breach("a");
  { EXPECT_EQ(store_.consumer("c").poll().size(), 1u); }
  Consumer c = store_.consumer("c");
  EXPECT_TRUE(c.poll().empty()) << "leased to the handle before";
  store_.advance(store_.now + 30 * kS);
  EXPECT_EQ(c.poll().at(0).raw.delivery, 2u);
}

TEST_F(Consumers, OptionsOfANameThatExistsMustAgree) {
  warden_consumer_options audit = options();
  audit.audit = 1;
  Consumer c = store_.consumer("c", &audit);
  Consumer same = store_.consumer("c", &audit);
  Consumer any = store_.consumer("c");
  warden_consumer_options other = options();
  warden_consumer* handle = nullptr;
  warden_error error = WARDEN_ERROR_INIT;
  EXPECT_EQ(warden_consumer_open(store_.get(), "c", 1, &other, &handle, &error), WARDEN_E_CONFLICT);
  EXPECT_EQ(handle, nullptr);
  EXPECT_EQ(error.code, WARDEN_E_CONFLICT);
  EXPECT_NE(error.message[0], 0);
}

TEST_F(Consumers, OptionsHaveTheirRanges) {
  const auto refused = [&](auto&& change) {
    warden_consumer_options wrong = options();
    change(wrong);
    warden_consumer* handle = nullptr;
    warden_error error = WARDEN_ERROR_INIT;
    const std::int32_t code = warden_consumer_open(store_.get(), "c", 1, &wrong, &handle, &error);
    EXPECT_EQ(handle, nullptr);
    EXPECT_EQ(error.code, code);
    EXPECT_NE(error.message[0], 0);
    return code;
  };
  EXPECT_EQ(refused([](auto& o) { o.start = 3; }), WARDEN_E_INVALID_ARGUMENT);
  EXPECT_EQ(refused([](auto& o) { o.audit = 2; }), WARDEN_E_INVALID_ARGUMENT);
  EXPECT_EQ(refused([](auto& o) { o.min_severity = 5; }), WARDEN_E_INVALID_ARGUMENT);
  EXPECT_EQ(refused([](auto& o) { o.flow_len = 5; }), WARDEN_E_INVALID_ARGUMENT);
  EXPECT_EQ(refused([](auto& o) { o.rule_len = 5; }), WARDEN_E_INVALID_ARGUMENT);
  EXPECT_EQ(refused([](auto& o) { o.lease_ns = kMs - 1; }), WARDEN_E_OUT_OF_RANGE);
  EXPECT_EQ(refused([](auto& o) { o.lease_ns = 24 * kH + 1; }), WARDEN_E_OUT_OF_RANGE);
  EXPECT_EQ(refused([](auto& o) { o.lease_ns = -1; }), WARDEN_E_OUT_OF_RANGE);
  const std::string longest(255, 'n');
  EXPECT_NE(store_.consumer(longest).get(), nullptr);
  const std::string too_long(256, 'n');
  warden_consumer* handle = nullptr;
  EXPECT_EQ(warden_consumer_open(store_.get(), too_long.data(), too_long.size(), nullptr, &handle,
                                 nullptr),
            WARDEN_E_INVALID_ARGUMENT);
}

TEST_F(Consumers, FiltersByFlowRuleAndSeverity) {
  store_.define(kUpload);
  warden_consumer_options by_flow = options();
  by_flow.flow = "timer";
  by_flow.flow_len = 5;
  warden_consumer_options by_rule = options();
  by_rule.rule = "hand-off";
  by_rule.rule_len = 8;
  warden_consumer_options critical = options();
  critical.min_severity = WARDEN_SEVERITY_CRITICAL;
  Consumer all = store_.consumer("all");
  Consumer flow = store_.consumer("flow", &by_flow);
  Consumer rule = store_.consumer("rule", &by_rule);
  Consumer severe = store_.consumer("severe", &critical);
  store_.track("u", "", {.at = 0});
  store_.mark("u", "uploaded", {.at = 0});
  store_.flow = "timer";
  store_.track("t", "", {.at = 0});
  store_.advance(200 * kS);
  EXPECT_EQ(all.drain().size(), 6u);
  const std::vector<Alert> of_flow = flow.drain();
  ASSERT_EQ(of_flow.size(), 1u);
  EXPECT_EQ(of_flow[0].key, "t");
  const std::vector<Alert> of_rule = rule.drain();
  ASSERT_EQ(of_rule.size(), 1u);
  EXPECT_EQ(of_rule[0].rule, "hand-off");
  const std::vector<Alert> worst = severe.drain();
  ASSERT_EQ(worst.size(), 2u);
  for (const Alert& one : worst) EXPECT_EQ(one.raw.kind, WARDEN_KIND_ESCALATION);
}

TEST_F(Consumers, WorseFirstThenLaterFirst) {
  store_.define(
      "[flow]\nname = \"mild\"\nstages = []\n[[rule]]\nname = \"t\"\nkind = \"total\"\n"
      "within = \"1s\"\nseverity = \"info\"\n");
  Consumer all = store_.consumer("all");
  store_.track("mild", "", {.at = 0});
  store_.flow = "timer";
  store_.track("b", "", {.at = 3});
  store_.track("a", "", {.at = 2});
  store_.track("c", "", {.at = 4});
  store_.advance(100 * kS);
  std::string order;
  for (const Alert& one : all.poll()) order += one.key + " ";
  EXPECT_EQ(order, "a b c mild ");
}

TEST_F(Consumers, PollersUnderOneNameCompete) {
  Consumer one = store_.consumer("c");
  Consumer two = store_.consumer("c");
  for (int i = 0; i < 10; ++i) store_.track(numbered("k", i), "", {.at = 0});
  store_.advance(11 * kS);
  const std::vector<Alert> first = one.poll(4);
  const std::vector<Alert> rest = two.poll();
  EXPECT_EQ(first.size(), 4u);
  EXPECT_EQ(rest.size(), 6u);
  std::set<std::string> keys;
  for (const Alert& a : first) keys.insert(a.key);
  for (const Alert& a : rest) keys.insert(a.key);
  EXPECT_EQ(keys.size(), 10u);
  EXPECT_EQ(two.ack(first), 4) << "a lease is the name's, not the handle's";
}

TEST_F(Consumers, CompetingThreadsShareWithoutLossOrDoubling) {
  constexpr int kItems = 2000;
  for (int i = 0; i < kItems; ++i) store_.track(numbered("k", i), "", {.at = 0});
  store_.advance(11 * kS);
  std::vector<std::vector<std::string>> got(3);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < got.size(); ++t) {
    threads.emplace_back([&, t] {
      Consumer c = store_.consumer("c");
      for (;;) {
        const std::vector<Alert> some = c.poll(7);
        if (some.empty()) return;
        for (const Alert& one : some) got[t].push_back(one.key);
        c.ack(some);
      }
    });
  }
  for (std::thread& one : threads) one.join();
  std::set<std::string> keys;
  std::size_t total = 0;
  for (const auto& some : got) {
    keys.insert(some.begin(), some.end());
    total += some.size();
  }
  EXPECT_EQ(keys.size(), std::size_t{kItems});
  EXPECT_EQ(total, std::size_t{kItems});
}

TEST_F(Consumers, LeasesEndAndLateAcksAreHonouredUntilTheNext) {
  warden_consumer_options quick = options();
  quick.lease_ns = 5 * kS;
  Consumer c = store_.consumer("c", &quick);
  breach("a");
  breach("b");
  const std::vector<Alert> first = c.poll();
  ASSERT_EQ(first.size(), 2u);
  EXPECT_TRUE(c.poll().empty());
  store_.advance(store_.now + 5 * kS);
  const std::vector<Alert> again = c.poll(1);
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0].raw.delivery, 2u);
  EXPECT_EQ(c.ack(first), 1) << "the one not leased again; the other lease is old";
  EXPECT_EQ(c.ack(first), 0);
  EXPECT_EQ(c.ack(again), 1);
  EXPECT_EQ(store_.stats().alerts_kept, 0u);
}

TEST_F(Consumers, NackGivesBackAtOnceOrLater) {
  Consumer c = store_.consumer("c");
  breach("a");
  std::vector<Alert> got = c.poll();
  ASSERT_EQ(got.size(), 1u);
  EXPECT_EQ(warden_alert_nack(c.get(), got[0].raw.lease, -1), WARDEN_E_OUT_OF_RANGE);
  EXPECT_EQ(warden_alert_nack(c.get(), got[0].raw.lease, 0), WARDEN_OK);
  EXPECT_EQ(warden_alert_nack(c.get(), got[0].raw.lease, 0), WARDEN_E_UNKNOWN_LEASE);
  EXPECT_EQ(warden_alert_nack(c.get(), 12345, 0), WARDEN_E_UNKNOWN_LEASE);
  got = c.poll();
  ASSERT_EQ(got.size(), 1u);
  EXPECT_EQ(got[0].raw.delivery, 2u);
  EXPECT_EQ(warden_alert_nack(c.get(), got[0].raw.lease, 3 * kS), WARDEN_OK);
  store_.advance(store_.now + 3 * kS - 1);
  EXPECT_TRUE(c.poll().empty());
  store_.advance(store_.now + 1);
  EXPECT_EQ(c.poll().size(), 1u);
}

TEST_F(Consumers, ALeaseCanBeProlonged) {
  warden_consumer_options quick = options();
  quick.lease_ns = 5 * kS;
  Consumer c = store_.consumer("c", &quick);
  breach("a");
  const std::vector<Alert> got = c.poll();
  ASSERT_EQ(got.size(), 1u);
  EXPECT_EQ(warden_alert_extend(c.get(), got[0].raw.lease, 20 * kS), WARDEN_OK);
  EXPECT_EQ(warden_alert_extend(c.get(), got[0].raw.lease, 0), WARDEN_E_OUT_OF_RANGE);
  EXPECT_EQ(warden_alert_extend(c.get(), 99, kS), WARDEN_E_UNKNOWN_LEASE);
  store_.advance(store_.now + 19 * kS);
  EXPECT_TRUE(c.poll().empty());
  store_.advance(store_.now + kS);
  EXPECT_EQ(c.poll().size(), 1u);
}

TEST_F(Consumers, OneUnacknowledgedAlertAnItem) {
  store_.define(kUpload);
  Consumer c = store_.consumer("c");
  store_.track("k", "", {.at = 0});
  store_.advance(1000 * kS);
  for (std::uint32_t level = 1; level <= 4; ++level) {
    const std::vector<Alert> got = c.poll();
    ASSERT_EQ(got.size(), 1u) << level;
    EXPECT_EQ(got[0].raw.level, level);
    EXPECT_TRUE(c.poll().empty());
    c.ack(got);
  }
}

TEST_F(Consumers, TheFdIsReadableWhileAlertsMayBeWaiting) {
  Consumer c = store_.consumer("c");
  const int fd = warden_consumer_fd(c.get());
  ASSERT_GE(fd, 0);
  EXPECT_EQ(warden_consumer_fd(c.get()), fd);
  EXPECT_FALSE(readable(fd));
  breach("a");
  EXPECT_TRUE(readable(fd));
  const std::vector<Alert> got = c.poll();
  EXPECT_EQ(got.size(), 1u);
  EXPECT_TRUE(c.poll().empty());
  EXPECT_FALSE(readable(fd));
  store_.advance(store_.now + 30 * kS);
  EXPECT_TRUE(readable(fd)) << "the lease has ended";
  c.drain();
  EXPECT_FALSE(readable(fd));
}

TEST_F(Consumers, APollWaitsForTheFirst) {
  Consumer c = store_.consumer("c");
  std::thread later([&] { breach("a"); });
  EXPECT_EQ(c.poll(10, -1).size(), 1u);
  later.join();
  EXPECT_TRUE(c.poll(10, kMs).empty()) << "the time is over";
}

TEST_F(Consumers, WakeEndsAPollThatWaits) {
  Consumer c = store_.consumer("c");
  std::atomic<bool> back{false};
  std::thread waiter([&] {
    EXPECT_TRUE(c.poll(10, -1).empty());
    back = true;
  });
  // It may not wait yet: wake until it is back.
  while (!back) {
    EXPECT_EQ(warden_consumer_wake(c.get()), WARDEN_OK);
    std::this_thread::yield();
  }
  waiter.join();
}

TEST_F(Consumers, DeleteFreesWhatItHeldBack) {
  Consumer c = store_.consumer("c");
  Consumer other = store_.consumer("other");
  breach("a");
  other.drain();
  EXPECT_EQ(store_.stats().alerts_kept, 1u);
  EXPECT_EQ(warden_consumer_delete(store_.get(), "c", 1), WARDEN_OK);
  EXPECT_EQ(store_.stats().alerts_kept, 0u);
  EXPECT_EQ(warden_consumer_delete(store_.get(), "c", 1), WARDEN_E_INVALID_ARGUMENT);
  warden_alert alert;
  EXPECT_EQ(warden_consumer_poll(c.get(), 0, &alert, 1, nullptr, 0, nullptr),
            WARDEN_E_CONSUMER_CLOSED);
  EXPECT_EQ(warden_consumer_fd(c.get()), WARDEN_E_CONSUMER_CLOSED);
  EXPECT_EQ(warden_consumer_wake(c.get()), WARDEN_E_CONSUMER_CLOSED);
  EXPECT_EQ(warden_alert_nack(c.get(), 1, 0), WARDEN_E_CONSUMER_CLOSED);
  EXPECT_EQ(warden_alert_extend(c.get(), 1, kS), WARDEN_E_CONSUMER_CLOSED);
  const std::uint64_t lease = 1;
  EXPECT_EQ(warden_alert_ack(c.get(), &lease, 1), WARDEN_E_CONSUMER_CLOSED);
  Consumer fresh = store_.consumer("c");
  breach("b");
  EXPECT_EQ(fresh.drain().size(), 1u) << "the name is new";
}

}  // namespace
}  // namespace warden::test
