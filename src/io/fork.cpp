// SPDX-License-Identifier: Apache-2.0
//
// The table of descriptors and the handlers of pthread_atfork.
#include "io/fork.hpp"

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <new>
#include <vector>

namespace warden::io {
namespace {

struct Registry {
  std::mutex mutex;  // held across fork(), so that the child finds the table whole
  std::condition_variable all_made;
  unsigned making = 0;  // NoForks that there are; fork() waits for none
  std::vector<int> fds;
  // Written only by the child's handler, while the child has one thread; read by
  // anyone. Relaxed: the child's later threads are created after the store.
  std::atomic<std::uint32_t> generation{0};
};

// Never destroyed: handlers may run after static destructors.
Registry& registry() noexcept {
  alignas(Registry) static unsigned char place[sizeof(Registry)];
  static Registry* const made = [] {
    auto* fresh = new (place) Registry;
    pthread_atfork(
        [] {
          Registry& all = registry();
          std::unique_lock lock(all.mutex);
          all.all_made.wait(lock, [&] { return all.making == 0; });
          lock.release();
        },
        [] { registry().mutex.unlock(); },
        [] {
          Registry& all = registry();
          // Whoever waits on it is a thread of the parent's.
          new (&all.all_made) std::condition_variable;
          for (int fd : all.fds) ::close(fd);
          all.fds.clear();
          all.generation.fetch_add(1, std::memory_order_relaxed);
          all.mutex.unlock();
        });
    return fresh;
  }();
  return *made;
}

}  // namespace

NoFork::NoFork() noexcept {
  Registry& all = registry();
  const std::lock_guard lock(all.mutex);
  ++all.making;
}

NoFork::~NoFork() {
  Registry& all = registry();
  const std::lock_guard lock(all.mutex);
  if (--all.making == 0) all.all_made.notify_all();
}

bool NoFork::guard_fd(int fd) noexcept {
  try {
    Registry& all = registry();
    const std::lock_guard lock(all.mutex);
    all.fds.push_back(fd);
  } catch (const std::bad_alloc&) {
    return false;
  }
  return true;
}

void close_guarded_fd(int fd) noexcept {
  Registry& all = registry();
  const std::lock_guard lock(all.mutex);
  const auto found = std::find(all.fds.begin(), all.fds.end(), fd);
  if (found == all.fds.end()) return;
  *found = all.fds.back();
  all.fds.pop_back();
  ::close(fd);
}

std::uint32_t fork_generation() noexcept {
  return registry().generation.load(std::memory_order_relaxed);
}

}  // namespace warden::io
