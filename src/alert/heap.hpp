// SPDX-License-Identifier: Apache-2.0
//
// A priority queue of entries: a 4-ary heap that holds its
// keys in place (so that comparing touches no entry) and tells each entry its
// position (so that any one can be taken out). All under the hub's lock.
//
// Invariants
//   1. items_[i].entry->heap_pos == i for all i < size_.
//   2. No item is less than its parent, items_[(i - 1) / 4].
//   3. push never allocates: room was reserved before (out of memory is then an
//      answer of the call that reserves, not a half-done change).
#pragma once

#include <mimalloc.h>

#include <cstring>

#include "alert/entry.hpp"
#include "base/assert.hpp"

namespace warden::alert {

// A signed instant as an unsigned key of the same order.
constexpr std::uint64_t ordered(Nanos instant) noexcept {
  return static_cast<std::uint64_t>(instant) ^ (std::uint64_t{1} << 63);
}

struct HeapItem {
  std::uint64_t when;   // an instant, by ordered()
  std::uint64_t order;  // top 8 bits: rank, compared first; the rest: of arrival, last
  Entry* entry;

  static constexpr unsigned kRankShift = 56;
  friend bool operator<(const HeapItem& a, const HeapItem& b) noexcept {
    const auto rank_a = a.order >> kRankShift;
    const auto rank_b = b.order >> kRankShift;
    if (rank_a != rank_b) return rank_a < rank_b;
    if (a.when != b.when) return a.when < b.when;
    return a.order < b.order;
  }
};
static_assert(sizeof(HeapItem) == 24);

class Heap {
 public:
  Heap() = default;
  ~Heap() { mi_free(items_); }
  Heap(const Heap&) = delete;
  Heap& operator=(const Heap&) = delete;

  bool empty() const noexcept { return size_ == 0; }
  std::size_t size() const noexcept { return size_; }
  const HeapItem& top() const noexcept { return items_[0]; }

  // Room for `count` items in all; false, and nothing changed, without memory.
  bool reserve(Allocate allocate, std::size_t count) noexcept {
    if (count <= capacity_) return true;
    std::size_t wanted = capacity_ < 8 ? 16 : capacity_ * 2;
    if (wanted < count) wanted = count;
    return resize(allocate, wanted);
  }

  // Gives room back once `count` items are all that can come; keeps what it has
  // if there is no memory to move to.
  void shrink(Allocate allocate, std::size_t count) noexcept {
    if (capacity_ <= kKeepItems || count > capacity_ / 8 || size_ > capacity_ / 8) return;
    resize(allocate, capacity_ / 4);
  }

  void push(const HeapItem& item) noexcept {
    WARDEN_ASSERT(size_ < capacity_);
    sift_up(size_++, item);
  }

  void remove(Entry* entry) noexcept {
    const std::size_t at = entry->heap_pos;
    WARDEN_ASSERT(at < size_ && items_[at].entry == entry);
    const HeapItem last = items_[--size_];
    if (at == size_) return;
    if (at > 0 && last < items_[(at - 1) / 4]) {
      sift_up(at, last);
    } else {
      sift_down(at, last);
    }
  }

 private:
  static constexpr std::size_t kKeepItems = 1024;

  bool resize(Allocate allocate, std::size_t wanted) noexcept {
    auto* grown = static_cast<HeapItem*>(allocate(wanted * sizeof(HeapItem)));
    if (grown == nullptr) return false;
    if (size_ > 0) std::memcpy(grown, items_, size_ * sizeof(HeapItem));
    mi_free(items_);
    items_ = grown;
    capacity_ = wanted;
    return true;
  }

  void put(std::size_t at, const HeapItem& item) noexcept {
    items_[at] = item;
    item.entry->heap_pos = at;
  }

  void sift_up(std::size_t at, const HeapItem& item) noexcept {
    while (at > 0) {
      const std::size_t parent = (at - 1) / 4;
      if (!(item < items_[parent])) break;
      put(at, items_[parent]);
      at = parent;
    }
    put(at, item);
  }

  void sift_down(std::size_t at, const HeapItem& item) noexcept {
    for (;;) {
      const std::size_t first = at * 4 + 1;
      if (first >= size_) break;
      const std::size_t end = first + 4 < size_ ? first + 4 : size_;
      std::size_t least = first;
      for (std::size_t child = first + 1; child < end; ++child) {
        if (items_[child] < items_[least]) least = child;
      }
      if (!(items_[least] < item)) break;
      put(at, items_[least]);
      at = least;
    }
    put(at, item);
  }

  HeapItem* items_ = nullptr;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace warden::alert
