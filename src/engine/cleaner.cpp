// SPDX-License-Identifier: Apache-2.0
//
// The cleaner's thread and its pass over a segment; cleaner_copies.cpp has what it
// writes.
#include "engine/cleaner.hpp"

#include <algorithm>
#include <chrono>

#include "io/futex.hpp"
#include "io/quiet_thread.hpp"

namespace warden::engine {

using index::State;
using log::RecordType;

namespace {

// What an item, a tombstone and an alert take in the log at most, beside their key and
// payload: a guess, and only that. A round in vain corrects it.
constexpr std::uint64_t kItemBytes = 64;
constexpr std::uint64_t kStoneBytes = 40;
constexpr std::uint64_t kAlertBytes = 160;
constexpr std::uint64_t kAside = 256 * 1024;  // of what is left on a full disk
// Bytes of the oldest segment gone through for each that others append, a second
// without any, and at a time.
constexpr std::uint64_t kPace = 4;
constexpr std::uint64_t kIdlePace = 8'000'000;
constexpr std::uint64_t kPiece = 32 * 1024;
constexpr auto kLater = std::chrono::seconds(1);  // after want of memory or room

}  // namespace

Error Cleaner::start() {
  if (!freed_.begin(store_.recorder_.log().catalog())) {
    return Error{Code::corrupt, "the catalog of the log holds a record that cannot be"};
  }
  thread_ = io::quiet_thread("warden-cleaner", [this] { run(); });
  if (!thread_.joinable()) return Error{Code::no_memory, "cannot start the cleaner of the log"};
  store_.recorder_.log().on_segment([this] { wake(); });
  wake();
  return {};
}

void Cleaner::stop() noexcept {
  if (!thread_.joinable()) return;
  if (store_.usable() == Code::forked) {
    thread_.detach();  // the parent's, not there in the child
    return;
  }
  {
    std::lock_guard guard(mutex_);
    stop_.store(true, std::memory_order_relaxed);
  }
  moved_.notify_all();
  thread_.join();
}

void Cleaner::wake() noexcept {
  {
    std::lock_guard guard(mutex_);
    woken_ = true;
    log::Log& log = store_.recorder_.log();
    if (most_ != 0 && log.log_bytes() > most_) log.hold_up(true);
  }
  moved_.notify_all();
}

void Cleaner::hold_up_beyond(std::uint64_t bytes) noexcept {
  std::lock_guard guard(mutex_);
  most_ = bytes;
  log::Log& log = store_.recorder_.log();
  log.hold_up(log.log_bytes() > bytes);
}

void Cleaner::let_go(bool for_good) noexcept {
  std::lock_guard guard(mutex_);
  if (for_good) most_ = 0;
  store_.recorder_.log().hold_up(false);
}

Error Cleaner::failure() const {
  std::lock_guard guard(failure_lock_);
  return failure_;
}

void Cleaner::give_up(const Error& error) noexcept {
  ended_ = true;
  std::lock_guard guard(failure_lock_);
  try {
    failure_ = error;
  } catch (const std::bad_alloc&) {
    failure_.code = error.code;
  }
}

void Cleaner::run() noexcept {
  bool later = false;
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      const auto due = [&] { return woken_ || stop_.load(std::memory_order_relaxed); };
      if (later) {
        moved_.wait_for(lock, kLater, due);
      } else {
        moved_.wait(lock, due);
      }
      if (stop_.load(std::memory_order_relaxed)) break;
      woken_ = false;
    }
    later = false;
    while (!later && wanted()) {
      const Code code = clean_oldest();
      if (code == Code::ok) continue;
      later = code == Code::no_memory || code == Code::no_space;
      if (!later) break;
    }
    if (ended_) break;
    let_go(false);
    // On a full disk nothing wakes us when room can be made by what has died since.
    later = later || store_.recorder_.log().starved();
  }
  let_go(true);
}

// Whether the oldest segment is to go.
bool Cleaner::wanted() noexcept {
  if (stop_.load(std::memory_order_relaxed)) return false;
  log::Log& log = store_.recorder_.log();
  const log::Log::Oldest oldest = log.oldest();
  if (oldest.number == 0) return false;
  const Counters& counters = store_.counters_;
  const std::uint64_t live =
      counters.sum(Counters::blob_bytes) +
      kItemBytes * (counters.sum(Counters::live) + counters.sum(Counters::submitted)) +
      kStoneBytes * store_.index_->tombstones() + kAlertBytes * store_.hub_.figures().kept;
  const std::uint64_t bytes = log.log_bytes();
  const std::uint64_t due =
      log.starved() ? 0 : store_.config_.log_factor * live + 2 * store_.config_.segment_bytes;
  if (bytes <= due || log.starved()) bound_ = 0;
  hold_up_beyond(2 * (std::max(due, bound_) + store_.config_.segment_bytes));
  press_ = std::max(due, bound_) + 2 * store_.config_.segment_bytes;
  if (bytes <= std::max(due, bound_)) {
    round_end_ = Lsn::none;
    return false;
  }
  if (round_end_ != Lsn::none && oldest.begin < round_end_) return true;
  const bool in_vain = round_end_ != Lsn::none && round_copied_ > round_freed_ / 4 * 3;
  round_end_ = in_vain ? Lsn::none : log.last_appended();
  round_copied_ = round_freed_ = 0;
  if (in_vain) bound_ = bytes + store_.config_.segment_bytes;
  return !in_vain;
}

Code Cleaner::clean_oldest() {
  try {
    log::Log& log = store_.recorder_.log();
    const log::Log::Oldest oldest = log.oldest();
    if (oldest.number == 0) return Code::ok;
    measuring_ = false;
    fits_ = log.starved();
    Error error = fits_ ? measure(oldest) : Error{};
    if (!error) error = move_oldest(oldest);
    if (!error) {
      log::Catalog catalog = next_.catalog();
      const Lsn all = log.last_appended();
      // By turns, so that a stop is not waited for by a stalled disk. Once it was asked
      // for there is no way back: freed_ must say what the manifest does.
      do {
        error.code = log.free_oldest(oldest.number, all, std::move(catalog), 100 * kMilli);
      } while (error.code == Code::timeout && !stop_.load(std::memory_order_relaxed));
    }
    if (!error) {
      round_freed_ += oldest.bytes;
      std::swap(freed_, next_);
    } else if (error.code != Code::no_memory && error.code != Code::no_space &&
               error.code != Code::store_closed && error.code != Code::timeout) {
      give_up(error);
    }
    return error.code;
  } catch (const std::bad_alloc&) {
    return Code::no_memory;
  }
}

bool Cleaner::pressed() noexcept {
  log::Log& log = store_.recorder_.log();
  return log.starved() || log.log_bytes() > press_ || stop_.load(std::memory_order_relaxed);
}

// Before another record of that size. Nothing is locked.
void Cleaner::keep_pace(std::size_t bytes) noexcept {
  pass_read_ += bytes + log::kRecordHeadBytes;
  if (measuring_) return;
  while (pass_read_ > pass_allowed_ && !pressed()) {
    const std::uint64_t copied = round_copied_ - pass_copied_;
    const std::uint64_t appended = raw(store_.recorder_.log().last_appended()) - raw(pass_from_);
    const auto waited = static_cast<std::uint64_t>(io::monotonic_now() - pass_begun_);
    const std::uint64_t due =
        kPace * (appended - std::min(appended, copied)) + waited / 1000 * kIdlePace / 1'000'000;
    if (due >= pass_read_ + kPiece) {
      pass_allowed_ = due;
      return;
    }
    std::unique_lock lock(mutex_);
    moved_.wait_for(lock, std::chrono::milliseconds(1),
                    [&] { return stop_.load(std::memory_order_relaxed); });
  }
}

// Blocks are padded: what was read is what counts, not the records alone.
void Cleaner::progress(std::uint64_t done, std::uint64_t) {
  pass_read_ = done;
}

Error Cleaner::move_oldest(const log::Log::Oldest& oldest) {
  next_ = freed_;
  pass_from_ = store_.recorder_.log().last_appended();
  pass_begun_ = io::monotonic_now();
  pass_copied_ = round_copied_;
  pass_read_ = pass_allowed_ = 0;
  for (Writer& one : stones_) one.clear();
  Error error = store_.recorder_.log().read_oldest(oldest.number, *this);
  for (std::uint32_t lane = 0; !error && lane < kLanes; ++lane) error = flush_stones(lane);
  return error;
}

// no_space if the copies would not fit. They are padded, and others write meanwhile.
Error Cleaner::measure(const log::Log::Oldest& oldest) {
  measured_ = 0;
  struct Measuring {
    explicit Measuring(bool& flag) noexcept : is_on(flag) { is_on = true; }
    ~Measuring() { is_on = false; }
    bool& is_on;
  };
  Error error;
  {
    const Measuring measuring(measuring_);
    error = move_oldest(oldest);
  }
  const bool fits = measured_ + measured_ / 8 + kAside <= store_.recorder_.log().cleaner_room();
  return error || fits ? error : Error{Code::no_space, {}};
}

Error Cleaner::reserve(std::size_t bytes, std::uint32_t records, Room& room) {
  log::Log& log = store_.recorder_.log();
  if (measuring_) return {};
  for (;;) {
    if (stop_.load(std::memory_order_relaxed)) return Error{Code::store_closed, {}};
    const Code code = store_.recorder_.reserve(bytes, records, log::ReserveFlags::cleaner, room);
    if (code == Code::ok) return {};
    if (code != Code::would_block) return Error{code, "the log takes no copy"};
    // What is ours in the buffer comes back when it is in a block.
    log.wait_durable(log.last_appended(), 20 * kMilli);
    // It may be another segment that is waited for: not in a circle.
    std::unique_lock lock(mutex_);
    moved_.wait_for(lock, std::chrono::milliseconds(1),
                    [&] { return stop_.load(std::memory_order_relaxed); });
  }
}

Error Cleaner::apply(Lsn, RecordType type, std::uint64_t incarnation,
                     std::span<const std::byte> content) {
  keep_pace(content.size());
  if (stop_.load(std::memory_order_relaxed)) return Error{Code::store_closed, {}};
  // Full since it began: the last of the room is for what fits, which is measured first.
  if (!fits_ && store_.recorder_.log().starved()) return Error{Code::no_space, {}};
  switch (type) {
    case RecordType::body:
    case RecordType::item:
    case RecordType::past:
      return keyed(type, incarnation, content);
    case RecordType::state:
      return state(content, incarnation);
    case RecordType::stones:
      return stones(content);
    default:
      if (next_.add(type, incarnation, content)) return {};
      return Error{Code::corrupt, "a record of the oldest segment cannot be"};
  }
}

Error Cleaner::keyed(RecordType type, std::uint64_t incarnation,
                     std::span<const std::byte> content) {
  Reader in(content);
  Keyed of;
  of.incarnation = incarnation;
  const std::uint64_t number = in.varint();
  const FlowVersion* flow = store_.flows_->find_version(number);
  if (type != RecordType::past) in.word();  // created: the item knows
  of.key = in.text();
  of.payload = in.text();
  if (flow == nullptr || in.failed()) {
    return Error{Code::corrupt, "an item of the oldest segment cannot be"};
  }
  of.flow = &store_.flows_->version(static_cast<std::uint16_t>(number));
  of.hash = store_.hash_of(*flow->name, of.key);
  if (type == RecordType::body) {
    const auto flow_of = [&](std::uint64_t n) { return store_.flows_->find_version(n); };
    if (!decode_state(in, flow_of, record_)) {
      return Error{Code::corrupt, "the state of an item of the oldest segment cannot be"};
    }
    next_.totals().count(record_, true);
  }
  bool done = false;
  if (Error error = copy_plain(of, done); error || done) return error;
  return copy_with_alerts(of);
}

Error Cleaner::state(std::span<const std::byte> content, std::uint64_t incarnation) {
  Reader in(content);
  const auto flow_of = [&](std::uint64_t n) { return store_.flows_->find_version(n); };
  if (!decode_state(in, flow_of, record_)) {
    return Error{Code::corrupt, "a state of the oldest segment cannot be"};
  }
  next_.totals().count(record_, false);
  if (record_.state != State::closed) return {};
  return keep_stone(record_.key, incarnation, record_.early);
}

Error Cleaner::stones(std::span<const std::byte> content) {
  Reader in(content);
  while (!in.at_end()) {
    const Hash128 key = in.hash();
    const std::uint64_t incarnation = in.word();
    in.varint();  // when it is over: the tombstone knows
    const bool early = (in.byte() >> 4) != 0;
    if (in.failed()) return Error{Code::corrupt, "a tombstone of the oldest segment cannot be"};
    if (Error error = keep_stone(key, incarnation, early)) return error;
  }
  return {};
}

}  // namespace warden::engine
