// SPDX-License-Identifier: Apache-2.0
//
// Walks over the open items: each once, none missed, by every filter, and while
// other threads change items beside.
#include <atomic>
#include <set>
#include <thread>

#include "client.hpp"
#include "flow_texts.hpp"

namespace warden::test {
namespace {

std::multiset<std::string> keys_of(const std::vector<Item>& items) {
  std::multiset<std::string> keys;
  for (const Item& one : items) keys.insert(one.key);
  return keys;
}

class Scans : public ::testing::Test {
 protected:
  void SetUp() override { store_.define(kUpload); }
  std::multiset<std::string> scan(const warden_scan_filter& filter) {
    return keys_of(store_.scan(&filter));
  }
  Store store_;
};

TEST_F(Scans, EachOnceNoneMissed) {
  EXPECT_TRUE(store_.scan().empty());
  std::multiset<std::string> expected;
  for (int i = 0; i < 10000; ++i) {
    const std::string key = numbered("k", i);
    store_.track(key, numbered("p", i));
    if (i % 3 == 0) {
      store_.complete(key);
    } else {
      expected.insert(key);
    }
  }
  for (const std::size_t at_once : {1u, 7u, 4096u}) {
    const std::vector<Item> items = store_.scan(nullptr, at_once);
    EXPECT_EQ(keys_of(items), expected) << at_once;
    for (const Item& one : items) {
      ASSERT_EQ(one.payload, "p" + one.key.substr(1));
      ASSERT_EQ(one.rules.size(), 4u);
      ASSERT_EQ(one.raw.rules_offset % 8, 0u);
    }
  }
}

TEST_F(Scans, Filters) {
  store_.submit("s1");
  store_.track("l1", "", {.at = 0});
  store_.track("l2", "", {.at = 0});
  store_.mark("l2", "uploaded", {.at = 0});
  store_.track("late", "", {.at = 0});
  store_.define(kTimer);
  store_.track("t1", "", {.at = 95 * kS});
  store_.advance(60 * kS);
  using Keys = std::multiset<std::string>;
  warden_scan_filter filter = WARDEN_SCAN_FILTER_INIT;
  filter.state = WARDEN_STATE_SUBMITTED;
  EXPECT_EQ(scan(filter), (Keys{"s1"}));
  filter.state = WARDEN_STATE_LIVE;
  EXPECT_EQ(scan(filter), (Keys{"l1", "l2", "late", "t1"}));
  filter.flow = "upload";
  filter.flow_len = 6;
  EXPECT_EQ(scan(filter), (Keys{"l1", "l2", "late"}));
  filter.key_prefix = "l1";
  filter.key_prefix_len = 1;
  EXPECT_EQ(scan(filter), (Keys{"l1", "l2", "late"}));
  filter.key_prefix_len = 2;
  EXPECT_EQ(scan(filter), (Keys{"l1"}));
  filter = WARDEN_SCAN_FILTER_INIT;
  filter.stage = "uploaded";
  filter.stage_len = 8;
  EXPECT_EQ(scan(filter), (Keys{"l2"}));
  filter.stage_len = 0;
  EXPECT_EQ(scan(filter), (Keys{"s1", "l1", "late", "t1"})) << "before the first stage";
  filter = WARDEN_SCAN_FILTER_INIT;
  filter.overdue = 1;
  EXPECT_EQ(scan(filter), (Keys{"l2"})) << "its hand-off";
  store_.advance(101 * kS);
  EXPECT_EQ(scan(filter), (Keys{"l1", "l2", "late"}));
  filter = WARDEN_SCAN_FILTER_INIT;
  filter.flow = "nosuch";
  filter.flow_len = 6;
  EXPECT_EQ(scan(filter), Keys{});
}

TEST_F(Scans, FilterRefusals) {
  const auto refused = [&](auto&& change) {
    warden_scan_filter filter = WARDEN_SCAN_FILTER_INIT;
    change(filter);
    warden_scan* walk = nullptr;
    warden_error error = WARDEN_ERROR_INIT;
    EXPECT_EQ(warden_scan_open(store_.get(), &filter, &walk, &error), WARDEN_E_INVALID_ARGUMENT);
    EXPECT_EQ(walk, nullptr);
    EXPECT_NE(error.message[0], 0);
  };
  refused([](auto& f) { f.state = WARDEN_STATE_CLOSED; });
  refused([](auto& f) { f.state = 3; });
  refused([](auto& f) { f.overdue = 2; });
  refused([](auto& f) { f.flow_len = 1; });
  refused([](auto& f) { f.stage_len = 1; });
  refused([](auto& f) { f.key_prefix_len = 1; });
}

TEST_F(Scans, NoneOfThoseThereThroughoutIsMissedWhileOthersComeAndGo) {
  constexpr int kStaying = 3000;
  for (int i = 0; i < kStaying; ++i) store_.track(numbered("stay", i));
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; !stop; ++i) {
        const std::string key = numbered("go", t) + numbered(".", i % 500);
        store_.track(key, "", {.at = i});
        if (i % 2 == 1) store_.touch(numbered("stay", i % kStaying), {.at = i});
        store_.complete(key, {.at = i});
      }
    });
  }
  for (int round = 0; round < 10; ++round) {
    std::set<std::uint64_t> incarnations;
    std::set<std::string> staying;
    for (const Item& one : store_.scan()) {
      EXPECT_TRUE(incarnations.insert(one.raw.incarnation).second) << one.key << " came twice";
      if (one.key.rfind("stay", 0) == 0) staying.insert(one.key);
    }
    EXPECT_EQ(staying.size(), std::size_t{kStaying});
  }
  stop = true;
  for (std::thread& one : threads) one.join();
  store_.expect_balance();
}

}  // namespace
}  // namespace warden::test
