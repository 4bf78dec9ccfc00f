// SPDX-License-Identifier: Apache-2.0
//
// The timers of three event loops, single-threaded, each by its public API. Their
// clocks are the system's, so deadlines lie an hour and more ahead and nothing fires:
// they take part in fill and churn only. A timer object is reused for the next
// schedule, as a server with a connection a timer does.
#pragma once

#include <event2/event.h>
#include <uv.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

namespace warden::peers {

inline constexpr std::uint64_t kHourMs = 3'600'000;

class Libevent {
 public:
  using Id = event*;
  explicit Libevent(std::uint64_t) : base_(event_base_new()) {}
  ~Libevent() { event_base_free(base_); }
  Id schedule(std::uint64_t due, std::uint64_t) {
    Id timer = nullptr;
    if (free_.empty()) {
      timer = evtimer_new(
          base_, [](evutil_socket_t, short, void*) {}, nullptr);
    } else {
      timer = free_.back();
      free_.pop_back();
    }
    const std::uint64_t ms = kHourMs + due;
    const timeval after{static_cast<time_t>(ms / 1000), static_cast<suseconds_t>(ms % 1000 * 1000)};
    evtimer_add(timer, &after);
    return timer;
  }
  void cancel(Id timer) {
    evtimer_del(timer);
    free_.push_back(timer);
  }
  template <class F>
  std::uint64_t advance(std::uint64_t, F&&) {
    event_base_loop(base_, EVLOOP_NONBLOCK);
    return 0;
  }

 private:
  event_base* base_;
  std::vector<Id> free_;
};

class Libuv {
 public:
  using Id = uv_timer_t*;
  explicit Libuv(std::uint64_t) { uv_loop_init(&loop_); }
  Id schedule(std::uint64_t due, std::uint64_t) {
    if (free_.empty()) {
      timers_.emplace_back();
      uv_timer_init(&loop_, &timers_.back());
      free_.push_back(&timers_.back());
    }
    Id timer = free_.back();
    free_.pop_back();
    uv_timer_start(
        timer, [](uv_timer_t*) {}, kHourMs + due, 0);
    return timer;
  }
  void cancel(Id timer) {
    uv_timer_stop(timer);
    free_.push_back(timer);
  }
  template <class F>
  std::uint64_t advance(std::uint64_t, F&&) {
    uv_run(&loop_, UV_RUN_NOWAIT);
    return 0;
  }

 private:
  uv_loop_t loop_{};
  std::deque<uv_timer_t> timers_;
  std::vector<Id> free_;
};

class Asio {
 public:
  using Id = boost::asio::steady_timer*;
  explicit Asio(std::uint64_t) {}
  Id schedule(std::uint64_t due, std::uint64_t) {
    if (free_.empty()) {
      timers_.push_back(std::make_unique<boost::asio::steady_timer>(context_));
      free_.push_back(timers_.back().get());
    }
    Id timer = free_.back();
    free_.pop_back();
    timer->expires_after(std::chrono::milliseconds(kHourMs + due));
    timer->async_wait([](const boost::system::error_code&) {});
    return timer;
  }
  void cancel(Id timer) {
    timer->cancel();
    free_.push_back(timer);
  }
  template <class F>
  std::uint64_t advance(std::uint64_t, F&&) {
    context_.poll();
    context_.restart();
    return 0;
  }

 private:
  boost::asio::io_context context_{1};
  std::vector<std::unique_ptr<boost::asio::steady_timer>> timers_;
  std::vector<Id> free_;
};

}  // namespace warden::peers
