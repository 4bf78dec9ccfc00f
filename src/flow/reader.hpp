// SPDX-License-Identifier: Apache-2.0
//
// Steps shared by the readers of [flow] and [[rule]]: each takes one value of the
// tree and gives it checked, or says in one line what was expected.
//
// Invariants:
//   1. A name that is handed out is UTF-8, 1..kMaxNameBytes bytes, without control
//      characters, so that it can stand in a line of text or a column of CSV.
//   2. `out` is untouched on error.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/code.hpp"
#include "base/types.hpp"
#include "flow/document.hpp"

namespace warden::flow {

// "'within' of rule 'total'": how messages name a value.
std::string label(std::string_view key, std::string_view where);

// Refuses the first key that is not of `known`; `place` is such as "in [flow]".
Error check_keys(const Value& table, std::string_view place,
                 std::span<const std::string_view> known);

// "'within' of rule 'total' must be ..., got an integer".
Error wrong_type(const Value& value, std::string_view what, std::string_view expected);

Error read_name(const Value& value, std::string_view what, std::string& out);

// A duration of 1 ms to 100 years.
Error read_duration(const Value& value, std::string_view what, Nanos& out);

// The same from a part of the value's text; the whole is shown in messages.
Error read_duration(const Value& value, std::string_view part, std::string_view what, Nanos& out);

}  // namespace warden::flow
