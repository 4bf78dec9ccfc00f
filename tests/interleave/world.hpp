// SPDX-License-Identifier: Apache-2.0
//
// One wheel under exploration with the record of everything that was asked of it, and
// the judgement of the record.
//
// What must hold, whatever the interleaving
//   1. A timer ends exactly once: by its firing or by a cancel that answered true.
//   2. It fires with its own handle, due and cookie, and never early.
//   3. An advance that begins after a schedule has returned leaves it neither late nor
//      lost: due at or before `to`, it has fired when the advance is done.
//   4. A sleeping keeper either sleeps no longer than to the earliest timer or was told
//      to wake.
//   5. Every call ends (the explorer's bound of steps).
//   6. Afterwards nothing is left behind: size, garbage, and a second round of timers.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "decisions.hpp"
#include "explorer.hpp"
#include "wheel/wheel.hpp"

namespace warden::interleave {

using wheel::Handle;
using wheel::Tick;

// Small chunks and batches, so that few steps reach every edge. Fiber n has slot n;
// set-up and judgement run as slot 0.
struct TestPolicy : wheel::DefaultPolicy {
  static constexpr std::uint32_t kCells = 2;
  static constexpr std::uint32_t kBatch = 1;
  static unsigned thread_slot() noexcept {
    Explorer* const explorer = Explorer::current();
    return explorer != nullptr ? explorer->running() : 0;
  }
  static unsigned thread_slot_limit() noexcept { return 4; }
};

// Compaction and early cascades at every opportunity.
struct UpkeepPolicy : TestPolicy {
  static constexpr std::uint64_t kGarbageFloor = 0;
  static constexpr std::uint32_t kEarlyChunks = 1;
};

// Free chunks' memory goes back at every opportunity: eight chunks are a page.
struct TrimPolicy : UpkeepPolicy {
  static constexpr std::uint32_t kCells = 62;
  static constexpr std::uint32_t kSpareChunks = 0;
  static constexpr std::uint32_t kTrimUnit = 8;
  static constexpr std::uint64_t kTrimFloor = 0;
};

template <class Policy>
class World {
 public:
  using WheelT = wheel::BasicWheel<Atomic, Policy>;
  struct Timer {
    Tick due = 0;
    Handle handle = Handle::none;  // once schedule() has returned
    Handle fired_handle = Handle::none;
    std::uint64_t returned = 0;  // step at which schedule() had returned
    unsigned fired = 0;
    unsigned cancelled = 0;
    bool cancel_begun = false;
    bool refused = false;
  };

  explicit World(Tick now, std::uint32_t max_timers = 1000)
      : wheel_(WheelT::create({.now = now, .max_timers = max_timers})) {
    timers_.reserve(256);
  }

  WheelT& wheel() { return *wheel_; }
  std::string& error() { return error_; }
  void fail(const std::string& what) {
    if (error_.empty()) error_ = what;
  }

  std::size_t schedule(Tick due) {
    const std::size_t at = timers_.size();
    timers_.push_back({});
    timers_[at].due = due;
    const wheel::Scheduled made = wheel_->schedule(due, kCookie + at);
    finish_call();
    timers_[at].handle = made.handle;
    timers_[at].refused = made.refusal != wheel::Refusal::none;
    timers_[at].returned = ++clock_;
    woken_ = woken_ || made.wake;
    return at;
  }

  void cancel(std::size_t at) {
    if (timers_[at].handle == Handle::none) return;  // its schedule has not returned
    timers_[at].cancel_begun = true;
    const bool ended = wheel_->cancel(timers_[at].handle);
    finish_call();
    timers_[at].cancelled += ended ? 1 : 0;
  }

  void advance(Tick to, std::uint64_t max_work = ~std::uint64_t{0}) {
    const std::uint64_t begun = ++clock_;
    const Tick before = wheel_->now();
    for (unsigned calls = 0;; ++calls) {
      const auto advanced = wheel_->advance(
          to, max_work,
          [this](Handle handle, Tick due, std::uint64_t cookie) { on_due(handle, due, cookie); });
      if (advanced.done) break;
      if (calls > 10'000) {
        fail("advance never done");
        return;
      }
    }
    finish_call();
    if (to <= before) return;  // the hand stood: nothing had to fire
    for (const Timer& each : timers_) {
      if (each.refused || each.cancel_begun || each.fired > 0) continue;
      if (each.returned != 0 && each.returned < begun && each.due <= to) {
        fail("late or lost: due " + std::to_string(each.due) + ", not fired by an advance to " +
             std::to_string(to));
      }
    }
  }

  void sleep() {
    woken_ = false;  // what was answered before the keeper lay down does not count
    asleep_ = true;
    sleeps_until_ = wheel_->prepare_sleep();
    finish_call();
  }

  // After the run, on one thread.
  void judge() {
    if (asleep_ && !woken_) {
      for (const Timer& each : timers_) {
        const Tick fires_at = std::max(each.due, wheel_->now() + 1);
        if (!each.refused && each.fired + each.cancelled == 0 && fires_at < sleeps_until_) {
          fail("wake-up lost: due " + std::to_string(each.due) + ", keeper sleeps until " +
               std::to_string(sleeps_until_));
        }
      }
    }
    if (asleep_) wheel_->end_sleep();
    check_live("after the run");
    // The next free node is nobody's.
    if (error_.empty()) schedule(wheel_->now() + 1000);
    check_nodes();
    if (!error_.empty()) return;
    // What was due or published late comes with the very next tick.
    advance(wheel_->now() + 1);
    check_live("a tick later");
    Tick last = wheel_->now();
    for (const Timer& each : timers_) last = std::max(last, each.due);
    if (error_.empty()) advance(last);
    for (Tick i = 0; i < 8 && error_.empty(); ++i) schedule(last + (i == 7 ? 300 : 1 + i % 3));
    check_nodes();
    if (error_.empty()) advance(last + 301);
    for (const Timer& each : timers_) {
      if (each.refused) continue;
      if (each.fired + each.cancelled != 1) {
        fail("due " + std::to_string(each.due) + ": fired " + std::to_string(each.fired) +
             " times, cancelled " + std::to_string(each.cancelled) + " times");
      }
      if (each.fired > 0 && each.fired_handle != each.handle) fail("fired under another handle");
    }
    if (!error_.empty()) return;
    if (wheel_->size() != 0) fail("size is " + std::to_string(wheel_->size()) + " at the end");
    if (wheel_->garbage() != 0) fail("garbage is left at the end");
    for (int i = 0; i < 8 && wheel_->next_due() != wheel::kNoTick; ++i) {  // a return of memory
      advance(wheel_->now() + 1);
    }
    if (wheel_->next_due() != wheel::kNoTick) fail("next_due of an empty wheel");
  }

 private:
  // Where a broken free list takes a live node's cookie for a link, it finds a batch of
  // one and a small index: the judgement comes to an end.
  static constexpr std::uint64_t kCookie = std::uint64_t{1} << 32;

  void finish_call() {
    if (Explorer::current() != nullptr) Explorer::current()->publish();
  }

  void on_due(Handle handle, Tick due, std::uint64_t cookie) {
    cookie -= kCookie;
    if (cookie >= timers_.size()) {
      fail("fired with an unknown cookie");
      return;
    }
    Timer& timer = timers_[cookie];
    if (timer.due != due) fail("fired with another due tick");
    if (wheel_->now() < due) fail("fired early");
    timer.fired_handle = handle;
    if (++timer.fired > 1) fail("fired twice");
  }

  void check_live(const char* when) {
    std::uint64_t live = 0;
    for (const Timer& each : timers_) {
      live += !each.refused && each.fired + each.cancelled == 0 ? 1U : 0U;
    }
    if (wheel_->size() != live) {
      fail("size is " + std::to_string(wheel_->size()) + ", not " + std::to_string(live) + ", " +
           when);
    }
  }

  // No node serves two live timers.
  void check_nodes() {
    std::map<std::uint32_t, unsigned> users;
    for (const Timer& each : timers_) {
      if (each.refused || each.fired + each.cancelled > 0) continue;
      if (++users[wheel::handle_index(each.handle)] > 1) fail("a node has two owners");
    }
  }

  std::unique_ptr<WheelT> wheel_;
  std::vector<Timer> timers_;
  std::string error_;
  std::uint64_t clock_ = 0;
  Tick sleeps_until_ = 0;
  bool asleep_ = false;
  bool woken_ = false;
};

// A case sets its world up and names its fibers; the first is the keeper's.
template <class Policy>
struct Plot {
  std::unique_ptr<World<Policy>> world;
  std::vector<std::function<void()>> bodies;
};

template <class Policy>
std::string run_plot(Explorer& explorer, Decisions& decisions,
                     const std::function<Plot<Policy>()>& make) {
  Plot<Policy> plot = make();
  if (!explorer.run(plot.bodies, decisions)) return "a call does not end";
  // As a fiber of its own: a chain bent into a ring is found by its steps.
  Undisturbed calm;
  const auto judge = [&plot] { plot.world->judge(); };
  if (!explorer.run({judge}, calm, 2'000'000) && plot.world->error().empty()) {
    return "a call after the run does not end";
  }
  return plot.world->error();
}

}  // namespace warden::interleave
