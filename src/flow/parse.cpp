// SPDX-License-Identifier: Apache-2.0
//
// The whole of a flow's text: the top level, [flow], and the order of the steps.
#include "flow/parse.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <array>
#include <new>
#include <unordered_map>
#include <utility>

#include "flow/reader.hpp"
#include "flow/rule.hpp"
#include "flow/stages.hpp"

namespace warden::flow {
namespace {

constexpr std::array<std::string_view, 2> kTopKeys{"flow", "rule"};
constexpr std::array<std::string_view, 5> kFlowKeys{"close", "dedupe", "done", "name", "stages"};
constexpr std::string_view kWhere = "[flow]";

Error read_flow(const Value& table, StageLists& stages, Definition& out) {
  if (Error error = check_keys(table, "in [flow]", kFlowKeys); error) return error;
  const Entry* name = table.find("name");
  if (name == nullptr) return refuse(table.at, "[flow] has no 'name'; expected a string");
  if (Error error = read_name(name->value, label("name", kWhere), out.name); error) return error;

  const Entry* list = table.find("stages");
  if (list == nullptr) {
    return refuse(table.at, "[flow] has no 'stages'; expected an array of stage names, or \"any\"");
  }
  if (Error error = StageLists::read_closed_list(list->value, out); error) return error;

  const Entry* done = table.find("done");
  const Entry* close = table.find("close");
  if (done != nullptr) {
    if (Error error = stages.note(done->value, label("done", kWhere), out.done); error) {
      return error;
    }
  }
  if (close != nullptr) {
    if (Error error = stages.note(close->value, label("close", kWhere), out.close); error) {
      return error;
    }
  }
  if (done != nullptr && close != nullptr) stages.must_not_overlap(out.done, out.close);

  const Entry* dedupe = table.find("dedupe");
  if (dedupe == nullptr) return {};
  return read_duration(dedupe->value, label("dedupe", kWhere), out.dedupe);
}

Error read_rules(const Value& value, StageLists& stages, Definition& out) {
  constexpr std::string_view kExpected = "an array of tables, each under [[rule]]";
  if (value.type != Type::array) return wrong_type(value, "'rule'", kExpected);
  if (value.items.size() > kMaxRules) {
    return refuse(value.items[kMaxRules].at,
                  "too many rules; expected at most " + std::to_string(kMaxRules));
  }
  // Sized once: StageLists keeps pointers into the rules.
  out.rules.resize(value.items.size());
  std::unordered_map<std::string_view, std::uint32_t> lines;
  for (std::size_t i = 0; i < value.items.size(); ++i) {
    const Value& table = value.items[i];
    if (table.type != Type::table) return wrong_type(table, "'rule'", kExpected);
    Rule& rule = out.rules[i];
    if (Error error = read_rule(table, i + 1, stages, rule); error) return error;
    const Position at = table.find("name")->value.at;
    const auto [first, fresh] = lines.emplace(rule.name, at.line);
    if (!fresh) {
      return refuse(at, "duplicate rule " + in_quotes(rule.name) + "; the first is at line " +
                            std::to_string(first->second));
    }
  }
  return {};
}

Error parse_checked(std::string_view text, Definition& out) {
  if (Error error = check_text(text); error) return error;
  Value document;
  if (Error error = read_document(text, document); error) return error;
  if (Error error = check_keys(document, "at the top level", kTopKeys); error) return error;

  Definition made;
  StageLists stages;
  const Entry* flow = document.find("flow");
  if (flow == nullptr)
    return refuse({}, "no [flow] table; expected [flow] with 'name' and 'stages'");
  if (flow->value.type != Type::table) {
    return wrong_type(flow->value, "'flow'", "one table under [flow]");
  }
  if (Error error = read_flow(flow->value, stages, made); error) return error;
  if (const Entry* rules = document.find("rule"); rules != nullptr) {
    if (Error error = read_rules(rules->value, stages, made); error) return error;
  }
  if (Error error = stages.resolve(made); error) return error;

  made.text = text;
  const XXH128_hash_t hash = XXH3_128bits(text.data(), text.size());
  made.version = {.low = hash.low64, .high = hash.high64};
  out = std::move(made);
  return {};
}

}  // namespace

Error parse(std::string_view text, Definition& out) noexcept try {
  return parse_checked(text, out);
} catch (const std::bad_alloc&) {
  // Short enough to need no allocation itself.
  return {.code = Code::no_memory, .message = "out of memory"};
}

}  // namespace warden::flow
