// SPDX-License-Identifier: Apache-2.0
//
// The engine against the model, through the C ABI. WARDEN_SEED=n runs that one seed;
// without it a fixed row of seeds, so that a run of the suite says the same always.
// WARDEN_MODEL_RUNS and WARDEN_MODEL_STEPS say how many and how long.
#include <cstdio>
#include <cstdlib>

#include "driver.hpp"

namespace warden::test {
namespace {

std::uint64_t from_env(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::strtoull(text, nullptr, 0) : otherwise;
}

TEST(Model, EngineAnswersAndRaisesWhatTheModelDoes) {
  const std::uint64_t runs = std::getenv("WARDEN_SEED") ? 1 : from_env("WARDEN_MODEL_RUNS", 60);
  const std::uint64_t first = from_env("WARDEN_SEED", 1);
  const auto steps = static_cast<int>(from_env("WARDEN_MODEL_STEPS", 600));
  for (std::uint64_t seed = first; seed < first + runs; ++seed) {
    std::string which = "WARDEN_SEED=";
    which += std::to_string(seed);
    SCOPED_TRACE(which);
    Driver(seed).run(steps);
    if (HasFailure()) {
      std::printf("failed with %s\n", which.c_str());
      return;
    }
  }
  std::printf("seeds %llu..%llu\n", static_cast<unsigned long long>(first),
              static_cast<unsigned long long>(first + runs - 1));
}

}  // namespace
}  // namespace warden::test
