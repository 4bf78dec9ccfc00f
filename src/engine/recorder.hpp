// SPDX-License-Identifier: Apache-2.0
//
// The engine's side of the log: room before a stripe is locked, records under it,
// waiting after it. A store without a path has no log: every call is then a no-op
// and every position Lsn::none.
//
// Invariants
//   1. reserve() comes before any stripe is locked: it may wait for the disk.
//   2. append() comes under the stripe, after all that can fail and before the item
//      changes: so memory and log have one order for every item.
//   3. Nobody is told of a change whose position is not durable, unless asked for.
#pragma once

#include <memory>
#include <utility>

#include "engine/codec.hpp"
#include "engine/verbs.hpp"
#include "log/log.hpp"

namespace warden::engine {

// Room in the log, given back when it goes.
class Room {
 public:
  Room() = default;
  ~Room() { give_back(); }
  Room(const Room&) = delete;
  Room& operator=(const Room&) = delete;
  void give_back() noexcept {
    if (log_ != nullptr) log_->release(credit_);
    log_ = nullptr;
  }

 private:
  friend class Recorder;
  log::Log* log_ = nullptr;
  log::Credit credit_;
};

class Recorder {
 public:
  bool has_log() const noexcept { return log_ != nullptr; }
  log::Log& log() noexcept { return *log_; }
  void attach(std::unique_ptr<log::Log> log) noexcept { log_ = std::move(log); }

  // ok; no_space, io, outcome_unknown, store_closed, no_memory.
  Code reserve(std::size_t bytes, std::uint32_t records, log::ReserveFlags flags,
               Room& room) noexcept {
    if (log_ == nullptr) return Code::ok;
    const Code code = log_->reserve(bytes, records, flags, room.credit_);
    if (!is_error(code)) room.log_ = log_.get();
    return code;
  }

  Lsn append(Room& room, log::RecordType type, std::uint64_t incarnation,
             std::span<const std::byte> content) noexcept {
    if (room.log_ == nullptr) return Lsn::none;
    return log_->append(room.credit_, type, incarnation, content);
  }

  // Everything appended so far: for answers that report a state whose own position
  // is not remembered any more.
  Lsn last() const noexcept { return log_ == nullptr ? Lsn::none : log_->last_appended(); }

  Code wait(Lsn lsn, Nanos timeout) noexcept {
    if (log_ == nullptr || lsn == Lsn::none || log_->durable() >= lsn) return Code::ok;
    return log_->wait_durable(lsn, timeout);
  }
  // The same for a position that a caller names: of this opening or an earlier one,
  // which a crash may have cut off however far this one is durable.
  Code wait_named(Lsn lsn, Nanos timeout) noexcept {
    return log_ == nullptr ? Code::ok : log_->wait_durable(lsn, timeout);
  }

 private:
  std::unique_ptr<log::Log> log_;
};

}  // namespace warden::engine
