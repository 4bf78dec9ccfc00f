// SPDX-License-Identifier: Apache-2.0
//
// A flow's text, checked whole: what is refused here never reaches the engine.
//
//   text -> check_text (length, UTF-8, nesting)      text.cpp, structure.cpp
//        -> read_document (TOML -> plain tree)       document.cpp
//        -> [flow] and [[rule]] -> Definition        parse.cpp, rule.cpp
//        -> stage names -> numbers                   stages.cpp
//
// docs/flows.md is the reference for every key. Invariants:
//   1. On success `out` holds what definition.hpp promises; on error it is untouched.
//   2. Every refusal has a line, a column (code points, from 1) and a message of one
//      line without the file's name, which is the caller's to prefix.
//   3. No clock, no I/O, no state: safe from any number of threads.
#pragma once

#include <string_view>

#include "base/code.hpp"
#include "flow/definition.hpp"

namespace warden::flow {

// flow_syntax for a refused text, too_large for one over kMaxTextBytes, no_memory
// (without a position).
Error parse(std::string_view text, Definition& out) noexcept;

}  // namespace warden::flow
