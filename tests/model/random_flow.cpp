// SPDX-License-Identifier: Apache-2.0
#include "random_flow.hpp"

namespace warden::test {
namespace {

constexpr Nanos kMilli = 1'000'000;

std::string quoted(const std::string& text) {
  std::string out = "\"";
  out += text;
  return out += '"';
}

template <class Names>
std::string list(const Names& names) {
  std::string out = "[";
  for (const std::string& one : names) {
    if (out.size() > 1) out += ", ";
    out += quoted(one);
  }
  return out += "]";
}

std::string nanos(Nanos length) {
  std::string out = std::to_string(length);
  return out += "ns";
}

void line(std::string& text, const char* key, const std::string& value) {
  text += key;
  text += " = ";
  text += value;
  text += "\n";
}

Nanos length(Random& random) {
  // 1 ms to about 17 minutes, of all magnitudes.
  return kMilli + static_cast<Nanos>(random.below(kMilli << random.below(21)));
}

std::set<std::string> some(Random& random, const std::vector<std::string>& all) {
  std::set<std::string> out;
  const std::size_t wanted = 1 + random.below(2);
  while (out.size() < wanted && out.size() < all.size()) out.insert(random.of(all));
  return out;
}

RuleDef random_rule(Random& random, const FlowDef& flow, const std::string& name) {
  RuleDef rule;
  rule.name = name;
  rule.kind = static_cast<RuleKind>(random.below(4));
  if (flow.stages.size() < 2 && rule.kind == RuleKind::stage) rule.kind = RuleKind::idle;
  if (rule.kind != RuleKind::due) rule.within = length(random);
  if (rule.kind == RuleKind::stage) {
    rule.from = some(random, flow.stages);
    while (rule.to.empty()) {
      for (const std::string& one : some(random, flow.stages)) {
        if (rule.from.count(one) == 0) rule.to.insert(one);
      }
      if (rule.from.size() == flow.stages.size()) rule.from.erase(rule.from.begin());
    }
  } else if (rule.kind != RuleKind::idle && !flow.stages.empty() && random.one_in(2)) {
    rule.to = some(random, flow.stages);
  }
  if (random.one_in(3)) {
    rule.warn_percent = 1 + static_cast<int>(random.below(99));
  } else if (random.one_in(3)) {
    rule.warn_lead = length(random);
    if (rule.within != 0 && rule.warn_lead >= rule.within) rule.warn_lead = 0;
  }
  Nanos after = 0;
  for (std::uint64_t k = random.below(4); k > 0; --k) {
    rule.escalate.push_back(after += length(random));
  }
  if (random.one_in(3)) {
    const std::size_t levels = (rule.warns() ? 1 : 0) + 1 + rule.escalate.size();
    for (std::size_t i = 0; i < levels; ++i) {
      rule.severity.push_back(1 + static_cast<int>(random.below(4)));
    }
  }
  if (random.one_in(3)) {
    rule.min = length(random);
    if (rule.within != 0 && rule.min >= rule.within) rule.min = 0;
  }
  if (random.one_in(3)) rule.cap = rule.within + length(random);
  return rule;
}

}  // namespace

std::string FlowDef::text() const {
  static const char* const kKinds[] = {"total", "idle", "stage", "due"};
  static const std::vector<std::string> kSeverities = {"", "info", "warning", "error", "critical"};
  std::string out = "[flow]\n";
  line(out, "name", quoted(name));
  line(out, "stages", any ? quoted("any") : list(stages));
  if (!done.empty()) line(out, "done", list(done));
  if (!close.empty()) line(out, "close", list(close));
  line(out, "dedupe", quoted(nanos(dedupe)));
  for (const RuleDef& rule : rules) {
    out += "[[rule]]\n";
    line(out, "name", quoted(rule.name));
    line(out, "kind", quoted(kKinds[static_cast<int>(rule.kind)]));
    if (rule.within != 0) line(out, "within", quoted(nanos(rule.within)));
    if (!rule.from.empty()) line(out, "from", list(rule.from));
    if (!rule.to.empty()) line(out, "to", list(rule.to));
    if (rule.warn_percent != 0) {
      std::string share = std::to_string(rule.warn_percent);
      line(out, "warn_at", quoted(share += "%"));
    }
    if (rule.warn_lead != 0) line(out, "warn_at", quoted(nanos(rule.warn_lead)));
    if (!rule.escalate.empty()) {
      std::vector<std::string> after;
      for (const Nanos one : rule.escalate) after.push_back(nanos(one).insert(0, 1, '+'));
      line(out, "escalate", list(after));
    }
    if (!rule.severity.empty()) {
      std::vector<std::string> names;
      for (const int one : rule.severity) {
        names.push_back(kSeverities[static_cast<std::size_t>(one)]);
      }
      line(out, "severity", list(names));
    }
    if (rule.min != 0) line(out, "min", quoted(nanos(rule.min)));
    if (rule.cap != 0) line(out, "cap", quoted(nanos(rule.cap)));
  }
  return out;
}

FlowDef random_flow(Random& random, const std::string& name) {
  FlowDef flow;
  flow.name = name;
  flow.any = random.one_in(4);
  flow.dedupe = random.one_in(2) ? length(random) : length(random) * 1000;
  const std::uint64_t stages = random.below(7);
  for (std::uint64_t i = 0; i < stages; ++i) {
    flow.stages.push_back(std::string(1, static_cast<char>('a' + i)));
  }
  if (stages > 1 && random.one_in(2)) flow.done = some(random, flow.stages);
  if (stages > 2 && random.one_in(2)) {
    for (const std::string& one : some(random, flow.stages)) {
      if (flow.done.count(one) == 0) flow.close.insert(one);
    }
  }
  const std::uint64_t rules = random.below(6);
  for (std::uint64_t i = 0; i < rules; ++i) {
    flow.rules.push_back(random_rule(random, flow, std::string(1, static_cast<char>('p' + i))));
  }
  return flow;
}

std::string Expected::text() const {
  std::string out = key;
  const auto add = [&out](const char* name, auto value) {
    out += name;
    out += std::to_string(value);
  };
  add(" item ", item);
  out += " flow " + flow + " rule '" + rule + "'";
  add(" kind ", kind);
  add(" level ", level);
  add(" arming ", arming);
  add(" deadline ", deadline);
  add(" raised ", raised);
  add(" detected ", detected);
  add(" severity ", severity);
  add(" tries ", tries);
  add(" flags ", flags);
  add(" resolves ", resolves_level);
  return out += " stage '" + stage + "' armed by '" + armed_stage + "'";
}

}  // namespace warden::test
