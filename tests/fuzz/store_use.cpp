// SPDX-License-Identifier: Apache-2.0
#include "store_use.hpp"

#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "flow_texts.hpp"
#include "plant.hpp"

namespace warden::fuzz {
namespace {

constexpr std::int64_t kS = 1'000'000'000;
constexpr const char* kFree =
    "[flow]\nname = 'free'\nstages = 'any'\n[[rule]]\nname = 'i'\nkind = 'idle'\nwithin = '5s'\n"
    "min = '1s'\n";

std::int32_t known(std::int32_t code, const char* call) {
  require(code != WARDEN_E_INTERNAL && std::strcmp(warden_code_name(code), "?") != 0, call,
          std::to_string(code));
  return code;
}

struct Read {
  std::string flow;
  std::string key;
  std::uint64_t incarnation;
};

std::string_view part(const std::vector<std::uint64_t>& buffer, std::uint32_t at,
                      std::uint32_t size) {
  require(at + std::size_t{size} <= buffer.size() * 8, "an offset outside the buffer");
  return {reinterpret_cast<const char*>(buffer.data()) + at, size};
}

// Every open item; the buffer grows as the calls ask.
std::vector<Read> scan_all(warden_store* store) {
  std::vector<Read> out;
  warden_scan* scan = nullptr;
  warden_error error = WARDEN_ERROR_INIT;
  if (known(warden_scan_open(store, nullptr, &scan, &error), "scan_open") < 0) return out;
  std::vector<std::uint64_t> buffer(512);
  for (;;) {
    warden_item items[4];
    std::size_t need = 0;
    const std::int32_t count =
        known(warden_scan_next(scan, items, 4, buffer.data(), buffer.size() * 8, &need), "scan");
    if (count == WARDEN_E_BUFFER_TOO_SMALL) {
      require(need > buffer.size() * 8, "a buffer that is large enough is too small");
      buffer.resize(need / 8 + 1);
      continue;
    }
    if (count <= 0) break;
    for (std::int32_t i = 0; i < count; ++i) {
      const warden_item& item = items[i];
      part(buffer, item.payload_offset, item.payload_len);
      part(buffer, item.stage_offset, item.stage_len);
      for (std::uint32_t rule = 0; rule < item.rules_count; ++rule) {
        warden_item_rule one;
        std::memcpy(
            &one,
            part(buffer, item.rules_offset, (rule + 1) * sizeof one).data() + rule * sizeof one,
            sizeof one);
        part(buffer, one.name_offset, one.name_len);
      }
      out.push_back({std::string(part(buffer, item.flow_offset, item.flow_len)),
                     std::string(part(buffer, item.key_offset, item.key_len)), item.incarnation});
    }
  }
  warden_scan_close(scan);
  return out;
}

void take_alerts(warden_store* store, const char* name, std::size_t leave) {
  warden_consumer* consumer = nullptr;
  if (known(warden_consumer_open(store, name, std::strlen(name), nullptr, &consumer, nullptr),
            "consumer_open") < 0) {
    return;
  }
  std::vector<std::uint64_t> buffer(1 << 14);
  for (std::size_t rounds = 0; rounds < 200; ++rounds) {
    warden_alert alerts[8];
    const std::int32_t count = known(
        warden_consumer_poll(consumer, 0, alerts, 8, buffer.data(), buffer.size() * 8, nullptr),
        "poll");
    if (count <= 0) break;
    for (std::int32_t i = 0; i < count; ++i) {
      const warden_alert& one = alerts[i];
      part(buffer, one.flow_offset, one.flow_len);
      part(buffer, one.key_offset, one.key_len);
      part(buffer, one.rule_offset, one.rule_len);
      part(buffer, one.stage_offset, one.stage_len);
      part(buffer, one.armed_stage_offset, one.armed_stage_len);
      part(buffer, one.payload_offset, one.payload_len);
      if (leave != 0) {
        --leave;
      } else {
        known(warden_alert_ack(consumer, &one.lease, 1), "ack");
      }
    }
  }
  known(warden_consumer_close(consumer), "consumer_close");
}

void must(bool good) {
  require(good, "the sample of a store cannot be made");
}

warden_item_options at(std::int64_t instant) {
  warden_item_options options = WARDEN_ITEM_OPTIONS_INIT;
  options.at_ns = instant;
  return options;
}

void touch_item(warden_store* store, const Read& item, unsigned how, std::int64_t now) {
  const warden_item_options o = at(now);
  const char* flow = item.flow.data();
  const std::size_t flow_len = item.flow.size();
  const char* key = item.key.data();
  const std::size_t key_len = item.key.size();
  switch (how % 4) {
    case 0:
      known(warden_exec(store, flow, flow_len, key, key_len, &o, nullptr), "exec");
      return;
    case 1:
      known(warden_mark(store, flow, flow_len, key, key_len, "copied", 6, &o, nullptr), "mark");
      return;
    case 2:
      known(warden_extend(store, flow, flow_len, key, key_len, "total", 5, WARDEN_NO_TIME, now, &o,
                          nullptr),
            "extend");
      return;
    default:
      known(warden_complete(store, flow, flow_len, key, key_len, &o, nullptr), "complete");
      return;
  }
}

}  // namespace

void live_a_while(warden_store* store) {
  const auto define = [&](const char* text) {
    must(warden_flow_define(store, text, std::strlen(text), nullptr, nullptr) == WARDEN_OK);
  };
  define(test::kUpload);
  define(kFree);
  take_alerts(store, "ops", 0);
  std::int64_t now = kS;
  const auto track = [&](const char* flow, const char* key, const char* payload) {
    const warden_item_options o = at(now);
    must(warden_track(store, flow, std::strlen(flow), key, std::strlen(key), payload,
                      std::strlen(payload), &o, nullptr) == WARDEN_NEW);
  };
  const auto mark = [&](const char* flow, const char* key, const char* stage) {
    const warden_item_options o = at(now);
    must(warden_mark(store, flow, std::strlen(flow), key, std::strlen(key), stage,
                     std::strlen(stage), &o, nullptr) >= 0);
  };
  for (const char* key : {"a", "b", "c", "d"}) track("upload", key, "payload");
  for (const char* key : {"e", "f"}) track("free", key, "");
  warden_item_options o = at(now);
  o.ttl_ns = 30 * kS;
  must(warden_submit(store, "upload", 6, "s", 1, "x", 1, &o, nullptr) == WARDEN_NEW);
  o = at(now);
  o.allow_early = 1;
  must(warden_complete(store, "upload", 6, "early", 5, &o, nullptr) == WARDEN_RECORDED_EARLY);
  mark("upload", "a", "uploaded");
  mark("free", "e", "somewhere");
  now += 90 * kS;
  must(warden_clock_advance(store, now) == WARDEN_OK);
  take_alerts(store, "ops", 2);
  mark("upload", "b", "rejected");
  define(kFree);
  o = at(now);
  must(warden_complete(store, "free", 4, "f", 1, &o, nullptr) >= 0);
  must(warden_cancel(store, "upload", 6, "c", 1, &o, nullptr) >= 0);
  now += 60 * kS;
  must(warden_clock_advance(store, now) == WARDEN_OK);
  take_alerts(store, "second", 3);
  must(warden_consumer_delete(store, "second", 6) == WARDEN_OK);
  take_alerts(store, "audit", 0);
  track("upload", "g", "payload");
  must(warden_sync(store, -1) == WARDEN_OK);
}

void use_everything(warden_store* store) {
  warden_stats stats = WARDEN_STATS_INIT;
  known(warden_stats_get(store, &stats), "stats");
  const std::vector<Read> items = scan_all(store);
  std::vector<std::uint64_t> buffer(1 << 14);
  for (const Read& item : items) {
    warden_item got;
    known(warden_get(store, item.flow.data(), item.flow.size(), item.key.data(), item.key.size(),
                     &got, buffer.data(), buffer.size() * 8, nullptr),
          "get");
  }
  take_alerts(store, "ops", 1);
  const std::int64_t now = stats.now_ns < 0 ? 1000 * kS : stats.now_ns / 2 + 1000 * kS;
  for (std::size_t i = 0; i < items.size() && i < 12; ++i) {
    touch_item(store, items[i], static_cast<unsigned>(i), now);
  }
  known(warden_clock_advance(store, now), "clock");
  known(warden_clock_advance(store, INT64_MAX - 1), "clock");
  take_alerts(store, "new", 0);
  known(warden_flow_define(store, kFree, std::strlen(kFree), nullptr, nullptr), "define");
  const warden_item_options o = at(now);
  known(warden_track(store, "free", 4, "new", 3, "p", 1, &o, nullptr), "track");
  known(warden_complete(store, "free", 4, "new", 3, &o, nullptr), "complete");
  known(warden_sync(store, -1), "sync");
}

}  // namespace warden::fuzz
