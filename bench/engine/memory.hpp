// SPDX-License-Identifier: Apache-2.0
//
// Workload `memory`: resident bytes an item, beside its key and its payload. Each
// figure is the growth of a fresh process (this program, run again with `--memory-of`)
// while it makes one thing so many times.
#pragma once

#include "report.hpp"

namespace bench {

// What `--memory-of PART` measures; the names are those of kMemoryParts.
double memory_of(const std::string& part, std::size_t items);
void run_memory(std::size_t items, Report& report);

}  // namespace bench
