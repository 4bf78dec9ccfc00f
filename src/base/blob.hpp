// SPDX-License-Identifier: Apache-2.0
//
// The cold part of an item in one allocation: what is changed under its stripe's
// lock (`state`: marks and armed rules, laid out by the engine), then key and
// payload, which never change. Alerts outlive their item and hold a reference.
//
//   | Blob 16 B | state, state_len bytes, multiple of 8 | key | payload |
//
// Threads: `refs` is the only field touched without the stripe's lock. An
// increment is made by someone who holds a reference, so relaxed suffices; the
// decrement releases what its holder read, and the last one acquires before it
// frees (Boost.Atomic's reference-count example gives the argument).
#pragma once

#include <mimalloc.h>

#include <atomic>
#include <cstring>
#include <new>
#include <span>
#include <string_view>

#include "base/types.hpp"

namespace warden {

struct Blob {
  std::atomic<std::uint32_t> refs;
  std::uint32_t payload_len;
  std::uint16_t key_len;
  std::uint16_t state_len;
  std::uint32_t reserved;

  static std::size_t bytes_for(std::size_t state_len, std::size_t key_len,
                               std::size_t payload_len) noexcept {
    return sizeof(Blob) + state_len + key_len + payload_len;
  }

  // One reference, `state` zeroed. Null when memory is out.
  static Blob* make(std::size_t state_len, std::string_view key,
                    std::string_view payload) noexcept {
    void* place = mi_malloc(bytes_for(state_len, key.size(), payload.size()));
    if (place == nullptr) return nullptr;
    auto* blob = new (place) Blob;
    blob->refs.store(1, std::memory_order_relaxed);
    blob->payload_len = static_cast<std::uint32_t>(payload.size());
    blob->key_len = static_cast<std::uint16_t>(key.size());
    blob->state_len = static_cast<std::uint16_t>(state_len);
    blob->reserved = 0;
    std::memset(blob->state(), 0, state_len);
    auto* out = static_cast<char*>(blob->state()) + state_len;
    if (!key.empty()) std::memcpy(out, key.data(), key.size());
    if (!payload.empty()) std::memcpy(out + key.size(), payload.data(), payload.size());
    return blob;
  }

  void* state() noexcept { return this + 1; }
  const void* state() const noexcept { return this + 1; }
  std::string_view key() const noexcept {
    return {static_cast<const char*>(state()) + state_len, key_len};
  }
  std::string_view payload() const noexcept {
    return {static_cast<const char*>(state()) + state_len + key_len, payload_len};
  }
  std::size_t bytes() const noexcept { return bytes_for(state_len, key_len, payload_len); }

  void ref() noexcept { refs.fetch_add(1, std::memory_order_relaxed); }
  void unref() noexcept {
    if (refs.fetch_sub(1, std::memory_order_acq_rel) == 1) mi_free(this);
  }
};
static_assert(sizeof(Blob) == 16);

}  // namespace warden
