// SPDX-License-Identifier: Apache-2.0
//
// One [[rule]] table, key by key. The order of the steps is the order in which
// later ones need earlier ones: kind before what it allows, `within` before what is
// measured against it, the levels before their severities.
#include "flow/rule.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "flow/duration.hpp"
#include "flow/reader.hpp"

namespace warden::flow {
namespace {

constexpr std::array<std::string_view, 10> kKeys{"cap",  "escalate", "from", "kind",    "min",
                                                 "name", "severity", "to",   "warn_at", "within"};
constexpr std::array<std::string_view, 4> kKinds{"total", "idle", "stage", "due"};
// In the order of their numbers, which count from 1.
constexpr std::array<std::string_view, 4> kSeverities{"info", "warning", "error", "critical"};
constexpr std::uint32_t kWholePpm = 1'000'000;

class RuleReader {
 public:
  RuleReader(const Value& table, std::size_t number, StageLists& stages, Rule& out)
      : table_(table), stages_(stages), out_(out), where_("rule " + std::to_string(number)) {}

  Error run() {
    using Step = Error (RuleReader::*)();
    constexpr std::array<Step, 9> kSteps{
        &RuleReader::name,     &RuleReader::kind,    &RuleReader::within,
        &RuleReader::stages,   &RuleReader::warn_at, &RuleReader::escalate,
        &RuleReader::severity, &RuleReader::minimum, &RuleReader::cap};
    for (Step step : kSteps) {
      if (Error error = (this->*step)(); error) return error;
    }
    return {};
  }

 private:
  std::string what(std::string_view key) const { return label(key, where_); }
  std::string_view kind_name() const { return kKinds[raw(out_.kind)]; }

  Error missing(std::string_view key, std::string_view expected) const {
    return refuse(table_.at,
                  where_ + " has no " + in_quotes(key) + "; expected " + std::string(expected));
  }

  Error not_for_kind(const Entry& entry, std::string_view why) const {
    return refuse(entry.at, where_ + " of kind " + std::string(kind_name()) + " takes no " +
                                in_quotes(entry.key) + ": " + std::string(why));
  }

  Error name() {
    const Entry* entry = table_.find("name");
    if (entry != nullptr) {
      if (Error error = read_name(entry->value, what("name"), out_.name); error) return error;
      where_ = "rule " + in_quotes(out_.name);
    }
    // Unknown keys before the missing name: it may be that key, misspelt.
    if (Error error = check_keys(table_, "in " + where_, kKeys); error) return error;
    return entry != nullptr ? Error{} : missing("name", "a name of its own");
  }

  Error kind() {
    const Entry* entry = table_.find("kind");
    if (entry == nullptr) return missing("kind", "one of: " + listed(kKinds));
    std::size_t index = 0;
    if (Error error = word(entry->value, what("kind"), kKinds, index); error) return error;
    out_.kind = static_cast<RuleKind>(index);
    return {};
  }

  static Error word(const Value& value, const std::string& what,
                    std::span<const std::string_view> words, std::size_t& index) {
    if (value.type != Type::string) return wrong_type(value, what, "one of: " + listed(words));
    const auto found = std::find(words.begin(), words.end(), value.text);
    if (found == words.end()) {
      return refuse(value.at, what + " must be one of: " + listed(words) + ", got " +
                                  in_quotes(value.text) + suggestion(value.text, words));
    }
    index = static_cast<std::size_t>(found - words.begin());
    return {};
  }

  Error within() {
    const Entry* entry = table_.find("within");
    if (out_.kind == RuleKind::due) {
      if (entry == nullptr) return {};
      return not_for_kind(*entry, "its deadline is given with each item");
    }
    if (entry == nullptr) return missing("within", "a duration such as \"5m\"");
    return read_duration(entry->value, what("within"), out_.within);
  }

  Error stages() {
    const Entry* from = table_.find("from");
    const Entry* to = table_.find("to");
    if (out_.kind != RuleKind::stage && from != nullptr) {
      return not_for_kind(*from, "only kind stage has one");
    }
    if (out_.kind == RuleKind::idle && to != nullptr) {
      return not_for_kind(*to, "any later event meets it");
    }
    if (out_.kind == RuleKind::stage) {
      constexpr std::string_view kExpected = "a stage name or an array of stage names";
      if (from == nullptr) return missing("from", kExpected);
      if (to == nullptr) return missing("to", kExpected);
    }
    if (from != nullptr) {
      if (Error error = stages_.note(from->value, what("from"), out_.from); error) return error;
    }
    if (to != nullptr) {
      if (Error error = stages_.note(to->value, what("to"), out_.to); error) return error;
    }
    if (from != nullptr && to != nullptr) stages_.must_not_overlap(out_.from, out_.to);
    return {};
  }

  Error warn_at() {
    const Entry* entry = table_.find("warn_at");
    if (entry == nullptr) return {};
    const Value& value = entry->value;
    if (value.type != Type::string) {
      return wrong_type(value, what("warn_at"),
                        "a share such as \"80%\" or a lead such as \"15m\"");
    }
    if (value.text.ends_with('%')) return warn_share(value);
    if (Error error = read_duration(value, what("warn_at"), out_.warn_lead); error) return error;
    return shorter_than_within(value, "warn_at", out_.warn_lead);
  }

  // Digits with at most four decimals: exact in millionths.
  Error warn_share(const Value& value) {
    const std::string_view digits = std::string_view(value.text).substr(0, value.text.size() - 1);
    std::uint64_t ppm = 0;
    std::size_t decimals = 0;
    bool point = false;
    bool good = !digits.empty() && digits.front() != '.' && digits.back() != '.';
    for (char c : digits) {
      if (c == '.' && !point) {
        point = true;
        continue;
      }
      good = good && c >= '0' && c <= '9' && decimals < 4;
      if (!good) break;
      ppm = std::min<std::uint64_t>(ppm * 10 + static_cast<unsigned>(c - '0'), kWholePpm * 100);
      if (point) ++decimals;
    }
    if (!good) {
      return refuse(value.at, what("warn_at") + ": bad share " + in_quotes(value.text) +
                                  "; expected a percentage such as 80% or 99.5%, at most 4 "
                                  "decimals");
    }
    for (; decimals < 4; ++decimals) ppm *= 10;
    if (ppm == 0 || ppm >= kWholePpm) {
      return refuse(value.at, what("warn_at") + " must be more than 0% and less than 100%, got " +
                                  in_quotes(value.text));
    }
    out_.warn_share_ppm = static_cast<std::uint32_t>(ppm);
    return {};
  }

  Error shorter_than_within(const Value& value, std::string_view key, Nanos length) const {
    if (out_.within == 0 || length < out_.within) return {};
    return refuse(value.at, what(key) + " must be shorter than 'within' (" +
                                format_duration(out_.within) + "), got " + in_quotes(value.text));
  }

  Error escalate() {
    const Entry* entry = table_.find("escalate");
    if (entry == nullptr) return {};
    const Value& list = entry->value;
    constexpr std::string_view kExpected =
        "times after the deadline in quotes, each with a leading '+', such as [\"+15m\", \"+1h\"]";
    if (list.type != Type::array) {
      return wrong_type(list, what("escalate"), "an array of " + std::string(kExpected));
    }
    for (const Value& item : list.items) {
      if (item.type != Type::string) return wrong_type(item, what("escalate"), kExpected);
      if (!item.text.starts_with('+')) {
        return refuse(item.at, what("escalate") + " must be " + std::string(kExpected) + ", got " +
                                   in_quotes(item.text));
      }
      Nanos after = 0;
      const std::string_view part = std::string_view(item.text).substr(1);
      if (Error error = read_duration(item, part, what("escalate"), after); error) return error;
      if (!out_.escalate.empty() && after <= out_.escalate.back()) {
        return refuse(item.at, what("escalate") + " must ascend: " + in_quotes(item.text) +
                                   " is not after '+" + format_duration(out_.escalate.back()) +
                                   "'");
      }
      if (out_.escalate.size() == kMaxEscalations) {
        return refuse(item.at, "too many escalations in " + where_ + "; expected at most " +
                                   std::to_string(kMaxEscalations));
      }
      out_.escalate.push_back(after);
    }
    return {};
  }

  Error severity() {
    out_.escalate_severity.assign(out_.escalate.size(), Severity::critical);
    const Entry* entry = table_.find("severity");
    if (entry == nullptr) return {};
    const Value& value = entry->value;
    if (value.type == Type::string) return one_severity(value, out_.breach_severity);
    if (value.type != Type::array) {
      return wrong_type(value, what("severity"),
                        "one of: " + listed(kSeverities) + ", or an array with one for each level");
    }
    const bool warns = out_.warn_share_ppm != 0 || out_.warn_lead != 0;
    const std::size_t levels = (warns ? 1 : 0) + 1 + out_.escalate.size();
    if (value.items.size() != levels) {
      return refuse(value.at, what("severity") + " has " + std::to_string(value.items.size()) +
                                  " entries; expected " + std::to_string(levels) + ": " +
                                  level_names(warns));
    }
    std::size_t next = 0;
    if (warns) {
      if (Error error = one_severity(value.items[next++], out_.warn_severity); error) return error;
    }
    if (Error error = one_severity(value.items[next++], out_.breach_severity); error) return error;
    for (Severity& level : out_.escalate_severity) {
      if (Error error = one_severity(value.items[next++], level); error) return error;
    }
    return {};
  }

  // "warning, breach, 2 escalations": the levels of this rule.
  std::string level_names(bool warns) const {
    std::string names = warns ? "warning, breach" : "breach";
    if (out_.escalate.empty()) return names;
    names += ", " + std::to_string(out_.escalate.size()) + " escalation";
    return out_.escalate.size() == 1 ? names : names + "s";
  }

  Error one_severity(const Value& value, Severity& out) const {
    std::size_t index = 0;
    if (Error error = word(value, what("severity"), kSeverities, index); error) return error;
    out = static_cast<Severity>(index + 1);
    return {};
  }

  Error minimum() {
    const Entry* entry = table_.find("min");
    if (entry == nullptr) return {};
    if (Error error = read_duration(entry->value, what("min"), out_.min); error) return error;
    return shorter_than_within(entry->value, "min", out_.min);
  }

  Error cap() {
    const Entry* entry = table_.find("cap");
    return entry == nullptr ? Error{} : read_duration(entry->value, what("cap"), out_.cap);
  }

  const Value& table_;
  StageLists& stages_;
  Rule& out_;
  std::string where_;
};

}  // namespace

Error read_rule(const Value& table, std::size_t number, StageLists& stages, Rule& out) {
  return RuleReader(table, number, stages, out).run();
}

}  // namespace warden::flow
