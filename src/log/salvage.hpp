// SPDX-License-Identifier: Apache-2.0
//
// Reading a log beyond damage: every record that can still be proven, in order of LSN,
// and the ranges of which nothing could. For a store that opening refuses.
//
//   manifest (CURRENT's, else the newest whole one, else what the files say)
//   -> segments -> blocks whose digest holds; between them, records whose own sum holds
//
// Invariants
// 1. Nothing is changed, and no lock taken.
// 2. Every record handed on is whole: its sum covers its type, incarnation, content and
//    LSN, so what was damaged or belongs elsewhere is never taken for one.
// 3. What is missing is told: an LSN that was issued and not handed on lies in a lost
//    range. The one exception is a tail of which no trace is left and that nothing later
//    proves; recovery could not know of it either.
// 4. A read error is damage of the page concerned; lack of memory is an error.
#pragma once

#include <string>
#include <vector>

#include "log/recovery.hpp"

namespace warden::log {

inline constexpr Lsn kLsnUnknown = static_cast<Lsn>(~std::uint64_t{0});

struct LostRange {
  std::string file;
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;  // that could not be read, of the file
  Lsn after = Lsn::none;    // records with an LSN above this,
  Lsn upto = kLsnUnknown;   // up to this one; unknown: whatever followed
  std::string why;
  // A tail as a crash leaves it: nothing proves that it was ever acknowledged.
  bool unproven = false;
};

struct SalvageReport {
  Uuid uuid;
  std::uint32_t epoch = 0;  // of the last opening known of
  std::uint64_t segments = 0;
  std::uint64_t blocks = 0;   // whole
  std::uint64_t records = 0;  // handed on
  std::uint64_t rescued = 0;  // of them, from damaged blocks
  std::uint64_t bytes_unreadable = 0;
  std::vector<LostRange> lost;
  std::vector<std::string> notes;  // on CURRENT, manifests and headers

  // Whether a record with an LSN above `lsn` may be lost, that was acknowledged.
  bool may_follow(Lsn lsn) const noexcept;
  void clear_reading() noexcept;
};

class Salvager {
 public:
  // not_a_store, held, newer_format, io, permission; corrupt if neither a manifest nor a
  // header of a segment is left, so that nothing tells whose records they are.
  Error open(io::Disk& disk, const std::string& path);
  // May be called again: the same records in the same order. An error of the sink ends it.
  Error read(ReplaySink& sink);
  const SalvageReport& report() const noexcept { return report_; }

 private:
  // A segment and what is known of it beforehand; 0 where nothing is.
  struct Extent {
    SegmentEntry entry;
    bool there = false;
    bool header_good = false;
    SegmentHeader header;
  };

  Error find_manifest();
  Error find_files();
  Error judge_header(Extent& extent);
  Error check_identity();
  void seal_by_successors();

  std::unique_ptr<io::Dir> dir_;
  std::string path_;
  Manifest manifest_;
  bool manifest_good_ = false;
  std::vector<Extent> extents_;  // in order of number
  SalvageReport report_;
};

}  // namespace warden::log
