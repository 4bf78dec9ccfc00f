// SPDX-License-Identifier: Apache-2.0
//
// What simulated runs have been through: a run that passed says little without it.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <unordered_set>

#include "sim_disk.hpp"

namespace warden::sim {

struct Coverage {
  std::uint64_t seeds = 0;
  std::uint64_t steps = 0;  // operations of a user
  std::uint64_t openings = 0;
  std::uint64_t failed_openings = 0;
  std::uint64_t crashes = 0;  // power cuts
  std::uint64_t kills = 0;    // of the process alone
  std::uint64_t closings = 0;
  std::uint64_t torn_tails = 0;
  std::uint64_t records = 0;
  std::uint64_t recovered = 0;
  std::uint64_t cut = 0;  // appended, not acknowledged, and gone
  std::uint64_t segments = 0;
  std::uint64_t freed = 0;
  std::uint64_t recycled = 0;
  std::uint64_t sticky = 0;
  std::uint64_t readers = 0;
  std::uint64_t no_space = 0;
  // Power cuts by what the disk was asked for next, while opening and afterwards.
  std::array<std::uint64_t, kPoints> while_opening{};
  std::array<std::uint64_t, kPoints> while_open{};
  std::uint64_t between = 0;  // operations
  // Openings that succeeded after so many cuts in a row while opening.
  std::array<std::uint64_t, 4> deep{};
  Fates fates;
  // Contents of the disk that an opening found; hashes.
  std::unordered_set<std::uint64_t> states;

  void add(const Coverage& other);
  // A power cut of this world just now.
  void cut_at(const SimWorld& world, bool opening);
  // `name` and the figures that are not 0, on several lines.
  std::string report(const std::string& name) const;
};

}  // namespace warden::sim
