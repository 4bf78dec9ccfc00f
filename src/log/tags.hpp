// SPDX-License-Identifier: Apache-2.0
//
// What an operation's tag says when its completion comes back.
#pragma once

#include <cstdint>

namespace warden::log {

enum class TagKind : std::uint8_t { slot = 1, flush = 2, maker = 3 };

constexpr std::uint64_t make_tag(TagKind kind, unsigned part) noexcept {
  return static_cast<std::uint64_t>(kind) << 8 | part;
}
constexpr TagKind kind_of(std::uint64_t tag) noexcept {
  return static_cast<TagKind>(tag >> 8);
}

}  // namespace warden::log
