// SPDX-License-Identifier: Apache-2.0
//
// Records for a log, as input of a fuzzer: those that a store has written (live_a_while),
// changed as the input says. So names, incarnations and order fit but for what was
// changed, and every checksum does, since the log itself writes them.
//
//   input: repeated { what 1 byte, record 1, offset 1, value 1 [, bytes] }
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "log/format.hpp"

namespace warden::fuzz {

inline constexpr log::Uuid kStoreUuid{1, 2};

struct Record {
  bool operator==(const Record&) const = default;
  log::RecordType type = log::RecordType::none;
  std::uint64_t incarnation = 0;
  std::string content;
};

const std::vector<Record>& base_records();
std::vector<Record> edited_records(const std::uint8_t* input, std::size_t size);

}  // namespace warden::fuzz
