// SPDX-License-Identifier: Apache-2.0
//
// The way into the hub: an intrusive queue that any thread pushes to and one
// thread (whoever holds the hub's lock) empties as a whole.
//
//   push: CAS on head_, newest first   ->   take_all: one exchange, then reversed
//
// When to use: many producers that must not wait, one consumer that wants all
// there is. When not: the consumer wants one element, or must be wait-free.
// Cost: one CAS a push; one exchange a drain and one pass to turn it round.
//
// Invariants
//   1. A push is lock-free: its CAS fails only because another push or a drain
//      succeeded. A stalled pusher holds nobody up: before its CAS nothing is
//      shared, after it the node is complete.
//   2. Two pushes of which one happens before the other come out in that order
//      (an item's are, under its stripe's lock). Others come out in some order
//      that all agree on: that of the CASes.
//   3. No ABA: nodes leave all at once, so a CAS that finds the same head again
//      finds a queue of which that node truly is the newest.
#pragma once

#include <atomic>
#include <cstddef>

#include "alert/alert.hpp"

namespace warden::alert {

class Queue {
 public:
  Queue() = default;
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  // Any thread. Sequentially consistent on success for the hub's argument that no
  // wake-up is lost (hub.hpp); to publish the node, release alone would do.
  // On failure nothing is read through the head, so relaxed suffices.
  void push(Alert* node) noexcept {
    Alert* head = head_.load(std::memory_order_relaxed);
    do {
      node->hooks.next = head;
    } while (!head_.compare_exchange_weak(head, node, std::memory_order_seq_cst,
                                          std::memory_order_relaxed));
    // Only a measure of how much waits: relaxed, nothing is read by its value.
    pending_.fetch_add(1, std::memory_order_relaxed);
  }

  // Hub's lock held. The oldest node first, linked by hooks.next; null if empty.
  // The exchange acquires every node: each was released by its own CAS, and the
  // CASes after it continue its release sequence.
  Alert* take_all() noexcept {
    Alert* node = head_.exchange(nullptr, std::memory_order_seq_cst);
    Alert* oldest = nullptr;
    std::ptrdiff_t taken = 0;
    while (node != nullptr) {
      Alert* older = node->hooks.next;
      node->hooks.next = oldest;
      oldest = node;
      node = older;
      ++taken;
    }
    if (taken != 0) pending_.fetch_sub(taken, std::memory_order_relaxed);
    return oldest;
  }

  // Any thread. Sequentially consistent: one half of the store-load argument.
  bool empty() const noexcept { return head_.load(std::memory_order_seq_cst) == nullptr; }

  // Any thread; may be off by the pushes in flight, and negative for that moment.
  std::ptrdiff_t pending() const noexcept { return pending_.load(std::memory_order_relaxed); }

 private:
  // Written by pushers and by the holder of the hub's lock.
  alignas(64) std::atomic<Alert*> head_{nullptr};
  std::atomic<std::ptrdiff_t> pending_{0};
};

}  // namespace warden::alert
