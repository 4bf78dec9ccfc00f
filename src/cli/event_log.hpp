// SPDX-License-Identifier: Apache-2.0
//
// A log of events read from CSV and checked whole, before anything is fed: case,
// stage, instant, place in the order, dues.
//
// Data flow: text of the file -> CsvReader -> EventLog -> replay feeders. Every
// name (case, stage, rule) is kept once in `names`, and rows refer to it by
// number, so that feeding copies no text: `names` is the blob of every batch.
//
// Invariants of a log that load_event_log hands out:
//   1. At least one row; every row has a case of 0..512 bytes and a stage of
//      1..255 bytes, an instant, and, where asked for, a seq.
//   2. rows[i].due_first .. + due_count lies within `dues`; so do names' offsets
//      within `names`.
//   3. `order` is a permutation of the rows: the order in which they are fed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cli/failure.hpp"

namespace warden::cli {

// Real logs have events whose case is a blank. They are one case like any other,
// but a key has at least one byte: theirs is a zero byte, which no text holds.
inline constexpr std::string_view kBlankCaseKey{"\0", 1};
inline std::string_view key_of_case(std::string_view case_id) {
  return case_id.empty() ? kBlankCaseKey : case_id;
}
inline std::string_view case_of_key(std::string_view key) {
  return key == kBlankCaseKey ? std::string_view{} : key;
}

// `--due RULE=COLUMN`: an instant in that column is a due of that rule.
struct DueColumn {
  std::string rule;
  std::string column;
};

enum class FeedOrder { file, seq };

struct EventRow {
  std::int64_t at_ns = 0;
  std::uint32_t case_no = 0;
  std::uint32_t stage_no = 0;
  std::uint32_t line = 0;  // physical line of the file, from 1
  std::uint32_t due_first = 0;
  std::uint32_t due_count = 0;
};

struct EventDue {
  std::uint32_t rule_no = 0;  // index of the DueColumn
  std::int64_t instant_ns = 0;
};

// A piece of EventLog::names.
struct Name {
  std::uint32_t offset = 0;
  std::uint32_t size = 0;
};

struct StageName {
  Name name;
  std::uint32_t first_line = 0;  // where it appeared first
};

struct EventLog {
  std::string names;
  std::vector<Name> cases;        // their keys
  std::uint64_t blank_cases = 0;  // rows without a case_id
  std::vector<StageName> stages;
  std::vector<Name> due_rules;
  std::vector<EventRow> rows;
  std::vector<EventDue> dues;
  std::vector<std::uint32_t> order;
  std::int64_t first_ns = 0;
  std::int64_t last_ns = 0;

  std::string_view text(Name name) const {
    return std::string_view{names}.substr(name.offset, name.size);
  }
};

// file: its name, for the messages. text: its content.
Result<EventLog> load_event_log(const std::string& file, std::string_view text,
                                const std::vector<DueColumn>& due_columns, FeedOrder order);

}  // namespace warden::cli
