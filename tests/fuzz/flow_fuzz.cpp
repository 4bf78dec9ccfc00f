// SPDX-License-Identifier: Apache-2.0
//
// Fuzz target of flows: any bytes -> parse() and parse_duration(). A sanitizer sees
// what is unsafe; what is wrong is checked here and aborts:
//   1. Taken: the invariants of definition.hpp hold, and the text reads the same
//      again.
//   2. Refused: a position, one line of UTF-8, `out` untouched, and the same again.
//   3. A duration that is read goes round through its own text.
#include <cstddef>
#include <cstdint>
#include <string>

#include "flow/duration.hpp"
#include "flow/parse.hpp"
#include "plant.hpp"
#include "support.hpp"

namespace {

using warden::Error;
using warden::Nanos;
using warden::flow::Definition;
using warden::fuzz::require;
namespace test = warden::flow::test;

void check_flow(std::string_view text) {
  Definition first;
  first.name = "untouched";
  const Error error = warden::flow::parse(text, first);
  Definition again;
  const Error same = warden::flow::parse(text, again);
  // Planted: a second reading that forgets the last rule.
  if (warden::fuzz::planted() == warden::fuzz::Plant::wrong && !again.rules.empty()) {
    again.rules.pop_back();
  }
  require(error.code == same.code && error.message == same.message && error.line == same.line &&
              error.column == same.column,
          "the same text, another answer", error.message + " / " + same.message);
  if (error) {
    require(error.code == warden::Code::flow_syntax || error.code == warden::Code::too_large,
            "code of a refusal", std::to_string(warden::raw(error.code)));
    const std::string broken = test::broken_refusal(error);
    require(broken.empty(), broken.c_str(), error.message);
    require(first.name == "untouched" && first.text.empty() && first.rules.empty(),
            "written although refused", error.message);
    return;
  }
  const std::string broken = test::broken_invariant(first);
  require(broken.empty(), "invariant", broken);
  require(first.text == text, "text", first.text);
  require(first.version == again.version && test::describe(first) == test::describe(again),
          "the same text, another reading", test::describe(first));
}

void check_duration(std::string_view text) {
  Nanos length = -1;
  const Error error = warden::flow::parse_duration(text, length);
  if (error) {
    require(length == -1 && !error.message.empty(), "refused duration", error.message);
    return;
  }
  const std::string form = warden::flow::format_duration(length);
  Nanos back = -1;
  require(length >= 0 && !warden::flow::parse_duration(form, back) && back == length,
          "duration does not go round", form);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check_flow(text);
  check_duration(text.substr(0, text.find('\n')));
  warden::fuzz::misbehave(size);
  return 0;
}
