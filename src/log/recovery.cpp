// SPDX-License-Identifier: Apache-2.0
//
// manifest -> headers of segments -> blocks -> records. Letters A to K are the rows
// of the decision table in docs/recovery.md.
#include "log/recovery.hpp"

#include <algorithm>
#include <cerrno>

#include "log/errors.hpp"
#include "log/planted.hpp"
#include "log/segment_reader.hpp"

namespace warden::log {
namespace {

enum class Head : std::uint8_t { zero, valid, bad };

struct Segment {
  SegmentEntry entry;
  SegmentHeader header;
  Head head = Head::zero;
  bool sealed = false;
};

// How far a segment was read.
struct Place {
  std::uint64_t offset = kPage;
  std::uint64_t lsn = 0;  // of what should come next, its beginning
  Digest chain;
};

constexpr std::size_t kPieceOfOne = 64 * 1024;

class Recoverer {
 public:
  Recoverer(io::Dir& dir, const std::string& path, bool live, ReplaySink& sink, Recovered& out)
      : dir_(dir), path_(path), live_(live), sink_(sink), out_(out) {}

  Error run() {
    if (Error error = read_manifest(dir_, path_, out_.manifest)) return error;
    sink_.begin(out_.manifest.uuid);
    out_.report.clean = out_.manifest.clean;
    if (Error error = hand_on(out_.manifest.catalog, sink_)) return error;
    if (Error error = read_headers()) return error;
    if (Error error = check_unlisted()) return error;
    if (Error error = sort_segments()) return error;
    for (std::size_t i = 0; i < used_.size(); ++i) {
      if (Error error = read_segment(i)) return error;
    }
    if (Error error = check_unused()) return error;
    return sink_.end();
  }

  Error read_one(const Uuid& uuid, const SegmentEntry& entry) {
    out_.manifest.uuid = uuid;
    out_.manifest.epoch = kMaxEpoch;
    Segment segment;
    segment.entry = entry;
    segment.sealed = true;
    total_ = entry.offset;
    // Beside those who wait for the disk: not all of it at once.
    hurried_ = false;
    reader_.set_window(kPieceOfOne);
    if (Error error = read_header(segment)) return error;
    used_.push_back(segment);
    return read_segment(0);
  }

 private:
  Error read_headers() {
    segments_.reserve(out_.manifest.segments.size());
    for (const SegmentEntry& entry : out_.manifest.segments) {
      Segment segment;
      segment.entry = entry;
      segment.sealed = (entry.flags & kEntrySealed) != 0;
      total_ += segment.sealed ? entry.offset : entry.size;
      if (Error error = read_header(segment)) return error;
      segments_.push_back(segment);
    }
    return {};
  }

  Error open_segment(const Segment& segment, const char* if_not_there) {
    const std::string name = segment_name(segment.entry.number);
    const int opened = reader_.open(dir_, segment.entry.number);
    if (opened == -ENOENT) return damage(path_, name, 0, if_not_there);  // B
    if (opened < 0) return io_error(path_, name, "open it", opened);     // A
    // Its last writer's flush may have failed: no later one tells of that again.
    if (!segment.sealed && !live_ && !planted(Plant::cache_is_trusted)) {
      reader_.file().drop_cached();
    }
    if (reader_.size() >= segment.entry.size) return {};
    return damage(path_, name, reader_.size(),  // B
                  "the file ends here; expected " + std::to_string(segment.entry.size) + " bytes");
  }

  Error read_header(Segment& segment) {
    const std::string name = segment_name(segment.entry.number);
    if (Error error = open_segment(segment, "the file is missing")) return error;
    const std::byte* page = reader_.at(0, kPage);
    if (page == nullptr && planted(Plant::header_error_is_unused)) return {};
    if (page == nullptr) return read_failed(name);  // A
    if (std::all_of(page, page + kPage, [](std::byte b) { return b == std::byte{0}; })) {
      segment.head = Head::zero;
    } else {
      segment.header = load<SegmentHeader>(page);
      const auto& header = segment.header;
      const bool whole = header.magic == kSegmentMagic &&
                         image_digest(page, kPage, kSegmentMagic) == header.digest;
      if (whole && (header.version > kFormatVersion || header.incompat != 0)) {
        return make_error(
            Code::newer_format,
            path_ + "/" + name + ": format version " + std::to_string(header.version) +
                " with features " + std::to_string(header.incompat) +
                "; this program reads up to version " + std::to_string(kFormatVersion));
      }
      // A recycled file may still bear the header of its former life: whole, but
      // under another number. It counts as not begun.
      const bool ours = whole && header.uuid == out_.manifest.uuid &&
                        header.number == segment.entry.number && header.size == segment.entry.size;
      segment.head = ours ? Head::valid : Head::bad;
      if (ours && header.epoch > out_.manifest.epoch) {  // C
        return damage(path_, name, 0,
                      "it was written in epoch " + std::to_string(header.epoch) +
                          ", but the manifest that CURRENT names is of epoch " +
                          std::to_string(out_.manifest.epoch));
      }
    }
    if (segment.sealed && segment.head != Head::valid) {  // D
      return damage(path_, name, 0, "the header of a sealed segment is not valid");
    }
    return {};
  }

  // C: files that the manifest does not know, although it should.
  Error check_unlisted() {
    if (live_) return {};  // a writer lists new ones while we look
    std::vector<std::string> names;
    const int listed = dir_.list(names);
    if (listed < 0) return io_error(path_, "", "list the directory", listed);
    for (const std::string& name : names) {
      const std::uint64_t number = number_in(name, "wal-");
      if (number < out_.manifest.next_number) continue;
      const int opened = reader_.open(dir_, number);
      if (opened == -ENOENT) continue;
      if (opened < 0) return io_error(path_, name, "open it", opened);  // A
      const std::byte* page = reader_.at(0, kPage);
      if (page == nullptr && reader_.error() < 0) return read_failed(name);  // A
      if (page == nullptr) continue;
      const auto header = load<SegmentHeader>(page);
      if (header.magic == kSegmentMagic && header.uuid == out_.manifest.uuid &&
          header.number == number && image_digest(page, kPage, kSegmentMagic) == header.digest) {
        return damage(path_, "CURRENT", 0,
                      "it names a manifest that is older than segment " + name);
      }
    }
    return {};
  }

  // Splits into used ones, in order, and unused ones after them.
  Error sort_segments() {
    for (const Segment& segment : segments_) {
      if (segment.head != Head::valid) {
        unused_.push_back(segment);
        continue;
      }
      if (!unused_.empty()) {  // D: segments are begun strictly in order
        return damage(path_, segment_name(unused_.front().entry.number), 0,
                      "its header is not valid, but segment " + segment_name(segment.entry.number) +
                          " after it was begun");
      }
      used_.push_back(segment);
    }
    for (std::size_t i = 0; i < used_.size(); ++i) {
      if (Error error = check_link(i)) return error;
    }
    return {};
  }

  // E: each header continues the segment before it.
  Error check_link(std::size_t i) {
    const Segment& segment = used_[i];
    const std::string name = segment_name(segment.entry.number);
    if (segment.sealed && segment.entry.base != segment.header.base) {
      return damage(path_, name, 0, "its header contradicts the manifest");
    }
    if (!segment.sealed && segment.header.epoch != out_.manifest.epoch) {
      return damage(path_, name, 0, "it is of an earlier epoch, but was never sealed");
    }
    if (i == 0) return {};
    const Segment& before = used_[i - 1];
    if (segment.header.previous_number != before.entry.number ||
        segment.header.epoch < before.header.epoch) {
      return damage(path_, name, 0, "it does not continue the segment before it");
    }
    if (before.sealed && (segment.header.previous_end != before.entry.end ||
                          segment.header.previous_offset != before.entry.offset ||
                          segment.header.previous_digest != before.entry.digest)) {
      return damage(path_, name, 0, "it does not continue the segment before it");
    }
    return {};
  }

  Error read_segment(std::size_t i) {
    Segment& segment = used_[i];
    const std::string name = segment_name(segment.entry.number);
    // It was there when its header was read: freed since, if a writer is at work.
    if (Error error = open_segment(segment, "the file is gone")) return error;
    if (hurried_) {
      reader_.file().will_read(0, segment.sealed ? segment.entry.offset : segment.entry.size);
    }
    const bool last = i + 1 == used_.size();
    if (!segment.sealed && !last) seal_by_successor(segment, used_[i + 1]);
    Place place;
    place.lsn = segment.header.base;
    place.chain = segment.header.digest;
    std::uint64_t limit = ~std::uint64_t{0};
    if (live_ && (segment.entry.flags & kEntrySealed) == 0 && !planted(Plant::reader_unbounded)) {
      // Look first how far the writer is known to have flushed.
      std::uint64_t synced = 0;
      Place probe = place;
      if (Error error = walk(segment, probe, 0, synced)) return error;
      limit = std::max(synced, segment.header.base);
    }
    std::uint64_t synced = 0;
    if (Error error = walk(segment, place, limit, synced)) return error;
    const bool sealed = (segment.entry.flags & kEntrySealed) != 0;
    if (sealed) {
      const bool whole = place.offset == segment.entry.offset && place.lsn == segment.entry.end &&
                         place.chain == segment.entry.digest;
      if (!whole && !planted(Plant::sealed_end_unchecked)) {  // D
        return damage(path_, name, place.offset,
                      "no valid block here; the segment's sealed end is at byte " +
                          std::to_string(segment.entry.offset));
      }
    } else if (Error error = judge_tail(segment, place)) {
      return error;
    }
    if (!segment.sealed) out_.unsynced.push_back(segment.entry.number);
    segment.entry.flags |= kEntrySealed;
    segment.entry.base = segment.header.base;
    segment.entry.end = place.lsn;
    segment.entry.offset = place.offset;
    segment.entry.digest = place.chain;
    out_.used.push_back(segment.entry);
    out_.end = static_cast<Lsn>(place.lsn);
    out_.chain = place.chain;
    out_.last_number = segment.entry.number;
    out_.last_offset = place.offset;
    std::memcpy(out_.balance, segment.header.balance, kBalanceBytes);
    return {};
  }

  // F: a successor's header is written only after a flush that covers all of its
  // predecessor, and says where that ended.
  static void seal_by_successor(Segment& segment, const Segment& next) {
    segment.entry.flags |= kEntrySealed;
    segment.entry.base = segment.header.base;
    segment.entry.end = next.header.previous_end;
    segment.entry.offset = next.header.previous_offset;
    segment.entry.digest = next.header.previous_digest;
  }

  // Goes on from `place` while the chain of valid blocks holds, up to the sealed end
  // if there is one; hands records with LSN <= limit to the sink.
  Error walk(const Segment& segment, Place& place, std::uint64_t limit, std::uint64_t& synced) {
    const std::string name = segment_name(segment.entry.number);
    const std::uint64_t seed = segment_seed(out_.manifest.uuid, segment.entry.number);
    const bool sealed = (segment.entry.flags & kEntrySealed) != 0;
    const std::uint64_t stop = sealed ? segment.entry.offset : segment.entry.size;
    while (place.offset < stop) {
      BlockHeader header;
      const std::byte* image = nullptr;
      bool torn = false;
      const auto found =
          reader_.block(place.offset, segment.entry.number, seed, header, image, torn);
      if (found == SegmentReader::Found::failed) return read_failed(name);  // A
      if (found == SegmentReader::Found::nothing || header.epoch != segment.header.epoch ||
          header.first != place.lsn ||
          (header.previous != place.chain && !planted(Plant::chain_unchecked))) {
        return {};
      }
      if (limit != 0) {
        if (Error error = apply_block(name, place.offset, header, image, limit)) return error;
        sink_.progress(done_ += header.length, total_);
      }
      synced = std::max(synced, header.synced);
      place.offset += header.length;
      place.lsn = header.end;
      place.chain = header.digest;
    }
    return {};
  }

  Error apply_block(const std::string& name, std::uint64_t offset, const BlockHeader& header,
                    const std::byte* image, std::uint64_t limit) {
    ++out_.report.blocks;
    out_.report.bytes += header.length;
    out_.report.last_elapsed = header.elapsed;
    out_.report.last_wall = header.wall;
    std::uint64_t at = kBlockHeaderBytes;
    std::uint64_t lsn = header.first;
    if (header.end < header.first || header.end - header.first > header.length - at) {
      return damage(path_, name, offset, "a block contradicts itself");
    }
    while (lsn < header.end) {
      const std::uint64_t left = header.end - lsn;
      RecordHead head;
      if (left >= sizeof head) head = load<RecordHead>(image + at);
      const std::uint32_t content = content_of(head.word);
      const std::uint32_t size = record_bytes(content);
      if (left < sizeof head || type_of(head.word) == RecordType::none || size > left) {
        return damage(path_, name, offset + at, "a record contradicts its block");
      }
      lsn += size;
      const std::uint64_t incarnation = head.incarnation_low | std::uint64_t{head.incarnation_high}
                                                                   << 32;
      const std::uint64_t sum = head.sum_low | std::uint64_t{head.sum_high} << 32;
      const std::byte* bytes = image + at + sizeof head;
      if (record_sum(head.word, incarnation, static_cast<Lsn>(lsn), content_hash(bytes, content)) !=
              sum &&
          !planted(Plant::sum_unchecked)) {
        return damage(path_, name, offset + at,
                      "a record's own checksum does not match, though its block's does: it was "
                      "damaged in memory before it was written");
      }
      at += size;
      if (lsn > limit) return {};
      if (type_of(head.word) == RecordType::pad) continue;
      ++out_.report.records;
      if (Error error = sink_.apply(static_cast<Lsn>(lsn), type_of(head.word), incarnation,
                                    {bytes, content})) {
        return error;
      }
    }
    return {};
  }

  // The end of a segment that nothing seals: `place` is the first bad offset X.
  Error judge_tail(const Segment& segment, const Place& place) {
    const std::string name = segment_name(segment.entry.number);
    TailScan tail;
    if (!scan(segment, place, tail)) return read_failed(name);  // A
    if (tail.proof != 0) {                                      // G
      return damage(path_, name, place.offset,
                    "no valid block here, but the block at byte " + std::to_string(tail.proof) +
                        " proves that it had been flushed; records from log position " +
                        std::to_string(position_of(static_cast<Lsn>(place.lsn))) + " of epoch " +
                        std::to_string(segment.header.epoch) + " on are concerned");
    }
    if (tail.begun > place.offset && !live_) {  // H; else J, an end without a trace
      out_.report.torn = true;
      out_.report.torn_file = name;
      out_.report.torn_offset = place.offset;
      out_.report.torn_bytes = tail.begun - place.offset;
      out_.report.torn_blocks = tail.islands;
    }
    return {};
  }

  bool scan(const Segment& segment, const Place& place, TailScan& out) {
    const std::uint64_t seed = segment_seed(out_.manifest.uuid, segment.entry.number);
    return scan_tail(reader_, segment.entry, seed, out_.manifest.epoch, place.offset, place.lsn,
                     out);
  }

  // Segments that were listed but not begun, as far as their headers say.
  Error check_unused() {
    const std::uint64_t base = std::max(raw(out_.end), raw(make_lsn(out_.manifest.epoch, 0)));
    for (const Segment& segment : unused_) {
      const std::string name = segment_name(segment.entry.number);
      if (live_) break;  // the writer may be beginning it right now
      if (Error error = open_segment(segment, "the file is gone")) return error;
      Place place;
      place.lsn = base;
      TailScan tail;
      if (!scan(segment, place, tail)) return read_failed(name);  // A
      if (tail.proof != 0) {                                      // G
        return damage(path_, name, 0,
                      "its header is not valid, but the block at byte " +
                          std::to_string(tail.proof) + " proves that it had been flushed");
      }
      if (segment.head == Head::zero && tail.begun == 0) {
        out_.spare.push_back(segment.entry);  // J
        continue;
      }
      out_.dirty.push_back(segment.entry);  // K
      if (out_.report.torn || tail.begun == 0) continue;
      out_.report.torn = true;
      out_.report.torn_file = name;
      out_.report.torn_bytes = tail.begun;
      out_.report.torn_blocks = tail.islands;
    }
    return {};
  }

  Error read_failed(const std::string& name) {
    return io_error(path_, name, "read it", reader_.error());
  }

  io::Dir& dir_;
  const std::string& path_;
  const bool live_;
  bool hurried_ = true;
  ReplaySink& sink_;
  Recovered& out_;
  SegmentReader reader_;
  std::vector<Segment> segments_;
  std::vector<Segment> used_;
  std::vector<Segment> unused_;
  std::uint64_t total_ = 0;
  std::uint64_t done_ = 0;
};

}  // namespace

Error hand_on(const Catalog& catalog, ReplaySink& sink) {
  const auto apply = [&sink](RecordType type, std::uint64_t incarnation,
                             std::span<const std::byte> content) {
    return sink.apply(Lsn::none, type, incarnation, content);
  };
  return catalog.for_each(apply);
}

Error recover(io::Dir& dir, const std::string& path, bool live, ReplaySink& sink, Recovered& out) {
  // Beside a writer a file may change, or go, between two looks at it. What is really
  // damaged stays so: three attempts, each from the beginning, those not counted in
  // which another manifest came to be. A bound of all, lest a cleaner outrun us for ever.
  constexpr int kAttempts = 3;
  constexpr int kMost = 1000;
  std::uint64_t manifest = 0;
  for (int attempt = 1, all = 1;; ++all) {
    out = Recovered{};
    Error error = Recoverer(dir, path, live, sink, out).run();
    if (!live || error.code != Code::corrupt || all == kMost) return error;
    attempt = out.manifest.number == manifest ? attempt + 1 : 1;
    manifest = out.manifest.number;
    if (attempt >= kAttempts) return error;
    sink.reset();
  }
}

Error read_segment(io::Dir& dir, const std::string& path, const Uuid& uuid,
                   const SegmentEntry& entry, ReplaySink& sink) {
  Recovered out;
  return Recoverer(dir, path, false, sink, out).read_one(uuid, entry);
}

}  // namespace warden::log
