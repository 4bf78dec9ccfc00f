// SPDX-License-Identifier: Apache-2.0
//
// Committer, part two: from published records to the bytes of a block.
#include <algorithm>
#include <cstring>

#include "base/assert.hpp"
#include "log/committer.hpp"

namespace warden::log {

// Counts what fits the next block: at least one record, then up to the soft limit.
Committer::Gathered Committer::gather(std::uint64_t room) const noexcept {
  Gathered what;
  const std::uint64_t start = read_.load(std::memory_order_relaxed);
  // Bounds the walk: behind the tail lie old records, once the ring is full.
  const std::uint64_t tail = buffer_.tail();
  while (start + what.bytes < tail) {
    const std::uint32_t word = buffer_.peek(start + what.bytes);
    if (word == 0) break;
    const std::uint32_t size = record_bytes(content_of(word));
    const std::uint64_t length = round_page(kBlockHeaderBytes + what.bytes + size);
    if (length > room) {
      what.no_room = true;
      break;
    }
    if (what.count != 0 && length > kSoftBlock) break;
    what.bytes += size;
    ++what.count;
    if ((word & kRecordFlagMoved) != 0) what.moved += size;
  }
  return what;
}

Committer::Slot& Committer::take_slot() noexcept {
  WARDEN_ASSERT(slot_free());
  Slot& slot = slots_[slot_at(next_sequence_)];
  WARDEN_ASSERT(slot.state == SlotState::free);
  slot.sequence = next_sequence_++;
  slot.tries = 0;
  slot.retry_at = 0;
  slot.offset = current_.offset;
  return slot;
}

void Committer::build_block(const Gathered& what, std::uint32_t flags) noexcept {
  Slot& slot = take_slot();
  const std::uint64_t start = read_.load(std::memory_order_relaxed);
  BlockHeader header;
  header.segment = current_.entry.number;
  header.epoch = manifest_.epoch;
  header.flags = flags;
  header.offset = current_.offset;
  header.first = raw(make_lsn(manifest_.epoch, start));
  header.end = header.first + what.bytes;
  header.length = static_cast<std::uint32_t>(round_page(kBlockHeaderBytes + what.bytes));
  header.count = what.count;
  header.previous = current_.chain;
  header.start_mark = start_mark_;
  header.elapsed = clock_.now_elapsed();
  header.wall = clock_.now_wall();
  header.synced = durable_.load(std::memory_order_relaxed);
  std::memcpy(slot.data, &header, sizeof header);
  buffer_.copy_out(start, slot.data + kBlockHeaderBytes, what.bytes);
  const std::size_t filled = kBlockHeaderBytes + what.bytes;
  std::memset(slot.data + filled, 0, header.length - filled);
  header.digest =
      image_digest(slot.data, header.length, segment_seed(manifest_.uuid, header.segment));
  std::memcpy(slot.data, &header.digest, sizeof header.digest);

  slot.length = header.length;
  slot.end = header.end;
  current_.chain = header.digest;
  current_.offset += header.length;
  read_.store(start + what.bytes, std::memory_order_relaxed);
  // Before the credit comes back: who sees less taken must see less room (Log::refuse).
  publish_room();
  if (what.bytes != 0) buffer_.free(start, what.bytes - what.moved, what.moved);
  counters_.blocks.fetch_add(1, std::memory_order_relaxed);
  counters_.records.fetch_add(what.count, std::memory_order_relaxed);
  counters_.bytes.fetch_add(header.length, std::memory_order_relaxed);
}

// The first page of a segment just made current; goes through a slot like a block,
// so that no flush counts before it is written.
void Committer::build_header() noexcept {
  current_.offset = 0;
  Slot& slot = take_slot();
  SegmentHeader header;
  header.epoch = manifest_.epoch;
  header.uuid = manifest_.uuid;
  header.number = current_.entry.number;
  header.size = current_.entry.size;
  header.base = current_.entry.base;
  header.previous_number = before_.number;
  header.previous_end = before_.end;
  header.previous_offset = before_.offset;
  header.previous_digest = before_.digest;
  header.digest = image_digest(&header, sizeof header, kSegmentMagic);
  std::memcpy(slot.data, &header, sizeof header);
  slot.length = kPage;
  slot.end = current_.entry.base;
  current_.chain = header.digest;
  current_.offset = kPage;
  counters_.bytes.fetch_add(kPage, std::memory_order_relaxed);
}

}  // namespace warden::log
