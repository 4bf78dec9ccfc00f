// SPDX-License-Identifier: Apache-2.0
//
// Fuzz target of recovery: what log_mutation.hpp says, for any bytes.
#include "log_mutation.hpp"
#include "plant.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto outcome = warden::fuzz::open_mutated(data, size);
  warden::fuzz::require(outcome.wrong.empty(), "recovery", outcome.wrong);
  warden::fuzz::misbehave(size);
  return 0;
}
