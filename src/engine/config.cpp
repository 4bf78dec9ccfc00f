// SPDX-License-Identifier: Apache-2.0
#include "engine/config.hpp"

#include <bit>
#include <charconv>
#include <string>

#include "flow/duration.hpp"

namespace warden::engine {
namespace {

constexpr Nanos kMinTick = 64 * kMicro;
constexpr Nanos kMaxTick = kSecond;

Error refuse(Code code, std::string_view key, std::string_view value, std::string_view expected) {
  return Error{code, "config: " + std::string(key) + " = '" + std::string(value) +
                         "': expected " + std::string(expected)};
}

template <class Int>
Error set_integer(std::string_view key, std::string_view value, Int low, Int high, Int& out) {
  Int parsed{};
  const auto [end, fault] = std::from_chars(value.data(), value.data() + value.size(), parsed);
  const std::string expected =
      "a whole number from " + std::to_string(low) + " to " + std::to_string(high);
  if (fault == std::errc::invalid_argument || end != value.data() + value.size()) {
    return refuse(Code::invalid_argument, key, value, expected);
  }
  if (fault != std::errc{} || parsed < low || parsed > high) {
    return refuse(Code::out_of_range, key, value, expected);
  }
  out = parsed;
  return {};
}

Error set_stripes(std::string_view value, std::uint32_t& out) {
  std::uint32_t stripes = 0;
  if (Error error = set_integer<std::uint32_t>("stripes", value, 16, 65536, stripes)) return error;
  if (!std::has_single_bit(stripes)) {
    return refuse(Code::out_of_range, "stripes", value, "a power of two from 16 to 65536");
  }
  out = stripes;
  return {};
}

Error set_tick(std::string_view value, Nanos& out) {
  constexpr std::string_view kExpected = "a duration from 64us to 1s, such as 1ms";
  Nanos tick = 0;
  if (flow::parse_duration(value, tick)) {
    return refuse(Code::invalid_argument, "tick", value, kExpected);
  }
  if (tick < kMinTick || tick > kMaxTick) {
    return refuse(Code::out_of_range, "tick", value, kExpected);
  }
  out = tick;
  return {};
}

}  // namespace

Error Config::set(std::string_view key, std::string_view value) {
  if (key == "clock") {
    if (value != "real" && value != "manual") {
      return refuse(Code::invalid_argument, key, value, "real or manual");
    }
    manual_clock = value == "manual";
    return {};
  }
  if (key == "tick") return set_tick(value, tick);
  if (key == "stripes") return set_stripes(value, stripes);
  if (key == "payload_max") return set_integer<std::uint32_t>(key, value, 0, 1 << 20, payload_max);
  if (key == "dedupe_max") {
    return set_integer<std::uint64_t>(key, value, 0, 1'000'000'000, dedupe_max);
  }
  if (key == "start") return set_integer<Nanos>(key, value, kNoTime + 1, kNever - 1, start);
  return Error{Code::unknown_config,
               "config: unknown key '" + std::string(key) +
                   "': expected clock, tick, stripes, payload_max, dedupe_max or start"};
}

}  // namespace warden::engine
