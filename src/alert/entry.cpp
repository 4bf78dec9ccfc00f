// SPDX-License-Identifier: Apache-2.0
//
// Slots of entries and the table of lines; entry.hpp has the invariants.
#include "alert/entry.hpp"

#include <cstring>
#include <new>

#include "base/assert.hpp"

namespace warden::alert {

EntrySlab::~EntrySlab() {
  for (std::size_t i = 0; i < chunk_count_; ++i) mi_free(chunks_[i]);
  mi_free(chunks_);
}

bool EntrySlab::grow() noexcept {
  const std::size_t first_slot = chunk_count_ * kChunkEntries;
  if (first_slot + kChunkEntries > kSlotMask + 1) return false;
  if (chunk_count_ == chunk_room_) {
    const std::size_t room = chunk_room_ == 0 ? 16 : chunk_room_ * 2;
    auto** chunks = static_cast<Entry**>(allocate_(room * sizeof(Entry*)));
    if (chunks == nullptr) return false;
    if (chunk_count_ > 0) std::memcpy(chunks, chunks_, chunk_count_ * sizeof(Entry*));
    mi_free(chunks_);
    chunks_ = chunks;
    chunk_room_ = room;
  }
  auto* chunk = static_cast<Entry*>(allocate_(kChunkEntries * sizeof(Entry)));
  if (chunk == nullptr) return false;
  for (std::size_t i = kChunkEntries; i-- > 0;) {
    auto* entry = new (chunk + i) Entry;
    entry->lease = first_slot + i;
    entry->next_in_line = free_;
    free_ = entry;
  }
  chunks_[chunk_count_++] = chunk;
  return true;
}

Entry* EntrySlab::take() noexcept {
  if (free_ == nullptr && !grow()) return nullptr;
  Entry* entry = free_;
  free_ = entry->next_in_line;
  const std::uint64_t lease = entry->lease;
  *entry = Entry{};
  entry->lease = lease;
  return entry;
}

void EntrySlab::give_back(Entry* entry) noexcept {
  entry->line = nullptr;
  entry->alert = nullptr;
  if (entry->lease >> kSlotBits >= kRetireGeneration) return;
  entry->next_in_line = free_;
  free_ = entry;
}

Entry* EntrySlab::find(std::uint64_t lease) const noexcept {
  const std::size_t slot = lease & kSlotMask;
  const std::size_t chunk = slot / kChunkEntries;
  return chunk < chunk_count_ ? chunks_[chunk] + slot % kChunkEntries : nullptr;
}

LineTable::~LineTable() {
  clear();
}

void LineTable::clear() noexcept {
  if (buckets_ != &first_bucket_) mi_free(buckets_);
  first_bucket_ = nullptr;
  buckets_ = &first_bucket_;
  mask_ = 0;
  size_ = 0;
}

Line* LineTable::find(std::uint64_t incarnation) const noexcept {
  Line* line = buckets_[bucket_of(incarnation)];
  while (line != nullptr && line->incarnation != incarnation) line = line->next_in_bucket;
  return line;
}

void LineTable::insert(Line* line) noexcept {
  if (size_ > mask_) grow();
  Line*& bucket = buckets_[bucket_of(line->incarnation)];
  line->next_in_bucket = bucket;
  bucket = line;
  ++size_;
}

void LineTable::erase(Line* line) noexcept {
  Line** at = &buckets_[bucket_of(line->incarnation)];
  while (*at != line) at = &(*at)->next_in_bucket;
  *at = line->next_in_bucket;
  --size_;
}

void LineTable::grow() noexcept {
  const std::size_t count = (mask_ + 1) * 4;
  auto** buckets = static_cast<Line**>(allocate_(count * sizeof(Line*)));
  if (buckets == nullptr) return;
  std::memset(buckets, 0, count * sizeof(Line*));
  Line** old = buckets_;
  const std::size_t old_mask = mask_;
  mask_ = count - 1;
  for (std::size_t i = 0; i <= old_mask; ++i) {
    for (Line* line = old[i]; line != nullptr;) {
      Line* next = line->next_in_bucket;
      Line*& bucket = buckets[bucket_of(line->incarnation)];
      line->next_in_bucket = bucket;
      bucket = line;
      line = next;
    }
  }
  if (old != &first_bucket_) mi_free(old);
  first_bucket_ = nullptr;
  buckets_ = buckets;
}

}  // namespace warden::alert
