// SPDX-License-Identifier: Apache-2.0
//
// The log's side of cleaning: what the oldest segment holds, and freeing it once what
// lives in it was appended again. Who decides that is engine/cleaner.hpp.
#include <algorithm>
#include <new>

#include "log/log.hpp"
#include "log/planted.hpp"

namespace warden::log {

Log::Oldest Log::oldest() const {
  if (!committer_ || forked()) return {};
  const SegmentEntry entry = committer_->oldest();
  return {entry.number, entry.offset, static_cast<Lsn>(entry.base), static_cast<Lsn>(entry.end)};
}

Error Log::read_oldest(std::uint64_t number, ReplaySink& sink) {
  if (forked()) return Error{Code::forked, {}, 0, 0, 0};
  const SegmentEntry entry = committer_ ? committer_->oldest() : SegmentEntry{};
  if (entry.number == 0 || entry.number != number) {
    return Error{Code::invalid_argument, "not the oldest segment", 0, 0, 0};
  }
  try {
    return read_segment(*dir_, path_, uuid_, entry, sink);
  } catch (const std::bad_alloc&) {
    return Error{Code::no_memory, "out of memory", 0, 0, 0};
  }
}

std::uint64_t Log::cleaner_room() const noexcept {
  if (!committer_) return 0;
  const std::uint64_t kept = buffer_.taken() + committer_->margin();
  const std::uint64_t room = committer_->room();
  return room > kept ? room - kept : 0;
}

// Another block, behind everything that is durable by now: it says so. Who reads beside
// us believes no more than blocks say, and must find the copies of what is freed.
Code Log::prove(Nanos until) noexcept {
  Credit credit;
  for (;;) {
    const std::uint32_t seen = moved_.load(std::memory_order_seq_cst);
    const Code code = reserve(0, 1, ReserveFlags::cleaner, credit);
    if (code == Code::ok) break;
    if (code != Code::would_block) return code;
    // The next segment is being made.
    if (io::monotonic_now() >= until) return Code::timeout;
    wake_scribe();
    if (!options_.manual) {
      io::futex_wait(moved_, seen, kMilli);
    } else if (!pump()) {
      queue_->wait(committer_->idle_time());
    }
  }
  const Claim place = claim(credit, 0);
  abandon(place);
  release(credit);
  return wait_durable(place.lsn,
                      until == kNever ? -1 : std::max<Nanos>(until - io::monotonic_now(), 0));
}

Code Log::free_oldest(std::uint64_t number, Lsn moved, Catalog&& catalog, Nanos timeout) noexcept {
  if (forked()) return Code::forked;
  if (!committer_) return Code::read_only;
  if (number == 0) return Code::invalid_argument;
  // What was asked for once is only waited for: it may happen at any time, and what this
  // call would do before would be too late.
  const bool asked = committer_->free_wanted() == number;
  if (committer_->freed() >= number) return Code::ok;
  if (!asked && committer_->oldest().number != number) return Code::invalid_argument;
  const Nanos begun = io::monotonic_now();
  const Nanos until = timeout < 0 ? kNever : add_sat(begun, timeout);
  if (!asked && !planted(Plant::free_before_durable)) {
    if (const Code code = wait_durable(moved, timeout); code != Code::ok) return code;
    if (const Code code = prove(until); code != Code::ok) return code;
  }
  if (!asked) committer_->request_free(number, std::move(catalog));
  waiters_.fetch_add(1, std::memory_order_seq_cst);
  Code code = Code::timeout;
  for (;;) {
    const std::uint32_t seen = moved_.load(std::memory_order_seq_cst);
    if (committer_->freed() >= number) code = Code::ok;
    if (code == Code::ok) break;
    if (committer_->failed()) code = Code::io;
    if (stopped_.load(std::memory_order_acquire)) code = Code::store_closed;
    if (code != Code::timeout) break;
    if (options_.manual) {
      if (committer_->is_pinned(number)) break;  // by this very thread's backup
      if (!pump()) queue_->wait(committer_->idle_time());
      continue;
    }
    // The scribe may just be going to sleep, and looks for records only before that:
    // so ask again every now and then.
    wake_scribe();
    const Nanos left = until == kNever ? kNever : until - io::monotonic_now();
    if (left <= 0) break;
    io::futex_wait(moved_, seen, std::min(left, 10 * kMilli));
  }
  waiters_.fetch_sub(1, std::memory_order_relaxed);
  return code;
}

}  // namespace warden::log
