// SPDX-License-Identifier: Apache-2.0
//
// warden_backup: a copy from a running store, restored in hold, has the same items and the
// same alerts by their ids; while threads write it holds all that was acknowledged.
#include <atomic>
#include <set>
#include <thread>

#include "on_disk.hpp"

namespace warden::test {
namespace {

class Backup : public OnDisk {
 protected:
  std::string copy() const { return dir_.path("copy"); }
  static std::int32_t backup(Store& store, const std::string& to,
                             warden_backup_info* info = nullptr, warden_error* error = nullptr) {
    return warden_backup(store.get(), to.c_str(), info, error);
  }
};
WARDEN_ON_BOTH_BACKENDS(Backup);

TEST_P(Backup, RestoredInHoldIsTheStoreItWas) {
  Store& store = open();
  store.define(kUpload);
  store.now = kS;
  for (int i = 0; i < 200; ++i) {
    const std::string key = numbered("k", i);
    ASSERT_EQ(store.track(key, std::string(100, 'p')).code, WARDEN_NEW);
    if (i % 3 == 0) store.mark(key, "uploaded");
    if (i % 7 == 0) store.complete(key);
  }
  Consumer ops = store.consumer("ops");
  store.advance(150 * kS);
  const auto alerts = ops.poll(10);
  ASSERT_EQ(alerts.size(), 10u);
  ASSERT_EQ(ops.ack({alerts[0]}), 1);
  std::map<std::string, std::string> items;
  for (const Item& one : store.scan()) items[one.key] = text_of(one);

  warden_backup_info info = WARDEN_BACKUP_INFO_INIT;
  warden_error error = WARDEN_ERROR_INIT;
  ASSERT_EQ(backup(store, copy(), &info, &error), WARDEN_OK) << error.message;
  EXPECT_EQ(info.struct_size, sizeof info);
  EXPECT_GE(info.segments, 1u);
  EXPECT_GT(info.bytes, 4096u);
  EXPECT_EQ(info.lsn, warden_durable_lsn(store.get()));
  std::set<std::pair<std::uint64_t, std::uint64_t>> kept;
  for (std::size_t i = 1; i < alerts.size(); ++i) {
    ASSERT_EQ(warden_alert_nack(ops.get(), alerts[i].raw.lease, 0), WARDEN_OK);
  }
  for (const Alert& one : ops.drain()) kept.insert(one.id());

  Store restored(copy(), {{"clock", "manual"}, {"hold", "true"}, {"backend", GetParam()}});
  restored.flow = store.flow;
  restored.now = restored.stats().now_ns;
  EXPECT_EQ(restored.now, 150 * kS);
  std::map<std::string, std::string> again;
  for (const Item& one : restored.scan()) again[one.key] = text_of(one);
  EXPECT_EQ(again, items);
  EXPECT_EQ(restored.stats().torn_bytes, 0u);
  restored.expect_balance();
  // Held: time goes on and nothing fires until it is released.
  const auto raised = restored.stats().alerts_raised;
  restored.advance(200 * kS);
  EXPECT_EQ(restored.stats().alerts_raised, raised);
  Consumer same = restored.consumer("ops");
  std::set<std::pair<std::uint64_t, std::uint64_t>> ids;
  for (const Alert& one : same.drain()) ids.insert(one.id());
  EXPECT_EQ(ids, kept);
  ASSERT_EQ(warden_release_hold(restored.get()), WARDEN_OK);
  restored.advance(200 * kS);
  EXPECT_GT(restored.stats().alerts_raised, raised);
}

TEST_P(Backup, WhatTheOriginalGivesOutLaterTheCopyNeverDoes) {
  Store& store = open();
  store.define(kUpload);
  ASSERT_EQ(store.track("before").code, WARDEN_NEW);
  ASSERT_EQ(backup(store, copy()), WARDEN_OK);
  const Answer later = store.track("after");
  const Answer next = reopen().track("next");  // `store` is gone
  Store restored(copy(), {{"clock", "manual"}, {"backend", GetParam()}});
  restored.flow = "upload";
  EXPECT_EQ(warden_wait_durable(restored.get(), later.r.lsn, 0), WARDEN_E_LOST);
  EXPECT_EQ(warden_wait_durable(restored.get(), next.r.lsn, 0), WARDEN_E_LOST);
  EXPECT_EQ(restored.get_item("after").code, WARDEN_E_UNKNOWN_ITEM);
  std::set<std::uint64_t> given{later.r.incarnation, next.r.incarnation};
  for (int i = 0; i < 200; ++i) {
    const Answer made = restored.track(numbered("new", i));
    ASSERT_EQ(made.code, WARDEN_NEW);
    EXPECT_EQ(given.count(made.r.incarnation), 0u);
  }
  With old;
  old.incarnation = later.r.incarnation;
  ASSERT_EQ(restored.track("after").code, WARDEN_NEW);
  EXPECT_EQ(restored.complete("after", old).code, WARDEN_E_FENCED);
}

TEST_P(Backup, WhileThreadsWriteHoldsAllThatWasAcknowledged) {
  Store& store = open();
  store.define(kUpload);
  constexpr int kThreads = 3;
  std::atomic<int> acked[kThreads] = {};
  std::atomic<bool> stop{false};
  std::vector<std::thread> writers;
  for (int t = 0; t < kThreads; ++t) {
    writers.emplace_back([&, t] {
      for (int i = 0; !stop; ++i) {
        const std::string key = numbered("k", t) + numbered("-", i);
        warden_item_options o = WARDEN_ITEM_OPTIONS_INIT;
        o.at_ns = kS;
        const std::string payload(3000, 'p');
        if (warden_track(store.get(), "upload", 6, key.data(), key.size(), payload.data(),
                         payload.size(), &o, nullptr) != WARDEN_NEW) {
          return;
        }
        acked[t] = i + 1;
      }
    });
  }
  for (int round = 0; round < 3; ++round) {
    while (acked[0] < (round + 1) * 150) std::this_thread::yield();
    int before[kThreads];
    for (int t = 0; t < kThreads; ++t) before[t] = acked[t];
    const std::string to = dir_.path(numbered("copy", round).c_str());
    warden_error error = WARDEN_ERROR_INIT;
    EXPECT_EQ(backup(store, to, nullptr, &error), WARDEN_OK) << error.message;
    Store restored(to, {{"clock", "manual"}, {"mode", "read-only"}});
    restored.flow = "upload";
    for (int t = 0; t < kThreads; ++t) {
      for (int i = 0; i < before[t]; ++i) {
        ASSERT_EQ(restored.get_item(numbered("k", t) + numbered("-", i)).code, WARDEN_OK);
      }
    }
    restored.expect_balance();
  }
  stop = true;
  for (std::thread& one : writers) one.join();
}

TEST_P(Backup, WhileTheLogIsCleanedHoldsWhatLives) {
  Store& store = open();
  store.define(kUpload);
  store.now = kS;
  std::map<std::string, std::string> forever;
  for (int i = 0; i < 200; ++i) {
    ASSERT_EQ(store.track(numbered("for-ever", i), std::string(300, 'x')).code, WARDEN_NEW);
  }
  for (const Item& one : store.scan()) forever[one.key] = text_of(one);
  store.define("[flow]\nname = \"churn\"\nstages = []\ndedupe = \"1s\"\n");
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    const std::string payload(60000, 'p');
    warden_item_options o = WARDEN_ITEM_OPTIONS_INIT;
    o.at_ns = kS;
    o.durability = WARDEN_DURABILITY_BUFFERED;
    for (int i = 0; !stop; ++i) {
      const std::string key = numbered("churn", i);
      warden_track(store.get(), "churn", 5, key.data(), key.size(), payload.data(), payload.size(),
                   &o, nullptr);
      warden_complete(store.get(), "churn", 5, key.data(), key.size(), &o, nullptr);
    }
  });
  for (std::uint64_t round = 0; round < 4; ++round) {
    while (store.stats().log_freed < 2 * (round + 1)) std::this_thread::yield();
    const std::string to = dir_.path(numbered("copy", round).c_str());
    warden_error error = WARDEN_ERROR_INIT;
    EXPECT_EQ(backup(store, to, nullptr, &error), WARDEN_OK) << error.message;
    if (error.code < 0) break;
    EXPECT_FALSE(std::filesystem::exists(to + "/wal-1"));
    Store restored(to, {{"clock", "manual"}, {"mode", "read-only"}});
    restored.expect_balance();
    std::map<std::string, std::string> there;
    for (const Item& one : restored.scan()) {
      if (one.flow == "upload") there[one.key] = text_of(one);
    }
    EXPECT_EQ(there, forever);
  }
  stop = true;
  writer.join();
}

TEST_P(Backup, OfAStoreOpenedReadOnlyIsWhatIsDurableNow) {
  Store& store = open();
  store.define(kUpload);
  store.track("first");
  Store reader(path_, {{"clock", "manual"}, {"mode", "read-only"}});
  store.track("second");
  ASSERT_EQ(backup(reader, copy()), WARDEN_OK);
  Store restored(copy(), {{"clock", "manual"}});
  restored.flow = "upload";
  EXPECT_EQ(restored.get_item("first").code, WARDEN_OK);
  EXPECT_EQ(restored.get_item("second").code, WARDEN_OK);
}

TEST_P(Backup, VolatileItemsAreNotInIt) {
  Store& store = open();
  store.define(kUpload);
  With in_memory;
  in_memory.durability = WARDEN_DURABILITY_VOLATILE;
  store.track("gone", "", in_memory);
  store.track("kept");
  ASSERT_EQ(backup(store, copy()), WARDEN_OK);
  Store restored(copy(), {{"clock", "manual"}});
  restored.flow = "upload";
  EXPECT_EQ(restored.get_item("gone").code, WARDEN_E_UNKNOWN_ITEM);
  EXPECT_EQ(restored.get_item("kept").code, WARDEN_OK);
}

TEST_P(Backup, IsRefusedWithItsReason) {
  Store& store = open();
  store.define(kUpload);
  const auto says = [&](Store& of, const std::string& to, std::int32_t code, const char* words) {
    warden_error error = WARDEN_ERROR_INIT;
    EXPECT_EQ(backup(of, to, nullptr, &error), code) << error.message;
    EXPECT_EQ(error.code, code);
    EXPECT_NE(std::string(error.message).find(words), std::string::npos) << error.message;
  };
  write_file(dir_.path("file"), "x");
  says(store, path_, WARDEN_E_NOT_A_STORE, "expected a new or empty directory");
  says(store, dir_.path("file"), WARDEN_E_NOT_A_STORE, "a file");
  says(store, dir_.path("a/b"), WARDEN_E_NOT_A_STORE, "parent directory");
  Store memory;
  says(memory, copy(), WARDEN_E_BAD_STATE, "in memory");
  EXPECT_EQ(warden_backup(nullptr, copy().c_str(), nullptr, nullptr), WARDEN_E_INVALID_ARGUMENT);
  EXPECT_EQ(warden_backup(store.get(), nullptr, nullptr, nullptr), WARDEN_E_INVALID_ARGUMENT);
  EXPECT_EQ(warden_backup(store.get(), "", nullptr, nullptr), WARDEN_E_INVALID_ARGUMENT);
  warden_backup_info info{};
  warden_error error = WARDEN_ERROR_INIT;
  EXPECT_EQ(backup(store, copy(), &info, &error), WARDEN_E_INVALID_ARGUMENT);
  EXPECT_NE(std::string(error.message).find("warden_backup_info"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(copy()));
  // A caller that knows less of the struct gets what it knows.
  info.struct_size = 8;
  EXPECT_EQ(backup(store, copy(), &info), WARDEN_OK);
  EXPECT_EQ(info.segments, 1u);
  EXPECT_EQ(info.bytes, 0u);
}

}  // namespace
}  // namespace warden::test
