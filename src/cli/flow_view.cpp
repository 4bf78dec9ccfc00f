// SPDX-License-Identifier: Apache-2.0
//
// See flow_view.hpp.
#include "cli/flow_view.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "cli/text.hpp"
#include "flow/duration.hpp"
#include "flow/parse.hpp"

namespace warden::cli {
namespace {

using nlohmann::ordered_json;

constexpr std::size_t kStagesInText = 24;  // more are counted; JSON has them all

const char* kind_name(flow::RuleKind kind) {
  constexpr std::array<const char*, 4> kNames{"total", "idle", "stage", "due"};
  return kNames[raw(kind)];
}

const char* severity_name(flow::Severity severity) {
  constexpr std::array<const char*, 5> kNames{"", "info", "warning", "error", "critical"};
  return kNames[raw(severity)];
}

std::string length(Nanos ns) {
  return ns == 0 ? "-" : flow::format_duration(ns);
}

// Millionths as a percentage, without zeros at its end.
std::string percent(std::uint32_t ppm) {
  std::string out = fmt::format("{}.{:04}", ppm / 10'000, ppm % 10'000);
  while (out.back() == '0') out.pop_back();
  if (out.back() == '.') out.pop_back();
  return out + '%';
}

std::string joined(const std::vector<std::string>& parts, std::string_view none) {
  if (parts.empty()) return std::string(none);
  std::string out;
  for (const std::string& part : parts) out += (out.empty() ? "" : ", ") + part;
  return out;
}

std::vector<std::string> names_of(const flow::Definition& flow,
                                  const std::vector<flow::StageNo>& stages) {
  std::vector<std::string> out;
  for (const flow::StageNo stage : stages) out.push_back(flow.stages[stage]);
  return out;
}

std::string stage_names(const flow::Definition& flow, const std::vector<flow::StageNo>& stages) {
  std::vector<std::string> names = names_of(flow, stages);
  for (std::string& name : names) name = one_line(name);
  return joined(names, "-");
}

bool warns(const flow::Rule& rule) {
  return rule.warn_share_ppm != 0 || rule.warn_lead != 0;
}

std::string warning_of(const flow::Rule& rule) {
  if (rule.warn_share_ppm != 0) return percent(rule.warn_share_ppm);
  return rule.warn_lead == 0 ? "-" : flow::format_duration(rule.warn_lead) + " before";
}

std::string armed_by(const flow::Definition& flow, const flow::Rule& rule) {
  switch (rule.kind) {
    case flow::RuleKind::total:
      return "its beginning";
    case flow::RuleKind::idle:
      return "every event";
    case flow::RuleKind::stage:
      return stage_names(flow, rule.from);
    case flow::RuleKind::due:
      return "an instant given";
  }
  return {};
}

std::string met_by(const flow::Definition& flow, const flow::Rule& rule) {
  if (rule.kind == flow::RuleKind::idle) return "the next event";
  if (rule.to.empty()) return "closing";
  return stage_names(flow, rule.to) + ", closing";
}

std::vector<flow::Severity> severities_of(const flow::Rule& rule) {
  std::vector<flow::Severity> out;
  if (warns(rule)) out.push_back(rule.warn_severity);
  out.push_back(rule.breach_severity);
  out.insert(out.end(), rule.escalate_severity.begin(), rule.escalate_severity.end());
  return out;
}

constexpr std::size_t kColumns = 10;
using Row = std::array<std::string, kColumns>;

Row row_of(const flow::Definition& flow, const flow::Rule& rule) {
  std::vector<std::string> escalations;
  for (const Nanos after : rule.escalate) escalations.push_back('+' + flow::format_duration(after));
  std::vector<std::string> severities;
  for (const flow::Severity one : severities_of(rule)) severities.push_back(severity_name(one));
  return {one_line(rule.name),
          kind_name(rule.kind),
          armed_by(flow, rule),
          met_by(flow, rule),
          rule.kind == flow::RuleKind::due ? "as given" : length(rule.within),
          warning_of(rule),
          joined(escalations, "-"),
          joined(severities, "-"),
          length(rule.min),
          length(rule.cap)};
}

std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

std::string table(const std::vector<Row>& rows) {
  std::array<std::size_t, kColumns> widths{};
  for (const Row& row : rows) {
    for (std::size_t c = 0; c < kColumns; ++c) widths[c] = std::max(widths[c], width_of(row[c]));
  }
  std::string out;
  for (const Row& row : rows) {
    for (std::size_t c = 0; c < kColumns; ++c) {
      out += row[c];
      if (c + 1 < kColumns) out.append(widths[c] - width_of(row[c]) + 2, ' ');
    }
    out += '\n';
  }
  return out;
}

std::string version_of(const flow::Definition& flow) {
  return fmt::format("{:016x}{:016x}", flow.version.high, flow.version.low);
}

std::string stages_text(const flow::Definition& flow) {
  std::vector<std::string> names;
  for (const std::string& name : flow.stages) {
    if (names.size() == kStagesInText) break;
    names.push_back(one_line(name));
  }
  std::string out = joined(names, flow.any_stages ? "" : "none");
  if (names.size() < flow.stages.size()) {
    out += fmt::format(" and {} more", flow.stages.size() - names.size());
  }
  if (!flow.any_stages) return out;
  return out + (out.empty() ? "any, as they come" : ", and any other as it comes");
}

std::string text_of(const flow::Definition& flow) {
  std::string out = fmt::format("flow     {}\nversion  {}\nstages   {}\n", one_line(flow.name),
                                version_of(flow), stages_text(flow));
  if (!flow.done.empty()) out += fmt::format("done     all of: {}\n", stage_names(flow, flow.done));
  if (!flow.close.empty()) {
    out += fmt::format("close    any of: {}\n", stage_names(flow, flow.close));
  }
  if (flow.done.empty() && flow.close.empty()) out += "closed   by complete and cancel alone\n";
  out += fmt::format("dedupe   {}\nrules    {}\n", flow::format_duration(flow.dedupe),
                     flow.rules.size());
  if (flow.rules.empty()) return out;
  std::vector<Row> rows{{"RULE", "KIND", "ARMED BY", "MET BY", "WITHIN", "WARN", "ESCALATE",
                         "SEVERITY", "MIN", "CAP"}};
  for (const flow::Rule& rule : flow.rules) rows.push_back(row_of(flow, rule));
  return out + '\n' + table(rows);
}

ordered_json length_json(Nanos ns) {
  if (ns == 0) return nullptr;
  return flow::format_duration(ns);
}

ordered_json rule_json(const flow::Definition& flow, const flow::Rule& rule) {
  ordered_json out;
  out["name"] = rule.name;
  out["kind"] = kind_name(rule.kind);
  out["from"] = names_of(flow, rule.from);
  out["to"] = names_of(flow, rule.to);
  out["within"] = length_json(rule.within);
  out["warn_at"] = nullptr;
  if (rule.warn_share_ppm != 0) out["warn_at"] = percent(rule.warn_share_ppm);
  if (rule.warn_lead != 0) out["warn_at"] = flow::format_duration(rule.warn_lead);
  out["escalate"] = ordered_json::array();
  for (const Nanos after : rule.escalate) {
    out["escalate"].push_back('+' + flow::format_duration(after));
  }
  out["severity"] = ordered_json::array();
  for (const flow::Severity one : severities_of(rule)) {
    out["severity"].push_back(severity_name(one));
  }
  out["min"] = length_json(rule.min);
  out["cap"] = length_json(rule.cap);
  return out;
}

ordered_json json_of(const flow::Definition& flow) {
  ordered_json out;
  out["name"] = flow.name;
  out["version"] = version_of(flow);
  out["stages"] = flow.stages;
  out["any_stages"] = flow.any_stages;
  out["done"] = names_of(flow, flow.done);
  out["close"] = names_of(flow, flow.close);
  out["dedupe"] = flow::format_duration(flow.dedupe);
  out["rules"] = ordered_json::array();
  for (const flow::Rule& rule : flow.rules) out["rules"].push_back(rule_json(flow, rule));
  return out;
}

}  // namespace

Result<FlowView> view_of_flow(std::string_view toml) {
  flow::Definition flow;
  if (const Error error = flow::parse(toml, flow)) return bad_input(error.message);
  return FlowView{text_of(flow), json_of(flow)};
}

Result<FlowDedupe> dedupe_of_flow(std::string_view toml) {
  flow::Definition flow;
  if (const Error error = flow::parse(toml, flow)) return bad_input(error.message);
  return FlowDedupe{flow.dedupe, flow::format_duration(flow.dedupe)};
}

}  // namespace warden::cli
