// SPDX-License-Identifier: Apache-2.0
//
// One workload, one peer, one process:
//   wheel_bench WORKLOAD PEER LIVE PAIRS THREADS
// and one JSON object on the standard output. bench/wheel/run.py interleaves the
// processes, takes medians and writes bench/results/wheel.json.
//
// Workloads
//   churn    schedule one + cancel one random live, 30 s to 1 h ahead (fill beside it)
//   batch    the same, 16 cancels then 16 schedules at a time (by the wheel's batch calls)
//   hinted   churn with prefetch() a pair ahead (this wheel)
//   same     churn with everybody at the same 30 s timeout: one hot slot
//   expire   all fire, spread over 60,000 ticks
//   onetick  all fire in one tick
//   pause    the hand crosses into a coarse slot that holds all; pairs on a second thread
//   hour     an hour of churn at a pair a tick; memory against live-only (this wheel)
//   drain    a peak of which a hundredth is left: memory that goes back (this wheel)
// Peers: warden linked mutex shard16 heap tree libevent libuv asio; unlocked: this wheel
// without one atomic instruction, to see what they cost (one thread only)
#include <cstdlib>
#include <cstring>

#include "peers/linked_wheel.hpp"
#include "peers/loops.hpp"
#include "peers/ordered.hpp"
#include "plain_atomic.hpp"
#include "wheel/wheel.hpp"
#include "workloads.hpp"

namespace warden::bench {
namespace {

template <class Wheel>
class OurWheel {
 public:
  using Id = wheel::Handle;
  static constexpr bool kBatches = true;
  explicit OurWheel(std::uint64_t now) : wheel_(Wheel::create({.now = now})) {}
  Id schedule(std::uint64_t due, std::uint64_t cookie) {
    return wheel_->schedule(due, cookie).handle;
  }
  void cancel(Id id) { wheel_->cancel(id); }
  template <class F>
  std::uint64_t advance(std::uint64_t to, F&& on_due) {
    return wheel_
        ->advance(to, ~std::uint64_t{0},
                  [&](wheel::Handle, wheel::Tick, std::uint64_t cookie) { on_due(cookie); })
        .fired;
  }
  void prefetch(Id id) { wheel_->prefetch(id); }
  Wheel& wheel() { return *wheel_; }

 private:
  std::unique_ptr<Wheel> wheel_;
};
using Ours = OurWheel<wheel::Wheel>;
using Unlocked = OurWheel<wheel::BasicWheel<PlainAtomic>>;

// Others have no batch: sixteen single calls.
template <class Peer>
void run_batch(const Settings& set) {
  constexpr std::size_t kBatch = 16;
  Peer peer(0);
  Ids<Peer> ids(set.live);
  fill(peer, ids, 1);
  Dice dice(5);
  std::uint64_t now = 0;
  const std::uint64_t start = cpu_ns();
  for (std::uint64_t i = 0; i < set.pairs; i += kBatch) {
    std::size_t at[kBatch];
    for (auto& each : at) each = dice.below(ids.size());
    if constexpr (requires { Peer::kBatches; }) {
      wheel::Handle handles[kBatch];
      bool ended[kBatch];
      wheel::Request requests[kBatch];
      wheel::Scheduled made[kBatch];
      for (std::size_t& each : at) __builtin_prefetch(&ids[each], 1);
      for (std::size_t k = 0; k < kBatch; ++k) handles[k] = ids[at[k]];
      for (auto& each : requests) each = {now + far(dice), i};
      peer.wheel().cancel_batch(handles, ended);
      peer.wheel().schedule_batch(requests, made);
      for (std::size_t k = 0; k < kBatch; ++k) ids[at[k]] = made[k].handle;
    } else {
      for (std::size_t& each : at) __builtin_prefetch(&ids[each], 1);
      for (const std::size_t each : at) {
        peer.cancel(ids[each]);
        ids[each] = peer.schedule(now + far(dice), i);
      }
    }
    if (i % 1024 == 0) peer.advance(++now, [](std::uint64_t) {});
  }
  std::printf("{\"ns_pair\": %.2f, \"check\": %llu}\n",
              static_cast<double>(cpu_ns() - start) / static_cast<double>(set.pairs),
              static_cast<unsigned long long>(now));
}

void run_hour(const Settings& set) {
  Ours peer(0);
  Dice dice(1);
  std::vector<wheel::Handle> ids(set.live);
  constexpr std::uint64_t kHour = 3'600'000;
  for (auto& id : ids) id = peer.schedule(2 * kHour + dice.below(kHour), 0);
  const double live_only = static_cast<double>(peer.wheel().bytes());
  const std::uint64_t each_tick = std::max<std::uint64_t>(1, set.pairs / kHour);
  for (std::uint64_t tick = 1; tick <= kHour; ++tick) {
    for (std::uint64_t k = 0; k < each_tick; ++k) {
      auto& victim = ids[dice.below(ids.size())];
      peer.cancel(victim);
      victim = peer.schedule(tick + 2 * kHour + dice.below(kHour), 0);
    }
    peer.advance(tick, [](std::uint64_t) {});
  }
  std::printf("{\"ratio\": %.3f, \"bytes_timer\": %.2f, \"check\": %llu}\n",
              static_cast<double>(peer.wheel().bytes()) / live_only,
              static_cast<double>(peer.wheel().bytes()) / static_cast<double>(set.live),
              static_cast<unsigned long long>(peer.wheel().size()));
}

// A peak of live timers, of which a hundredth is left; then a minute of ticks. Resident
// memory a timer of the peak, before and after.
void run_drain(const Settings& set) {
  Ids<Ours> ids(set.live);
  const std::uint64_t before = rss_bytes();
  Ours peer(0);
  fill(peer, ids, 1);
  const std::uint64_t peak = rss_bytes() - before;
  for (std::size_t i = set.live / 100; i < ids.size(); ++i) peer.cancel(ids[i]);
  std::uint64_t fired = 0;
  for (std::uint64_t tick = 1; tick <= 60'000; ++tick) {
    fired += peer.advance(tick, [](std::uint64_t) {});
  }
  const double live = static_cast<double>(set.live);
  const std::uint64_t after = rss_bytes() - before;
  std::printf(
      "{\"peak_bytes\": %.2f, \"after_bytes\": %.2f, \"counted_bytes\": %.2f, "
      "\"check\": %llu}\n",
      static_cast<double>(peak) / live, static_cast<double>(after) / live,
      static_cast<double>(peer.wheel().bytes()) / live,
      static_cast<unsigned long long>(fired + peer.wheel().size()));
}

// Peers that bring their own clock take part in fill and churn alone.
template <class Peer, bool kOwnClock, bool kThreads>
bool run(const char* workload, const Settings& set) {
  const auto is = [workload](const char* name) { return std::strcmp(workload, name) == 0; };
  if (set.threads > 1 && !kThreads) return false;
  if (is("churn")) return run_churn<false, false, Peer>(set), true;
  if (is("same")) return run_churn<true, false, Peer>(set), true;
  if (is("batch")) return run_batch<Peer>(set), true;
  if constexpr (!kOwnClock) {
    if (is("expire")) return run_expire<Peer>(set), true;
    if (is("onetick")) return run_one_tick<Peer>(set), true;
    if (is("pause")) return run_pause<Peer>(set), true;
  }
  return false;
}

bool run_named(const char* workload, const char* peer, const Settings& set) {
  const auto is = [peer](const char* name) { return std::strcmp(peer, name) == 0; };
  if (is("warden") && std::strcmp(workload, "hour") == 0) return run_hour(set), true;
  if (is("warden") && std::strcmp(workload, "drain") == 0) return run_drain(set), true;
  if (is("warden") && std::strcmp(workload, "hinted") == 0) {
    return run_churn<false, true, Ours>(set), true;
  }
  if (is("warden")) return run<Ours, false, true>(workload, set);
  if (is("unlocked")) return run<Unlocked, false, false>(workload, set);
  if (is("linked")) return run<peers::LinkedWheel, false, false>(workload, set);
  if (is("mutex")) return run<peers::MutexWheel, false, true>(workload, set);
  if (is("shard16")) return run<peers::ShardedWheel, false, true>(workload, set);
  if (is("heap")) return run<peers::LazyHeap, false, false>(workload, set);
  if (is("tree")) return run<peers::Tree, false, false>(workload, set);
  if (is("libevent")) return run<peers::Libevent, true, false>(workload, set);
  if (is("libuv")) return run<peers::Libuv, true, false>(workload, set);
  if (is("asio")) return run<peers::Asio, true, false>(workload, set);
  return false;
}

}  // namespace
}  // namespace warden::bench

int main(int argc, char** argv) {
  warden::bench::Settings set;
  if (argc != 6) {
    std::fprintf(stderr, "usage: wheel_bench WORKLOAD PEER LIVE PAIRS THREADS\n");
    return 2;
  }
  set.live = std::strtoull(argv[3], nullptr, 10);
  set.pairs = std::strtoull(argv[4], nullptr, 10);
  set.threads = static_cast<unsigned>(std::strtoul(argv[5], nullptr, 10));
  if (set.live == 0 || set.threads == 0 || set.threads > 64) {
    std::fprintf(stderr, "wheel_bench: LIVE and THREADS must be numbers above 0, THREADS <= 64\n");
    return 2;
  }
  if (!warden::bench::run_named(argv[1], argv[2], set)) {
    std::fprintf(stderr, "wheel_bench: no workload %s for peer %s with %u threads\n", argv[1],
                 argv[2], set.threads);
    return 2;
  }
  return 0;
}
