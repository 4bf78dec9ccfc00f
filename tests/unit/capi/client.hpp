// SPDX-License-Identifier: Apache-2.0
//
// A caller of the C ABI for tests: handles that close themselves, results by value,
// everything that a buffer holds copied out. It uses warden.h and nothing else of
// this project, so that what it can do any program can.
//
// On a manual clock an event without an instant of its own takes the store's `now`,
// which advance() sets.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "warden/warden.h"

namespace warden::test {

inline constexpr std::int64_t kMs = 1'000'000;
inline constexpr std::int64_t kS = 1'000'000'000;
inline constexpr std::int64_t kH = 3600 * kS;
inline constexpr std::int64_t kYear = 31'557'600 * kS;

struct Due {
  std::string rule;
  std::int64_t instant;
};

// What goes with a verb; the initial values are those of the ABI.
struct With {
  std::int64_t at = WARDEN_NO_TIME;
  std::uint64_t seq = 0;
  std::uint64_t token = 0;
  std::uint64_t incarnation = 0;
  std::int64_t ttl = 0;
  std::vector<Due> dues = {};
  bool allow_early = false;
  std::uint32_t durability = WARDEN_DURABILITY_DEFAULT;
};

struct Answer {
  std::int32_t code = WARDEN_E_INTERNAL;
  warden_result r = WARDEN_RESULT_INIT;
};

struct Rule {
  std::string name;
  std::int64_t deadline;
  std::uint32_t status;
  std::uint32_t level;
  std::uint32_t arming;
};

struct Item {
  std::int32_t code = WARDEN_E_INTERNAL;
  warden_item raw{};
  std::string flow, key, stage, payload;
  std::vector<Rule> rules;

  const Rule& rule(std::string_view name) const {
    for (const Rule& one : rules) {
      if (one.name == name) return one;
    }
    ADD_FAILURE() << "no rule " << name;
    static const Rule none{};
    return none;
  }
};

struct Alert {
  warden_alert raw{};
  std::string flow, key, rule, stage, armed_stage, payload;

  std::pair<std::uint64_t, std::uint64_t> id() const { return {raw.id[0], raw.id[1]}; }
  std::pair<std::uint64_t, std::uint64_t> incident() const {
    return {raw.incident[0], raw.incident[1]};
  }
  std::pair<std::uint64_t, std::uint64_t> resolves() const {
    return {raw.resolves[0], raw.resolves[1]};
  }
};

// "k" and 7 make "k7".
template <class Number>
std::string numbered(const char* stem, Number number) {
  std::string out = stem;
  return out += std::to_string(number);
}

inline std::string cut(const void* buffer, std::uint32_t offset, std::uint32_t length) {
  return {static_cast<const char*>(buffer) + offset, length};
}

inline Item read_item(const warden_item& raw, const void* buffer) {
  Item out;
  out.raw = raw;
  out.flow = cut(buffer, raw.flow_offset, raw.flow_len);
  out.key = cut(buffer, raw.key_offset, raw.key_len);
  out.stage = cut(buffer, raw.stage_offset, raw.stage_len);
  out.payload = cut(buffer, raw.payload_offset, raw.payload_len);
  for (std::uint32_t i = 0; i < raw.rules_count; ++i) {
    warden_item_rule rule;
    std::memcpy(&rule,
                static_cast<const char*>(buffer) + raw.rules_offset + i * sizeof(warden_item_rule),
                sizeof rule);
    out.rules.push_back({cut(buffer, rule.name_offset, rule.name_len), rule.deadline_ns,
                         rule.status, rule.level, rule.arming});
  }
  return out;
}

inline Alert read_alert(const warden_alert& raw, const void* buffer) {
  Alert out;
  out.raw = raw;
  out.flow = cut(buffer, raw.flow_offset, raw.flow_len);
  out.key = cut(buffer, raw.key_offset, raw.key_len);
  out.rule = cut(buffer, raw.rule_offset, raw.rule_len);
  out.stage = cut(buffer, raw.stage_offset, raw.stage_len);
  out.armed_stage = cut(buffer, raw.armed_stage_offset, raw.armed_stage_len);
  out.payload = cut(buffer, raw.payload_offset, raw.payload_len);
  return out;
}

// warden_item_options that point into a With.
class Options {
 public:
  Options(const With& with, std::int64_t at) {
    for (const Due& due : with.dues) {
      dues_.push_back({due.rule.data(), due.rule.size(), due.instant});
    }
    raw_.durability = with.durability;
    raw_.incarnation = with.incarnation;
    raw_.token = with.token;
    raw_.seq = with.seq;
    raw_.at_ns = at;
    raw_.ttl_ns = with.ttl;
    raw_.dues = dues_.empty() ? nullptr : dues_.data();
    raw_.due_count = dues_.size();
    raw_.allow_early = with.allow_early ? 1 : 0;
  }
  Options(const Options&) = delete;
  Options& operator=(const Options&) = delete;
  const warden_item_options* get() const { return &raw_; }

 private:
  std::vector<warden_due> dues_;
  warden_item_options raw_ = WARDEN_ITEM_OPTIONS_INIT;
};

class Consumer {
 public:
  Consumer() = default;
  explicit Consumer(warden_consumer* handle) : handle_(handle) {}
  Consumer(Consumer&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Consumer& operator=(Consumer&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Consumer() { warden_consumer_close(handle_); }
  warden_consumer* get() const { return handle_; }
  warden_consumer* release() { return std::exchange(handle_, nullptr); }

  // At most `max` alerts; a negative answer fails the test. One thread at a time.
  std::vector<Alert> poll(std::size_t max = 256, std::int64_t timeout_ns = 0) {
    if (buffer_.empty()) buffer_.resize(1 << 17);
    if (raw_.size() < max) raw_.resize(max);
    const std::int32_t count = warden_consumer_poll(handle_, timeout_ns, raw_.data(), max,
                                                    buffer_.data(), buffer_.size(), nullptr);
    EXPECT_GE(count, 0) << warden_code_name(count);
    std::vector<Alert> out;
    for (std::int32_t i = 0; i < count; ++i) {
      out.push_back(read_alert(raw_[static_cast<std::size_t>(i)], buffer_.data()));
    }
    return out;
  }
  std::int32_t ack(const std::vector<Alert>& alerts) {
    std::vector<std::uint64_t> leases;
    for (const Alert& one : alerts) leases.push_back(one.raw.lease);
    return warden_alert_ack(handle_, leases.data(), leases.size());
  }
  // Everything that waits, acknowledged as it comes.
  std::vector<Alert> drain() {
    std::vector<Alert> all;
    for (;;) {
      std::vector<Alert> some = poll();
      if (some.empty()) return all;
      EXPECT_EQ(ack(some), static_cast<std::int32_t>(some.size()));
      for (Alert& one : some) all.push_back(std::move(one));
    }
  }

 private:
  warden_consumer* handle_ = nullptr;
  std::vector<warden_alert> raw_;
  std::vector<char> buffer_;
};

using Setting = std::pair<const char*, const char*>;
using Settings = std::initializer_list<Setting>;

class Store {
 public:
  // In memory.
  explicit Store(Settings settings = {{"clock", "manual"}}) {
    open(nullptr, settings.begin(), settings.size());
  }
  // In the directory `path`.
  Store(const std::string& path, const std::vector<Setting>& settings) {
    open(path.c_str(), settings.data(), settings.size());
  }
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;
  ~Store() { warden_free(handle_); }
  warden_store* get() const { return handle_; }
  warden_store* release() { return std::exchange(handle_, nullptr); }

  // Defines it and makes it the flow of the verbs that follow.
  warden_flow_info define(std::string_view text) {
    warden_flow_info info = WARDEN_FLOW_INFO_INIT;
    warden_error error = WARDEN_ERROR_INIT;
    EXPECT_EQ(warden_flow_define(handle_, text.data(), text.size(), &info, &error), WARDEN_OK)
        << error.message << " at line " << error.line;
    flow = std::string(info.name, info.name_len);
    return info;
  }
  Answer submit(std::string_view key, std::string_view payload = {}, const With& with = {}) {
    return verb(with, [&](const auto* o, auto* r) {
      return warden_submit(handle_, flow.data(), flow.size(), key.data(), key.size(),
                           payload.data(), payload.size(), o, r);
    });
  }
  Answer track(std::string_view key, std::string_view payload = {}, const With& with = {}) {
    return verb(with, [&](const auto* o, auto* r) {
      return warden_track(handle_, flow.data(), flow.size(), key.data(), key.size(), payload.data(),
                          payload.size(), o, r);
    });
  }
  Answer exec(std::string_view key, const With& with = {}) {
    return verb(with, [&](const auto* o, auto* r) {
      return warden_exec(handle_, flow.data(), flow.size(), key.data(), key.size(), o, r);
    });
  }
  Answer mark(std::string_view key, std::string_view stage, const With& with = {}) {
    return verb(with, [&](const auto* o, auto* r) {
      return warden_mark(handle_, flow.data(), flow.size(), key.data(), key.size(), stage.data(),
                         stage.size(), o, r);
    });
  }
  Answer touch(std::string_view key, const With& with = {}) {
    return verb(with, [&](const auto* o, auto* r) {
      return warden_touch(handle_, flow.data(), flow.size(), key.data(), key.size(), o, r);
    });
  }
  Answer extend(std::string_view key, std::string_view rule, std::int64_t by, std::int64_t to,
                const With& with = {}) {
    return verb(with, [&](const auto* o, auto* r) {
      return warden_extend(handle_, flow.data(), flow.size(), key.data(), key.size(), rule.data(),
                           rule.size(), by, to, o, r);
    });
  }
  Answer extend_by(std::string_view key, std::string_view rule, std::int64_t by, const With& with) {
    return extend(key, rule, by, WARDEN_NO_TIME, with);
  }
  Answer extend_to(std::string_view key, std::string_view rule, std::int64_t to,
                   const With& with = {}) {
    return extend(key, rule, WARDEN_NO_TIME, to, with);
  }
  Answer complete(std::string_view key, const With& with = {}) {
    return verb(with, [&](const auto* o, auto* r) {
      return warden_complete(handle_, flow.data(), flow.size(), key.data(), key.size(), o, r);
    });
  }
  Answer cancel(std::string_view key, const With& with = {}) {
    return verb(with, [&](const auto* o, auto* r) {
      return warden_cancel(handle_, flow.data(), flow.size(), key.data(), key.size(), o, r);
    });
  }
  Item get_item(std::string_view key) {
    std::vector<std::uint64_t> buffer((1 << 17) / sizeof(std::uint64_t));
    Item out;
    warden_item raw{};
    const std::int32_t code =
        warden_get(handle_, flow.data(), flow.size(), key.data(), key.size(), &raw, buffer.data(),
                   buffer.size() * sizeof(std::uint64_t), nullptr);
    if (code >= 0) out = read_item(raw, buffer.data());
    out.code = code;
    return out;
  }
  std::vector<Item> scan(const warden_scan_filter* filter = nullptr, std::size_t at_once = 64) {
    warden_scan* walk = nullptr;
    EXPECT_EQ(warden_scan_open(handle_, filter, &walk, nullptr), WARDEN_OK);
    std::vector<warden_item> raw(at_once);
    std::vector<std::uint64_t> buffer((1 << 17) / sizeof(std::uint64_t));
    std::vector<Item> out;
    for (;;) {
      const std::int32_t count = warden_scan_next(walk, raw.data(), raw.size(), buffer.data(),
                                                  buffer.size() * sizeof(std::uint64_t), nullptr);
      EXPECT_GE(count, 0) << warden_code_name(count);
      if (count <= 0) break;
      for (std::int32_t i = 0; i < count; ++i) {
        out.push_back(read_item(raw[static_cast<std::size_t>(i)], buffer.data()));
      }
    }
    warden_scan_close(walk);
    return out;
  }
  Consumer consumer(std::string_view name, const warden_consumer_options* options = nullptr) {
    warden_consumer* out = nullptr;
    warden_error error = WARDEN_ERROR_INIT;
    EXPECT_EQ(warden_consumer_open(handle_, name.data(), name.size(), options, &out, &error),
              WARDEN_OK)
        << error.message;
    return Consumer(out);
  }
  void advance(std::int64_t to) {
    EXPECT_EQ(warden_clock_advance(handle_, to), WARDEN_OK) << to;
    now = to;
  }
  warden_stats stats() {
    warden_stats out = WARDEN_STATS_INIT;
    EXPECT_EQ(warden_stats_get(handle_, &out), WARDEN_OK);
    return out;
  }
  // The promise of semantics.md, exact while no verb runs.
  void expect_balance() {
    const warden_stats s = stats();
    EXPECT_EQ(s.submitted_total, s.submitted + s.live + s.done + s.cancelled + s.expired);
  }

  std::string flow;
  std::int64_t now = 0;

 private:
  // Of a key given twice, the last counts.
  void open(const char* path, const Setting* settings, std::size_t count) {
    warden_config* config = nullptr;
    EXPECT_EQ(warden_config_new(&config), WARDEN_OK);
    warden_error error = WARDEN_ERROR_INIT;
    manual_ = false;
    for (std::size_t i = 0; i < count; ++i) {
      const auto& [key, value] = settings[i];
      EXPECT_EQ(warden_config_set(config, key, value, &error), WARDEN_OK) << error.message;
      if (std::strcmp(key, "clock") == 0) manual_ = std::strcmp(value, "manual") == 0;
    }
    EXPECT_EQ(warden_open(path, config, &handle_, &error), WARDEN_OK) << error.message;
    warden_config_free(config);
  }
  template <class Call>
  Answer verb(const With& with, Call&& call) {
    const bool given = with.at != WARDEN_NO_TIME;
    const Options options(with, given || !manual_ ? with.at : now);
    Answer out;
    out.code = call(options.get(), &out.r);
    return out;
  }

  warden_store* handle_ = nullptr;
  bool manual_ = true;
};

}  // namespace warden::test
