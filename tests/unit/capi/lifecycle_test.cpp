// SPDX-License-Identifier: Apache-2.0
//
// Opening, closing, freeing, forking; what each call answers afterwards.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <thread>

#include "client.hpp"
#include "flow_texts.hpp"

namespace warden::test {
namespace {

// Every call on the handles of a store that is open, in turn.
std::vector<std::int32_t> call_everything(warden_store* store, warden_consumer* consumer,
                                          warden_scan* scan, std::int64_t at) {
  warden_item_options o = WARDEN_ITEM_OPTIONS_INIT;
  o.at_ns = at;
  warden_item item;
  warden_alert alert;
  warden_stats stats = WARDEN_STATS_INIT;
  warden_batch batch = WARDEN_BATCH_INIT;
  std::uint64_t buffer[512];
  const std::uint64_t lease = 1;
  warden_consumer* other = nullptr;
  warden_scan* walk = nullptr;
  return {
      warden_clock_advance(store, 5),
      warden_flow_define(store, kTimer, std::strlen(kTimer), nullptr, nullptr),
      warden_submit(store, "timer", 5, "k", 1, nullptr, 0, &o, nullptr),
      warden_track(store, "timer", 5, "k", 1, nullptr, 0, &o, nullptr),
      warden_exec(store, "timer", 5, "k", 1, &o, nullptr),
      warden_mark(store, "timer", 5, "k", 1, "s", 1, &o, nullptr),
      warden_touch(store, "timer", 5, "k", 1, &o, nullptr),
      warden_extend(store, "timer", 5, "k", 1, "t", 1, WARDEN_NO_TIME, 9, &o, nullptr),
      warden_complete(store, "timer", 5, "k", 1, &o, nullptr),
      warden_cancel(store, "timer", 5, "k", 1, &o, nullptr),
      warden_get(store, "timer", 5, "k", 1, &item, buffer, sizeof buffer, nullptr),
      warden_batch_run(store, WARDEN_OP_TRACK, &batch, nullptr),
      warden_consumer_open(store, "x", 1, nullptr, &other, nullptr),
      warden_consumer_delete(store, "x", 1),
      warden_scan_open(store, nullptr, &walk, nullptr),
      warden_stats_get(store, &stats),
      warden_scan_next(scan, &item, 1, buffer, sizeof buffer, nullptr),
      warden_consumer_fd(consumer),
      warden_consumer_poll(consumer, -1, &alert, 1, buffer, sizeof buffer, nullptr),
      warden_alert_ack(consumer, &lease, 1),
      warden_alert_nack(consumer, lease, 0),
      warden_alert_extend(consumer, lease, kS),
      warden_consumer_wake(consumer),
  };
}

// Runs `child` in a forked process; its answer is the exit code.
int in_child(const std::function<int()>& child) {
  const pid_t pid = fork();
  if (pid == 0) _exit(child());
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

TEST(Lifecycle, APathIsRefusedWithAReasonOrOpened) {
  // Stores on disk are another test's; whatever is answered, nothing leaks.
  warden_store* store = nullptr;
  warden_error error = WARDEN_ERROR_INIT;
  const std::int32_t code = warden_open("/nonexistent/store", nullptr, &store, &error);
  EXPECT_LT(code, 0);
  EXPECT_EQ(store, nullptr);
  EXPECT_EQ(error.code, code);
  EXPECT_NE(error.message[0], 0);
}

TEST(Lifecycle, DefaultsAreTheRealClock) {
  warden_store* store = nullptr;
  ASSERT_EQ(warden_open(nullptr, nullptr, &store, nullptr), WARDEN_OK);
  EXPECT_EQ(warden_clock_advance(store, 5), WARDEN_E_BAD_STATE);
  warden_stats stats = WARDEN_STATS_INIT;
  ASSERT_EQ(warden_stats_get(store, &stats), WARDEN_OK);
  EXPECT_GT(stats.now_ns, 50 * kYear) << "UTC";
  EXPECT_EQ(warden_close(store, 0), WARDEN_OK);
  warden_free(store);
}

TEST(Lifecycle, AfterCloseEveryCallAnswersStoreClosed) {
  for (const bool manual : {true, false}) {
    Store store{{"clock", manual ? "manual" : "real"}};
    store.define(kTimer);
    Consumer consumer = store.consumer("c");
    warden_scan* scan = nullptr;
    ASSERT_EQ(warden_scan_open(store.get(), nullptr, &scan, nullptr), WARDEN_OK);
    store.track("k");
    EXPECT_EQ(warden_close(store.get(), -1), WARDEN_E_INVALID_ARGUMENT);
    EXPECT_EQ(warden_close(store.get(), kS), WARDEN_OK);
    EXPECT_EQ(warden_close(store.get(), 0), WARDEN_OK) << "idempotent";
    const std::vector<std::int32_t> answers =
        call_everything(store.get(), consumer.get(), scan, manual ? 0 : WARDEN_NO_TIME);
    for (std::size_t i = 0; i < answers.size(); ++i) {
      EXPECT_EQ(answers[i], WARDEN_E_STORE_CLOSED) << i;
    }
    warden_scan_close(scan);
  }
}

TEST(Lifecycle, CloseWakesEveryWaiter) {
  Store store;
  Consumer a = store.consumer("a");
  Consumer b = store.consumer("b");
  std::atomic<int> entered{0};
  std::vector<std::thread> threads;
  for (Consumer* one : {&a, &a, &b}) {
    threads.emplace_back([&entered, one] {
      warden_alert alert;
      char buffer[64];
      ++entered;
      EXPECT_EQ(warden_consumer_poll(one->get(), -1, &alert, 1, buffer, sizeof buffer, nullptr),
                WARDEN_E_STORE_CLOSED);
    });
  }
  while (entered != 3) std::this_thread::yield();
  EXPECT_EQ(warden_close(store.get(), 0), WARDEN_OK);
  for (std::thread& one : threads) one.join();
}

TEST(Lifecycle, CallsThatRunDuringCloseAnswerOneWayOrTheOther) {
  for (int round = 0; round < 20; ++round) {
    Store store{{"clock", "real"}};
    store.define(kTimer);
    std::vector<std::thread> threads;
    std::atomic<int> running{0};
    for (int t = 0; t < 3; ++t) {
      threads.emplace_back([&store, &running, t] {
        ++running;
        for (int i = 0;; ++i) {
          const std::int32_t code = store.track(numbered("k", t) + numbered(".", i)).code;
          if (code == WARDEN_E_STORE_CLOSED) return;
          ASSERT_EQ(code, WARDEN_NEW);
        }
      });
    }
    while (running != 3) std::this_thread::yield();
    EXPECT_EQ(warden_close(store.get(), 0), WARDEN_OK);
    for (std::thread& one : threads) one.join();
  }
}

TEST(Lifecycle, FreeClosesFirstIfNeedBe) {
  Store store{{"clock", "real"}};
  store.define(kTimer);
  store.track("k", std::string(1000, 'p'));
}

TEST(Lifecycle, ThreadsOfTheLibraryBlockEverySignal) {
  // A signal sent to the process must reach the thread that waits for it here, even
  // though the keeper was started while nothing was blocked.
  Store store{{"clock", "real"}};
  sigset_t pending;
  sigset_t all;
  sigfillset(&all);
  sigset_t old;
  pthread_sigmask(SIG_BLOCK, &all, &old);
  kill(getpid(), SIGUSR1);  // its default would end the process
  sigpending(&pending);
  EXPECT_TRUE(sigismember(&pending, SIGUSR1));
  int got = 0;
  sigset_t one;
  sigemptyset(&one);
  sigaddset(&one, SIGUSR1);
  sigwait(&one, &got);
  EXPECT_EQ(got, SIGUSR1);
  pthread_sigmask(SIG_SETMASK, &old, nullptr);
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
