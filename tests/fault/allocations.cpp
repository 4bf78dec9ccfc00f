// SPDX-License-Identifier: Apache-2.0
#include "allocations.hpp"

#include <mimalloc.h>
#include <sys/mman.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <new>

#include "sim_disk.hpp"

// In a sanitizer build mi_* are macros for these very functions (sanitized_memory.hpp).
#undef mi_malloc
#undef mi_zalloc
#undef mi_zalloc_aligned

namespace warden::fault {
namespace {

constexpr std::uint64_t kNever = ~std::uint64_t{0};
// Atomic, since a store may have threads of its own; relaxed, since only sums matter.
std::atomic<bool> g_counting{false};
std::atomic<bool> g_sticky{false};
std::atomic<std::uint64_t> g_which{kNever};
std::atomic<std::uint64_t> g_seen{0};
std::atomic<std::uint64_t> g_failed{0};

bool fails() noexcept {
  if (!g_counting.load(std::memory_order_relaxed) || sim::exemptions != 0) return false;
  const std::uint64_t mine = g_seen.fetch_add(1, std::memory_order_relaxed);
  const std::uint64_t which = g_which.load(std::memory_order_relaxed);
  const bool hit = mine == which || (mine > which && g_sticky.load(std::memory_order_relaxed));
  if (hit) g_failed.fetch_add(1, std::memory_order_relaxed);
  return hit;
}

void begin(std::uint64_t which, bool sticky) noexcept {
  g_which = which;
  g_sticky = sticky;
  g_seen = 0;
  g_failed = 0;
  g_counting = true;
}

}  // namespace

void arm(std::uint64_t which, bool sticky) noexcept {
  begin(which, sticky);
}
void disarm() noexcept {
  g_counting = false;
}
void count() noexcept {
  begin(kNever, false);
}
std::uint64_t allocations() noexcept {
  return g_seen;
}
std::uint64_t failed_allocations() noexcept {
  return g_failed;
}

}  // namespace warden::fault

using warden::fault::fails;

extern "C" {

// The linker gives every reference to NAME the function __wrap_NAME, and __real_NAME
// what NAME would have been.
void* __real_malloc(std::size_t size);
void* __real_calloc(std::size_t count, std::size_t size);
void* __real_aligned_alloc(std::size_t alignment, std::size_t size);
void* __real_mi_malloc(std::size_t size);
void* __real_mi_zalloc(std::size_t size);
void* __real_mi_zalloc_aligned(std::size_t size, std::size_t alignment);
void* __real_mmap(void* at, std::size_t size, int access, int flags, int fd, off_t offset);

void* __wrap_malloc(std::size_t size) {
  return fails() ? nullptr : __real_malloc(size);
}
void* __wrap_calloc(std::size_t count, std::size_t size) {
  return fails() ? nullptr : __real_calloc(count, size);
}
void* __wrap_aligned_alloc(std::size_t alignment, std::size_t size) {
  return fails() ? nullptr : __real_aligned_alloc(alignment, size);
}
void* __wrap_mi_malloc(std::size_t size) {
  return fails() ? nullptr : __real_mi_malloc(size);
}
void* __wrap_mi_zalloc(std::size_t size) {
  return fails() ? nullptr : __real_mi_zalloc(size);
}
void* __wrap_mi_zalloc_aligned(std::size_t size, std::size_t alignment) {
  return fails() ? nullptr : __real_mi_zalloc_aligned(size, alignment);
}
void* __wrap_mmap(void* at, std::size_t size, int access, int flags, int fd, off_t offset) {
  if (!fails()) return __real_mmap(at, size, access, flags, fd, offset);
  errno = ENOMEM;
  return MAP_FAILED;
}

}  // extern "C"

void* operator new(std::size_t size) {
  void* place = fails() ? nullptr : __real_malloc(size == 0 ? 1 : size);
  if (place == nullptr) throw std::bad_alloc();
  return place;
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return fails() ? nullptr : __real_malloc(size == 0 ? 1 : size);
}
void* operator new(std::size_t size, std::align_val_t alignment) {
  const auto to = static_cast<std::size_t>(alignment);
  void* place = fails() ? nullptr : __real_aligned_alloc(to, (size + to - 1) / to * to);
  if (place == nullptr) throw std::bad_alloc();
  return place;
}
void* operator new(std::size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  const auto to = static_cast<std::size_t>(alignment);
  return fails() ? nullptr : __real_aligned_alloc(to, (size + to - 1) / to * to);
}
void operator delete(void* place) noexcept {
  std::free(place);
}
void operator delete(void* place, std::size_t) noexcept {
  std::free(place);
}
void operator delete(void* place, const std::nothrow_t&) noexcept {
  std::free(place);
}
void operator delete(void* place, std::align_val_t) noexcept {
  std::free(place);
}
void operator delete(void* place, std::size_t, std::align_val_t) noexcept {
  std::free(place);
}
void operator delete(void* place, std::align_val_t, const std::nothrow_t&) noexcept {
  std::free(place);
}
