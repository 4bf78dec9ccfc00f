// SPDX-License-Identifier: Apache-2.0
//
// The durability gate, what the durable layer writes down, and what it puts back.
#include <map>

#include "fixture.hpp"

namespace warden::alert {
namespace {

class Durable : public HubTest {
 protected:
  void SetUp() override { start(true); }
};

TEST_F(Durable, an_alert_waits_for_its_position) {
  const ConsumerRef c = open("c");
  raise({.item = 1, .lsn = Lsn{10}});
  raise({.item = 2, .lsn = Lsn{11}});
  EXPECT_TRUE(poll(c).empty());
  hub_->set_durable(Lsn{10});
  EXPECT_EQ(poll(c).at(0).incarnation, 1u);
  EXPECT_TRUE(poll(c).empty());
  hub_->set_durable(Lsn{5});  // never back
  hub_->set_durable(Lsn{12});
  EXPECT_EQ(poll(c).at(0).incarnation, 2u);
}

TEST_F(Durable, early_consumers_do_not_wait) {
  const ConsumerRef early = open("early", {.early = true});
  raise({.lsn = Lsn{10}});
  EXPECT_EQ(poll(early).size(), 1u);
}

TEST_F(Durable, volatile_alerts_do_not_wait) {
  const ConsumerRef c = open("c");
  raise({.lsn = Lsn::none});
  EXPECT_EQ(poll(c).size(), 1u);
}

TEST_F(Durable, without_a_gate_positions_do_not_matter) {
  start(false);
  const ConsumerRef c = open("c");
  raise({.lsn = Lsn{~0ull}});
  EXPECT_EQ(poll(c).size(), 1u);
}

TEST_F(Durable, the_gate_holds_also_for_the_next_alert_of_an_item) {
  const ConsumerRef c = open("c");
  raise({.level = 1, .kind = Kind::warn, .lsn = Lsn{1}});
  raise({.level = 2, .lsn = Lsn{20}});
  hub_->set_durable(Lsn{1});
  ack(c, poll(c));
  EXPECT_TRUE(poll(c).empty());
  hub_->set_durable(Lsn{20});
  EXPECT_EQ(poll(c).at(0).level, 2);
}

TEST_F(Durable, resolved_waits_for_the_closing) {
  const ConsumerRef c = open("c");
  raise({.lsn = Lsn{1}});
  hub_->set_durable(Lsn{1});
  ack(c, poll(c));
  close_item(1, 1000, Lsn{30});
  EXPECT_TRUE(poll(c).empty());
  hub_->set_durable(Lsn{30});
  const Got got = poll(c).at(0);
  EXPECT_EQ(got.kind, Kind::resolved);
  EXPECT_EQ(got.lsn, Lsn{30});
}

TEST_F(Durable, a_withdrawn_alert_waits_for_the_closing_that_it_tells_of) {
  const ConsumerRef c = open("c", {.audit = true});
  raise({.lsn = Lsn{1}});
  hub_->set_durable(Lsn{1});
  EXPECT_EQ(hub_->fd(*c) >= 0, true);  // it is in the ready heap now
  close_item(1, 1000, Lsn{30});
  EXPECT_TRUE(poll(c).empty());
  hub_->set_durable(Lsn{30});
  EXPECT_EQ(poll(c).at(0).flags, kDeliveryWithdrawn);
}

TEST_F(Durable, a_closing_withdraws_also_what_still_waits_at_the_gate) {
  const ConsumerRef c = open("c");
  for (std::uint64_t item = 1; item <= 3; ++item) raise({.item = item, .lsn = Lsn{10 + item}});
  EXPECT_TRUE(poll(c).empty());
  close_item(2, 1000, Lsn{14});
  close_item(3, 1000, Lsn{15});
  EXPECT_TRUE(poll(c).empty());
  hub_->set_durable(Lsn{15});
  EXPECT_EQ(poll(c).at(0).incarnation, 1u);
  EXPECT_TRUE(poll(c).empty());
}

class Sink : public AckSink {
 public:
  void acked(std::string_view consumer, std::span<const Alert* const> alerts, bool gone) override {
    if (gone) gone_ += alerts.size();
    for (const Alert* alert : alerts) acked_[std::string(consumer)].push_back(alert->id);
  }
  void withdrawn(std::string_view consumer, const Alert& alert) override {
    withdrawn_[std::string(consumer)].push_back(alert.id);
  }
  std::map<std::string, std::vector<Hash128>> acked_, withdrawn_;
  std::size_t gone_ = 0;  // of the acknowledged, handed out as withdrawn
};

TEST_F(Durable, the_sink_hears_of_every_ack_and_withdrawal) {
  Sink sink;
  start(false, &sink);
  raise({.item = 500});
  close_item(500);
  const ConsumerRef a = open("a");
  const ConsumerRef b = open("b");
  for (std::uint64_t item = 1; item <= 200; ++item) {
    raise({.item = item, .deadline = static_cast<Nanos>(item)});
  }
  const std::vector<Got> got = poll(a);
  EXPECT_EQ(ack(a, got), 200u);
  EXPECT_EQ(ack(a, got), 0u);
  close_item(7);
  poll(b, 0);
  hub_->on_time(clock_);
  ASSERT_EQ(sink.acked_["a"].size(), 200u);
  for (std::size_t i = 0; i < got.size(); ++i) EXPECT_EQ(sink.acked_["a"][i], got[i].id);
  EXPECT_TRUE(sink.acked_["b"].empty());
  EXPECT_EQ(sink.withdrawn_["b"], (std::vector<Hash128>{id_of(7, 2)}));
  EXPECT_EQ(sink.withdrawn_[""], (std::vector<Hash128>{id_of(500, 2)}));
  ack(a, poll(a));  // the RESOLVED of item 7
  EXPECT_EQ(sink.acked_["a"].back(), resolved_id(incident_of(7)));
}

TEST_F(Durable, the_sink_knows_what_was_acknowledged_as_withdrawn) {
  Sink sink;
  start(false, &sink);
  const ConsumerRef audit = open("audit", {.audit = true});
  raise({.item = 1});
  raise({.item = 2});
  close_item(1);
  const std::vector<Got> got = poll(audit);
  ASSERT_EQ(got.size(), 2u);
  EXPECT_EQ(ack(audit, got), 2u);
  EXPECT_EQ(sink.acked_["audit"].size(), 2u);
  EXPECT_EQ(sink.gone_, 1u);
}

TEST_F(Durable, for_each_kept_names_every_holder) {
  const ConsumerRef a = open("a");
  const ConsumerRef b = open("b", {.min_severity = 4});
  raise({.item = 1, .severity = 3, .lsn = Lsn{1}});
  raise({.item = 2, .severity = 4, .lsn = Lsn{2}});
  raise({.item = 3, .severity = 4, .lsn = Lsn{3}});
  hub_->set_durable(Lsn{3});
  ack(a, poll(a, 1));  // item 2
  using Seen = std::vector<std::tuple<std::uint64_t, std::string, std::uint32_t>>;
  const auto kept = [this] {
    Seen seen;
    EXPECT_EQ(hub_->for_each_kept([&seen](const Held& held) {
      seen.emplace_back(held.alert.incarnation,
                        held.consumer == nullptr ? "" : held.consumer->name(), held.delivery);
    }),
              Code::ok);
    return seen;
  };
  poll(b, 1);
  EXPECT_EQ(kept(), (Seen{{1, "a", 0}, {2, "b", 1}, {3, "b", 0}, {3, "a", 0}}));
  hub_->remove("a");
  hub_->remove("b");
  raise({.item = 9});
  EXPECT_EQ(kept(), (Seen{{9, "", 0}}));
}

TEST_F(Durable, a_restored_alert_counts_as_handed_out) {
  const ConsumerRef a = open("a", {.start = Start::now});
  const ConsumerRef b = open("b", {.start = Start::now});
  Alert* alert = fill(hub_->make(), {.item = 5});
  Consumer* holders[] = {a.get(), b.get()};
  ASSERT_EQ(hub_->restore(alert, holders), Code::ok);
  EXPECT_EQ(hub_->figures().raised, 0u);
  EXPECT_EQ(hub_->figures().kept, 1u);
  const Got got = poll(a).at(0);
  EXPECT_EQ(got.id, id_of(5, 2));
  EXPECT_EQ(got.delivery, 2u);
  ack(a, got);
  close_item(5);
  EXPECT_EQ(poll(a).at(0).kind, Kind::resolved);
  // b was not handed it since: still it is not withdrawn.
  const std::vector<Got> of_b = drain(b);
  ASSERT_EQ(of_b.size(), 2u);
  EXPECT_EQ(of_b[0].kind, Kind::breach);
  EXPECT_EQ(of_b[1].kind, Kind::resolved);
  EXPECT_EQ(of_b[1].resolves, id_of(5, 2));
}

TEST_F(Durable, an_alert_restored_for_nobody_waits_for_the_first) {
  ASSERT_EQ(hub_->restore(fill(hub_->make(), {.item = 5}), {}), Code::ok);
  const Got got = poll(open("c")).at(0);
  EXPECT_EQ(got.incarnation, 5u);
  EXPECT_EQ(got.delivery, 1u);
}

TEST_F(Durable, restored_knowledge_of_an_acknowledged_alert_brings_resolved) {
  const ConsumerRef c = open("c");
  Alert* alert = fill(hub_->make(), {.item = 5});
  ASSERT_EQ(hub_->restore_told(*c, *alert), Code::ok);
  hub_->discard(alert);
  std::size_t told = 0;
  EXPECT_EQ(hub_->for_each_told([&](const Consumer& who, std::uint64_t item, const Told& what) {
    EXPECT_EQ(who.name(), "c");
    EXPECT_EQ(item, 5u);
    EXPECT_EQ(what.newest, id_of(5, 2));
    ++told;
  }),
            Code::ok);
  EXPECT_EQ(told, 1u);
  EXPECT_TRUE(poll(c).empty());
  close_item(5);
  const std::vector<Got> got = drain(c);
  ASSERT_EQ(got.size(), 1u);
  EXPECT_EQ(got[0].kind, Kind::resolved);
  EXPECT_EQ(got[0].resolves, id_of(5, 2));
}

TEST_F(Durable, a_restored_resolved_comes_again_with_its_id) {
  const ConsumerRef c = open("c", {.start = Start::now});
  Alert* alert = fill(hub_->make(), {.item = 5, .kind = Kind::resolved});
  alert->id = resolved_id(alert->incident);
  alert->resolves = id_of(5, 2);
  Consumer* holders[] = {c.get()};
  ASSERT_EQ(hub_->restore(alert, holders), Code::ok);
  const std::vector<Got> got = drain(c);
  ASSERT_EQ(got.size(), 1u);
  EXPECT_EQ(got[0].id, resolved_id(incident_of(5)));
  EXPECT_EQ(got[0].delivery, 2u);
}

TEST_F(Durable, restoring_for_a_deleted_consumer_is_refused) {
  const ConsumerRef c = open("c");
  hub_->remove("c");
  Alert* alert = fill(hub_->make(), {});
  Consumer* holders[] = {c.get()};
  EXPECT_EQ(hub_->restore(alert, holders), Code::consumer_closed);
  EXPECT_EQ(hub_->restore_told(*c, *alert), Code::consumer_closed);
  hub_->discard(alert);
}

}  // namespace
}  // namespace warden::alert
