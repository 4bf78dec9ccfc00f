// SPDX-License-Identifier: Apache-2.0
//
// Appending and waiting; opening and closing stand in open.cpp.
#include "log/log.hpp"

#include <algorithm>
#include <cerrno>

#include "base/assert.hpp"
#include "io/fork.hpp"
#include "log/errors.hpp"
#include "log/planted.hpp"

namespace warden::log {

bool Log::forked() const noexcept {
  return generation_ != io::fork_generation();
}

// ------------------------------------------------------------------ appending
// would_block: the next segment is still being made, and what is left of this one may
// turn out to be all there is. Admitted beyond that, records would wait for room for as
// long as the disk is full, and closings behind them.
// `taken`: with these bytes among them, if they are taken already.
Code Log::refuse(ReserveFlags flags, std::size_t want, const std::uint64_t* taken) const noexcept {
  if (committer_->failed()) return Code::io;
  if (closing_.load(std::memory_order_acquire)) return Code::store_closed;
  const int missing = committer_->starved_by();
  const bool starved = missing != 0;
  if (starved && planted(Plant::full_disk_refuses_none)) return Code::ok;
  if (!starved && committer_->spare_ready()) return Code::ok;
  const bool cleaner = has(flags, ReserveFlags::cleaner);
  const bool closing = has(flags, ReserveFlags::closing);
  const Code scarce = code_of_errno(missing);  // no_space; no_memory, of descriptors too
  if (starved && !cleaner && !closing) return scarce;
  // What has been reserved must find room too, in blocks that are padded. The last of it
  // is the cleaner's, since it alone can make room: on a full disk it copies nothing
  // before it has seen that all of the oldest segment's copies fit (engine/cleaner.hpp).
  const std::uint64_t margins = cleaner ? 1 : closing ? 2 : 4;
  const std::uint64_t held = taken != nullptr ? *taken : buffer_.taken() + want;
  // After what is held: blocks take their room before they free what is in them.
  if (committer_->room() >= held + margins * committer_->margin()) return Code::ok;
  return starved ? scarce : Code::would_block;
}

bool Log::must_wait(ReserveFlags flags) const noexcept {
  return held_up_.load(std::memory_order_seq_cst) && !has(flags, ReserveFlags::closing) &&
         !has(flags, ReserveFlags::cleaner);
}

void Log::hold_up(bool on) noexcept {
  if (held_up_.exchange(on, std::memory_order_seq_cst) && !on) buffer_.wake_takers();
}

Code Log::reserve(std::size_t content_bytes, std::uint32_t records, ReserveFlags flags,
                  Credit& out) noexcept {
  out = {};
  if (forked()) return Code::forked;
  if (!committer_) return Code::read_only;
  const std::size_t want =
      content_bytes + std::size_t{records} * (kRecordHeadBytes + kRecordAlign - 1);
  const Pool pool = has(flags, ReserveFlags::cleaner) ? Pool::cleaner : Pool::callers;
  if (want > buffer_.share(pool)) return Code::too_large;
  for (;;) {
    Code refused = refuse(flags, want);
    const auto fits = [&](std::uint64_t taken) {
      refused = refuse(flags, want, &taken);
      return refused == Code::ok;
    };
    const bool held_up = must_wait(flags);
    if (refused == Code::ok && !held_up && buffer_.take_if(pool, want, fits)) break;
    const bool for_room = refused == Code::would_block;
    if (refused != Code::ok && !for_room) return refused;
    if (has(flags, ReserveFlags::nowait) || pool == Pool::cleaner) return Code::would_block;
    // Records may lie here whose callers have left the waking to a wait to come.
    wake_scribe();
    if (options_.manual) {
      if (!for_room) return Code::would_block;
      if (!pump()) queue_->wait(committer_->idle_time());
      continue;
    }
    const auto changed = [&] { return refuse(flags, want) != refused; };
    if (for_room) {
      buffer_.wait_word(changed);
    } else if (held_up) {
      buffer_.wait_word([&] { return !must_wait(flags) || changed(); });
    } else {
      buffer_.wait_credit(pool, want, changed);
    }
  }
  out = {want, flags};
  return Code::ok;
}

void Log::release(Credit& credit) noexcept {
  if (!forked() && committer_) {
    const bool cleaner = has(credit.flags, ReserveFlags::cleaner);
    buffer_.give_back(cleaner ? Pool::cleaner : Pool::callers, credit.bytes);
  }
  credit = {};
}

Claim Log::claim(Credit& credit, std::size_t content) noexcept {
  WARDEN_ASSERT(content <= max_content_);
  const std::uint32_t size = record_bytes(static_cast<std::uint32_t>(content));
  WARDEN_ASSERT(size <= credit.bytes);
  credit.bytes -= size;
  const std::uint64_t position = buffer_.claim(size);
  WARDEN_ASSERT(position + size <= kMaxPosition);
  return {position, static_cast<std::uint32_t>(content), make_lsn(epoch_, position + size),
          credit.flags};
}

void Log::fill(const Claim& claim, RecordType type, std::uint64_t incarnation,
               std::span<const Part> parts) noexcept {
  const std::uint64_t begin = claim.position + kRecordHeadBytes;
  std::uint64_t at = begin;
  for (const Part& part : parts) {
    WARDEN_ASSERT(at + part.size() <= begin + claim.content);
    buffer_.copy_in(at, part.data(), part.size());
    at += part.size();
  }
  WARDEN_ASSERT(at == begin + claim.content);
  std::uint64_t hash = 0;
  if (const std::byte* whole = buffer_.contiguous(begin, claim.content)) {
    hash = content_hash(whole, claim.content);
  } else {  // it wraps around the ring's end
    XXH3_state_t state;
    XXH3_64bits_reset(&state);
    for (const Part& part : parts) XXH3_64bits_update(&state, part.data(), part.size());
    hash = XXH3_64bits_digest(&state);
  }
  const std::uint32_t moved =
      has(claim.flags, ReserveFlags::cleaner) ? kRecordFlagMoved : std::uint32_t{0};
  const std::uint32_t word = make_word(type, moved, claim.content);
  const std::uint64_t sum = record_sum(word, incarnation, claim.lsn, hash);
  RecordHead head;
  head.word = word;
  head.incarnation_low = static_cast<std::uint32_t>(incarnation);
  head.incarnation_high = static_cast<std::uint32_t>(incarnation >> 32);
  head.sum_low = static_cast<std::uint32_t>(sum);
  head.sum_high = static_cast<std::uint32_t>(sum >> 32);
  buffer_.publish(claim.position, head);
  if (!has(claim.flags, ReserveFlags::will_wait)) wake_scribe();
}

void Log::publish(const Claim& claim, RecordType type, std::uint64_t incarnation,
                  std::span<const Part> parts) noexcept {
  fill(claim, type, incarnation, parts);
}

void Log::abandon(const Claim& claim) noexcept {
  // The bytes that are there, zeros or some of the content, become the padding's.
  const std::uint64_t begin = claim.position + kRecordHeadBytes;
  constexpr std::byte kZeros[256] = {};
  for (std::uint32_t done = 0; done < claim.content; done += sizeof kZeros) {
    buffer_.copy_in(begin + done, kZeros,
                    std::min<std::size_t>(sizeof kZeros, claim.content - done));
  }
  XXH3_state_t state;
  XXH3_64bits_reset(&state);
  for (std::uint32_t done = 0; done < claim.content; done += sizeof kZeros) {
    XXH3_64bits_update(&state, kZeros, std::min<std::size_t>(sizeof kZeros, claim.content - done));
  }
  const std::uint32_t moved =
      has(claim.flags, ReserveFlags::cleaner) ? kRecordFlagMoved : std::uint32_t{0};
  const std::uint32_t word = make_word(RecordType::pad, moved, claim.content);
  const std::uint64_t sum = record_sum(word, 0, claim.lsn, XXH3_64bits_digest(&state));
  RecordHead head;
  head.word = word;
  head.sum_low = static_cast<std::uint32_t>(sum);
  head.sum_high = static_cast<std::uint32_t>(sum >> 32);
  buffer_.publish(claim.position, head);
  wake_scribe();
}

Lsn Log::append(Credit& credit, RecordType type, std::uint64_t incarnation,
                std::span<const Part> parts) noexcept {
  std::size_t content = 0;
  for (const Part& part : parts) content += part.size();
  const Claim place = claim(credit, content);
  fill(place, type, incarnation, parts);
  return place.lsn;
}

// ----------------------------------------------------------------- durability
Lsn Log::last_appended() const noexcept {
  return committer_ ? make_lsn(epoch_, buffer_.tail()) : recovered_end_;
}

Lsn Log::durable() const noexcept {
  return committer_ ? committer_->durable() : recovered_end_;
}

Code Log::state_of_earlier(Lsn lsn) const noexcept {
  if (planted(Plant::cut_answers_ok)) return Code::ok;
  for (const EpochEnd& end : ends_) {
    if (end.epoch == epoch_of(lsn)) return raw(lsn) <= end.end ? Code::ok : Code::lost;
  }
  return Code::lost;  // of an epoch too long ago to be known
}

// timeout stands for "not yet".
Code Log::state_of(Lsn lsn) const noexcept {
  if (committer_->durable() >= lsn) return Code::ok;
  if (committer_->failed()) return Code::outcome_unknown;
  if (stopped_.load(std::memory_order_acquire)) return Code::store_closed;
  return Code::timeout;
}

Code Log::wait_durable(Lsn lsn, Nanos timeout) noexcept {
  if (forked()) return Code::forked;
  if (lsn == Lsn::none) return Code::ok;
  if (epoch_of(lsn) < epoch_) return state_of_earlier(lsn);
  if (!committer_) return lsn <= recovered_end_ ? Code::ok : Code::timeout;
  if (lsn > last_appended()) return Code::out_of_range;
  Code state = state_of(lsn);
  if (state != Code::timeout || timeout == 0) {
    if (state == Code::timeout) wake_scribe();
    return state;
  }
  const Nanos begun = io::monotonic_now();
  const Nanos until = timeout < 0 ? kNever : add_sat(begun, timeout);
  waiters_.fetch_add(1, std::memory_order_seq_cst);
  for (;;) {
    // The word first: an advance after this load makes the sleep below return.
    const std::uint32_t seen = moved_.load(std::memory_order_seq_cst);
    state = state_of(lsn);
    if (state != Code::timeout) break;
    if (lead(lsn)) continue;
    wake_scribe();
    const Nanos left = until == kNever ? kNever : until - io::monotonic_now();
    if (left <= 0) break;
    io::futex_wait(moved_, seen, left);
  }
  waiters_.fetch_sub(1, std::memory_order_relaxed);
  if (state == Code::ok) acks_.add(io::monotonic_now() - begun);
  return state;
}

// Commits here and now if the log is idle and nobody else waits: one thread's wake-up
// and hand-over less. True if something was committed, or a manual log moved on.
bool Log::lead(Lsn) noexcept {
  if (options_.manual) {
    if (!pump()) queue_->wait(committer_->idle_time());
    return true;
  }
  if (!options_.inline_commit || waiters_.load(std::memory_order_relaxed) != 1) return false;
  if (!role_.try_lock()) return false;
  const bool done = committer_->commit_inline();
  // The scribe has to arm its timer for the beacon, once in a busy period, or to go
  // on with the next segment.
  const bool scribe_due = done && (!timed_ || committer_->spare_due());
  role_.unlock();
  if (scribe_due) wake_scribe();
  return done;
}

void Log::durable_moved(Lsn lsn) noexcept {
  moved_.fetch_add(1, std::memory_order_seq_cst);
  // seq_cst pairs with the count in wait_durable: either this sees the waiter, or the
  // waiter's load of the word sees the change.
  if (waiters_.load(std::memory_order_seq_cst) != 0) io::futex_wake(moved_);
  if (on_durable_) on_durable_(lsn);
}

void Log::on_durable(std::function<void(Lsn)> callback) {
  const std::lock_guard lock(role_);
  on_durable_ = std::move(callback);
}

void Log::on_segment(std::function<void()> callback) {
  const std::lock_guard lock(role_);
  on_segment_ = std::move(callback);
}

void Log::on_failure(std::function<void()> callback) {
  const std::lock_guard lock(role_);
  on_failure_ = std::move(callback);
}

void Log::on_trouble(std::function<void(const Error&)> callback) {
  const std::lock_guard lock(role_);
  on_trouble_ = std::move(callback);
}

// Under the role. Without memory for a text there is none.
void Log::tell_of_room(const char* what, int error) noexcept {
  if (!on_trouble_) return;
  const Code code = error == 0 ? Code::ok : code_of_errno(error);
  try {
    std::string text = path_ + ": there is room again";
    if (error != 0) text = no_room_text(path_, what, error);
    on_trouble_(make_error(code, std::move(text)));
  } catch (const std::bad_alloc&) {
    on_trouble_(Error{code, {}, 0, 0, 0});
  }
}

std::string Log::why(Code code) const {
  if (committer_ && committer_->failed()) return committer_->failure().message;
  if (!committer_ || (code != Code::no_space && code != Code::no_memory)) {
    return path_ + ": the log takes no more records";
  }
  const int error = committer_->starved_by();  // 0: there is room again by now
  if (error == 0 && code == Code::no_memory) return path_ + ": out of memory";
  return no_room_text(path_, "make the log's next file", error == 0 ? ENOSPC : error);
}

// --------------------------------------------------------------------- scribe
void Log::wake_scribe() noexcept {
  doorbell_.ring([this] { queue_->wake(); });
}

// Under role_ if a block or flush is in flight, else without it. Looks whether the scribe
// may sleep, and for how long.
bool Log::has_work(bool committing, Nanos& limit) noexcept {
  bool more = false;
  {
    // Under the role too: who commits inline zeroes what it has taken, and what it has
    // not taken must be seen here, since its publisher may have found us awake. What it
    // leaves us to do, the beacon or a block on a full disk, it left before, and is in
    // `limit`, or leaves after, and wakes us.
    std::unique_lock<std::mutex> lock(role_, std::defer_lock);
    if (!committing) lock.lock();
    more = committer_->pending() && !committer_->blocked() && !committer_->failed();
    limit = committer_->idle_time(stop_.load(std::memory_order_acquire));
    timed_ = limit != kNever;
  }
  more |= committer_->errand_done();  // its clerk, too, may have found us awake
  return more || (!committing && stop_.load(std::memory_order_seq_cst));
}

void Log::sleep(bool committing) noexcept {
  Nanos limit = 0;
  doorbell_.sleep([&] { return has_work(committing, limit); }, [&] { queue_->wait(limit); });
}

void Log::scribe() noexcept {
  const int attached = queue_->attach();
  attached_.store(attached, std::memory_order_release);
  attached_.notify_one();
  if (attached < 0) return;
  for (;;) {
    bool stopping = false;
    role_.lock();
    // Holds the role as long as a block or flush is in flight.
    for (;;) {
      stopping = stop_.load(std::memory_order_acquire);
      if (committer_->turn(stopping)) continue;
      if (!committer_->committing() && !(stopping && committer_->in_flight())) break;
      sleep(true);
    }
    role_.unlock();
    if (stopping) return;
    sleep(false);
  }
}

bool Log::pump(bool drain) noexcept {
  const std::lock_guard lock(role_);
  return committer_->turn(drain);
}

LogStats Log::stats() const {
  LogStats out;
  out.recovery = report_;
  out.epoch = epoch_;
  if (!committer_) return out;
  const auto& counters = committer_->counters();
  constexpr auto relaxed = std::memory_order_relaxed;
  out.backend = queue_->name();
  out.note = note_;
  out.blocks = counters.blocks.load(relaxed);
  out.records = counters.records.load(relaxed);
  out.bytes = counters.bytes.load(relaxed);
  out.flushes = counters.flushes.load(relaxed);
  out.inline_commits = counters.inline_commits.load(relaxed);
  out.resubmitted = counters.resubmitted.load(relaxed);
  out.segments = counters.segments.load(relaxed);
  out.freed = counters.freed.load(relaxed);
  out.recycled = counters.recycled.load(relaxed);
  out.log_bytes = committer_->log_bytes();
  out.room = committer_->room();
  out.starved = committer_->starved();
  out.acks = acks_.total();
  out.ack_p50 = acks_.quantile(0.5);
  out.ack_p99 = acks_.quantile(0.99);
  out.ack_max_bucket = acks_.quantile(1.0);
  if (committer_->failed()) out.failure = committer_->failure();
  return out;
}

}  // namespace warden::log
