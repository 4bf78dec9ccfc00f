// SPDX-License-Identifier: Apache-2.0
//
// Every way in which the library takes memory, countable and made to fail: operator
// new, mimalloc's functions (malloc's, in a sanitizer build) and mmap. The linker's
// --wrap puts allocations.cpp between the library's objects and all of them
// (CMakeLists.txt), so the library is as it is shipped.
//
//   arm(n, sticky) -> the n-th allocation from now on, counted from 0, answers that
//   there is no memory; with `sticky` so do all after it. -> disarm()
//
// What the simulated disk takes (sim::Exempt) is neither counted nor failed.
#pragma once

#include <cstdint>

namespace warden::fault {

void arm(std::uint64_t which, bool sticky) noexcept;
void disarm() noexcept;
// Counts without failing any.
void count() noexcept;
// Since arm() or count().
std::uint64_t allocations() noexcept;
// Of them, those that failed.
std::uint64_t failed_allocations() noexcept;

}  // namespace warden::fault
