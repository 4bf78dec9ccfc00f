// SPDX-License-Identifier: Apache-2.0
//
// The ordered hash table of a stripe, against a sorted multimap.
#include "index/cells.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <random>

namespace warden::index {
namespace {

std::uint64_t seed() {
  const char* given = std::getenv("WARDEN_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 0) : std::random_device{}();
}

auto is(std::uint32_t wanted) {
  return [wanted](std::uint32_t number) { return number == wanted; };
}

TEST(Cells, EmptyFindsNothing) {
  const Cells cells;
  EXPECT_EQ(cells.find(7, [](std::uint32_t) { return true; }), Cells::kNotFound);
  EXPECT_EQ(cells.count(), 0U);
  EXPECT_EQ(cells.bytes(), 0U);
}

TEST(Cells, TellsApartWhatSharesAHash) {
  Cells cells;
  for (std::uint32_t number = 0; number < 10; ++number) {
    ASSERT_TRUE(cells.room());
    cells.put(42, number);
  }
  for (std::uint32_t number = 0; number < 10; ++number) {
    const std::uint32_t at = cells.find(42, is(number));
    ASSERT_NE(at, Cells::kNotFound);
    EXPECT_EQ(cells.number(at), number);
  }
  EXPECT_EQ(cells.find(42, is(10)), Cells::kNotFound);
}

TEST(Cells, ExtremeHashesShareNoRoomButFit) {
  Cells cells;
  for (std::uint32_t number = 0; number < 200; ++number) {
    ASSERT_TRUE(cells.room());
    cells.put(number % 2 == 0 ? 0xffff'ffff : 0, number);
  }
  for (std::uint32_t number = 0; number < 200; ++number) {
    EXPECT_NE(cells.find(number % 2 == 0 ? 0xffff'ffff : 0, is(number)), Cells::kNotFound);
  }
}

TEST(Cells, SetNumberReplacesInPlace) {
  Cells cells;
  ASSERT_TRUE(cells.room());
  cells.put(5, 1);
  cells.set_number(cells.find(5, is(1)), 9);
  EXPECT_EQ(cells.find(5, is(1)), Cells::kNotFound);
  EXPECT_NE(cells.find(5, is(9)), Cells::kNotFound);
  EXPECT_EQ(cells.count(), 1U);
}

TEST(Cells, BehavesAsASortedMap) {
  const std::uint64_t used = seed();
  SCOPED_TRACE("WARDEN_SEED=" + std::to_string(used));
  std::mt19937_64 random(used);
  for (const std::uint32_t spread : {0xffff'ffffU, 64U, 3U}) {
    Cells cells;
    std::map<std::uint32_t, std::uint32_t> model;  // number -> hash
    std::uint32_t next = 0;
    for (int step = 0; step < 40'000; ++step) {
      if (model.empty() || random() % 5 < 3) {
        const auto hash = static_cast<std::uint32_t>(random()) % spread * (0xffff'ffffU / spread);
        if (spread <= 64 && model.size() > 400) continue;
        ASSERT_TRUE(cells.room());
        cells.put(hash, next);
        model.emplace(next++, hash);
      } else {
        auto victim = model.lower_bound(static_cast<std::uint32_t>(random() % next));
        if (victim == model.end()) victim = model.begin();
        const std::uint32_t at = cells.find(victim->second, is(victim->first));
        ASSERT_NE(at, Cells::kNotFound);
        cells.erase(at);
        ASSERT_EQ(cells.find(victim->second, is(victim->first)), Cells::kNotFound);
        model.erase(victim);
      }
      ASSERT_EQ(cells.count(), model.size());
    }
    for (const auto& [number, hash] : model) {
      ASSERT_NE(cells.find(hash, is(number)), Cells::kNotFound);
    }
  }
}

TEST(Cells, TakesAboutTenBytesAnItem) {
  Cells cells;
  std::mt19937_64 random(1);
  constexpr std::uint32_t kItems = 20'000;
  std::uint64_t sum = 0;
  for (std::uint32_t number = 0; number < kItems; ++number) {
    ASSERT_TRUE(cells.room());
    cells.put(static_cast<std::uint32_t>(random()), number);
    if (number >= kItems / 2) sum += cells.bytes() * 1000 / cells.count();
  }
  EXPECT_LT(sum / (kItems / 2), 12'000U) << "mean milli-bytes an item while it grows";
}

}  // namespace
}  // namespace warden::index
