// SPDX-License-Identifier: Apache-2.0
//
// The loaded child: threads that track, mark and complete items of their own,
// each answer waited for, until the parent kills it. In every second round another
// thread fills the log with large items that come and go, so that segments are freed
// and what the others wrote, in this round and earlier ones, is moved.
#include <unistd.h>
#include <warden/warden.h>

#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

#include "kill_points.hpp"
#include "kill_protocol.hpp"

namespace warden::crash {
namespace {

constexpr std::uint32_t kThreads = 3;

void say(int pipe_fd, Message message, std::uint32_t answered) {
  message.answered = answered;
  if (write(pipe_fd, &message, sizeof message) != sizeof message) _exit(3);
}

void expect(int32_t code, const char* what) {
  if (code >= 0) return;
  std::fprintf(stderr, "child: %s answered %s\n", what, warden_code_name(code));
  _exit(4);
}

struct Item {
  warden_store* store;
  int pipe_fd;
  Message message;
  std::string key;

  template <class Call>
  void step(std::uint32_t step, const char* what, Call&& call) {
    message.step = step;
    say(pipe_fd, message, 0);
    expect(call(), what);
    say(pipe_fd, message, 1);
  }
  int32_t mark(const char* stage) {
    return warden_mark(store, "crash", 5, key.data(), key.size(), stage, std::strlen(stage),
                       nullptr, nullptr);
  }
};

void work(warden_store* store, int pipe_fd, std::uint32_t round, std::uint32_t thread) {
  for (std::uint32_t n = 0;; ++n) {
    Item item{store, pipe_fd, {round, thread, n, 0, 0}, key_of(round, thread, n)};
    const std::string payload = payload_of(item.key);
    item.step(kTracked, "track", [&] {
      return warden_track(store, "crash", 5, item.key.data(), item.key.size(), payload.data(),
                          payload.size(), nullptr, nullptr);
    });
    item.step(kCopied, "mark copied", [&] { return item.mark("copied"); });
    if (is_dropped(n)) continue;
    item.step(kChecked, "mark checked", [&] { return item.mark("checked"); });
    if (n % 3 == 0) continue;
    item.step(kDone, "complete", [&] {
      return warden_complete(store, "crash", 5, item.key.data(), item.key.size(), nullptr, nullptr);
    });
  }
}

void churn(warden_store* store, std::uint32_t round) {
  const std::string payload(60000, 'c');
  warden_item_options buffered = WARDEN_ITEM_OPTIONS_INIT;
  buffered.durability = WARDEN_DURABILITY_BUFFERED;
  for (std::uint32_t n = 0;; ++n) {
    const std::string key = key_of(round, kThreads, n);
    expect(warden_track(store, "churn", 5, key.data(), key.size(), payload.data(), payload.size(),
                        &buffered, nullptr),
           "track of churn");
    expect(warden_complete(store, "churn", 5, key.data(), key.size(), &buffered, nullptr),
           "complete of churn");
  }
}

}  // namespace

int run_child(const char* path, std::uint32_t round, const char* backend, int pipe_fd) {
  if (const char* point = std::getenv("WARDEN_KILL_POINT")) arm(point);
  warden_config* config = nullptr;
  warden_error err = WARDEN_ERROR_INIT;
  warden_store* store = nullptr;
  expect(warden_config_new(&config), "config");
  expect(warden_config_set(config, "backend", backend, &err), err.message);
  expect(warden_config_set(config, "segment_bytes", "4194304", &err), err.message);
  expect(warden_open(path, config, &store, &err), err.message);
  expect(warden_flow_define(store, kFlowText, sizeof kFlowText - 1, nullptr, &err), err.message);
  static constexpr char kChurn[] = "[flow]\nname = \"churn\"\nstages = []\ndedupe = \"1s\"\n";
  expect(warden_flow_define(store, kChurn, sizeof kChurn - 1, nullptr, &err), err.message);
  std::vector<std::thread> threads;
  if (round % 2 == 1) threads.emplace_back([=] { churn(store, round); });
  for (std::uint32_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([=] { work(store, pipe_fd, round, t); });
  }
  for (std::thread& thread : threads) thread.join();
  return 0;
}

}  // namespace warden::crash
