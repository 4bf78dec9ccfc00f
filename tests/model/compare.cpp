// SPDX-License-Identifier: Apache-2.0
//
// What both sides have: alerts handed out, items as get and scan show them, figures.
#include <algorithm>

#include "driver.hpp"

namespace warden::test {

// The engine's alert in the model's words. Its id must name the same breach always.
Expected Driver::translate(const Alert& alert) {
  Expected out;
  const auto known = id_of_incarnation_.find(alert.raw.incarnation);
  EXPECT_NE(known, id_of_incarnation_.end()) << "an alert of an unknown incarnation";
  if (known != id_of_incarnation_.end()) out.item = known->second;
  out.key = alert.key;
  out.flow = alert.flow;
  out.rule = alert.rule;
  out.stage = alert.stage;
  out.armed_stage = alert.armed_stage;
  out.kind = alert.raw.kind;
  out.level = alert.raw.level;
  out.severity = alert.raw.severity;
  out.arming = alert.raw.arming;
  out.tries = alert.raw.tries;
  out.flags = alert.raw.flags;
  out.deadline = alert.raw.deadline_ns;
  out.raised = alert.raw.raised_ns;
  out.detected = alert.raw.detected_ns;
  if (alert.raw.kind == WARDEN_KIND_RESOLVED) {
    const auto resolved = alerts_.find(alert.resolves());
    EXPECT_NE(resolved, alerts_.end()) << "resolves an alert that was never handed out";
    if (resolved != alerts_.end()) {
      out.resolves_level = resolved->second.level;
      EXPECT_EQ(resolved->second.incident, alert.incident());
    }
  } else {
    EXPECT_EQ(alert.resolves(), Id(0, 0));
  }
  std::string what;
  for (const std::uint64_t part : {out.item, std::uint64_t{out.level}, std::uint64_t{out.arming}}) {
    what += std::to_string(part);
    what += '/';
  }
  what += out.rule;
  const auto [by_id, new_id] =
      alerts_.try_emplace(alert.id(), Named{what, alert.raw.level, alert.incident()});
  EXPECT_EQ(by_id->second.what, what) << "two alerts with one id";
  EXPECT_EQ(by_id->second.incident, alert.incident());
  const auto [by_name, new_name] = ids_.try_emplace(what, alert.id());
  EXPECT_EQ(by_name->second, alert.id()) << "one alert with two ids: " << what;
  return out;
}

void Driver::drain(Consumer& consumer, ModelConsumer& model) {
  const std::vector<std::string> expected = model.drain();
  std::vector<std::string> got;
  for (const Alert& one : consumer.drain()) {
    const Expected translated = translate(one);
    EXPECT_EQ(one.raw.delivery, 1u);
    got.push_back(translated.text());
  }
  std::sort(got.begin(), got.end());
  std::vector<std::string> missing;
  std::vector<std::string> extra;
  std::set_difference(expected.begin(), expected.end(), got.begin(), got.end(),
                      std::back_inserter(missing));
  std::set_difference(got.begin(), got.end(), expected.begin(), expected.end(),
                      std::back_inserter(extra));
  for (const std::string& one : missing) ADD_FAILURE() << "missing: " << one;
  for (const std::string& one : extra) ADD_FAILURE() << "extra: " << one;
}

void Driver::compare_item(const Name& name, const Tracked* item) {
  store_.flow = name.first;
  const Item got = store_.get_item(name.second);
  if (item == nullptr) {
    const bool closed = remembered(name, clock_);
    ASSERT_EQ(got.code, closed ? WARDEN_ALREADY_DONE : WARDEN_E_UNKNOWN_ITEM);
    if (closed) {
      EXPECT_EQ(got.raw.verdict, stones_.at(name).verdict);
    }
    return;
  }
  const View& view = item->view;
  ASSERT_EQ(got.code, WARDEN_OK);
  EXPECT_EQ(got.flow, name.first);
  EXPECT_EQ(got.key, name.second);
  EXPECT_EQ(got.payload, item->payload);
  EXPECT_EQ(got.stage, view.stage);
  EXPECT_EQ(got.raw.incarnation, item->incarnation);
  EXPECT_EQ(got.raw.seq, item->seq);
  EXPECT_EQ(got.raw.created_ns, view.created);
  EXPECT_EQ(got.raw.last_event_ns, view.own);
  EXPECT_EQ(got.raw.state, view.state);
  EXPECT_EQ(got.raw.tries, view.tries);
  EXPECT_EQ(got.raw.alerts, view.alerts.size());
  EXPECT_EQ(got.raw.deadline_ns, view.deadline());
  EXPECT_EQ(got.raw.overdue, view.overdue());
  ASSERT_EQ(got.rules.size(), view.rules.size());
  for (std::size_t r = 0; r < view.rules.size(); ++r) {
    const RuleState& state = view.rules[r];
    SCOPED_TRACE(item->flow->rules[r].name);
    EXPECT_EQ(got.rules[r].name, item->flow->rules[r].name);
    EXPECT_EQ(got.rules[r].arming, state.arming);
    EXPECT_EQ(got.rules[r].status == WARDEN_RULE_ARMED, state.armed);
    if (state.arming == 0) continue;
    EXPECT_EQ(got.rules[r].status == WARDEN_RULE_MET, state.met);
    EXPECT_EQ(got.rules[r].level, state.level);
    EXPECT_EQ(got.rules[r].deadline, state.deadline);
  }
}

void Driver::compare_items() {
  std::multiset<std::pair<std::string, std::string>> there;
  std::multiset<std::pair<std::string, std::string>> overdue;
  std::uint64_t live = 0;
  for (const auto& [name, item] : open_) {
    there.insert(name);
    if (item.view.overdue() != 0) overdue.insert(name);
    if (item.view.state == WARDEN_STATE_LIVE) ++live;
    SCOPED_TRACE(name.first + "/" + name.second);
    compare_item(name, &item);
  }
  const std::map<Name, Stone> stones = stones_;
  for (const auto& [name, stone] : stones) {
    if (open_.count(name) == 0) compare_item(name, nullptr);
  }
  std::multiset<std::pair<std::string, std::string>> scanned;
  for (const Item& one : store_.scan()) scanned.emplace(one.flow, one.key);
  EXPECT_EQ(scanned, there);
  warden_scan_filter filter = WARDEN_SCAN_FILTER_INIT;
  filter.overdue = 1;
  scanned.clear();
  for (const Item& one : store_.scan(&filter)) scanned.emplace(one.flow, one.key);
  EXPECT_EQ(scanned, overdue);
  const warden_stats stats = store_.stats();
  EXPECT_EQ(stats.submitted_total, created_);
  EXPECT_EQ(stats.live, live);
  EXPECT_EQ(stats.submitted, open_.size() - live);
  EXPECT_EQ(stats.done, closed_[WARDEN_VERDICT_DONE]);
  EXPECT_EQ(stats.cancelled, closed_[WARDEN_VERDICT_CANCELLED]);
  EXPECT_EQ(stats.expired, closed_[WARDEN_VERDICT_EXPIRED]);
  EXPECT_EQ(stats.early, early_);
  EXPECT_EQ(stats.alerts_raised, raised_);
  EXPECT_EQ(stats.now_ns, clock_);
}

}  // namespace warden::test
