// SPDX-License-Identifier: Apache-2.0
//
// Opening, closing, freeing; what each call answers afterwards.
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "call_everything.hpp"

namespace warden::test {
namespace {

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

}  // namespace
}  // namespace warden::test
