// SPDX-License-Identifier: Apache-2.0
//
// Stage names -> numbers, in two passes: note() while reading, resolve() at the end.
#include "flow/stages.hpp"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/assert.hpp"
#include "flow/reader.hpp"

namespace warden::flow {
namespace {

Error too_many(Position at) {
  return refuse(at, "too many stages; expected at most " + std::to_string(kMaxStages));
}

}  // namespace

Error StageLists::read_closed_list(const Value& value, Definition& out) {
  constexpr std::string_view kWhat = "'stages' of [flow]";
  constexpr std::string_view kExpected = "an array of stage names, or \"any\"";
  if (value.type == Type::string) {
    if (value.text != "any") {
      return refuse(value.at, std::string(kWhat) + " must be " + std::string(kExpected) + ", got " +
                                  in_quotes(value.text));
    }
    out.any_stages = true;
    return {};
  }
  if (value.type != Type::array) return wrong_type(value, kWhat, kExpected);
  std::unordered_set<std::string_view> seen;
  for (const Value& item : value.items) {
    std::string name;
    if (Error error = read_name(item, "stage name in 'stages'", name); error) return error;
    if (!seen.insert(item.text).second) {
      return refuse(item.at, "duplicate stage " + in_quotes(name) + " in 'stages'");
    }
    if (out.stages.size() == kMaxStages) return too_many(item.at);
    out.stages.push_back(std::move(name));
  }
  return {};
}

Error StageLists::note(const Value& value, std::string what, std::vector<StageNo>& into) {
  const std::size_t list = lists_.size();
  const std::string item_what = "stage name in " + what;
  std::string name;
  if (value.type == Type::string) {
    if (Error error = read_name(value, item_what, name); error) return error;
    mentions_.push_back({value.text, value.at, list});
  } else if (value.type == Type::array) {
    if (value.items.empty()) {
      return refuse(value.at, what + " is empty; expected at least one stage");
    }
    std::unordered_set<std::string_view> seen;
    for (const Value& item : value.items) {
      if (Error error = read_name(item, item_what, name); error) return error;
      if (!seen.insert(item.text).second) {
        return refuse(item.at, "duplicate stage " + in_quotes(item.text) + " in " + what);
      }
      mentions_.push_back({item.text, item.at, list});
    }
  } else {
    return wrong_type(value, what, "a stage name or an array of stage names");
  }
  lists_.push_back({std::move(what), &into});
  return {};
}

void StageLists::must_not_overlap(const std::vector<StageNo>& first,
                                  const std::vector<StageNo>& second) {
  disjoint_.push_back({&first, &second});
}

Error StageLists::resolve(Definition& definition) {
  std::sort(mentions_.begin(), mentions_.end(),
            [](const Mention& a, const Mention& b) { return a.at < b.at; });
  std::unordered_map<std::string_view, StageNo> numbers;
  std::vector<std::string_view> known;
  for (const std::string& stage : definition.stages) {
    numbers.emplace(stage, static_cast<StageNo>(numbers.size()));
    known.push_back(stage);
  }
  for (Mention& mention : mentions_) {
    const auto next = static_cast<StageNo>(numbers.size());
    auto found = numbers.find(mention.name);
    if (found == numbers.end()) {
      if (!definition.any_stages) {
        return unknown(mention, known);
      }
      if (numbers.size() == kMaxStages) return too_many(mention.at);
      definition.stages.emplace_back(mention.name);
      found = numbers.emplace(mention.name, next).first;
    }
    mention.stage = found->second;
    lists_[mention.list].into->push_back(mention.stage);
  }
  for (const List& list : lists_) std::sort(list.into->begin(), list.into->end());
  for (const Pair& pair : disjoint_) {
    if (Error error = check_overlap(pair); error) return error;
  }
  return {};
}

Error StageLists::unknown(const Mention& mention, std::span<const std::string_view> known) const {
  std::string message =
      "unknown stage " + in_quotes(mention.name) + " in " + lists_[mention.list].what;
  if (known.empty()) return refuse(mention.at, message + "; expected none: 'stages' is empty");
  return refuse(mention.at,
                message + "; expected one of: " + listed(known) + suggestion(mention.name, known));
}

Error StageLists::check_overlap(const Pair& pair) const {
  for (const Mention& mention : mentions_) {
    const List& list = lists_[mention.list];
    if (list.into != pair.second) continue;
    if (std::binary_search(pair.first->begin(), pair.first->end(), mention.stage)) {
      return refuse(mention.at, "stage " + in_quotes(mention.name) + " is in both " +
                                    list_of(pair.first).what + " and " + list.what +
                                    "; expected it in one of them");
    }
  }
  return {};
}

const StageLists::List& StageLists::list_of(const std::vector<StageNo>* into) const {
  const auto found = std::find_if(lists_.begin(), lists_.end(),
                                  [into](const List& list) { return list.into == into; });
  WARDEN_ASSERT(found != lists_.end());
  return *found;
}

}  // namespace warden::flow
