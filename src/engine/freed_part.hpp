// SPDX-License-Identifier: Apache-2.0
//
// What the freed part of a store's log said and is still needed, without what the
// cleaner writes again: flows, names of stages, consumers, the manual clock, and the
// counts of the balance. It is what the catalog in the manifest holds (log/catalog.hpp):
//
//   the last catalog + the records of the segment that is about to go = the next one
//
// so it says exactly what replaying the freed segments would have said of these, and
// nothing of later ones.
//
// Invariants
//   1. Of a flow's version the text stands once, in order of number; a version that
//      was made the newest again stands once more, behind all, in order of that, and so
//      do those that were new after the first such.
//   2. Of a consumer the last record counts. That of a deleted one stays, if its number
//      is the highest: numbers are not given out twice.
//   3. Each original record is counted once: here if it is in a freed segment, by the
//      replay otherwise. Copies by the cleaner are never counted.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/code.hpp"
#include "engine/codec.hpp"
#include "engine/records.hpp"
#include "log/catalog.hpp"

namespace warden::engine {

struct Totals {
  std::uint64_t submitted = 0;
  std::uint64_t done = 0;
  std::uint64_t cancelled = 0;
  std::uint64_t expired = 0;
  std::uint64_t early = 0;
  std::uint64_t alerts = 0;

  // A change of an item; `is_new`: it came to be by it.
  void count(const StateRecord& state, bool is_new) noexcept;
};

void encode_totals(Writer& out, const Totals& totals);
bool decode_totals(Reader& in, Totals& out);

class FreedPart {
 public:
  // From the catalog of the log as it was opened. False if that cannot be.
  bool begin(const log::Catalog& catalog);

  // A record of the segment that goes; other types than these are ignored: flow,
  // stage_name, consumer, anchor. May throw std::bad_alloc. False: no such record.
  bool add(log::RecordType type, std::uint64_t incarnation, std::span<const std::byte> content);
  Totals& totals() noexcept { return totals_; }

  log::Catalog catalog() const;

 private:
  using Bytes = std::vector<std::byte>;

  std::map<std::uint64_t, Bytes> flows_;  // by number
  std::vector<std::uint64_t> renewed_;
  std::vector<std::pair<std::uint64_t, Bytes>> stages_;
  std::map<std::uint64_t, Bytes> consumers_;
  Nanos anchor_ = kNoTime;
  Totals totals_;
};

}  // namespace warden::engine
