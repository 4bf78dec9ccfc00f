// SPDX-License-Identifier: Apache-2.0
//
// The runs that the tests of this folder share. Each answers what was wrong, or an
// empty string.
#pragma once

#include "log_model.hpp"

namespace warden::sim {

// ---- crash_run.cpp, clean_run.cpp: by seed
// Lives and crashes of one log, with random faults (H1).
// `steps`: operations of its user, in all lives together.
std::string run_crash_seed(std::uint64_t seed, std::uint64_t steps, Coverage& coverage);
// The same with a cleaner that frees segments.
std::string run_clean_seed(std::uint64_t seed, Coverage& coverage);

// ---- damage_run.cpp: a log that has come to rest, then one thing is damaged at a time
// Every sector flipped; the log either rested until its beacon, or was closed.
std::string run_rot(std::uint64_t seed, bool closed);
// Every page replaced by that of another log which began as this one and went on with
// other records of the same lengths: what a write to the wrong disk leaves.
std::string run_mirror(std::uint64_t seed, bool closed);
// A record that was damaged in memory, under a block's digest that holds.
std::string run_memory(std::uint64_t seed);

// ---- fault_run.cpp
// Operations of the run whose faults are tried.
std::uint64_t fault_sites();
// Operation `site` answers `error` (-errno; 0: a short write), once or from then on;
// then the log opens intact. `unnoticed`: the run did not meet an error.
std::string run_fault(std::uint64_t site, int error, bool sticky, bool& unnoticed);
// A disk that is full: submits are refused, closings go on, and it resumes.
std::string run_full_disk(int error = -ENOSPC);
// A second opening for writing is refused, and disturbs nothing.
std::string run_second_opener();

// ---- allocation_run.cpp
// Each allocation of opening a store with records fails.
std::string run_memory_out(int& refused);
// The same of a copy by the log itself and by anybody else, and of a salvage.
std::string run_memory_out_copying(int& refused);
std::string run_memory_out_salvaging(int& refused);
// A full disk, and one that has room again, is told of though there is no memory for it.
std::string run_memory_out_telling();
// Of what the log allocates from now on, number `n` (from 0) fails.
void fail_allocation(long n);
// From now on none does; true if the one was not reached.
bool end_of_failing();

}  // namespace warden::sim
