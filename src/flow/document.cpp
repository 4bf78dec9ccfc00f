// SPDX-License-Identifier: Apache-2.0
//
// The only file that includes the TOML library. Its tree is copied into ours, its
// errors become one line with the same position.
#include "flow/document.hpp"

#include <algorithm>
#include <utility>

// The library asserts what bad input can break (a header "[," for one) and handles
// it right after; without assertions it may tell the compiler to assume them. Both
// are switched off, in every build type: assertions by doing nothing, assumptions
// by the absence of NDEBUG, which nothing else in this file looks at.
#ifdef NDEBUG
#undef NDEBUG
#endif
#define TOML_ASSERT(expr) static_cast<void>(0)
#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
#define TOML_ENABLE_FORMATTERS 0
#define TOML_ENABLE_WINDOWS_COMPAT 0
#include <toml++/toml.h>

namespace warden::flow {
namespace {

// The library gives line 0 to nodes that it made up, such as the tables of a
// dotted key; those stand where their key does.
Position position(const toml::source_region& region, Position otherwise) noexcept {
  if (region.begin.line == 0 || region.begin.column == 0) return otherwise;
  return {static_cast<std::uint32_t>(region.begin.line),
          static_cast<std::uint32_t>(region.begin.column)};
}

Type type_of(const toml::node& node) noexcept {
  switch (node.type()) {
    case toml::node_type::string:
      return Type::string;
    case toml::node_type::integer:
      return Type::integer;
    case toml::node_type::floating_point:
      return Type::real;
    case toml::node_type::boolean:
      return Type::boolean;
    case toml::node_type::array:
      return Type::array;
    case toml::node_type::table:
      return Type::table;
    default:
      return Type::date_time;
  }
}

// Recursion is bounded by kMaxNesting, which check_text has seen to.
Value convert(const toml::node& node, Position otherwise) {
  Value out;
  out.type = type_of(node);
  out.at = position(node.source(), otherwise);
  if (const auto* text = node.as_string()) {
    out.text = text->get();
  } else if (const auto* array = node.as_array()) {
    out.items.reserve(array->size());
    for (const toml::node& item : *array) out.items.push_back(convert(item, out.at));
  } else if (const auto* table = node.as_table()) {
    out.entries.reserve(table->size());
    for (const auto& [key, value] : *table) {
      const Position at = position(key.source(), out.at);
      out.entries.push_back({std::string(key.str()), at, convert(value, at)});
    }
    std::stable_sort(out.entries.begin(), out.entries.end(),
                     [](const Entry& a, const Entry& b) { return a.at < b.at; });
  }
  return out;
}

// The library's text on one line: it may quote the input, and cuts what it quotes
// at a byte.
std::string one_line(std::string_view description) {
  constexpr std::size_t kMaxBytes = 300;
  std::string out(description.substr(0, kMaxBytes));
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  for (std::size_t bad = find_bad_utf8(out); bad != std::string::npos; bad = find_bad_utf8(out)) {
    out[bad] = '?';
  }
  return description.size() > kMaxBytes ? out + "..." : out;
}

Error bad_toml(Position at, std::string_view description) {
  constexpr std::string_view kPrefix = "Error while parsing ";
  const bool prefixed = description.starts_with(kPrefix);
  if (prefixed) description.remove_prefix(kPrefix.size());
  return refuse(at, (prefixed ? "bad TOML in " : "bad TOML: ") + one_line(description));
}

}  // namespace

std::string_view type_name(Type type) noexcept {
  switch (type) {
    case Type::string:
      return "a string";
    case Type::integer:
      return "an integer";
    case Type::real:
      return "a float";
    case Type::boolean:
      return "a boolean";
    case Type::date_time:
      return "a date or time";
    case Type::array:
      return "an array";
    case Type::table:
      return "a table";
  }
  return "unknown";
}

const Entry* Value::find(std::string_view key) const noexcept {
  for (const Entry& entry : entries) {
    if (entry.key == key) return &entry;
  }
  return nullptr;
}

Error read_document(std::string_view text, Value& out) {
  const toml::parse_result result = toml::parse(text);
  if (!result) {
    const toml::parse_error& error = result.error();
    return bad_toml(position(error.source(), {}), error.description());
  }
  out = convert(result.table(), {});
  return {};
}

}  // namespace warden::flow
