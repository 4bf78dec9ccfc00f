// SPDX-License-Identifier: Apache-2.0
//
// What the closing of an item does: withdrawal, audit, RESOLVED and its place.
#include "fixture.hpp"

namespace warden::alert {
namespace {

using Closing = HubTest;

TEST_F(Closing, before_the_lease_withdraws) {
  const ConsumerRef c = open("c");
  raise({});
  close_item(1);
  EXPECT_TRUE(poll(c).empty());
  EXPECT_EQ(hub_->figures().withdrawn, 1u);
  EXPECT_EQ(hub_->figures().raised, 1u);
  EXPECT_EQ(hub_->figures().kept, 0u);
  EXPECT_EQ(hub_->backlog(*c), 0u);
}

TEST_F(Closing, before_the_lease_but_known_to_the_consumer_withdraws_too) {
  const ConsumerRef c = open("c");
  raise({.item = 1, .deadline = 1});
  raise({.item = 2, .deadline = 2});
  EXPECT_EQ(poll(c, 1).at(0).incarnation, 1u);  // item 2 stays in the ready heap
  close_item(2);
  EXPECT_TRUE(poll(c).empty());
  EXPECT_EQ(hub_->backlog(*c), 1u);
}

TEST_F(Closing, audit_gets_the_withdrawn_flagged_and_no_resolved) {
  const ConsumerRef c = open("c", {.audit = true});
  raise({});
  close_item(1);
  const std::vector<Got> got = drain(c);
  ASSERT_EQ(got.size(), 1u);
  EXPECT_EQ(got[0].flags, kDeliveryWithdrawn);
  EXPECT_EQ(got[0].kind, Kind::breach);
  EXPECT_EQ(hub_->figures().withdrawn, 1u);
  EXPECT_EQ(hub_->figures().kept, 0u);
}

TEST_F(Closing, after_the_lease_sends_resolved_behind_its_alert) {
  const ConsumerRef c = open("c");
  raise({.level = 2, .severity = 3, .deadline = 55});
  const Got alert = poll(c).at(0);
  close_item(1, 1234);
  EXPECT_TRUE(poll(c).empty());  // never overtakes
  EXPECT_EQ(ack(c, alert), 1u);
  const Got resolved = poll(c).at(0);
  EXPECT_EQ(resolved.kind, Kind::resolved);
  EXPECT_EQ(resolved.level, kLevelResolved);
  EXPECT_EQ(resolved.resolves, alert.id);
  EXPECT_EQ(resolved.incident, alert.incident);
  EXPECT_EQ(resolved.id, resolved_id(alert.incident));
  EXPECT_NE(resolved.id, alert.id);
  EXPECT_EQ(resolved.raised, 1234);
  EXPECT_EQ(resolved.deadline, 55);
  EXPECT_EQ(resolved.severity, 3);
  EXPECT_EQ(resolved.token, 9u);
  EXPECT_EQ(resolved.rule, "rule");
  EXPECT_EQ(resolved.flow, "flow");
  EXPECT_EQ(resolved.stage, "last");
  EXPECT_EQ(resolved.armed_stage, "armed");
  EXPECT_EQ(resolved.key, "key1");
  EXPECT_EQ(resolved.delivery, 1u);
  EXPECT_EQ(resolved.flags, 0u);
  EXPECT_EQ(ack(c, resolved), 1u);
  EXPECT_TRUE(poll(c).empty());
  EXPECT_EQ(hub_->figures().kept, 0u);
}

TEST_F(Closing, after_the_ack_sends_resolved) {
  const ConsumerRef c = open("c");
  raise({});
  ack(c, poll(c));
  close_item(1);
  EXPECT_EQ(poll(c).at(0).kind, Kind::resolved);
}

TEST_F(Closing, an_alert_told_and_expired_comes_again_before_resolved) {
  const ConsumerRef c = open("c");
  raise({});
  poll(c);
  clock_ += kHour;
  close_item(1);
  const Got again = poll(c).at(0);
  EXPECT_EQ(again.kind, Kind::breach);
  EXPECT_EQ(again.delivery, 2u);
  EXPECT_EQ(again.flags, 0u);
  ack(c, again);
  EXPECT_EQ(poll(c).at(0).kind, Kind::resolved);
}

TEST_F(Closing, one_resolved_an_incident_told_naming_its_newest_alert) {
  const ConsumerRef c = open("c");
  raise({.level = 1, .rule = 0, .kind = Kind::warn});
  raise({.level = 2, .rule = 0});
  raise({.level = 2, .rule = 1});
  raise({.level = 3, .rule = 0, .kind = Kind::escalation});  // stays untold
  raise({.level = 2, .rule = 2});                            // its incident untold
  for (int i = 0; i < 3; ++i) ack(c, poll(c).at(0));
  close_item(1);
  const std::vector<Got> got = drain(c);
  ASSERT_EQ(got.size(), 2u);
  EXPECT_EQ(got[0].kind, Kind::resolved);
  EXPECT_EQ(got[0].incident, incident_of(1, 0));
  EXPECT_EQ(got[0].resolves, id_of(1, 2, 0));
  EXPECT_EQ(got[1].incident, incident_of(1, 1));
  EXPECT_EQ(got[1].resolves, id_of(1, 2, 1));
  EXPECT_EQ(hub_->figures().withdrawn, 2u);
}

TEST_F(Closing, resolved_alerts_of_an_item_come_one_at_a_time) {
  const ConsumerRef c = open("c");
  raise({.rule = 0});
  raise({.rule = 1});
  ack(c, poll(c));
  ack(c, poll(c));
  close_item(1);
  EXPECT_EQ(poll(c).size(), 1u);
  EXPECT_TRUE(poll(c).empty());
}

TEST_F(Closing, audit_gets_alert_withdrawn_and_resolved_in_the_items_order) {
  const ConsumerRef c = open("c", {.audit = true});
  raise({.level = 1, .kind = Kind::warn});
  raise({.level = 2});
  const Got warn = poll(c).at(0);
  close_item(1);
  ack(c, warn);
  const std::vector<Got> got = drain(c);
  ASSERT_EQ(got.size(), 2u);
  EXPECT_EQ(got[0].level, 2);
  EXPECT_EQ(got[0].flags, kDeliveryWithdrawn);
  EXPECT_EQ(got[1].kind, Kind::resolved);
  EXPECT_EQ(got[1].resolves, warn.id);
}

TEST_F(Closing, each_consumer_by_what_it_was_told) {
  const ConsumerRef a = open("a");
  const ConsumerRef b = open("b");
  raise({});
  ack(a, poll(a));
  close_item(1);
  EXPECT_EQ(drain(a).at(0).kind, Kind::resolved);
  EXPECT_TRUE(drain(b).empty());
  EXPECT_EQ(hub_->figures().withdrawn, 1u);
}

TEST_F(Closing, what_expired_or_was_too_fast_is_neither_withdrawn_nor_resolved) {
  const ConsumerRef c = open("c");
  raise({.item = 1, .kind = Kind::expired});
  close_item(1);
  raise({.item = 2, .kind = Kind::suspicious});
  close_item(2);
  raise({.item = 3, .kind = Kind::suspicious});
  ack(c, poll(c));
  close_item(3);
  close_item(4);
  raise({.item = 4, .kind = Kind::suspicious});  // raised by the closing itself
  EXPECT_EQ(drain(c).size(), 1u);
  EXPECT_EQ(hub_->figures().withdrawn, 0u);
  EXPECT_EQ(hub_->figures().kept, 0u);
}

TEST_F(Closing, with_no_consumer_drops_what_waited) {
  raise({.item = 1});
  raise({.item = 2});
  close_item(1);
  const ConsumerRef c = open("c", {.audit = true});
  const std::vector<Got> got = drain(c);
  ASSERT_EQ(got.size(), 1u);
  EXPECT_EQ(got[0].incarnation, 2u);
  EXPECT_EQ(hub_->figures().withdrawn, 1u);
}

TEST_F(Closing, a_later_consumer_gets_what_is_still_kept_only_if_it_audits) {
  const ConsumerRef a = open("a");
  raise({});
  poll(a);
  close_item(1);
  const ConsumerRef plain = open("plain");
  const ConsumerRef audit = open("audit", {.audit = true});
  EXPECT_TRUE(drain(plain).empty());
  const std::vector<Got> got = drain(audit);
  ASSERT_EQ(got.size(), 1u);  // and not a's RESOLVED
  EXPECT_EQ(got[0].flags, kDeliveryWithdrawn);
}

TEST_F(Closing, a_later_consumer_is_told_of_open_items_and_gets_its_own_resolved) {
  const ConsumerRef a = open("a");
  raise({});
  poll(a);
  const ConsumerRef b = open("b", {.start = Start::oldest});
  ack(b, poll(b));
  close_item(1);
  EXPECT_EQ(drain(b).at(0).kind, Kind::resolved);
}

TEST_F(Closing, of_an_item_unknown_here_does_nothing) {
  const ConsumerRef c = open("c");
  close_item(99);
  EXPECT_TRUE(poll(c).empty());
  EXPECT_EQ(hub_->figures().kept, 0u);
}

TEST_F(Closing, the_id_of_resolved_is_fixed) {
  // XXH3-128 of the incident's 16 bytes, low word first, and the byte 255; stored
  // in logs, so it must never change.
  const Hash128 id = resolved_id({0x0123456789abcdefu, 0xfedcba9876543210u});
  EXPECT_EQ(id.low, 0x6163d65132f0dc72u);
  EXPECT_EQ(id.high, 0x55f55f3c661764ffu);
}

}  // namespace
}  // namespace warden::alert
