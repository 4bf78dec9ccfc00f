// SPDX-License-Identifier: Apache-2.0
//
// What a forked child may do with stores that it inherited, and with its own.
//
// Not under sanitizers: the children allocate after a fork from a process with
// several threads, and GCC's runtimes do not guard their own locks across fork (a
// child was seen to wait for ever for one that a thread of the parent had held).
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <functional>
#include <thread>

#include "call_everything.hpp"

namespace warden::test {
namespace {

// Runs `child` in a forked process; its answer is the exit code.
int in_child(const std::function<int()>& child) {
  const pid_t pid = fork();
  if (pid == 0) _exit(child());
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

TEST(Fork, EveryCallOfTheChildAnswersForkedAndTheParentGoesOn) {
  for (const bool manual : {true, false}) {
    Store store{{"clock", manual ? "manual" : "real"}};
    store.define(kTimer);
    Consumer consumer = store.consumer("c");
    warden_scan* scan = nullptr;
    ASSERT_EQ(warden_scan_open(store.get(), nullptr, &scan, nullptr), WARDEN_OK);
    store.track("k", "payload");
    const int answer = in_child([&] {
      for (const std::int32_t code :
           call_everything(store.get(), consumer.get(), scan, manual ? 0 : WARDEN_NO_TIME)) {
        if (code != WARDEN_E_FORKED) return 1;
      }
      if (warden_close(store.get(), kS) != WARDEN_E_FORKED) return 2;
      warden_scan_close(scan);
      warden_consumer_close(consumer.release());
      warden_free(store.release());
      return 42;
    });
    EXPECT_EQ(answer, 42);
    EXPECT_EQ(store.get_item("k").payload, "payload");
    EXPECT_EQ(store.complete("k").code, WARDEN_ON_TIME);
    EXPECT_EQ(store.stats().done, 1u);
    warden_scan_close(scan);
  }
}

// A child that lives on neither writes to its parent's directory nor holds it open.
TEST(Fork, AStoreInADirectoryIsTheParentsAlone) {
  for (const char* backend : {"auto", "posix"}) {
    char name[] = "/tmp/warden-fork-XXXXXX";
    const std::string path = std::string(::mkdtemp(name)) + "/store";
    const std::vector<Setting> settings{{"clock", "manual"}, {"backend", backend}};
    auto parent = std::make_unique<Store>(path, settings);
    parent->define(kTimer);
    parent->track("k", "payload");
    Consumer consumer = parent->consumer("c");
    warden_scan* scan = nullptr;
    ASSERT_EQ(warden_scan_open(parent->get(), nullptr, &scan, nullptr), WARDEN_OK);
    int told[2];
    int go[2];
    ASSERT_EQ(::pipe(told) | ::pipe(go), 0);
    const pid_t child = fork();
    if (child == 0) {
      ::close(go[1]);
      char answer = 'y';
      for (const std::int32_t code : call_everything(parent->get(), consumer.get(), scan, 0)) {
        if (code != WARDEN_E_FORKED) answer = 'n';
      }
      if (::write(told[1], &answer, 1) != 1) _exit(1);
      char end = 0;
      const ssize_t got = ::read(go[0], &end, 1);  // until the parent has gone on
      _exit(got == 0 ? 42 : 1);
    }
    ::close(go[0]);
    char answer = 0;
    ASSERT_EQ(::read(told[0], &answer, 1), 1);
    EXPECT_EQ(answer, 'y') << backend;
    EXPECT_EQ(parent->track("after", "payload").code, WARDEN_NEW);
    warden_scan_close(scan);
    consumer = Consumer();
    parent.reset();
    // The child is still there.
    Store next(path, settings);
    next.flow = "timer";
    EXPECT_EQ(next.get_item("after").payload, "payload");
    EXPECT_EQ(next.stats().live, 2u);
    ::close(go[1]);
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 42) << backend;
    for (const int fd : {told[0], told[1]}) ::close(fd);
    EXPECT_EQ(std::system(("rm -rf " + path.substr(0, path.size() - 6)).c_str()), 0);
  }
}

TEST(Fork, AChildMayOpenAStoreOfItsOwn) {
  Store parent{{"clock", "real"}};
  const int answer = in_child([] {
    warden_store* store = nullptr;
    if (warden_open(nullptr, nullptr, &store, nullptr) != WARDEN_OK) return 1;
    if (warden_flow_define(store, kTimer, std::strlen(kTimer), nullptr, nullptr) != 0) return 2;
    if (warden_track(store, "timer", 5, "k", 1, nullptr, 0, nullptr, nullptr) != WARDEN_NEW) {
      return 3;
    }
    if (warden_close(store, 0) != WARDEN_OK) return 4;
    warden_free(store);
    return 42;
  });
  EXPECT_EQ(answer, 42);
}

TEST(Fork, WhileOtherThreadsAreInsideCalls) {
  Store store{{"clock", "real"}};
  store.define(kTimer);
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&, t] {
      Consumer c = store.consumer("c");
      for (int i = 0; !stop; ++i) {
        const std::string key = numbered("k", t) + numbered(".", i % 50);
        store.track(key);
        store.cancel(key);
        c.poll(1);
      }
    });
  }
  for (int round = 0; round < 20; ++round) {
    EXPECT_EQ(
        in_child([&] {
          if (warden_touch(store.get(), "timer", 5, "k", 1, nullptr, nullptr) != WARDEN_E_FORKED) {
            return 1;
          }
          warden_free(store.release());
          return 42;
        }),
        42);
  }
  stop = true;
  for (std::thread& one : threads) one.join();
  store.expect_balance();
}

}  // namespace
}  // namespace warden::test
