// SPDX-License-Identifier: Apache-2.0
//
// The ring itself; see buffer.hpp for its invariants.
#include "log/buffer.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <bit>

#include "base/assert.hpp"

namespace warden::log {
namespace {
constexpr std::size_t kLongest = round_page(record_bytes(kMaxContent) + 2 * kRecordAlign);
}

Buffer::~Buffer() {
  if (bytes_ != nullptr) ::munmap(bytes_, capacity_);
}

bool Buffer::init(std::size_t bytes) noexcept {
  WARDEN_ASSERT(std::has_single_bit(bytes) && bytes >= kPage);
  void* place = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (place == MAP_FAILED) return false;
  // A child never appends; it need not copy these pages either.
  ::madvise(place, bytes, MADV_WIPEONFORK);
  bytes_ = static_cast<std::byte*>(place);
  capacity_ = bytes;
  // An eighth is the cleaner's, and where there is enough for both, the longest record:
  // what a caller may append, the cleaner must be able to append again.
  std::size_t cleaner = bytes / 8;
  if (bytes >= 3 * kLongest) cleaner = std::max(cleaner, kLongest);
  share_[index(Pool::cleaner)] = cleaner;
  share_[index(Pool::callers)] = bytes - cleaner;
  for (std::size_t i = 0; i < 2; ++i) {
    credit_[i].store(static_cast<std::int64_t>(share_[i]), std::memory_order_relaxed);
  }
  return true;
}

bool Buffer::try_take(Pool pool, std::size_t bytes) noexcept {
  auto& credit = credit_[index(pool)];
  const auto want = static_cast<std::int64_t>(bytes);
  std::int64_t left = credit.load(std::memory_order_seq_cst);
  while (left >= want) {
    // acquire: invariant 4.
    if (credit.compare_exchange_weak(left, left - want, std::memory_order_acquire,
                                     std::memory_order_relaxed)) {
      return true;
    }
  }
  return false;
}

void Buffer::give_back(Pool pool, std::size_t bytes) noexcept {
  if (bytes == 0) return;
  credit_[index(pool)].fetch_add(static_cast<std::int64_t>(bytes), std::memory_order_seq_cst);
  if (takers_.load(std::memory_order_seq_cst) != 0) wake_takers();
}

void Buffer::wake_takers() noexcept {
  freed_.fetch_add(1, std::memory_order_seq_cst);
  io::futex_wake(freed_);
}

void Buffer::copy_in(std::uint64_t position, const void* from, std::size_t size) noexcept {
  if (size == 0) return;
  const std::size_t at = position & (capacity_ - 1);
  const std::size_t first = std::min(size, capacity_ - at);
  std::memcpy(bytes_ + at, from, first);
  if (first < size) std::memcpy(bytes_, static_cast<const char*>(from) + first, size - first);
}

const std::byte* Buffer::contiguous(std::uint64_t position, std::size_t size) const noexcept {
  const std::size_t at = position & (capacity_ - 1);
  return at + size <= capacity_ ? bytes_ + at : nullptr;
}

void Buffer::publish(std::uint64_t position, std::uint32_t word) noexcept {
  WARDEN_DEBUG_ASSERT(type_of(word) != RecordType::none);
  // Release hands the record's bytes to the committer. seq_cst, because the caller
  // looks next whether the committer sleeps, and the committer says so before it
  // looks here for the last time (log.cpp, wake_committer).
  std::atomic_ref<std::uint32_t>(*reinterpret_cast<std::uint32_t*>(place(position)))
      .store(word, std::memory_order_seq_cst);
}

std::uint32_t Buffer::peek(std::uint64_t position) const noexcept {
  return std::atomic_ref<std::uint32_t>(*reinterpret_cast<std::uint32_t*>(place(position)))
      .load(std::memory_order_seq_cst);
}

void Buffer::copy_out(std::uint64_t position, void* to, std::size_t size) const noexcept {
  const std::size_t at = position & (capacity_ - 1);
  const std::size_t first = std::min(size, capacity_ - at);
  std::memcpy(to, bytes_ + at, first);
  if (first < size) std::memcpy(static_cast<char*>(to) + first, bytes_, size - first);
}

void Buffer::free(std::uint64_t position, std::size_t callers, std::size_t cleaner) noexcept {
  const std::size_t size = callers + cleaner;
  const std::size_t at = position & (capacity_ - 1);
  const std::size_t first = std::min(size, capacity_ - at);
  std::memset(bytes_ + at, 0, first);
  if (first < size) std::memset(bytes_, 0, size - first);
  // seq_cst implies the release that invariant 4 needs.
  give_back(Pool::callers, callers);
  give_back(Pool::cleaner, cleaner);
}

}  // namespace warden::log
