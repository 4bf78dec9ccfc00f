// SPDX-License-Identifier: Apache-2.0
//
// H4: every operation of a fixed run of the log fails in every way, once and from
// then on; every allocation of opening fails. The answer is a clean error or none,
// and the log opens intact afterwards.
#include <gtest/gtest.h>

#include <cerrno>
#include <cstdio>

#include "log_runs.hpp"

namespace warden::sim {
namespace {

TEST(LogFaults, EveryOperationFailsInEveryWay) {
  const std::uint64_t sites = fault_sites();
  ASSERT_GT(sites, 100u);
  std::uint64_t runs = 0;
  std::uint64_t unnoticed = 0;
  for (std::uint64_t site = 1; site <= sites; ++site) {
    for (const int error : {0, -EIO, -ENOSPC, -EINTR, -EAGAIN, -ENOMEM}) {
      for (const bool sticky : {false, true}) {
        if (sticky && error == 0) continue;
        bool finished = false;
        ASSERT_EQ(run_fault(site, error, sticky, finished), "")
            << "operation " << site << " answers " << error << (sticky ? " from then on" : " once");
        ++runs;
        unnoticed += finished ? 1 : 0;
      }
    }
  }
  std::printf("faults: %llu operations, %llu runs, %llu of them without a trace\n",
              static_cast<unsigned long long>(sites), static_cast<unsigned long long>(runs),
              static_cast<unsigned long long>(unnoticed));
}

TEST(LogFaults, EveryAllocationOfOpeningFails) {
  int refused = 0;
  ASSERT_EQ(run_memory_out(refused), "");
  EXPECT_GT(refused, 10);
  std::printf("allocations: %d refusals\n", refused);
}

TEST(LogFaults, EveryAllocationOfACopyFails) {
  int refused = 0;
  ASSERT_EQ(run_memory_out_copying(refused), "");
  EXPECT_GT(refused, 20);
}

TEST(LogFaults, EveryAllocationOfASalvageFails) {
  int refused = 0;
  ASSERT_EQ(run_memory_out_salvaging(refused), "");
  EXPECT_GT(refused, 20);
}

TEST(LogFaults, AFullDiskIsToldOfWithoutMemory) {
  EXPECT_EQ(run_memory_out_telling(), "");
}

TEST(LogFaults, AFullDiskRefusesAndResumes) {
  EXPECT_EQ(run_full_disk(), "");
  EXPECT_EQ(run_full_disk(-EDQUOT), "") << "a quota is used up";
}

TEST(LogFaults, ASecondOpeningIsRefused) {
  EXPECT_EQ(run_second_opener(), "");
}

TEST(LogFaults, DamagedSectorsAndPagesAreNeverTakenForTheLog) {
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    for (const bool closed : {false, true}) {
      EXPECT_EQ(run_rot(seed, closed), "") << "seed " << seed << (closed ? ", closed" : "");
      EXPECT_EQ(run_mirror(seed, closed), "") << "seed " << seed << (closed ? ", closed" : "");
    }
    EXPECT_EQ(run_memory(seed), "") << "seed " << seed;
  }
}

}  // namespace
}  // namespace warden::sim
