// SPDX-License-Identifier: Apache-2.0
//
// What the demo's worker process tells its parent through a pipe: notes of one size,
// written whole (a pipe takes up to 4,096 bytes at once or not at all), so that a
// SIGKILL leaves no half of one.
//
// Invariant: a call's `begin` is in the pipe before the call is made, its `done` only
// once its record is durable. What has a `done` must never be lost.
#pragma once

#include <cstdint>

#include "cli/demo_oracle.hpp"

namespace warden::cli {

enum class NoteKind : std::uint32_t {
  begin = 1,  // a call is about to be made; a: now
  done,       // it is durable; a, b: before and after the call; c: when it was durable
  alert,      // step: rule, stage: the item's; a: taken; b: since the deadline; id
  present,    // an open item that the store holds; step: the last one it has passed
  scan_end,   // those were all
  wrong,      // a call was answered otherwise than it had to be; a: the code
  figures,    // a: commits, b: log bytes, c: records recovered, of this opening
  fed,        // nothing more will be called
};

// Steps of an item: 0 is being tracked, 1 + s passing stage s.
inline constexpr std::uint32_t kSteps = 1 + kStages;

struct Note {
  NoteKind kind{};
  std::uint32_t feeder = 0;
  std::uint32_t item = 0;
  std::uint32_t step = 0;
  std::uint32_t stage = 0;
  std::uint32_t known = 0;
  std::int64_t a = 0;
  std::int64_t b = 0;
  std::int64_t c = 0;
  std::uint64_t id[2] = {0, 0};
};
static_assert(sizeof(Note) == 64);
inline constexpr std::size_t kNotesAWrite = 4096 / sizeof(Note);

// Which items are dropped, and where, follows from the seed alone: a worker that was
// restarted knows it as well as the parent. kCompletes, or a stage 0 to 2.
inline std::uint8_t stop_of(std::uint64_t seed, std::uint32_t feeder, std::uint32_t item,
                            double share) {
  std::uint64_t x = seed ^ (std::uint64_t{feeder} << 40) ^ item;
  const auto next = [&x] {  // splitmix64
    x += 0x9E3779B97F4A7C15U;
    std::uint64_t z = x;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
    return z ^ (z >> 31);
  };
  if (static_cast<double>(next() >> 11) * 0x1p-53 >= share) return kCompletes;
  return static_cast<std::uint8_t>(next() % (kStages - 1));
}

}  // namespace warden::cli
