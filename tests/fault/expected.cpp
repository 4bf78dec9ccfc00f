// SPDX-License-Identifier: Apache-2.0
#include "expected.hpp"

#include <algorithm>
#include <sstream>

#include "client.hpp"

namespace warden::fault {
namespace {

constexpr std::size_t kBuffer = 1 << 16;

std::pair<std::string, std::string> split(const std::string& name) {
  const std::size_t slash = name.find('/');
  return {name.substr(0, slash), name.substr(slash + 1)};
}

std::string text_of(const test::Item& item) {
  std::ostringstream out;
  const warden_item& raw = item.raw;
  out << "incarnation " << raw.incarnation << " token " << raw.token << " seq " << raw.seq
      << " created " << raw.created_ns << " event " << raw.last_event_ns << " deadline "
      << raw.deadline_ns << " state " << raw.state << " alerts " << raw.alerts << " overdue "
      << raw.overdue << " stage " << item.stage << " payload " << item.payload.size() << ' '
      << std::hash<std::string>{}(item.payload);
  for (const test::Rule& rule : item.rules) {
    out << " | " << rule.name << ' ' << rule.deadline << ' ' << rule.status << ' ' << rule.level
        << ' ' << rule.arming;
  }
  return out.str();
}

}  // namespace

std::string state_of(warden_store* store, const std::string& name) {
  const sim::Exempt exempt;
  const auto [flow, key] = split(name);
  std::vector<std::uint64_t> buffer(kBuffer / 8);
  warden_item raw{};
  const std::int32_t code = warden_get(store, flow.data(), flow.size(), key.data(), key.size(),
                                       &raw, buffer.data(), kBuffer, nullptr);
  if (code == WARDEN_E_UNKNOWN_ITEM || code == WARDEN_E_UNKNOWN_FLOW) return {};
  if (code == WARDEN_ALREADY_DONE) {
    return test::numbered("closed ", raw.verdict) +
           test::numbered(" incarnation ", raw.incarnation);
  }
  if (code != WARDEN_OK) return std::string("unreadable: ") + warden_code_name(code);
  return text_of(test::read_item(raw, buffer.data()));
}

warden_stats stats_of(warden_store* store) {
  const sim::Exempt exempt;
  warden_stats out = WARDEN_STATS_INIT;
  warden_stats_get(store, &out);
  return out;
}

Polled poll(warden_consumer* consumer) {
  static char buffer[kBuffer];
  static warden_alert alerts[64];
  Polled out;
  out.code = warden_consumer_poll(consumer, 0, alerts, 64, buffer, sizeof buffer, nullptr);
  const sim::Exempt exempt;
  if (out.code > 0) out.alerts.assign(alerts, alerts + out.code);
  return out;
}

void Expected::made_durable() {
  const sim::Exempt exempt;
  for (auto& [name, known] : items) known.acked = known.states.size() - 1;
  flows_acked = flows_issued;
  settled.insert(acked.begin(), acked.end());
  acked.clear();
}

void Expected::note(const std::string& name, const std::string& state) {
  Known& known = items[name];
  if (known.states.back() != state) known.states.push_back(state);
}

std::string Expected::compare(warden_store* store) {
  const sim::Exempt exempt;
  for (auto& [name, known] : items) {
    const std::string is = state_of(store, name);
    const auto from = known.states.begin() + static_cast<std::ptrdiff_t>(known.acked);
    if (std::find(from, known.states.end(), is) == known.states.end()) {
      return name + " is [" + is + "], acknowledged was [" + known.states[known.acked] +
             "], issued [" + known.states.back() + "]";
    }
    known = Known{{is}, 0};
  }
  acked.clear();  // of an opening that is over: whether they survived shows by itself
  const warden_stats s = stats_of(store);
  if (s.submitted_total != s.submitted + s.live + s.done + s.cancelled + s.expired) {
    return "the balance is off";
  }
  if (s.flows < flows_acked || s.flows > flows_issued) return "flows are missing";
  flows_acked = flows_issued = s.flows;
  return {};
}

// A name that exists refuses other options than its own.
std::string Expected::check_consumers(warden_store* store) {
  for (auto& [name, presence] : consumers) {
    warden_consumer_options other = WARDEN_CONSUMER_OPTIONS_INIT;
    other.lease_ns = 77 * test::kS;
    warden_consumer* handle = nullptr;
    const std::int32_t code =
        warden_consumer_open(store, name.data(), name.size(), &other, &handle, nullptr);
    const bool there = code == WARDEN_E_CONFLICT;
    if (!there && code != WARDEN_OK) return "consumer " + name + ": " + warden_code_name(code);
    warden_consumer_close(handle);
    if (!there) warden_consumer_delete(store, name.data(), name.size());
    if (there && presence == Presence::absent) return "consumer " + name + " is there";
    if (!there && presence == Presence::present) return "consumer " + name + " is gone";
    presence = there ? Presence::present : Presence::absent;
  }
  return {};
}

// At least once: what was handed out and not acknowledged comes again, what is settled
// does not, and of an open item every level that it reached has been heard of.
std::string Expected::check_alerts(warden_store* store, std::int64_t now) {
  const auto found = consumers.find("ops");
  if (found == consumers.end() || found->second != Presence::present) return {};
  warden_consumer* raw = nullptr;
  if (warden_consumer_open(store, "ops", 3, nullptr, &raw, nullptr) < 0) return "no consumer";
  const ConsumerHandle consumer(raw);
  if (warden_clock_advance(store, now) < 0) return "the clock does not advance";
  std::set<Id> came;
  for (;;) {
    const Polled got = poll(consumer.get());
    if (got.code < 0) return std::string("polling: ") + warden_code_name(got.code);
    if (got.alerts.empty()) break;
    for (const warden_alert& one : got.alerts) {
      const Id id{one.id[0], one.id[1]};
      if (settled.count(id) != 0) return "an alert that was acknowledged came again";
      came.insert(id);
      if (one.kind != WARDEN_KIND_RESOLVED) handed_out.emplace(id, one.incarnation);
      if (warden_alert_ack(consumer.get(), &one.lease, 1) != 1) return "an ack was refused";
    }
  }
  for (const Id& id : owed) {
    if (came.count(id) == 0) return "an alert that was not acknowledged did not come again";
  }
  std::map<std::uint64_t, unsigned> heard;
  for (const auto& [id, incarnation] : handed_out) ++heard[incarnation];
  for (const auto& [name, known] : items) {
    const auto [flow, key] = split(name);
    std::vector<std::uint64_t> buffer(kBuffer / 8);
    warden_item item{};
    const std::int32_t code = warden_get(store, flow.data(), flow.size(), key.data(), key.size(),
                                         &item, buffer.data(), kBuffer, nullptr);
    if (code == WARDEN_OK && heard[item.incarnation] != item.alerts) {
      return name + test::numbered(" raised ", item.alerts) +
             test::numbered(", heard of were ", heard[item.incarnation]);
    }
  }
  return {};
}

std::string Expected::verify(sim::SimWorld& world, std::int64_t now) {
  const sim::Exempt exempt;
  io::ManualClock clock(now);
  SimEngine engine(world, clock);
  const std::int32_t code = engine.open();
  if (code < 0) {
    return std::string("opening afterwards answers ") + warden_code_name(code) + ": " +
           engine.error.message;
  }
  if (std::string wrong = compare(engine.get()); !wrong.empty()) return wrong;
  if (std::string wrong = check_consumers(engine.get()); !wrong.empty()) return wrong;
  if (std::string wrong = check_alerts(engine.get(), now); !wrong.empty()) return wrong;
  constexpr const char* kFlow =
      "[flow]\nname = 'after'\nstages = []\n[[rule]]\nname = 't'\nkind = 'total'\nwithin = '1h'\n";
  if (warden_flow_define(engine.get(), kFlow, std::strlen(kFlow), nullptr, &engine.error) < 0) {
    return std::string("defining a flow afterwards: ") + engine.error.message;
  }
  warden_item_options options = WARDEN_ITEM_OPTIONS_INIT;
  options.at_ns = now;
  std::int32_t answer = warden_track(engine.get(), "after", 5, "k", 1, "p", 1, &options, nullptr);
  if (answer != WARDEN_NEW) return std::string("tracking afterwards: ") + warden_code_name(answer);
  answer = warden_complete(engine.get(), "after", 5, "k", 1, &options, nullptr);
  if (answer != WARDEN_ON_TIME) return std::string("completing: ") + warden_code_name(answer);
  answer = warden_close(engine.get(), test::kS);
  return answer == WARDEN_OK ? std::string() : std::string("closing: ") + warden_code_name(answer);
}

}  // namespace warden::fault
