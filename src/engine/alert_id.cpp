// SPDX-License-Identifier: Apache-2.0
#include "engine/alert_id.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cstring>

#include "base/assert.hpp"

namespace warden::engine {
namespace {

// The longest: UUID, flow, key, incarnation, rule, arming, level, three lengths.
constexpr std::size_t kMaxBytes = 16 + 255 + 512 + 8 + 255 + 4 + 1 + 3 * 2;

class Bytes {
 public:
  void number(const void* value, std::size_t size) noexcept {
    WARDEN_ASSERT(used_ + size <= kMaxBytes);
    std::memcpy(at_ + used_, value, size);
    used_ += size;
  }
  void text(std::string_view value) noexcept {
    const auto length = static_cast<std::uint16_t>(value.size());
    number(&length, sizeof length);
    if (!value.empty()) number(value.data(), value.size());
  }
  Hash128 hash() const noexcept {
    const XXH128_hash_t hash = XXH3_128bits(at_, used_);
    return {hash.low64, hash.high64};
  }

 private:
  char at_[kMaxBytes];
  std::size_t used_ = 0;
};

void put(Bytes& bytes, const IncidentOf& of) noexcept {
  bytes.number(&of.store, sizeof of.store);
  bytes.text(of.flow);
  bytes.text(of.key);
  bytes.number(&of.incarnation, sizeof of.incarnation);
  bytes.text(of.rule);
  bytes.number(&of.arming, sizeof of.arming);
}

}  // namespace

Hash128 incident_id(const IncidentOf& of) noexcept {
  Bytes bytes;
  put(bytes, of);
  return bytes.hash();
}

Hash128 alert_id(const IncidentOf& of, std::uint8_t level) noexcept {
  Bytes bytes;
  put(bytes, of);
  bytes.number(&level, sizeof level);
  return bytes.hash();
}

}  // namespace warden::engine
