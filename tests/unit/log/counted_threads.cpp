// SPDX-License-Identifier: Apache-2.0
#include "counted_threads.hpp"

#include <atomic>
#include <cerrno>
#include <memory>
#include <system_error>
#include <thread>

namespace warden::log::test {
namespace {

std::atomic<int> g_running{0};
std::atomic<int> g_refused{0};

struct Counted final : std::thread::_State {
  explicit Counted(std::unique_ptr<std::thread::_State> inner) : body(std::move(inner)) {}
  void _M_run() override {
    body->_M_run();
    --g_running;
  }
  std::unique_ptr<std::thread::_State> body;
};

}  // namespace

int threads_running() noexcept {
  return g_running;
}

void refuse_thread(int n) noexcept {
  g_refused = n;
}

}  // namespace warden::log::test

// The program is linked so that std::thread asks here for its thread first.
extern "C" {
using ThreadState = std::unique_ptr<std::thread::_State>;
void warden_real_start(std::thread*, ThreadState, void (*)()) __asm__(
    "__real__ZNSt6thread15_M_start_threadESt10unique_ptrINS_6_StateESt14default_deleteIS1_EEPFvvE");
void warden_wrap_start(std::thread*, ThreadState, void (*)()) __asm__(
    "__wrap__ZNSt6thread15_M_start_threadESt10unique_ptrINS_6_StateESt14default_deleteIS1_EEPFvvE");
void warden_wrap_start(std::thread* thread, ThreadState state, void (*depend)()) {
  using namespace warden::log::test;
  if (g_refused > 0 && --g_refused == 0) {
    throw std::system_error(EAGAIN, std::generic_category());
  }
  ++g_running;
  warden_real_start(thread, std::make_unique<Counted>(std::move(state)), depend);
}
}
