// SPDX-License-Identifier: Apache-2.0
//
// Out of memory at every allocation in turn: a clean answer, nothing lost, nothing
// told twice; afterwards everything goes on.
#include "fixture.hpp"

namespace warden::alert {
namespace {

// Allocations that still succeed; negative: all do. One test at a time uses it.
std::ptrdiff_t allocations_left = -1;

void* counted_allocate(std::size_t bytes) noexcept {
  if (allocations_left == 0) return nullptr;
  if (allocations_left > 0) --allocations_left;
  return mi_malloc(bytes);
}

class Memory : public HubTest {
 protected:
  void SetUp() override { restart(); }
  void TearDown() override { allocations_left = -1; }
  void restart() {
    allocations_left = -1;
    HubOptions options;
    options.now = [this] { return clock_.load(); };
    options.real_clock = false;
    options.allocate = counted_allocate;
    hub_ = std::make_unique<Hub>(std::move(options));
  }
  // The code of one poll for all, what it gave in `out`.
  Code try_poll(const ConsumerRef& consumer, std::vector<Got>& out) {
    return hub_
        ->poll(*consumer, 1000, 0,
               [&out](const Delivery& d) {
                 out.push_back(Got::of(d));
                 return true;
               })
        .code;
  }
};

TEST_F(Memory, make_answers_null) {
  allocations_left = 0;
  EXPECT_EQ(hub_->make(), nullptr);
}

TEST_F(Memory, arrival_fails_at_each_allocation_and_then_goes_on) {
  bool failed = true;
  for (std::ptrdiff_t fail_at = 0; failed; ++fail_at) {
    restart();
    const ConsumerRef a = open("a");
    const ConsumerRef b = open("b");
    for (std::uint64_t item = 1; item <= 20; ++item) {
      hub_->push(fill(hub_->make(), {.item = item}));
      hub_->push(fill(hub_->make(), {.item = item, .level = 3, .kind = Kind::escalation}));
    }
    allocations_left = fail_at;
    std::vector<Got> got;
    const Code code = try_poll(a, got);
    failed = allocations_left == 0;
    EXPECT_TRUE(code == Code::ok || (code == Code::no_memory && got.empty())) << fail_at;
    allocations_left = -1;
    ack(a, got);
    EXPECT_EQ(got.size() + drain(a).size(), 40u) << fail_at;
    EXPECT_EQ(drain(b).size(), 40u) << fail_at;
    EXPECT_EQ(hub_->figures().kept, 0u);
  }
}

TEST_F(Memory, closing_fails_at_each_allocation_and_then_goes_on) {
  bool failed = true;
  for (std::ptrdiff_t fail_at = 0; failed; ++fail_at) {
    restart();
    const ConsumerRef a = open("a");
    const ConsumerRef b = open("b", {.audit = true});
    for (std::uint64_t item = 1; item <= 5; ++item) {
      raise({.item = item, .rule = 0});
      raise({.item = item, .rule = 1});
      raise({.item = item, .rule = 2});
    }
    for (int i = 0; i < 2; ++i) {
      ack(a, poll(a));
      ack(b, poll(b));
    }
    for (std::uint64_t item = 1; item <= 5; ++item) close_item(item);
    allocations_left = fail_at;
    std::vector<Got> got;
    const Code code = try_poll(a, got);
    failed = allocations_left == 0;
    EXPECT_TRUE(code == Code::ok || code == Code::no_memory) << fail_at;
    allocations_left = -1;
    ack(a, got);
    for (const Got& more : drain(a)) got.push_back(more);
    // Alerts of rule 2 may have been told before memory let the closings in.
    std::size_t resolved = 0;
    for (const Got& g : got) resolved += g.kind == Kind::resolved ? 1 : 0;
    EXPECT_EQ(resolved, 10 + (got.size() - resolved)) << fail_at;
    EXPECT_EQ(drain(b).size(), 15u) << fail_at;  // 5 withdrawn, 10 RESOLVED
    EXPECT_EQ(hub_->figures().kept, 0u);
  }
}

TEST_F(Memory, opening_fails_at_each_allocation_and_leaves_what_waits) {
  bool failed = true;
  for (std::ptrdiff_t fail_at = 0; failed; ++fail_at) {
    restart();
    for (std::uint64_t item = 1; item <= 30; ++item) raise({.item = item});
    allocations_left = fail_at;
    ConsumerRef c;
    const Code code = hub_->open("c", nullptr, c).code;
    failed = code == Code::no_memory;
    EXPECT_TRUE(failed || code == Code::ok);
    EXPECT_EQ(c == nullptr, failed);
    allocations_left = -1;
    EXPECT_EQ(hub_->figures().kept, 30u);
    EXPECT_EQ(drain(open("c")).size(), 30u) << fail_at;
  }
}

TEST_F(Memory, restoring_fails_at_each_allocation) {
  bool failed = true;
  for (std::ptrdiff_t fail_at = 0; failed; ++fail_at) {
    restart();
    const ConsumerRef a = open("a");
    const ConsumerRef b = open("b");
    Consumer* holders[] = {a.get(), b.get()};
    Alert* alert = fill(hub_->make(), {});
    allocations_left = fail_at;
    const Code code = hub_->restore(alert, holders);
    failed = code == Code::no_memory;
    allocations_left = -1;
    if (failed) {
      EXPECT_EQ(hub_->backlog(*a) + hub_->backlog(*b), 0u);
      ASSERT_EQ(hub_->restore(alert, holders), Code::ok);
    }
    EXPECT_EQ(drain(a).size(), 1u);
    EXPECT_EQ(drain(b).size(), 1u);
  }
}

TEST_F(Memory, extend_and_nack_of_an_expired_lease_answer_no_memory_or_do_it) {
  const ConsumerRef c = open("c");
  for (std::uint64_t item = 1; item <= 16; ++item) raise({.item = item});
  const std::vector<Got> got = poll(c);
  ASSERT_EQ(got.size(), 16u);
  allocations_left = 0;
  const Code extended = hub_->extend(*c, got[0].lease, kSecond);
  const Code given_back = hub_->nack(*c, got[1].lease, kSecond);
  for (const Code code : {extended, given_back}) {
    EXPECT_TRUE(code == Code::ok || code == Code::no_memory);
  }
  allocations_left = -1;
  EXPECT_EQ(ack(c, got[0]), 1u);
  EXPECT_EQ(ack(c, got[1]), given_back == Code::ok ? 0u : 1u);
}

}  // namespace
}  // namespace warden::alert
