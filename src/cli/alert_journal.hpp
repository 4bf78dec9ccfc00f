// SPDX-License-Identifier: Apache-2.0
//
// The alerts that a durable replay has taken, in a file beside OUT.csv: written and
// flushed before they are acknowledged, so that a run killed at any point loses none.
//
// Data flow: alerts of one poll -> add() -> commit(): write, fdatasync -> the caller
// acknowledges. open() reads back what earlier runs on the same store committed.
//
// Invariants:
//   1. At least once into the file, each once out of it: entries are known by their id.
//   2. An entry that a kill or power loss cut short was not acknowledged, and comes
//      again: reading stops before the first one whose sum is wrong, and cuts there.
//   3. The file belongs to one replay into one store, which its header names.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "cli/failure.hpp"

namespace warden::cli {

using AlertId = std::pair<std::uint64_t, std::uint64_t>;

// One alert, as far as a replay tells of it.
struct AlertEntry {
  AlertId id;
  std::uint32_t kind = 0;
  std::uint32_t level = 0;
  std::int64_t raised_ns = 0;
  std::int64_t deadline_ns = 0;
  std::string rule;
  std::string case_id;
  std::string stage;
};

// Whose journal it is.
struct JournalOwner {
  std::string store;   // absolute path
  std::string replay;  // digest of what is replayed and how
};

class AlertJournal {
 public:
  AlertJournal() = default;
  AlertJournal(const AlertJournal&) = delete;
  AlertJournal& operator=(const AlertJournal&) = delete;
  ~AlertJournal();

  // Whose journal is it? Changes nothing. A file that is missing is good. anew: of this
  // store's path is enough.
  static Status check(const std::string& path, const JournalOwner& owner, bool anew);
  // Opens or creates it and hands out every entry that is whole. anew: what it holds
  // is of a store that is gone, and is dropped.
  Status open(const std::string& path, const JournalOwner& owner, bool anew,
              const std::function<void(AlertEntry)>& entry);

  void add(const AlertEntry& entry);
  // On return what was added is on stable storage.
  Status commit();

 private:
  std::string path_;
  int fd_ = -1;
  std::string pending_;
};

}  // namespace warden::cli
