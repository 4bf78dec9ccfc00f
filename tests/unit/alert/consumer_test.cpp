// SPDX-License-Identifier: Apache-2.0
//
// Names, start positions, filters, what is kept for whom, deletion, closing.
#include "fixture.hpp"

namespace warden::alert {
namespace {

using Consumers = HubTest;

std::vector<std::uint64_t> items_of(const std::vector<Got>& got) {
  std::vector<std::uint64_t> items;
  for (const Got& g : got) items.push_back(g.incarnation);
  return items;
}

TEST_F(Consumers, every_name_gets_all_alerts) {
  const ConsumerRef a = open("a");
  const ConsumerRef b = open("b");
  raise({.item = 1});
  raise({.item = 2});
  EXPECT_EQ(drain(a).size(), 2u);
  EXPECT_EQ(hub_->figures().kept, 2u);
  EXPECT_EQ(drain(b).size(), 2u);
  EXPECT_EQ(hub_->figures().kept, 0u);
}

TEST_F(Consumers, without_any_alerts_wait_for_the_first) {
  raise({.item = 1});
  raise({.item = 2});
  EXPECT_EQ(hub_->figures().kept, 2u);
  EXPECT_EQ(drain(open("first")).size(), 2u);
  EXPECT_EQ(hub_->figures().kept, 0u);
  EXPECT_TRUE(drain(open("second")).empty());
}

TEST_F(Consumers, a_start_of_now_leaves_what_waits_to_the_next) {
  raise({.item = 1});
  const ConsumerRef now = open("now", {.start = Start::now});
  raise({.item = 2});
  EXPECT_EQ(items_of(drain(now)), (std::vector<std::uint64_t>{2}));
  const ConsumerRef oldest = open("oldest", {.start = Start::oldest});
  EXPECT_EQ(items_of(drain(oldest)), (std::vector<std::uint64_t>{1}));
  EXPECT_EQ(hub_->figures().kept, 0u);
}

TEST_F(Consumers, unacked_goes_on_where_the_name_stood) {
  ConsumerRef c = open("c");
  raise({.item = 1});
  raise({.item = 2});
  ack(c, poll(c, 1));
  c.reset();
  c = open("c");
  EXPECT_EQ(items_of(drain(c)), (std::vector<std::uint64_t>{2}));
}

TEST_F(Consumers, filters_narrow_by_flow_rule_and_severity) {
  const ConsumerRef flow = open("flow", {.flow = "x"});
  const ConsumerRef rule = open("rule", {.rule = "r"});
  const ConsumerRef severe = open("severe", {.min_severity = 4});
  raise({.item = 1, .severity = 3, .flow = "x", .rule_name = "q"});
  raise({.item = 2, .severity = 4, .flow = "y", .rule_name = "r"});
  raise({.item = 3, .severity = 4, .flow = "xx", .rule_name = "rr"});
  raise({.item = 4, .severity = 1, .flow = "y", .rule_name = "q"});
  EXPECT_EQ(items_of(drain(flow)), (std::vector<std::uint64_t>{1}));
  EXPECT_EQ(items_of(drain(rule)), (std::vector<std::uint64_t>{2}));
  EXPECT_EQ(items_of(drain(severe)), (std::vector<std::uint64_t>{2, 3}));
  EXPECT_EQ(hub_->figures().kept, 0u);
  EXPECT_EQ(hub_->figures().unwanted, 1u);
}

TEST_F(Consumers, what_a_filtered_first_consumer_leaves_waits_on) {
  raise({.item = 1, .flow = "x"});
  raise({.item = 2, .flow = "y"});
  raise({.item = 2, .level = 3, .flow = "x"});
  raise({.item = 2, .level = 4, .flow = "y"});
  EXPECT_EQ(drain(open("x", {.flow = "x"})).size(), 2u);
  EXPECT_EQ(drain(open("y", {.flow = "y"})).size(), 2u);
  EXPECT_EQ(hub_->figures().kept, 0u);
}

TEST_F(Consumers, the_same_name_with_other_options_is_a_conflict) {
  const ConsumerRef c = open("c", {.audit = true, .rule = "r"});
  ConsumerRef other;
  ConsumerOptions options{.start = Start::now, .audit = true, .rule = "r"};
  EXPECT_EQ(hub_->open("c", &options, other).code, Code::ok);  // start is of new names
  EXPECT_EQ(hub_->open("c", nullptr, other).code, Code::ok);
  options.rule = "s";
  const Error error = hub_->open("c", &options, other);
  EXPECT_EQ(error.code, Code::conflict);
  EXPECT_FALSE(error.message.empty());
}

TEST_F(Consumers, bad_names_and_leases_are_refused) {
  ConsumerRef c;
  EXPECT_EQ(hub_->open("", nullptr, c).code, Code::invalid_argument);
  EXPECT_EQ(hub_->open(std::string(256, 'n'), nullptr, c).code, Code::invalid_argument);
  EXPECT_EQ(hub_->open(std::string(255, 'n'), nullptr, c).code, Code::ok);
  for (const Nanos lease : {Nanos{0}, kMilli - 1, kDay + 1}) {
    const ConsumerOptions options{.lease = lease};
    const Error error = hub_->open("c", &options, c);
    EXPECT_EQ(error.code, Code::out_of_range);
    EXPECT_NE(error.message.find("1 ms .. 1 day"), std::string::npos);
  }
}

TEST_F(Consumers, deletion_frees_what_it_held_back) {
  const ConsumerRef a = open("a");
  const ConsumerRef b = open("b");
  for (std::uint64_t item = 1; item <= 10; ++item) raise({.item = item});
  poll(a, 3);
  EXPECT_EQ(drain(b).size(), 10u);
  EXPECT_EQ(hub_->figures().kept, 10u);
  EXPECT_EQ(hub_->backlog(*a), 10u);
  EXPECT_EQ(hub_->remove("a"), Code::ok);
  EXPECT_EQ(hub_->figures().kept, 0u);
  EXPECT_EQ(hub_->next_timer(), kNever);
  EXPECT_EQ(hub_->remove("a"), Code::invalid_argument);
}

TEST_F(Consumers, calls_on_a_deleted_one_say_so) {
  const ConsumerRef c = open("c");
  raise({});
  const Got got = poll(c).at(0);
  ASSERT_EQ(hub_->remove("c"), Code::ok);
  const auto take = [](const Delivery&) { return true; };
  EXPECT_EQ(hub_->poll(*c, 1, -1, take).code, Code::consumer_closed);
  EXPECT_EQ(hub_->ack(*c, {&got.lease, 1}).code, Code::consumer_closed);
  EXPECT_EQ(hub_->nack(*c, got.lease, 0), Code::consumer_closed);
  EXPECT_EQ(hub_->extend(*c, got.lease, kSecond), Code::consumer_closed);
  EXPECT_EQ(hub_->wake(*c), Code::consumer_closed);
  EXPECT_EQ(hub_->fd(*c), raw(Code::consumer_closed));
  const ConsumerRef again = open("c");  // a new one by that name
  EXPECT_NE(again.get(), c.get());
  EXPECT_TRUE(poll(again).empty());
}

TEST_F(Consumers, calls_after_close_say_so) {
  const ConsumerRef c = open("c");
  raise({});
  const Got got = poll(c).at(0);
  hub_->close();
  hub_->close();
  const auto take = [](const Delivery&) { return true; };
  EXPECT_EQ(hub_->poll(*c, 1, -1, take).code, Code::store_closed);
  EXPECT_EQ(hub_->ack(*c, {&got.lease, 1}).code, Code::store_closed);
  EXPECT_EQ(hub_->nack(*c, got.lease, 0), Code::store_closed);
  EXPECT_EQ(hub_->extend(*c, got.lease, kSecond), Code::store_closed);
  EXPECT_EQ(hub_->wake(*c), Code::store_closed);
  EXPECT_EQ(hub_->fd(*c), raw(Code::store_closed));
  EXPECT_EQ(hub_->remove("c"), Code::store_closed);
  ConsumerRef other;
  EXPECT_EQ(hub_->open("d", nullptr, other).code, Code::store_closed);
  raise({.item = 2});  // harmless, freed with the hub
}

TEST_F(Consumers, a_handle_may_outlive_the_hub) {
  const ConsumerRef c = open("c");
  raise({});
  poll(c);
  hub_.reset();
  EXPECT_EQ(c->name(), "c");
}

TEST_F(Consumers, alerts_and_closings_that_nobody_polls_do_not_pile_up) {
  for (std::uint64_t item = 1; item <= 5000; ++item) {
    raise({.item = item});
    close_item(item);
  }
  EXPECT_LT(hub_->figures().kept, 600u);  // what the queue may hold before a notify takes it in
  hub_->on_time(clock_);
  EXPECT_EQ(hub_->figures().kept, 0u);
  EXPECT_EQ(hub_->figures().withdrawn, 5000u);
}

}  // namespace
}  // namespace warden::alert
