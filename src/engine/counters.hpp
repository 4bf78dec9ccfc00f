// SPDX-License-Identifier: Apache-2.0
//
// Figures that every verb adds to. Spread over lines of their own by thread, so
// that callers do not share a cache line; read by adding up. Relaxed throughout:
// a figure orders nothing. A gauge is a difference and may wrap in one shard; the
// sum of all is right.
#pragma once

#include <atomic>
#include <cstdint>

namespace warden::engine {

class Counters {
 public:
  enum Name : std::uint8_t {
    submitted_total,
    submitted,
    live,
    done,
    cancelled,
    expired,
    early,
    events,
    already,
    alerts_raised,
    blob_bytes,
    kCount,
  };

  void add(Name name, std::uint64_t delta = 1) noexcept {
    shards_[shard()].values[name].fetch_add(delta, std::memory_order_relaxed);
  }
  void sub(Name name, std::uint64_t delta = 1) noexcept { add(name, ~delta + 1); }
  // While nobody adds.
  void clear() noexcept {
    for (Shard& one : shards_) {
      for (auto& value : one.values) value.store(0, std::memory_order_relaxed);
    }
  }
  std::uint64_t sum(Name name) const noexcept {
    std::uint64_t total = 0;
    for (const Shard& one : shards_) total += one.values[name].load(std::memory_order_relaxed);
    return total;
  }

 private:
  static constexpr std::size_t kShards = 16;
  struct alignas(128) Shard {
    std::atomic<std::uint64_t> values[kCount]{};
  };

  static std::size_t shard() noexcept {
    static std::atomic<std::size_t> threads{0};
    thread_local const std::size_t mine = threads.fetch_add(1, std::memory_order_relaxed) % kShards;
    return mine;
  }

  Shard shards_[kShards];
};

}  // namespace warden::engine
