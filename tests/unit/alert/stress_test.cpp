// SPDX-License-Identifier: Apache-2.0
//
// Many threads on one hub: pushers, pollers, a scribe, a keeper. What must hold
// whatever the interleaving: every alert reaches every consumer or is counted as
// withdrawn, nothing comes after its ack, no RESOLVED before its alert's ack, one
// RESOLVED an incident told, and nothing is left at the end. And that no wake-up
// is lost: there a poller waits for ever on each single alert, so a lost one hangs.
#include <poll.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <random>
#include <set>
#include <thread>
#include <unordered_map>

#include "fixture.hpp"

namespace warden::alert {
namespace {

std::uint64_t seed() {
  const char* given = std::getenv("WARDEN_SEED");
  const std::uint64_t value = given == nullptr ? 1 : std::strtoull(given, nullptr, 0);
  std::printf("WARDEN_SEED=%llu\n", static_cast<unsigned long long>(value));
  return value;
}

struct IdHash {
  std::size_t operator()(const Hash128& id) const noexcept { return id.low * 31 + id.high; }
};

// What is known of one consumer name, across its pollers.
class Witness {
 public:
  Witness(Hub& hub, ConsumerRef consumer, bool audit)
      : hub_(hub), consumer_(std::move(consumer)), audit_(audit) {}

  bool saw(const Delivery& delivery) {  // under the hub's lock
    const Alert& alert = *delivery.alert;
    std::lock_guard guard(mutex_);
    EXPECT_FALSE(acked_.contains(alert.id)) << "handed out after its ack";
    if (alert.kind == Kind::resolved) {
      EXPECT_TRUE(acking_.contains(alert.resolves)) << "RESOLVED overtook its alert";
      EXPECT_TRUE(told_.contains(alert.incident));
      resolved_.insert(alert.incident);
    } else if ((delivery.flags & kDeliveryWithdrawn) != 0) {
      EXPECT_TRUE(audit_);
      flagged_.insert(alert.id);
    } else {
      EXPECT_FALSE(resolved_.contains(alert.incident)) << "alert after its RESOLVED";
      alerts_.insert(alert.id);
      told_.insert(alert.incident);
    }
    return true;
  }
  void ack(const Got& got) {
    {
      std::lock_guard guard(mutex_);
      acking_.insert(got.id);
    }
    const Counted counted = hub_.ack(*consumer_, {&got.lease, 1});
    if (counted.count == 0) return;
    std::lock_guard guard(mutex_);
    EXPECT_TRUE(acked_.insert(got.id).second) << "acknowledged twice";
  }
  // One poll; some leases are left to expire, some are given back.
  std::size_t take_some(std::mt19937_64& random, Nanos timeout) {
    std::vector<Got> got;
    const Counted counted =
        hub_.poll(*consumer_, 1 + random() % 64, timeout, [&](const Delivery& delivery) {
          if (random() % 50 == 0) return false;  // as if it did not fit
          got.push_back(Got::of(delivery));
          return saw(delivery);
        });
    EXPECT_TRUE(counted.code == Code::ok || counted.code == Code::buffer_too_small);
    for (const Got& one : got) {
      const std::uint64_t roll = random() % 100;
      if (roll < 2) continue;
      if (roll < 6) {
        hub_.nack(*consumer_, one.lease, static_cast<Nanos>(random() % 3) * kMilli);
      } else if (roll < 8) {
        hub_.extend(*consumer_, one.lease, 2 * kMilli);
      } else {
        ack(one);
      }
    }
    return got.size();
  }

  Hub& hub_;
  const ConsumerRef consumer_;
  const bool audit_;
  std::mutex mutex_;
  std::set<Hash128> alerts_, flagged_, told_, resolved_, acking_, acked_;
};

class Stress : public ::testing::TestWithParam<bool> {
 protected:
  static constexpr std::uint64_t kItemsEach = 2'000;
  static constexpr std::uint64_t kPushers = 2;

  void push_all(std::uint64_t pusher, std::uint64_t seed_value) {
    std::mt19937_64 random(seed_value * 7919 + pusher);
    for (std::uint64_t i = 0; i < kItemsEach; ++i) {
      const std::uint64_t item = 1 + i * kPushers + pusher;
      const std::uint64_t alerts = 1 + random() % 3;
      for (std::uint64_t k = 0; k < alerts; ++k) {
        Raise raise{.item = item,
                    .level = static_cast<std::uint8_t>(2 + k / 2),
                    .severity = static_cast<std::uint8_t>(1 + random() % 4),
                    .deadline = static_cast<Nanos>(random() % 1000),
                    .rule = k % 2,
                    .lsn = next_lsn()};
        hub_->push(fill(hub_->make(), raise));
        raised_.fetch_add(1);
        if (random() % 2 == 0) hub_->notify();
        if (random() % 64 == 0) std::this_thread::yield();
      }
      // Close an earlier item of this pusher, or this one: per item in order.
      open_.at(pusher).push_back(item);
      while (open_.at(pusher).size() > random() % 40) close_oldest(pusher);
    }
    while (!open_.at(pusher).empty()) close_oldest(pusher);
  }
  void close_oldest(std::uint64_t pusher) {
    Alert* closing = hub_->make();
    closing->incarnation = open_.at(pusher).front();
    closing->lsn = next_lsn();
    hub_->push_closed(closing);
    hub_->notify();
    open_.at(pusher).erase(open_.at(pusher).begin());
  }
  Lsn next_lsn() { return Lsn{lsn_.fetch_add(1) + 1}; }

  std::unique_ptr<Hub> hub_;
  std::atomic<std::uint64_t> lsn_{0};
  std::atomic<std::uint64_t> raised_{0};
  std::array<std::vector<std::uint64_t>, kPushers> open_;
};

TEST_P(Stress, nothing_is_lost_and_nothing_comes_after_its_ack) {
  const std::uint64_t base = seed();
  HubOptions options;
  options.now = [] { return monotonic_now(); };
  options.gated = GetParam();
  hub_ = std::make_unique<Hub>(std::move(options));

  std::vector<std::unique_ptr<Witness>> witnesses;
  for (const char* name : {"plain", "audit"}) {
    ConsumerOptions wanted;
    wanted.audit = std::string(name) == "audit";
    wanted.lease = 5 * kMilli;
    ConsumerRef consumer;
    ASSERT_EQ(hub_->open(name, &wanted, consumer).code, Code::ok);
    witnesses.push_back(std::make_unique<Witness>(*hub_, consumer, wanted.audit));
  }

  std::atomic<bool> pushed{false};
  std::atomic<bool> over{false};
  std::vector<std::thread> pushers, pollers;
  for (std::uint64_t p = 0; p < kPushers; ++p) {
    pushers.emplace_back([this, p, base] { push_all(p, base); });
  }
  std::thread scribe([&] {
    while (!over) {
      hub_->set_durable(Lsn{lsn_.load()});
      std::this_thread::yield();
    }
  });
  std::thread keeper([&] {
    while (!over) {
      if (hub_->next_timer() <= monotonic_now()) hub_->on_time(monotonic_now());
      std::this_thread::yield();
    }
  });
  for (std::size_t t = 0; t < 3; ++t) {  // two compete for "plain"
    pollers.emplace_back([&, t] {
      std::mt19937_64 random(base * 104729 + t);
      Witness& witness = *witnesses[t == 2 ? 1 : 0];
      while (!pushed || hub_->backlog(*witness.consumer_) > 0) {
        witness.take_some(random, random() % 3 == 0 ? 0 : kMilli);
      }
    });
  }
  for (std::thread& thread : pushers) thread.join();
  hub_->on_time(monotonic_now());  // all that was pushed is in a backlog now
  pushed = true;
  for (std::thread& thread : pollers) thread.join();
  over = true;
  scribe.join();
  keeper.join();

  const Figures figures = hub_->figures();
  EXPECT_EQ(figures.raised, raised_.load());
  EXPECT_EQ(figures.kept, 0u);
  std::size_t reached = 0;
  for (const auto& witness : witnesses) {
    EXPECT_EQ(witness->told_, witness->resolved_);
    reached += witness->alerts_.size();
    EXPECT_EQ(witness->acked_.size(),
              witness->alerts_.size() + witness->flagged_.size() + witness->resolved_.size());
  }
  EXPECT_EQ(witnesses[1]->alerts_.size() + witnesses[1]->flagged_.size(), raised_.load());
  EXPECT_EQ(reached + figures.withdrawn, 2 * raised_.load());
}

INSTANTIATE_TEST_SUITE_P(Gate, Stress, ::testing::Bool(),
                         [](const auto& gate) { return gate.param ? "durable" : "memory"; });

// One alert at a time; the pusher waits until it is acknowledged, the poller has
// nothing but the wake-up to learn of it.
class WakeUps : public HubTest {
 protected:
  static constexpr std::uint64_t kRounds = 3'000;

  // `wait` gets the eventfd, opened once: opening it looks for itself.
  void rounds(bool gated, bool by_fd, const std::function<void(const ConsumerRef&, int)>& wait) {
    start(gated);
    const ConsumerRef c = open("c");
    const int fd = by_fd ? hub_->fd(*c) : -1;
    std::thread poller([&] {
      while (done_ < kRounds) {
        wait(c, fd);
        const std::vector<Got> got = poll(c);
        ack(c, got);
        done_ += got.size();
      }
    });
    for (std::uint64_t round = 1; round <= kRounds; ++round) {
      raise({.item = round, .kind = Kind::expired, .lsn = Lsn{round}});
      if (gated) hub_->set_durable(Lsn{round});
      while (done_ < round) std::this_thread::yield();
    }
    poller.join();
  }

  std::atomic<std::uint64_t> done_{0};
};

TEST_F(WakeUps, none_is_lost_by_the_eventfd) {
  rounds(false, true, [](const ConsumerRef&, int fd) {
    pollfd query{fd, POLLIN, 0};
    ASSERT_EQ(::poll(&query, 1, -1), 1);
  });
}

TEST_F(WakeUps, none_is_lost_by_the_eventfd_of_a_gated_hub) {
  rounds(true, true, [](const ConsumerRef&, int fd) {
    pollfd query{fd, POLLIN, 0};
    ASSERT_EQ(::poll(&query, 1, -1), 1);
  });
}

TEST_F(WakeUps, none_is_lost_by_a_sleeping_poll) {
  for (const bool gated : {false, true}) {
    done_ = 0;
    rounds(gated, false, [this](const ConsumerRef& c, int) {
      // Puts back what it slept for, so that the round's own poll gets it.
      const Counted counted = hub_->poll(*c, 1, -1, [](const Delivery&) { return false; });
      ASSERT_EQ(counted.code, Code::buffer_too_small);
    });
  }
}

TEST_F(WakeUps, none_is_lost_between_two_consumers) {
  const ConsumerRef a = open("a");
  const ConsumerRef b = open("b");
  std::atomic<std::uint64_t> done[2] = {0, 0};
  std::vector<std::thread> pollers;
  for (std::size_t t = 0; t < 2; ++t) {
    pollers.emplace_back([&, t] {
      const ConsumerRef& c = t == 0 ? a : b;
      while (done[t] < kRounds) {
        const std::vector<Got> got = poll(c, 10, -1);
        ack(c, got);
        done[t] += got.size();
      }
    });
  }
  for (std::uint64_t round = 1; round <= kRounds; ++round) {
    raise({.item = round, .kind = Kind::expired});
    while (done[0] < round || done[1] < round) std::this_thread::yield();
  }
  for (std::thread& poller : pollers) poller.join();
}

}  // namespace
}  // namespace warden::alert
