// SPDX-License-Identifier: Apache-2.0
//
// From a damaged store to a whole one in a new directory, and the list of what is not
// in it. The log reads beyond damage (log/salvage.hpp); here is what its records mean.
//
//   1st reading   flows and names of stages, wherever in the log they stand
//   2nd reading   items: which are whole, which lost their beginning or perhaps their end
//   3rd reading   what fits is appended to a new log, in the old order
//   opening       the new store is replayed before it gets its name
//
// Invariants
//   1. The damaged directory is not changed.
//   2. An item is in the new store as its newest record that was found says, or it is
//      listed. If a later record of it may lie in a lost range, it is both: it stays
//      open, so that its deadlines make it noticed, and is listed as uncertain.
//   3. Only closing records close: no verdict is made up.
//   4. The new store has the old one's UUID (alert ids, incarnations and hashes of keys
//      are made with it) and later openings' numbers: never write both.
//   5. The new directory appears whole, or not at all.
#pragma once

#include <string>
#include <vector>

#include "base/code.hpp"
#include "index/item.hpp"
#include "log/salvage.hpp"

namespace warden::engine {

enum class Fate : std::uint8_t {
  lost,       // not in the new store
  uncertain,  // in it, open; it may have moved on
  alerts,     // in it as it was, but alerts that it raised are not
};

struct Casualty {
  Fate fate = Fate::lost;
  std::string flow;
  std::string key;  // empty: not known
  std::uint64_t incarnation = 0;
  index::State state = index::State::none;
  std::string stage;
  Nanos at = kNoTime;        // its own time, at the newest record found
  Lsn lsn = Lsn::none;       // of that record
  std::uint64_t alerts = 0;  // lost
  std::string why;
};

struct Salvaged {
  log::SalvageReport log;
  std::vector<Casualty> casualties;
  std::uint64_t open_items = 0;    // in the new store, those that are uncertain included
  std::uint64_t closed_items = 0;  // closings in it
  std::uint64_t lost = 0;          // items
  std::uint64_t uncertain = 0;     // items
  std::uint64_t alerts_lost = 0;
  std::uint64_t records = 0;  // written
  std::vector<std::string> notes;

  // Nothing is missing but what no acknowledgement can be proven of.
  bool whole() const noexcept;
};

// `to`: a new or empty directory. Errors: as log::Salvager::open of the damaged store,
// and as creating a store. `to` is then not there.
Error salvage(const std::string& from, const std::string& to, Salvaged& out);

}  // namespace warden::engine
