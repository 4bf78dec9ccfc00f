// SPDX-License-Identifier: Apache-2.0
//
// The wheel under real threads (as many as there are cores, two at least) and a
// keeper that never rests; made for TSan. Afterwards each timer has ended exactly
// once, by a firing or by a cancel, and none was early.
#include <gtest/gtest.h>

#include <algorithm>
#include <thread>
#include <vector>

#include "random.hpp"
#include "wheel/wheel.hpp"

namespace warden::wheel {
namespace {

struct TinyPolicy : DefaultPolicy {
  static constexpr std::uint32_t kCells = 4;
  static constexpr std::uint32_t kBatch = 2;
  static constexpr std::uint64_t kGarbageFloor = 64;
  static constexpr std::uint32_t kEarlyChunks = 2;
  static constexpr std::uint32_t kSpareChunks = 16;
  static constexpr std::uint64_t kTrimFloor = 256;
};

struct NoCachePolicy : TinyPolicy {
  static unsigned thread_slot() noexcept { return kThreadSlots; }
};

template <class Policy>
class Stress {
 public:
  using WheelT = BasicWheel<std::atomic, Policy>;

  Stress(std::uint64_t seed, std::uint64_t per_thread)
      : seed_(seed),
        threads_(std::max(2U, std::thread::hardware_concurrency())),
        per_thread_(per_thread),
        wheel_(WheelT::create({.now = 250})),
        ended_(threads_ * per_thread),
        due_(threads_ * per_thread) {}

  void run(unsigned due_bits) {
    std::vector<std::thread> callers;
    for (unsigned i = 0; i < threads_; ++i) {
      callers.emplace_back([this, i, due_bits] { call(i, due_bits); });
    }
    Random random(seed_);
    while (working_.load(std::memory_order_acquire) > 0) {
      advance(wheel_->now() + random.magnitude(6), 1 + random.magnitude(10));
      if (random.below(50) == 0) {
        wheel_->prepare_sleep();
        wheel_->end_sleep();
      }
    }
    for (std::thread& each : callers) each.join();
    while (!advance(wheel_->now() + (Tick{1} << (due_bits + 1)), ~std::uint64_t{0})) {
    }
    // What is left of a return of memory takes a few ticks. And a scheduler that lost its
    // slot to the keeper leaves that slot's bit behind (slots.hpp, invariant 3): next_due()
    // names the empty slot until the hand gets there.
    for (int i = 0; i < 10'000 && wheel_->next_due() != kNoTick; ++i) {
      advance(std::max(wheel_->next_due(), wheel_->now() + 1), ~std::uint64_t{0});
    }
    EXPECT_EQ(early_, 0U);
    EXPECT_EQ(wheel_->size(), 0U);
    EXPECT_EQ(wheel_->garbage(), 0U);
    EXPECT_EQ(wheel_->next_due(), kNoTick);
    std::uint64_t wrong = 0;
    for (const auto& each : ended_) wrong += each.load(std::memory_order_relaxed) != 1 ? 1 : 0;
    EXPECT_EQ(wrong, 0U) << "timers that did not end exactly once, seed " << seed_;
    EXPECT_GT(fired_, 0U);
  }

 private:
  void call(unsigned number, unsigned due_bits) {
    Random random(seed_ + 1 + number);
    std::vector<std::pair<Handle, std::uint64_t>> mine;
    for (std::uint64_t i = 0; i < per_thread_; ++i) {
      const std::uint64_t at = number * per_thread_ + i;
      const Tick due = wheel_->now() + random.magnitude(due_bits);
      due_[at].store(due, std::memory_order_relaxed);
      const Scheduled made = wheel_->schedule(due, at);
      if (made.refusal != Refusal::none) {
        ended_[at].fetch_add(100, std::memory_order_relaxed);
        continue;
      }
      mine.emplace_back(made.handle, at);
      if (mine.size() > 64 || random.below(3) == 0) {
        std::swap(mine[random.below(mine.size())], mine.back());
        if (wheel_->cancel(mine.back().first)) {
          ended_[mine.back().second].fetch_add(1, std::memory_order_relaxed);
        }
        mine.pop_back();
      }
    }
    working_.fetch_sub(1, std::memory_order_release);
  }

  bool advance(Tick to, std::uint64_t max_work) {
    return wheel_
        ->advance(to, max_work,
                  [this](Handle, Tick due, std::uint64_t cookie) {
                    ++fired_;
                    ended_[cookie].fetch_add(1, std::memory_order_relaxed);
                    if (due != due_[cookie].load(std::memory_order_relaxed)) ++early_;
                    if (due > wheel_->now()) ++early_;
                  })
        .done;
  }

  const std::uint64_t seed_;
  const unsigned threads_;
  const std::uint64_t per_thread_;
  std::unique_ptr<WheelT> wheel_;
  std::vector<std::atomic<std::uint32_t>> ended_;
  std::vector<std::atomic<Tick>> due_;
  std::atomic<unsigned> working_{threads_};
  std::uint64_t fired_ = 0;
  std::uint64_t early_ = 0;
};

template <class Policy>
void stress(unsigned due_bits) {
  const std::uint64_t rounds = number_from_env("WARDEN_STRESS_ROUNDS", 3);
  const std::uint64_t first = number_from_env("WARDEN_SEED", 1);
  for (std::uint64_t seed = first; seed < first + rounds; ++seed) {
    Stress<Policy>(seed, 40'000).run(due_bits);
    ASSERT_FALSE(::testing::Test::HasFailure()) << "WARDEN_SEED=" << seed;
  }
}

TEST(WheelStress, NearTimers) {
  stress<DefaultPolicy>(8);
}
TEST(WheelStress, NearTimersTinyChunks) {
  stress<TinyPolicy>(8);
}
TEST(WheelStress, CoarseSlots) {
  stress<TinyPolicy>(14);
}
TEST(WheelStress, NoCaches) {
  stress<NoCachePolicy>(12);
}
TEST(WheelStress, FarTimers) {
  stress<DefaultPolicy>(20);
}

}  // namespace
}  // namespace warden::wheel
