// SPDX-License-Identifier: Apache-2.0
//
// The consumers' side of the log. A consumer has a number, under which its record
// and its acks are written. An ack is not waited for: one that a crash cuts off
// only lets its alert come again.
//
// Order of locks: opening -> the hub's -> names. acked() and withdrawn() are
// called under the hub's lock; room for them is reserved before, or tried for.
#pragma once

#include <algorithm>
#include <map>
#include <mutex>
#include <string>

#include "alert/hub.hpp"
#include "engine/recorder.hpp"

namespace warden::engine {

class Consumers final : public alert::AckSink {
 public:
  explicit Consumers(Recorder& recorder) noexcept : recorder_(recorder) {}

  void acked(std::string_view consumer, std::span<const alert::Alert* const> alerts,
             bool gone) override;
  void withdrawn(std::string_view consumer, const alert::Alert& alert) override;

  // Opens by name; a new one is durable before the answer.
  Error open(alert::Hub& hub, std::string_view name, const alert::ConsumerOptions* options,
             alert::ConsumerRef& consumer);
  Code remove(alert::Hub& hub, std::string_view name);
  alert::Counted ack(alert::Hub& hub, alert::Consumer& consumer,
                     std::span<const std::uint64_t> leases);

  // Replay: a consumer that the log has.
  void restore(const std::string& name, std::uint64_t number);
  // Numbers up to this one were given out.
  void number_from(std::uint64_t last) noexcept { last_number_ = std::max(last_number_, last); }

  // 0 if there is none of that name.
  std::uint64_t number_of(std::string_view name) const noexcept;
  // While it lives none is opened or deleted, so the log and the hub agree on who there
  // is. Taken before the hub's lock.
  std::unique_lock<std::mutex> freeze() { return std::unique_lock(opening_); }

 private:
  Lsn write(Room& room, std::uint64_t number, std::string_view name, bool deleted,
            const alert::ConsumerOptions& options);

  Recorder& recorder_;
  std::mutex opening_;
  mutable std::mutex names_;
  std::map<std::string, std::uint64_t, std::less<>> numbers_;  // under names_
  std::uint64_t last_number_ = 0;                              // under opening_
};

}  // namespace warden::engine
