// SPDX-License-Identifier: Apache-2.0
//
// A device that fails under an engine in full run, through the C ABI: whoever waits is
// told, nobody is acknowledged any more, one line says so, and a new opening finds all
// that had been acknowledged.
//
//   trackers --- durable ---> log (its own thread) ---> flush answers EIO
//   a poller asleep, an eventfd armed, a waiter for a position
#include <gtest/gtest.h>
#include <poll.h>

#include <atomic>
#include <cstdio>
#include <thread>

#include "failing_disk.hpp"
#include "on_disk.hpp"
#include "sim_engine.hpp"

namespace warden::fault {
namespace {

using test::kLong;
using test::kS;
using test::numbered;

class DeviceFailure : public ::testing::TestWithParam<bool> {
 protected:
  void open() {
    engine::Config config;
    config.notices = {hear, this};
    footing_.disk = &disk_;
    auto handle = std::make_unique<warden_store>();
    const Error error = engine::Store::open(path_.c_str(), config, handle->engine, &footing_);
    ASSERT_FALSE(error) << error.message;
    store_.reset(handle.release());
    ASSERT_EQ(
        warden_flow_define(store_.get(), test::kTimer, std::strlen(test::kTimer), nullptr, nullptr),
        WARDEN_OK);
  }
  static void hear(void* context, std::uint32_t weight, std::int32_t code, const char* text) {
    auto& self = *static_cast<DeviceFailure*>(context);
    if (weight != WARDEN_LOG_ERROR) return;
    EXPECT_EQ(code, WARDEN_E_IO);
    EXPECT_NE(std::string(text).find(self.path_ + "/wal-"), std::string::npos) << text;
    ++self.errors_;
  }
  std::int32_t track(const std::string& key) {
    return warden_track(store_.get(), "timer", 5, key.data(), key.size(), "p", 1, nullptr, nullptr);
  }
  void fail() { (GetParam() ? fault_.flushes : fault_.writes) = true; }

  test::TempDir dir_;
  std::string path_ = dir_.path("store");
  DeviceFault fault_;
  FailingDisk disk_{fault_};
  engine::Footing footing_;
  StoreHandle store_;
  std::atomic<int> errors_{0};
};

TEST_P(DeviceFailure, EverybodyIsToldOnceAndForAll) {
  open();
  warden_consumer* consumer = nullptr;
  ASSERT_EQ(warden_consumer_open(store_.get(), "ops", 3, nullptr, &consumer, nullptr), WARDEN_OK);
  std::int32_t polled = 0;
  std::thread poller([&] {
    warden_alert alert{};
    char buffer[256];
    polled = warden_consumer_poll(consumer, -1, &alert, 1, buffer, sizeof buffer, nullptr);
  });
  std::atomic<int> acknowledged[3] = {};
  std::vector<std::thread> trackers;
  std::int32_t last[3] = {};
  for (int t = 0; t < 3; ++t) {
    trackers.emplace_back([&, t] {
      for (int i = 0; last[t] >= 0; ++i) {
        last[t] = track(numbered("k", t) + numbered(".", i));
        if (last[t] == WARDEN_NEW) ++acknowledged[t];
      }
      // Nothing, by nobody, ever again.
      for (int i = 0; i < 50; ++i) EXPECT_EQ(track(numbered("later", i)), WARDEN_E_IO);
    });
  }
  for (const auto& one : acknowledged) {
    while (one < 20) std::this_thread::yield();
  }
  const std::uint64_t far = warden_durable_lsn(store_.get()) + (1u << 20);
  const int fd = warden_durable_fd(store_.get());
  ASSERT_EQ(warden_durable_arm(store_.get(), far), WARDEN_OK);
  fail();
  for (std::thread& one : trackers) one.join();
  poller.join();
  EXPECT_EQ(polled, WARDEN_E_IO) << "a poller does not sleep through it";
  pollfd armed{fd, POLLIN, 0};
  EXPECT_EQ(::poll(&armed, 1, 30000), 1) << "nor does an event loop";
  int unknown = 0;
  for (const std::int32_t code : last) {
    EXPECT_TRUE(code == WARDEN_E_OUTCOME_UNKNOWN || code == WARDEN_E_IO) << warden_code_name(code);
    unknown += code == WARDEN_E_OUTCOME_UNKNOWN ? 1 : 0;
  }
  EXPECT_GE(unknown, 1) << "who had written and waited";
  const std::uint64_t durable = warden_durable_lsn(store_.get());
  fault_.flushes = fault_.writes = false;  // the device is well again, as it may look
  EXPECT_EQ(track("well"), WARDEN_E_IO);
  EXPECT_EQ(warden_sync(store_.get(), -1), WARDEN_E_OUTCOME_UNKNOWN);
  EXPECT_EQ(warden_durable_lsn(store_.get()), durable) << "a failed flush is never asked again";
  warden_stats stats = WARDEN_STATS_INIT;
  EXPECT_EQ(warden_stats_get(store_.get(), &stats), WARDEN_OK);
  EXPECT_EQ(stats.failed, 1u);
  EXPECT_EQ(errors_, 1) << "one line, however many calls";
  warden_error error = WARDEN_ERROR_INIT;
  EXPECT_EQ(
      warden_flow_define(store_.get(), test::kUpload, std::strlen(test::kUpload), nullptr, &error),
      WARDEN_E_IO);
  EXPECT_NE(std::string(error.message).find(path_), std::string::npos) << error.message;
  EXPECT_EQ(warden_close(store_.get(), kS), WARDEN_E_OUTCOME_UNKNOWN);
  warden_consumer_close(consumer);

  open();
  for (int t = 0; t < 3; ++t) {
    for (int i = 0; i < acknowledged[t]; ++i) {
      const std::string key = numbered("k", t) + numbered(".", i);
      ASSERT_EQ(track(key), WARDEN_EXISTING) << key << " had been acknowledged";
    }
  }
  EXPECT_EQ(track("well"), WARDEN_NEW);
  EXPECT_EQ(errors_, 1);
}

INSTANTIATE_TEST_SUITE_P(Of, DeviceFailure, ::testing::Values(true, false),
                         [](const auto& with) { return with.param ? "Flush" : "Write"; });

}  // namespace
}  // namespace warden::fault
