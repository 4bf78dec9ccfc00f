// SPDX-License-Identifier: Apache-2.0
//
// A TOML document as a plain tree with positions: text -> Value. It stands between
// the TOML library, which only document.cpp includes (its header costs seconds of
// build time), and the reader of flows.
//
// Invariants:
//   1. Entries of a table stand in the order of the text; keys are unique.
//   2. Every Value and Entry has a position, line and column from 1.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/code.hpp"
#include "flow/text.hpp"

namespace warden::flow {

enum class Type : std::uint8_t { string, integer, real, boolean, date_time, array, table };

// "a string", "an array", ... for messages.
std::string_view type_name(Type type) noexcept;

struct Entry;

struct Value {
  Type type = Type::table;
  Position at;
  std::string text;            // of a string
  std::vector<Value> items;    // of an array
  std::vector<Entry> entries;  // of a table

  // The table's entry of that key, or null.
  const Entry* find(std::string_view key) const noexcept;
};

struct Entry {
  std::string key;
  Position at;
  Value value;
};

// `text` must have passed check_text. Throws std::bad_alloc.
Error read_document(std::string_view text, Value& out);

}  // namespace warden::flow
