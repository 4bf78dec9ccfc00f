// SPDX-License-Identifier: Apache-2.0
//
// A ring under an engine in full run that fails, through the C ABI: its writes answer EIO,
// or the program installs a seccomp filter that forbids io_uring, for all of its threads.
// Whoever waits is told, one line says so, closing ends, and an opening has all that was
// acknowledged. Each in a process of its own.
#include <sys/syscall.h>

#include <atomic>
#include <cerrno>
#include <functional>
#include <thread>
#include <vector>

#include "../unit/io/broken_device.hpp"
#include "../unit/io/refused_call.hpp"
#include "child.hpp"
#include "on_disk.hpp"

namespace warden::test {
namespace {

constexpr int kThreads = 3;

#define CHECK_OR_SAY(cond, what)                                                          \
  do {                                                                                    \
    if (!(cond))                                                                          \
      return std::string(#cond) + " at line " + std::to_string(__LINE__) + ": " + (what); \
  } while (false)

void count_errors(void* count, std::uint32_t weight, std::int32_t, const char*) {
  if (weight == WARDEN_LOG_ERROR) ++*static_cast<std::atomic<int>*>(count);
}

std::int32_t track(warden_store* store, const std::string& key) {
  return warden_track(store, "timer", 5, key.data(), key.size(), "p", 1, nullptr, nullptr);
}

std::string key_of(int thread, int i) {
  return numbered("k", thread) + numbered(".", i);
}

// `fail` makes it fail; `backend` opens it again.
std::string both_lives(const std::string& path, const std::function<bool()>& fail,
                       const char* backend) {
  warden_config* config = nullptr;
  warden_store* store = nullptr;
  warden_error why = WARDEN_ERROR_INIT;
  std::atomic<int> errors{0};
  CHECK_OR_SAY(warden_config_new(&config) == WARDEN_OK, "");
  warden_config_set(config, "backend", "uring", nullptr);
  warden_config_log(config, count_errors, &errors);
  CHECK_OR_SAY(warden_open(path.c_str(), config, &store, &why) == WARDEN_OK, why.message);
  CHECK_OR_SAY(warden_flow_define(store, kTimer, std::strlen(kTimer), nullptr, nullptr) == 0, "");
  std::atomic<int> acknowledged[kThreads] = {};
  std::int32_t last[kThreads] = {};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; last[t] >= 0; ++i) {
        last[t] = track(store, key_of(t, i));
        if (last[t] == WARDEN_NEW) ++acknowledged[t];
      }
    });
  }
  for (const auto& one : acknowledged) {
    while (one < 20) std::this_thread::yield();
  }
  const bool failed = fail();
  for (std::thread& one : threads) one.join();
  CHECK_OR_SAY(failed, "nothing was made to fail");
  int unknown = 0;
  for (const std::int32_t code : last) {
    CHECK_OR_SAY(code == WARDEN_E_OUTCOME_UNKNOWN || code == WARDEN_E_IO, warden_code_name(code));
    unknown += code == WARDEN_E_OUTCOME_UNKNOWN ? 1 : 0;
  }
  CHECK_OR_SAY(unknown >= 1, "who had written and waited");
  CHECK_OR_SAY(track(store, "later") == WARDEN_E_IO, "");
  CHECK_OR_SAY(warden_close(store, kLong) == WARDEN_E_OUTCOME_UNKNOWN, "");
  warden_free(store);
  CHECK_OR_SAY(errors == 1, std::to_string(errors));

  warden_config_set(config, "backend", backend, nullptr);
  CHECK_OR_SAY(warden_open(path.c_str(), config, &store, &why) == WARDEN_OK, why.message);
  for (int t = 0; t < kThreads; ++t) {
    for (int i = 0; i < acknowledged[t]; ++i) {
      CHECK_OR_SAY(track(store, key_of(t, i)) == WARDEN_EXISTING, key_of(t, i));
    }
  }
  CHECK_OR_SAY(track(store, "later") == WARDEN_NEW, "");
  CHECK_OR_SAY(warden_close(store, kLong) == WARDEN_OK, "");
  warden_free(store);
  warden_config_free(config);
  return {};
}

TEST(RingFailure, AFilterThatComesLateIsAFailedDevice) {
  for (const int error : {EPERM, ENOSYS}) {
    const TempDir dir;
    const auto forbid = [&] { return refuse(SYS_io_uring_enter, error); };
    EXPECT_EQ(in_child([&] { return both_lives(dir.path("store"), forbid, "posix"); }), "")
        << error;
  }
}

TEST(RingFailure, WritesThatAnswerEIO) {
  const TempDir dir;
  const std::string path = dir.path("store");
  const auto break_it = [&] { return break_device(path + "/wal-") >= 1; };
  EXPECT_EQ(in_child([&] { return both_lives(path, break_it, "uring"); }), "");
}

}  // namespace
}  // namespace warden::test
