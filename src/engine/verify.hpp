// SPDX-License-Identifier: Apache-2.0
//
// Is a store what its log says? The log is read whole, and twice built into a store.
//
//   checksums, links   opening does it: every block, record, header and their chain
//   balance            items created = those now in each state, ever closed included
//   counted            the open items that are there are as many as the figures say
//   indexed            each open item is found by its key
//   timed              each that has a deadline to come stands in a wheel
//   rebuilt            both stores are the same: items, tombstones, flows, alerts
//
// Nothing is changed, also beside a writer; there the two readings may find different
// prefixes of the log, and are then not compared.
#pragma once

#include <optional>
#include <string>

#include "base/code.hpp"
#include "base/types.hpp"
#include "engine/store.hpp"

namespace warden::engine {

struct Verdict {
  Figures figures{};
  log::RecoveryReport log;
  std::uint32_t epoch = 0;
  Lsn durable = Lsn::none;
  std::uint64_t accounted = 0;  // items in some state
  std::uint64_t open = 0;       // items found in memory
  std::uint64_t unindexed = 0;  // of them
  std::uint64_t untimed = 0;    // of them
  Hash128 digest;               // of everything that was built, whatever its order
  std::optional<bool> rebuilt;  // not there: a writer moved on between the readings

  bool balanced() const noexcept;
  bool counted() const noexcept;
  bool good() const noexcept {
    return balanced() && counted() && unindexed == 0 && untimed == 0 && rebuilt.value_or(true);
  }
};

// Errors: as opening read-only.
Error verify(const std::string& path, Verdict& out);

}  // namespace warden::engine
