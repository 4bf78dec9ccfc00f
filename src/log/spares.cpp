// SPDX-License-Identifier: Apache-2.0
//
// Committer, part four: making segments and freeing them. A spare is made while the
// current segment fills: opened, zeroed in pieces between commits, flushed, its name
// made durable, listed; only then used. A freed segment's file becomes the next spare.
//
//   spare:  idle -> opening (clerk) -> writing -> flush -> listing (clerk) -> idle
//   freed:  free_wanted -> drop (clerk) -> freed
#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>

#include "base/assert.hpp"
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
  using State = Maker::State;
  const Maker& maker = maker_;
  if (maker.busy) return false;
  if (maker.state == State::writing) {
    return maker.offset < kMakerPace * current_.offset || spares_.empty();
  }
  if (maker.state == State::flush) return true;
  if (!clerk_.idle()) return false;
  if (maker.state == State::listing) return true;
  // A store that is only opened and closed makes none; it has one.
  return spares_.size() < options_.spares && current_.file;
}

bool Committer::make_spare() noexcept {
  Maker& maker = maker_;
  if (!spare_due() || clock_.now_elapsed() < maker.retry_at) return false;
  if (maker.state == Maker::State::idle) return begin_spare();
  if (maker.state == Maker::State::listing) return list_spare();
  maker.busy = true;
  const std::uint64_t tag = make_tag(TagKind::maker, 0);
  if (maker.state == Maker::State::flush) {
    queue_.flush(*maker.file, tag);
    return true;
  }
  WARDEN_ASSERT(maker.state == Maker::State::writing);
  const std::size_t size = std::min<std::uint64_t>(kZeroPiece, maker.limit - maker.offset);
  queue_.write(*maker.file, zeros_, size, maker.offset, tag);
  return true;
}

// A new file, or the one of a freed segment: that has its blocks already, and they
// are not valid under the new number; only its header is zeroed.
bool Committer::begin_spare() noexcept {
  Maker& maker = maker_;
  Errand& errand = clerk_.errand();
  const bool recycle = recyclable_.number != 0;
  maker.entry = {};
  maker.entry.number = manifest_.next_number++;
  maker.offset = 0;
  maker.tries = 0;
  errand.kind = recycle ? Errand::Kind::recycle : Errand::Kind::create;
  errand.name = segment_name(maker.entry.number);
  if (recycle) {
    errand.from = segment_name(recyclable_.number);
    maker.entry.size = recyclable_.size;
    maker.limit = kPage;
  } else {
    maker.entry.size = std::min(options_.segment_bytes, current_.entry.size * 2);
    maker.limit = maker.entry.size;
  }
  maker.state = Maker::State::opening;
  maker.busy = true;
  clerk_.send();
  return true;
}

void Committer::complete_open(Errand& errand) noexcept {
  maker_.file = std::move(errand.file);
  const bool recycle = errand.kind == Errand::Kind::recycle;
  if (errand.result < 0) {
    // Renamed but not opened: it is used again under that name.
    if (recycle && errand.from.empty()) recyclable_.number = maker_.entry.number;
    make_failed("create a segment", errand.result);
    return;
  }
  if (recycle) {
    recyclable_ = {};
    counters_.recycled.fetch_add(1, std::memory_order_relaxed);
  }
  maker_.state = Maker::State::writing;
}

void Committer::complete(Errand& errand) noexcept {
  if (errand.kind == Errand::Kind::drop) {
    complete_drop(errand);
  } else if (errand.kind == Errand::Kind::list) {
    complete_list();
  } else {
    complete_open(errand);
  }
}

// What the clerk has done, or has left to us. Once failed, nothing comes of it any more.
bool Committer::take_errand() noexcept {
  clerk_.step();
  if (!clerk_.done()) return false;
  Errand& errand = clerk_.errand();
  if (errand.kind != Errand::Kind::drop) maker_.busy = false;
  if (!failed()) complete(errand);
  clerk_.take();
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
  out.manifest.next_number = manifest_.segments.back().number + 1;  // there is always one
  // One that is being freed is not waited for, and what lived in it is durable.
  out.manifest.segments.assign(manifest_.segments.begin() + (dropping_ != 0 ? 1 : 0),
                               manifest_.segments.end());
  out.manifest.ends = manifest_.ends;
  out.manifest.catalog = dropping_ != 0 ? free_catalog_ : manifest_.catalog;
  out.durable = durable();
  pinned_ = out.manifest.segments.front().number;
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
  const std::uint64_t wanted = free_wanted();
  if (wanted == 0 || !clerk_.idle() || clock_.now_elapsed() < maker_.retry_at) return false;
  if (planted(Plant::unlink_before_manifest)) {
    dir_.unlink(segment_name(wanted).c_str());
    dir_.sync();
  }
  Errand& errand = clerk_.errand();
  try {
    const std::lock_guard lock(list_);
    const SegmentEntry& front = manifest_.segments.front();
    WARDEN_ASSERT(front.number == wanted);
    if (wanted >= pinned_) return false;  // asked for again until the backup is past it
    errand.kind = Errand::Kind::drop;
    errand.from.clear();
    const bool keep = recyclable_.number == 0 && front.size >= current_.entry.size;
    if (!keep) errand.from = segment_name(wanted);
    errand.manifest = manifest_;
    errand.manifest.segments.erase(errand.manifest.segments.begin());
    errand.manifest.catalog = free_catalog_;
    dropping_ = wanted;
  } catch (const std::bad_alloc&) {
    manifest_failed(-ENOMEM);
    return false;
  }
  clerk_.send();
  return true;
}

void Committer::complete_drop(Errand& errand) noexcept {
  manifest_.number = errand.manifest.number;
  SegmentEntry entry;
  {
    const std::lock_guard lock(list_);
    dropping_ = 0;
    if (errand.result == 0) {
      entry = manifest_.segments.front();
      manifest_.segments.erase(manifest_.segments.begin());
      manifest_.catalog = std::move(errand.manifest.catalog);
      free_catalog_ = Catalog();
    }
  }
  // CURRENT may name the manifest without it, so the file stays as it is; the next
  // attempt writes another manifest.
  if (errand.result < 0) {
    manifest_failed(errand.result);
    return;
  }
  const SegmentEntry& front = manifest_.segments.front();
  start_mark_ = (front.flags & kEntrySealed) != 0 ? front.base
                : current_.file                   ? current_.entry.base
                                                  : written_end_;
  sealed_bytes_ -= entry.offset;
  if (errand.from.empty()) recyclable_ = entry;
  counters_.freed.fetch_add(1, std::memory_order_relaxed);
  freed_.store(entry.number, std::memory_order_release);
  free_wanted_.store(0, std::memory_order_release);
  publish_room();
  if (spares_.size() >= options_.spares) set_starved("", 0);  // else the spare's manifest says so
  listener_.freed();
}

void Committer::complete_make(std::int64_t result) noexcept {
  Maker& maker = maker_;
  maker.busy = false;
  if (failed()) return;
  if (maker.state == Maker::State::flush) {
    // Nothing in it is needed yet: where room is found at the flush, another file may
    // find some later. Any other failure is the device's.
    if (result != 0) {
      make_failed("flush a new segment", result > 0 ? -EIO : static_cast<int>(result));
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
  Errand& errand = clerk_.errand();
  try {
    spares_.reserve(spares_.size() + 1);
    const std::lock_guard lock(list_);
    manifest_.segments.reserve(manifest_.segments.size() + 1);
    errand.kind = Errand::Kind::list;
    errand.manifest = manifest_;
    errand.manifest.segments.push_back(maker_.entry);
  } catch (const std::bad_alloc&) {
    manifest_failed(-ENOMEM);
    return false;
  }
  maker_.busy = true;
  clerk_.send();
  return true;
}

void Committer::complete_list() noexcept {
  const Errand& errand = clerk_.errand();
  manifest_.number = errand.manifest.number;
  // CURRENT may name the manifest that lists it, so the file stays; the next attempt
  // writes another manifest.
  if (errand.result < 0) {
    manifest_failed(errand.result);
    return;
  }
  {  // Their places are there: neither can fail.
    const std::lock_guard lock(list_);
    manifest_.segments.push_back(maker_.entry);
  }
  spares_.push_back({maker_.entry, std::move(maker_.file)});
  maker_.state = Maker::State::idle;
  publish_room();
  set_starved("", 0);
  buffer_.wake_takers();  // who waited for it
}

// For want of room or memory: later again. Anything else ends the log.
void Committer::manifest_failed(int result) noexcept {
  const Code code = code_of_errno(-result);
  if (code != Code::no_space && code != Code::no_memory) {
    fail("write a manifest", result);
    return;
  }
  maker_.retry_at = clock_.now_elapsed() + options_.starved_retry;
  set_starved("write a manifest", -result);
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
