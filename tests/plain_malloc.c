/* SPDX-License-Identifier: Apache-2.0
 *
 * The few functions of mimalloc that Warden uses, over the C library's malloc: for
 * builds under sanitizers, which know nothing of mimalloc's memory (ASan would miss a
 * use after free, TSan the hand-over of a block from one thread to the next).
 */
#include <mimalloc.h>
#include <stdlib.h>
#include <string.h>

/* Beyond this no sanitizer goes, and says so by an abort instead of a null. */
#define MOST ((size_t)1 << 39)

void* mi_malloc(size_t size) { return size > MOST ? NULL : malloc(size); }

void* mi_zalloc(size_t size) { return size > MOST ? NULL : calloc(1, size); }

void* mi_zalloc_aligned(size_t size, size_t alignment) {
  void* place = NULL;
  if (posix_memalign(&place, alignment, size) != 0) return NULL;
  return memset(place, 0, size);
}

void mi_free(void* place) { free(place); }
