// SPDX-License-Identifier: Apache-2.0
//
// Stage names of a flow -> stage numbers. The readers of [flow] and [[rule]] note
// where each name stands and which list wants its number; when all are noted,
// resolve() gives numbers in the order of the text, so that with stages = "any" a
// number depends on the first mention alone.
//
// Invariants, once resolve() succeeded:
//   1. Every noted name is in Definition::stages; these are unique and at most
//      kMaxStages.
//   2. Every list is sorted and without repeats.
// The names are views into the document's tree, which must outlive this object.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/code.hpp"
#include "flow/definition.hpp"
#include "flow/document.hpp"

namespace warden::flow {

class StageLists {
 public:
  // Reads `stages`: an array of names, or "any".
  static Error read_closed_list(const Value& value, Definition& out);

  // Notes a list of one or more names, given as a string or an array. `into` must
  // stay where it is until resolve().
  Error note(const Value& value, std::string what, std::vector<StageNo>& into);

  // No stage may be in both lists, which have been noted by then.
  void must_not_overlap(const std::vector<StageNo>& first, const std::vector<StageNo>& second);

  Error resolve(Definition& definition);

 private:
  struct Mention {
    std::string_view name;
    Position at;
    std::size_t list;
    StageNo stage = kNoStage;  // set by resolve()
  };
  struct List {
    std::string what;
    std::vector<StageNo>* into;
  };
  struct Pair {
    const std::vector<StageNo>* first;
    const std::vector<StageNo>* second;
  };

  Error unknown(const Mention& mention, std::span<const std::string_view> known) const;
  Error check_overlap(const Pair& pair) const;
  const List& list_of(const std::vector<StageNo>* into) const;

  std::vector<Mention> mentions_;
  std::vector<List> lists_;
  std::vector<Pair> disjoint_;
};

}  // namespace warden::flow
