// SPDX-License-Identifier: Apache-2.0
//
// H1: seeded runs of the log over the simulated disk, with crashes also while
// recovering. WARDEN_SEED=<n> or --seed=<n> runs one; WARDEN_SEEDS=<n> as many.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "log_runs.hpp"

namespace warden::sim {
namespace {

std::uint64_t g_seed = 0;  // 0: all

std::uint64_t number_of(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

TEST(LogSim, AcknowledgedIsRecoveredAndRecoveredWasAppended) {
  const std::uint64_t first = g_seed != 0 ? g_seed : 1;
  const std::uint64_t count = g_seed != 0 ? 1 : number_of("WARDEN_SEEDS", 500);
  const int steps = static_cast<int>(number_of("WARDEN_STEPS", 200));
  Coverage coverage;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    const std::string wrong = run_crash_seed(seed, steps, coverage);
    ASSERT_EQ(wrong, "") << "seed " << seed << "; again with WARDEN_SEED=" << seed;
  }
  std::printf(
      "log simulation: seeds %llu..%llu, %llu openings (%llu failed by injected faults), "
      "%llu crashes, %llu torn tails, %llu records appended, %llu recovered, %llu cut, "
      "%llu segments, %llu sticky failures, %llu readers\n",
      static_cast<unsigned long long>(first), static_cast<unsigned long long>(first + count - 1),
      static_cast<unsigned long long>(coverage.openings),
      static_cast<unsigned long long>(coverage.failed_openings),
      static_cast<unsigned long long>(coverage.crashes),
      static_cast<unsigned long long>(coverage.torn_tails),
      static_cast<unsigned long long>(coverage.records),
      static_cast<unsigned long long>(coverage.recovered),
      static_cast<unsigned long long>(coverage.cut),
      static_cast<unsigned long long>(coverage.segments),
      static_cast<unsigned long long>(coverage.sticky),
      static_cast<unsigned long long>(coverage.readers));
  if (count >= 100) {
    EXPECT_GT(coverage.torn_tails, 0u);
    EXPECT_GT(coverage.cut, 0u);
    EXPECT_GT(coverage.sticky, 0u);
    EXPECT_GT(coverage.readers, 0u);
    EXPECT_GT(coverage.segments, coverage.openings / 2);
  }
}

}  // namespace
}  // namespace warden::sim

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  warden::sim::g_seed = warden::sim::number_of("WARDEN_SEED", 0);
  for (int i = 1; i < argc; ++i) {
    if (std::strncmp(argv[i], "--seed=", 7) == 0) {
      warden::sim::g_seed = std::strtoull(argv[i] + 7, nullptr, 10);
    }
  }
  return RUN_ALL_TESTS();
}
