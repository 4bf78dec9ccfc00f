// SPDX-License-Identifier: Apache-2.0
//
// What a command prints on stdout. Failed writes are left in the stream's error
// flag, which main() looks at when the command is over.
#pragma once

#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace warden::cli {

inline void emit(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
}

// Indented, with a line end; bytes that are no UTF-8 (keys may hold any) are
// replaced instead of refused.
inline std::string json_text(const nlohmann::ordered_json& json) {
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + '\n';
}

}  // namespace warden::cli
