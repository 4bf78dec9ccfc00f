// SPDX-License-Identifier: Apache-2.0
#include "index/index.hpp"

#include <gtest/gtest.h>

#include <mutex>
#include <set>
#include <thread>
#include <vector>

namespace warden::index {
namespace {

TEST(Index, NumbersAreUniqueUntilGivenBack) {
  auto index = Index::make(16);
  ASSERT_NE(index, nullptr);
  std::set<std::uint32_t> seen;
  for (std::uint32_t i = 0; i < 10'000; ++i) {
    const ItemNo number = index->take(index->stripe(i % 16));
    ASSERT_NE(number, ItemNo::none);
    EXPECT_TRUE(seen.insert(raw(number)).second);
    EXPECT_TRUE(index->has_chunk(raw(number)));
    EXPECT_EQ(index->item(raw(number)).stripe.load(), 0U);
  }
  EXPECT_LE(index->high(), 10'000U + 16 * 4);
}

TEST(Index, AStripeTakesItsOwnNumbersAgain) {
  auto index = Index::make(16);
  ASSERT_NE(index, nullptr);
  Stripe& stripe = index->stripe(3);
  const ItemNo one = index->take(stripe);
  index->give_back(stripe, one);
  EXPECT_EQ(index->take(stripe), one);
}

TEST(Index, StripesSpreadKeysAndCellsUseOtherBits) {
  auto index = Index::make(64);
  ASSERT_NE(index, nullptr);
  EXPECT_EQ(index->stripe_of({65, 0}), 1U);
  EXPECT_EQ(Index::cell_hash({0, 0x1234'5678'0000'0000}), 0x1234'5678U);
}

TEST(Index, ManyThreadsTakeAndGiveBack) {
  auto index = Index::make(16);
  ASSERT_NE(index, nullptr);
  std::vector<std::thread> threads;
  std::vector<std::vector<std::uint32_t>> held(4);
  for (std::uint32_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (std::uint32_t i = 0; i < 20'000; ++i) {
        Stripe& stripe = index->stripe((i * 7 + t) % 16);
        std::lock_guard guard(stripe.lock);
        const ItemNo number = index->take(stripe);
        ASSERT_NE(number, ItemNo::none);
        index->item(raw(number)).stripe.store(1, std::memory_order_relaxed);
        if (i % 3 == 0) {
          held[t].push_back(raw(number));
        } else {
          index->give_back(stripe, number);
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::set<std::uint32_t> all;
  for (const auto& mine : held) {
    for (const std::uint32_t number : mine) EXPECT_TRUE(all.insert(number).second);
  }
  EXPECT_EQ(all.size(), 4U * 6667);
}

TEST(StripeLock, ExcludesUnderContention) {
  StripeLock lock;
  std::uint64_t counter = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 50'000; ++i) {
        std::lock_guard guard(lock);
        ++counter;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(counter, 200'000U);
}

}  // namespace
}  // namespace warden::index
