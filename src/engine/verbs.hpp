// SPDX-License-Identifier: Apache-2.0
//
// What goes into a verb and what comes out, in C++ types; the C ABI maps its
// structs onto these one to one.
#pragma once

#include <span>
#include <string_view>

#include "base/code.hpp"
#include "base/types.hpp"
#include "index/item.hpp"

namespace warden::engine {

enum class Durability : std::uint8_t { by_default = 0, durable = 1, buffered = 2, in_memory = 3 };

inline constexpr std::size_t kMaxKeyBytes = 512;

struct Target {
  std::string_view flow;
  std::string_view key;
};

struct Due {
  std::string_view rule;
  Nanos instant = 0;
};

// Dues come from arrays of two shapes (the C struct of one call, the blob of a
// batch); the verb reads them through this.
struct Dues {
  std::size_t count = 0;
  const void* source = nullptr;
  Due (*get)(const void* source, std::size_t i) = nullptr;
  Due operator[](std::size_t i) const { return get(source, i); }
};

struct Options {
  Durability durability = Durability::by_default;
  std::uint64_t incarnation = 0;
  std::uint64_t token = 0;
  std::uint64_t seq = 0;
  Nanos at = kNoTime;
  Nanos ttl = 0;
  Dues dues;
  bool allow_early = false;
};

struct Result {
  Durability durability = Durability::in_memory;
  Lsn lsn = Lsn::none;
  std::uint64_t incarnation = 0;
  std::uint64_t token = 0;
  index::State state = index::State::none;
  index::Verdict verdict = index::Verdict::none;
  std::uint32_t alerts = 0;
  std::uint32_t tries = 0;
  Nanos deadline = kNoTime;
  Nanos late = 0;
};

}  // namespace warden::engine
