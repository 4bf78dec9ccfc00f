// SPDX-License-Identifier: Apache-2.0
//
// Committer, part three: beginning after recovery, changing to the next segment,
// sealing at the end.
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <new>

#include "base/assert.hpp"
#include "log/committer.hpp"
#include "log/errors.hpp"
#include "log/planted.hpp"
#include "log/tags.hpp"

namespace warden::log {
namespace {

constexpr std::uint32_t kMakerTries = 100;

}  // namespace

Error Committer::allocate() {
  memory_bytes_ = std::size_t{kSlots} * kMaxBlock + kZeroPiece;
  void* place =
      ::mmap(nullptr, memory_bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (place == MAP_FAILED) {
    return make_error(Code::no_memory, "no memory for the log's block buffers");
  }
  memory_ = static_cast<std::byte*>(place);
  for (unsigned i = 0; i < kSlots; ++i) slots_[i].data = memory_ + std::size_t{i} * kMaxBlock;
  zeros_ = memory_ + std::size_t{kSlots} * kMaxBlock;
  const std::uint64_t smallest = std::min(options_.segment_bytes, options_.first_segment_bytes);
  const std::uint64_t block = smallest - kPage - kBeaconPage - kBlockHeaderBytes;
  const std::uint64_t room = std::min<std::uint64_t>(block, buffer_.share(Pool::cleaner));
  max_content_ = static_cast<std::uint32_t>(
      std::min<std::uint64_t>(kMaxContent, room - kRecordHeadBytes - kRecordAlign));
  return {};
}

// What recovery read may lie in the page cache alone: sealed only once it is safe.
Error Committer::sync_recovered(const Recovered& recovered) {
  for (const std::uint64_t number : recovered.unsynced) {
    if (planted(Plant::no_recovery_sync)) break;
    std::unique_ptr<io::File> file;
    const std::string name = segment_name(number);
    int result = dir_.open(name.c_str(), io::Open::read_write, file);
    if (result == 0) result = file->sync_data();
    if (result < 0) return io_error(path_, name, "flush it", result);
  }
  return {};
}

Error Committer::begin(const Recovered& recovered, const Uuid& uuid) {
  manifest_ = recovered.manifest;
  if (manifest_.epoch >= kMaxEpoch) {
    return make_error(Code::limit, path_ + ": it was opened " + std::to_string(kMaxEpoch) +
                                       " times, which is the most a store can be");
  }
  if (Error error = allocate()) return error;
  if (manifest_.epoch != 0) {
    const std::uint64_t end = std::max(raw(recovered.end), raw(make_lsn(manifest_.epoch, 0)));
    manifest_.ends.push_back({manifest_.epoch, end});
    if (manifest_.ends.size() > kEpochEndsKept) manifest_.ends.erase(manifest_.ends.begin());
  }
  if (!planted(Plant::no_epoch_bump) || manifest_.epoch == 0) ++manifest_.epoch;
  manifest_.uuid = uuid;
  manifest_.clean = false;
  if (Error error = sync_recovered(recovered)) return error;
  drop_leftovers(recovered.manifest, true);
  manifest_.segments = recovered.used;
  if (!recovered.used.empty()) before_ = recovered.used.back();
  for (const SegmentEntry& entry : recovered.used) sealed_bytes_ += entry.offset;
  if (Error error = begin_spares(recovered)) return error;
  const int written = write_manifest(dir_, manifest_);
  if (written < 0) return io_error(path_, "", "write a manifest", written);
  drop_leftovers(manifest_, false);
  written_end_ = raw(make_lsn(manifest_.epoch, 0));
  durable_.store(written_end_, std::memory_order_release);
  start_mark_ = manifest_.segments.front().base;  // a spare's, if nothing was ever written: 0
  publish_room();
  return {};
}

Error Committer::begin_spares(const Recovered& recovered) {
  for (const SegmentEntry& entry : recovered.spare) {
    Spare spare;
    spare.entry = entry;
    const std::string name = segment_name(entry.number);
    const int opened = dir_.open(name.c_str(), io::Open::read_write, spare.file);
    if (opened < 0) return io_error(path_, name, "open it", opened);
    manifest_.segments.push_back(entry);
    spares_.push_back(std::move(spare));
  }
  return spares_.empty() ? make_first() : Error{};
}

// The first segment is made before the store opens, and is small: the ones after it
// double up to the full size.
Error Committer::make_first() {
  Spare spare;
  spare.entry.number = manifest_.next_number++;
  spare.entry.size = std::min(options_.segment_bytes, options_.first_segment_bytes);
  const std::string name = segment_name(spare.entry.number);
  int result = dir_.open(name.c_str(), io::Open::create, spare.file);
  if (result < 0) return io_error(path_, name, "create it", result);
  std::uint64_t offset = 0;
  std::uint32_t tries = 0;
  while (result == 0 && offset < spare.entry.size) {
    const std::size_t size = std::min<std::uint64_t>(kZeroPiece, spare.entry.size - offset);
    const std::int64_t put = spare.file->write(zeros_, size, offset);
    if ((put == -EINTR || put == -EAGAIN) && ++tries <= kMakerTries) continue;
    if (put <= 0) result = put == 0 ? -EIO : static_cast<int>(put);
    // Whole pages only, or the next write would not be aligned.
    if (put > 0) offset += static_cast<std::uint64_t>(put) / kPage * kPage;
    if (put > 0 && put < kPage) result = -ENOSPC;
  }
  if (result == 0) result = spare.file->sync_data();
  if (result == 0) result = dir_.sync();
  if (result < 0) {
    dir_.unlink(name.c_str());
    return io_error(path_, name, "fill it with zeros", result);
  }
  manifest_.segments.push_back(spare.entry);
  spares_.push_back(std::move(spare));
  return {};
}

// What a crash left behind: files that the manifest does not list. (CURRENT.tmp is not
// among them: writing a manifest overwrites it, and renames it away.)
void Committer::drop_leftovers(const Manifest& keep, bool segments_only) {
  std::vector<std::string> names;
  if (dir_.list(names) < 0) return;  // the next opening tries again
  for (const std::string& name : names) {
    const std::uint64_t segment = number_in(name, "wal-");
    const bool listed = std::any_of(keep.segments.begin(), keep.segments.end(),
                                    [&](const SegmentEntry& e) { return e.number == segment; });
    bool drop = segment != 0 && !listed;
    if (!segments_only) {
      const std::uint64_t manifest = number_in(name, "MANIFEST-");
      drop |= manifest != 0 && manifest != keep.number;
    }
    if (drop) dir_.unlink(name.c_str());
  }
}

SegmentEntry& Committer::listed(std::uint64_t number) noexcept {
  const auto found = std::find_if(manifest_.segments.begin(), manifest_.segments.end(),
                                  [&](const SegmentEntry& e) { return e.number == number; });
  WARDEN_ASSERT(found != manifest_.segments.end());
  return *found;
}

// Makes the oldest spare the current segment, once all before it is flushed.
bool Committer::rotate() noexcept {
  const bool quiet = written_sequence_ == next_sequence_ && flushed_sequence_ == next_sequence_ &&
                     !flushes_[0].active && !flushes_[1].active;
  const bool early = planted(Plant::rotate_unflushed) && outstanding_ == 0;
  if ((!quiet && !early) || spares_.empty()) return false;
  const std::uint64_t lsn = raw(make_lsn(manifest_.epoch, read_.load(std::memory_order_relaxed)));
  if (current_.file) {
    SegmentEntry& entry = current_.entry;
    entry.flags |= kEntrySealed;
    entry.end = lsn;
    entry.offset = current_.offset;
    entry.digest = current_.chain;
    const std::lock_guard lock(list_);
    listed(entry.number) = entry;
    before_ = entry;
    sealed_bytes_ += entry.offset;
  }
  current_.entry = spares_.front().entry;
  current_.file = std::move(spares_.front().file);
  spares_.erase(spares_.begin());
  current_.entry.base = lsn;
  if (before_.number == 0) start_mark_ = lsn;
  build_header();
  submit_slot(slot_at(next_sequence_ - 1));
  counters_.segments.fetch_add(1, std::memory_order_relaxed);
  publish_room();
  listener_.segment();
  return true;
}

void Committer::publish_room() noexcept {
  std::uint64_t room = left();
  for (const Spare& spare : spares_) room += spare.entry.size - kPage - kBeaconPage;
  room_.store(room, std::memory_order_relaxed);
  const std::uint64_t size = current_.file ? current_.entry.size : options_.first_segment_bytes;
  margin_.store(std::min<std::uint64_t>(buffer_.capacity(), size / 16), std::memory_order_relaxed);
  spare_ready_.store(spares_.size() >= options_.spares, std::memory_order_release);
  log_bytes_.store(sealed_bytes_ + current_.offset, std::memory_order_relaxed);
}

Error Committer::seal() noexcept {
  WARDEN_ASSERT(!in_flight());
  try {
    const std::string made = maker_.file ? segment_name(maker_.entry.number) : std::string();
    maker_.file.reset();
    // CURRENT may name a manifest that lists it, until ours is written.
    const bool listed_perhaps = maker_.state == Maker::State::listing;
    if (!made.empty() && !listed_perhaps) dir_.unlink(made.c_str());
    if (recyclable_.number != 0) dir_.unlink(segment_name(recyclable_.number).c_str());
    if (current_.file && !planted(Plant::no_seal)) {
      const std::lock_guard lock(list_);
      SegmentEntry& entry = listed(current_.entry.number);
      entry = current_.entry;
      entry.flags |= kEntrySealed;
      entry.end = written_end_;
      entry.offset = current_.offset;
      entry.digest = current_.chain;
    }
    manifest_.clean = true;
    const int written = write_manifest(dir_, manifest_);
    if (written < 0) return io_error(path_, "", "write a manifest", written);
    if (!made.empty() && listed_perhaps) dir_.unlink(made.c_str());
  } catch (const std::bad_alloc&) {
    return Error{Code::no_memory, {}, 0, 0, 0};
  }
  return {};
}

}  // namespace warden::log
