// SPDX-License-Identifier: Apache-2.0
//
// Two sources of decisions: by seed, and all of them within a bound.
#pragma once

#include <cstdint>
#include <sstream>
#include <string>
#include <vector>

#include "explorer.hpp"

namespace warden::interleave {

class Undisturbed : public Decisions {
 public:
  unsigned choose(unsigned) override { return 0; }
};

// One seed, one run. The seed also decides how restless the run is: from a switch at
// every third operation to one in a hundred.
class Seeded : public Decisions {
 public:
  explicit Seeded(std::uint64_t seed) : state_(seed) { calm_ = kCalm[next() % 5]; }
  unsigned choose(unsigned options) override {
    if (options == 1 || next() % calm_ != 0) return 0;
    return static_cast<unsigned>(next() % options);
  }

 private:
  static constexpr std::uint64_t kCalm[5] = {2, 5, 10, 25, 60};
  std::uint64_t next() {
    std::uint64_t x = (state_ += 0x9e3779b97f4a7c15ULL);
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    return x ^ (x >> 31);
  }
  std::uint64_t state_;
  std::uint64_t calm_ = 0;
};

// Depth-first over every list of decisions with at most `bound` that are not 0
// (disturbances: preemptions and delayed stores).
class Exhaustive : public Decisions {
 public:
  explicit Exhaustive(unsigned bound) : bound_(bound) {}

  unsigned choose(unsigned options) override {
    if (at_ == path_.size()) {
      path_.push_back({0, disturbances_ < bound_ ? options : 1});
    }
    const unsigned pick = path_[at_++].pick;
    disturbances_ += pick != 0 ? 1 : 0;
    return pick;
  }

  // Sets up the next run; false when all were made.
  bool advance() {
    while (!path_.empty() && path_.back().pick + 1 >= path_.back().options) path_.pop_back();
    if (path_.empty()) return false;
    ++path_.back().pick;
    at_ = 0;
    disturbances_ = 0;
    return true;
  }

  // The decisions of the last run that were not 0, as position:pick.
  std::string text() const {
    std::ostringstream out;
    for (std::size_t i = 0; i < path_.size(); ++i) {
      if (path_[i].pick != 0) out << i << ':' << path_[i].pick << ' ';
    }
    return out.str();
  }

 private:
  struct Decision {
    unsigned pick;
    unsigned options;
  };
  std::vector<Decision> path_;
  std::size_t at_ = 0;
  unsigned disturbances_ = 0;
  const unsigned bound_;
};

}  // namespace warden::interleave
