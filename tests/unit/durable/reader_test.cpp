// SPDX-License-Identifier: Apache-2.0
//
// Read-only opening: beside a live writer it sees a durable prefix and disturbs
// nothing; alone it sees everything; it refuses every verb.
#include <atomic>
#include <chrono>
#include <set>
#include <thread>

#include "on_disk.hpp"

namespace warden::test {
namespace {

class Reader : public OnDisk {
 protected:
  std::unique_ptr<Store> reader() {
    auto out = std::make_unique<Store>(
        path_,
        std::vector<Setting>{{"mode", "read-only"}, {"clock", "manual"}, {"backend", GetParam()}});
    out->flow = "timer";
    return out;
  }
  // How many of stem0, stem1, ... a reader sees; it must be all up to some point.
  static int prefix(Store& from, const std::string& stem) {
    std::set<int> numbers;
    for (const Item& one : from.scan()) {
      if (one.key.rfind(stem, 0) == 0) numbers.insert(std::stoi(one.key.substr(stem.size())));
    }
    const auto count = static_cast<int>(numbers.size());
    EXPECT_TRUE(numbers.empty() || *numbers.rbegin() == count - 1) << "there is a hole";
    return count;
  }
  // Opens readers until one sees `count`: what is durable shows at the latest when the
  // writer, having nothing to do, writes its beacon.
  std::unique_ptr<Store> reader_of(int count, const char* stem) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::nanoseconds(kLong);
    for (;;) {
      std::unique_ptr<Store> one = reader();
      if (prefix(*one, stem) == count || std::chrono::steady_clock::now() > until) return one;
    }
  }
};

TEST_P(Reader, SeesADurablePrefixBesideTheWriter) {
  Store& writer = open();
  writer.define(kTimer);
  for (int i = 0; i < 30; ++i) {
    writer.track(numbered("k", i), numbered("payload ", i));
    if (i % 10 != 9) continue;
    const int seen = prefix(*reader(), "k");
    EXPECT_LE(seen, i + 1);
    EXPECT_GE(seen, i - 1) << "all but what the newest block alone holds is proven";
  }
  const std::unique_ptr<Store> all = reader_of(30, "k");
  EXPECT_EQ(prefix(*all, "k"), 30);
  EXPECT_EQ(all->get_item("k17").payload, "payload 17");
  EXPECT_EQ(text_of(all->get_item("k17")), text_of(writer.get_item("k17")));
  // The picture stands still while the writer goes on.
  for (int i = 30; i < 40; ++i) EXPECT_EQ(writer.track(numbered("k", i)).code, WARDEN_NEW);
  EXPECT_EQ(writer.complete("k0").code, WARDEN_ON_TIME);
  EXPECT_EQ(prefix(*all, "k"), 30);
}

TEST_P(Reader, BesideAWriterUnderLoad) {
  Store& writer = open();
  writer.define(kTimer);
  writer.track("a0", "payload 0");
  writer.track("b0", "payload 0");
  std::atomic<bool> stop{false};
  std::atomic<int> acknowledged[2] = {{1}, {1}};
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 1; !stop && i < 2000; ++i) {
        const Answer answer =
            writer.track(numbered(t == 0 ? "a" : "b", i), numbered("payload ", i));
        EXPECT_EQ(answer.code, WARDEN_NEW);
        acknowledged[t] = i + 1;
      }
    });
  }
  for (int round = 0; round < 10; ++round) {
    const std::unique_ptr<Store> one = reader();
    for (int t = 0; t < 2; ++t) {
      const int seen = prefix(*one, t == 0 ? "a" : "b");
      // The writer may have one more under way than it was answered.
      EXPECT_LE(seen, acknowledged[t] + 1);
    }
    for (const Item& item : one->scan()) EXPECT_EQ(item.payload, "payload " + item.key.substr(1));
    one->expect_balance();
  }
  stop = true;
  for (std::thread& one : threads) one.join();
  EXPECT_EQ(prefix(*reader_of(acknowledged[0], "a"), "a"), acknowledged[0]);
}

// The writer's own beacon may fall between two looks; a reader that changed anything
// would do so at every opening.
TEST_P(Reader, ChangesNoByteBesideALiveWriter) {
  Store& writer = open();
  writer.define(kTimer);
  for (int i = 0; i < 10; ++i) writer.track(numbered("k", i), "payload");
  const auto until = std::chrono::steady_clock::now() + std::chrono::nanoseconds(kLong);
  bool unchanged = false;
  while (!unchanged && std::chrono::steady_clock::now() < until) {
    const Image before = image_of(path_);
    {
      const std::unique_ptr<Store> one = reader();
      EXPECT_LE(prefix(*one, "k"), 10);
    }
    unchanged = image_of(path_) == before;
  }
  EXPECT_TRUE(unchanged);
  EXPECT_EQ(writer.track("k10").code, WARDEN_NEW);
  EXPECT_EQ(prefix(*reader_of(11, "k"), "k"), 11);
}

TEST_P(Reader, RefusesEveryVerb) {
  Store& writer = open();
  writer.define(kTimer);
  writer.track("k", "p");
  writer.consumer("c");
  close();
  const Image before = image_of(path_);
  const std::unique_ptr<Store> one = reader();
  Store& r = *one;
  constexpr std::int32_t kRefused = WARDEN_E_READ_ONLY;
  EXPECT_EQ(r.submit("x").code, kRefused);
  EXPECT_EQ(r.track("k", "p").code, kRefused);
  EXPECT_EQ(r.track("x", "", {.durability = WARDEN_DURABILITY_VOLATILE}).code, kRefused);
  EXPECT_EQ(r.exec("k").code, kRefused);
  EXPECT_EQ(r.mark("k", "s").code, kRefused);
  EXPECT_EQ(r.touch("k").code, kRefused);
  EXPECT_EQ(r.extend_to("k", "t", kS).code, kRefused);
  EXPECT_EQ(r.complete("k").code, kRefused);
  EXPECT_EQ(r.complete("x", {.allow_early = true}).code, kRefused);
  EXPECT_EQ(r.cancel("k").code, kRefused);
  EXPECT_EQ(warden_clock_advance(r.get(), kH), kRefused);
  warden_error error = WARDEN_ERROR_INIT;
  EXPECT_EQ(warden_flow_define(r.get(), kUpload, std::strlen(kUpload), nullptr, &error), kRefused);
  EXPECT_NE(error.message[0], 0);
  warden_consumer* consumer = nullptr;
  EXPECT_EQ(warden_consumer_open(r.get(), "c", 1, nullptr, &consumer, &error), kRefused);
  EXPECT_NE(std::string(error.message).find("read-only"), std::string::npos);
  EXPECT_EQ(consumer, nullptr);
  EXPECT_EQ(warden_consumer_delete(r.get(), "c", 1), kRefused);
  const warden_batch_entry entry{0, 1, 0, 0, 0, 0, 0, 0, 0, 0};
  warden_batch_result result{};
  warden_batch batch = WARDEN_BATCH_INIT;
  batch.flow = "timer";
  batch.flow_len = 5;
  batch.blob = "k";
  batch.blob_len = 1;
  batch.entries = &entry;
  batch.count = 1;
  batch.results = &result;
  EXPECT_EQ(warden_batch_run(r.get(), WARDEN_OP_COMPLETE, &batch, nullptr), 0);
  EXPECT_EQ(result.code, kRefused);
  // What only looks is answered.
  EXPECT_EQ(r.get_item("k").payload, "p");
  EXPECT_EQ(r.scan().size(), 1u);
  EXPECT_EQ(r.stats().live, 1u);
  EXPECT_EQ(warden_sync(r.get(), 0), WARDEN_OK);
  EXPECT_EQ(warden_close(r.get(), 0), WARDEN_OK);
  EXPECT_EQ(image_of(path_), before) << "not a byte was changed";
}

TEST_P(Reader, FiresNothing) {
  std::string flow = kTimer;
  flow.replace(flow.find("10s"), 3, "1ms");
  Store& writer = open({{"clock", "real"}});
  writer.define(flow);
  const std::int64_t deadline = writer.track("k").r.deadline_ns;
  close();
  const Image before = image_of(path_);
  Store r(path_, {{"mode", "read-only"}, {"backend", GetParam()}});
  r.flow = "timer";
  while (r.stats().now_ns < deadline + 20 * kMs) std::this_thread::yield();
  EXPECT_EQ(r.get_item("k").raw.alerts, r.stats().alerts_raised);
  EXPECT_LE(r.stats().alerts_raised, 1u) << "one, if the writer saw it pass";
  EXPECT_EQ(image_of(path_), before);
}

TEST_P(Reader, ManyAtOnceAndNoneKeepsAWriterOut) {
  Store& writer = open();
  writer.define(kTimer);
  writer.track("k0");
  close();
  std::vector<std::unique_ptr<Store>> readers;
  for (int i = 0; i < 5; ++i) readers.push_back(reader());
  Store& next = open();
  EXPECT_EQ(next.track("k1").code, WARDEN_NEW);
  for (const auto& one : readers) EXPECT_EQ(prefix(*one, "k"), 1);
  EXPECT_EQ(prefix(*reader_of(2, "k"), "k"), 2);
  next.track("k2");
  close();
  EXPECT_EQ(prefix(*reader(), "k"), 3) << "without a writer, all of it at once";
  for (const auto& one : readers) EXPECT_EQ(prefix(*one, "k"), 1);
}

TEST_P(Reader, OfWhatACrashLeft) {
  Store& writer = open();
  writer.define(kTimer);
  for (int i = 0; i < 10; ++i) writer.track(numbered("k", i));
  const std::string left = dir_.path("left");
  copy_store(path_, left);
  close();
  path_ = left;
  const Image before = image_of(path_);
  for (int i = 0; i < 2; ++i) EXPECT_EQ(prefix(*reader(), "k"), 10);
  EXPECT_EQ(image_of(path_), before) << "a reader seals nothing";
  EXPECT_EQ(open().stats().live, 10u);
}

WARDEN_ON_BOTH_BACKENDS(Reader);

}  // namespace
}  // namespace warden::test
