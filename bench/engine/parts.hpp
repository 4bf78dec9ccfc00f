// SPDX-License-Identifier: Apache-2.0
//
// Workload `parts`: what the parts of a track and a complete cost alone, with so many
// live beside them: hash, clock, index, wheel, blob. What the sum of them does not
// explain of a verb is its rules, its copy of the item's state, and its counting.
#pragma once

#include "report.hpp"

namespace bench {

void run_parts(std::size_t live, std::size_t operations, unsigned rounds, std::uint64_t seed,
               Report& report);

}  // namespace bench
