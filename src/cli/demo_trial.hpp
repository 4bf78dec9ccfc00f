// SPDX-License-Identifier: Apache-2.0
//
// The durable demo's parent: runs the worker process on a store, kills it with
// SIGKILL in the middle, starts it again on the same store, and judges.
#pragma once

#include <string>

#include "cli/demo_ledger.hpp"
#include "cli/failure.hpp"

namespace warden::cli {

struct TrialOptions {
  std::string store;  // empty: a temporary directory, removed at the end
  double seconds = 0;
  double rate = 0;
  double drop_share = 0;
  std::uint32_t threads = 0;
  std::uint64_t seed = 0;
};

struct TrialOutcome {
  Verdict verdict;
  Histogram latency;          // of alerts whose deadline found the worker running
  Histogram restart_latency;  // of those whose deadline found it dead or replaying
  Histogram acks;
  std::uint64_t recovered = 0;  // open items found after the kill
  std::uint64_t records = 0;    // replayed then
  std::uint64_t acknowledged = 0;
  std::uint64_t lost = 0;
  std::uint64_t wrong_answers = 0;
  std::uint64_t again = 0;
  std::uint64_t commits = 0;
  std::uint64_t log_bytes = 0;
  double feed_s = 0;
  double down_s = 0;  // from the kill to the end of the restarted worker's scan
  std::string fault;

  bool clean() const { return verdict.clean() && wrong_answers == 0 && lost == 0; }
};

Result<TrialOutcome> run_trial(const TrialOptions& options);

}  // namespace warden::cli
