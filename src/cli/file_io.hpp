// SPDX-License-Identifier: Apache-2.0
//
// Whole files in, whole files out. Reading refuses what cannot be the text that
// was asked for; writing goes to a temporary beside the target and is renamed
// over it at the end, so that a failed run leaves no half of a file behind.
//
// Invariants:
//   1. read_text_file returns well-formed UTF-8 without NUL, never empty, without
//      a byte order mark; read_file whatever there is.
//   2. write_file leaves either the old file or the whole new one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "cli/failure.hpp"

namespace warden::cli {

// expected: what the file should have held, for the messages ("a CSV event log").
// At most most_bytes are read, the rest is left.
Result<std::string> read_file(const std::string& path, std::string_view expected,
                              std::size_t most_bytes = SIZE_MAX);
Result<std::string> read_text_file(const std::string& path, std::string_view expected);

// Can `path` be written later? Asked before long work; creates nothing.
Status check_writable(const std::string& path);

Status write_file(const std::string& path, std::string_view content);

}  // namespace warden::cli
