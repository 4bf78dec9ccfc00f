// SPDX-License-Identifier: Apache-2.0
//
// What the tests of flows share: files, a Definition as text to compare, and the
// invariants of definition.hpp as a check.
#pragma once

#include <string>
#include <vector>

#include "base/code.hpp"
#include "flow/definition.hpp"

namespace warden::flow::test {

// Whole file, or "" if it cannot be read.
std::string read_file(const std::string& path);

// Names in `folder` that end in `extension`, without it, sorted.
std::vector<std::string> names_in(const std::string& folder, const std::string& extension);

// Everything in a Definition but its text and version, a line a fact.
std::string describe(const Definition& definition);

// "" or the first invariant of definition.hpp that does not hold.
std::string broken_invariant(const Definition& definition);

// "" or what is wrong with a refusal's form: position, one line, UTF-8, length.
std::string broken_refusal(const Error& error);

}  // namespace warden::flow::test
