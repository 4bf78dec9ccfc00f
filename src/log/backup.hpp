// SPDX-License-Identifier: Apache-2.0
//
// A copy of a store that is itself a store, made while the original is written.
//
//   segments of the manifest, oldest first: header -> chain of blocks, each checked
//   as it is copied -> all sealed, in a manifest of their own -> CURRENT, last
//
// Invariants
// 1. Nothing of the original changes but, beside a writer, that what was written
//    there is flushed too.
// 2. The copy holds a durable prefix of the original, with everything in it that was
//    acknowledged before the call.
// 3. Only bytes covered by a block's digest and its chain are copied; damage refuses.
// 4. The copy is flushed, file by file and its directory, before its CURRENT is
//    there: an attempt that was cut short does not open.
// 5. The copy keeps the UUID, since ids of alerts are made from it, and begins
//    kEpochsSkipped openings later: what the original gives out afterwards (positions,
//    incarnations, tokens) the copy gives out to nobody.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/code.hpp"
#include "io/disk.hpp"
#include "log/format.hpp"
#include "log/manifest.hpp"

namespace warden::log {

inline constexpr std::uint32_t kEpochsSkipped = 4096;

// The epoch that a copy of a store in this epoch pretends to have been opened in last.
std::uint32_t epoch_of_copy(std::uint32_t epoch) noexcept;

struct BackupReport {
  Lsn end = Lsn::none;  // of the last record copied
  std::uint64_t segments = 0;
  std::uint64_t bytes = 0;  // of headers and blocks copied
};

// Called between blocks with the bytes copied so far; an error ends the backup.
using BackupWatch = std::function<Error(std::uint64_t bytes)>;

// A new directory, or an empty one, to copy into. not_a_store if it holds anything;
// io, permission, no_space.
Error make_empty_dir(io::Disk& disk, const std::string& path, std::unique_ptr<io::Dir>& out);

// What a writer knows of its own log at one instant.
struct Snapshot {
  Manifest manifest;
  Lsn durable = Lsn::none;  // everything up to here is to be in the copy, nothing beyond
};

// The copy by the process that writes the log. `passed(number)` is told of each
// segment that is not needed any more.
Error copy_snapshot(io::Dir& from, const std::string& path, const Snapshot& snapshot, io::Dir& to,
                    const std::string& to_path, const std::function<void(std::uint64_t)>& passed,
                    const BackupWatch& watch, BackupReport& out);

// The copy by anybody else, beside a writer or with none. As Log::open, and
// would_block if segments were freed faster than they could be copied.
Error backup(io::Disk& disk, const std::string& path, const std::string& to,
             const BackupWatch& watch, BackupReport& out);

}  // namespace warden::log
