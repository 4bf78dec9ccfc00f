// SPDX-License-Identifier: Apache-2.0
//
// Small helpers for what people and programs read: quoting, numbers with
// thousands separators, lengths of time, shares.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace warden::cli {

// Text of a file inside a message: in single quotes, control bytes as \xNN, cut
// after 60 bytes, so that a message stays one readable line.
std::string in_quotes(std::string_view text);

// Any message as one line: control characters become \xNN.
std::string one_line(std::string_view text);

// One field of a CSV row, quoted only where RFC 4180 asks for it.
std::string csv_field(std::string_view text);

// 1234567 -> "1,234,567".
std::string with_commas(std::uint64_t number);

// Nanoseconds to three significant digits with a unit: "1.23 ms".
std::string duration_text(std::int64_t ns);

// "0.5%" or "0.005" to 0.005; nothing if it is no share of 0 to 1.
std::optional<double> parse_share(std::string_view text);

// Position of the first byte that is not well-formed UTF-8 or is NUL;
// text.size() if there is none.
std::size_t first_non_text_byte(std::string_view text);

}  // namespace warden::cli
