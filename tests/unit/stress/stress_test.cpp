// SPDX-License-Identifier: Apache-2.0
//
// Many threads at once through the C ABI, in memory and in a directory: workers on
// overlapping keys, competing pollers, the keeper. Nothing here depends on how fast it
// runs; what is checked holds for every order of events:
//
//   each level of each arming is raised once, levels without a gap, never early;
//   what was left alone reaches its last level; nobody hears of an item that was
//   never created; one closing answer an incarnation; the balance; no timer left;
//   and, in a directory, all of it once more after opening it again.
//
// WARDEN_SEED=n repeats the choices, not the order in which threads run;
// WARDEN_STRESS_OPS=n is how many verbs each worker calls.
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <thread>

#include "heard.hpp"
#include "on_disk.hpp"

namespace warden::test {
namespace {

constexpr const char* kFlow = R"(
[flow]
name = "s"
stages = ["a", "b"]
dedupe = "1ms"
[[rule]]
name = "total"
kind = "total"
within = "20ms"
warn_at = "50%"
escalate = ["+5ms", "+10ms"]
[[rule]]
name = "quiet"
kind = "idle"
within = "15ms"
[[rule]]
name = "step"
kind = "stage"
from = "a"
to = "b"
within = "1ms"
)";
constexpr std::uint32_t kLastOfTotal = WARDEN_LEVEL_BREACH + 2;
constexpr std::uint64_t kKeys = 200;
constexpr std::size_t kWorkers = 4;

std::uint64_t from_env(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::strtoull(text, nullptr, 0) : otherwise;
}

std::uint64_t printed_seed() {
  const std::uint64_t seed = from_env("WARDEN_SEED", 1);
  std::printf("WARDEN_SEED=%llu\n", static_cast<unsigned long long>(seed));
  return seed;
}

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}
  std::uint64_t below(std::uint64_t limit) { return engine_() % limit; }
  bool one_in(std::uint64_t n) { return below(n) == 0; }

 private:
  std::mt19937_64 engine_;
};

// One verb on a key that others use too.
void step(Store& store, Random& random, Journal& journal) {
  const std::string key = numbered("k", random.below(kKeys));
  // Most are answered at once; some wait, among those that do not.
  const std::uint32_t durability =
      random.one_in(200) ? WARDEN_DURABILITY_DURABLE : WARDEN_DURABILITY_BUFFERED;
  const With with{.durability = durability};
  const std::uint64_t dice = random.below(100);
  Answer answer;
  if (dice < 25) {
    answer = store.track(key, "payload", with);
    journal.note_created(answer);
  } else if (dice < 30) {
    const auto ttl = static_cast<std::int64_t>(1'000'000 + 1000 * random.below(5000));
    answer = store.submit(key, "payload", {.ttl = ttl, .durability = durability});
    journal.note_created(answer);
  } else if (dice < 35) {
    answer = store.exec(key, with);
  } else if (dice < 60) {
    answer = store.mark(key, random.one_in(2) ? "a" : "b", with);
  } else if (dice < 75) {
    answer = store.touch(key, with);
  } else if (dice < 80) {
    answer = store.extend_by(key, "quiet", 3 * kMs, {.token = 1, .durability = durability});
    EXPECT_TRUE(answer.code == WARDEN_E_FENCED || answer.code == WARDEN_CLOSED ||
                answer.code == WARDEN_E_UNKNOWN_ITEM)
        << warden_code_name(answer.code);
    const std::int64_t to = store.stats().now_ns + static_cast<std::int64_t>(random.below(9)) * kMs;
    answer = store.extend_to(key, "quiet", to, with);
  } else if (dice < 95) {
    answer = store.complete(key, with);
    if (answer.code == WARDEN_ON_TIME || answer.code == WARDEN_LATE) journal.note_closed(answer);
  } else {
    answer = store.cancel(key, with);
    if (answer.code == WARDEN_OK) journal.note_closed(answer);
  }
  EXPECT_TRUE(answer.code >= 0 || answer.code == WARDEN_E_UNKNOWN_ITEM ||
              answer.code == WARDEN_E_BAD_STATE)
      << warden_code_name(answer.code);
}

// Takes and acknowledges until it is told to stop and nothing is left.
void listen(Store& store, Heard& heard, const std::atomic<bool>& stop) {
  warden_consumer_options options = WARDEN_CONSUMER_OPTIONS_INIT;
  options.audit = 1;
  options.lease_ns = 24 * kH;
  Consumer consumer = store.consumer("audit", &options);
  for (;;) {
    const bool last = stop;
    const std::vector<Alert> some = consumer.poll(64, last ? 0 : 20 * kMs);
    for (const Alert& one : some) heard.add(one);
    EXPECT_EQ(consumer.ack(some), static_cast<std::int32_t>(some.size()));
    if (last && some.empty()) return;
  }
}

std::uint32_t last_level(const std::string& rule) {
  return rule == "total" ? kLastOfTotal : WARDEN_LEVEL_BREACH;
}

// Until every open item has reached the last level of every armed rule.
void wait_for_the_rest(Store& store) {
  for (bool waiting = true; waiting;) {
    waiting = false;
    for (const Item& one : store.scan()) {
      waiting = waiting || one.raw.state == WARDEN_STATE_SUBMITTED;
      for (const Rule& rule : one.rules) {
        waiting =
            waiting || (rule.status == WARDEN_RULE_ARMED && rule.level < last_level(rule.name));
      }
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

// What was raised fits what the verbs had answered.
void check_levels(const Journal& all, const Heard& heard) {
  for (const auto& [incarnation, times] : all.created) EXPECT_EQ(times, 1);
  for (const auto& [arming, levels] : heard.levels) {
    const auto& [incarnation, rule, number] = arming;
    EXPECT_EQ(all.created.count(incarnation), 1u) << "an alert of an item never created";
    const std::uint32_t first = rule == "total" ? WARDEN_LEVEL_WARN : WARDEN_LEVEL_BREACH;
    EXPECT_EQ(*levels.begin(), first) << rule << ", arming " << number;
    EXPECT_EQ(*levels.rbegin() - first + 1, levels.size()) << "a level left out of " << rule;
    const auto closed = all.closed.find(incarnation);
    if (rule == "total" && closed != all.closed.end() && closed->second == WARDEN_ON_TIME) {
      EXPECT_EQ(levels.count(WARDEN_LEVEL_BREACH), 0u) << "on time, and yet a breach";
    }
  }
}

// What nobody finished has been told of to the last level.
void check_left(const std::vector<Item>& left, const Journal& all, const Heard& heard) {
  for (const Item& one : left) {
    EXPECT_EQ(all.closed.count(one.raw.incarnation), 0u);
    for (const Rule& rule : one.rules) {
      if (rule.status != WARDEN_RULE_ARMED) continue;
      const auto found = heard.levels.find({one.raw.incarnation, rule.name, rule.arming});
      ASSERT_NE(found, heard.levels.end()) << one.key << " was left and nobody was told";
      EXPECT_EQ(*found->second.rbegin(), last_level(rule.name)) << one.key;
    }
  }
}

class Stress : public ::testing::TestWithParam<const char*> {
 protected:
  bool on_disk() const { return std::string(GetParam()) != "memory"; }
  std::unique_ptr<Store> open(const char* clock) {
    const std::vector<Setting> settings{
        {"clock", clock}, {"stripes", "16"}, {"durability", "buffered"}, {"backend", GetParam()}};
    if (on_disk()) return std::make_unique<Store>(dir_.path("store"), settings);
    return std::make_unique<Store>(Settings{{"clock", clock}, {"stripes", "16"}});
  }
  static std::map<std::string, std::string> texts(Store& store) {
    std::map<std::string, std::string> out;
    for (const Item& one : store.scan()) out[one.key] = text_of(one);
    return out;
  }
  // The same store, opened again: nothing was lost, nothing is raised twice.
  void check_reopened(std::unique_ptr<Store>& store, const char* clock) {
    if (!on_disk()) return;
    const auto before = texts(*store);
    const warden_stats stats = store->stats();
    EXPECT_EQ(warden_close(store->get(), kLong), WARDEN_OK);
    store = open(clock);
    store->flow = "s";
    EXPECT_EQ(texts(*store), before);
    const warden_stats again = store->stats();
    EXPECT_EQ(again.submitted_total, stats.submitted_total);
    EXPECT_EQ(again.done, stats.done);
    EXPECT_EQ(again.cancelled, stats.cancelled);
    EXPECT_EQ(again.expired, stats.expired);
    EXPECT_EQ(again.alerts_raised, stats.alerts_raised);
    EXPECT_TRUE(store->consumer("audit").poll().empty()) << "everything was acknowledged";
    store->expect_balance();
  }

  TempDir dir_;
};

TEST_P(Stress, RealClock) {
  const std::uint64_t seed = printed_seed();
  const std::uint64_t ops = from_env("WARDEN_STRESS_OPS", 8000);
  std::unique_ptr<Store> store = open("real");
  store->define(kFlow);
  Heard heard;
  std::atomic<bool> stop{false};
  { Consumer first = store->consumer("plain"); }  // never polled: holds what it is given
  std::vector<std::thread> pollers;
  for (int i = 0; i < 2; ++i) {
    pollers.emplace_back([&] { listen(*store, heard, stop); });
  }
  std::vector<Journal> journals(kWorkers);
  std::vector<std::thread> workers;
  for (std::size_t w = 0; w < kWorkers; ++w) {
    workers.emplace_back([&, w] {
      Random random(seed * 1000 + w);
      for (std::uint64_t i = 0; i < ops; ++i) {
        step(*store, random, journals[w]);
        // So that deadlines pass among the verbs and not only after them.
        if (i % 32 == 31) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
    });
  }
  for (std::thread& one : workers) one.join();
  wait_for_the_rest(*store);
  const std::vector<Item> left = store->scan();
  store->expect_balance();
  EXPECT_EQ(warden_sync(store->get(), kLong), WARDEN_OK);  // so that every alert is ready
  stop = true;
  for (std::thread& one : pollers) one.join();

  Journal all;
  for (const Journal& one : journals) all.add(one);
  const warden_stats stats = store->stats();
  EXPECT_EQ(stats.submitted_total, all.created.size());
  EXPECT_EQ(stats.done + stats.cancelled, all.closed.size());
  EXPECT_EQ(stats.expired, heard.expired.size());
  EXPECT_EQ(stats.live, left.size());
  EXPECT_EQ(stats.alerts_raised, heard.ids.size());
  EXPECT_FALSE(heard.levels.empty());
  check_levels(all, heard);
  check_left(left, all, heard);
  check_reopened(store, "real");
  for (const Item& one : left) {
    EXPECT_EQ(store->cancel(one.key, {.incarnation = one.raw.incarnation}).code, WARDEN_OK);
  }
  EXPECT_EQ(store->stats().live, 0u);
  EXPECT_EQ(store->stats().timers, 0u);
  store->expect_balance();
}

// Tracks items at instants of their own; every third is left alone, and returned.
std::map<std::string, std::int64_t> feed(Store& store, Random random, std::size_t feeder,
                                         std::uint64_t items) {
  std::map<std::string, std::int64_t> left;
  for (std::uint64_t i = 0; i < items; ++i) {
    const std::string key = numbered("k", feeder) + numbered(".", i);
    const auto at = static_cast<std::int64_t>(random.below(2 * kS));
    EXPECT_EQ(store.track(key, "payload", {.at = at}).code, WARDEN_NEW);
    EXPECT_EQ(store.touch(key, {.at = at + kMs}).code, WARDEN_OK);
    if (random.one_in(3)) {
      left[key] = at;
    } else {
      EXPECT_EQ(store.complete(key, {.at = at + 2 * kMs}).code, WARDEN_ON_TIME)
          << "in its own time, whatever the clock says";
    }
  }
  return left;
}

// Feeders whose items live in times of their own, while the clock is moved beside.
TEST_P(Stress, ManualClock) {
  constexpr std::size_t kFeeders = 3;
  const std::uint64_t seed = printed_seed();
  const std::uint64_t items = from_env("WARDEN_STRESS_OPS", 6000) / kFeeders;
  std::unique_ptr<Store> store = open("manual");
  store->define(kFlow);
  Heard heard;
  std::atomic<bool> stop{false};
  std::thread poller([&] { listen(*store, heard, stop); });
  std::atomic<std::size_t> feeding{kFeeders};
  std::thread clock([&] {
    // Far less than a lease in all, so that no alert comes twice.
    for (std::int64_t now = 0; feeding != 0 && now < kH; now += 777'777) {
      EXPECT_EQ(warden_clock_advance(store->get(), now), WARDEN_OK);
    }
  });
  std::vector<std::thread> feeders;
  std::vector<std::map<std::string, std::int64_t>> left(kFeeders);
  for (std::size_t f = 0; f < kFeeders; ++f) {
    feeders.emplace_back([&, f] {
      left[f] = feed(*store, Random(seed * 1000 + f), f, items);
      --feeding;
    });
  }
  for (std::thread& one : feeders) one.join();
  clock.join();
  store->advance(2 * kH);
  stop = true;
  poller.join();

  std::map<std::string, std::int64_t> expected;
  for (const auto& some : left) expected.insert(some.begin(), some.end());
  const std::vector<Item> open_items = store->scan();
  EXPECT_EQ(open_items.size(), expected.size());
  for (const Item& one : open_items) {
    ASSERT_EQ(expected.count(one.key), 1u);
    EXPECT_EQ(one.rule("total").deadline, expected[one.key] + 20 * kMs);
    EXPECT_EQ(one.rule("total").level, kLastOfTotal);
    const auto found = heard.levels.find({one.raw.incarnation, "total", 1});
    ASSERT_NE(found, heard.levels.end());
    EXPECT_EQ(found->second.size(), 4u);
  }
  EXPECT_EQ(store->stats().alerts_raised, heard.ids.size());
  EXPECT_EQ(store->stats().timers, 0u);
  store->expect_balance();
  check_reopened(store, "manual");
}

INSTANTIATE_TEST_SUITE_P(Store, Stress, ::testing::Values("memory", "auto", "posix"),
                         [](const auto& with) { return std::string(with.param); });

}  // namespace
}  // namespace warden::test
