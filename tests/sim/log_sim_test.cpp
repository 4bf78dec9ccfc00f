// SPDX-License-Identifier: Apache-2.0
//
// H1: seeded runs of the log over the simulated disk, with crashes also while
// recovering. WARDEN_SEED=<n> runs one; WARDEN_SEEDS=<n> as many, from WARDEN_FIRST
// on; WARDEN_STEPS=<n> operations each. In parts, so that ctest may run them at once.
#include <gtest/gtest.h>

#include <cstdio>

#include "log_runs.hpp"
#include "settings.hpp"

namespace warden::sim {
namespace {

constexpr std::uint64_t kParts = 4;

class LogSim : public testing::TestWithParam<std::uint64_t> {};

INSTANTIATE_TEST_SUITE_P(Part, LogSim, testing::Range(std::uint64_t{0}, kParts));

// Every kind of end and of damage has to have come up.
void expect_all_kinds(const Coverage& coverage) {
  EXPECT_GT(coverage.torn_tails, 0u);
  EXPECT_GT(coverage.cut, 0u);
  EXPECT_GT(coverage.sticky, 0u);
  EXPECT_GT(coverage.readers, 0u);
  EXPECT_GT(coverage.kills, 0u);
  EXPECT_GT(coverage.closings, 0u);
  EXPECT_GT(coverage.fates.torn, 0u);
  EXPECT_GT(coverage.deep[3], 0u);
  EXPECT_GT(coverage.segments, coverage.openings / 2);
  for (std::size_t i = 0; i < kPoints; ++i) {
    const auto point = static_cast<Point>(i);
    // Only a cleaner frees segments: cleaning has these.
    if (point == Point::rename_segment) continue;
    EXPECT_GT(coverage.while_opening[i] + coverage.while_open[i], 0u) << name_of(point);
  }
}

TEST_P(LogSim, AcknowledgedIsRecoveredAndRecoveredWasAppended) {
  const Seeds seeds = seeds_from_environment(2000);
  const std::uint64_t steps = setting("WARDEN_STEPS", 2000);
  Coverage coverage;
  for (std::uint64_t seed = seeds.first; seed < seeds.first + seeds.count; ++seed) {
    if (seed % kParts != GetParam()) continue;
    const std::string wrong = run_crash_seed(seed, steps, coverage);
    ASSERT_EQ(wrong, "") << "seed " << seed << "; again with WARDEN_SEED=" << seed
                         << " WARDEN_STEPS=" << steps;
  }
  if (coverage.seeds == 0) GTEST_SKIP() << "skipped: no seed of this part was asked for";
  std::printf("%s", coverage.report("log simulation").c_str());
  if (coverage.seeds >= 400) expect_all_kinds(coverage);
}

}  // namespace
}  // namespace warden::sim
