// SPDX-License-Identifier: Apache-2.0
//
// Ids of alerts: the 128-bit XXH3 hash, unseeded, of (store UUID, flow, key,
// incarnation, rule, arming, level), each text behind its length. The same breach
// has the same id always; without the level it is the incident's.
#pragma once

#include <string_view>

#include "base/types.hpp"

namespace warden::engine {

struct IncidentOf {
  Hash128 store;
  std::string_view flow;
  std::string_view key;
  std::uint64_t incarnation;
  std::string_view rule;
  std::uint32_t arming;
};

Hash128 incident_id(const IncidentOf& of) noexcept;
Hash128 alert_id(const IncidentOf& of, std::uint8_t level) noexcept;

}  // namespace warden::engine
