// SPDX-License-Identifier: Apache-2.0
//
// Recovery over damaged directories: a small store is mutated as `input` says, with
// or without its checksums made to fit again, and opened for reading and for writing.
//
//   input: repeated { what 1 byte, file 1, offset 3, value 1 }; an odd first byte
//   of all asks for fitting checksums
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace warden::fuzz {

struct Outcome {
  std::string wrong;  // empty: as it must be
  bool refused = false;
  bool fitted = false;
};

Outcome open_mutated(const std::uint8_t* input, std::size_t size);

}  // namespace warden::fuzz
