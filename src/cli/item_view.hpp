// SPDX-License-Identifier: Apache-2.0
//
// One item that a store has told, as text and as JSON.
//
// Invariant: what is printed is one line a field, whatever bytes names and keys hold.
#pragma once

#include <warden/warden.h>

#include <cstring>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace warden::cli {

// An item and the buffer that its offsets point into.
struct ItemView {
  const warden_item& item;
  const std::vector<char>& buffer;

  std::string_view text(std::uint32_t offset, std::uint32_t size) const {
    return {buffer.data() + offset, size};
  }
  std::string_view flow() const { return text(item.flow_offset, item.flow_len); }
  std::string_view key() const { return text(item.key_offset, item.key_len); }
  std::string_view stage() const { return text(item.stage_offset, item.stage_len); }
  std::string_view payload() const { return text(item.payload_offset, item.payload_len); }
  warden_item_rule rule(std::uint32_t i) const {
    warden_item_rule out;
    std::memcpy(&out, buffer.data() + item.rules_offset + i * sizeof out, sizeof out);
    return out;
  }
};

std::string hex(std::string_view bytes);
nlohmann::ordered_json item_json(const ItemView& view);
// For a list: state, stage, deadline, flow, key.
std::string item_line(const ItemView& view);
// Everything, with the rules and the payload's beginning.
std::string item_text(const ItemView& view);

}  // namespace warden::cli
