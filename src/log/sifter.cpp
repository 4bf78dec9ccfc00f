// SPDX-License-Identifier: Apache-2.0
//
// See sifter.hpp. In a block, the LSN of a record follows from its place, so a record can
// be looked for at every 4 bytes: its sum holds nowhere else.
#include "log/sifter.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/assert.hpp"

namespace warden::log {
namespace {

// Types up to here may come to be; what is no type is not hashed.
constexpr std::uint32_t kMostTypes = 64;

bool plausible(std::uint32_t word, std::uint64_t left) noexcept {
  const auto type = static_cast<std::uint32_t>(type_of(word));
  const bool known = type != 0 && (type < kMostTypes || type == raw(RecordType::pad));
  return known && content_of(word) <= kMaxContent && record_bytes(content_of(word)) <= left;
}

Error out_of_memory() {
  return Error{Code::no_memory, "out of memory", 0, 0, 0};
}

}  // namespace

std::int64_t PatientFile::read(void* to, std::size_t size, std::uint64_t offset) noexcept {
  const auto got = file_->read(to, size, offset);
  if (got == static_cast<std::int64_t>(size) || got == -ENOMEM) return got;
  WARDEN_ASSERT(offset + size <= static_cast<std::uint64_t>(size_));
  auto* out = static_cast<std::byte*>(to);
  for (std::size_t done = 0; done < size;) {
    const std::uint64_t at = offset + done;
    const std::size_t part = std::min<std::uint64_t>(kPage - at % kPage, size - done);
    const auto page = file_->read(out + done, part, at);
    if (page == -ENOMEM) return page;
    if (page < static_cast<std::int64_t>(part)) std::memset(out + done, 0, part);
    done += part;
  }
  return static_cast<std::int64_t>(size);
}

std::int64_t PatientFile::write(const void*, std::size_t, std::uint64_t) noexcept {
  return -EBADF;
}

void Sifter::lose(LostRange range) {
  report_.bytes_unreadable += range.bytes;
  report_.lost.push_back(std::move(range));
}

Error Sifter::sift(std::unique_ptr<io::File> file, const Segment& segment, std::uint64_t& next) {
  segment_ = segment;
  const int taken = reader_.take(std::make_unique<PatientFile>(std::move(file)));
  if (taken < 0) return Error{Code::io, "the size of a segment cannot be read", 0, 0, 0};
  next_ = segment.base != 0 ? segment.base : next;
  const std::uint64_t stop =
      segment.offset != 0 ? std::min(segment.offset, reader_.size()) : reader_.size();
  std::uint64_t offset = kPage;
  while (offset < stop) {
    BlockHeader header;
    const std::uint64_t found = next_whole(offset, stop, header);
    if (no_memory_) return out_of_memory();
    if (found != offset) {
      const std::uint64_t upto = found < stop ? header.first : segment.end;
      if (Error error = region(offset, found, upto)) return error;
    }
    if (found >= stop) break;
    const std::byte* image = reader_.at(found, header.length);
    if (image == nullptr) return out_of_memory();
    if (Error error = whole_block(header, image, found)) return error;
    offset = found + header.length;
  }
  // The file ends before its last block did, or was never as long as it should be.
  if (segment.end != 0 && next_ < segment.end) lose_between(offset, stop, segment.end);
  next = next_;
  return {};
}

// The first whole block at or after `offset`; `stop` if there is none.
std::uint64_t Sifter::next_whole(std::uint64_t offset, std::uint64_t stop, BlockHeader& header) {
  const std::byte* image = nullptr;
  bool torn = false;
  for (; offset < stop; offset += kPage) {
    const auto found = reader_.block(offset, segment_.number, segment_.seed, header, image, torn);
    if (found == SegmentReader::Found::failed) {
      no_memory_ = true;
      break;
    }
    const bool sane = header.first >= next_ && header.end >= header.first;
    if (found == SegmentReader::Found::block && sane) return offset;
  }
  return stop;
}

Error Sifter::whole_block(const BlockHeader& header, const std::byte* image, std::uint64_t offset) {
  ++report_.blocks;
  report_.epoch = std::max(report_.epoch, header.epoch);
  // Only where no block was missing between, or the region before has told of it.
  if (next_ == 0) next_ = header.first;
  if (header.first > next_) lose_between(offset, offset, header.first);
  next_ = header.first;
  saved_.clear();
  saved_bytes_ = 0;
  const std::uint64_t bytes =
      std::min<std::uint64_t>(header.end - header.first, header.length - kBlockHeaderBytes);
  const std::uint64_t before = report_.records;
  if (Error error = records(image + kBlockHeaderBytes, bytes, header.first)) return error;
  // Damaged in memory before its block's digest was made.
  if (saved_bytes_ != bytes) {
    report_.rescued += report_.records - before;
    lose_gaps(offset, offset + bytes - saved_bytes_, header.end);
  }
  next_ = header.end;
  return {};
}

// [begin, end) holds no whole block; the records in it reach up to `upto`, 0 if that is
// not known.
Error Sifter::region(std::uint64_t begin, std::uint64_t end, std::uint64_t upto) {
  saved_.clear();
  saved_bytes_ = 0;
  traces_ = false;
  const std::uint64_t before = report_.records;
  std::uint64_t first = next_;  // where the records of the block at `at` begin
  for (std::uint64_t at = begin; at < end;) {
    BlockHeader header;
    const bool own = own_header(at, end, header);
    if (own) traces_ = true;
    // Up to the next header that can be read: blocks are not longer than kMaxBlock.
    std::uint64_t stop = at + kPage;
    BlockHeader other;
    while (stop < end && stop - at < kMaxBlock && !own_header(stop, end, other)) stop += kPage;
    if (no_memory_) return out_of_memory();
    if (first == 0 && own) first = header.first;
    if (first != 0) {
      const std::size_t had = saved_.size();
      if (Error error = records(at, stop - at, first)) return error;
      if (saved_.size() == had && own && header.first != first) {
        if (Error error = records(at, stop - at, header.first)) return error;
      }
    }
    first = own && header.end > header.first ? header.end : 0;
    at = own ? std::min(stop, at + header.length) : stop;
  }
  report_.rescued += report_.records - before;
  traces_ = traces_ || !saved_.empty();
  if (upto == 0 && !traces_) return {};  // the end of the log, without a trace
  lose_gaps(begin, std::max(begin, end - std::min(saved_bytes_, end - begin)), upto);
  return {};
}

// A block of this segment once began here, though its digest does not hold.
bool Sifter::own_header(std::uint64_t offset, std::uint64_t end, BlockHeader& header) {
  const std::byte* page = reader_.at(offset, kPage);
  if (page == nullptr) {  // a file that ends within a page, or no memory
    if (reader_.error() < 0) no_memory_ = true;
    return false;
  }
  header = load<BlockHeader>(page);
  return header.magic == kBlockMagic && header.segment == segment_.number &&
         header.offset == offset && header.length >= kPage && header.length % kPage == 0 &&
         header.length <= end - offset && header.first >= next_ &&
         header.end - header.first <= header.length;
}

Error Sifter::records(std::uint64_t offset, std::uint64_t bytes, std::uint64_t first) {
  bytes = std::min<std::uint64_t>(bytes, reader_.size() - offset);
  if (bytes <= kBlockHeaderBytes) return {};
  const std::byte* image = reader_.at(offset, bytes);
  if (image == nullptr) return out_of_memory();
  return records(image + kBlockHeaderBytes, bytes - kBlockHeaderBytes, first);
}

// Hands on every record that can be proven of those that begin with LSN `first`.
Error Sifter::records(const std::byte* image, std::uint64_t bytes, std::uint64_t first) {
  std::uint64_t at = 0;
  while (at + kRecordHeadBytes <= bytes) {
    const auto head = load<RecordHead>(image + at);
    if (!plausible(head.word, bytes - at)) {
      at += kRecordAlign;
      continue;
    }
    const std::uint32_t content = content_of(head.word);
    const std::uint32_t size = record_bytes(content);
    const std::uint64_t lsn = first + at + size;
    const std::uint64_t incarnation = head.incarnation_low | std::uint64_t{head.incarnation_high}
                                                                 << 32;
    const std::uint64_t sum = head.sum_low | std::uint64_t{head.sum_high} << 32;
    const std::byte* bytes_at = image + at + sizeof head;
    const std::uint64_t hash = content_hash(bytes_at, content);
    if (lsn <= last_ || record_sum(head.word, incarnation, static_cast<Lsn>(lsn), hash) != sum) {
      at += kRecordAlign;
      continue;
    }
    saved_.push_back({lsn - size, lsn});
    saved_bytes_ += size;
    last_ = lsn;
    at += size;
    if (type_of(head.word) == RecordType::pad) continue;
    ++report_.records;
    if (Error error = sink_.apply(static_cast<Lsn>(lsn), type_of(head.word), incarnation,
                                  {bytes_at, content})) {
      return error;
    }
  }
  return {};
}

void Sifter::lose_between(std::uint64_t begin, std::uint64_t end, std::uint64_t upto) {
  saved_.clear();
  lose_gaps(begin, end, upto);
}

// What lies between next_ and `upto` and was not saved; then next_ is `upto`.
void Sifter::lose_gaps(std::uint64_t begin, std::uint64_t end, std::uint64_t upto) {
  std::vector<Saved> gaps;
  std::uint64_t from = next_;
  for (const Saved& one : saved_) {
    if (one.from > from) gaps.push_back({from, one.from});
    from = std::max(from, one.to);
  }
  const bool open_end = upto == 0;
  if (open_end || upto > from) gaps.push_back({from, open_end ? raw(kLsnUnknown) : upto});
  for (std::size_t i = 0; i < gaps.size(); ++i) {
    LostRange range;
    range.file = segment_name(segment_.number);
    range.offset = begin;
    range.bytes = i == 0 ? end - begin : 0;  // told once
    range.after = static_cast<Lsn>(gaps[i].from);
    range.upto = static_cast<Lsn>(gaps[i].to);
    range.unproven = open_end && gaps[i].to == raw(kLsnUnknown);
    range.why = range.unproven ? "a block that was begun and is not whole, the last one there is"
                               : "no block and no record here is whole";
    lose(std::move(range));
  }
  next_ = open_end ? from : std::max(from, upto);
}

}  // namespace warden::log
