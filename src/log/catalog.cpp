// SPDX-License-Identifier: Apache-2.0
#include "log/catalog.hpp"

#include <cstring>

namespace warden::log {

void Catalog::add(RecordType type, std::uint64_t incarnation, std::span<const std::byte> content) {
  const auto size = static_cast<std::uint32_t>(content.size());
  const std::size_t at = bytes_.size();
  bytes_.resize(at + kHeadBytes + size);
  std::byte* out = bytes_.data() + at;
  out[0] = static_cast<std::byte>(type);
  std::memcpy(out + 1, &incarnation, sizeof incarnation);
  std::memcpy(out + 9, &size, sizeof size);
  if (size != 0) std::memcpy(out + kHeadBytes, content.data(), size);
}

Catalog::Head Catalog::head_of(std::span<const std::byte> at) noexcept {
  Head head{static_cast<RecordType>(at[0]), 0, 0};
  std::memcpy(&head.incarnation, at.data() + 1, sizeof head.incarnation);
  std::memcpy(&head.size, at.data() + 9, sizeof head.size);
  return head;
}

bool Catalog::assign(std::span<const std::byte> bytes) {
  for (std::span<const std::byte> left = bytes; !left.empty();) {
    if (left.size() < kHeadBytes) return false;
    const std::size_t size = head_of(left).size;
    if (size > left.size() - kHeadBytes) return false;
    left = left.subspan(kHeadBytes + size);
  }
  bytes_.assign(bytes.begin(), bytes.end());
  return true;
}

}  // namespace warden::log
