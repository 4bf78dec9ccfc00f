// SPDX-License-Identifier: Apache-2.0
//
// Numbers of incarnations: unique for ever, because their upper 20 bits are the
// epoch of the opening that gave them out.
//
//   63       44 43            16 15   10 9       0
//   +----------+----------------+-------+---------+
//   |  epoch   | count of lane  | lane  |  tries  |
//   +----------+----------------+-------+---------+
//
// A token is an incarnation plus the number of its try, hence the lowest bits. The
// lane is a share of all keys: six bits of the key's hash, the lowest ones of its
// stripe's number. So a record that names an incarnation and no key still tells
// whose it is, and lanes can be replayed side by side, each in its own order.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/types.hpp"

namespace warden::engine {

inline constexpr std::uint32_t kLanes = 64;

inline std::uint32_t lane_of(const Hash128& hash) noexcept {
  return static_cast<std::uint32_t>(hash.low) & (kLanes - 1);
}
inline std::uint32_t lane_of(std::uint64_t incarnation) noexcept {
  return static_cast<std::uint32_t>(incarnation >> 10) & (kLanes - 1);
}

// The next numbers of every lane. Any thread.
class Incarnations {
 public:
  void begin(std::uint64_t epoch) noexcept { epoch_ = epoch << 44; }

  // 0 once a lane has given out all of its 2^28 numbers of this opening (17 thousand
  // million of all lanes): none may repeat, so the store must be opened anew.
  std::uint64_t next(const Hash128& key) noexcept {
    const std::uint32_t lane = lane_of(key);
    // Relaxed: only unique. What a number stands for is published by its stripe.
    const std::uint64_t count = count_[lane].fetch_add(1, std::memory_order_relaxed) + 1;
    return count < kMostOfALane ? epoch_ + (count * kLanes + lane) * 1024 : 0;
  }

 private:
  static constexpr std::uint64_t kMostOfALane = std::uint64_t{1} << 28;

  std::uint64_t epoch_ = 0;  // set while opening, then constant
  std::atomic<std::uint64_t> count_[kLanes] = {};
};

}  // namespace warden::engine
