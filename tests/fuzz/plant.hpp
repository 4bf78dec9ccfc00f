// SPDX-License-Identifier: Apache-2.0
//
// Misbehaviour of the harness, never of the product, to show that a fuzzer sees it:
// WARDEN_FUZZ_PLANT=wrong, hang or memory. `wrong` is each target's own: the harness
// tells its oracle something that is not so, and the oracle must find out.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace warden::fuzz {

enum class Plant { none, wrong, hang, memory };

inline Plant planted() {
  static const Plant plant = [] {
    const char* text = std::getenv("WARDEN_FUZZ_PLANT");
    if (text == nullptr || *text == '\0') return Plant::none;
    if (std::strcmp(text, "wrong") == 0) return Plant::wrong;
    if (std::strcmp(text, "hang") == 0) return Plant::hang;
    if (std::strcmp(text, "memory") == 0) return Plant::memory;
    std::fprintf(stderr, "WARDEN_FUZZ_PLANT=%s: expected wrong, hang or memory\n", text);
    std::exit(2);
  }();
  return plant;
}

// What the limits of libFuzzer must end: called by every target, for inputs of some size.
inline void misbehave(std::size_t size) {
  static volatile bool forever = true;
  if (size < 4) return;
  while (planted() == Plant::hang && forever) {
  }
  if (planted() == Plant::memory) {
    static std::vector<char*> kept;
    kept.push_back(new char[std::size_t{3} << 30]);
  }
}

// A promise that does not hold ends the process, as libFuzzer expects of a finding.
inline void require(bool holds, const char* what, const std::string& detail = {}) {
  if (holds) return;
  std::fprintf(stderr, "broken: %s: %s\n", what, detail.c_str());
  std::abort();
}

}  // namespace warden::fuzz
