// SPDX-License-Identifier: Apache-2.0
//
// One segment, read beyond damage; the inner half of salvage.hpp.
#pragma once

#include <memory>

#include "log/salvage.hpp"
#include "log/segment_reader.hpp"

namespace warden::log {

// Reads page by page where a longer read fails; a page that cannot be read is zeros,
// which no digest and no sum covers. So within its size, as it was at first, a read gives
// all that was asked for, or -ENOMEM.
class PatientFile final : public io::File {
 public:
  explicit PatientFile(std::unique_ptr<io::File> file) noexcept
      : file_(std::move(file)), size_(file_->size()) {}
  std::int64_t read(void* to, std::size_t size, std::uint64_t offset) noexcept override;
  std::int64_t write(const void*, std::size_t, std::uint64_t) noexcept override;
  int sync_data() noexcept override { return 0; }
  std::int64_t size() noexcept override { return size_; }

 private:
  std::unique_ptr<io::File> file_;
  const std::int64_t size_;
};

class Sifter {
 public:
  Sifter(SalvageReport& report, ReplaySink& sink) noexcept : report_(report), sink_(sink) {}

  struct Segment {
    std::uint64_t number = 0;
    std::uint64_t seed = 0;
    std::uint64_t base = 0;    // LSN where its records begin; 0: not known
    std::uint64_t end = 0;     // LSN of its last record; 0: not known
    std::uint64_t offset = 0;  // just past its last block; 0: not known
  };
  // `next` is the LSN where the records begin that are expected now, 0 if that is not
  // known; afterwards the one behind this segment's last.
  Error sift(std::unique_ptr<io::File> file, const Segment& segment, std::uint64_t& next);

  void lose(LostRange range);

 private:
  // What was saved of a damaged region, in LSNs: from (exclusive) to.
  struct Saved {
    std::uint64_t from;
    std::uint64_t to;
  };

  Error whole_block(const BlockHeader& header, const std::byte* image, std::uint64_t offset);
  Error region(std::uint64_t begin, std::uint64_t end, std::uint64_t upto);
  Error records(std::uint64_t offset, std::uint64_t bytes, std::uint64_t first);
  Error records(const std::byte* image, std::uint64_t bytes, std::uint64_t first);
  std::uint64_t next_whole(std::uint64_t offset, std::uint64_t stop, BlockHeader& header);
  bool own_header(std::uint64_t offset, std::uint64_t end, BlockHeader& header);
  void lose_between(std::uint64_t begin, std::uint64_t end, std::uint64_t upto);
  void lose_gaps(std::uint64_t begin, std::uint64_t end, std::uint64_t upto);

  SalvageReport& report_;
  ReplaySink& sink_;
  SegmentReader reader_;
  Segment segment_;
  std::uint64_t next_ = 0;
  std::uint64_t last_ = 0;  // LSN of the last record handed on
  std::vector<Saved> saved_;
  std::uint64_t saved_bytes_ = 0;
  bool traces_ = false;     // of blocks, in the region at hand
  bool no_memory_ = false;  // the only way in which a PatientFile fails
};

}  // namespace warden::log
