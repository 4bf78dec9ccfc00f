// SPDX-License-Identifier: Apache-2.0
//
// See salvage.hpp: which segments there were, whatever is left to tell it.
#include "log/salvage.hpp"

#include <algorithm>
#include <cerrno>
#include <map>
#include <new>

#include "log/errors.hpp"
#include "log/sifter.hpp"

namespace warden::log {

bool SalvageReport::may_follow(Lsn lsn) const noexcept {
  return std::any_of(lost.begin(), lost.end(),
                     [&](const LostRange& one) { return !one.unproven && one.upto > lsn; });
}

void SalvageReport::clear_reading() noexcept {
  segments = blocks = records = rescued = bytes_unreadable = 0;
  lost.clear();
}

Error Salvager::open(io::Disk& disk, const std::string& path) {
  try {
    path_ = path;
    const int opened = disk.open_dir(path.c_str(), false, dir_);
    if (opened == -ENOTDIR) {
      return make_error(Code::not_a_store, path + ": a file; expected a directory");
    }
    if (opened == -ENOENT) {
      return make_error(Code::not_a_store, path + ": no such directory; expected that of a store");
    }
    if (opened < 0) return io_error(path, "", "open the directory", opened);
    const int locked = dir_->locked();
    if (locked < 0) return io_error(path, "LOCK", "look at it", locked);
    if (locked == 1) {
      return make_error(Code::held, path +
                                        ": held open for writing by another process; expected a "
                                        "store that nobody writes");
    }
    if (Error error = find_manifest()) return error;
    if (Error error = find_files()) return error;
    if (Error error = check_identity()) return error;
    seal_by_successors();
    return {};
  } catch (const std::bad_alloc&) {
    return Error{Code::no_memory, "out of memory", 0, 0, 0};
  }
}

// The one that CURRENT names, else the newest that is whole.
Error Salvager::find_manifest() {
  const Error current = read_manifest(*dir_, path_, manifest_);
  if (current.code == Code::newer_format || current.code == Code::no_memory) return current;
  manifest_good_ = !current;
  if (manifest_good_) return {};
  std::vector<std::string> names;
  const int listed = dir_->list(names);
  if (listed < 0) return io_error(path_, "", "list the directory", listed);
  std::uint64_t best = 0;
  bool any = false;
  for (const std::string& name : names) {
    const std::uint64_t number = number_in(name, "MANIFEST-");
    any = any || number != 0 || number_in(name, "wal-") != 0;
    if (number <= best) continue;
    Manifest one;
    const Error error = read_manifest_file(*dir_, path_, name, one);
    if (error.code == Code::newer_format || error.code == Code::no_memory) return error;
    if (error) continue;
    best = number;
    manifest_ = one;
    manifest_good_ = true;
  }
  if (!any) {
    return make_error(Code::not_a_store, path_ + ": not a Warden store: it holds no segment");
  }
  report_.notes.push_back(current.message);
  report_.notes.emplace_back(
      "no manifest is whole: the segments tell what there was, and one that is missing "
      "altogether cannot be told");
  if (manifest_good_) {
    report_.notes.back() = manifest_name(best) + ", the newest whole manifest, was taken instead";
  }
  return {};
}

// Segments that the manifest lists, and those that it should have listed.
Error Salvager::find_files() {
  std::map<std::uint64_t, Extent> found;
  if (manifest_good_) {
    for (const SegmentEntry& entry : manifest_.segments) found[entry.number].entry = entry;
  }
  std::vector<std::string> names;
  const int listed = dir_->list(names);
  if (listed < 0) return io_error(path_, "", "list the directory", listed);
  for (const std::string& name : names) {
    const std::uint64_t number = number_in(name, "wal-");
    // Not listed and older: freed; what lived in it was written again.
    if (number == 0 ||
        (manifest_good_ && number < manifest_.next_number && found.find(number) == found.end())) {
      continue;
    }
    found[number].entry.number = number;
  }
  for (auto& [number, extent] : found) {
    if (Error error = judge_header(extent)) return error;
    const bool unlisted = manifest_good_ && number >= manifest_.next_number;
    if (unlisted && !extent.header_good) continue;
    if (unlisted) {
      report_.notes.push_back(segment_name(number) + ": newer than the manifest");
    }
    extents_.push_back(extent);
  }
  return {};
}

Error Salvager::judge_header(Extent& extent) {
  const std::string name = segment_name(extent.entry.number);
  std::unique_ptr<io::File> file;
  const int opened = dir_->open(name.c_str(), io::Open::read, file);
  if (opened == -ENOENT) return {};
  if (opened < 0) return io_error(path_, name, "open it", opened);
  extent.there = true;
  std::vector<std::byte> page(kPage);
  const auto got = file->read(page.data(), kPage, 0);
  if (got == -ENOMEM) return io_error(path_, name, "read it", got);
  if (got != kPage) return {};
  extent.header = load<SegmentHeader>(page.data());
  const bool whole = extent.header.magic == kSegmentMagic &&
                     image_digest(page.data(), kPage, kSegmentMagic) == extent.header.digest;
  if (whole && (extent.header.version > kFormatVersion || extent.header.incompat != 0)) {
    return make_error(Code::newer_format, path_ + "/" + name + ": format version " +
                                              std::to_string(extent.header.version) +
                                              "; this program reads up to version " +
                                              std::to_string(kFormatVersion));
  }
  extent.header_good = whole && extent.header.number == extent.entry.number &&
                       (!manifest_good_ || extent.header.uuid == manifest_.uuid);
  return {};
}

Error Salvager::check_identity() {
  report_.uuid = manifest_.uuid;
  report_.epoch = manifest_.epoch;
  bool known = manifest_good_;
  for (Extent& extent : extents_) {
    if (!extent.header_good) continue;
    if (!known) report_.uuid = extent.header.uuid;
    known = true;
    extent.header_good = extent.header.uuid == report_.uuid;
    report_.epoch = std::max(report_.epoch, extent.header.epoch);
  }
  if (known) return {};
  return make_error(Code::corrupt,
                    path_ +
                        ": damaged: neither a manifest nor the header of a segment is left, and "
                        "without the store's UUID its records prove nothing");
}

// Where the manifest does not say how a segment ends, the one begun after it does.
void Salvager::seal_by_successors() {
  for (std::size_t i = 0; i + 1 < extents_.size(); ++i) {
    SegmentEntry& entry = extents_[i].entry;
    const Extent& next = extents_[i + 1];
    if ((entry.flags & kEntrySealed) != 0 || !next.header_good ||
        next.header.previous_number != entry.number) {
      continue;
    }
    entry.flags |= kEntrySealed;
    entry.base = extents_[i].header_good ? extents_[i].header.base : 0;
    entry.end = next.header.previous_end;
    entry.offset = next.header.previous_offset;
  }
}

Error Salvager::read(ReplaySink& sink) {
  try {
    report_.clear_reading();
    sink.begin(report_.uuid);
    if (Error error = hand_on(manifest_.catalog, sink)) return error;
    Sifter sifter(report_, sink);
    std::uint64_t next = 0;
    if (!manifest_good_) {  // then some header is whole: open() has seen to it
      const Extent& first = extents_.front();
      if (first.header_good && first.header.previous_number != 0) {
        sifter.lose({segment_name(first.header.previous_number), 0, 0, Lsn::none,
                     static_cast<Lsn>(first.header.previous_end), "not there: freed, or lost",
                     false});
      }
    }
    std::uint64_t before = 0;  // number of the segment before
    for (const Extent& extent : extents_) {
      if (before != 0 && extent.header_good && extent.header.previous_number > before) {
        sifter.lose({segment_name(extent.header.previous_number), 0, 0, static_cast<Lsn>(next),
                     static_cast<Lsn>(extent.header.previous_end), "the file is missing", false});
      }
      before = extent.entry.number;
      const bool sealed = (extent.entry.flags & kEntrySealed) != 0;
      Sifter::Segment segment;
      segment.number = extent.entry.number;
      segment.seed = segment_seed(report_.uuid, segment.number);
      segment.base = extent.header_good ? extent.header.base : sealed ? extent.entry.base : 0;
      segment.end = sealed ? extent.entry.end : 0;
      segment.offset = sealed ? extent.entry.offset : 0;
      // Unsealed ones are of the manifest's epoch, or the first of it.
      if (segment.base == 0 && manifest_good_) {
        segment.base = std::max(next, raw(make_lsn(manifest_.epoch, 0)));
      }
      if (!extent.there) {  // so a manifest lists it
        sifter.lose(
            {segment_name(segment.number), 0, extent.entry.size, static_cast<Lsn>(segment.base),
             sealed ? static_cast<Lsn>(segment.end) : kLsnUnknown, "the file is missing", false});
        if (sealed) next = segment.end;
        continue;
      }
      std::unique_ptr<io::File> file;
      const std::string name = segment_name(segment.number);
      const int opened = dir_->open(name.c_str(), io::Open::read, file);
      if (opened < 0) return io_error(path_, name, "open it", opened);
      ++report_.segments;
      if (Error error = sifter.sift(std::move(file), segment, next)) return error;
    }
    return sink.end();
  } catch (const std::bad_alloc&) {
    return Error{Code::no_memory, "out of memory", 0, 0, 0};
  }
}

}  // namespace warden::log
