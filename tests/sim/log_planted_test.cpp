// SPDX-License-Identifier: Apache-2.0
//
// Tests the tests: each planted bug (log/planted.hpp) must be caught by the harness
// that is named for it here and in docs/testing.md; without a bug none complains.
#include <gtest/gtest.h>

#include <cerrno>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "log/planted.hpp"
#include "log_runs.hpp"

namespace warden::log {
Plant g_planted = Plant::none;
}  // namespace warden::log

namespace warden::sim {
namespace {

using log::Plant;

enum class Harness : int {
  simulation,
  cleaning,
  rot,
  mirror,
  memory,
  faults,
  allocations,
  full_disk,
  second_opener
};

constexpr const char* kHarnesses[] = {
    "simulation", "cleaning",    "rot",       "mirror",        "memory damage",
    "faults",     "allocations", "full disk", "second opener",
};

struct Bug {
  Plant plant;
  const char* name;
  Harness harness;
};

constexpr Bug kBugs[] = {
    {Plant::ack_before_flush, "ack_before_flush", Harness::simulation},
    {Plant::flush_covers_unwritten, "flush_covers_unwritten", Harness::cleaning},
    {Plant::short_write_is_whole, "short_write_is_whole", Harness::simulation},
    {Plant::flush_error_ignored, "flush_error_ignored", Harness::faults},
    {Plant::no_directory_sync, "no_directory_sync", Harness::cleaning},
    {Plant::current_not_flushed, "current_not_flushed", Harness::simulation},
    {Plant::no_epoch_bump, "no_epoch_bump", Harness::simulation},
    {Plant::no_recovery_sync, "no_recovery_sync", Harness::simulation},
    {Plant::rotate_unflushed, "rotate_unflushed", Harness::simulation},
    {Plant::spare_not_flushed, "spare_not_flushed", Harness::simulation},
    {Plant::synced_ignored, "synced_ignored", Harness::rot},
    {Plant::no_beacon, "no_beacon", Harness::rot},
    {Plant::unlink_before_manifest, "unlink_before_manifest", Harness::cleaning},
    {Plant::free_before_durable, "free_before_durable", Harness::cleaning},
    {Plant::digest_unchecked, "digest_unchecked", Harness::cleaning},
    {Plant::again_is_done, "again_is_done", Harness::simulation},
    {Plant::flush_retried, "flush_retried", Harness::simulation},
    {Plant::short_zeros_are_whole, "short_zeros_are_whole", Harness::simulation},
    {Plant::no_seal, "no_seal", Harness::rot},
    {Plant::old_manifest_first, "old_manifest_first", Harness::simulation},
    {Plant::chain_unchecked, "chain_unchecked", Harness::mirror},
    {Plant::sealed_end_unchecked, "sealed_end_unchecked", Harness::rot},
    {Plant::sum_unchecked, "sum_unchecked", Harness::memory},
    {Plant::read_error_is_end, "read_error_is_end", Harness::faults},
    {Plant::cache_is_trusted, "cache_is_trusted", Harness::faults},
    {Plant::header_error_is_unused, "header_error_is_unused", Harness::allocations},
    {Plant::cut_answers_ok, "cut_answers_ok", Harness::simulation},
    {Plant::reader_unbounded, "reader_unbounded", Harness::simulation},
    {Plant::lock_ignored, "lock_ignored", Harness::second_opener},
    {Plant::full_disk_refuses_none, "full_disk_refuses_none", Harness::full_disk},
    {Plant::starved_for_ever, "starved_for_ever", Harness::full_disk},
};
static_assert(std::size(kBugs) + 1 == static_cast<std::size_t>(Plant::count));

const char* name_of(Harness harness) {
  return kHarnesses[static_cast<int>(harness)];
}

struct Caught {
  std::string where;  // seed or site; empty: nothing was found
  std::string wrong;
};

template <class Run>
Caught by_seed(std::uint64_t seeds, Run run) {
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    const std::string wrong = run(seed);
    if (!wrong.empty()) return {"seed " + std::to_string(seed), wrong};
  }
  return {};
}

Caught by_site() {
  const std::uint64_t sites = fault_sites();
  if (sites == 0) return {"the run itself", "it does not finish"};
  for (std::uint64_t site = 1; site <= sites; ++site) {
    for (const int error : {-EIO, -ENOSPC, -EAGAIN, 0}) {
      bool unnoticed = false;
      const std::string wrong = run_fault(site, error, false, unnoticed);
      if (!wrong.empty()) {
        return {"operation " + std::to_string(site) + " answering " + std::to_string(error), wrong};
      }
    }
  }
  return {};
}

Caught once(const std::string& wrong) {
  return wrong.empty() ? Caught{} : Caught{"its one run", wrong};
}

// `share`: of the seeds, where a run has any.
Caught try_harness(Harness harness, std::uint64_t share) {
  switch (harness) {
    case Harness::simulation:
      return by_seed(400 / share, [](std::uint64_t seed) {
        Coverage coverage;
        return run_crash_seed(seed, 800, coverage);
      });
    case Harness::cleaning:
      return by_seed(100 / share, [](std::uint64_t seed) {
        Coverage coverage;
        return run_clean_seed(seed, coverage);
      });
    case Harness::rot:
      return by_seed(4, [](std::uint64_t seed) { return run_rot(seed, seed % 2 == 0); });
    case Harness::mirror:
      return by_seed(4, [](std::uint64_t seed) { return run_mirror(seed, seed % 2 == 0); });
    case Harness::memory:
      return by_seed(3, run_memory);
    case Harness::faults:
      return by_site();
    case Harness::allocations: {
      int refused = 0;
      return once(run_memory_out(refused));
    }
    case Harness::full_disk:
      return once(run_full_disk());
    case Harness::second_opener:
      return once(run_second_opener());
  }
  return {};
}

class Planted : public testing::TestWithParam<Bug> {};

INSTANTIATE_TEST_SUITE_P(Bugs, Planted, testing::ValuesIn(kBugs),
                         [](const auto& each) { return std::string(each.param.name); });

TEST_P(Planted, IsCaught) {
  const Bug& bug = GetParam();
  log::g_planted = bug.plant;
  const Caught caught = try_harness(bug.harness, 1);
  log::g_planted = Plant::none;
  ASSERT_NE(caught.where, "") << bug.name << " went unnoticed by: " << name_of(bug.harness);
  std::printf("| %s | %s | %s | %s |\n", bug.name, name_of(bug.harness), caught.where.c_str(),
              caught.wrong.c_str());
}

class NothingPlanted : public testing::TestWithParam<int> {};

INSTANTIATE_TEST_SUITE_P(Harnesses, NothingPlanted,
                         testing::Range(0, static_cast<int>(std::size(kHarnesses))));

TEST_P(NothingPlanted, NothingIsFound) {
  log::g_planted = Plant::none;
  const auto harness = static_cast<Harness>(GetParam());
  const Caught caught = try_harness(harness, 10);
  EXPECT_EQ(caught.where, "") << name_of(harness) << ": " << caught.wrong;
}

// docs/testing.md has one row for each: | `name` | harness | what it does |
TEST(PlantedTable, OfTheDocumentIsTheOneHere) {
  std::ifstream in(WARDEN_DOCS "/testing.md");
  ASSERT_TRUE(in.is_open());
  std::ostringstream text;
  text << in.rdbuf();
  const std::string document = text.str();
  const std::size_t begin = document.find("| planted bug | caught by |");
  ASSERT_NE(begin, std::string::npos);
  const std::string table = document.substr(begin, document.find("\n\n", begin) - begin);
  std::size_t rows = 0;
  for (const char c : table) rows += c == '\n' ? 1 : 0;
  EXPECT_EQ(rows, std::size(kBugs) + 1) << "rows beside the head";
  for (const Bug& bug : kBugs) {
    const std::string row = std::string("\n| `") + bug.name + "` | " + name_of(bug.harness) + " | ";
    EXPECT_NE(table.find(row), std::string::npos) << row;
  }
}

}  // namespace
}  // namespace warden::sim
