// SPDX-License-Identifier: Apache-2.0
//
// The workloads, as templates over a peer. Each prints one JSON object of figures and
// a check value, so that nothing can be optimized away or silently fail.
#pragma once

#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

namespace warden::bench {

struct Settings {
  std::uint64_t live = 100'000;
  std::uint64_t pairs = 1'000'000;  // in all threads together
  unsigned threads = 1;
};

inline std::uint64_t now_ns() {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                        std::chrono::steady_clock::now().time_since_epoch())
                                        .count());
}

// Processor time of the process: what single-threaded workloads are measured by, since
// other programs share the cores.
inline std::uint64_t cpu_ns() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U +
         static_cast<std::uint64_t>(now.tv_nsec);
}

// With WARDEN_BENCH_FIFO set, the calling thread's measured part is not interrupted by
// other programs (SCHED_FIFO; needs the privilege, and is let be without it).
inline void undisturbed() {
  if (std::getenv("WARDEN_BENCH_FIFO") == nullptr) return;
  sched_param priority{};
  priority.sched_priority = 1;
  pthread_setschedparam(pthread_self(), SCHED_FIFO, &priority);
}

class Dice {
 public:
  explicit Dice(std::uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15ULL + 1) {}
  std::uint64_t below(std::uint64_t limit) {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return (state_ >> 16) % limit;
  }

 private:
  std::uint64_t state_;
};

inline std::uint64_t rss_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t pages = 0;
  std::uint64_t resident = 0;
  statm >> pages >> resident;
  return resident * 4096;
}

// The callers' handles, on huge pages so that the harness itself costs every peer little.
template <class T>
struct HugePages {
  using value_type = T;
  HugePages() = default;
  template <class U>
  explicit HugePages(const HugePages<U>&) {}
  T* allocate(std::size_t count) {
    constexpr std::size_t kHuge = std::size_t{2} << 20;
    const std::size_t bytes = (count * sizeof(T) + kHuge - 1) / kHuge * kHuge;
    void* place = std::aligned_alloc(kHuge, bytes);
    if (place == nullptr) std::abort();
    ::madvise(place, bytes, MADV_HUGEPAGE);
    return static_cast<T*>(place);
  }
  void deallocate(T* place, std::size_t) { std::free(place); }
  bool operator==(const HugePages&) const { return true; }
};
template <class Peer>
using Ids = std::vector<typename Peer::Id, HugePages<typename Peer::Id>>;

// Ticks ahead of most timers: half a minute to an hour at 1 ms.
inline std::uint64_t far(Dice& dice) {
  return 30'000 + dice.below(3'570'000);
}

template <class Peer>
void fill(Peer& peer, Ids<Peer>& ids, std::uint64_t seed) {
  Dice dice(seed);
  for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = peer.schedule(far(dice), i);
}

// Schedule one, cancel a random live one; the hand moves a tick every 1,024 pairs.
// kSame: everybody at the same timeout of 30 s.
template <bool kSame, bool kHint = false, class Peer>
std::uint64_t churn(Peer& peer, Ids<Peer>& ids, std::uint64_t pairs,
                    std::atomic<std::uint64_t>& tick, bool keeper, std::uint64_t seed) {
  Dice dice(seed);
  std::uint64_t fired = 0;
  std::uint64_t now = tick.load(std::memory_order_relaxed);
  // The handle itself is at hand, as it is in a caller's item: it is fetched two pairs ahead.
  std::size_t ahead[2] = {dice.below(ids.size()), dice.below(ids.size())};
  for (std::uint64_t i = 0; i < pairs; ++i) {
    auto& victim = ids[ahead[i % 2]];
    ahead[i % 2] = dice.below(ids.size());
    __builtin_prefetch(&ids[ahead[i % 2]], 1);
    if constexpr (kHint) peer.prefetch(ids[ahead[(i + 1) % 2]]);
    peer.cancel(victim);
    victim = peer.schedule(now + (kSame ? 30'000 : far(dice)), i);
    if (i % 1024 == 1023) {
      if (keeper) {
        fired += peer.advance(now + 1, [](std::uint64_t) {});
        tick.store(now + 1, std::memory_order_relaxed);
      }
      now = tick.load(std::memory_order_relaxed);
    }
  }
  return fired;
}

template <bool kSame, bool kHint, class Peer>
void run_churn(const Settings& set) {
  std::vector<Ids<Peer>> ids(set.threads);
  for (auto& each : ids) each.resize(set.live / set.threads);
  const std::uint64_t rss_before = rss_bytes();
  Peer peer(0);
  const std::uint64_t fill_start = cpu_ns();
  for (unsigned t = 0; t < set.threads; ++t) {
    if constexpr (kSame) {
      for (auto& id : ids[t]) id = peer.schedule(30'000, 0);
    } else {
      fill(peer, ids[t], t + 1);
    }
  }
  const std::uint64_t fill_ns = cpu_ns() - fill_start;
  std::atomic<std::uint64_t> tick{0};
  std::atomic<std::uint64_t> fired{0};
  std::vector<std::thread> threads;
  std::atomic<unsigned> ready{0};
  const auto clock = set.threads > 1 ? now_ns : cpu_ns;
  std::uint64_t start = clock();
  for (unsigned t = 0; t < set.threads; ++t) {
    threads.emplace_back([&, t] {
      undisturbed();
      ready.fetch_add(1);
      while (ready.load() < set.threads) std::this_thread::yield();
      if (t == 0) start = clock();
      fired += churn<kSame, kHint>(peer, ids[t], set.pairs / set.threads, tick, t == 0, t + 100);
    });
  }
  for (auto& each : threads) each.join();
  const std::uint64_t ns = clock() - start;
  std::printf("{\"ns_pair\": %.2f, \"fill_ns\": %.2f, \"bytes_timer\": %.2f, \"check\": %llu}\n",
              static_cast<double>(ns) / static_cast<double>(set.pairs),
              static_cast<double>(fill_ns) / static_cast<double>(set.live),
              static_cast<double>(rss_bytes() - rss_before) / static_cast<double>(set.live),
              static_cast<unsigned long long>(fired.load()));
}

// All live timers fire, spread over one minute, the hand moving tick by tick.
template <class Peer>
void run_expire(const Settings& set) {
  Peer peer(0);
  Dice dice(1);
  for (std::uint64_t i = 0; i < set.live; ++i) peer.schedule(1 + dice.below(60'000), i);
  std::uint64_t sum = 0;
  std::uint64_t fired = 0;
  const std::uint64_t start = cpu_ns();
  for (std::uint64_t tick = 1; tick <= 60'000; ++tick) {
    fired += peer.advance(tick, [&](std::uint64_t cookie) { sum += cookie; });
  }
  const std::uint64_t ns = cpu_ns() - start;
  std::printf("{\"ns_timer\": %.2f, \"check\": %llu}\n",
              static_cast<double>(ns) / static_cast<double>(set.live),
              static_cast<unsigned long long>(fired == set.live ? sum : 0));
}

// All live timers are due in one tick.
template <class Peer>
void run_one_tick(const Settings& set) {
  Peer peer(0);
  for (std::uint64_t i = 0; i < set.live; ++i) peer.schedule(200, i);
  peer.advance(199, [](std::uint64_t) {});
  std::uint64_t sum = 0;
  const std::uint64_t start = cpu_ns();
  const std::uint64_t fired = peer.advance(200, [&](std::uint64_t cookie) { sum += cookie; });
  const std::uint64_t ns = cpu_ns() - start;
  std::printf("{\"ms\": %.3f, \"check\": %llu}\n", static_cast<double>(ns) / 1e6,
              static_cast<unsigned long long>(fired == set.live ? sum : 0));
}

// The hand crosses into a slot of level 2 that holds all live timers; with two threads,
// the other one makes a pair every 20 us meanwhile (timed from when it was due to
// begin, so that a stop is not left out of the record).
template <class Peer>
void run_pause(const Settings& set) {
  Peer peer(0);
  Dice dice(1);
  for (std::uint64_t i = 0; i < set.live; ++i) {
    peer.schedule(65'536 + 2000 + dice.below(63'000), i);
  }
  peer.advance(40'000, [](std::uint64_t) {});
  std::atomic<bool> stop{false};
  std::atomic<bool> begun{false};
  std::vector<std::uint64_t> pair_ns;
  std::thread caller;
  if (set.threads > 1) {
    caller = std::thread([&] {
      undisturbed();
      pair_ns.reserve(1 << 20);
      Dice mine(2);
      std::vector<typename Peer::Id> ids(1000);
      for (auto& id : ids) id = peer.schedule(200'000 + mine.below(100'000), 0);
      begun = true;
      std::uint64_t due = now_ns();
      while (!stop.load(std::memory_order_relaxed)) {
        due += 20'000;
        while (now_ns() < due) {
        }
        auto& victim = ids[mine.below(ids.size())];
        peer.cancel(victim);
        victim = peer.schedule(200'000 + mine.below(100'000), 0);
        pair_ns.push_back(now_ns() - due);
      }
    });
    undisturbed();
    while (!begun) std::this_thread::yield();
  }
  const auto clock = set.threads > 1 ? now_ns : cpu_ns;
  std::uint64_t worst = 0;
  for (std::uint64_t tick = 40'001; tick <= 66'500; ++tick) {
    const std::uint64_t start = clock();
    peer.advance(tick, [](std::uint64_t) {});
    worst = std::max(worst, clock() - start);
  }
  stop = true;
  if (caller.joinable()) caller.join();
  std::sort(pair_ns.begin(), pair_ns.end());
  const auto at = [&](double part) {
    return pair_ns.empty() ? 0.0
                           : static_cast<double>(pair_ns[static_cast<std::size_t>(
                                 part * static_cast<double>(pair_ns.size() - 1))]) /
                                 1e3;
  };
  std::printf(
      "{\"worst_ms\": %.4f, \"p50_us\": %.2f, \"p999_us\": %.2f, \"max_us\": %.2f, "
      "\"check\": %zu}\n",
      static_cast<double>(worst) / 1e6, at(0.5), at(0.999), at(1.0), pair_ns.size());
}

}  // namespace warden::bench
