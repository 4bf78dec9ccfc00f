// SPDX-License-Identifier: Apache-2.0
//
// Hand-out: order, leases, acknowledgement, giving back, buffers too small.
#include <algorithm>

#include "fixture.hpp"

namespace warden::alert {
namespace {

using Leases = HubTest;

TEST_F(Leases, an_alert_is_handed_out_with_all_its_fields) {
  const ConsumerRef c = open("c");
  raise({.item = 4, .level = 3, .severity = 4, .deadline = 77, .kind = Kind::escalation});
  const std::vector<Got> got = poll(c);
  ASSERT_EQ(got.size(), 1u);
  EXPECT_EQ(got[0].id, id_of(4, 3));
  EXPECT_EQ(got[0].incident, incident_of(4));
  EXPECT_EQ(got[0].resolves, Hash128{});
  EXPECT_EQ(got[0].incarnation, 4u);
  EXPECT_EQ(got[0].token, 7u);
  EXPECT_EQ(got[0].delivery, 1u);
  EXPECT_EQ(got[0].flags, 0u);
  EXPECT_EQ(got[0].kind, Kind::escalation);
  EXPECT_EQ(got[0].deadline, 77);
  EXPECT_EQ(got[0].flow, "flow");
  EXPECT_EQ(got[0].rule, "rule");
  EXPECT_EQ(got[0].stage, "at");
  EXPECT_EQ(got[0].armed_stage, "armed");
  EXPECT_EQ(got[0].key, "key4");
  EXPECT_NE(got[0].lease, 0u);
}

TEST_F(Leases, across_items_severity_then_lateness_then_arrival) {
  const ConsumerRef c = open("c");
  raise({.item = 1, .severity = 2, .deadline = 10});
  raise({.item = 2, .severity = 3, .deadline = 30});
  raise({.item = 3, .severity = 3, .deadline = 20});
  raise({.item = 4, .severity = 3, .deadline = 20});
  raise({.item = 5, .severity = 4, .deadline = 90});
  std::vector<std::uint64_t> items;
  for (const Got& got : poll(c)) items.push_back(got.incarnation);
  EXPECT_EQ(items, (std::vector<std::uint64_t>{5, 3, 4, 2, 1}));
}

TEST_F(Leases, an_item_has_one_unacknowledged_alert_and_keeps_its_order) {
  const ConsumerRef c = open("c");
  raise({.level = 1, .severity = 2, .kind = Kind::warn});
  raise({.level = 2, .severity = 4});
  std::vector<Got> got = poll(c);
  ASSERT_EQ(got.size(), 1u);
  EXPECT_EQ(got[0].level, 1);
  EXPECT_TRUE(poll(c).empty());
  EXPECT_EQ(ack(c, got), 1u);
  got = poll(c);
  ASSERT_EQ(got.size(), 1u);
  EXPECT_EQ(got[0].level, 2);
}

TEST_F(Leases, ack_counts_each_lease_once) {
  const ConsumerRef c = open("c");
  raise({.item = 1});
  raise({.item = 2});
  const std::vector<Got> got = poll(c);
  ASSERT_EQ(got.size(), 2u);
  const std::uint64_t leases[] = {got[0].lease, got[0].lease, 0, ~0ull, 12345, got[1].lease};
  EXPECT_EQ(hub_->ack(*c, leases).count, 2u);
  EXPECT_EQ(hub_->ack(*c, leases).count, 0u);
  EXPECT_EQ(hub_->backlog(*c), 0u);
  EXPECT_EQ(hub_->figures().kept, 0u);
}

TEST_F(Leases, an_expired_lease_comes_again_with_the_same_id_and_one_delivery_more) {
  const ConsumerRef c = open("c");
  raise({});
  const Got first = poll(c).at(0);
  clock_ += 30 * kSecond - 1;
  EXPECT_TRUE(poll(c).empty());
  clock_ += 1;
  const Got second = poll(c).at(0);
  EXPECT_EQ(second.id, first.id);
  EXPECT_EQ(second.delivery, 2u);
  EXPECT_NE(second.lease, first.lease);
  EXPECT_EQ(ack(c, first), 0u);  // leased again meanwhile
  EXPECT_EQ(ack(c, second), 1u);
}

TEST_F(Leases, a_late_ack_is_honoured_until_leased_again) {
  const ConsumerRef c = open("c");
  raise({});
  const Got got = poll(c).at(0);
  clock_ += kHour;
  hub_->on_time(clock_);
  EXPECT_EQ(ack(c, got), 1u);
  EXPECT_TRUE(poll(c).empty());
}

TEST_F(Leases, the_lease_of_the_consumer_is_used) {
  const ConsumerRef c = open("c", {.lease = 2 * kSecond});
  raise({});
  EXPECT_EQ(poll(c).size(), 1u);
  EXPECT_EQ(hub_->next_timer(), clock_ + 2 * kSecond);
  EXPECT_EQ(timer_moves_, 1);
  clock_ += 2 * kSecond;
  EXPECT_EQ(poll(c).size(), 1u);
}

TEST_F(Leases, nack_hands_out_again_after_the_delay) {
  const ConsumerRef c = open("c");
  raise({});
  const Got got = poll(c).at(0);
  EXPECT_EQ(hub_->nack(*c, got.lease, kSecond), Code::ok);
  EXPECT_EQ(hub_->next_timer(), clock_ + kSecond);
  EXPECT_TRUE(poll(c).empty());
  EXPECT_EQ(ack(c, got), 0u);  // given back
  EXPECT_EQ(hub_->nack(*c, got.lease, 0), Code::unknown_lease);
  clock_ += kSecond;
  EXPECT_EQ(poll(c).at(0).delivery, 2u);
}

TEST_F(Leases, nack_without_delay_hands_out_at_once) {
  const ConsumerRef c = open("c");
  raise({});
  EXPECT_EQ(hub_->nack(*c, poll(c).at(0).lease, 0), Code::ok);
  EXPECT_EQ(poll(c).at(0).delivery, 2u);
}

TEST_F(Leases, nack_and_extend_refuse_what_they_should) {
  const ConsumerRef c = open("c");
  raise({});
  const Got got = poll(c).at(0);
  EXPECT_EQ(hub_->nack(*c, got.lease, -1), Code::out_of_range);
  EXPECT_EQ(hub_->nack(*c, got.lease + 1, 0), Code::unknown_lease);
  EXPECT_EQ(hub_->extend(*c, got.lease, kMilli - 1), Code::out_of_range);
  EXPECT_EQ(hub_->extend(*c, got.lease, kDay + 1), Code::out_of_range);
  EXPECT_EQ(hub_->extend(*c, 1, kSecond), Code::unknown_lease);
}

TEST_F(Leases, extend_prolongs_and_shortens_also_after_expiry) {
  const ConsumerRef c = open("c");
  raise({});
  const Got got = poll(c).at(0);
  EXPECT_EQ(hub_->extend(*c, got.lease, kMinute), Code::ok);
  clock_ += 59 * kSecond;
  EXPECT_TRUE(poll(c).empty());
  clock_ += kSecond;
  hub_->on_time(clock_);  // expired, but not leased again
  EXPECT_EQ(hub_->extend(*c, got.lease, kSecond), Code::ok);
  EXPECT_TRUE(poll(c).empty());
  EXPECT_EQ(hub_->next_timer(), clock_ + kSecond);
  EXPECT_EQ(ack(c, got), 1u);
  EXPECT_EQ(hub_->next_timer(), kNever);
}

TEST_F(Leases, a_lease_belongs_to_its_consumer) {
  const ConsumerRef a = open("a");
  const ConsumerRef b = open("b");
  raise({});
  const Got of_a = poll(a).at(0);
  const Got of_b = poll(b).at(0);
  EXPECT_NE(of_a.lease, of_b.lease);
  EXPECT_EQ(ack(b, of_a), 0u);
  EXPECT_EQ(hub_->nack(*b, of_a.lease, 0), Code::unknown_lease);
  EXPECT_EQ(ack(a, of_a), 1u);
  EXPECT_EQ(hub_->figures().kept, 1u);
  EXPECT_EQ(ack(b, of_b), 1u);
  EXPECT_EQ(hub_->figures().kept, 0u);
}

TEST_F(Leases, leases_are_never_used_twice) {
  const ConsumerRef c = open("c");
  std::vector<std::uint64_t> leases;
  for (std::uint64_t item = 1; item <= 2000; ++item) {
    raise({.item = item});
    const Got got = poll(c).at(0);
    leases.push_back(got.lease);
    ack(c, got);
  }
  std::sort(leases.begin(), leases.end());
  EXPECT_EQ(std::adjacent_find(leases.begin(), leases.end()), leases.end());
}

TEST_F(Leases, what_does_not_fit_stays_first) {
  const ConsumerRef c = open("c");
  for (std::uint64_t item = 1; item <= 3; ++item) {
    raise({.item = item, .deadline = static_cast<Nanos>(item)});
  }
  std::size_t room = 2;
  std::vector<std::uint64_t> items;
  const auto take = [&](const Delivery& d) {
    if (room == 0) return false;
    --room;
    items.push_back(d.alert->incarnation);
    EXPECT_EQ(d.delivery, 1u);
    return true;
  };
  Counted counted = hub_->poll(*c, 10, 0, take);
  EXPECT_EQ(counted.code, Code::ok);
  EXPECT_EQ(counted.count, 2u);
  counted = hub_->poll(*c, 10, 0, take);
  EXPECT_EQ(counted.code, Code::buffer_too_small);
  EXPECT_EQ(counted.count, 0u);
  room = 5;
  EXPECT_EQ(hub_->poll(*c, 10, 0, take).count, 1u);
  EXPECT_EQ(items, (std::vector<std::uint64_t>{1, 2, 3}));
}

TEST_F(Leases, max_bounds_one_poll) {
  const ConsumerRef c = open("c");
  for (std::uint64_t item = 1; item <= 5; ++item) raise({.item = item});
  EXPECT_EQ(poll(c, 0).size(), 0u);
  EXPECT_EQ(poll(c, 2).size(), 2u);
  EXPECT_EQ(poll(c, 100).size(), 3u);
}

TEST_F(Leases, next_timer_is_the_earliest_of_all_consumers) {
  const ConsumerRef a = open("a", {.lease = 20 * kSecond});
  const ConsumerRef b = open("b", {.lease = 10 * kSecond});
  raise({});
  EXPECT_EQ(hub_->next_timer(), kNever);
  poll(a);
  EXPECT_EQ(hub_->next_timer(), clock_ + 20 * kSecond);
  const Got got = poll(b).at(0);
  EXPECT_EQ(hub_->next_timer(), clock_ + 10 * kSecond);
  EXPECT_EQ(timer_moves_, 2);
  ack(b, got);
  EXPECT_EQ(hub_->next_timer(), clock_ + 20 * kSecond);
  clock_ += 20 * kSecond;
  hub_->on_time(clock_);
  EXPECT_EQ(hub_->next_timer(), kNever);
}

TEST_F(Leases, pollers_under_one_name_compete) {
  const ConsumerRef a = open("same");
  const ConsumerRef b = open("same");
  EXPECT_EQ(a.get(), b.get());
  raise({.item = 1});
  raise({.item = 2});
  EXPECT_EQ(poll(a, 1).size() + poll(b, 1).size(), 2u);
  EXPECT_TRUE(poll(a).empty());
}

// Anything quadratic in the backlog would run into the test's time limit.
TEST_F(Leases, a_large_backlog_comes_out_in_order) {
  const ConsumerRef c = open("c");
  constexpr std::uint64_t kCount = 100'000;
  for (std::uint64_t item = 1; item <= kCount; ++item) {
    raise({.item = item, .deadline = static_cast<Nanos>(item * 7919 % kCount)});
  }
  Nanos last = -1;
  std::uint64_t seen = 0;
  std::vector<std::uint64_t> leases;
  do {
    leases.clear();
    hub_->poll(*c, 256, 0, [&](const Delivery& d) {
      EXPECT_GE(d.alert->deadline, last);
      last = d.alert->deadline;
      leases.push_back(d.lease);
      return true;
    });
    EXPECT_EQ(hub_->ack(*c, leases).count, leases.size());
    seen += leases.size();
  } while (!leases.empty());
  EXPECT_EQ(seen, kCount);
  for (std::uint64_t item = 1; item <= kCount; ++item) close_item(item);
  EXPECT_EQ(poll(c, kCount).size(), kCount);
  EXPECT_EQ(hub_->remove("c"), Code::ok);
  EXPECT_EQ(hub_->figures().kept, 0u);
}

}  // namespace
}  // namespace warden::alert
