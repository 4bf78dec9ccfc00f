// SPDX-License-Identifier: Apache-2.0
//
// What one consumer knows: of an alert (Entry), of an item (Line), of an incident
// of that item (Told); and the slab that entries come from. Plain data, all under
// the hub's lock.
//
//   Consumer -> Line (an item) -> Entry -> Entry -> ...   in the item's order
//                    |              |
//                    -> Told ...    -> Alert, which lists its entries
//
// Invariants
//   1. Of a line only the first entry is in a heap (gate, ready, timers); so at most one alert of
//   an item is out, and none overtakes.
//   2. A lease is {generation, number of the entry's slot}. The generation grows
//      with every lease and survives the entry; a slot whose generations are mostly used
//      up is not used again. So a lease is unique over the hub's life.
//   3. A line lives as long as it has entries, or an item still open of which the
//      consumer was told something.
#pragma once

#include <mimalloc.h>

#include "alert/alert.hpp"

namespace warden::alert {

// Where memory comes from; what it gives is freed by mi_free. Tests let it fail.
using Allocate = void* (*)(std::size_t) noexcept;

class Consumer;

// What a RESOLVED will need of an incident that a consumer was told of.
struct Told {
  Hash128 incident;
  Hash128 newest;  // id of the newest alert told
  std::string_view rule;
  std::string_view armed_stage;
  Nanos deadline = 0;
  Told* next = nullptr;
  std::uint32_t arming = 0;
  std::uint8_t severity = 0;
};

struct Line {
  std::uint64_t incarnation = 0;
  Consumer* consumer = nullptr;
  Line* next_in_bucket = nullptr;
  Entry* head = nullptr;
  Entry* tail = nullptr;
  Told* told = nullptr;  // oldest first
  Told* newest_told = nullptr;
  std::uint32_t told_count = 0;
};

// Where an entry waits.
enum class Place : std::uint8_t {
  none,   // behind another one of its item
  gate,   // first of its item, not durable yet
  ready,  // may be handed out
  timer,  // leased, or given back with a delay
};

struct Entry {
  static constexpr std::uint8_t kLeased = 1;     // its lease is honoured
  static constexpr std::uint8_t kWithdrawn = 2;  // the item closed before it was handed out

  Alert* alert = nullptr;
  Line* line = nullptr;  // null: the slot is free
  std::uint64_t lease = 0;
  Entry* next_in_line = nullptr;
  Entry* next_of_alert = nullptr;
  std::size_t heap_pos = 0;  // in the heap of its place
  std::uint32_t delivery = 0;
  Place place = Place::none;
  std::uint8_t flags = 0;
};
static_assert(sizeof(Entry) == 56);

// Slots of entries, numbered, never moved; memory stays for reuse until the end.
class EntrySlab {
 public:
  static constexpr unsigned kSlotBits = 28;
  static constexpr std::uint64_t kSlotMask = (std::uint64_t{1} << kSlotBits) - 1;
  static constexpr std::uint64_t kOneGeneration = std::uint64_t{1} << kSlotBits;
  // A freed slot with this many leases behind it retires: whoever held it last had
  // as many again before the number could come round.
  static constexpr std::uint64_t kRetireGeneration = std::uint64_t{1} << (63 - kSlotBits);

  explicit EntrySlab(Allocate allocate) noexcept : allocate_(allocate) {}
  ~EntrySlab();
  EntrySlab(const EntrySlab&) = delete;
  EntrySlab& operator=(const EntrySlab&) = delete;

  // Null when memory, or the 2^28 slots, are used up.
  Entry* take() noexcept;
  void give_back(Entry* entry) noexcept;
  // The entry that a lease would belong to; null if there is no such slot.
  Entry* find(std::uint64_t lease) const noexcept;

 private:
  static constexpr std::size_t kChunkEntries = 1024;

  bool grow() noexcept;

  Allocate allocate_;
  Entry** chunks_ = nullptr;
  std::size_t chunk_count_ = 0;
  std::size_t chunk_room_ = 0;
  Entry* free_ = nullptr;  // linked by next_in_line
};

// Lines by incarnation: chained, so that only its growth allocates; without memory
// for that, chains just get longer.
class LineTable {
 public:
  explicit LineTable(Allocate allocate) noexcept : allocate_(allocate) {}
  ~LineTable();
  LineTable(const LineTable&) = delete;
  LineTable& operator=(const LineTable&) = delete;

  Line* find(std::uint64_t incarnation) const noexcept;
  void insert(Line* line) noexcept;
  void erase(Line* line) noexcept;
  std::size_t size() const noexcept { return size_; }

  // Calls fn(Line*) for each; fn may free it.
  template <class Fn>
  void for_each(Fn&& fn) {
    for (std::size_t i = 0; i <= mask_; ++i) {
      for (Line* line = buckets_[i]; line != nullptr;) {
        Line* next = line->next_in_bucket;
        fn(line);
        line = next;
      }
    }
  }
  // Forgets all lines without touching them.
  void clear() noexcept;

 private:
  std::size_t bucket_of(std::uint64_t incarnation) const noexcept {
    return static_cast<std::size_t>((incarnation * 0x9e37'79b9'7f4a'7c15u) >> 32) & mask_;
  }
  void grow() noexcept;

  Allocate allocate_;
  Line* first_bucket_ = nullptr;  // the only one until it grows
  Line** buckets_ = &first_bucket_;
  std::size_t mask_ = 0;
  std::size_t size_ = 0;
};

}  // namespace warden::alert
