// SPDX-License-Identifier: Apache-2.0
//
// See timeline.hpp.
#include "cli/timeline.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <new>

#include "alert/hub.hpp"
#include "cli/instant.hpp"
#include "cli/text.hpp"
#include "engine/alert_id.hpp"
#include "engine/records.hpp"
#include "flow/duration.hpp"
#include "io/posix_disk.hpp"
#include "log/log.hpp"

namespace warden::cli {
namespace {

using flow::RuleSlot;
using flow::RuleStatus;
using index::State;

std::string alert_label(const flow::Definition& flow, const engine::RaisedRecord& raised) {
  const bool has_rule = raised.reached.rule < flow.rules.size();
  const std::string rule = has_rule ? ' ' + flow.rules[raised.reached.rule].name : std::string();
  switch (raised.kind) {
    case alert::Kind::warn:
      return "WARN" + rule;
    case alert::Kind::breach:
      return "BREACH" + rule;
    case alert::Kind::escalation:
      return fmt::format("ESCALATION {}{}", raised.reached.level - flow::kLevelBreach, rule);
    case alert::Kind::expired:
      return "EXPIRED";
    case alert::Kind::suspicious:
      return "SUSPICIOUS" + rule;
    case alert::Kind::resolved:
      return "RESOLVED" + rule;
  }
  return "ALERT" + rule;
}

const char* severity_name(flow::Severity severity) {
  constexpr const char* kNames[] = {"no severity", "info", "warning", "error", "critical"};
  return kNames[raw(severity)];
}

void add_part(std::string& list, const std::string& part) {
  if (!list.empty()) list += ", ";
  list += part;
}

// Follows one incarnation through the log.
class History final : public log::ReplaySink {
 public:
  explicit History(std::uint64_t incarnation)
      : wanted_(incarnation), flows_(engine::FlowTable::make()) {}

  bool ready() const { return flows_ != nullptr; }
  std::vector<Moment>& moments() { return moments_; }

  void begin(const log::Uuid& store) override { store_ = store; }
  void reset() override;
  Error apply(Lsn lsn, log::RecordType type, std::uint64_t incarnation,
              std::span<const std::byte> content) override;

 private:
  struct Known {
    Hash128 id;
    std::string label;
  };

  Error read(Lsn lsn, log::RecordType type, std::uint64_t incarnation, engine::Reader& in);
  bool body(engine::Reader& in);
  bool state(engine::Reader& in);
  bool acks(std::uint64_t consumer, engine::Reader& in);
  void told(const engine::StateRecord& now);
  void raised(const engine::RaisedRecord& alert, std::vector<Moment>& here);
  // What the event was, "" if the record shows none.
  std::string verb(const engine::StateRecord& now) const;
  std::string closing_verb(const engine::StateRecord& now) const;
  std::string extended(const engine::StateRecord& now) const;
  std::string rules(const engine::StateRecord& now) const;
  std::string ended_rules(const engine::StateRecord& now) const;
  std::string past(std::size_t rule, const RuleSlot& slot, Nanos at) const;
  std::string stage(flow::StageNo number) const { return std::string(flow_->stages.name(number)); }

  const std::uint64_t wanted_;
  std::unique_ptr<engine::FlowTable> flows_;
  Hash128 store_;
  std::map<std::uint64_t, std::string> consumers_;
  const engine::FlowVersion* flow_ = nullptr;  // of the item, once its BODY was read
  std::string key_;
  engine::StateRecord before_;
  std::vector<Known> alerts_;
  std::vector<Moment> moments_;
};

void History::reset() {
  auto fresh = engine::FlowTable::make();
  if (fresh == nullptr) throw std::bad_alloc();
  flows_ = std::move(fresh);
  consumers_.clear();
  flow_ = nullptr;
  before_ = {};
  alerts_.clear();
  moments_.clear();
}

Error History::apply(Lsn lsn, log::RecordType type, std::uint64_t incarnation,
                     std::span<const std::byte> content) {
  try {
    engine::Reader in(content);
    return read(lsn, type, incarnation, in);
  } catch (const std::bad_alloc&) {
    return Error{Code::no_memory, "out of memory while the log was read"};
  }
}

Error History::read(Lsn lsn, log::RecordType type, std::uint64_t incarnation, engine::Reader& in) {
  bool good = true;
  if (type == log::RecordType::flow) return flows_->restore(in.text(), incarnation);
  if (type == log::RecordType::stage_name) {
    const engine::FlowVersion* flow = flows_->find_version(incarnation >> 16);
    good = flow != nullptr;
    if (good) {
      auto& stages = flows_->version(flow->number).stages;
      stages.find_or_add(in.text(), [](flow::StageNo) {});
    }
  } else if (type == log::RecordType::consumer) {
    engine::ConsumerRecord record;
    good = engine::decode_consumer(in, record);
    // Of a deleted one the name stays: it may have acknowledged before.
    if (good) consumers_[incarnation] = record.name;
  } else if (type == log::RecordType::ack) {
    good = acks(incarnation, in);
  } else if (incarnation == wanted_ && type == log::RecordType::body) {
    good = body(in);
  } else if (incarnation == wanted_ && type == log::RecordType::item && flow_ == nullptr) {
    good = body(in);  // what lies before it was cleaned away
  } else if (incarnation == wanted_ && type == log::RecordType::state) {
    good = state(in);
  }
  return good ? Error{}
              : Error{Code::corrupt, fmt::format("the record at LSN {} cannot be read: expected "
                                                 "one that fits those before it",
                                                 raw(lsn))};
}

bool History::body(engine::Reader& in) {
  const engine::FlowVersion* flow = flows_->find_version(in.varint());
  const auto created = static_cast<Nanos>(in.word());
  const std::string_view key = in.text();
  static_cast<void>(in.text());  // the payload
  if (flow == nullptr || in.failed()) return false;
  const bool first = flow_ == nullptr;
  flow_ = flow;
  key_ = key;
  engine::StateRecord now;
  const auto flow_of = [&](std::uint64_t n) { return flows_->find_version(n); };
  if (!engine::decode_state(in, flow_of, now)) return false;
  if (first && now.at != created) {
    moments_.push_back({created, "created", "what follows up to the next line is not in the log"});
  }
  told(now);
  return true;
}

bool History::state(engine::Reader& in) {
  engine::StateRecord now;
  const auto flow_of = [&](std::uint64_t n) { return flows_->find_version(n); };
  if (!engine::decode_state(in, flow_of, now)) return false;
  if (flow_ != nullptr) told(now);  // else the log begins behind the item's BODY
  return true;
}

bool History::acks(std::uint64_t consumer, engine::Reader& in) {
  while (!in.at_end()) {
    const std::uint64_t incarnation = in.word();
    const Hash128 id = in.hash();
    if (in.failed()) return false;
    if (incarnation != wanted_) continue;
    const auto known = std::find_if(alerts_.begin(), alerts_.end(),
                                    [&](const Known& one) { return one.id == id; });
    const std::string label = known == alerts_.end() ? "an alert" : known->label;
    const auto name = consumers_.find(consumer);
    const std::string by = name == consumers_.end() ? "" : " by " + name->second;
    // A closing withdraws what was never handed out, and is recorded as an ack is.
    const bool closed = before_.state == State::closed;
    moments_.push_back({kNoTime, label,
                        consumer == 0 ? "withdrawn: no consumer"
                        : closed      ? "acknowledged" + by + ", or withdrawn at the closing"
                                      : "acknowledged" + by});
  }
  return true;
}

// A record of the item: its alerts and its event, each at its instant. The event comes
// first among equals: what bears its instant was armed by it.
void History::told(const engine::StateRecord& now) {
  std::vector<Moment> here;
  if (std::string what = verb(now); !what.empty()) {
    here.push_back(
        {now.at, std::move(what), now.state == State::closed ? ended_rules(now) : rules(now)});
  }
  for (const engine::RaisedRecord& alert : now.raised) raised(alert, here);
  std::stable_sort(here.begin(), here.end(),
                   [](const Moment& a, const Moment& b) { return a.at_ns < b.at_ns; });
  std::move(here.begin(), here.end(), std::back_inserter(moments_));
  before_ = now;
}

void History::raised(const engine::RaisedRecord& alert, std::vector<Moment>& here) {
  const flow::Reached& reached = alert.reached;
  const flow::Definition& def = flow_->def;
  const std::string label = alert_label(def, alert);
  std::string detail = severity_name(reached.severity);
  if (reached.stage != flow::kNoStage) add_part(detail, "at " + stage(reached.stage));
  if (reached.deadline != reached.raised) {
    add_part(detail, "deadline " + format_instant(reached.deadline));
  }
  // While nobody ran the store, or its clock stood still, nobody could notice.
  if (alert.detected - reached.raised >= kSecond) {
    add_part(detail, "noticed " + format_instant(alert.detected));
  }
  here.push_back({reached.raised, label, detail});
  const bool has_rule = reached.rule < def.rules.size();
  const engine::IncidentOf incident{
      store_,
      def.name,
      key_,
      wanted_,
      has_rule ? std::string_view(def.rules[reached.rule].name) : std::string_view{},
      reached.arming};
  alerts_.push_back({engine::alert_id(incident, reached.level), label});
  if (has_rule) {
    alerts_.push_back({alert::resolved_id(engine::incident_id(incident)),
                       "RESOLVED " + def.rules[reached.rule].name});
  }
}

std::string History::verb(const engine::StateRecord& now) const {
  if (now.state == State::closed) return closing_verb(now);
  if (before_.state == State::none) return now.state == State::live ? "track" : "submit";
  if (before_.state == State::submitted && now.state == State::live) return "exec";
  if (now.stage != before_.stage) return "mark " + stage(now.stage);
  if (std::string what = extended(now); !what.empty()) return what;
  bool moved = now.at != before_.at || now.seq != before_.seq;
  for (std::size_t i = 0; i < now.slots.size(); ++i) {
    moved = moved || now.slots[i].arming != before_.slots[i].arming ||
            now.slots[i].status != before_.slots[i].status;
  }
  if (!moved) return {};  // the keeper's: alerts alone
  if (now.stage == flow::kNoStage) return "touch";
  return "touch, or mark " + stage(now.stage) + " again";
}

std::string History::closing_verb(const engine::StateRecord& now) const {
  if (now.verdict == index::Verdict::cancelled) return "cancel";
  if (now.verdict == index::Verdict::expired) return "expired";
  return now.stage != before_.stage ? "mark " + stage(now.stage) + ": done" : "complete: done";
}

// A deadline that moved while its arming's instant stayed.
std::string History::extended(const engine::StateRecord& now) const {
  for (std::size_t i = 0; i < flow_->def.rules.size(); ++i) {
    const RuleSlot& was = before_.slots[i];
    const RuleSlot& is = now.slots[i];
    if (was.status == RuleStatus::armed && is.status == RuleStatus::armed &&
        was.armed_at == is.armed_at && was.deadline != is.deadline) {
      return fmt::format("extend {} to {}", flow_->def.rules[i].name, format_instant(is.deadline));
    }
  }
  return {};
}

// Met, and how late. Rules of kind due follow the wall clock, which the log does not
// tell of an event: the event's instant stands for it.
std::string History::past(std::size_t rule, const RuleSlot& slot, Nanos at) const {
  const std::string& name = flow_->def.rules[rule].name;
  if (slot.deadline >= at) return name + " met";
  Nanos late = add_sat(at, -slot.deadline);
  if (late >= kSecond) late -= late % kMilli;
  return name + " met " + flow::format_duration(late) + " late";
}

std::string History::rules(const engine::StateRecord& now) const {
  std::string out;
  if (now.state == State::submitted && now.slots[0].status == RuleStatus::ttl) {
    add_part(out, "expires " + format_instant(now.slots[0].deadline));
  }
  for (std::size_t i = 0; i < flow_->def.rules.size(); ++i) {
    const RuleSlot& is = now.slots[i];
    const RuleSlot was = before_.slots.empty() ? RuleSlot{} : before_.slots[i];
    const flow::Rule& rule = flow_->def.rules[i];
    const bool was_armed = was.status == RuleStatus::armed;
    if (was_armed && is.status == RuleStatus::met) add_part(out, past(i, was, now.at));
    // An idle rule is armed by every event: told once, when the item begins.
    if (!was_armed && is.status == RuleStatus::armed) {
      add_part(out, rule.name + " until " + format_instant(is.deadline));
    }
  }
  return out;
}

// A closed item's record has no rules any more: those that were armed before it.
std::string History::ended_rules(const engine::StateRecord& now) const {
  std::string out;
  for (std::size_t i = 0; i < flow_->def.rules.size() && i < before_.slots.size(); ++i) {
    const RuleSlot& was = before_.slots[i];
    if (was.status == RuleStatus::armed && was.deadline < now.at) {
      add_part(out, past(i, was, now.at));
    }
  }
  return out;
}

}  // namespace

Result<std::vector<Moment>> read_timeline(const std::string& directory, std::uint64_t incarnation) {
  const auto disk = io::make_real_disk(io::Backend::posix);
  History history(incarnation);
  if (disk == nullptr || !history.ready()) return bad_environment("out of memory");
  log::Options how;
  how.mode = log::Mode::read_only;
  std::unique_ptr<log::Log> log;
  if (const Error error = log::Log::open(*disk, directory, how, history, log)) {
    const bool memory = error.code == Code::no_memory;
    return Failure{memory ? ExitCode::environment : ExitCode::bad_input, error.message};
  }
  return std::move(history.moments());
}

std::string timeline_text(const std::vector<Moment>& moments) {
  if (moments.empty()) return "timeline    its records are not in the log\n";
  std::string out = "timeline\n";
  for (const Moment& one : moments) {
    const std::string at = one.at_ns == kNoTime ? "-" : format_instant(one.at_ns);
    std::string line =
        fmt::format("  {:<30}  {:<20}  {}", at, one_line(one.what), one_line(one.detail));
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + '\n';
  }
  return out;
}

nlohmann::ordered_json timeline_json(const std::vector<Moment>& moments) {
  auto out = nlohmann::ordered_json::array();
  for (const Moment& one : moments) {
    nlohmann::ordered_json at;
    if (one.at_ns != kNoTime) at = format_instant(one.at_ns);
    out.push_back({{"at", at}, {"what", one.what}, {"detail", one.detail}});
  }
  return out;
}

}  // namespace warden::cli
