// SPDX-License-Identifier: Apache-2.0
//
// Reads a segment file by a sliding window and answers whether a valid block stands
// at an offset. Bounded memory whatever the file says of itself.
#pragma once

#include <memory>
#include <vector>

#include "io/disk.hpp"
#include "log/format.hpp"

namespace warden::log {

class SegmentReader {
 public:
  static constexpr std::size_t kWindow = 1u << 20;

  // 0 or -errno.
  int open(io::Dir& dir, std::uint64_t number);
  // The same over a file of the caller's.
  int take(std::unique_ptr<io::File> file);
  // Bytes read at a time, if that is enough.
  void set_window(std::size_t bytes) noexcept { want_ = bytes; }
  std::uint64_t size() const noexcept { return size_; }
  io::File& file() noexcept { return *file_; }

  // `length` bytes at `offset`, valid until the next call; null with error() == 0 if
  // the file ends before, null with error() < 0 if the read failed.
  const std::byte* at(std::uint64_t offset, std::size_t length) noexcept;
  std::int64_t error() const noexcept { return error_; }

  enum class Found : std::uint8_t { block, nothing, failed };
  // A block of this segment whose digest holds. `header` is set also where a header
  // of ours stands on a block whose digest does not hold (`torn` is then true).
  Found block(std::uint64_t offset, std::uint64_t number, std::uint64_t seed, BlockHeader& header,
              const std::byte*& image, bool& torn) noexcept;

 private:
  std::unique_ptr<io::File> file_;
  std::size_t want_ = kWindow;
  std::vector<std::byte> window_;
  std::uint64_t size_ = 0;
  std::uint64_t begin_ = 0;
  std::size_t filled_ = 0;
  std::int64_t error_ = 0;
};

// What lies in a segment from an offset on, where the chain of blocks is broken.
struct TailScan {
  std::uint64_t begun = 0;    // end of the last block of this epoch, whole or not
  std::uint64_t islands = 0;  // whole ones
  std::uint64_t proof = 0;    // offset of one that shows that `lsn` had been flushed
};
// Looks at every page; false if a read failed.
bool scan_tail(SegmentReader& reader, const SegmentEntry& entry, std::uint64_t seed,
               std::uint32_t epoch, std::uint64_t offset, std::uint64_t lsn,
               TailScan& out) noexcept;

}  // namespace warden::log
