// SPDX-License-Identifier: Apache-2.0
//
// Cleaning over the simulated disk, with crashes (clean_run.cpp). WARDEN_SEED=<n>
// runs one; WARDEN_SEEDS=<n> as many, from WARDEN_FIRST on.
#include <gtest/gtest.h>

#include <cstdio>

#include "log_runs.hpp"
#include "settings.hpp"

namespace warden::sim {
namespace {

TEST(LogClean, WhatLivesSurvivesFreeingAndCrashes) {
  const Seeds seeds = seeds_from_environment(300);
  Coverage coverage;
  for (std::uint64_t seed = seeds.first; seed < seeds.first + seeds.count; ++seed) {
    ASSERT_EQ(run_clean_seed(seed, coverage), "")
        << "seed " << seed << "; again with WARDEN_SEED=" << seed;
  }
  std::printf("%s", coverage.report("cleaning").c_str());
  if (seeds.count < 20) return;
  EXPECT_GT(coverage.freed, 100u);
  EXPECT_GT(coverage.recycled, 10u);
  EXPECT_GT(coverage.fates.torn, 0u);
  if (seeds.count < 100) return;
  const auto renames = static_cast<std::size_t>(Point::rename_segment);
  EXPECT_GT(coverage.while_opening[renames] + coverage.while_open[renames], 0u);
}

}  // namespace
}  // namespace warden::sim
