// SPDX-License-Identifier: Apache-2.0
//
// The sliding window.
#include "log/segment_reader.hpp"

#include <algorithm>
#include <cerrno>
#include <new>

#include "base/assert.hpp"
#include "log/manifest.hpp"
#include "log/planted.hpp"

namespace warden::log {

static_assert(SegmentReader::kWindow % kPage == 0);

int SegmentReader::open(io::Dir& dir, std::uint64_t number) {
  std::unique_ptr<io::File> file;
  const int opened = dir.open(segment_name(number).c_str(), io::Open::read, file);
  return opened < 0 ? opened : take(std::move(file));
}

int SegmentReader::take(std::unique_ptr<io::File> file) {
  file_ = std::move(file);
  begin_ = 0;
  filled_ = 0;
  error_ = 0;
  const auto size = file_->size();
  if (size < 0) return static_cast<int>(size);
  size_ = static_cast<std::uint64_t>(size);
  return 0;
}

const std::byte* SegmentReader::at(std::uint64_t offset, std::size_t length) noexcept {
  error_ = 0;
  WARDEN_ASSERT(offset <= size_);
  if (length > size_ - offset) return nullptr;
  if (offset >= begin_ && offset + length <= begin_ + filled_) {
    return window_.data() + (offset - begin_);
  }
  const std::size_t want = std::min<std::uint64_t>(std::max(length, want_), size_ - offset);
  if (window_.size() < want) {
    try {
      window_.resize(want);
    } catch (const std::bad_alloc&) {
      error_ = -ENOMEM;
      return nullptr;
    }
  }
  filled_ = 0;
  const auto got = file_->read(window_.data(), want, offset);
  if (got != static_cast<std::int64_t>(want)) {
    // Less than size() promised: the file became shorter, which is no end of the log.
    if (!planted(Plant::read_error_is_end)) error_ = got < 0 ? got : -EIO;
    return nullptr;
  }
  begin_ = offset;
  filled_ = want;
  return window_.data();
}

SegmentReader::Found SegmentReader::block(std::uint64_t offset, std::uint64_t number,
                                          std::uint64_t seed, BlockHeader& header,
                                          const std::byte*& image, bool& torn) noexcept {
  torn = false;
  const std::byte* page = at(offset, kPage);
  if (page == nullptr) return error_ < 0 ? Found::failed : Found::nothing;
  header = load<BlockHeader>(page);
  if (header.magic != kBlockMagic || header.segment != number || header.offset != offset ||
      header.length < kPage || header.length > kMaxBlock || header.length % kPage != 0 ||
      header.length > size_ - offset) {
    return Found::nothing;
  }
  torn = true;
  image = at(offset, header.length);
  if (image == nullptr) return Found::failed;  // its length is within the file
  const bool holds = image_digest(image, header.length, seed) == header.digest;
  if (!holds && !planted(Plant::digest_unchecked)) return Found::nothing;
  torn = false;
  return Found::block;
}

bool scan_tail(SegmentReader& reader, const SegmentEntry& entry, std::uint64_t seed,
               std::uint32_t epoch, std::uint64_t offset, std::uint64_t lsn,
               TailScan& out) noexcept {
  const std::uint64_t start = offset;
  while (offset < entry.size) {
    BlockHeader header;
    const std::byte* image = nullptr;
    bool torn = false;
    const auto found = reader.block(offset, entry.number, seed, header, image, torn);
    if (found == SegmentReader::Found::failed) return false;
    const bool whole = found == SegmentReader::Found::block;
    if ((whole || torn) && header.epoch == epoch) {
      out.begun = std::max(out.begun, offset + header.length);
    }
    if (!whole || header.epoch != epoch) {
      offset += kPage;
      continue;
    }
    if (header.synced > lsn && !planted(Plant::synced_ignored)) {
      out.proof = offset;
      return true;
    }
    if (offset != start) ++out.islands;
    offset += header.length;
  }
  return true;
}

}  // namespace warden::log
