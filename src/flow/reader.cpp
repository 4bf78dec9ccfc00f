// SPDX-License-Identifier: Apache-2.0
//
// Checked values for the readers of [flow] and [[rule]].
#include "flow/reader.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "flow/definition.hpp"
#include "flow/duration.hpp"

namespace warden::flow {
namespace {

// Words of the full language that this version does not know: a flow that uses
// them must not be taken as if they were not there.
constexpr std::array<std::string_view, 9> kLater{"annotations",   "labels",  "max_rate",
                                                 "outage_credit", "payload", "policy",
                                                 "retention",     "retry",   "storm"};

}  // namespace

std::string label(std::string_view key, std::string_view where) {
  return in_quotes(key) + " of " + std::string(where);
}

Error check_keys(const Value& table, std::string_view place,
                 std::span<const std::string_view> known) {
  for (const Entry& entry : table.entries) {
    if (std::find(known.begin(), known.end(), entry.key) != known.end()) continue;
    if (std::find(kLater.begin(), kLater.end(), entry.key) != kLater.end()) {
      return refuse(entry.at, in_quotes(entry.key) + " is not supported by this version");
    }
    return refuse(entry.at, "unknown key " + in_quotes(entry.key) + " " + std::string(place) +
                                "; expected one of: " + listed(known) +
                                suggestion(entry.key, known));
  }
  return {};
}

Error wrong_type(const Value& value, std::string_view what, std::string_view expected) {
  return refuse(value.at, std::string(what) + " must be " + std::string(expected) + ", got " +
                              std::string(type_name(value.type)));
}

Error read_name(const Value& value, std::string_view what, std::string& out) {
  if (value.type != Type::string) return wrong_type(value, what, "a string");
  const std::string& name = value.text;
  if (name.empty()) {
    return refuse(value.at, std::string(what) + " is empty; expected 1 to " +
                                std::to_string(kMaxNameBytes) + " bytes of UTF-8");
  }
  if (name.size() > kMaxNameBytes) {
    return refuse(value.at, std::string(what) + " has " + std::to_string(name.size()) +
                                " bytes; expected 1 to " + std::to_string(kMaxNameBytes));
  }
  if (find_unprintable(name) != std::string::npos) {
    return refuse(value.at, std::string(what) + " holds a control character: " + in_quotes(name) +
                                "; expected printable UTF-8");
  }
  out = name;
  return {};
}

Error read_duration(const Value& value, std::string_view what, Nanos& out) {
  if (value.type != Type::string) {
    return wrong_type(value, what, "a duration in quotes, such as \"5m\"");
  }
  return read_duration(value, value.text, what, out);
}

Error read_duration(const Value& value, std::string_view part, std::string_view what, Nanos& out) {
  Nanos length = 0;
  Error error = parse_duration(part, length);
  if (error.code == Code::no_memory) return error;
  if (error && error.code != Code::out_of_range) {
    return refuse(value.at, std::string(what) + ": " + error.message);
  }
  if (error || length < kMinWithin || length > kMaxWithin) {
    return refuse(value.at,
                  std::string(what) + " must be 1ms to 100y, got " + in_quotes(value.text));
  }
  out = length;
  return {};
}

}  // namespace warden::flow
