// SPDX-License-Identifier: Apache-2.0
#include "script.hpp"

#include "client.hpp"
#include "flow_texts.hpp"

namespace warden::fault {
namespace {

constexpr const char* kFree =
    "[flow]\nname = 'free'\nstages = 'any'\ndedupe = '1h'\n[[rule]]\nname = 't'\nkind = 'total'\n"
    "within = '10s'\n";

std::string flow_of(const std::string& name) {
  return name.substr(0, name.find('/'));
}
std::string key_of(const std::string& name) {
  return name.substr(name.find('/') + 1);
}

}  // namespace

Script::Script(sim::SimWorld& world, io::ManualClock& clock, bool lasting)
    : engine_(world, clock), clock_(clock), lasting_(lasting) {}

void Script::wrong(std::string what) {
  if (wrong_.empty()) wrong_ = std::move(what);
}

// ------------------------------------------------------------------- the frame
std::string Script::run() {
  const sim::Exempt exempt;  // but for calls of the library
  if (run_steps(first_life()) && run_steps(second_life())) {
    ops_.reset();
    engine_.close();  // without warden_close: a program that just ends
  }
  return wrong_;
}

bool Script::run_steps(const std::vector<Step>& steps) {
  for (const Step& step : steps) {
    if (!engine_.is_open() && !reopen()) return false;
    step.body();
    if (wrong_.empty() && engine_.is_open() && has_failed()) check_failed();
    if (!wrong_.empty()) wrong_ = std::string(step.name) + ": " + wrong_;
    if (!wrong_.empty()) return false;
  }
  return true;
}

bool Script::reopen() {
  const std::int32_t code = insist("opening", [&] {
    ops_.reset();
    return engine_.open();
  });
  if (code < 0) {
    if (code != WARDEN_E_NO_MEMORY && engine_.error.message[0] == 0) wrong("no message");
    given_up_ = true;
    return false;
  }
  wrong(expected_.compare(engine_.get()));
  return wrong_.empty();
}

bool Script::may_be_refused(std::int32_t code) const {
  return code == WARDEN_E_NO_MEMORY || code == WARDEN_E_NO_SPACE || code == WARDEN_E_IO;
}

void Script::rest() {
  if (!engine_.is_open() || !engine_.get()->engine->recorder().has_log()) return;
  log::Log& log = engine_.get()->engine->recorder().log();
  const Nanos until = clock_.now_elapsed() + kSecond;
  while (clock_.now_elapsed() < until) {
    if (log.pump()) continue;
    const Nanos before = clock_.now_elapsed();
    log.queue().wait(std::min<Nanos>(log.idle_time(), until - before));
    if (clock_.now_elapsed() == before && !log.in_flight()) clock_.advance(kMilli);
  }
}

std::int32_t Script::insist(const char* what, const std::function<std::int32_t()>& call) {
  std::int32_t code = 0;
  for (int tries = 0; tries < 3; ++tries) {
    {
      const sim::NotExempt call_of_the_library;
      code = call();
    }
    if (!may_be_refused(code)) return code;
    ++refusals_;
    if (engine_.is_open() && has_failed()) return code;  // the next opening's turn
    rest();
  }
  if (!lasting_) wrong(std::string(what) + " is still refused: " + warden_code_name(code));
  return code;
}

bool Script::has_failed() {
  return stats_of(engine_.get()).failed != 0;
}

// The device has failed: nobody is told again that anything is durable.
void Script::check_failed() {
  ++failures_;
  warden_store* store = engine_.get();
  const std::uint64_t durable = warden_durable_lsn(store);
  if (engine_.heard.errors != 1) wrong(test::numbered("hook calls: ", engine_.heard.errors));
  if (engine_.heard.last.find("sim/") == std::string::npos) wrong("the hook names no file");
  warden_item_options options = WARDEN_ITEM_OPTIONS_INIT;
  options.at_ns = now_;
  for (int i = 0; i < 2; ++i) {
    const std::int32_t code =
        warden_track(store, "upload", 6, "never", 5, nullptr, 0, &options, nullptr);
    if (code != WARDEN_E_IO && code != WARDEN_E_UNKNOWN_FLOW) wrong("tracked after a failure");
    if (warden_flow_define(store, kFree, std::strlen(kFree), nullptr, nullptr) != WARDEN_E_IO) {
      wrong("defined after a failure");
    }
    const std::int32_t synced = warden_sync(store, -1);
    if (synced != WARDEN_E_OUTCOME_UNKNOWN && synced != WARDEN_OK) wrong("sync after a failure");
    if (synced == WARDEN_OK) expected_.made_durable();
  }
  if (!state_of(store, "upload/never").empty()) wrong("an item of a refused call");
  for (int i = 0; ops_ && i < 100; ++i) {
    const Polled got = poll(ops_.get());
    for (const warden_alert& one : got.alerts) {
      const Id id{one.id[0], one.id[1]};
      if (one.lsn > durable) wrong("an alert that is not durable");
      expected_.owed.insert(id);
      if (one.kind != WARDEN_KIND_RESOLVED) expected_.handed_out.emplace(id, one.incarnation);
    }
    if (!got.alerts.empty()) continue;
    if (got.code != WARDEN_E_IO) wrong("pollers are not told");
    break;
  }
  if (warden_durable_lsn(store) != durable) wrong("durable moved after a failure");
  if (warden_close(store, test::kS) != WARDEN_E_OUTCOME_UNKNOWN)
    wrong("closed as if all were well");
  ops_.reset();
  engine_.close();
}

// ------------------------------------------------------------------- the calls
void Script::define(const char* text) {
  ++expected_.flows_issued;
  const std::int32_t code = insist("defining", [&] {
    return warden_flow_define(engine_.get(), text, std::strlen(text), nullptr, &engine_.error);
  });
  const unsigned flows = stats_of(engine_.get()).flows;
  if (code == WARDEN_OK) {
    expected_.flows_issued = flows;
    expected_.made_durable();
  } else if (code != WARDEN_E_OUTCOME_UNKNOWN) {
    if (!may_be_refused(code)) wrong(std::string("define: ") + warden_code_name(code));
    --expected_.flows_issued;
    if (flows > expected_.flows_issued) wrong("a refused flow is there");
  }
}

void Script::verb(const std::string& name, warden_item_options options, const Call& call) {
  options.at_ns = now_;
  std::string before;
  const std::int32_t code = insist(name.c_str(), [&] {
    before = state_of(engine_.get(), name);
    const std::int32_t got = call(&options, nullptr);
    const sim::Exempt ours;
    if (may_be_refused(got) && state_of(engine_.get(), name) != before) {
      wrong(name + " was changed by a call that answers " + warden_code_name(got));
    }
    return got;
  });
  const std::string after = state_of(engine_.get(), name);
  const bool missing = code == WARDEN_E_UNKNOWN_ITEM || code == WARDEN_E_UNKNOWN_FLOW;
  if (missing && !before.empty()) wrong(name + " is gone");
  if (code < 0 && code != WARDEN_E_OUTCOME_UNKNOWN && after != before) wrong(name + " changed");
  if (code < 0 && !missing && !may_be_refused(code) && code != WARDEN_E_OUTCOME_UNKNOWN) {
    wrong(name + ": " + warden_code_name(code));
  }
  if (code == WARDEN_E_OUTCOME_UNKNOWN && !has_failed()) wrong("unknown, but nothing failed");
  if (code >= 0 || code == WARDEN_E_OUTCOME_UNKNOWN) expected_.note(name, after);
  if (code < 0 || options.durability == WARDEN_DURABILITY_BUFFERED) return;
  // What is answered is durable; and what came before it in the log, if it wrote anything.
  expected_.items[name].acked = expected_.items[name].states.size() - 1;
  if (warden_sync(engine_.get(), 0) == WARDEN_OK) expected_.made_durable();
}

void Script::track(const std::string& name, std::size_t payload, std::uint32_t durability) {
  const std::string bytes(payload, 'p');
  warden_item_options options = WARDEN_ITEM_OPTIONS_INIT;
  options.durability = durability;
  verb(name, options, [&](const auto* o, auto* r) {
    return warden_track(engine_.get(), name.data(), flow_of(name).size(), key_of(name).data(),
                        key_of(name).size(), bytes.data(), bytes.size(), o, r);
  });
}

void Script::mark(const std::string& name, const char* stage) {
  verb(name, WARDEN_ITEM_OPTIONS_INIT, [&](const auto* o, auto* r) {
    return warden_mark(engine_.get(), name.data(), flow_of(name).size(), key_of(name).data(),
                       key_of(name).size(), stage, std::strlen(stage), o, r);
  });
}

void Script::complete(const std::string& name, bool early) {
  warden_item_options options = WARDEN_ITEM_OPTIONS_INIT;
  options.allow_early = early ? 1 : 0;
  verb(name, options, [&](const auto* o, auto* r) {
    return warden_complete(engine_.get(), name.data(), flow_of(name).size(), key_of(name).data(),
                           key_of(name).size(), o, r);
  });
}

// Three items by one call, each with an answer of its own.
void Script::batch() {
  const char blob[] = "xyzpayload";
  warden_batch_entry entries[3]{};
  for (std::uint32_t i = 0; i < 3; ++i) {
    entries[i].key_offset = i;
    entries[i].key_len = 1;
    entries[i].arg_offset = 3;
    entries[i].arg_len = 7;
    entries[i].at_ns = now_;
  }
  warden_batch_result results[3]{};
  warden_batch batch = WARDEN_BATCH_INIT;
  batch.flow = "upload";
  batch.flow_len = 6;
  batch.blob = blob;
  batch.blob_len = sizeof blob - 1;
  batch.entries = entries;
  batch.count = 3;
  batch.results = results;
  const char* names[3] = {"upload/x", "upload/y", "upload/z"};
  const std::int32_t code = insist("batch", [&] {
    std::string before[3];
    for (int i = 0; i < 3; ++i) before[i] = state_of(engine_.get(), names[i]);
    const std::int32_t got = warden_batch_run(engine_.get(), WARDEN_OP_TRACK, &batch, nullptr);
    const sim::Exempt ours;
    bool refused = may_be_refused(got);
    for (int i = 0; i < 3; ++i) {
      const std::string after = state_of(engine_.get(), names[i]);
      if (results[i].code >= 0) expected_.note(names[i], after);
      if (results[i].code < 0 && after != before[i]) wrong("an entry that was refused is there");
      refused = refused || may_be_refused(results[i].code);
    }
    return refused && got >= 0 ? WARDEN_E_NO_MEMORY : got;  // again: the others are EXISTING
  });
  if (code >= 0 && warden_sync(engine_.get(), 0) == WARDEN_OK) expected_.made_durable();
}

// What is due is raised on many items, each as a whole.
void Script::look_at_all() {
  const sim::Exempt exempt;
  for (auto& [name, known] : expected_.items) {
    expected_.note(name, state_of(engine_.get(), name));
  }
}

void Script::advance(std::int64_t by) {
  now_ += by;
  const std::int32_t code = insist("clock", [&] {
    const std::int32_t got = warden_clock_advance(engine_.get(), now_);
    look_at_all();  // exempt
    return got;
  });
  if (code == WARDEN_OK) {
    expected_.made_durable();
  } else if (!may_be_refused(code) && code != WARDEN_E_OUTCOME_UNKNOWN) {
    wrong(std::string("clock: ") + warden_code_name(code));
  }
}

void Script::open_consumer(const char* name) {
  warden_consumer* handle = nullptr;
  const std::int32_t code = insist("consumer", [&] {
    return warden_consumer_open(engine_.get(), name, std::strlen(name), nullptr, &handle,
                                &engine_.error);
  });
  auto& presence = expected_.consumers.try_emplace(name, Presence::absent).first->second;
  if (code == WARDEN_OK) {
    presence = Presence::present;
  } else if (code == WARDEN_E_OUTCOME_UNKNOWN) {
    if (presence == Presence::absent) presence = Presence::unknown;
  } else if (!may_be_refused(code)) {
    wrong(std::string("consumer: ") + warden_code_name(code));
  }
  if (std::strcmp(name, "ops") == 0) {
    ops_.reset(handle);
  } else {
    warden_consumer_close(handle);
  }
}

void Script::delete_consumer(const char* name) {
  const std::int32_t code = insist(
      "delete", [&] { return warden_consumer_delete(engine_.get(), name, std::strlen(name)); });
  auto& presence = expected_.consumers.try_emplace(name, Presence::absent).first->second;
  if (code == WARDEN_OK) presence = Presence::absent;
  if (code == WARDEN_E_OUTCOME_UNKNOWN) presence = Presence::unknown;
  if (code == WARDEN_E_INVALID_ARGUMENT && presence == Presence::present) wrong("no such name");
}

// Polls, acknowledges the first `ack` of each portion, remembers the others as owed.
void Script::take_alerts(std::size_t ack) {
  if (ops_ == nullptr) open_consumer("ops");
  for (int rounds = 0; ops_ != nullptr && rounds < 50; ++rounds) {
    Polled got;
    insist("polling", [&] {
      got = poll(ops_.get());
      return got.code;
    });
    if (got.alerts.empty()) return;
    std::vector<std::uint64_t> leases;
    for (const warden_alert& one : got.alerts) {
      const Id id{one.id[0], one.id[1]};
      if (one.lsn > warden_durable_lsn(engine_.get())) wrong("an alert that is not durable");
      if (expected_.settled.count(id) != 0) {
        wrong(test::numbered("acknowledged, and here again: of incarnation ", one.incarnation) +
              test::numbered(", kind ", one.kind));
      }
      if (one.kind != WARDEN_KIND_RESOLVED) expected_.handed_out.emplace(id, one.incarnation);
      expected_.owed.insert(id);
      expected_.acked.erase(id);
      if (leases.size() < ack) leases.push_back(one.lease);
    }
    if (leases.empty()) return;
    std::int32_t acked = 0;
    {
      const sim::NotExempt call_of_the_library;
      acked = warden_alert_ack(ops_.get(), leases.data(), leases.size());
    }
    if (acked < 0 && !may_be_refused(acked)) wrong(std::string("ack: ") + warden_code_name(acked));
    if (acked < 0) return;
    if (static_cast<std::size_t>(acked) != leases.size()) wrong("a lease was not honoured");
    for (std::size_t i = 0; i < leases.size(); ++i) {
      const Id id{got.alerts[i].id[0], got.alerts[i].id[1]};
      expected_.owed.erase(id);
      expected_.acked.insert(id);
    }
  }
}

void Script::sync() {
  const std::int32_t code = insist("sync", [&] { return warden_sync(engine_.get(), -1); });
  if (code == WARDEN_OK) expected_.made_durable();
}

void Script::close() {
  std::int32_t code = 0;
  {
    const sim::NotExempt call_of_the_library;
    code = warden_close(engine_.get(), test::kS);
  }
  if (code == WARDEN_OK) expected_.made_durable();
  if (code < 0 && !may_be_refused(code) && code != WARDEN_E_OUTCOME_UNKNOWN &&
      code != WARDEN_E_TIMEOUT) {
    wrong(std::string("close: ") + warden_code_name(code));
  }
  ops_.reset();
  engine_.close();
}

}  // namespace warden::fault
