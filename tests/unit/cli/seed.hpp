// SPDX-License-Identifier: Apache-2.0
//
// Seed of a random test: WARDEN_SEED if it is set, else the test's own.
// Tests put seed_text() into their failure messages.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <string>

namespace warden::cli {

inline std::uint64_t test_seed(std::uint64_t own) {
  const char* given = std::getenv("WARDEN_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : own;
}

inline std::string seed_text(std::uint64_t seed) {
  std::string out = "WARDEN_SEED=";
  return out += std::to_string(seed);
}

}  // namespace warden::cli
