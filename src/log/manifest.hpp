// SPDX-License-Identifier: Apache-2.0
//
// The list of what a store consists of. A change writes a whole new MANIFEST-<n>
// and then points CURRENT to it; the old one is removed last.
//
// Invariants
// 1. A segment is listed before its first byte of content is written.
// 2. The epoch of an opening is in a durable manifest before its first record.
// 3. Entries are in order of number, which is the order of their LSNs.
// 4. Nothing is removed before a manifest without it is durable.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/code.hpp"
#include "io/disk.hpp"
#include "log/catalog.hpp"
#include "log/format.hpp"

namespace warden::log {

struct Manifest {
  Uuid uuid;
  std::uint64_t number = 0;
  std::uint32_t epoch = 0;
  bool clean = false;
  std::uint64_t next_number = 1;
  std::vector<SegmentEntry> segments;
  std::vector<EpochEnd> ends;
  Catalog catalog;  // of the segments that were freed; empty: none ever was
};

std::string segment_name(std::uint64_t number);
std::string manifest_name(std::uint64_t number);
// The number in a name of that form, or 0.
std::uint64_t number_in(const std::string& name, const char* prefix);

// not_a_store if there is no CURRENT; newer_format; corrupt; io.
Error read_manifest(io::Dir& dir, const std::string& path, Manifest& out);
// One manifest by its file's name, whatever CURRENT says.
Error read_manifest_file(io::Dir& dir, const std::string& path, const std::string& name,
                         Manifest& out);
// Raises manifest.number and writes it. 0 or -errno; on failure CURRENT names the
// old one or the new one, both whole.
int write_manifest(io::Dir& dir, Manifest& manifest);

}  // namespace warden::log
