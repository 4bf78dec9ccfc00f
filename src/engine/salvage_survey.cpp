// SPDX-License-Identifier: Apache-2.0
#include "engine/salvage_survey.hpp"

#include <algorithm>

namespace warden::engine {

using index::State;
using log::RecordType;

namespace {

constexpr std::uint32_t kMostAlertsCounted = 0xffff;

Error out_of_memory() {
  return Error{Code::no_memory, "out of memory while the log was read"};
}

std::string stand_in(std::uint64_t number, int attempt) {
  return "[flow]\nname = \"lost-flow-" + std::to_string(number) + std::string(attempt, '-') +
         "\"\nstages = \"any\"\n";
}

std::string place_of(const FlowVersion& flow, std::string_view key) {
  std::string place = flow.def.name;
  place.push_back('\0');
  return place.append(key);
}

}  // namespace

// ---------------------------------------------------------------- definitions
Error Definitions::apply(Lsn, RecordType type, std::uint64_t incarnation,
                         std::span<const std::byte> content) {
  try {
    if (type != RecordType::flow && type != RecordType::stage_name) return {};
    Reader in(content);
    const std::string_view text = in.text();
    if (in.failed()) return {};
    if (type == RecordType::stage_name) stages_.emplace(incarnation, text);
    if (type == RecordType::flow && incarnation < FlowTable::kMaxVersions) {
      flows_.emplace(incarnation, text);
    }
    return {};
  } catch (const std::bad_alloc&) {
    return out_of_memory();
  }
}

Error Definitions::build(std::vector<std::string>& notes) {
  table_ = FlowTable::make();
  if (table_ == nullptr) return out_of_memory();
  const std::uint64_t count = flows_.empty() ? 0 : flows_.rbegin()->first + 1;
  for (std::uint64_t number = 0; number < count; ++number) {
    const auto found = flows_.find(number);
    const bool restored = found != flows_.end() && !table_->restore(found->second, number);
    good_.push_back(restored);
    texts_.push_back(restored ? found->second : std::string());
    if (restored) continue;
    int attempt = 0;
    do {
      texts_.back() = stand_in(number, attempt);
    } while (table_->restore(texts_.back(), number) && ++attempt < 8);
    if (attempt == 8) return Error{Code::internal, "no name is left for a flow that is lost"};
    notes.push_back("the definition of flow version " + std::to_string(number) +
                    " is lost, and its items with it; a flow without rules stands in its place");
  }
  return {};
}

Error Definitions::name_stages(const std::map<std::uint16_t, flow::StageNo>& used,
                               std::vector<std::string>& notes) {
  std::map<std::uint64_t, std::string> named;
  for (std::uint64_t number = 0; number < good_.size(); ++number) {
    const FlowVersion* flow = find(number);
    if (flow == nullptr || !flow->def.any_stages) continue;
    std::uint64_t most = flow->def.stages.size();
    const auto last = stages_.lower_bound((number + 1) << 16);
    if (last != stages_.begin() && std::prev(last)->first >> 16 == number) {
      most = std::max(most, (std::prev(last)->first & 0xffff) + 1);
    }
    if (const auto use = used.find(flow->number); use != used.end()) {
      most = std::max<std::uint64_t>(most, use->second + 1u);
    }
    auto& table = table_->version(flow->number).stages;
    for (std::uint64_t stage = flow->def.stages.size(); stage < most; ++stage) {
      const std::uint64_t key = number << 16 | stage;
      const auto found = stages_.find(key);
      const auto add = [&](const std::string& name) {
        named[key] = name;
        return table.find_or_add(name, [](flow::StageNo) {}) == stage;
      };
      if (found != stages_.end() && add(found->second)) continue;
      std::string name = "lost-stage-" + std::to_string(stage);
      while (!add(name)) name.push_back('-');
      notes.push_back("flow " + flow->def.name + ": the name of a stage is lost; it is " + name +
                      " now");
    }
  }
  stages_ = std::move(named);
  return {};
}

// --------------------------------------------------------------------- survey
Error Survey::apply(Lsn lsn, RecordType type, std::uint64_t incarnation,
                    std::span<const std::byte> content) {
  try {
    Reader in(content);
    switch (type) {
      case RecordType::body:
      case RecordType::item:
        body(lsn, incarnation, in, type == RecordType::item);
        break;
      case RecordType::state:
        state(lsn, incarnation, in);
        break;
      case RecordType::past:
        pasts_.insert(incarnation);
        break;
      case RecordType::owed:
        owed(lsn, incarnation, in);
        break;
      case RecordType::consumer:
        consumers_.insert(incarnation);
        break;
      case RecordType::ack:
        acked_by_.insert(incarnation & ~kWithdrawnBit);
        break;
      case RecordType::flow:
      case RecordType::stage_name:
      case RecordType::anchor:
      case RecordType::stones:
      case RecordType::totals:
        break;
      default:
        ++unreadable_;
    }
    return {};
  } catch (const std::bad_alloc&) {
    return out_of_memory();
  }
}

// `again`: an ITEM, which says all that its BODY and the changes since had said.
void Survey::body(Lsn lsn, std::uint64_t incarnation, Reader& in, bool again) {
  Known item;
  item.flow = in.varint();
  in.word();
  item.key = in.text();
  in.text();
  const auto flow_of = [&](std::uint64_t number) { return defined_.find(number); };
  const FlowVersion* flow = defined_.find(item.flow);
  if (in.failed() || flow == nullptr || !decode_state(in, flow_of, record_)) {
    item.lsn = lsn;
    headless_[incarnation] = std::move(item);
    return;
  }
  headless_.erase(incarnation);
  const auto known = open_.find(incarnation);
  take(item, lsn);
  // What alerts are still owed stands in an OWED behind it, if its BODY is not there.
  if (again && known == open_.end() && item.alerts != 0) item.moved = lsn;
  if (again) item.raised = item.alerts;
  const auto [place, fresh] = by_key_.try_emplace(place_of(*flow, item.key), incarnation);
  if (!fresh && place->second != incarnation) {
    supersede(place->second);
    place->second = incarnation;
  }
  open_[incarnation] = std::move(item);
}

void Survey::take(Known& item, Lsn lsn) {
  use_stages();
  item.flow = record_.flow;
  item.lsn = lsn;
  item.at = record_.at;
  item.stage = record_.stage;
  item.state = record_.state;
  item.raised += static_cast<std::uint32_t>(record_.raised.size());
  item.alerts = record_.alerts;
}

void Survey::owed(Lsn lsn, std::uint64_t incarnation, Reader& in) {
  const auto flow_of = [&](std::uint64_t number) { return defined_.find(number); };
  if (!decode_owed(in, flow_of, owed_)) return;
  for (const OwedRecord::Held& one : owed_.held) {
    acked_by_.insert(one.holders.begin(), one.holders.end());
  }
  if (const auto found = open_.find(incarnation); found != open_.end()) {
    found->second.moved = Lsn::none;
    return;
  }
  if (pasts_.count(incarnation) != 0) return;
  if (!owed_.closed) {
    Known& item = headless_[incarnation];
    item.flow = owed_.flow;
    item.lsn = std::max(item.lsn, lsn);
    return;
  }
  Known item;
  item.flow = owed_.flow;
  item.state = State::closed;
  item.at = owed_.at;
  item.lsn = lsn;
  item.alerts = static_cast<std::uint32_t>(owed_.held.size());
  past_.push_back(casualty(Fate::alerts, incarnation, item, ""));
}

// The OWED of an ITEM follows it closely: is something lost there?
bool Survey::owed_is_lost(const log::SalvageReport& report, const Known& item) const noexcept {
  constexpr std::uint64_t kClosely = std::uint64_t{4} << 20;
  if (item.moved == Lsn::none) return false;
  return std::any_of(report.lost.begin(), report.lost.end(), [&](const log::LostRange& one) {
    return one.upto > item.moved && raw(one.after) < raw(item.moved) + kClosely;
  });
}

// An item of the same key came later, so this one had ended.
void Survey::supersede(std::uint64_t incarnation) {
  const auto found = open_.find(incarnation);
  if (found == open_.end()) return;
  past_.push_back(casualty(Fate::lost, incarnation, found->second,
                           "how it ended is lost; a later item of its key is there"));
  superseded_.insert(incarnation);
  open_.erase(found);
}

void Survey::state(Lsn lsn, std::uint64_t incarnation, Reader& in) {
  const auto flow_of = [&](std::uint64_t number) { return defined_.find(number); };
  Reader head = in;
  const bool readable = decode_state(in, flow_of, record_);
  const auto found = open_.find(incarnation);
  if (!readable) {
    // Its flow is lost, so it was headless from the beginning.
    if (!decode_state_head(head, record_)) return;
    Known& item = headless_[incarnation];
    item.flow = record_.flow;
    item.state = record_.state;
    item.lsn = lsn;
    return;
  }
  if (found == open_.end()) {
    // A closing stands for itself: of its key it has the hash.
    if (record_.state == State::closed) {
      ++closed_;
      headless_.erase(incarnation);
    } else {
      take(headless_[incarnation], lsn);
    }
    return;
  }
  take(found->second, lsn);
  if (record_.state != State::closed) return;
  ++closed_;
  if (const std::uint64_t missing = alerts_missing(found->second); missing != 0) {
    past_.push_back(casualty(Fate::alerts, incarnation, found->second, ""));
  }
  const FlowVersion& flow = *defined_.find(record_.flow);
  by_key_.erase(place_of(flow, found->second.key));
  open_.erase(found);
}

// The new store must have a name for each number that its records use.
void Survey::use_stages() {
  const auto use = [&](flow::StageNo stage) {
    if (stage == flow::kNoStage) return;
    flow::StageNo& most = used_[record_.flow];
    most = std::max(most, stage);
  };
  use(record_.stage);
  for (const flow::RuleSlot& slot : record_.slots) use(slot.stage);
  for (const RaisedRecord& one : record_.raised) {
    use(one.reached.stage);
    use(one.reached.armed_stage);
  }
}

std::uint64_t Survey::alerts_missing(const Known& item) noexcept {
  if (item.alerts >= kMostAlertsCounted || item.raised >= item.alerts) return 0;
  return item.alerts - item.raised;
}

Casualty Survey::casualty(Fate fate, std::uint64_t incarnation, const Known& item,
                          std::string why) const {
  Casualty out;
  out.fate = fate;
  out.key = item.key;
  out.incarnation = incarnation;
  out.state = item.state;
  out.at = item.at;
  out.lsn = item.lsn;
  out.alerts = alerts_missing(item);
  out.why = std::move(why);
  if (const FlowVersion* flow = defined_.find(item.flow)) out.flow = flow->def.name;
  return out;
}

void Survey::judge(const log::SalvageReport& report, Salvaged& out) const {
  out.casualties = past_;
  out.open_items = open_.size();
  out.closed_items = closed_;
  const auto put = [&](Fate fate, std::uint64_t incarnation, const Known& item, const char* why) {
    Casualty one = casualty(fate, incarnation, item, why);
    const FlowVersion* flow = defined_.find(item.flow);
    if (flow != nullptr && item.stage != flow::kNoStage) one.stage = flow->stages.name(item.stage);
    out.casualties.push_back(std::move(one));
  };
  for (const auto& [incarnation, item] : headless_) {
    const bool flow_lost = defined_.find(item.flow) == nullptr;
    put(Fate::lost, incarnation, item,
        flow_lost ? "the definition of its flow is lost" : "its key and payload are lost");
  }
  for (const auto& [incarnation, item] : open_) {
    if (report.may_follow(item.lsn)) {
      put(Fate::uncertain, incarnation, item,
          "it may have moved on: later records that are lost may be its own");
    } else if (alerts_missing(item) != 0 || owed_is_lost(report, item)) {
      put(Fate::alerts, incarnation, item, "");
    }
  }
  for (const std::uint64_t number : acked_by_) {
    if (number == 0 || consumers_.count(number) != 0) continue;
    out.notes.push_back("consumer number " + std::to_string(number) +
                        " is lost, its name too; alerts that it alone was owed wait for nobody");
  }
  for (Casualty& one : out.casualties) {
    if (one.fate == Fate::alerts) one.why = "alerts that it raised are lost";
    out.lost += one.fate == Fate::lost ? 1 : 0;
    out.uncertain += one.fate == Fate::uncertain ? 1 : 0;
    out.alerts_lost += one.fate == Fate::lost ? 0 : one.alerts;
  }
  std::sort(out.casualties.begin(), out.casualties.end(), [](const auto& a, const auto& b) {
    return std::tie(a.fate, a.flow, a.key, a.incarnation) <
           std::tie(b.fate, b.flow, b.key, b.incarnation);
  });
  if (unreadable_ != 0) {
    out.notes.push_back(
        std::to_string(unreadable_) +
        " records of types that this program does not know are not in the new store");
  }
}

}  // namespace warden::engine
