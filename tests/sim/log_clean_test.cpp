// SPDX-License-Identifier: Apache-2.0
//
// Cleaning over the simulated disk, with crashes (clean_run.cpp).
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

#include "log_runs.hpp"

namespace warden::sim {
namespace {

TEST(LogClean, WhatLivesSurvivesFreeingAndCrashes) {
  const char* one = std::getenv("WARDEN_SEED");
  const char* many = std::getenv("WARDEN_SEEDS");
  const std::uint64_t first = one != nullptr ? std::strtoull(one, nullptr, 10) : 1;
  const std::uint64_t count =
      one != nullptr ? 1 : (many != nullptr ? std::strtoull(many, nullptr, 10) : 60);
  int cleaned = 0;
  std::uint64_t recycled = 0;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    ASSERT_EQ(run_clean_seed(seed, cleaned, recycled), "")
        << "seed " << seed << "; again with WARDEN_SEED=" << seed;
  }
  std::printf("cleaning: seeds %llu..%llu, %d segments freed, %llu recycled\n",
              static_cast<unsigned long long>(first),
              static_cast<unsigned long long>(first + count - 1), cleaned,
              static_cast<unsigned long long>(recycled));
  if (count >= 20) {
    EXPECT_GT(cleaned, 100);
    EXPECT_GT(recycled, 10u);
  }
}

}  // namespace
}  // namespace warden::sim
