// SPDX-License-Identifier: Apache-2.0
//
// What a verb answers: the codes of the C ABI, by the same numbers (capi checks
// that they agree). Zero and positive are answers, negative are errors.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

namespace warden {

enum class Code : std::int32_t {
  ok = 0,
  created = 1,  // NEW; `new` is a keyword
  existing = 2,
  already_done = 3,
  done_early = 4,
  armed = 5,
  already_armed = 6,
  on_time = 7,
  late = 8,
  recorded_early = 9,
  already = 10,
  closed = 11,
  capped = 12,

  unknown_flow = -100,
  unknown_item = -101,
  bad_state = -102,
  fenced = -103,
  unknown_stage = -104,
  unknown_rule = -105,
  conflict = -106,

  invalid_argument = -200,
  too_large = -201,
  out_of_range = -202,
  flow_syntax = -203,
  buffer_too_small = -204,
  unknown_config = -205,

  no_memory = -300,
  no_space = -301,
  would_block = -302,
  timeout = -303,
  limit = -304,

  store_closed = -400,
  forked = -401,
  consumer_closed = -402,
  read_only = -403,
  unknown_lease = -404,

  io = -500,
  outcome_unknown = -501,
  corrupt = -502,
  newer_format = -503,
  not_a_store = -504,
  held = -505,
  permission = -506,
  lost = -507,

  internal = -900,
};

constexpr bool is_error(Code code) noexcept { return static_cast<std::int32_t>(code) < 0; }

// A cold call's outcome: the code, and for errors one line for a person.
struct Error {
  Code code = Code::ok;
  std::string message;
  std::uint32_t line = 0;    // of a flow's text, from 1
  std::uint32_t column = 0;  // from 1
  std::uint64_t offset = 0;  // of a file, in bytes

  explicit operator bool() const noexcept { return is_error(code); }
};

}  // namespace warden
