// SPDX-License-Identifier: Apache-2.0
//
// Tests the tests: each planted bug (log/planted.hpp) must be caught by a harness,
// within its usual number of seeds; without a bug none of them complains.
#include <gtest/gtest.h>

#include <cstdio>

#include "log/planted.hpp"
#include "log_runs.hpp"

namespace warden::log {
Plant g_planted = Plant::none;
}  // namespace warden::log

namespace warden::sim {
namespace {

using log::Plant;

struct Caught {
  const char* harness = nullptr;
  std::uint64_t seed = 0;
  std::string wrong;
};

Caught try_all(std::uint64_t seeds) {
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    std::string wrong = seed <= 3 ? run_rot(seed) : std::string();
    if (!wrong.empty()) return {"rot", seed, wrong};
    Coverage coverage;
    wrong = run_crash_seed(seed, 200, coverage);
    if (!wrong.empty()) return {"simulation", seed, wrong};
    int cleaned = 0;
    std::uint64_t recycled = 0;
    wrong = seed <= seeds / 4 ? run_clean_seed(seed, cleaned, recycled) : std::string();
    if (!wrong.empty()) return {"cleaning", seed, wrong};
  }
  return {};
}

class Planted : public testing::TestWithParam<int> {};

INSTANTIATE_TEST_SUITE_P(Bugs, Planted, testing::Range(1, static_cast<int>(Plant::count)));

TEST_P(Planted, IsCaught) {
  log::g_planted = static_cast<Plant>(GetParam());
  const Caught caught = try_all(400);
  log::g_planted = Plant::none;
  ASSERT_NE(caught.harness, nullptr) << "bug " << GetParam() << " went unnoticed";
  std::printf("bug %d caught by %s, seed %llu: %s\n", GetParam(), caught.harness,
              static_cast<unsigned long long>(caught.seed), caught.wrong.c_str());
}

TEST(Planted, WithoutABugNothingIsFound) {
  log::g_planted = Plant::none;
  const Caught caught = try_all(40);
  EXPECT_EQ(caught.harness, nullptr)
      << caught.harness << ", seed " << caught.seed << ": " << caught.wrong;
}

}  // namespace
}  // namespace warden::sim
