/* SPDX-License-Identifier: Apache-2.0
 *
 * The few functions of mimalloc that Warden uses, over the C library's malloc: for
 * builds under sanitizers, which know nothing of mimalloc's memory (ASan would miss a
 * use after free, TSan the hand-over of a block from one thread to the next).
 */
#include <mimalloc.h>
#include <stdlib.h>
#include <string.h>

void* mi_malloc(size_t size) { return malloc(size); }

void* mi_zalloc(size_t size) { return calloc(1, size); }

void* mi_zalloc_aligned(size_t size, size_t alignment) {
  void* place = NULL;
  if (posix_memalign(&place, alignment, size) != 0) return NULL;
  return memset(place, 0, size);
}

void mi_free(void* place) { free(place); }
