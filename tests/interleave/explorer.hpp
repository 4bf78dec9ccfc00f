// SPDX-License-Identifier: Apache-2.0
//
// Deterministic interleavings. Several bodies run as fibers of one thread; before each
// atomic operation of the code under test the explorer decides who goes on, and for
// each store that is not sequentially consistent whether it may linger in the
// thread's store buffer. The decisions come from a seed, or enumerate all within a
// bound; either way one list of decisions is one run, and can be replayed.
//
// The memory model: stores may be delayed past the thread's later operations, except
// that a release (or seq_cst) store or read-modify-write waits for all before it.
// Loads read the newest visible value. So missing releases and store-load races show;
// stale reads by a missing acquire do not (TSan looks after those).
//
// A fiber may sleep on a place until another one wakes it. The run ends when every fiber
// has ended or sleeps: what that means is for the test to judge.
//
// Invariants
//   1. Outside run() an operation is plain memory access and decides nothing.
//   2. A fiber switch happens in step() and sleep() alone.
#pragma once

#include <ucontext.h>

#include <atomic>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace warden::interleave {

// Where decisions come from. Option 0 is always "as if undisturbed".
class Decisions {
 public:
  virtual ~Decisions() = default;
  virtual unsigned choose(unsigned options) = 0;
};

class Explorer {
 public:
  static constexpr std::uint64_t kMaxSteps = 20'000;

  static Explorer*& current() {
    static Explorer* explorer = nullptr;
    return explorer;
  }

  // Runs all bodies to their end, or until nobody is awake; false if that was not
  // reached within so many steps.
  bool run(const std::vector<std::function<void()>>& bodies, Decisions& decisions,
           std::uint64_t max_steps = kMaxSteps) {
    max_steps_ = max_steps;
    decisions_ = &decisions;
    for (auto& fiber : fibers_) stacks_.push_back(std::move(fiber->stack));
    fibers_.clear();
    for (const auto& body : bodies) fibers_.push_back(make_fiber(body));
    steps_ = 0;
    stuck_ = false;
    current() = this;
    running_ = 0;
    for (;;) {
      ::swapcontext(&home_, &fibers_[running_]->context);
      if (stuck_) break;
      Fiber& last = *fibers_[running_];
      if (last.ended) flush(last);
      if (!pick_other()) break;
    }
    current() = nullptr;
    return !stuck_;
  }

  unsigned running() const { return running_; }
  std::uint64_t steps() const { return steps_; }

  // What the running fiber has stored becomes visible, as by any outer synchronization.
  void publish() { flush(*fibers_[running_]); }

  // Until wake() of the same place. As a system call it makes all before it visible.
  void sleep(const void* place) {
    Fiber& me = *fibers_[running_];
    flush(me);
    me.asleep_on = place;
    ::swapcontext(&me.context, pick_other() ? &fibers_[running_]->context : &home_);
  }
  void wake(const void* place) {
    flush(*fibers_[running_]);
    for (auto& fiber : fibers_) {
      if (fiber->asleep_on == place) fiber->asleep_on = nullptr;
    }
  }
  // After a run: where the fiber sleeps, null if it has ended.
  const void* sleeps_on(unsigned fiber) const { return fibers_[fiber]->asleep_on; }

  // Before each operation.
  void step() {
    ++steps_;
    if (steps_ > max_steps_) {
      stuck_ = true;
      leave();
    }
    const unsigned others = count_others();
    const unsigned pick = decisions_->choose(1 + others);
    if (pick == 0) return;
    next_ = nth_other(pick - 1);
    leave();
  }

  template <class T>
  T load(const T* place) {
    const Fiber& me = *fibers_[running_];
    for (std::size_t i = me.buffer.size(); i-- > 0;) {
      if (me.buffer[i].place == place) return unpack<T>(me.buffer[i].value);
    }
    return *place;
  }

  template <class T>
  void store(T* place, T value, std::memory_order order) {
    Fiber& me = *fibers_[running_];
    if (order == std::memory_order_release || order == std::memory_order_seq_cst) flush(me);
    const bool delay = order != std::memory_order_seq_cst && decisions_->choose(2) != 0;
    if (!delay) {
      flush_place(me, place);
      *place = value;
      return;
    }
    me.buffer.push_back({place, pack(value), [](void* to, std::uint64_t packed) {
                           *static_cast<T*>(to) = unpack<T>(packed);
                         }});
  }

  // Before a read-modify-write, which acts on memory at once.
  void before_rmw(const void* place, std::memory_order order) {
    Fiber& me = *fibers_[running_];
    if (order == std::memory_order_relaxed || order == std::memory_order_acquire) {
      flush_place(me, place);
    } else {
      flush(me);
    }
  }

 private:
  struct Pending {
    void* place;
    std::uint64_t value;
    void (*write)(void*, std::uint64_t);
  };
  struct Fiber {
    ucontext_t context{};
    std::unique_ptr<char[]> stack;
    const std::function<void()>* body = nullptr;
    std::vector<Pending> buffer;
    const void* asleep_on = nullptr;
    bool ended = false;
    bool awake() const { return !ended && asleep_on == nullptr; }
  };
  static constexpr std::size_t kStackBytes = 128 << 10;

  template <class T>
  static std::uint64_t pack(T value) {
    std::uint64_t packed = 0;
    std::memcpy(&packed, &value, sizeof(T));
    return packed;
  }
  template <class T>
  static T unpack(std::uint64_t packed) {
    T value;
    std::memcpy(&value, &packed, sizeof(T));
    return value;
  }

  static void flush(Fiber& fiber) {
    for (const Pending& each : fiber.buffer) each.write(each.place, each.value);
    fiber.buffer.clear();
  }
  static void flush_place(Fiber& fiber, const void* place) {
    for (const Pending& each : fiber.buffer) {
      if (each.place == place) {
        flush(fiber);
        return;
      }
    }
  }

  static void entry() {
    Explorer* const self = current();
    Fiber& me = *self->fibers_[self->running_];
    (*me.body)();
    me.ended = true;
    ::swapcontext(&me.context, &self->home_);
  }

  std::unique_ptr<Fiber> make_fiber(const std::function<void()>& body) {
    auto fiber = std::make_unique<Fiber>();
    if (!stacks_.empty()) {
      fiber->stack = std::move(stacks_.back());
      stacks_.pop_back();
    } else {
      fiber->stack = std::unique_ptr<char[]>(new char[kStackBytes]);
    }
    fiber->body = &body;
    ::getcontext(&fiber->context);
    fiber->context.uc_stack.ss_sp = fiber->stack.get();
    fiber->context.uc_stack.ss_size = kStackBytes;
    fiber->context.uc_link = nullptr;
    ::makecontext(&fiber->context, &Explorer::entry, 0);
    return fiber;
  }

  unsigned count_others() const {
    unsigned others = 0;
    for (unsigned i = 0; i < fibers_.size(); ++i) {
      others += i != running_ && fibers_[i]->awake() ? 1U : 0U;
    }
    return others;
  }
  unsigned nth_other(unsigned n) const {
    for (unsigned i = 0;; ++i) {
      if (i == running_ || !fibers_[i]->awake()) continue;
      if (n-- == 0) return i;
    }
  }
  bool pick_other() {
    const unsigned others = count_others();
    if (others == 0) return false;
    running_ = nth_other(others == 1 ? 0 : decisions_->choose(others));
    return true;
  }
  // To the fiber next_, directly; or home for good when stuck.
  void leave() {
    Fiber& me = *fibers_[running_];
    if (stuck_) {
      ::swapcontext(&me.context, &home_);
      return;
    }
    running_ = next_;
    ::swapcontext(&me.context, &fibers_[next_]->context);
  }

  ucontext_t home_{};
  std::vector<std::unique_ptr<Fiber>> fibers_;
  std::vector<std::unique_ptr<char[]>> stacks_;
  Decisions* decisions_ = nullptr;
  unsigned running_ = 0;
  unsigned next_ = 0;
  std::uint64_t steps_ = 0;
  std::uint64_t max_steps_ = kMaxSteps;
  bool stuck_ = false;
};

// std::atomic as the wheel and the log use it, under the explorer's hand.
template <class T>
class Atomic {
 public:
  Atomic() = default;
  Atomic(T value) : value_(value) {}  // NOLINT: implicit, as std::atomic
  Atomic(const Atomic&) = delete;
  Atomic& operator=(const Atomic&) = delete;

  T load(std::memory_order = std::memory_order_seq_cst) const {
    Explorer* const explorer = Explorer::current();
    if (explorer == nullptr) return value_;
    explorer->step();
    return explorer->load(&value_);
  }
  void store(T value, std::memory_order order = std::memory_order_seq_cst) {
    Explorer* const explorer = Explorer::current();
    if (explorer == nullptr) {
      value_ = value;
      return;
    }
    explorer->step();
    explorer->store(&value_, value, order);
  }
  T exchange(T value, std::memory_order order = std::memory_order_seq_cst) {
    return modify(order, [&](T) { return value; });
  }
  T fetch_add(T by, std::memory_order order = std::memory_order_seq_cst) {
    return modify(order, [&](T old) { return static_cast<T>(old + by); });
  }
  T fetch_sub(T by, std::memory_order order = std::memory_order_seq_cst) {
    return modify(order, [&](T old) { return static_cast<T>(old - by); });
  }
  T fetch_or(T bits, std::memory_order order = std::memory_order_seq_cst) {
    return modify(order, [&](T old) { return static_cast<T>(old | bits); });
  }
  T fetch_and(T bits, std::memory_order order = std::memory_order_seq_cst) {
    return modify(order, [&](T old) { return static_cast<T>(old & bits); });
  }
  bool compare_exchange_strong(T& expected, T desired, std::memory_order success,
                               std::memory_order) {
    const T old = modify(success, [&](T seen) { return seen == expected ? desired : seen; });
    if (old == expected) return true;
    expected = old;
    return false;
  }
  bool compare_exchange_strong(T& expected, T desired, std::memory_order order) {
    return compare_exchange_strong(expected, desired, order, order);
  }
  bool compare_exchange_weak(T& expected, T desired, std::memory_order success,
                             std::memory_order failure) {
    return compare_exchange_strong(expected, desired, success, failure);
  }
  bool compare_exchange_weak(T& expected, T desired, std::memory_order order) {
    return compare_exchange_strong(expected, desired, order, order);
  }

 private:
  template <class F>
  T modify(std::memory_order order, F&& change) {
    Explorer* const explorer = Explorer::current();
    if (explorer != nullptr) {
      explorer->step();
      explorer->before_rmw(&value_, order);
    }
    const T old = value_;
    value_ = change(old);
    return old;
  }

  T value_{};
};

}  // namespace warden::interleave
