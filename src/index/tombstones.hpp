// SPDX-License-Identifier: Apache-2.0
//
// What one stripe remembers of closed keys: a ring in the order of closing. A
// tombstone is named by its running number, which stays valid while the ring
// grows; the index's cells hold it with the top bit set. Only under the stripe's
// lock.
#pragma once

#include <mimalloc.h>

#include <cstdint>

#include "base/types.hpp"

namespace warden::index {

struct Tombstone {
  Hash128 key;  // of flow and key: keys themselves are not kept
  std::uint64_t incarnation;
  std::uint32_t expires_s;  // engine time in seconds since 1970, rounded up; ~0 never
  std::uint8_t verdict;
  std::uint8_t early;  // the completion came before the item
  std::uint8_t erased;
  std::uint8_t reserved;
};
static_assert(sizeof(Tombstone) == 32);

// Expiry in coarse time: never sooner than `at`.
constexpr std::uint32_t coarse_expiry(Nanos at) noexcept {
  if (at <= 0) return 0;
  const auto seconds = static_cast<std::uint64_t>(at / kSecond) + 1;
  return seconds >= 0xffff'ffff ? 0xffff'ffff : static_cast<std::uint32_t>(seconds);
}

constexpr bool is_over(std::uint32_t expires_s, Nanos now) noexcept {
  return expires_s != 0xffff'ffff && std::int64_t{expires_s} * kSecond < now;
}

class Tombstones {
 public:
  static constexpr std::uint32_t kBit = 0x8000'0000;  // a cell's number is a tombstone's

  Tombstones() = default;
  Tombstones(const Tombstones&) = delete;
  Tombstones& operator=(const Tombstones&) = delete;
  ~Tombstones() { mi_free(ring_); }

  // Number of the cell for the tombstone that push() adds next. It never equals
  // Cells::kEmpty, since running numbers have 30 bits.
  std::uint32_t next_number() const noexcept { return kBit | tail_; }

  bool room() noexcept { return count_ < capacity_ || grow(); }

  void push(const Tombstone& stone) noexcept {
    if (count_ == 0) oldest_expires_s_ = stone.expires_s;
    ring_[slot(tail_)] = stone;
    tail_ = successor(tail_);
    ++count_;
  }

  // Fetches the place of the next push.
  void prefetch_next() const noexcept {
    if (capacity_ != 0) __builtin_prefetch(&ring_[slot(tail_)], 1);
  }

  Tombstone& at(std::uint32_t number) noexcept { return ring_[slot(number & ~kBit)]; }
  bool empty() const noexcept { return count_ == 0; }
  std::uint32_t count() const noexcept { return count_; }  // those erased included
  std::uint32_t remembered() const noexcept { return count_ - erased_; }
  Tombstone& oldest() noexcept { return ring_[slot(head_)]; }
  // Whether the oldest one's time is over; there must be one. Needs no look at the
  // ring, whose oldest end is rarely in the cache.
  bool oldest_over(Nanos now) const noexcept { return is_over(oldest_expires_s_, now); }
  std::uint32_t oldest_number() const noexcept { return kBit | head_; }
  // Its key is free again; the entry goes when it is the oldest.
  void erase(Tombstone& stone) noexcept {
    stone.erased = 1;
    ++erased_;
    while (count_ != 0 && oldest().erased != 0) pop();
  }
  void pop() noexcept {
    erased_ -= oldest().erased;
    head_ = successor(head_);
    if (--count_ != 0) oldest_expires_s_ = oldest().expires_s;
  }
  std::uint64_t bytes() const noexcept { return std::uint64_t{capacity_} * sizeof(Tombstone); }

 private:
  // Running numbers have 30 bits, a multiple of every capacity.
  static constexpr std::uint32_t kMask = 0x3fff'ffff;

  static std::uint32_t successor(std::uint32_t number) noexcept { return (number + 1) & kMask; }
  std::uint32_t slot(std::uint32_t number) const noexcept { return number & (capacity_ - 1); }

  bool grow() noexcept {
    const std::uint32_t capacity = capacity_ == 0 ? 8 : capacity_ * 2;
    if (capacity > kMask / 2) return false;
    auto* fresh = static_cast<Tombstone*>(mi_malloc(std::size_t{capacity} * sizeof(Tombstone)));
    if (fresh == nullptr) return false;
    for (std::uint32_t i = 0, n = head_; i < count_; ++i, n = successor(n)) {
      fresh[n & (capacity - 1)] = ring_[slot(n)];
    }
    mi_free(ring_);
    ring_ = fresh;
    capacity_ = capacity;
    return true;
  }

  Tombstone* ring_ = nullptr;
  std::uint32_t capacity_ = 0;
  std::uint32_t count_ = 0;
  std::uint32_t erased_ = 0;
  std::uint32_t head_ = 0;
  std::uint32_t tail_ = 0;
  std::uint32_t oldest_expires_s_ = 0;
};

}  // namespace warden::index
