// SPDX-License-Identifier: Apache-2.0
//
// A flow as an engineer wants to read it: what ends an item, and a table of the
// rules. With flow_view.cpp one of the few files of the command that look below the C
// ABI, which tells of a flow no more than its name, version and numbers.
//
// Data flow: TOML text that a store has taken -> the flow's own reader -> text, JSON.
//
// Invariant: what is printed is one line a rule, whatever bytes names hold.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "cli/failure.hpp"

namespace warden::cli {

struct FlowView {
  std::string text;
  nlohmann::ordered_json json;
};

Result<FlowView> view_of_flow(std::string_view toml);
// Nanoseconds for which a closed key is remembered, and as the flow may say it.
struct FlowDedupe {
  std::int64_t ns = 0;
  std::string text;
};
Result<FlowDedupe> dedupe_of_flow(std::string_view toml);

}  // namespace warden::cli
