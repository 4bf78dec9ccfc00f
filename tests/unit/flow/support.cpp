// SPDX-License-Identifier: Apache-2.0
//
// Shared by the unit tests and the fuzz target of flows.
#include "support.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "flow/duration.hpp"
#include "flow/text.hpp"

namespace warden::flow::test {
namespace {

std::string_view kind_name(RuleKind kind) {
  constexpr std::array<std::string_view, 4> kNames{"total", "idle", "stage", "due"};
  return kNames.at(raw(kind));
}

std::string_view severity_name(Severity severity) {
  constexpr std::array<std::string_view, 5> kNames{"?", "info", "warning", "error", "critical"};
  return kNames.at(raw(severity));
}

std::string stages_text(const Definition& definition, const std::vector<StageNo>& list) {
  std::string out;
  for (StageNo stage : list) {
    out += ' ';
    out += std::to_string(stage);
    out += '=';
    out += definition.stages.at(stage);
  }
  return out;
}

void describe_rule(const Definition& definition, const Rule& rule, std::ostream& out) {
  out << "rule " << rule.name << "\n  kind " << kind_name(rule.kind) << "\n  within "
      << format_duration(rule.within) << "\n  from" << stages_text(definition, rule.from)
      << "\n  to" << stages_text(definition, rule.to) << "\n";
  if (rule.warn_share_ppm != 0) out << "  warn at " << rule.warn_share_ppm << " ppm";
  if (rule.warn_lead != 0) out << "  warn " << format_duration(rule.warn_lead) << " before";
  if (rule.warn_share_ppm == 0 && rule.warn_lead == 0) out << "  no warning";
  out << ", " << severity_name(rule.warn_severity) << "\n  breach "
      << severity_name(rule.breach_severity) << "\n";
  for (std::size_t i = 0; i < rule.escalate.size(); ++i) {
    out << "  escalate +" << format_duration(rule.escalate[i]) << " "
        << severity_name(rule.escalate_severity.at(i)) << "\n";
  }
  out << "  min " << format_duration(rule.min) << "\n  cap " << format_duration(rule.cap) << "\n";
}

bool good_name(const std::string& name) {
  return !name.empty() && name.size() <= kMaxNameBytes &&
         find_bad_utf8(name) == std::string::npos &&
         std::none_of(name.begin(), name.end(),
                      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

bool good_list(const std::vector<StageNo>& list, std::size_t stages) {
  return std::is_sorted(list.begin(), list.end()) &&
         std::adjacent_find(list.begin(), list.end()) == list.end() &&
         (list.empty() || list.back() < stages);
}

bool overlap(const std::vector<StageNo>& a, const std::vector<StageNo>& b) {
  return std::find_first_of(a.begin(), a.end(), b.begin(), b.end()) != a.end();
}

bool in_range(Nanos length) {
  return length >= kMinWithin && length <= kMaxWithin;
}

std::string broken_rule(const Rule& rule, std::size_t stages) {
  if (!good_name(rule.name)) return "rule name";
  if (!good_list(rule.from, stages) || !good_list(rule.to, stages)) return "stage list of a rule";
  if (overlap(rule.from, rule.to)) return "from and to overlap";
  if (rule.kind == RuleKind::due ? rule.within != 0 : !in_range(rule.within)) return "within";
  if ((rule.kind == RuleKind::stage) == rule.from.empty()) return "from";
  if (rule.kind == RuleKind::stage && rule.to.empty()) return "to of kind stage";
  if (rule.kind == RuleKind::idle && !rule.to.empty()) return "to of kind idle";
  if (rule.warn_share_ppm != 0 && rule.warn_lead != 0) return "two warnings";
  if (rule.warn_share_ppm >= 1'000'000) return "warn share";
  if (rule.warn_lead != 0 && !in_range(rule.warn_lead)) return "warn lead";
  if (rule.min != 0 && !in_range(rule.min)) return "min";
  if (rule.within != 0 && rule.warn_lead >= rule.within) return "warn lead against within";
  if (rule.within != 0 && rule.min >= rule.within) return "min against within";
  if (rule.cap != 0 && !in_range(rule.cap)) return "cap";
  if (rule.escalate.size() > kMaxEscalations) return "number of escalations";
  if (rule.escalate.size() != rule.escalate_severity.size()) return "escalation severities";
  Nanos last = 0;
  for (Nanos after : rule.escalate) {
    if (!in_range(after) || after <= last) return "escalations";
    last = after;
  }
  return {};
}

}  // namespace

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

std::vector<std::string> names_in(const std::string& folder, const std::string& extension) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == extension) names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string describe(const Definition& definition) {
  std::ostringstream out;
  out << "flow " << definition.name << "\nstages" << (definition.any_stages ? " any" : "");
  for (std::size_t i = 0; i < definition.stages.size(); ++i) {
    out << " " << i << "=" << definition.stages[i];
  }
  out << "\ndone" << stages_text(definition, definition.done) << "\nclose"
      << stages_text(definition, definition.close) << "\ndedupe "
      << format_duration(definition.dedupe) << "\n";
  for (const Rule& rule : definition.rules) describe_rule(definition, rule, out);
  return out.str();
}

std::string broken_invariant(const Definition& definition) {
  const std::size_t stages = definition.stages.size();
  if (!good_name(definition.name)) return "flow name";
  if (definition.text.size() > kMaxTextBytes) return "text";
  if (stages > kMaxStages) return "number of stages";
  const std::set<std::string> unique(definition.stages.begin(), definition.stages.end());
  if (unique.size() != stages) return "a stage twice";
  for (const std::string& stage : definition.stages) {
    if (!good_name(stage)) return "stage name";
  }
  if (!good_list(definition.done, stages) || !good_list(definition.close, stages)) {
    return "done or close";
  }
  if (overlap(definition.done, definition.close)) return "done and close overlap";
  if (!in_range(definition.dedupe)) return "dedupe";
  if (definition.rules.size() > kMaxRules) return "number of rules";
  std::set<std::string> names;
  for (const Rule& rule : definition.rules) {
    if (!names.insert(rule.name).second) return "a rule twice";
    if (std::string broken = broken_rule(rule, stages); !broken.empty()) return broken;
  }
  return {};
}

std::string broken_refusal(const Error& error) {
  if (!error) return "no error";
  if (error.line == 0 || error.column == 0) return "no position";
  if (error.message.empty()) return "no message";
  // The longest lists a few names of the longest length.
  if (error.message.size() > 2000) return "message too long";
  if (find_bad_utf8(error.message) != std::string::npos) return "message is not UTF-8";
  for (char c : error.message) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return "message of more than one line";
  }
  return {};
}

}  // namespace warden::flow::test
