// SPDX-License-Identifier: Apache-2.0
//
// The wheel against a sorted map: random schedules, cancels and advances, of all
// magnitudes up to jumps of centuries; every answer and every firing is compared.
// One seed is one run: WARDEN_SEED repeats it, WARDEN_MODEL_SEEDS sets how many.
#include <gtest/gtest.h>

#include <set>
#include <unordered_map>
#include <vector>

#include "random.hpp"
#include "wheel/wheel.hpp"

namespace warden::wheel {
namespace {

// Small chunks and batches: edges come often.
struct SmallPolicy : DefaultPolicy {
  static constexpr std::uint32_t kCells = 3;
  static constexpr std::uint32_t kBatch = 2;
  static constexpr std::uint64_t kGarbageFloor = 8;
  static constexpr std::uint32_t kEarlyChunks = 1;
};

struct Shape {
  unsigned due_bits;   // how far ahead deadlines lie
  unsigned step_bits;  // how far an advance goes
  std::uint64_t max_live;
  std::uint64_t max_work;  // 0: unbounded
};

struct Timer {
  Tick due;
  Tick fires_at;
  std::uint64_t cookie;
};

template <class Policy>
class Model {
  using WheelT = BasicWheel<std::atomic, Policy>;

 public:
  Model(std::uint64_t seed, Shape shape) : random_(seed), shape_(shape) {
    now_ = random_.magnitude(46);
    wheel_ = WheelT::create({.now = now_});
  }

  void run(std::uint64_t operations) {
    for (std::uint64_t i = 0; i < operations && !::testing::Test::HasFailure(); ++i) {
      const std::uint64_t dice = random_.below(100);
      if (dice < 45 && by_handle_.size() < shape_.max_live) {
        schedule();
      } else if (dice < 85) {
        cancel();
      } else if (now_ < kMaxTick - (Tick{1} << (shape_.step_bits + 1))) {
        advance(now_ + random_.magnitude(shape_.step_bits));
      }
    }
    if (::testing::Test::HasFailure()) return;
    advance(kMaxTick);
    EXPECT_TRUE(by_handle_.empty());
    EXPECT_EQ(wheel_->next_due(), kNoTick);
  }

 private:
  void schedule() {
    const Tick ahead = random_.magnitude(shape_.due_bits);
    Tick due = now_ + ahead;
    if (random_.below(20) == 0) due = now_ - (ahead < now_ ? ahead : now_);
    const std::uint64_t cookie = random_.next();
    const Scheduled made = wheel_->schedule(due, cookie);
    if (due > kMaxTick || now_ >= kMaxTick) {
      EXPECT_EQ(made.refusal, Refusal::out_of_range);
      return;
    }
    ASSERT_EQ(made.refusal, Refusal::none);
    const Tick fires_at = due > now_ ? due : now_ + 1;
    ASSERT_TRUE(by_handle_.emplace(raw(made.handle), Timer{due, fires_at, cookie}).second);
    by_time_.emplace(fires_at, raw(made.handle));
    handles_.push_back(made.handle);
    ASSERT_EQ(wheel_->size(), by_handle_.size());
  }

  void cancel() {
    if (handles_.empty()) return;
    const std::size_t at = random_.below(handles_.size());
    const Handle handle = handles_[at];
    const auto found = by_handle_.find(raw(handle));
    ASSERT_EQ(wheel_->cancel(handle), found != by_handle_.end());
    if (found != by_handle_.end()) {
      by_time_.erase({found->second.fires_at, raw(handle)});
      by_handle_.erase(found);
    }
    if (random_.below(4) == 0) return;  // now and then an ended handle is tried again
    handles_[at] = handles_.back();
    handles_.pop_back();
  }

  void fired(Handle handle, Tick due, std::uint64_t cookie) {
    const auto found = by_handle_.find(raw(handle));
    ASSERT_NE(found, by_handle_.end()) << "fired twice, or after its cancel";
    ASSERT_EQ(found->second.due, due);
    ASSERT_EQ(found->second.cookie, cookie);
    ASSERT_EQ(found->second.fires_at, wheel_->now()) << "not at its tick";
    ASSERT_EQ(by_time_.begin()->first, found->second.fires_at) << "an earlier one was passed";
    by_time_.erase({found->second.fires_at, raw(handle)});
    by_handle_.erase(found);
    now_ = wheel_->now();
    if (now_ < kMaxTick - 1 && random_.below(8) == 0) schedule();
    if (random_.below(8) == 0) cancel();
  }

  void advance(Tick to) {
    if (to > kMaxTick) to = kMaxTick;
    const Tick promised = wheel_->next_due();
    if (!by_time_.empty()) {
      ASSERT_LE(promised, by_time_.begin()->first);
    }
    for (;;) {
      const std::uint64_t max_work =
          shape_.max_work == 0 ? ~std::uint64_t{0} : 1 + random_.below(shape_.max_work);
      const Advanced advanced = wheel_->advance(
          to, max_work,
          [this](Handle handle, Tick due, std::uint64_t cookie) { fired(handle, due, cookie); });
      if (::testing::Test::HasFailure()) return;
      now_ = wheel_->now();
      if (shape_.max_work != 0) {
        ASSERT_LT(advanced.work, max_work + Policy::kCells);
      }
      if (advanced.done) break;
      // Between the pieces of a long tick callers go on.
      if (now_ < kMaxTick - 1 && random_.below(2) == 0) schedule();
      if (random_.below(2) == 0) cancel();
    }
    ASSERT_EQ(wheel_->now(), to > now_ ? to : now_);
    ASSERT_TRUE(by_time_.empty() || by_time_.begin()->first > now_) << "a due one is left";
    ASSERT_EQ(wheel_->size(), by_handle_.size());
  }

  Random random_;
  Shape shape_;
  Tick now_ = 0;
  std::unique_ptr<WheelT> wheel_;
  std::unordered_map<std::uint64_t, Timer> by_handle_;
  std::set<std::pair<Tick, std::uint64_t>> by_time_;
  std::vector<Handle> handles_;
};

template <class Policy>
void run_seeds(Shape shape, std::uint64_t operations) {
  const std::uint64_t fixed = number_from_env("WARDEN_SEED", 0);
  const std::uint64_t seeds = fixed != 0 ? 1 : number_from_env("WARDEN_MODEL_SEEDS", 40);
  for (std::uint64_t i = 0; i < seeds; ++i) {
    const std::uint64_t seed = fixed != 0 ? fixed : i + 1;
    Model<Policy>(seed, shape).run(operations);
    ASSERT_FALSE(::testing::Test::HasFailure()) << "repeat with WARDEN_SEED=" << seed;
  }
}

TEST(WheelModel, NearDeadlines) {
  run_seeds<DefaultPolicy>({10, 8, 500, 0}, 20'000);
}
TEST(WheelModel, NearDeadlinesSmallChunks) {
  run_seeds<SmallPolicy>({10, 8, 500, 0}, 20'000);
}
TEST(WheelModel, CoarseSlots) {
  run_seeds<SmallPolicy>({18, 12, 3000, 0}, 20'000);
}
TEST(WheelModel, CoarseSlotsInPieces) {
  run_seeds<SmallPolicy>({18, 12, 3000, 50}, 20'000);
}
TEST(WheelModel, PiecesOfOneEntry) {
  run_seeds<SmallPolicy>({12, 9, 300, 1}, 20'000);
}
TEST(WheelModel, JumpsOfYears) {
  run_seeds<DefaultPolicy>({44, 40, 1000, 0}, 20'000);
}
TEST(WheelModel, JumpsOfYearsSmallChunks) {
  run_seeds<SmallPolicy>({44, 40, 1000, 20}, 20'000);
}
TEST(WheelModel, FarDeadlinesSmallSteps) {
  run_seeds<DefaultPolicy>({46, 20, 2000, 0}, 20'000);
}
TEST(WheelModel, ManyLive) {
  run_seeds<DefaultPolicy>({20, 10, 50'000, 1000}, 100'000);
}

}  // namespace
}  // namespace warden::wheel
