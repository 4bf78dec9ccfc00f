// SPDX-License-Identifier: Apache-2.0
//
// Writes, flushes and acknowledgements; see committer.hpp for the invariants.
#include "log/committer.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <new>

#include "base/assert.hpp"
#include "log/errors.hpp"
#include "log/planted.hpp"
#include "log/tags.hpp"

namespace warden::log {
namespace {

// Resubmissions of one write that make no progress, before it counts as failed.
constexpr std::uint32_t kMaxTries = 100;
// With writes in flight, small amounts wait for company: padding to a page would
// cost more than the wait.
constexpr std::uint64_t kWorthAWrite = 16 * 1024;
constexpr unsigned kSmallWrites = 2;

}  // namespace

Committer::Committer(io::Dir& dir, std::string path, io::Queue& queue, io::Clock& clock,
                     Buffer& buffer, CommitterOptions options, Listener listener)
    : dir_(dir),
      path_(std::move(path)),
      queue_(queue),
      clock_(clock),
      buffer_(buffer),
      options_(options),
      listener_(std::move(listener)),
      clerk_(dir) {}

Committer::~Committer() {
  if (memory_ != nullptr) ::munmap(memory_, memory_bytes_);
}

bool Committer::pending() const noexcept {
  return buffer_.published(read_.load(std::memory_order_relaxed));
}

bool Committer::turn(bool drain) noexcept {
  io::Completion done[kSlots + kFlushes + 1];
  const std::size_t count = queue_.reap(done, std::size(done));
  for (std::size_t i = 0; i < count; ++i) complete(done[i]);
  bool busy = count != 0;
  busy |= take_errand();
  if (!failed()) {
    advance_written();
    busy |= resubmit_waiting();
    busy |= build_blocks();
    busy |= issue_flush();
    if (!drain) {
      // One errand at a time: first the one that records may be waiting for.
      if (spares_.empty()) busy |= make_spare();
      busy |= free_oldest();
      busy |= make_spare();
      busy |= beacon();
    }
  }
  queue_.wait(0);  // submits
  return busy;
}

Nanos Committer::idle_time(bool drain) noexcept {
  if (failed()) return kNever;
  const Nanos now = clock_.now_elapsed();
  Nanos until = kNever;
  if (!drain) {
    // A beacon comes behind all that is published, so not while some of that waits.
    if (beacon_owed_ && rests()) until = std::min(until, beacon_due_);
    const std::uint64_t wanted = free_wanted();
    // One that a backup holds: its owner asks again.
    const bool freeing = wanted != 0 && clerk_.idle() && !is_pinned(wanted);
    const bool later = starved() || maker_.retry_at > now;
    if (later && (spare_due() || freeing)) until = std::min(until, maker_.retry_at);
  }
  for (const Slot& slot : slots_) {
    if (slot.state == SlotState::waiting) until = std::min(until, slot.retry_at);
  }
  return until == kNever ? kNever : std::max<Nanos>(until - now, kMicro);
}

void Committer::complete(const io::Completion& completion) noexcept {
  const TagKind kind = kind_of(completion.tag);
  if (kind == TagKind::maker) {
    complete_make(completion.result);
    return;
  }
  --outstanding_;
  const auto part = static_cast<unsigned>(completion.tag & 0xff);
  if (kind == TagKind::slot) {
    complete_write(part, completion.result);
  } else {
    complete_flush(part, completion.result);
  }
}

// Of a write that is not whole. Short, EAGAIN, EINTR: the same bytes again. A full
// disk: again, later.
bool Committer::retryable(std::int64_t result) noexcept {
  return result >= 0 || result == -EAGAIN || result == -EINTR || is_full(static_cast<int>(-result));
}

void Committer::complete_write(unsigned index, std::int64_t result) noexcept {
  Slot& slot = slots_[index];
  WARDEN_ASSERT(slot.state == SlotState::writing);
  if (result == slot.length || (planted(Plant::short_write_is_whole) && result > 0) ||
      (planted(Plant::again_is_done) && result == -EAGAIN)) {
    slot.state = SlotState::written;
    if (starved() && spares_.size() >= options_.spares) set_starved("", 0);
    return;
  }
  const bool full = result < 0 && is_full(static_cast<int>(-result));
  if (failed() || !retryable(result) || (!full && ++slot.tries > kMaxTries)) {
    slot.state = SlotState::waiting;
    slot.retry_at = kNever;
    if (!failed()) fail("write a block", result >= 0 ? -EIO : result);
    return;
  }
  // Segments are written with zeros beforehand, so only a file system that moves
  // data on overwriting can be full here. Nothing is acknowledged meanwhile.
  if (full) set_starved("write a block", static_cast<int>(-result));
  counters_.resubmitted.fetch_add(1, std::memory_order_relaxed);
  slot.state = SlotState::waiting;
  slot.retry_at = full ? clock_.now_elapsed() + options_.starved_retry : 0;
}

bool Committer::resubmit_waiting() noexcept {
  bool any = false;
  for (unsigned i = 0; i < kSlots; ++i) {
    Slot& slot = slots_[i];
    if (slot.state != SlotState::waiting) continue;
    if (slot.retry_at != 0 && clock_.now_elapsed() < slot.retry_at) continue;
    submit_slot(i);
    any = true;
  }
  return any;
}

void Committer::submit_slot(unsigned index) noexcept {
  Slot& slot = slots_[index];
  slot.state = SlotState::writing;
  ++outstanding_;
  queue_.write(*current_.file, slot.data, slot.length, slot.offset, make_tag(TagKind::slot, index));
}

void Committer::advance_written() noexcept {
  while (written_sequence_ < next_sequence_) {
    Slot& slot = slots_[slot_at(written_sequence_)];
    if (slot.state != SlotState::written) return;
    slot.state = SlotState::free;
    written_end_ = slot.end;
    if (planted(Plant::ack_before_flush)) advance_durable(written_end_);
    ++written_sequence_;
  }
}

bool Committer::may_build() const noexcept {
  if (!slot_free()) return false;
  if (next_sequence_ - written_sequence_ < kSmallWrites) return true;
  return buffer_.tail() - read_.load(std::memory_order_relaxed) >= kWorthAWrite;
}

bool Committer::build_blocks() noexcept {
  bool any = false;
  blocked_ = false;
  while (pending()) {
    if (!may_build()) {
      blocked_ = true;
      break;
    }
    const Gathered what = gather(left());
    if (what.count == 0) {
      WARDEN_ASSERT(what.no_room);  // since a record is there
      if (!rotate()) {
        blocked_ = true;
        break;
      }
      any = true;
      continue;
    }
    build_block(what, 0);
    submit_slot(slot_at(next_sequence_ - 1));
    any = true;
  }
  return any;
}

bool Committer::issue_flush() noexcept {
  if (written_sequence_ == asked_sequence_) return false;
  // Of two that wait for the same page, either may be the one that is told of its loss.
  if (dir_.buffered() && (flushes_[0].active || flushes_[1].active)) return false;
  for (unsigned i = 0; i < kFlushes; ++i) {
    Flush& flush = flushes_[i];
    if (flush.active) continue;
    flush = {true, false, written_sequence_, written_end_};
    if (planted(Plant::flush_covers_unwritten)) {
      flush.end = slots_[slot_at(next_sequence_ - 1)].end;
    }
    asked_sequence_ = written_sequence_;
    ++outstanding_;
    queue_.flush(*current_.file, make_tag(TagKind::flush, i));
    return true;
  }
  return false;
}

void Committer::complete_flush(unsigned index, std::int64_t result) noexcept {
  Flush& flush = flushes_[index];
  WARDEN_ASSERT(flush.active && !flush.done);
  if (result != 0 && planted(Plant::flush_retried)) result = current_.file->sync_data();
  if (result != 0 && !planted(Plant::flush_error_ignored)) {
    if (!failed()) fail("flush a segment", result > 0 ? -EIO : result);
    return;
  }
  counters_.flushes.fetch_add(1, std::memory_order_relaxed);
  if (failed()) return;
  flush.done = true;
  // A kernel tells an error of writing to one flush only: what a younger one covers counts
  // once the older one is back, and well.
  const bool first_is_older = flushes_[0].sequence < flushes_[1].sequence;
  for (const unsigned i : {first_is_older ? 0U : 1U, first_is_older ? 1U : 0U}) {
    Flush& next = flushes_[i];
    if (!next.active) continue;
    if (!next.done) return;
    next.active = next.done = false;
    flushed_sequence_ = next.sequence;
    advance_durable(next.end);
  }
}

void Committer::advance_durable(std::uint64_t end) noexcept {
  if (end <= durable_.load(std::memory_order_relaxed)) return;
  durable_.store(end, std::memory_order_release);
  beacon_owed_ = true;
  beacon_due_ = clock_.now_elapsed() + options_.beacon_after;
  listener_.durable(static_cast<Lsn>(end));
}

// All that was published is in blocks, and all of these are flushed.
bool Committer::rests() const noexcept {
  return outstanding_ == 0 && flushed_sequence_ == next_sequence_ && !pending();
}

// An empty block that says how far the log was flushed, once the log has rested:
// it lets recovery tell a damaged last block from one that was never acknowledged.
bool Committer::beacon() noexcept {
  if (!beacon_owed_ || !rests()) return false;
  if (clock_.now_elapsed() < beacon_due_) return false;
  beacon_owed_ = false;
  if (planted(Plant::no_beacon)) return false;
  WARDEN_ASSERT(slot_free() && current_.offset + kBeaconPage <= current_.entry.size);
  build_block({}, kBlockBeacon);
  submit_slot(slot_at(next_sequence_ - 1));
  return true;
}

bool Committer::write_here(Slot& slot) noexcept {
  for (std::uint32_t tries = 0; tries <= kMaxTries; ++tries) {
    const std::int64_t result = current_.file->write(slot.data, slot.length, slot.offset);
    if (result == slot.length) return true;
    if (!retryable(result)) {
      fail("write a block", result);
      return false;
    }
    counters_.resubmitted.fetch_add(1, std::memory_order_relaxed);
  }
  // A full disk, most likely: turn() goes on with this block, and can wait.
  slot.state = SlotState::waiting;
  return false;
}

bool Committer::commit_inline() noexcept {
  if (failed() || outstanding_ != 0 || !current_.file) return false;
  if (written_sequence_ != next_sequence_) return false;
  // turn() asks for the flush of what it sees written, unless two are in flight.
  WARDEN_ASSERT(asked_sequence_ == next_sequence_);
  const Gathered what = gather(left());
  if (what.count == 0) return false;
  build_block(what, 0);
  Slot& slot = slots_[slot_at(next_sequence_ - 1)];
  if (!write_here(slot)) return false;
  slot.state = SlotState::written;
  advance_written();
  asked_sequence_ = written_sequence_;
  const int synced = current_.file->sync_data();
  if (synced != 0) {
    fail("flush a segment", synced);
    return false;
  }
  counters_.flushes.fetch_add(1, std::memory_order_relaxed);
  counters_.inline_commits.fetch_add(1, std::memory_order_relaxed);
  flushed_sequence_ = written_sequence_;
  advance_durable(written_end_);
  return true;
}

void Committer::fail(const char* what, std::int64_t result) noexcept {
  try {
    failure_ = io_error(path_, segment_name(current_.entry.number), what, result);
  } catch (const std::bad_alloc&) {
    failure_.code = Code::io;
  }
  failure_.code = Code::io;
  listener_.failing(failure_);
  failed_.store(true, std::memory_order_release);
  listener_.failed();
}

void Committer::set_starved(const char* what, int error) noexcept {
  if (error == 0 && planted(Plant::starved_for_ever)) return;
  const int before = starved_.load(std::memory_order_relaxed);  // written here alone
  const bool begins = error != 0 && (before == 0 || code_of_errno(before) != code_of_errno(error));
  const bool ends = before != 0 && error == 0;
  if (begins) listener_.starved(what, error);
  starved_.store(error, std::memory_order_release);
  if (ends) listener_.starved(what, error);
  if (begins || ends) listener_.room();
}

}  // namespace warden::log
