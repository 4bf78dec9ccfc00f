// SPDX-License-Identifier: Apache-2.0
//
// Where items live and how a key finds its item. Stripes share nothing: each has
// its lock, its cells, its tombstones and its free item numbers. Items stand in
// chunks that never move, so that an item's number is a stable name.
//
//   hash of (flow, key), 128 bits:  low word, low bits  -> stripe
//                                   high word, top half -> the 32 bits kept in a cell
//
// Invariants
//   1. An item number is given out by one stripe at a time, and comes back to it.
//   2. A number that a stripe holds has its chunk; a free item's `stripe` is 0.
//   3. Chunks are published with release and read with acquire, so whoever gets a
//      number finds its chunk.
#pragma once

#include <atomic>
#include <memory>

#include "base/types.hpp"
#include "index/cells.hpp"
#include "index/item.hpp"
#include "index/stripe_lock.hpp"
#include "index/tombstones.hpp"

namespace warden::index {

struct alignas(64) Stripe {
  StripeLock lock;
  std::uint32_t free_head = raw(ItemNo::none);  // free items are linked through `seq`
  Cells cells;
  Tombstones tombstones;
};

class Index {
 public:
  static constexpr std::uint32_t kChunkBits = 12;
  static constexpr std::uint32_t kChunkItems = 1u << kChunkBits;
  static constexpr std::uint32_t kMaxItems = 1u << 28;

  // Null when memory is out. stripes: a power of two.
  static std::unique_ptr<Index> make(std::uint32_t stripes) noexcept;
  ~Index();
  Index(const Index&) = delete;
  Index& operator=(const Index&) = delete;

  static std::uint32_t cell_hash(const Hash128& hash) noexcept {
    return static_cast<std::uint32_t>(hash.high >> 32);
  }
  std::uint32_t stripe_of(const Hash128& hash) const noexcept {
    return static_cast<std::uint32_t>(hash.low) & (stripes_ - 1);
  }
  Stripe& stripe(std::uint32_t number) noexcept { return stripe_[number]; }
  std::uint32_t stripes() const noexcept { return stripes_; }

  Item& item(std::uint32_t number) noexcept {
    // Acquire pairs with the release in add_chunk (invariant 3).
    Item* chunk = chunks_[number >> kChunkBits].load(std::memory_order_acquire);
    return chunk[number & (kChunkItems - 1)];
  }

  // A free item number for this stripe, under its lock; ItemNo::none if memory or
  // the 2^28 numbers are out. Its `stripe` is still 0.
  ItemNo take(Stripe& stripe) noexcept;
  // Gives it back, under the stripe's lock.
  void give_back(Stripe& stripe, ItemNo number) noexcept;

  // One above the highest number ever handed to a stripe; its chunk may not be
  // there yet, so scans ask has_chunk first.
  std::uint32_t high() const noexcept { return high_.load(std::memory_order_acquire); }

  bool has_chunk(std::uint32_t number) const noexcept {
    return chunks_[number >> kChunkBits].load(std::memory_order_acquire) != nullptr;
  }

  // Bytes allocated for items, cells and tombstones; takes every lock in turn.
  std::uint64_t bytes() noexcept;
  std::uint64_t tombstones() noexcept;

 private:
  explicit Index(std::uint32_t stripes) noexcept : stripes_(stripes) {}
  bool add_chunk(std::uint32_t chunk) noexcept;

  static constexpr std::uint32_t kChunks = kMaxItems / kChunkItems;
  // A stripe takes a few numbers at once, so that high_ is not contended.
  static constexpr std::uint32_t kTakeAtOnce = 4;

  std::uint32_t stripes_;
  Stripe* stripe_ = nullptr;
  // Written once each, by whoever wins the exchange in add_chunk.
  std::atomic<Item*>* chunks_ = nullptr;
  std::atomic<std::uint32_t> high_{0};  // any thread, fetch_add
};

}  // namespace warden::index
