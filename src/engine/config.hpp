// SPDX-License-Identifier: Apache-2.0
//
// What a store is opened with: strings in (the C ABI's keys), checked values out.
// A refused key leaves the configuration as it was.
#pragma once

#include <string_view>

#include "base/code.hpp"
#include "base/types.hpp"
#include "engine/verbs.hpp"
#include "io/posix_disk.hpp"

namespace warden::engine {

// Who is told what the library would otherwise keep to itself (warden_config_log).
struct Notices {
  enum class Weight : std::uint32_t { notice = 1, warning = 2, error = 3 };
  using Hook = void (*)(void* context, std::uint32_t weight, std::int32_t code, const char* text);

  void tell(Weight weight, const Error& error) const noexcept {
    if (hook != nullptr) hook(context, raw(weight), raw(error.code), error.message.c_str());
  }

  Hook hook = nullptr;
  void* context = nullptr;
};

// Who is told how far an opening is (warden_config_progress).
struct Progress {
  using Hook = void (*)(void* context, std::uint64_t done, std::uint64_t total);

  void tell(std::uint64_t done, std::uint64_t total) const noexcept {
    if (hook != nullptr) hook(context, done, total);
  }

  Hook hook = nullptr;
  void* context = nullptr;
};

struct Config {
  bool manual_clock = false;
  Nanos tick = kMilli;           // 64 us .. 1 s
  std::uint32_t stripes = 4096;  // power of two, 16 .. 65536
  std::uint32_t payload_max = 65536;
  std::uint64_t dedupe_max = 10'000'000;
  Nanos start = 0;  // of a manual clock
  bool read_only = false;
  bool hold = false;
  Durability durability = Durability::durable;  // of verbs that do not say
  io::Backend backend = io::Backend::automatic;
  std::uint64_t segment_bytes = 64u << 20;
  std::uint32_t log_factor = 3;  // 2 .. 100: cleaned beyond so many times what lives
  Notices notices;
  Progress progress;
  bool has_path = false;  // set by Store::open, not by a key

  // Sets one key as warden_config_set documents it.
  Error set(std::string_view key, std::string_view value);
  // What keys say together, once all are set.
  Error check() const;
};

}  // namespace warden::engine
