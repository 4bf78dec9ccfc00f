// SPDX-License-Identifier: Apache-2.0
//
// The seeded runs that the tests of this folder share. Each answers what was wrong,
// or an empty string.
#pragma once

#include "log_model.hpp"

namespace warden::sim {

// Lives and crashes of one log, with random faults (H1).
std::string run_crash_seed(std::uint64_t seed, int steps, Coverage& coverage);
// The same with a cleaner that frees segments.
std::string run_clean_seed(std::uint64_t seed, int& cleaned, std::uint64_t& recycled);
// Flips every sector of the segments of a log that has come to rest, one by one.
std::string run_rot(std::uint64_t seed);

}  // namespace warden::sim
