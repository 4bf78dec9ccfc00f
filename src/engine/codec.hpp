// SPDX-License-Identifier: Apache-2.0
//
// How records' contents are put into bytes: little-endian words, and LEB128
// variable-length integers (DWARF 5, section 7.6), signed ones by zigzag. A
// Reader never reads past its end: it fails, stays failed, and gives zeros.
#pragma once

#include <cstddef>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "base/types.hpp"

namespace warden::engine {

class Writer {
 public:
  void clear() noexcept { bytes_.clear(); }
  std::span<const std::byte> bytes() const noexcept { return bytes_; }

  void byte(std::uint8_t value) { bytes_.push_back(std::byte{value}); }
  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) byte(static_cast<std::uint8_t>(value | 0x80));
    byte(static_cast<std::uint8_t>(value));
  }
  // A time, told by its distance from another that the reader knows.
  void delta(Nanos value, Nanos from) {
    const std::uint64_t distance =
        static_cast<std::uint64_t>(value) - static_cast<std::uint64_t>(from);
    varint((distance << 1) ^ (0 - (distance >> 63)));
  }
  void word(std::uint64_t value) { raw_bytes(&value, sizeof value); }
  void hash(const Hash128& value) {
    word(value.low);
    word(value.high);
  }
  void append(std::span<const std::byte> bytes) { raw_bytes(bytes.data(), bytes.size()); }
  void text(std::string_view value) {
    varint(value.size());
    raw_bytes(value.data(), value.size());
  }

 private:
  void raw_bytes(const void* from, std::size_t size) {
    const auto* at = static_cast<const std::byte*>(from);
    if (size == 0) return;
    bytes_.insert(bytes_.end(), at, at + size);
  }

  std::vector<std::byte> bytes_;
};

class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) noexcept : left_(bytes) {}
  bool failed() const noexcept { return failed_; }
  bool at_end() const noexcept { return left_.empty(); }

  std::uint8_t byte() noexcept {
    if (left_.empty()) {
      failed_ = true;
      return 0;
    }
    const auto value = static_cast<std::uint8_t>(left_[0]);
    left_ = left_.subspan(1);
    return value;
  }
  std::uint64_t varint() noexcept {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const std::uint8_t part = byte();
      value |= std::uint64_t{part & 0x7fu} << shift;
      if (part < 0x80) return value;
    }
    failed_ = true;
    return 0;
  }
  Nanos delta(Nanos from) noexcept {
    const std::uint64_t zigzag = varint();
    const std::uint64_t distance = (zigzag >> 1) ^ (0 - (zigzag & 1));
    return static_cast<Nanos>(static_cast<std::uint64_t>(from) + distance);
  }
  std::uint64_t word() noexcept {
    std::uint64_t value = 0;
    if (left_.size() < sizeof value) {
      failed_ = true;
      left_ = {};
      return 0;
    }
    std::memcpy(&value, left_.data(), sizeof value);
    left_ = left_.subspan(sizeof value);
    return value;
  }
  Hash128 hash() noexcept {
    const std::uint64_t low = word();
    return {low, word()};
  }
  std::string_view text() noexcept {
    const std::uint64_t size = varint();
    if (size > left_.size()) {
      failed_ = true;
      left_ = {};
      return {};
    }
    const std::string_view value(reinterpret_cast<const char*>(left_.data()), size);
    left_ = left_.subspan(size);
    return value;
  }

 private:
  std::span<const std::byte> left_;
  bool failed_ = false;
};

}  // namespace warden::engine
