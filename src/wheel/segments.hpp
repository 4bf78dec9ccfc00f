// SPDX-License-Identifier: Apache-2.0
//
// An array that grows without moving: a directory of segments taken from the system
// on demand. A segment's pages cost memory only when they are first touched, so that
// a small wheel is small although its first segment spans megabytes of addresses.
//
// Invariants
//   1. A segment, once in the directory, stays until the array is destroyed: its
//      elements are type-stable, and a stale index may be read at any time.
//   2. Fresh elements are all zero bytes.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>

namespace warden::wheel {

template <class T, unsigned kIndexBitsTotal, unsigned kSegmentBits, template <class> class Atomic>
class Segments {
 public:
  static constexpr std::uint32_t kPerSegment = 1U << kSegmentBits;
  static constexpr std::uint32_t kCount = 1U << (kIndexBitsTotal - kSegmentBits);
  static constexpr std::size_t kSegmentBytes = sizeof(T) * kPerSegment;
  static constexpr std::size_t kHugePage = std::size_t{2} << 20;

  Segments() = default;
  Segments(const Segments&) = delete;
  Segments& operator=(const Segments&) = delete;
  ~Segments() {
    for (auto& place : place_) {
      if (T* start = place.load(std::memory_order_relaxed)) ::munmap(start, kSegmentBytes);
    }
  }

  // Whoever holds an index got it from someone who had ensured its segment, or
  // through an acquire load of a word that was released after it.
  T& operator[](std::uint32_t index) noexcept {
    return place_[index >> kSegmentBits].load(std::memory_order_relaxed)[index & (kPerSegment - 1)];
  }

  const T& operator[](std::uint32_t index) const noexcept {
    return place_[index >> kSegmentBits].load(std::memory_order_relaxed)[index & (kPerSegment - 1)];
  }

  // Makes sure that the segment of `index` exists; false when memory is out.
  bool ensure(std::uint32_t index) noexcept {
    auto& place = place_[index >> kSegmentBits];
    if (place.load(std::memory_order_acquire) != nullptr) return true;
    T* fresh = map_segment(index >> kSegmentBits);
    if (fresh == nullptr) return false;
    T* expected = nullptr;
    // Any scheduler may race to install; the loser gives its own back.
    if (!place.compare_exchange_strong(expected, fresh, std::memory_order_acq_rel,
                                       std::memory_order_acquire)) {
      ::munmap(fresh, kSegmentBytes);
    }
    return true;
  }

 private:
  static T* map_segment(std::uint32_t number) noexcept {
    // Huge pages spare most TLB misses of a large store; the first segment stays on
    // small pages so that a small one stays small.
    const bool huge = number > 0 && kSegmentBytes % kHugePage == 0;
    const std::size_t span = huge ? kSegmentBytes + kHugePage : kSegmentBytes;
    void* place = ::mmap(nullptr, span, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (place == MAP_FAILED) return nullptr;
    if (!huge) return static_cast<T*>(place);
    auto* const base = static_cast<std::byte*>(place);
    const std::size_t off = reinterpret_cast<std::uintptr_t>(base) % kHugePage;
    const std::size_t skip = off == 0 ? 0 : kHugePage - off;
    if (skip > 0) ::munmap(base, skip);
    if (skip < kHugePage) ::munmap(base + skip + kSegmentBytes, kHugePage - skip);
    ::madvise(base + skip, kSegmentBytes, MADV_HUGEPAGE);  // a hint: refusal is no error
    return reinterpret_cast<T*>(base + skip);
  }

  // Written once each by the thread that maps the segment; read by all.
  Atomic<T*> place_[kCount] = {};
};

}  // namespace warden::wheel
