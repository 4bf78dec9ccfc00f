// SPDX-License-Identifier: Apache-2.0
//
// What happened to one item, as far as its store's log still tells it: with
// timeline.cpp one of the few files of the command that look below the C ABI, which
// answers how an item is, not how it came to be so.
//
// Data flow: directory -> log opened read-only -> the records of one incarnation ->
// what each changed against the one before -> moments, in order.
//
// Invariants:
//   1. Nothing is written to the directory, and no lock taken.
//   2. Nothing is guessed: a record says what an item is after a change, so what
//      leaves no trace in it (which of two verbs it was) is told as such.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/failure.hpp"

namespace warden::cli {

struct Moment {
  std::int64_t at_ns;  // WARDEN_NO_TIME: the log has its place, not its instant
  std::string what;
  std::string detail;
};

Result<std::vector<Moment>> read_timeline(const std::string& directory, std::uint64_t incarnation);

// A line a moment, below the heading "timeline".
std::string timeline_text(const std::vector<Moment>& moments);
nlohmann::ordered_json timeline_json(const std::vector<Moment>& moments);

}  // namespace warden::cli
