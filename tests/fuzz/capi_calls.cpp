// SPDX-License-Identifier: Apache-2.0
//
// The other calls of a session, each with arguments that the input chooses, good and bad.
#include <algorithm>
#include <cerrno>

#include "call_everything.hpp"
#include "capi_session.hpp"
#include "capi_words.hpp"
#include "plant.hpp"

namespace warden::fuzz {

using fault::Presence;

void Session::define() {
  const std::string text = in_.rarely(4) ? in_.bytes(255) : std::string(in_.pick(kFlows));
  const Exact exact(text);
  const Sized<warden_flow_info> info(warden_flow_info WARDEN_FLOW_INFO_INIT,
                                     pick_size<warden_flow_info>(in_));
  const Sized<warden_error> error(warden_error WARDEN_ERROR_INIT, pick_size<warden_error>(in_));
  const unsigned before = fault::stats_of(store()).flows;
  const std::int32_t code = judge(
      "define", warden_flow_define(store(), exact.data(), exact.size(), info.get(), error.get()),
      {WARDEN_OK, WARDEN_E_FLOW_SYNTAX});
  require(info.is_intact() && error.is_intact(), "a struct was written over");
  const unsigned after = fault::stats_of(store()).flows;
  if (code < 0 && code != WARDEN_E_OUTCOME_UNKNOWN) {
    require(before == after, "a flow that was refused is there");
  }
  if (code == WARDEN_E_FLOW_SYNTAX && error.is_whole()) {
    require(error.get()->message[0] != '\0' && error.get()->line != 0, "refused without a place");
  }
  expected_.flows_issued = std::max(expected_.flows_issued, after);
  if (code == WARDEN_OK) expected_.made_durable();
}

void Session::clock() {
  const std::int64_t to = pick_instant();
  const std::int32_t code = judge("clock", warden_clock_advance(store(), to), {WARDEN_OK});
  const std::int64_t now = fault::stats_of(store()).now_ns;
  require(code != WARDEN_OK || now == to, "the clock is elsewhere");
  if (now - start_ > kFarAway) far_ = true;
  now_ = now;
  if (code == WARDEN_E_OUTCOME_UNKNOWN) {
    for (auto& [name, known] : expected_.items) forget(name);
  }
  note_all();
  if (code == WARDEN_OK && warden_sync(store(), 0) == WARDEN_OK) expected_.made_durable();
}

void Session::open_consumer() {
  constexpr std::array<string_view, 4> kNames{"second", "third", "", "a\nb"};
  const std::string name = in_.rarely(16) ? std::string(256, 'c') : std::string(in_.pick(kNames));
  warden_consumer_options options = WARDEN_CONSUMER_OPTIONS_INIT;
  options.start = in_.byte() % 4;
  options.min_severity = in_.byte() % 6;
  options.lease_ns = in_.pick(kSpans);
  options.audit = in_.byte() / 128;
  options.early = in_.byte() / 128;
  const Exact flow(in_.pick(kFlowNames));
  if (in_.rarely(4)) {
    options.flow = flow.data();
    options.flow_len = flow.size();
  }
  const Sized<warden_consumer_options> given(options, pick_size<warden_consumer_options>(in_));
  const Sized<warden_error> error(warden_error WARDEN_ERROR_INIT, pick_size<warden_error>(in_));
  const Exact text(name);
  warden_consumer* handle = nullptr;
  const std::int32_t code =
      judge("consumer_open",
            warden_consumer_open(store(), text.data(), text.size(),
                                 in_.rarely(4) ? given.get() : nullptr, &handle, error.get()),
            {WARDEN_OK, WARDEN_E_CONFLICT, WARDEN_E_LIMIT});
  require((code == WARDEN_OK) == (handle != nullptr), "a handle without an answer");
  auto& presence = expected_.consumers.try_emplace(name, Presence::absent).first->second;
  if (code == WARDEN_OK) presence = Presence::present;
  if (code == WARDEN_E_OUTCOME_UNKNOWN && presence == Presence::absent) {
    presence = Presence::unknown;
  }
  if (presence == Presence::absent) expected_.consumers.erase(name);
  if (handle == nullptr) return;
  require(warden_consumer_fd(handle) >= 0, "no descriptor");
  if (consumers_.size() < 4) {
    consumers_.emplace_back(handle);
  } else {
    warden_consumer_close(handle);
  }
}

void Session::delete_consumer() {
  if (!in_.rarely(4)) return;
  constexpr std::array<string_view, 4> kNames{"second", "third", "ops", "none"};
  const std::string name(in_.pick(kNames));
  drop_handles();
  const std::int32_t code = judge(
      "consumer_delete", warden_consumer_delete(store(), name.data(), name.size()), {WARDEN_OK});
  if (code == WARDEN_OK || code == WARDEN_E_OUTCOME_UNKNOWN) {
    expected_.consumers.erase(name);
    if (name == "ops") hears_ops_ = false;
  } else {
    require(code != WARDEN_E_INVALID_ARGUMENT || expected_.consumers.count(name) == 0 ||
                expected_.consumers[name] != Presence::present,
            "a consumer is gone", name);
  }
  if (!hears_ops_) {
    expected_.owed.clear();
    expected_.acked.clear();
    expected_.settled.clear();
    return;
  }
  warden_consumer* ops = nullptr;
  if (warden_consumer_open(store(), "ops", 3, nullptr, &ops, nullptr) == WARDEN_OK) {
    consumers_.emplace_back(ops);
  }
}

void Session::poll() {
  if (consumers_.empty()) return;
  const std::size_t which = in_.rarely(4) ? in_.byte() % consumers_.size() : 0;
  warden_consumer* consumer = consumers_[which].get();
  const std::size_t most = in_.rarely(4) ? in_.byte() % 3u : 8;
  const std::size_t room = in_.rarely(4) ? in_.byte() : 60'000;
  std::unique_ptr<warden_alert[]> alerts(new warden_alert[most]);
  std::unique_ptr<char[]> buffer(new char[room]);
  std::size_t need = 0;
  const std::int32_t code = warden_consumer_poll(consumer, 0, alerts.get(), most, buffer.get(),
                                                 room, in_.rarely(4) ? nullptr : &need);
  if (code < 0) {
    judge("poll", code, {WARDEN_E_BUFFER_TOO_SMALL});
    return;
  }
  require(static_cast<std::size_t>(code) <= most, "more alerts than were asked for");
  for (std::int32_t i = 0; i < code; ++i) {
    const warden_alert& one = alerts[static_cast<std::size_t>(i)];
    const fault::Id id{one.id[0], one.id[1]};
    require(one.payload_offset + std::size_t{one.payload_len} <= room &&
                one.key_offset + std::size_t{one.key_len} <= room,
            "an alert outside its buffer");
    leased_.push_back({one.lease, id});
    if (which != 0 || !hears_ops_) continue;
    const std::string key(buffer.get() + one.key_offset, one.key_len);
    const std::string flow(buffer.get() + one.flow_offset, one.flow_len);
    const bool in_memory = one.lsn == 0;
    require(in_memory || one.lsn <= warden_durable_lsn(store()), "an alert that is not durable");
    require(expected_.settled.count(id) == 0, "acknowledged and durable, and here again");
    require(expected_.acked.count(id) == 0, "acknowledged, and here again");
    if (in_memory) continue;
    if (one.kind != WARDEN_KIND_RESOLVED) expected_.handed_out.emplace(id, one.incarnation);
    expected_.owed.insert(id);
  }
}

void Session::ack() {
  if (consumers_.empty()) return;
  warden_consumer* consumer = consumers_[0].get();
  const std::uint8_t how = in_.byte() % 8;
  const Leased one =
      leased_.empty() ? Leased{in_.byte(), {}} : leased_[in_.byte() % leased_.size()];
  const std::uint64_t lease = one.lease;
  if (how == 0) {
    judge("nack", warden_alert_nack(consumer, lease, in_.pick(kSpans)),
          {WARDEN_OK, WARDEN_E_UNKNOWN_LEASE});
  } else if (how == 1) {
    judge("extend", warden_alert_extend(consumer, lease, in_.pick(kSpans)),
          {WARDEN_OK, WARDEN_E_UNKNOWN_LEASE});
  } else if (how == 2) {
    require(warden_alert_ack(consumer, nullptr, in_.byte() / 128) <= 0, "acknowledged nothing");
    require(warden_consumer_wake(consumer) == WARDEN_OK, "wake");
  } else {
    const std::int32_t code = warden_alert_ack(consumer, &lease, 1);
    if (code < 0) judge("ack", code, {});
    require(code <= 1, "acknowledged more than was given");
    if (code == 1 && expected_.owed.erase(one.id) != 0) expected_.acked.insert(one.id);
  }
}

void Session::look() {
  const std::string flow = pick_flow();
  const std::string key = pick_key();
  const Exact flow_text(flow);
  const Exact key_text(key);
  const std::size_t room = in_.rarely(2) ? in_.byte() * 2u : 50'000;
  std::unique_ptr<std::uint64_t[]> buffer(new std::uint64_t[room / 8 + 1]);
  warden_item item;
  std::size_t need = 0;
  const std::int32_t code =
      judge("get",
            warden_get(store(), flow_text.data(), flow_text.size(), key_text.data(),
                       key_text.size(), &item, buffer.get(), room, &need),
            {WARDEN_OK, WARDEN_ALREADY_DONE, WARDEN_E_UNKNOWN_ITEM, WARDEN_E_BUFFER_TOO_SMALL});
  require(code != WARDEN_E_BUFFER_TOO_SMALL || need > room, "it needs less than it has");
  const Sized<warden_stats> stats(warden_stats WARDEN_STATS_INIT, pick_size<warden_stats>(in_));
  judge("stats", warden_stats_get(store(), stats.get()), {WARDEN_OK});
  require(stats.is_intact(), "a struct was written over");
}

void Session::scan() {
  warden_scan_filter filter = WARDEN_SCAN_FILTER_INIT;
  const Exact flow(in_.pick(kFlowNames));
  const Exact stage(in_.pick(kStages));
  filter.state = in_.byte() % 7;
  filter.overdue = in_.byte() % 3;
  if (in_.rarely(2)) {
    filter.flow = flow.data();
    filter.flow_len = flow.size();
    filter.stage = stage.data();
    filter.stage_len = stage.size();
  }
  const Sized<warden_scan_filter> given(filter, pick_size<warden_scan_filter>(in_));
  warden_scan* walk = nullptr;
  const std::int32_t opened = judge(
      "scan", warden_scan_open(store(), in_.rarely(2) ? given.get() : nullptr, &walk, nullptr),
      {WARDEN_OK});
  if (opened < 0) return;
  const std::size_t room = in_.rarely(4) ? in_.byte() : 60'000;
  std::unique_ptr<std::uint64_t[]> buffer(new std::uint64_t[room / 8 + 1]);
  for (int rounds = 0; rounds < 100; ++rounds) {
    warden_item items[3];
    std::size_t need = 0;
    const std::int32_t code = warden_scan_next(walk, items, 3, buffer.get(), room, &need);
    if (code < 0) judge("scan_next", code, {WARDEN_E_BUFFER_TOO_SMALL});
    if (code <= 0) break;
  }
  warden_scan_close(walk);
}

void Session::waiting() {
  constexpr std::array<std::uint64_t, 4> kPlaces{0, 1, ~std::uint64_t{0}, std::uint64_t{1} << 44};
  const std::uint64_t lsn = in_.rarely(2) ? in_.pick(kPlaces) : lsn_;
  const std::int64_t timeout = in_.rarely(2) ? -1 : 0;
  const std::int32_t code = judge("wait_durable", warden_wait_durable(store(), lsn, timeout),
                                  {WARDEN_OK, WARDEN_E_TIMEOUT, WARDEN_E_LOST});
  require(code != WARDEN_E_TIMEOUT || timeout == 0, "a wait for ever ended");
  if (in_.rarely(2)) {
    judge("durable_arm", warden_durable_arm(store(), lsn), {WARDEN_OK});
    require(warden_durable_fd(store()) >= 0, "no descriptor");
  }
  const std::int32_t synced =
      judge("sync", warden_sync(store(), timeout), {WARDEN_OK, WARDEN_E_TIMEOUT});
  if (synced == WARDEN_OK) expected_.made_durable();
  judge("release_hold", warden_release_hold(store()), {WARDEN_OK});
}

void Session::disk_fault() {
  constexpr std::array<int, 5> kErrors{0, -EIO, -ENOSPC, -EINTR, -EAGAIN};
  if (!in_.rarely(2)) return;
  world_.fail_with = in_.pick(kErrors);
  world_.fail_at = world_.operations() + 1 + in_.byte() % 8;
  // A durable call waits for room for as long as it takes: so it comes back.
  world_.fail_sticky = world_.fail_with == -ENOSPC;
  world_.fail_for = 40;
}

void Session::bad_arguments() {
  for (const std::int32_t code :
       {warden_open("x", nullptr, nullptr, nullptr), warden_close(nullptr, 0),
        warden_close(store(), -1), warden_config_new(nullptr), warden_stats_get(store(), nullptr),
        warden_scan_open(store(), nullptr, nullptr, nullptr),
        warden_backup(store(), nullptr, nullptr, nullptr)}) {
    require(code == WARDEN_E_INVALID_ARGUMENT, "a bad argument", warden_code_name(code));
  }
  const auto codes = test::call_everything(nullptr, nullptr, nullptr, now_);
  for (std::size_t i = 0; i < codes.size(); ++i) {
    require(codes[i] == WARDEN_E_INVALID_ARGUMENT, "a call without a handle",
            std::to_string(i) + ": " + warden_code_name(codes[i]));
  }
  warden_free(nullptr);
  warden_config_free(nullptr);
  warden_scan_close(nullptr);
  require(warden_consumer_close(nullptr) == WARDEN_OK, "closing no consumer");
  const auto code = static_cast<std::int32_t>(in_.byte()) * -5;
  require(warden_code_name(code) != nullptr && (warden_code_flags(code) >> 4) == 0, "code names");
}

void Session::configure() {
  constexpr std::array<const char*, 14> kKeys{
      "clock", "tick",       "stripes", "payload_max", "dedupe_max",    "start",      "mode",
      "hold",  "durability", "backend", "colour",      "segment_bytes", "log_factor", ""};
  constexpr std::array<const char*, 12> kValues{
      "manual", "real", "1ms", "64", "0", "read-only", "true", "posix", "5GiB", "", "65536", "-1"};
  warden_config* config = nullptr;
  require(warden_config_new(&config) == WARDEN_OK, "a configuration");
  for (int i = 0; i < 3; ++i) {
    const char* key = in_.pick(kKeys);
    const std::string value = in_.rarely(3) ? in_.bytes(32) : std::string(in_.pick(kValues));
    const std::int32_t code = warden_config_set(config, key, value.c_str(), nullptr);
    require(code == WARDEN_OK || code == WARDEN_E_UNKNOWN_CONFIG ||
                code == WARDEN_E_INVALID_ARGUMENT || code == WARDEN_E_OUT_OF_RANGE,
            "config_set", warden_code_name(code));
  }
  warden_store* other = nullptr;
  warden_error error = WARDEN_ERROR_INIT;
  const std::int32_t code = warden_open(nullptr, config, &other, &error);
  require((code == WARDEN_OK) == (other != nullptr), "a store without an answer");
  require(code == WARDEN_OK || error.message[0] != '\0', "refused without a message");
  warden_config_free(config);
  if (other != nullptr) require(warden_close(other, 0) == WARDEN_OK, "closing");
  warden_free(other);
}

}  // namespace warden::fuzz
