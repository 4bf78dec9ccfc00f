// SPDX-License-Identifier: Apache-2.0
//
// One [[rule]] table -> Rule. Stage names go to StageLists and get their numbers
// later; all else is checked here.
#pragma once

#include <cstddef>

#include "base/code.hpp"
#include "flow/definition.hpp"
#include "flow/document.hpp"
#include "flow/stages.hpp"

namespace warden::flow {

// `number` counts the rules of the text from 1: it names a rule that has no name
// yet. `out` must stay where it is until stages are resolved.
Error read_rule(const Value& table, std::size_t number, StageLists& stages, Rule& out);

}  // namespace warden::flow
