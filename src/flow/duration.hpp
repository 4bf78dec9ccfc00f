// SPDX-License-Identifier: Apache-2.0
//
// Lengths of time as text, both ways: "1h30m" or "PT1H30M" <-> nanoseconds.
// Flows, the command line and configuration all read durations here, so that one
// spelling means one length everywhere.
//
// Grammar:
//   plain  = part { part }                     part = digits [ "." digits ] unit
//   unit   = "y" | "d" | "h" | "m" | "s" | "ms" | "us" | "ns"
//   iso    = "P" { part(Y, D) } [ "T" part(H, M, S) { ... } ]  |  "P" digits "W"
// Units come largest first and each at most once; only the last part may have a
// fraction, and only one that comes out as whole nanoseconds. A year is 365.25
// days. ISO months are refused: they have no fixed length.
//
// Invariants:
//   1. parse_duration(format_duration(n)) == n for every n >= 0.
//   2. On error `out` is untouched.
#pragma once

#include <string>
#include <string_view>

#include "base/code.hpp"
#include "base/types.hpp"

namespace warden::flow {

// invalid_argument for what is no duration, out_of_range for one that does not
// fit 63 bits of nanoseconds (about 292 years), no_memory. Never negative.
Error parse_duration(std::string_view text, Nanos& out) noexcept;

// The shortest plain form with whole numbers: "90s" comes back as "1m30s", zero as
// "0s". Years only if nothing remains. A negative length has a leading "-", which
// parse_duration does not take back. Throws std::bad_alloc.
std::string format_duration(Nanos length);

}  // namespace warden::flow
