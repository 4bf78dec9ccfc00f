// SPDX-License-Identifier: Apache-2.0
//
// The bytes on disk: constants and layouts, never to change within a format
// version. docs/log-format.md says the same in words, with an example that a test
// decodes. Everything is little-endian; every struct here is its own image.
//
//   segment file   | SegmentHeader, one page | block | block | ... | never written |
//   block          | BlockHeader | record | record | ... | zeros up to a page |
//   record         | RecordHead | content | zeros up to 4 bytes |
//   manifest file  | ManifestHeader | SegmentEntry ... | EpochEnd ... | catalog | zeros up to a
//   page |
//
// A position counts bytes of records, from 0 at the start of an epoch. The LSN of a
// record is (epoch, position just past it), so "durable up to D" covers exactly the
// records with LSN <= D, and a record's LSN follows from its place.
#pragma once

#ifndef XXH_INLINE_ALL
#define XXH_INLINE_ALL  // header only: the library is not linked
#endif
#include <xxhash.h>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "base/types.hpp"

namespace warden::log {

static_assert(std::endian::native == std::endian::little,
              "the disk images of this file are little-endian");

// ------------------------------------------------------------------ constants
inline constexpr std::uint64_t kSegmentMagic = 0x3147'4553'4452'4157;   // "WARDSEG1"
inline constexpr std::uint64_t kBlockMagic = 0x314b'4c42'4452'4157;     // "WARDBLK1"
inline constexpr std::uint64_t kManifestMagic = 0x314e'414d'4452'4157;  // "WARDMAN1"
inline constexpr std::uint32_t kFormatVersion = 1;
inline constexpr std::uint32_t kPage = 4096;
inline constexpr std::uint32_t kRecordAlign = 4;
inline constexpr std::uint32_t kMaxContent = (1u << 20) + 65536;  // payload limit and its item
inline constexpr std::uint32_t kSoftBlock = 256 * 1024;           // records beyond go to the next
inline constexpr unsigned kPositionBits = 44;
inline constexpr std::uint64_t kMaxPosition = (1ull << kPositionBits) - 1;
inline constexpr std::uint32_t kMaxEpoch = (1u << 20) - 1;
inline constexpr std::size_t kEpochEndsKept = 128;

// Kinds of record. The log itself looks at `pad` alone.
enum class RecordType : std::uint8_t {
  none = 0,  // never written: zero marks what is not there
  body = 1,
  state = 2,
  step = 3,
  alert = 4,
  flow = 5,
  consumer = 6,
  meta = 7,
  anchor = 8,
  audit = 9,
  ack = 10,
  stage_name = 11,
  item = 12,    // what the cleaner writes again: an open item, as it is now
  past = 13,    // a closed one whose alerts are still owed
  owed = 14,    // whom an item's alerts are owed to
  stones = 15,  // tombstones whose dedupe window is not over
  totals = 16,  // in a catalog alone: what was counted in segments that are gone
  pad = 255,    // a claim that was given up; its content means nothing
};

using Uuid = Hash128;
using Digest = Hash128;

// ------------------------------------------------------------------- records
// First word of a record: type in bits 0..7, flags in 8..10, content bytes in 11..31.
inline constexpr std::uint32_t kRecordFlagMoved = 1u << 8;  // re-appended by the cleaner

struct RecordHead {
  std::uint32_t word = 0;
  std::uint32_t incarnation_low = 0;
  std::uint32_t incarnation_high = 0;
  std::uint32_t sum_low = 0;
  std::uint32_t sum_high = 0;
};
static_assert(sizeof(RecordHead) == 20 && std::is_trivially_copyable_v<RecordHead>);
inline constexpr std::uint32_t kRecordHeadBytes = sizeof(RecordHead);

constexpr std::uint32_t make_word(RecordType type, std::uint32_t flags,
                                  std::uint32_t content) noexcept {
  return static_cast<std::uint32_t>(type) | flags | content << 11;
}
constexpr RecordType type_of(std::uint32_t word) noexcept {
  return static_cast<RecordType>(word & 0xff);
}
constexpr std::uint32_t content_of(std::uint32_t word) noexcept {
  return word >> 11;
}
static_assert(kMaxContent < (1u << 21));

// Bytes that a record of `content` bytes takes in the stream.
constexpr std::uint32_t record_bytes(std::uint32_t content) noexcept {
  return (kRecordHeadBytes + content + kRecordAlign - 1) & ~(kRecordAlign - 1);
}
constexpr std::uint64_t round_page(std::uint64_t bytes) noexcept {
  return (bytes + kPage - 1) & ~static_cast<std::uint64_t>(kPage - 1);
}

// The content is hashed apart, so that a caller may do it before it takes a lock.
inline std::uint64_t content_hash(const void* content, std::size_t size) noexcept {
  return XXH3_64bits(content, size);
}
inline std::uint64_t record_sum(std::uint32_t word, std::uint64_t incarnation, Lsn lsn,
                                std::uint64_t hash) noexcept {
  const std::uint64_t parts[4] = {word, incarnation, raw(lsn), hash};
  return XXH3_64bits(parts, sizeof parts);
}

// ----------------------------------------------------------------------- LSNs
constexpr Lsn make_lsn(std::uint32_t epoch, std::uint64_t position) noexcept {
  return static_cast<Lsn>(static_cast<std::uint64_t>(epoch) << kPositionBits | position);
}
constexpr std::uint32_t epoch_of(Lsn lsn) noexcept {
  return static_cast<std::uint32_t>(raw(lsn) >> kPositionBits);
}
constexpr std::uint64_t position_of(Lsn lsn) noexcept {
  return raw(lsn) & kMaxPosition;
}

// --------------------------------------------------------------------- blocks
inline constexpr std::uint32_t kBlockBeacon = 1;  // no records: only proves synced_lsn

struct BlockHeader {
  Digest digest;  // of everything after it up to `length`, seeded by segment_seed
  std::uint64_t magic = kBlockMagic;
  std::uint64_t segment = 0;
  std::uint32_t epoch = 0;
  std::uint32_t flags = 0;
  std::uint64_t offset = 0;      // of this block in its file
  std::uint64_t first = 0;       // LSN where its records begin
  std::uint64_t end = 0;         // LSN of its last record, `first` if there is none
  std::uint32_t length = 0;      // in the file, whole pages
  std::uint32_t count = 0;       // records
  Digest previous;               // of the block before it, or of the segment's header
  std::uint64_t start_mark = 0;  // oldest LSN still needed
  std::int64_t elapsed = 0;      // clock anchors when it was built
  std::int64_t wall = 0;
  std::uint64_t synced = 0;  // highest LSN known flushed when it was built
  std::uint64_t zero = 0;
};
static_assert(sizeof(BlockHeader) == 128 && std::is_trivially_copyable_v<BlockHeader>);
inline constexpr std::uint32_t kBlockHeaderBytes = sizeof(BlockHeader);
inline constexpr std::uint32_t kMaxBlock =
    static_cast<std::uint32_t>(round_page(kBlockHeaderBytes + record_bytes(kMaxContent)));
static_assert(kSoftBlock <= kMaxBlock);

// ------------------------------------------------------------------- segments
struct SegmentHeader {
  Digest digest;  // of the rest of the page
  std::uint64_t magic = kSegmentMagic;
  std::uint32_t version = kFormatVersion;
  std::uint32_t compat = 0;    // bits that an older program may ignore
  std::uint32_t incompat = 0;  // bits that it must not
  std::uint32_t epoch = 0;
  Uuid uuid;
  std::uint64_t number = 0;
  std::uint64_t size = 0;             // of the file
  std::uint64_t base = 0;             // LSN where its records begin
  std::uint64_t previous_number = 0;  // 0: the store's first
  std::uint64_t previous_end = 0;     // LSN
  std::uint64_t previous_offset = 0;  // in its file, just past its last block
  Digest previous_digest;             // of its last block
  std::uint8_t balance[256] = {};     // the engine's cumulative counters
  std::uint8_t zero[3720] = {};
};
static_assert(sizeof(SegmentHeader) == kPage && std::is_trivially_copyable_v<SegmentHeader>);
inline constexpr std::size_t kBalanceBytes = 256;

// Seeds digests with where a block belongs: one of another store, or of the former
// life of a recycled file, is never valid.
inline std::uint64_t segment_seed(const Uuid& uuid, std::uint64_t number) noexcept {
  return XXH3_64bits_withSeed(&uuid, sizeof uuid, number);
}

// Digest of an image whose first 16 bytes are the digest's own place.
inline Digest image_digest(const void* image, std::size_t size, std::uint64_t seed) noexcept {
  const auto hash = XXH3_128bits_withSeed(static_cast<const char*>(image) + sizeof(Digest),
                                          size - sizeof(Digest), seed);
  return {hash.low64, hash.high64};
}
template <class T>
T load(const void* image) noexcept {
  static_assert(std::is_trivially_copyable_v<T>);
  T value;
  std::memcpy(&value, image, sizeof value);
  return value;
}

// ------------------------------------------------------------------- manifest
inline constexpr std::uint32_t kEntrySealed = 1;      // end, offset and digest are final
inline constexpr std::uint32_t kManifestCatalog = 1;  // incompat: it bears a catalog

struct ManifestHeader {
  Digest digest;  // of the rest of the file, seeded with kManifestMagic
  std::uint64_t magic = kManifestMagic;
  std::uint32_t version = kFormatVersion;
  std::uint32_t incompat = 0;
  Uuid uuid;
  std::uint64_t number = 0;  // of this manifest
  std::uint32_t epoch = 0;   // of the opening that wrote it
  std::uint32_t segments = 0;
  std::uint32_t ends = 0;
  std::uint32_t clean = 0;        // 1: written by a clean close
  std::uint64_t next_number = 0;  // first segment number never used
  std::uint64_t bytes = 0;        // of the file
  std::uint64_t catalog = 0;      // bytes of it: catalog.hpp
  std::uint64_t zero[4] = {};
};
static_assert(sizeof(ManifestHeader) == 128);

struct SegmentEntry {
  std::uint64_t number = 0;
  std::uint64_t size = 0;
  std::uint32_t flags = 0;
  std::uint32_t zero = 0;
  std::uint64_t end = 0;     // sealed: LSN
  std::uint64_t offset = 0;  // sealed: just past its last block
  Digest digest;             // sealed: of its last block, or of its header
  std::uint64_t base = 0;    // sealed: LSN
};
static_assert(sizeof(SegmentEntry) == 64);

// Where an earlier epoch ended: what answers LOST.
struct EpochEnd {
  std::uint64_t epoch = 0;
  std::uint64_t end = 0;  // LSN
};
static_assert(sizeof(EpochEnd) == 16);

inline constexpr std::uint64_t kMaxSegments = 1u << 20;

}  // namespace warden::log
