// SPDX-License-Identifier: Apache-2.0
//
// What the freed part of a log said and the rest still needs: definitions, which
// stand at the beginning of a log and are meant for ever. Segments go strictly
// oldest first, so no copy further behind would do: records that lie before it would
// be read without it. The catalog stands in the manifest instead, which a freeing
// writes anyway: it is replaced in the one step that frees a segment, and is handed
// to the sink before the first record, each of its records under LSN none.
//
// To the log it is a list of records like any other; the owner of the records
// composes it, by adding to the last one what the freed segment said.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "log/format.hpp"

namespace warden::log {

// Bytes: for each record, type (1), incarnation (8), length of the content (4), content.
class Catalog {
 public:
  bool empty() const noexcept { return bytes_.empty(); }
  std::span<const std::byte> bytes() const noexcept { return bytes_; }

  // May throw std::bad_alloc, nothing changed.
  void add(RecordType type, std::uint64_t incarnation, std::span<const std::byte> content);

  // Calls fn(type, incarnation, content) -> Error for each, up to the first error.
  template <class Fn>
  auto for_each(Fn&& fn) const {
    std::span<const std::byte> left = bytes_;
    decltype(fn(RecordType::pad, std::uint64_t{}, left)) error{};
    while (!left.empty() && !error) {
      const Head head = head_of(left);
      error = fn(head.type, head.incarnation, left.subspan(kHeadBytes, head.size));
      left = left.subspan(kHeadBytes + head.size);
    }
    return error;
  }

  // As bytes() of another one were written; false if they cannot be.
  bool assign(std::span<const std::byte> bytes);

 private:
  static constexpr std::size_t kHeadBytes = 13;
  struct Head {
    RecordType type;
    std::uint64_t incarnation;
    std::uint32_t size;
  };
  static Head head_of(std::span<const std::byte> at) noexcept;

  std::vector<std::byte> bytes_;
};

}  // namespace warden::log
