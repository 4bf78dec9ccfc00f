// SPDX-License-Identifier: Apache-2.0
//
// The ring as the library uses it, and its memory; see buffer.hpp.
#include "log/buffer.hpp"

#include <sys/mman.h>

namespace warden::log {

std::byte* BufferPolicy::map(std::size_t bytes) noexcept {
  void* place = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (place == MAP_FAILED) return nullptr;
  // A child never appends; it need not copy these pages either.
  ::madvise(place, bytes, MADV_WIPEONFORK);
  return static_cast<std::byte*>(place);
}

void BufferPolicy::unmap(std::byte* place, std::size_t bytes) noexcept {
  ::munmap(place, bytes);
}

template class BasicBuffer<>;

}  // namespace warden::log
