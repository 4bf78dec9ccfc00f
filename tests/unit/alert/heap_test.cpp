// SPDX-License-Identifier: Apache-2.0
//
// The heap against sorting, with removals from the middle.
#include "alert/heap.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace warden::alert {
namespace {

void* system_allocate(std::size_t bytes) noexcept {
  return mi_malloc(bytes);
}
void* no_memory(std::size_t) noexcept {
  return nullptr;
}

TEST(Heap, ordered_keeps_the_order_of_signed_instants) {
  EXPECT_LT(ordered(kNoTime), ordered(-1));
  EXPECT_LT(ordered(-1), ordered(0));
  EXPECT_LT(ordered(0), ordered(kNever));
}

TEST(Heap, rank_first_then_instant_then_arrival) {
  Entry a, b, c, d;
  Heap heap;
  ASSERT_TRUE(heap.reserve(system_allocate, 4));
  heap.push({ordered(5), 1ull << HeapItem::kRankShift | 1, &a});
  heap.push({ordered(9), 0ull << HeapItem::kRankShift | 2, &b});
  heap.push({ordered(5), 1ull << HeapItem::kRankShift | 0, &c});
  heap.push({ordered(4), 1ull << HeapItem::kRankShift | 3, &d});
  std::vector<Entry*> out;
  while (!heap.empty()) {
    out.push_back(heap.top().entry);
    heap.remove(out.back());
  }
  EXPECT_EQ(out, (std::vector<Entry*>{&b, &d, &c, &a}));
}

TEST(Heap, without_memory_reserve_says_so_and_keeps_what_is_there) {
  Entry a;
  Heap heap;
  EXPECT_FALSE(heap.reserve(no_memory, 1));
  ASSERT_TRUE(heap.reserve(system_allocate, 1));
  heap.push({1, 1, &a});
  EXPECT_FALSE(heap.reserve(no_memory, 1000));
  EXPECT_EQ(heap.top().entry, &a);
}

TEST(Heap, random_pushes_and_removals_agree_with_sorting) {
  std::mt19937_64 random(20260101);
  for (int round = 0; round < 50; ++round) {
    std::vector<Entry> entries(500);
    Heap heap;
    ASSERT_TRUE(heap.reserve(system_allocate, entries.size()));
    std::vector<std::pair<std::uint64_t, Entry*>> model;
    for (std::size_t i = 0; i < entries.size(); ++i) {
      const std::uint64_t when = random() % 100;
      heap.push({when, i, &entries[i]});
      model.push_back({when << 32 | i, &entries[i]});
    }
    std::shuffle(model.begin(), model.end(), random);
    for (std::size_t removed = random() % model.size(); removed-- > 0;) {
      heap.remove(model.back().second);
      model.pop_back();
      heap.shrink(system_allocate, heap.size());
    }
    std::sort(model.begin(), model.end());
    ASSERT_EQ(heap.size(), model.size());
    for (const auto& [key, entry] : model) {
      ASSERT_EQ(heap.top().entry, entry);
      heap.remove(entry);
    }
    EXPECT_TRUE(heap.empty());
  }
}

}  // namespace
}  // namespace warden::alert
