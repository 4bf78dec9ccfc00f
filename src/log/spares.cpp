// SPDX-License-Identifier: Apache-2.0
//
// Committer, part four: making segments and freeing them. A spare is made while the
// current segment fills: zeroed in pieces between commits, flushed, its name made
// durable, listed; only then used. A freed segment's file becomes the next spare.
#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>

#include "log/committer.hpp"
#include "log/errors.hpp"
#include "log/planted.hpp"
#include "log/tags.hpp"

namespace warden::log {
namespace {

constexpr std::uint32_t kMakerTries = 100;
// The spare is zeroed at so many times the rate at which the current segment fills.
constexpr std::uint64_t kMakerPace = 4;

}  // namespace

bool Committer::spare_due() const noexcept {
  const Maker& maker = maker_;
  if (maker.busy) return false;
  switch (maker.state) {
    case Maker::State::idle:
      // A store that is only opened and closed makes none.
      return spares_.size() < options_.spares && (current_.file || spares_.empty());
    case Maker::State::writing:
      return maker.offset < kMakerPace * current_.offset || spares_.empty();
    case Maker::State::flush:
    case Maker::State::listing:
      return true;
  }
  return false;
}

bool Committer::make_spare() noexcept {
  Maker& maker = maker_;
  if (!spare_due()) return false;
  if (starved() && clock_.now_elapsed() < maker.retry_at) return false;
  switch (maker.state) {
    case Maker::State::idle:
      return begin_spare();
    case Maker::State::writing: {
      const std::size_t size = std::min<std::uint64_t>(kZeroPiece, maker.limit - maker.offset);
      maker.busy = true;
      queue_.write(*maker.file, zeros_, size, maker.offset, make_tag(TagKind::maker, 0));
      return true;
    }
    case Maker::State::flush:
      maker.busy = true;
      queue_.flush(*maker.file, make_tag(TagKind::maker, 0));
      return true;
    case Maker::State::listing:
      return list_spare();
  }
  return false;
}

// A new file, or the one of a freed segment: that has its blocks already, and they
// are not valid under the new number; only its header is zeroed.
bool Committer::begin_spare() noexcept {
  Maker& maker = maker_;
  const bool recycle = recyclable_.number != 0;
  maker.entry = {};
  maker.entry.number = manifest_.next_number++;
  maker.offset = 0;
  maker.tries = 0;
  const std::string name = segment_name(maker.entry.number);
  int result = 0;
  if (recycle) {
    maker.entry.size = recyclable_.size;
    maker.limit = kPage;
    result = dir_.rename(segment_name(recyclable_.number).c_str(), name.c_str());
    if (result == 0) result = dir_.open(name.c_str(), io::Open::read_write, maker.file);
    recyclable_ = {};
  } else {
    maker.entry.size = std::min(options_.segment_bytes, current_.entry.size * 2);
    maker.limit = maker.entry.size;
    result = dir_.open(name.c_str(), io::Open::create, maker.file);
  }
  if (result < 0) {
    make_failed("create a segment", result);
    return false;
  }
  if (recycle) counters_.recycled.fetch_add(1, std::memory_order_relaxed);
  maker.state = Maker::State::writing;
  return true;
}

SegmentEntry Committer::oldest() const {
  const std::lock_guard lock(list_);
  if (manifest_.segments.size() < 2) return {};
  const SegmentEntry& front = manifest_.segments.front();
  return (front.flags & kEntrySealed) != 0 ? front : SegmentEntry{};
}

// Durable is read under the same lock as the list: what a segment that is gone from
// the list had to hand on is then at or before it.
Snapshot Committer::snapshot() {
  Snapshot out;
  const std::lock_guard lock(list_);
  out.manifest.uuid = manifest_.uuid;
  out.manifest.epoch = manifest_.epoch;
  out.manifest.next_number = manifest_.segments.empty() ? 1 : manifest_.segments.back().number + 1;
  out.manifest.segments = manifest_.segments;
  out.manifest.ends = manifest_.ends;
  out.manifest.catalog = manifest_.catalog;
  out.durable = durable();
  pinned_ = manifest_.segments.empty() ? kUnpinned : manifest_.segments.front().number;
  return out;
}

void Committer::pin(std::uint64_t number) noexcept {
  const std::lock_guard lock(list_);
  pinned_ = number;
}

bool Committer::is_pinned(std::uint64_t number) const noexcept {
  const std::lock_guard lock(list_);
  return number >= pinned_;
}

// All that lived in it has been appended again and is durable, says who asked. First
// a manifest without it, then the file.
bool Committer::free_oldest() noexcept {
  const std::uint64_t wanted = free_wanted_.load(std::memory_order_acquire);
  if (wanted == 0) return false;
  if (starved() && clock_.now_elapsed() < maker_.retry_at) return false;
  const SegmentEntry entry = oldest();
  int result = -ENOMEM;
  Catalog before;
  if (entry.number == wanted) {
    if (planted(Plant::unlink_before_manifest)) {
      dir_.unlink(segment_name(wanted).c_str());
      dir_.sync();
    }
    try {
      {
        const std::lock_guard lock(list_);
        if (wanted >= pinned_) return false;  // asked for again until the backup is past it
        Catalog next = free_catalog_;
        before = std::exchange(manifest_.catalog, std::move(next));
        manifest_.segments.erase(manifest_.segments.begin());
      }
      result = write_manifest(dir_, manifest_);
    } catch (const std::bad_alloc&) {
      result = -ENOMEM;
    }
    const std::lock_guard lock(list_);
    if (result == 0) {
      free_catalog_ = Catalog();
    } else if (manifest_.segments.empty() || manifest_.segments.front().number != wanted) {
      // Its place is still allocated: this cannot fail.
      manifest_.segments.insert(manifest_.segments.begin(), entry);
      manifest_.catalog = std::move(before);
    }
  }
  if (entry.number == wanted && result < 0) {
    if (!is_full(-result) && result != -ENOMEM) {
      fail("write a manifest", result);
      return false;
    }
    maker_.retry_at = clock_.now_elapsed() + options_.starved_retry;
    set_starved("write a manifest", -result);
    return false;
  }
  if (entry.number != wanted) {
    free_wanted_.store(0, std::memory_order_release);
    return true;
  }
  const SegmentEntry& front = manifest_.segments.front();
  start_mark_ = (front.flags & kEntrySealed) != 0 ? front.base
                : current_.file                   ? current_.entry.base
                                                  : written_end_;
  sealed_bytes_ -= entry.offset;
  if (recyclable_.number == 0 && entry.size >= current_.entry.size) {
    recyclable_ = entry;
  } else {
    dir_.unlink(segment_name(entry.number).c_str());  // else the next opening does it
  }
  counters_.freed.fetch_add(1, std::memory_order_relaxed);
  freed_.store(wanted, std::memory_order_release);
  free_wanted_.store(0, std::memory_order_release);
  publish_room();
  if (listener_.freed) listener_.freed();
  return true;
}

void Committer::complete_make(std::int64_t result) noexcept {
  Maker& maker = maker_;
  maker.busy = false;
  if (failed()) return;
  if (maker.state == Maker::State::flush) {
    if (result != 0) {
      fail("flush a new segment", result > 0 ? -EIO : result);
      return;
    }
    maker.state = Maker::State::listing;
    return;
  }
  const bool again = result == -EAGAIN || result == -EINTR || (result >= 0 && result < kPage);
  if (again && ++maker.tries <= kMakerTries) return;
  if (result < kPage) {
    make_failed("fill a new segment", result >= 0 ? -ENOSPC : static_cast<int>(result));
    return;
  }
  if (planted(Plant::short_zeros_are_whole)) result = kZeroPiece;
  maker.offset += static_cast<std::uint64_t>(result) / kPage * kPage;
  if (maker.offset >= maker.limit) maker.state = Maker::State::flush;
  if (maker.state == Maker::State::flush && planted(Plant::spare_not_flushed)) {
    maker.state = Maker::State::listing;
  }
}

bool Committer::list_spare() noexcept {
  Maker& maker = maker_;
  int result = dir_.sync();
  bool pushed = false;
  try {
    if (result == 0) {
      const std::lock_guard lock(list_);
      manifest_.segments.push_back(maker.entry);
      pushed = true;
    }
    if (result == 0) {
      result = write_manifest(dir_, manifest_);
    }
    if (result == 0) {
      Spare spare;
      spare.entry = maker.entry;
      spares_.push_back(std::move(spare));
    }
  } catch (const std::bad_alloc&) {
    result = -ENOMEM;
  }
  if (result == 0) {
    spares_.back().file = std::move(maker.file);
    maker.state = Maker::State::idle;
    publish_room();
    set_starved("", 0);
    buffer_.wake_takers();  // who waited for it
    return true;
  }
  // CURRENT may name the manifest that lists it, so the file stays; the next attempt
  // writes another manifest.
  if (pushed) {
    const std::lock_guard lock(list_);
    manifest_.segments.pop_back();
  }
  if (!is_full(-result) && result != -ENOMEM) {
    fail("write a manifest", result);
    return false;
  }
  maker.retry_at = clock_.now_elapsed() + options_.starved_retry;
  set_starved("write a manifest", -result);
  return false;
}

// No room or memory for a spare: later again. Anything else ends the log, as a disk
// that cannot be trusted with zeros cannot be trusted with records.
void Committer::make_failed(const char* what, int result) noexcept {
  Maker& maker = maker_;
  if (maker.file) {
    maker.file.reset();
    dir_.unlink(segment_name(maker.entry.number).c_str());
  }
  maker.state = Maker::State::idle;
  const Code code = code_of_errno(-result);
  if (code != Code::no_space && code != Code::no_memory) {
    fail(what, result);
    return;
  }
  maker.retry_at = clock_.now_elapsed() + options_.starved_retry;
  set_starved(what, -result);
}

}  // namespace warden::log
