// SPDX-License-Identifier: Apache-2.0
//
// Included first in every file of a sanitizer build (CMakeLists.txt, -include),
// and nowhere else: memory then comes from malloc, which the sanitizers watch.
// mimalloc is built without them. ASan would not see a use after free in memory
// of its, and TSan not that freeing on one thread comes before taking the same
// memory on another: it would report a race on every block that moves so.
#pragma once

#include <mimalloc.h>
#include <stdlib.h>
#include <string.h>

namespace warden {

inline void* sanitized_zalloc(size_t bytes) noexcept { return calloc(1, bytes); }

inline void* sanitized_zalloc_aligned(size_t bytes, size_t alignment) noexcept {
  const size_t rounded = (bytes + alignment - 1) / alignment * alignment;
  void* place = aligned_alloc(alignment, rounded);
  return place == nullptr ? nullptr : memset(place, 0, rounded);
}

}  // namespace warden

#define mi_malloc malloc
#define mi_free free
#define mi_zalloc ::warden::sanitized_zalloc
#define mi_zalloc_aligned ::warden::sanitized_zalloc_aligned
