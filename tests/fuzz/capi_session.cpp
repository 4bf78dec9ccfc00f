// SPDX-License-Identifier: Apache-2.0
//
// The frame: opening, dying, what is expected afterwards. The calls are in
// capi_calls.cpp.
#include "capi_session.hpp"

#include <algorithm>

#include "flow_texts.hpp"
#include "plant.hpp"

namespace warden::fuzz {

using fault::Presence;

Session::Session(Input& in) : in_(in), world_(1 + in.byte()), engine_(world_, disk_clock_) {
  reopen(false);
  for (const char* text : {test::kUpload, test::kTimer}) {
    require(warden_flow_define(store(), text, std::strlen(text), nullptr, nullptr) == WARDEN_OK,
            "a flow of the tests is refused");
  }
  expected_.flows_issued = 2;
  expected_.made_durable();
  require(warden_clock_advance(store(), now_) == WARDEN_OK, "the clock does not begin");
  warden_consumer* ops = nullptr;
  require(warden_consumer_open(store(), "ops", 3, nullptr, &ops, nullptr) == WARDEN_OK,
          "a consumer is refused");
  consumers_.emplace_back(ops);
  expected_.consumers["ops"] = Presence::present;
}

void Session::step() {
  static constexpr std::array<void (Session::*)(), 20> kSteps{
      &Session::verb,         &Session::verb,           &Session::verb,
      &Session::verb,         &Session::verb,           &Session::verb,
      &Session::batch,        &Session::define,         &Session::clock,
      &Session::clock,        &Session::open_consumer,  &Session::poll,
      &Session::ack,          &Session::look,           &Session::scan,
      &Session::waiting,      &Session::disk_fault,     &Session::bad_arguments,
      &Session::close_or_die, &Session::delete_consumer};
  const std::uint8_t what = in_.byte();
  if (what == 255) {
    configure();
  } else {
    (this->*in_.pick(kSteps))();
  }
  if (fault::stats_of(store()).failed != 0) {
    check_failed();
  } else {
    balance();
  }
}

void Session::finish() {
  world_.fail_at = 0;
  world_.capacity = ~std::uint64_t{0};
  close_or_die();
  const std::int64_t end = std::max(now_, fault::stats_of(store()).now_ns);
  // A last time: what is left in this world, read by a process that knows nothing.
  drop_handles();
  world_.crash();
  engine_.close();
  world_.revive();
  world_.restart_after_kill();
  if (!hears_ops_) expected_.consumers.erase("ops");
  const std::string wrong =
      expected_.verify(world_, std::min(add_sat(end, 100 * kSecond), kNever - 1));
  require(wrong.empty(), "after the last opening", wrong);
}

std::int32_t Session::judge(const char* what, std::int32_t code,
                            const std::vector<std::int32_t>& answers) {
  static const std::set<std::int32_t> kCommon{WARDEN_E_UNKNOWN_FLOW,   WARDEN_E_INVALID_ARGUMENT,
                                              WARDEN_E_OUT_OF_RANGE,   WARDEN_E_TOO_LARGE,
                                              WARDEN_E_FENCED,         WARDEN_ALREADY,
                                              WARDEN_E_NO_SPACE,       WARDEN_E_IO,
                                              WARDEN_E_OUTCOME_UNKNOWN};
  const bool documented =
      kCommon.count(code) != 0 || std::find(answers.begin(), answers.end(), code) != answers.end();
  require(documented, what, std::string("answers ") + warden_code_name(code));
  return code;
}

void Session::balance() {
  const warden_stats s = fault::stats_of(store());
  require(s.submitted_total == s.submitted + s.live + s.done + s.cancelled + s.expired,
          "the balance is off");
}

void Session::note_all() {
  for (auto& [name, known] : expected_.items) {
    if (forgotten_.count(name) == 0) expected_.note(name, fault::state_of(store(), name));
  }
}

void Session::drop_handles() {
  consumers_.clear();
  leased_.clear();
}

// With a disk that fails now and then an opening may be refused; not once it is well.
void Session::reopen(bool may_fail) {
  std::int32_t code = engine_.open();
  if (code != WARDEN_OK && may_fail) {
    require(engine_.error.message[0] != '\0' || code == WARDEN_E_NO_MEMORY, "no message");
    world_.fail_at = 0;
    world_.capacity = ~std::uint64_t{0};
    code = engine_.open();
  }
  require(code == WARDEN_OK, "it does not open", engine_.error.message);
  // Whether a tombstone is still remembered depends on the clock, which is not in the
  // log before an alert or a closing tells of it.
  for (auto it = expected_.items.begin(); it != expected_.items.end();) {
    auto& [name, known] = *it;
    const auto is_closed = [](const std::string& state) { return state.starts_with("closed"); };
    const bool vague = forgotten_.count(name) != 0 ||
                       (far_ && std::any_of(known.states.begin(), known.states.end(), is_closed));
    it = vague ? expected_.items.erase(it) : std::next(it);
  }
  forgotten_.clear();
  const std::string wrong = expected_.compare(store());
  require(wrong.empty(), "after opening", wrong);
  now_ = std::max(now_, fault::stats_of(store()).now_ns);
  start_ = fault::stats_of(store()).now_ns;
  if (expected_.consumers.count("ops") != 0 && hears_ops_) {
    warden_consumer* ops = nullptr;
    const std::int32_t opened = warden_consumer_open(store(), "ops", 3, nullptr, &ops, nullptr);
    consumers_.emplace_back(ops);
    hears_ops_ = opened == WARDEN_OK;
  }
}

void Session::close_or_die() {
  const std::uint8_t how = in_.byte() % 6;
  drop_handles();
  if (how == 0) {
    const std::int32_t code = warden_close(store(), 10 * kSecond);
    if (code == WARDEN_OK) expected_.made_durable();
    require(code == WARDEN_OK || code == WARDEN_E_OUTCOME_UNKNOWN || code == WARDEN_E_TIMEOUT ||
                code == WARDEN_E_IO || code == WARDEN_E_NO_SPACE,
            "close", warden_code_name(code));
    require(warden_sync(store(), -1) == WARDEN_E_STORE_CLOSED, "a closed store answers");
    engine_.close();
    world_.restart_after_kill();
  } else if (how == 1) {
    engine_.close();
    world_.restart_after_kill();
  } else {
    world_.crash();
    engine_.close();
    world_.revive();
    // Planted: a disk that loses what it had flushed.
    if (planted() == Plant::wrong) {
      for (auto& [name, node] : world_.now()) {
        if (!name.starts_with("wal-")) continue;
        node->durable.assign(node->durable.size(), '\0');
        node->seen = node->durable;
        node->unflushed.clear();
      }
    }
    if (how == 2) world_.restart_after_kill();
    if (how == 3) world_.restart([](std::size_t, std::size_t) { return false; }, 0);
    if (how >= 4) world_.restart_at_random();
  }
  reopen(true);
}

// The device has failed: nobody is told again that anything is durable; then the process
// is started anew.
void Session::check_failed() {
  const std::uint64_t durable = warden_durable_lsn(store());
  const std::int32_t synced = warden_sync(store(), -1);
  require(synced == WARDEN_E_OUTCOME_UNKNOWN || synced == WARDEN_OK, "sync after a failure");
  if (synced == WARDEN_OK) expected_.made_durable();
  warden_item_options options = WARDEN_ITEM_OPTIONS_INIT;
  options.at_ns = now_;
  const std::int32_t code =
      warden_track(store(), "timer", 5, "never", 5, nullptr, 0, &options, nullptr);
  require(code == WARDEN_E_IO || code == WARDEN_E_OUTCOME_UNKNOWN, "tracked after a failure",
          warden_code_name(code));
  require(warden_durable_lsn(store()) == durable, "durable moved after a failure");
  drop_handles();
  engine_.close();
  world_.fail_at = 0;
  world_.restart_after_kill();
  reopen(false);
}

}  // namespace warden::fuzz
