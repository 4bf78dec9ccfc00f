// SPDX-License-Identifier: Apache-2.0
//
// What each durability promises, and every way to wait: by the verb itself, on a
// position, for everything, by eventfd.
#include <poll.h>

#include <atomic>
#include <thread>

#include "on_disk.hpp"

namespace warden::test {
namespace {

class Waiting : public OnDisk {
 protected:
  static With with(std::uint32_t durability) { return {.durability = durability}; }
  std::uint64_t durable() { return warden_durable_lsn(store().get()); }
  std::int32_t wait(std::uint64_t lsn, std::int64_t timeout = kLong) {
    return warden_wait_durable(store().get(), lsn, timeout);
  }
  static bool readable(int fd, int timeout_ms = 0) {
    pollfd one{fd, POLLIN, 0};
    return ::poll(&one, 1, timeout_ms) == 1;
  }
};

TEST_P(Waiting, DurableAnswersAreDurableWhenTheyCome) {
  Store& s = open();
  s.define(kUpload);
  const auto check = [&](const Answer& answer, std::int32_t code) {
    EXPECT_EQ(answer.code, code) << warden_code_name(answer.code);
    EXPECT_EQ(answer.r.durability, WARDEN_DURABILITY_DURABLE);
    EXPECT_GT(answer.r.lsn, 0u);
    EXPECT_LE(answer.r.lsn, durable());
    EXPECT_EQ(wait(answer.r.lsn, 0), WARDEN_OK);
  };
  check(s.submit("k", "p"), WARDEN_NEW);
  check(s.exec("k"), WARDEN_ARMED);
  check(s.track("t", "p", with(WARDEN_DURABILITY_DURABLE)), WARDEN_NEW);
  check(s.mark("k", "uploading"), WARDEN_OK);
  check(s.touch("k", {.at = kS}), WARDEN_OK);
  check(s.extend_by("k", "total", kS, {.seq = 1}), WARDEN_OK);
  check(s.complete("k"), WARDEN_ON_TIME);
  check(s.cancel("t"), WARDEN_OK);
  check(s.complete("unknown", {.allow_early = true}), WARDEN_RECORDED_EARLY);
}

// An answer that reports a state waits for that state, whoever brought it about.
TEST_P(Waiting, AnswersThatReportAStateWaitForIt) {
  Store& s = open();
  s.define(kTimer);
  const With buffered = with(WARDEN_DURABILITY_BUFFERED);
  for (int i = 0; i < 20; ++i) {
    const std::string key = numbered("k", i);
    const std::uint64_t made = s.track(key, "p", buffered).r.lsn;
    const Answer again = s.track(key, "p");
    EXPECT_EQ(again.code, WARDEN_EXISTING);
    EXPECT_GE(durable(), made);
    const std::uint64_t touched =
        s.touch(key, {.seq = 5, .durability = WARDEN_DURABILITY_BUFFERED}).r.lsn;
    EXPECT_EQ(s.touch(key, {.seq = 5}).code, WARDEN_ALREADY);
    EXPECT_GE(durable(), touched);
    const std::uint64_t closed = s.complete(key, buffered).r.lsn;
    EXPECT_EQ(s.complete(key).code, WARDEN_ALREADY_DONE);
    EXPECT_GE(durable(), closed);
  }
}

TEST_P(Waiting, BufferedAnswersAreWaitedForByTheirPosition) {
  Store& s = open();
  s.define(kTimer);
  std::uint64_t last = 0;
  for (int i = 0; i < 200; ++i) {
    const Answer answer = s.track(numbered("k", i), "p", with(WARDEN_DURABILITY_BUFFERED));
    EXPECT_EQ(answer.r.durability, WARDEN_DURABILITY_BUFFERED);
    EXPECT_GT(answer.r.lsn, last);
    last = answer.r.lsn;
  }
  EXPECT_EQ(wait(last), WARDEN_OK);
  EXPECT_GE(durable(), last);
  EXPECT_EQ(wait(last, -1), WARDEN_OK);
  EXPECT_EQ(crash().stats().live, 200u);
}

TEST_P(Waiting, SyncCoversEverythingAnsweredBefore) {
  Store& s = open({{"durability", "buffered"}});
  s.define(kTimer);
  Consumer c = s.consumer("c");
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(s.track(numbered("k", i)).r.durability, WARDEN_DURABILITY_BUFFERED);
  }
  const Answer durable_one = s.track("one", "", with(WARDEN_DURABILITY_DURABLE));
  EXPECT_EQ(durable_one.r.durability, WARDEN_DURABILITY_DURABLE);
  EXPECT_LE(durable_one.r.lsn, durable());
  const Answer last = s.complete("k99");
  EXPECT_EQ(warden_sync(s.get(), kLong), WARDEN_OK);
  EXPECT_GE(durable(), last.r.lsn);
  EXPECT_EQ(warden_sync(s.get(), 0), WARDEN_OK) << "nothing is left to wait for";
  Store& left = crash();
  EXPECT_EQ(left.stats().live, 100u);
  EXPECT_EQ(left.stats().done, 1u);
}

TEST_P(Waiting, CloseDrainsWhatWasBuffered) {
  Store& s = open({{"durability", "buffered"}});
  s.define(kTimer);
  for (int i = 0; i < 2000; ++i) s.track(numbered("k", i));
  EXPECT_EQ(reopen().stats().live, 2000u);
}

TEST_P(Waiting, VolatileHasNoPosition) {
  Store& s = open();
  s.define(kUpload);
  const Answer made = s.track("k", "p", with(WARDEN_DURABILITY_VOLATILE));
  EXPECT_EQ(made.r.durability, WARDEN_DURABILITY_VOLATILE);
  EXPECT_EQ(made.r.lsn, 0u);
  const Answer marked = s.mark("k", "uploading", with(WARDEN_DURABILITY_DURABLE));
  EXPECT_EQ(marked.code, WARDEN_OK);
  EXPECT_EQ(marked.r.durability, WARDEN_DURABILITY_VOLATILE) << "which was given, not asked";
  EXPECT_EQ(marked.r.lsn, 0u);
  EXPECT_EQ(wait(0), WARDEN_OK);
  // An item is volatile or not from its beginning.
  s.track("kept", "p");
  const Answer event = s.mark("kept", "uploading", with(WARDEN_DURABILITY_VOLATILE));
  EXPECT_EQ(event.r.durability, WARDEN_DURABILITY_BUFFERED);
  EXPECT_EQ(wait(event.r.lsn), WARDEN_OK);
  EXPECT_EQ(crash().get_item("kept").stage, "uploading");
}

TEST_P(Waiting, WithoutAPathEverythingIsVolatile) {
  Store memory;
  memory.define(kTimer);
  const Answer answer = memory.track("k", "p", with(WARDEN_DURABILITY_DURABLE));
  EXPECT_EQ(answer.r.durability, WARDEN_DURABILITY_VOLATILE);
  EXPECT_EQ(answer.r.lsn, 0u);
  EXPECT_EQ(warden_durable_lsn(memory.get()), 0u);
  EXPECT_EQ(warden_wait_durable(memory.get(), 0, -1), WARDEN_OK);
  EXPECT_EQ(warden_sync(memory.get(), -1), WARDEN_OK);
  const warden_stats stats = memory.stats();
  EXPECT_EQ(stats.log_bytes + stats.log_records + stats.durable_lsn + stats.epoch, 0u);
}

TEST_P(Waiting, APositionNeverIssuedIsRefused) {
  Store& s = open();
  s.define(kTimer);
  const std::uint64_t last = s.track("k").r.lsn;
  EXPECT_EQ(wait(last + (1u << 20)), WARDEN_E_OUT_OF_RANGE);
  EXPECT_EQ(wait(~std::uint64_t{0}), WARDEN_E_OUT_OF_RANGE);
}

TEST_P(Waiting, APositionThatACrashCutOffIsLostForEver) {
  Store& s = open();
  s.define(kTimer);
  const std::uint64_t kept = s.track("kept").r.lsn;
  const std::string left = dir_.path("cut");
  copy_store(path_, left);
  std::uint64_t lost = 0;
  for (int i = 0; i < 50; ++i) lost = s.track(numbered("lost", i)).r.lsn;
  close();
  path_ = left;
  for (int opening = 0; opening < 3; ++opening) {
    open();
    EXPECT_EQ(store().get_item("lost49").code, WARDEN_E_UNKNOWN_ITEM);
    store().track(numbered("later", opening));
    EXPECT_EQ(wait(lost), WARDEN_E_LOST) << opening;
    EXPECT_EQ(wait(lost, 0), WARDEN_E_LOST);
    EXPECT_EQ(wait(kept), WARDEN_OK);
  }
}

TEST_P(Waiting, DurableLsnNeverGoesBack) {
  open({{"durability", "buffered"}}).define(kTimer);
  std::atomic<bool> stop{false};
  std::thread watcher([&] {
    std::uint64_t before = 0;
    while (!stop) {
      const std::uint64_t now = warden_durable_lsn(store().get());
      EXPECT_GE(now, before);
      before = now;
    }
  });
  std::vector<std::thread> writers;
  for (int t = 0; t < 2; ++t) {
    writers.emplace_back([&, t] {
      for (int i = 0; i < 500; ++i) {
        const Answer answer = store().track(numbered("k", t) + numbered(".", i));
        EXPECT_EQ(answer.code, WARDEN_NEW);
        if (i % 16 != 0) continue;
        EXPECT_EQ(warden_wait_durable(store().get(), answer.r.lsn, kLong), WARDEN_OK);
      }
    });
  }
  for (std::thread& one : writers) one.join();
  stop = true;
  watcher.join();
  const std::uint64_t before = durable();
  reopen();
  EXPECT_GE(durable(), before) << "nor over a restart";
}

TEST_P(Waiting, TheEventfdIsSignalledOnceThePositionIsDurable) {
  Store& s = open();
  s.define(kTimer);
  const int fd = warden_durable_fd(s.get());
  ASSERT_GE(fd, 0);
  EXPECT_FALSE(readable(fd)) << "nothing is armed";
  for (int i = 0; i < 20; ++i) {
    const Answer answer = s.track(numbered("k", i), "", with(WARDEN_DURABILITY_BUFFERED));
    ASSERT_EQ(warden_durable_arm(s.get(), answer.r.lsn), WARDEN_OK);
    ASSERT_TRUE(readable(fd, 30000)) << i;
    EXPECT_GE(durable(), answer.r.lsn);
  }
  const std::uint64_t last = durable();
  EXPECT_EQ(warden_durable_arm(s.get(), last), WARDEN_OK);
  EXPECT_TRUE(readable(fd)) << "at once, since it is durable";
}

TEST_P(Waiting, ABatchIsWaitedForOnce) {
  Store& s = open();
  s.define(kTimer);
  std::string blob;
  std::vector<warden_batch_entry> entries;
  for (int i = 0; i < 1000; ++i) {
    warden_batch_entry entry{};
    entry.key_offset = static_cast<std::uint32_t>(blob.size());
    blob += numbered("k", i);
    entry.key_len = static_cast<std::uint32_t>(blob.size()) - entry.key_offset;
    entry.arg_offset = entry.key_offset;  // its own key for a payload
    entry.arg_len = entry.key_len;
    entry.seq = 1;
    entries.push_back(entry);
  }
  std::vector<warden_batch_result> results(entries.size());
  warden_batch batch = WARDEN_BATCH_INIT;
  batch.flow = "timer";
  batch.flow_len = 5;
  batch.blob = blob.data();
  batch.blob_len = blob.size();
  batch.entries = entries.data();
  batch.count = 1000;
  batch.results = results.data();
  std::uint64_t last = 0;
  EXPECT_EQ(warden_batch_run(s.get(), WARDEN_OP_TRACK, &batch, &last), 1000);
  EXPECT_GT(last, 0u);
  EXPECT_LE(last, durable());
  for (const warden_batch_result& one : results) {
    EXPECT_EQ(one.code, WARDEN_NEW);
    EXPECT_LE(one.lsn, last);
  }
  Store& again = crash();
  EXPECT_EQ(again.stats().live, 1000u);
  EXPECT_EQ(again.get_item("k999").payload, "k999");
  EXPECT_EQ(warden_batch_run(again.get(), WARDEN_OP_TRACK, &batch, &last), 1000);
  EXPECT_EQ(results[7].code, WARDEN_EXISTING);
  batch.count = 600;
  batch.durability = WARDEN_DURABILITY_BUFFERED;
  for (warden_batch_entry& one : entries) {
    one.seq = 2;
    one.arg_offset = one.arg_len = 0;
  }
  EXPECT_EQ(warden_batch_run(again.get(), WARDEN_OP_COMPLETE, &batch, &last), 600);
  EXPECT_EQ(wait(last), WARDEN_OK);
  Store& third = crash();
  EXPECT_EQ(third.stats().live, 400u);
  EXPECT_EQ(third.stats().done, 600u);
  third.expect_balance();
}

TEST_P(Waiting, AfterCloseNobodyWaits) {
  Store& s = open();
  s.define(kTimer);
  const std::uint64_t lsn = s.track("k").r.lsn;
  EXPECT_EQ(warden_close(s.get(), kLong), WARDEN_OK);
  EXPECT_EQ(wait(lsn), WARDEN_E_STORE_CLOSED);
  EXPECT_EQ(warden_sync(s.get(), -1), WARDEN_E_STORE_CLOSED);
  EXPECT_EQ(warden_durable_fd(s.get()), WARDEN_E_STORE_CLOSED);
  EXPECT_EQ(warden_durable_arm(s.get(), lsn), WARDEN_E_STORE_CLOSED);
  EXPECT_EQ(warden_release_hold(s.get()), WARDEN_E_STORE_CLOSED);
}

WARDEN_ON_BOTH_BACKENDS(Waiting);

}  // namespace
}  // namespace warden::test
