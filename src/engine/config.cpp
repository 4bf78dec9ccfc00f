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
  return Error{code, "config: " + std::string(key) + " = '" + std::string(value) + "': expected " +
                         std::string(expected)};
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

Error set_choice(std::string_view key, std::string_view value, std::string_view no,
                 std::string_view yes, bool wanted, bool& out) {
  if (value != no && value != yes) {
    return refuse(Code::invalid_argument, key, value, std::string(no) + " or " + std::string(yes));
  }
  out = wanted;
  return {};
}

Error set_backend(std::string_view value, io::Backend& out) {
  if (value != "auto" && value != "uring" && value != "posix") {
    return refuse(Code::invalid_argument, "backend", value, "auto, uring or posix");
  }
  out = value == "auto"    ? io::Backend::automatic
        : value == "uring" ? io::Backend::uring
                           : io::Backend::posix;
  return {};
}

Error set_segment(std::string_view value, std::uint64_t& out) {
  constexpr std::uint64_t kLeast = 4u << 20;
  constexpr std::uint64_t kMost = std::uint64_t{1} << 30;
  std::uint64_t bytes = 0;
  if (Error error = set_integer<std::uint64_t>("segment_bytes", value, kLeast, kMost, bytes)) {
    return error;
  }
  if (bytes % 4096 != 0) {
    return refuse(Code::out_of_range, "segment_bytes", value, "a multiple of 4096");
  }
  out = bytes;
  return {};
}

}  // namespace

Error Config::set(std::string_view key, std::string_view value) {
  if (key == "clock") {
    return set_choice(key, value, "real", "manual", value == "manual", manual_clock);
  }
  if (key == "mode") {
    const bool wanted = value == "read-only";
    return set_choice(key, value, "write", "read-only", wanted, read_only);
  }
  if (key == "hold") return set_choice(key, value, "false", "true", value == "true", hold);
  if (key == "durability") {
    bool buffered = false;
    Error error = set_choice(key, value, "durable", "buffered", value == "buffered", buffered);
    if (!error) durability = buffered ? Durability::buffered : Durability::durable;
    return error;
  }
  if (key == "backend") return set_backend(value, backend);
  if (key == "segment_bytes") return set_segment(value, segment_bytes);
  if (key == "log_factor") return set_integer<std::uint32_t>(key, value, 2, 100, log_factor);
  if (key == "tick") return set_tick(value, tick);
  if (key == "stripes") return set_stripes(value, stripes);
  if (key == "payload_max") return set_integer<std::uint32_t>(key, value, 0, 1 << 20, payload_max);
  if (key == "dedupe_max") {
    return set_integer<std::uint64_t>(key, value, 0, 1'000'000'000, dedupe_max);
  }
  if (key == "start") return set_integer<Nanos>(key, value, kNoTime + 1, kNever - 1, start);
  return Error{Code::unknown_config,
               "config: unknown key '" + std::string(key) +
                   "': expected backend, clock, dedupe_max, durability, hold, log_factor, mode, "
                   "payload_max, segment_bytes, start, stripes or tick"};
}

Error Config::check() const {
  // Each stripe keeps its share of dedupe_max. With a share of none, whether a key is
  // remembered at all would be up to its hash.
  if (dedupe_max != 0 && dedupe_max < stripes) {
    return refuse(
        Code::out_of_range, "dedupe_max", std::to_string(dedupe_max),
        "0 for none at all, or at least one a stripe (stripes = " + std::to_string(stripes) + ")");
  }
  if (start != 0 && !manual_clock) {
    return refuse(Code::invalid_argument, "start", std::to_string(start),
                  "clock = manual with it; the real clock starts where it is");
  }
  return {};
}

}  // namespace warden::engine
