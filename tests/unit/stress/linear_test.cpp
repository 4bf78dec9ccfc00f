// SPDX-License-Identifier: Apache-2.0
//
// H7: threads on few keys through the C ABI, a store in a directory. Every answer must
// have an explanation in one order a key (linear.hpp), and the store, opened again, must
// be in the last state of each.
//
// WARDEN_SEED=n repeats the choices, not the order in which threads run;
// WARDEN_LINEAR_OPS=n is how many verbs there are in all.
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <thread>

#include "linear.hpp"
#include "on_disk.hpp"

namespace warden::test {
namespace {

constexpr const char* kFlow = R"(
[flow]
name = "s"
stages = ["a", "b", "c", "z"]
close = ["z"]
[[rule]]
name = "total"
kind = "total"
within = "1h"
)";
constexpr std::size_t kKeys = 6;
constexpr std::size_t kThreads = 4;

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr std::uint64_t kOps = 60'000;
#else
constexpr std::uint64_t kOps = 1'000'000;
#endif

std::uint64_t from_env(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::strtoull(text, nullptr, 0) : otherwise;
}

using History = std::vector<Event>[kKeys];

// One thread's calls; what it was answered goes into its own lists.
class Caller {
 public:
  Caller(Store& store, std::atomic<std::uint64_t>& clock, std::uint64_t seed)
      : store_(store), clock_(clock), random_(seed) {}

  void run(std::uint64_t calls) {
    for (std::uint64_t i = 0; i < calls; ++i) call();
  }
  History events;

 private:
  std::uint64_t below(std::uint64_t limit) { return random_() % limit; }

  void call() {
    const std::size_t number = below(kKeys);
    const std::string key = numbered("k", number);
    // Half of the keys are submitted and begun, the others tracked: which of two tracks
    // began a submitted item could not be told from their answers.
    const bool two_steps = number % 2 == 0;
    Event e;
    With with;
    with.at = 0;
    const std::uint64_t dice = below(100);
    if (dice < 15) {
      e.verb = two_steps ? Verb::submit : Verb::track;
    } else if (dice < 30) {
      e.verb = two_steps ? Verb::exec : Verb::track;
    } else if (dice < 60) {
      e.verb = Verb::mark;
      e.stage = below(40) == 0 ? 'z' : static_cast<char>('a' + below(3));
    } else if (dice < 75) {
      e.verb = Verb::touch;
    } else if (dice < 85) {
      e.verb = Verb::look;
    } else {
      e.verb = dice < 95 ? Verb::complete : Verb::cancel;
      // Of what it saw last: mostly gone by now.
      if (below(3) == 0) with.incarnation = seen_[number];
      e.asked_incarnation = with.incarnation;
    }
    if (e.verb == Verb::mark || e.verb == Verb::touch) {
      with.seq = e.asked_seq = 100 + clock_.load(std::memory_order_relaxed) - below(100);
    }
    e.began = clock_.fetch_add(1);
    if (e.verb == Verb::look) {
      look(key, e);
    } else {
      const Answer answer = change(key, e, with);
      e.ended = clock_.fetch_add(1);
      e.code = answer.code;
      e.lsn = answer.r.lsn;
      e.incarnation = answer.r.incarnation;
      e.token = answer.r.token;
      e.state = answer.r.state;
    }
    if (e.incarnation != 0) seen_[number] = e.incarnation;
    events[number].push_back(e);
  }

  Answer change(const std::string& key, const Event& e, const With& with) {
    switch (e.verb) {
      case Verb::submit:
        return store_.submit(key, "payload", with);
      case Verb::track:
        return store_.track(key, "payload", with);
      case Verb::exec:
        return store_.exec(key, with);
      case Verb::mark:
        return store_.mark(key, std::string_view(&e.stage, 1), with);
      case Verb::touch:
        return store_.touch(key, with);
      case Verb::complete:
        return store_.complete(key, with);
      default:
        return store_.cancel(key, with);
    }
  }

  void look(const std::string& key, Event& e) {
    warden_item item{};
    alignas(8) char buffer[512];
    e.code = warden_get(store_.get(), "s", 1, key.data(), key.size(), &item, buffer, sizeof buffer,
                        nullptr);
    e.ended = clock_.fetch_add(1);
    if (e.code != WARDEN_OK) return;
    e.lsn = item.lsn;
    e.incarnation = item.incarnation;
    e.token = item.token;
    e.state = item.state;
    e.asked_seq = item.seq;
    e.stage = item.stage_len == 0 ? '\0' : buffer[item.stage_offset];
  }

  Store& store_;
  std::atomic<std::uint64_t>& clock_;
  std::mt19937_64 random_;
  std::uint64_t seen_[kKeys] = {};
};

class Linear : public OnDisk {
 protected:
  void run(std::uint64_t ops, std::uint64_t seed) {
    Store& store = open(kSettings);
    store.define(kFlow);
    std::atomic<std::uint64_t> clock{1};
    std::vector<std::unique_ptr<Caller>> callers;
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < kThreads; ++t) {
      callers.push_back(std::make_unique<Caller>(store, clock, seed * kThreads + t));
    }
    for (const auto& one : callers) {
      threads.emplace_back([&caller = *one, ops] { caller.run(ops / kThreads); });
    }
    for (std::thread& one : threads) one.join();
    for (const auto& one : callers) {
      for (std::size_t k = 0; k < kKeys; ++k) {
        history_[k].insert(history_[k].end(), one->events[k].begin(), one->events[k].end());
      }
    }
  }
  static std::uint64_t seed() {
    const std::uint64_t seed = from_env("WARDEN_SEED", 1);
    std::printf("WARDEN_SEED=%llu\n", static_cast<unsigned long long>(seed));
    return seed;
  }
  // A closed key is free at once, so that a key has many incarnations.
  const std::vector<Setting> kSettings{{"dedupe_max", "0"}, {"durability", "buffered"}};
  History history_;
};

TEST_P(Linear, OneOrderAKeyExplainsEveryAnswer) {
  const std::uint64_t ops = from_env("WARDEN_LINEAR_OPS", kOps);
  run(ops, seed());
  std::uint64_t created = 0;
  std::uint64_t changes = 0;
  Seen last[kKeys];
  for (std::size_t k = 0; k < kKeys; ++k) {
    Order order(history_[k]);
    ASSERT_EQ(order.explain(), "") << "key " << k;
    last[k] = order.last();
    created += order.created();
    changes += order.changes();
  }
  std::printf("%llu answers on %zu keys by %zu threads: %llu changes, %llu items\n",
              static_cast<unsigned long long>(ops), kKeys, kThreads,
              static_cast<unsigned long long>(changes), static_cast<unsigned long long>(created));
  EXPECT_GT(created, ops / 100);
  for (int opening = 0; opening < 2; ++opening) {
    Store& store = opening == 0 ? this->store() : reopen(kSettings);
    for (std::size_t k = 0; k < kKeys; ++k) {
      const Item item = store.get_item(numbered("k", k));
      if (last[k].incarnation == 0) {
        EXPECT_EQ(item.code, WARDEN_E_UNKNOWN_ITEM) << k;
        continue;
      }
      EXPECT_EQ(item.raw.incarnation, last[k].incarnation) << k;
      EXPECT_EQ(item.raw.seq, last[k].seq) << k;
      EXPECT_EQ(item.raw.state, last[k].state) << k;
      EXPECT_EQ(item.stage, last[k].stage == 0 ? "" : std::string(1, last[k].stage)) << k;
    }
    EXPECT_EQ(store.stats().submitted_total, created);
    store.expect_balance();
  }
}

// The judge itself: a history that is right, with one answer changed, has no explanation.
TEST_P(Linear, AWrongAnswerHasNoExplanation) {
  run(4000, seed());
  std::vector<Event>& events = history_[1];
  ASSERT_EQ(Order(events).explain(), "");
  // Spoils one answer that fits, and the next, until it shows: some would have been right
  // in their place too, such as a low seq of the first event that has one.
  const auto spoilt = [&](auto&& fits, auto&& spoil) {
    std::string why = "no such answer";
    int tried = 0;
    for (std::size_t i = 50; i < events.size() && tried < 30; ++i) {
      if (!fits(events[i])) continue;
      std::vector<Event> copy = events;
      spoil(copy[i]);
      why = Order(copy).explain();
      ++tried;
      if (!why.empty()) break;
    }
    return why;
  };
  const auto accepted = [](const Event& e) { return e.verb == Verb::mark && e.code == WARDEN_OK; };
  const auto existing = [](const Event& e) { return e.code == WARDEN_EXISTING; };
  const auto missing = [](const Event& e) { return e.code == WARDEN_E_UNKNOWN_ITEM; };
  EXPECT_NE(spoilt(accepted, [](Event& e) { e.asked_seq = 1; }), "");
  EXPECT_NE(spoilt(accepted, [](Event& e) { e.lsn += 1u << 20; }), "");
  EXPECT_NE(spoilt(accepted, [](Event& e) { e.incarnation += 1024; }), "");
  EXPECT_NE(spoilt(existing, [](Event& e) { e.lsn += 4; }), "");
  EXPECT_NE(spoilt(existing, [](Event& e) { e.state = WARDEN_STATE_SUBMITTED; }), "");
  EXPECT_NE(spoilt(existing, [](Event& e) { e.began = e.ended = 1u << 30; }), "");
  EXPECT_NE(spoilt(existing, [](Event& e) { e.began = e.ended = 1; }), "");
  EXPECT_EQ(spoilt(missing, [](Event&) {}), "");
}

// The key is there from the answer of its creation on, so nobody may miss it after that.
TEST(LinearJudge, AKeyThatIsThereIsNotUnknown) {
  Event made{.began = 1, .ended = 4, .lsn = 4, .incarnation = 1024, .token = 1025};
  made.code = WARDEN_NEW;
  made.state = WARDEN_STATE_LIVE;
  made.verb = Verb::track;
  Event missed{.began = 2, .ended = 3};
  missed.code = WARDEN_E_UNKNOWN_ITEM;
  missed.verb = Verb::touch;
  EXPECT_EQ(Order({made, missed}).explain(), "") << "meanwhile";
  missed.began = 5;
  missed.ended = 6;
  EXPECT_NE(Order({made, missed}).explain(), "") << "afterwards";
}

WARDEN_ON_BOTH_BACKENDS(Linear);

}  // namespace
}  // namespace warden::test
