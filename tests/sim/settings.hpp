// SPDX-License-Identifier: Apache-2.0
//
// Numbers out of the environment.
#pragma once

#include <cstdint>
#include <cstdlib>

namespace warden::sim {

inline std::uint64_t setting(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

struct Seeds {
  std::uint64_t first = 1;
  std::uint64_t count = 0;
};

// WARDEN_SEED: this one alone; else WARDEN_SEEDS of them, from WARDEN_FIRST on.
inline Seeds seeds_from_environment(std::uint64_t count) {
  const std::uint64_t one = setting("WARDEN_SEED", 0);
  if (one != 0) return {one, 1};
  return {setting("WARDEN_FIRST", 1), setting("WARDEN_SEEDS", count)};
}

}  // namespace warden::sim
