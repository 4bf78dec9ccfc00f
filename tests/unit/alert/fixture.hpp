// SPDX-License-Identifier: Apache-2.0
//
// A hub on a clock that the test moves, short ways to raise alerts and close
// items, and what was handed out as plain values.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <vector>

#include "alert/hub.hpp"

namespace warden::alert {

// What a test looks at of one hand-out; a copy, as the alert itself may be gone.
struct Got {
  Hash128 id, incident, resolves;
  std::uint64_t lease = 0;
  std::uint64_t incarnation = 0;
  std::uint64_t token = 0;
  std::uint32_t delivery = 0;
  std::uint32_t flags = 0;
  Kind kind = Kind::breach;
  std::uint8_t level = 0;
  std::uint8_t severity = 0;
  Nanos deadline = 0;
  Nanos raised = 0;
  Lsn lsn = Lsn::none;
  std::string flow, rule, stage, armed_stage, key;

  static Got of(const Delivery& delivery) {
    const Alert& a = *delivery.alert;
    Got got;
    got.id = a.id;
    got.incident = a.incident;
    got.resolves = a.resolves;
    got.lease = delivery.lease;
    got.incarnation = a.incarnation;
    got.token = a.token;
    got.delivery = delivery.delivery;
    got.flags = delivery.flags;
    got.kind = a.kind;
    got.level = a.level;
    got.severity = a.severity;
    got.deadline = a.deadline;
    got.raised = a.raised;
    got.lsn = a.lsn;
    got.flow = a.flow;
    got.rule = a.rule;
    got.stage = a.stage;
    got.armed_stage = a.armed_stage;
    if (a.blob != nullptr) got.key = a.blob->key();
    return got;
  }
};

// An alert of item `item`: incident (item, 100), id (item, level).
struct Raise {
  std::uint64_t item = 1;
  std::uint8_t level = 2;
  std::uint8_t severity = 3;
  Nanos deadline = 100;
  std::uint64_t rule = 0;  // number of the incident within the item
  Kind kind = Kind::breach;
  Lsn lsn = Lsn::none;
  const char* flow = "flow";
  const char* rule_name = "rule";
};

inline Hash128 incident_of(std::uint64_t item, std::uint64_t rule = 0) {
  return {item, 100 + rule};
}
inline Hash128 id_of(std::uint64_t item, std::uint8_t level, std::uint64_t rule = 0) {
  return {item << 16 | rule, level};
}

inline Alert* fill(Alert* a, const Raise& raise) {
  a->incident = incident_of(raise.item, raise.rule);
  a->id = id_of(raise.item, raise.level, raise.rule);
  a->incarnation = raise.item;
  a->token = 7;
  a->lsn = raise.lsn;
  a->deadline = raise.deadline;
  a->raised = raise.deadline;
  a->detected = raise.deadline + 1;
  a->flow = raise.flow;
  a->rule = raise.rule_name;
  a->stage = "at";
  a->armed_stage = "armed";
  a->blob = Blob::make(0, "key" + std::to_string(raise.item), "payload");
  a->arming = 1;
  a->kind = raise.kind;
  a->level = raise.level;
  a->severity = raise.severity;
  return a;
}

class HubTest : public ::testing::Test {
 protected:
  void start(bool gated = false, AckSink* sink = nullptr, bool real_clock = false) {
    HubOptions options;
    options.now = [this] { return clock_.load(); };
    options.real_clock = real_clock;
    options.gated = gated;
    options.sink = sink;
    options.timer_moved = [this](Nanos) { ++timer_moves_; };
    hub_ = std::make_unique<Hub>(std::move(options));
  }
  void SetUp() override { start(); }

  ConsumerRef open(const char* name, ConsumerOptions options = {}) {
    ConsumerRef consumer;
    const Error error = hub_->open(name, &options, consumer);
    EXPECT_EQ(error.code, Code::ok) << error.message;
    return consumer;
  }
  void raise(const Raise& raise) {
    hub_->push(fill(hub_->make(), raise));
    hub_->notify();
  }
  void close_item(std::uint64_t item, Nanos at = 1000, Lsn lsn = Lsn::none) {
    Alert* closing = hub_->make();
    closing->incarnation = item;
    closing->flow = "flow";
    closing->stage = "last";
    closing->blob = Blob::make(0, "key" + std::to_string(item), "payload");
    closing->token = 9;
    closing->tries = 2;
    closing->raised = at;
    closing->detected = at + 1;
    closing->lsn = lsn;
    hub_->push_closed(closing);
    hub_->notify();
  }
  std::vector<Got> poll(const ConsumerRef& consumer, std::size_t max = 1000, Nanos timeout = 0) {
    std::vector<Got> out;
    const Counted counted = hub_->poll(*consumer, max, timeout, [&out](const Delivery& d) {
      out.push_back(Got::of(d));
      return true;
    });
    EXPECT_EQ(counted.code, Code::ok);
    EXPECT_EQ(counted.count, out.size());
    return out;
  }
  std::size_t ack(const ConsumerRef& consumer, const std::vector<Got>& got) {
    std::vector<std::uint64_t> leases;
    for (const Got& g : got) leases.push_back(g.lease);
    return hub_->ack(*consumer, leases).count;
  }
  std::size_t ack(const ConsumerRef& consumer, const Got& got) {
    return hub_->ack(*consumer, {&got.lease, 1}).count;
  }
  // Polls and acknowledges until nothing comes any more.
  std::vector<Got> drain(const ConsumerRef& consumer) {
    std::vector<Got> all;
    for (;;) {
      const std::vector<Got> got = poll(consumer);
      if (got.empty()) return all;
      EXPECT_EQ(ack(consumer, got), got.size());
      all.insert(all.end(), got.begin(), got.end());
    }
  }

  std::atomic<Nanos> clock_{1'000'000};
  std::atomic<int> timer_moves_{0};
  std::unique_ptr<Hub> hub_;
};

}  // namespace warden::alert
