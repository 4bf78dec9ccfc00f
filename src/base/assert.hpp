// SPDX-License-Identifier: Apache-2.0
//
// Assertions in two cost tiers. WARDEN_ASSERT guards what would corrupt data and
// stays in every build; WARDEN_DEBUG_ASSERT is for checks on hot paths and is
// compiled in only where WARDEN_DEBUG_CHECKS is defined (debug and sanitizer
// presets).
#pragma once

#include <cstdio>
#include <cstdlib>

namespace warden {

[[noreturn]] inline void assertion_failed(const char* what, const char* file, int line) noexcept {
  std::fprintf(stderr, "warden: invariant broken: %s (%s:%d)\n", what, file, line);
  std::abort();
}

}  // namespace warden

#define WARDEN_ASSERT(cond) \
  ((cond) ? static_cast<void>(0) : ::warden::assertion_failed(#cond, __FILE__, __LINE__))

#ifdef WARDEN_DEBUG_CHECKS
#define WARDEN_DEBUG_ASSERT(cond) WARDEN_ASSERT(cond)
#else
#define WARDEN_DEBUG_ASSERT(cond) static_cast<void>(0)
#endif
