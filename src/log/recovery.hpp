// SPDX-License-Identifier: Apache-2.0
//
// From the files of a store to its records, in order of LSN. docs/recovery.md has
// the decision table whose letters the code names.
//
// Invariants
// 1. Recovery writes nothing. What it decides is made durable by the opening that
//    called it: old bytes synced, then sealed in a new manifest.
// 2. Every byte handed to the sink is covered by a block's digest, the block by its
//    predecessor's, and the record by its own sum.
// 3. A failing read or lack of memory is an error, never an end of the log.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/code.hpp"
#include "io/disk.hpp"
#include "log/manifest.hpp"

namespace warden::log {

// Takes the records of a log. Calls come from one thread, in order of LSN; first, under
// LSN none, those of the catalog, if anything was freed before.
class ReplaySink {
 public:
  virtual ~ReplaySink() = default;
  // Whose records follow; before the first, and again after each reset().
  virtual void begin(const Uuid& store) { static_cast<void>(store); }
  // An error ends the opening with it.
  virtual Error apply(Lsn lsn, RecordType type, std::uint64_t incarnation,
                      std::span<const std::byte> content) = 0;
  // After the last record, before the opening changes anything. An error ends it too.
  virtual Error end() { return {}; }
  // Forget everything applied: reading beside a live writer begins anew.
  virtual void reset() {}
  virtual void progress(std::uint64_t bytes_done, std::uint64_t bytes_total) {
    static_cast<void>(bytes_done);
    static_cast<void>(bytes_total);
  }
};

struct RecoveryReport {
  std::uint64_t records = 0;
  std::uint64_t blocks = 0;
  std::uint64_t bytes = 0;  // of blocks read
  bool clean = false;       // the last opening closed properly
  // Clocks when the last block read was built: the last instant known of before.
  Nanos last_elapsed = kNoTime;
  Nanos last_wall = kNoTime;
  // The torn tail, none of which was ever acknowledged.
  bool torn = false;
  std::string torn_file;
  std::uint64_t torn_offset = 0;
  std::uint64_t torn_bytes = 0;   // up to the end of the last block begun
  std::uint64_t torn_blocks = 0;  // whole blocks past a hole, given up as well
};

struct Recovered {
  Manifest manifest;                    // as it was read
  std::vector<SegmentEntry> used;       // all sealed: what a new manifest lists
  std::vector<SegmentEntry> spare;      // listed, never used, all zero up to its first block
  std::vector<SegmentEntry> dirty;      // listed, given up: begun but not one block of worth
  std::vector<std::uint64_t> unsynced;  // numbers of used segments not sealed before
  Lsn end = Lsn::none;                  // of the last record of the last epoch with records
  Digest chain;                         // of the last block
  std::uint64_t last_number = 0;        // 0: no segment was ever used
  std::uint64_t last_offset = 0;
  std::uint8_t balance[kBalanceBytes] = {};
  RecoveryReport report;
};

// live: a writer may be at work; only what it is known to have flushed is applied.
Error recover(io::Dir& dir, const std::string& path, bool live, ReplaySink& sink, Recovered& out);

// For who does not hold the lock: whether there is a writer is looked up, and all of it done
// again if one came meanwhile.
Error recover_unlocked(io::Dir& dir, const std::string& path, ReplaySink& sink, Recovered& out);

// The records of a catalog, under LSN none.
Error hand_on(const Catalog& catalog, ReplaySink& sink);

// One sealed segment, for the cleaner: its records in order, all checks as above.
Error read_segment(io::Dir& dir, const std::string& path, const Uuid& uuid,
                   const SegmentEntry& entry, ReplaySink& sink);

}  // namespace warden::log
