// SPDX-License-Identifier: Apache-2.0
//
// libFuzzer's entry; built where the compiler has it.
#include <cstdio>
#include <cstdlib>

#include "log_mutation.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto outcome = warden::fuzz::open_mutated(data, size);
  if (outcome.wrong.empty()) return 0;
  std::fprintf(stderr, "%s\n", outcome.wrong.c_str());
  std::abort();
}
