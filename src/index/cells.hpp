// SPDX-License-Identifier: Apache-2.0
//
// The cells of one stripe: an ordered hash table with linear probing (Amble and
// Knuth, "Ordered hash tables", The Computer Journal 17, 1974). A cell is 8
// bytes: 32 hash bits and a 32-bit number whose meaning is the caller's. The home
// of a hash is its share of the capacity, which grows with the hash, so the cells
// stand sorted by hash all along the table: a miss ends as early as a hit, growing
// is one merge-like pass, and any capacity will do (growth by a quarter keeps
// about 10 bytes an item).
//
// Invariants
//   1. Used cells are sorted by hash; a cell stands at or behind its home, and no
//      empty cell lies between its home and it.
//   2. At most 7/8 of `capacity` are used; behind it lie `slack` further cells, so
//      that runs at the end need not wrap. If they do not suffice, the slack doubles.
//   3. Number kEmpty marks an empty cell.
// Only under the stripe's lock. room() may allocate; put() after room() cannot fail.
#pragma once

#include <mimalloc.h>

#include <atomic>
#include <cstdint>

#include "base/assert.hpp"

namespace warden::index {

class Cells {
 public:
  static constexpr std::uint32_t kEmpty = 0xffff'ffff;
  static constexpr std::uint32_t kNotFound = 0xffff'ffff;

  Cells() = default;
  Cells(const Cells&) = delete;
  Cells& operator=(const Cells&) = delete;
  ~Cells() { mi_free(cells_); }

  // Position of the first cell with these hash bits for which same(number) holds.
  template <class Same>
  std::uint32_t find(std::uint32_t hash, Same&& same) const noexcept {
    const Cell* cells = cells_;
    if (cells == nullptr) return kNotFound;
    const std::uint32_t capacity = capacity_;
    for (std::uint32_t at = home(hash, capacity); at < capacity + slack_; ++at) {
      const Cell cell = cells[at];
      if (cell.number == kEmpty || cell.hash > hash) return kNotFound;
      if (cell.hash == hash && same(cell.number)) return at;
    }
    return kNotFound;
  }

  // Makes sure that the next put of any hash has room. False: memory is out and
  // nothing has changed.
  bool room() noexcept {
    if (capacity_ != 0 && (count_ + 1) * 8 <= capacity_ * 7 &&
        cells_[capacity_ + slack_ - 1].number == kEmpty) {
      return true;
    }
    return grow();
  }

  // Puts a number in; room() must have said yes since the last put.
  void put(std::uint32_t hash, std::uint32_t number) noexcept {
    insert(cells_, capacity_, Cell{hash, number});
    ++count_;
  }

  std::uint32_t number(std::uint32_t at) const noexcept { return cells_[at].number; }
  void set_number(std::uint32_t at, std::uint32_t number) noexcept { cells_[at].number = number; }

  // Takes a cell out; the run behind it moves up, so that no mark stays behind.
  void erase(std::uint32_t at) noexcept {
    std::uint32_t next = at + 1;
    while (next < capacity_ + slack_ && cells_[next].number != kEmpty &&
           home(cells_[next].hash, capacity_) < next) {
      cells_[next - 1] = cells_[next];
      ++next;
    }
    cells_[next - 1] = Cell{0, kEmpty};
    --count_;
  }

  void prefetch(std::uint32_t hash) const noexcept {
    const Cell* cells = cells_;
    if (cells != nullptr) __builtin_prefetch(cells + home(hash, capacity_));
  }

  std::uint32_t count() const noexcept { return count_; }
  std::uint64_t bytes() const noexcept {
    return cells_ == nullptr ? 0 : (std::uint64_t{capacity_} + slack_) * sizeof(Cell);
  }

 private:
  struct Cell {
    std::uint32_t hash;
    std::uint32_t number;
  };
  static std::uint32_t home(std::uint32_t hash, std::uint32_t capacity) noexcept {
    return static_cast<std::uint32_t>((std::uint64_t{hash} * capacity) >> 32);
  }

  // The last cell of the slack is empty (room() saw to it), so both loops end.
  static void insert(Cell* cells, std::uint32_t capacity, Cell cell) noexcept {
    std::uint32_t at = home(cell.hash, capacity);
    while (cells[at].number != kEmpty && cells[at].hash <= cell.hash) ++at;
    while (cells[at].number != kEmpty) {
      const Cell moved = cells[at];
      cells[at++] = cell;
      cell = moved;
    }
    cells[at] = cell;
  }

  bool grow() noexcept {
    const bool full = (count_ + 1) * 8 > capacity_ * 7;
    const std::uint32_t capacity = full ? capacity_ + capacity_ / 4 + 8 : capacity_;
    for (std::uint32_t slack = full ? slack_ : slack_ * 2;; slack *= 2) {
      auto* fresh = static_cast<Cell*>(mi_malloc((std::size_t{capacity} + slack) * sizeof(Cell)));
      if (fresh == nullptr) return false;
      for (std::uint32_t i = 0; i < capacity + slack; ++i) fresh[i] = Cell{0, kEmpty};
      if (refill(fresh, capacity, slack)) {
        mi_free(cells_);
        cells_ = fresh;
        capacity_ = capacity;
        slack_ = slack;
        return true;
      }
      mi_free(fresh);
    }
  }

  // Copies every cell over, in order. False if the last cell would be taken.
  bool refill(Cell* fresh, std::uint32_t capacity, std::uint32_t slack) const noexcept {
    std::uint32_t next = 0;
    for (std::uint32_t i = 0; cells_ != nullptr && i < capacity_ + slack_; ++i) {
      if (cells_[i].number == kEmpty) continue;
      const std::uint32_t wanted = home(cells_[i].hash, capacity);
      if (next < wanted) next = wanted;
      if (next >= capacity + slack - 1) return false;
      fresh[next++] = cells_[i];
    }
    return true;
  }

  // A word that prefetch() reads without the lock, for an address it only hints
  // at: relaxed suffices, a stale or torn pair costs a needless fetch. Everything
  // else reads and writes it under the stripe's lock.
  template <class T>
  class Hint {
   public:
    operator T() const noexcept { return value_.load(std::memory_order_relaxed); }
    Hint& operator=(T value) noexcept {
      value_.store(value, std::memory_order_relaxed);
      return *this;
    }

   private:
    std::atomic<T> value_{};
  };

  Hint<Cell*> cells_;
  Hint<std::uint32_t> capacity_;
  std::uint32_t count_ = 0;
  std::uint32_t slack_ = 8;
};

}  // namespace warden::index
