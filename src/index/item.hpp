// SPDX-License-Identifier: Apache-2.0
//
// The hot part of an item: one cache line. The rest lies in its blob.
//
// Everything but `stripe` is touched only under the lock of the item's stripe.
// `stripe` (stripe number + 1; 0: the slot is free) is stored under that lock and
// read without it by scans and the keeper, who want to know which lock to take:
// relaxed suffices, since they read it again under the lock before they believe it.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/blob.hpp"
#include "base/types.hpp"

namespace warden::index {

enum class State : std::uint8_t { none = 0, submitted = 1, live = 2, closed = 5 };
enum class Verdict : std::uint8_t { none = 0, done = 1, cancelled = 2, expired = 3 };

struct alignas(64) Item {
  std::atomic<std::uint32_t> stripe;
  std::uint16_t flow;   // number of the flow's version
  std::uint16_t stage;  // newest; flow::kNoStage before the first
  std::uint64_t incarnation;
  std::uint64_t seq;    // last one seen; 0 none
  Nanos at;             // latest instant of an event
  std::uint64_t timer;  // wheel::Handle of elapsed time; 0 none
  Lsn lsn;              // of the newest record
  Blob* blob;
  State state;
  std::uint8_t flags;
  std::uint16_t alerts;  // raised for this incarnation; stays at 65,535
  std::uint32_t tries;
};
static_assert(sizeof(Item) == 64);

// Item::flags
inline constexpr std::uint8_t kNeedsTimer = 1;  // memory was out when its timer was to be set
inline constexpr std::uint8_t kVolatile = 2;    // not in the log, gone at close

}  // namespace warden::index
