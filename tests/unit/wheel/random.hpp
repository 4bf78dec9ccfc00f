// SPDX-License-Identifier: Apache-2.0
//
// Seeds of random tests: WARDEN_SEED=n repeats one; each failure names its seed.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace warden::wheel {

// splitmix64: one addition and a mix a number, good enough for tests.
class Random {
 public:
  explicit Random(std::uint64_t seed) noexcept : state_(seed) {}
  std::uint64_t next() noexcept {
    std::uint64_t x = (state_ += 0x9e3779b97f4a7c15ULL);
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    return x ^ (x >> 31);
  }
  std::uint64_t below(std::uint64_t limit) noexcept { return next() % limit; }
  // Magnitudes of all sizes up to 2^bits equally often.
  std::uint64_t magnitude(unsigned bits) noexcept {
    const std::uint64_t width = below(bits + 1);
    return width == 0 ? 0 : next() >> (64 - width);
  }

 private:
  std::uint64_t state_;
};

inline std::uint64_t number_from_env(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::strtoull(text, nullptr, 0) : otherwise;
}

}  // namespace warden::wheel
