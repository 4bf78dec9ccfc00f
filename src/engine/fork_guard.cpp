// SPDX-License-Identifier: Apache-2.0
#include "engine/fork_guard.hpp"

#include <pthread.h>

#include <atomic>

namespace warden::engine {
namespace {

// Written in a child before it has a second thread; relaxed suffices.
std::atomic<std::uint32_t> generation{0};

void in_child() {
  generation.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

std::uint32_t fork_generation() noexcept {
  static const int registered = pthread_atfork(nullptr, nullptr, in_child);
  static_cast<void>(registered);
  return generation.load(std::memory_order_relaxed);
}

}  // namespace warden::engine
