// SPDX-License-Identifier: Apache-2.0
//
// See backup.hpp. What the original holds is recovery's verdict (recovery.cpp), or the
// writer's own knowledge; each block is checked once more as it is copied.
#include "log/backup.hpp"

#include <algorithm>
#include <cerrno>
#include <map>
#include <new>

#include "log/errors.hpp"
#include "log/log.hpp"
#include "log/segment_reader.hpp"

namespace warden::log {
namespace {

constexpr int kWriteTries = 100;
constexpr int kAttempts = 16;  // to catch up with segments being freed

// Recovery's verdict on the original is all that is wanted.
class NoSink final : public ReplaySink {
 public:
  Error apply(Lsn, RecordType, std::uint64_t, std::span<const std::byte>) override { return {}; }
};

int write_at(io::File& file, const void* data, std::size_t size, std::uint64_t offset) {
  std::size_t done = 0;
  int tries = 0;
  while (done < size) {
    const auto put = file.write(static_cast<const char*>(data) + done, size - done, offset + done);
    if ((put == -EINTR || put == -EAGAIN) && ++tries <= kWriteTries) continue;
    if (put < 0) return static_cast<int>(put);
    if (put == 0) return -EIO;
    done += static_cast<std::size_t>(put);
  }
  return 0;
}

// Copies segments that have an end: one that is sealed, or a position in it.
class Copier {
 public:
  Copier(io::Dir& from, const std::string& path, io::Dir& to, const std::string& to_path,
         const BackupWatch& watch, BackupReport& out)
      : from_(from), path_(path), to_(to), to_path_(to_path), watch_(watch), out_(out) {}

  // Those copied by an earlier call stay. `moved`: one of them is gone, or not what it was.
  Error copy(const Manifest& manifest, Lsn limit, const std::function<void(std::uint64_t)>& passed,
             bool& moved) {
    moved = false;
    drop_freed(manifest);
    for (const SegmentEntry& entry : manifest.segments) {
      if (copied_.find(entry.number) != copied_.end()) continue;
      bool begun = true;
      if (Error error = copy_segment(manifest, entry, limit, begun, moved)) return error;
      if (moved) return {};
      if (!begun) break;  // a spare; segments are begun in order
      if (passed) passed(entry.number);
    }
    return {};
  }

  // Names the copy's segments in a manifest and points CURRENT there.
  Error finish(const Manifest& manifest) {
    Manifest made;
    made.uuid = manifest.uuid;
    made.epoch = epoch_of_copy(manifest.epoch);
    made.clean = true;
    made.next_number = manifest.next_number;
    made.ends = manifest.ends;
    made.catalog = manifest.catalog;
    std::uint64_t end = raw(make_lsn(manifest.epoch, 0));
    for (const auto& [number, entry] : copied_) {
      made.segments.push_back(entry);
      end = std::max(end, entry.end);
    }
    made.ends.push_back({manifest.epoch, end});
    if (made.ends.size() > kEpochEndsKept) made.ends.erase(made.ends.begin());
    out_.end = static_cast<Lsn>(end);
    out_.segments = made.segments.size();
    int result = to_.sync();
    if (result == 0) result = write_manifest(to_, made);
    if (result < 0) return io_error(to_path_, "", "write a manifest", result);
    return {};
  }

  Lsn end() const {
    return copied_.empty() ? Lsn::none : static_cast<Lsn>(copied_.rbegin()->second.end);
  }

 private:
  struct Place {
    std::uint64_t offset;
    std::uint64_t lsn;
    Digest chain;
  };

  Error copy_segment(const Manifest& manifest, SegmentEntry entry, Lsn limit, bool& begun,
                     bool& moved) {
    const std::string name = segment_name(entry.number);
    const bool sealed = (entry.flags & kEntrySealed) != 0;
    const int opened = reader_.open(from_, entry.number);
    moved = opened == -ENOENT;
    if (moved) return {};
    if (opened < 0) return io_error(path_, name, "open it", opened);
    moved = reader_.size() < entry.size;
    if (moved) return {};
    const std::byte* page = reader_.at(0, kPage);
    if (page == nullptr) return read_failed(name);
    const auto header = load<SegmentHeader>(page);
    const bool ours = header.magic == kSegmentMagic && header.uuid == manifest.uuid &&
                      header.number == entry.number && header.size == entry.size &&
                      image_digest(page, kPage, kSegmentMagic) == header.digest;
    begun = ours && (sealed || header.base < raw(limit));
    moved = sealed && !ours;  // freed, and its file used again
    if (!begun) return {};
    Place place{kPage, header.base, header.digest};
    std::unique_ptr<io::File> file;
    if (Error error = copy_blocks(manifest, entry, header, limit, file, place)) return error;
    moved = sealed &&
            (place.offset != entry.offset || place.lsn != entry.end || place.chain != entry.digest);
    if (moved) return {};
    entry.flags |= kEntrySealed;
    entry.base = header.base;
    entry.end = place.lsn;
    entry.offset = place.offset;
    entry.digest = place.chain;
    return close_file(name, entry, *file);
  }

  Error copy_blocks(const Manifest& manifest, const SegmentEntry& entry, const SegmentHeader& of,
                    Lsn limit, std::unique_ptr<io::File>& file, Place& place) {
    const std::string name = segment_name(entry.number);
    const std::uint64_t seed = segment_seed(manifest.uuid, entry.number);
    const bool sealed = (entry.flags & kEntrySealed) != 0;
    const std::uint64_t stop = sealed ? entry.offset : entry.size;
    int result = to_.open(name.c_str(), io::Open::small, file);
    if (result == 0) result = write_at(*file, &of, sizeof of, 0);
    out_.bytes += kPage;
    while (result == 0 && place.offset < stop) {
      BlockHeader header;
      const std::byte* image = nullptr;
      bool torn = false;
      const auto found = reader_.block(place.offset, entry.number, seed, header, image, torn);
      if (found == SegmentReader::Found::failed) return read_failed(name);
      if (found == SegmentReader::Found::nothing || header.epoch != of.epoch ||
          header.first != place.lsn || header.previous != place.chain ||
          (!sealed && header.end > raw(limit))) {
        return {};
      }
      result = write_at(*file, image, header.length, place.offset);
      out_.bytes += header.length;
      place = {place.offset + header.length, header.end, header.digest};
      if (result < 0 || !watch_) continue;
      if (Error error = watch_(out_.bytes)) return error;
    }
    return result < 0 ? io_error(to_path_, name, "write it", result) : Error{};
  }

  // The file is as long as its header says; what follows the last block is a hole.
  Error close_file(const std::string& name, const SegmentEntry& entry, io::File& file) {
    constexpr std::byte kZeros[kPage] = {};
    int result = 0;
    if (entry.offset < entry.size) result = write_at(file, kZeros, kPage, entry.size - kPage);
    if (result == 0) result = file.sync_data();
    if (result < 0) return io_error(to_path_, name, "write it", result);
    copied_[entry.number] = entry;
    return {};
  }

  // What an earlier attempt copied and the log has freed since: its records live on
  // in later segments.
  void drop_freed(const Manifest& manifest) {
    const std::uint64_t first =
        manifest.segments.empty() ? ~std::uint64_t{0} : manifest.segments.front().number;
    while (!copied_.empty() && copied_.begin()->first < first) {
      to_.unlink(segment_name(copied_.begin()->first).c_str());
      copied_.erase(copied_.begin());
    }
  }

  Error read_failed(const std::string& name) {
    return io_error(path_, name, "read it", reader_.error());
  }

  io::Dir& from_;
  const std::string& path_;
  io::Dir& to_;
  const std::string& to_path_;
  const BackupWatch& watch_;
  BackupReport& out_;
  SegmentReader reader_;
  std::map<std::uint64_t, SegmentEntry> copied_;  // all sealed
};

Error open_source(io::Disk& disk, const std::string& path, std::unique_ptr<io::Dir>& out) {
  const int opened = disk.open_dir(path.c_str(), false, out);
  if (opened == 0) return {};
  if (opened == -ENOTDIR) {
    return make_error(Code::not_a_store, path + ": a file; expected a directory");
  }
  if (opened == -ENOENT) {
    return make_error(Code::not_a_store, path + ": no such directory; expected that of a store");
  }
  return io_error(path, "", "open the directory", opened);
}

}  // namespace

std::uint32_t epoch_of_copy(std::uint32_t epoch) noexcept {
  return epoch + std::min(kEpochsSkipped, (kMaxEpoch - epoch) / 2);
}

Error make_empty_dir(io::Disk& disk, const std::string& path, std::unique_ptr<io::Dir>& out) {
  const int opened = disk.open_dir(path.c_str(), true, out);
  if (opened == -ENOTDIR) {
    return make_error(Code::not_a_store, path + ": a file; expected a new or empty directory");
  }
  if (opened == -ENOENT) {
    return make_error(Code::not_a_store,
                      path + ": its parent directory does not exist; expected one");
  }
  if (opened < 0) return io_error(path, "", "make the directory", opened);
  std::vector<std::string> names;
  const int listed = out->list(names);
  if (listed < 0) return io_error(path, "", "list the directory", listed);
  if (names.empty()) return {};
  return make_error(Code::not_a_store,
                    path + ": it holds " + names.front() + "; expected a new or empty directory");
}

Error copy_snapshot(io::Dir& from, const std::string& path, const Snapshot& snapshot, io::Dir& to,
                    const std::string& to_path, const std::function<void(std::uint64_t)>& passed,
                    const BackupWatch& watch, BackupReport& out) {
  out = {};
  Copier copier(from, path, to, to_path, watch, out);
  bool moved = false;
  if (Error error = copier.copy(snapshot.manifest, snapshot.durable, passed, moved)) return error;
  const bool short_of =
      snapshot.durable > make_lsn(snapshot.manifest.epoch, 0) && copier.end() != snapshot.durable;
  if (moved || short_of) {
    return make_error(Code::corrupt,
                      path +
                          ": a segment in use is damaged or gone; open the store anew to learn "
                          "which, and see `warden salvage`");
  }
  return copier.finish(snapshot.manifest);
}

namespace {

// What a reader sees of a writer's file may not be flushed yet: after this it is.
Error flush_seen(io::Dir& from, const std::string& path, const Recovered& seen, bool& moved) {
  for (const std::uint64_t number : seen.unsynced) {
    std::unique_ptr<io::File> file;
    const std::string name = segment_name(number);
    int result = from.open(name.c_str(), io::Open::read, file);
    moved = result == -ENOENT;
    if (moved) return {};
    if (result == 0) result = file->sync_data();
    if (result < 0) return io_error(path, name, "flush it", result);
  }
  return {};
}

Error backup_from(io::Disk& disk, io::Dir& from, const std::string& path, const std::string& to,
                  const BackupWatch& watch, BackupReport& out) {
  std::unique_ptr<io::Dir> dir;
  std::unique_ptr<Copier> copier;
  // A writer may free segments while they are copied: those that are there now are
  // what is wanted, and what was copied of them already is kept.
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    NoSink sink;
    Recovered seen;
    if (Error error = recover_unlocked(from, path, sink, seen)) return error;
    if (!dir) {
      if (Error error = make_empty_dir(disk, to, dir)) return error;
      copier = std::make_unique<Copier>(from, path, *dir, to, watch, out);
    }
    bool moved = false;
    if (Error error = flush_seen(from, path, seen, moved)) return error;
    if (moved) continue;
    seen.manifest.segments = seen.used;
    if (Error error = copier->copy(seen.manifest, Lsn::none, {}, moved)) return error;
    if (!moved) return copier->finish(seen.manifest);
  }
  return make_error(Code::would_block,
                    path +
                        ": its segments are freed faster than they can be copied; try again, "
                        "or call warden_backup in the process that writes it");
}

}  // namespace

Error backup(io::Disk& disk, const std::string& path, const std::string& to,
             const BackupWatch& watch, BackupReport& out) {
  try {
    out = {};
    std::unique_ptr<io::Dir> from;
    if (Error error = open_source(disk, path, from)) return error;
    return backup_from(disk, *from, path, to, watch, out);
  } catch (const std::bad_alloc&) {
    return Error{Code::no_memory, "out of memory", 0, 0, 0};
  }
}

Error Log::backup(io::Disk& disk, const std::string& to, const BackupWatch& watch,
                  BackupReport& out) {
  if (forked()) return Error{Code::forked, {}, 0, 0, 0};
  if (!committer_) return log::backup(disk, path_, to, watch, out);
  try {
    const std::lock_guard one_at_a_time(backup_);
    if (const Code code = sync(-1); is_error(code)) {
      return make_error(code, path_ + ": not everything could be made durable; nothing was copied");
    }
    std::unique_ptr<io::Dir> dir;
    if (Error error = make_empty_dir(disk, to, dir)) return error;
    const Snapshot snapshot = committer_->snapshot();
    const auto passed = [this](std::uint64_t number) { committer_->pin(number + 1); };
    const BackupWatch watched = [&](std::uint64_t bytes) {
      if (closing_.load(std::memory_order_acquire)) {
        return make_error(Code::store_closed, path_ + ": closed while it was copied");
      }
      if (watch) return watch(bytes);
      return Error{};
    };
    Error error = copy_snapshot(*dir_, path_, snapshot, *dir, to, passed, watched, out);
    committer_->pin(Committer::kUnpinned);
    return error;
  } catch (const std::bad_alloc&) {
    committer_->pin(Committer::kUnpinned);
    return Error{Code::no_memory, "out of memory", 0, 0, 0};
  }
}

}  // namespace warden::log
