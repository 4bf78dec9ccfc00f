// SPDX-License-Identifier: Apache-2.0
//
// A thread of the library: it leaves every signal to the application.
#pragma once

#include <pthread.h>
#include <signal.h>

#include <new>
#include <system_error>
#include <thread>
#include <utility>

namespace warden::io {

// Not joinable if no thread can be had.
template <class Body>
std::thread quiet_thread(const char* name, Body&& body) {
  sigset_t all;
  sigset_t old;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &old);
  std::thread thread;
  try {
    thread = std::thread(std::forward<Body>(body));
    pthread_setname_np(thread.native_handle(), name);
  } catch (const std::system_error&) {
  } catch (const std::bad_alloc&) {
    // The same: the caller's mask goes back, and threads that run already can be joined.
  }
  pthread_sigmask(SIG_SETMASK, &old, nullptr);
  return thread;
}

}  // namespace warden::io
