// SPDX-License-Identifier: Apache-2.0
//
// The fuzzer's target with seeded random inputs, for compilers without libFuzzer.
// WARDEN_SEED=<n> runs one, WARDEN_SEEDS=<n> as many.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <random>

#include "log_mutation.hpp"

namespace warden::fuzz {
namespace {

TEST(LogMutation, EveryMutationIsReadOrRefusedCleanly) {
  const char* one = std::getenv("WARDEN_SEED");
  const char* many = std::getenv("WARDEN_SEEDS");
  const std::uint64_t first = one != nullptr ? std::strtoull(one, nullptr, 10) : 1;
  const std::uint64_t count =
      one != nullptr ? 1 : (many != nullptr ? std::strtoull(many, nullptr, 10) : 3000);
  std::uint64_t refused = 0;
  std::uint64_t fitted = 0;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    std::mt19937_64 rng(seed);
    std::uint8_t input[61];
    for (std::uint8_t& byte : input) byte = static_cast<std::uint8_t>(rng());
    const std::size_t size = 7 + rng() % (sizeof input - 6);
    const Outcome outcome = open_mutated(input, size);
    ASSERT_EQ(outcome.wrong, "") << "again with WARDEN_SEED=" << seed;
    refused += outcome.refused ? 1 : 0;
    fitted += outcome.fitted ? 1 : 0;
  }
  std::printf("mutations: seeds %llu..%llu, %llu refused, %llu with fitting checksums\n",
              static_cast<unsigned long long>(first),
              static_cast<unsigned long long>(first + count - 1),
              static_cast<unsigned long long>(refused), static_cast<unsigned long long>(fitted));
  if (count >= 100) {
    EXPECT_GT(refused, count / 4);
    EXPECT_LT(refused, count);
  }
}

}  // namespace
}  // namespace warden::fuzz
