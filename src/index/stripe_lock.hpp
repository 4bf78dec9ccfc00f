// SPDX-License-Identifier: Apache-2.0
//
// A mutex of one 32-bit word: spin a little, then sleep on a futex. Held for the
// few hundred nanoseconds of one item's transition. The three states are those of
// U. Drepper, "Futexes Are Tricky" (2011), section 5: 0 free, 1 held, 2 held and
// somebody may sleep.
//
// Orders: taking is an acquire and giving back a release, so what one holder wrote
// the next one sees; nothing else is read through the word.
#pragma once

#include <atomic>
#include <cstdint>

namespace warden::index {

class StripeLock {
 public:
  void lock() noexcept {
    std::uint32_t expected = 0;
    if (word_.compare_exchange_strong(expected, 1, std::memory_order_acquire,
                                      std::memory_order_relaxed)) {
      return;
    }
    lock_slow();
  }

  void unlock() noexcept {
    if (word_.exchange(0, std::memory_order_release) == 2) word_.notify_one();
  }

 private:
  void lock_slow() noexcept {
    for (int spin = 0; spin < 100; ++spin) {
      std::uint32_t expected = 0;
      if (word_.load(std::memory_order_relaxed) == 0 &&
          word_.compare_exchange_strong(expected, 1, std::memory_order_acquire,
                                        std::memory_order_relaxed)) {
        return;
      }
#if defined(__x86_64__) || defined(__i386__)
      __builtin_ia32_pause();
#endif
    }
    // From here on the word says 2, also for the one who gets it: a needless
    // wake-up is possible, a lost one is not.
    while (word_.exchange(2, std::memory_order_acquire) != 0) {
      word_.wait(2, std::memory_order_relaxed);
    }
  }

  // Any thread.
  std::atomic<std::uint32_t> word_{0};
};

}  // namespace warden::index
