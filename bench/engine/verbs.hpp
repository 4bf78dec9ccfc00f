// SPDX-License-Identifier: Apache-2.0
//
// Workload `verbs`: what a track, a mark, a complete, and a track with a complete cost
// while so many items are live.
//
// A round, on a population that stays as large as it is:
//   track     new keys
//   mark      as many of the population, at random, in random order
//   pair      track a new key and complete a random one (not of those marked), in turn:
//             the load of a service at its steady state
//   complete  those that were marked, whose memory has gone cold since
#pragma once

#include "report.hpp"
#include "subjects.hpp"

namespace bench {

struct Load {
  std::size_t live;
  unsigned threads;
  std::size_t batch;       // 1: single calls
  std::size_t operations;  // of each phase, all threads together
};

struct Costs {
  Cost track, mark, complete, pair;
};

// The ids that are live, a part for each thread; new ids are never used twice.
class Population {
 public:
  Population(std::size_t live, unsigned parts, std::uint64_t seed);

  std::vector<std::uint64_t>& part(unsigned number) { return parts_[number].ids; }
  std::mt19937_64& random(unsigned number) { return parts_[number].random; }
  std::vector<std::uint64_t> fresh(unsigned number, std::size_t count);
  std::size_t size() const;

 private:
  struct Part {
    std::vector<std::uint64_t> ids;
    std::mt19937_64 random;
    std::uint64_t next;
  };
  std::vector<Part> parts_;
};

// One round of one load on one subject.
template <class Subject>
Costs round(Subject& subject, Population& population, const Load& load);

// Every load at this many live items, `rounds` times, the two subjects in turn.
void run_verbs(std::size_t live, std::size_t operations, unsigned rounds, std::uint64_t seed,
               Report& report);

}  // namespace bench
