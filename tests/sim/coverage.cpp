// SPDX-License-Identifier: Apache-2.0
//
// Adding up and printing.
#include "coverage.hpp"

namespace warden::sim {
namespace {

void field(std::string& out, std::uint64_t value, const char* name) {
  if (value == 0) return;
  if (!out.empty()) out += ", ";
  out += std::to_string(value) + " " + name;
}

std::string by_point(const std::array<std::uint64_t, kPoints>& counts) {
  std::string out;
  for (std::size_t i = 0; i < kPoints; ++i) field(out, counts[i], name_of(static_cast<Point>(i)));
  return out;
}

void line(std::string& out, const char* what, const std::string& figures) {
  if (!figures.empty()) out += std::string("  ") + what + ": " + figures + "\n";
}

}  // namespace

void Coverage::add(const Coverage& other) {
  seeds += other.seeds;
  steps += other.steps;
  openings += other.openings;
  failed_openings += other.failed_openings;
  crashes += other.crashes;
  kills += other.kills;
  closings += other.closings;
  torn_tails += other.torn_tails;
  records += other.records;
  recovered += other.recovered;
  cut += other.cut;
  segments += other.segments;
  freed += other.freed;
  recycled += other.recycled;
  sticky += other.sticky;
  readers += other.readers;
  no_space += other.no_space;
  between += other.between;
  for (std::size_t i = 0; i < kPoints; ++i) {
    while_opening[i] += other.while_opening[i];
    while_open[i] += other.while_open[i];
  }
  for (std::size_t i = 0; i < deep.size(); ++i) deep[i] += other.deep[i];
  fates.kept += other.fates.kept;
  fates.lost += other.fates.lost;
  fates.torn += other.fates.torn;
  states.insert(other.states.begin(), other.states.end());
}

void Coverage::cut_at(const SimWorld& world, bool opening) {
  ++crashes;
  if (world.crash_point() == Point::count) {
    ++between;
    return;
  }
  ++(opening ? while_opening : while_open)[static_cast<std::size_t>(world.crash_point())];
}

std::string Coverage::report(const std::string& name) const {
  std::string runs;
  field(runs, seeds, "seeds");
  field(runs, steps, "operations");
  field(runs, records, "records appended");
  field(runs, recovered, "recovered");
  field(runs, cut, "cut off");
  field(runs, segments, "segments begun");
  field(runs, freed, "freed");
  field(runs, recycled, "recycled");
  field(runs, readers, "readers");
  std::string ends;
  field(ends, crashes, "power cuts");
  field(ends, kills, "kills");
  field(ends, closings, "closings");
  field(ends, sticky, "failures for good");
  field(ends, no_space, "refused for want of room");
  std::string open;
  field(open, openings, "openings");
  field(open, failed_openings, "refused or cut off");
  field(open, torn_tails, "torn tails");
  field(open, deep[1], "after a cut while opening");
  field(open, deep[2], "after two");
  field(open, deep[3], "after three");
  field(open, states.size(), "distinct states of the disk");
  std::string writes;
  field(writes, fates.kept, "kept");
  field(writes, fates.lost, "lost");
  field(writes, fates.torn, "torn");
  std::string at = by_point(while_open);
  field(at, between, "between operations");
  std::string out = name + ": " + runs + "\n";
  line(out, "ends", ends);
  line(out, "recoveries", open);
  line(out, "unflushed writes at cuts", writes);
  line(out, "cuts at", at);
  line(out, "cuts while opening at", by_point(while_opening));
  return out;
}

}  // namespace warden::sim
