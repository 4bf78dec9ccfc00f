// SPDX-License-Identifier: Apache-2.0
//
// The queue: what one thread pushed comes out in its order, everything once.
#include "alert/queue.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <thread>
#include <vector>

namespace warden::alert {
namespace {

TEST(Queue, empty_gives_nothing) {
  Queue queue;
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.take_all(), nullptr);
  EXPECT_EQ(queue.pending(), 0);
}

TEST(Queue, comes_out_in_the_order_of_pushing) {
  Queue queue;
  Alert nodes[5];
  for (Alert& node : nodes) queue.push(&node);
  EXPECT_FALSE(queue.empty());
  EXPECT_EQ(queue.pending(), 5);
  Alert* at = queue.take_all();
  for (Alert& node : nodes) {
    ASSERT_EQ(at, &node);
    at = at->hooks.next;
  }
  EXPECT_EQ(at, nullptr);
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.pending(), 0);
}

TEST(Queue, two_pushers_and_a_drainer_lose_and_reorder_nothing) {
  constexpr std::uint64_t kEach = 20'000;
  constexpr std::uint64_t kThreads = 2;
  Queue queue;
  std::vector<std::unique_ptr<Alert[]>> nodes;
  for (std::uint64_t t = 0; t < kThreads; ++t) nodes.push_back(std::make_unique<Alert[]>(kEach));
  std::vector<std::thread> pushers;
  for (std::uint64_t t = 0; t < kThreads; ++t) {
    pushers.emplace_back([&, t] {
      for (std::uint64_t i = 0; i < kEach; ++i) {
        nodes[t][i].incarnation = t;
        nodes[t][i].token = i;
        queue.push(&nodes[t][i]);
      }
    });
  }
  std::uint64_t next[kThreads] = {};
  std::uint64_t seen = 0;
  while (seen < kEach * kThreads) {
    for (Alert* node = queue.take_all(); node != nullptr; node = node->hooks.next) {
      ASSERT_EQ(node->token, next[node->incarnation]++);
      ++seen;
    }
    std::this_thread::yield();
  }
  for (std::thread& pusher : pushers) pusher.join();
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.pending(), 0);
}

}  // namespace
}  // namespace warden::alert
