// SPDX-License-Identifier: Apache-2.0
#define XXH_INLINE_ALL
#include "parts.hpp"

#include <xxhash.h>

#include <algorithm>
#include <map>
#include <mutex>

#include "engine/counters.hpp"
#include "engine/time_source.hpp"
#include "index/index.hpp"
#include "measure.hpp"
#include "wheel/wheel.hpp"

namespace bench {
namespace {

using warden::Blob;
using warden::Hash128;
using warden::ItemNo;

constexpr std::size_t kStateBytes = 64;  // of the flow of workload `verbs`
constexpr std::uint32_t kStripes = 4096;
constexpr warden::wheel::Tick kDue = 3'600'000;

Hash128 hash_of(std::uint64_t id) noexcept {
  const XXH128_hash_t hash = XXH3_128bits_withSeed(Key(id).bytes, kKeyBytes, 1);
  return {hash.low64, hash.high64};
}

// Keeps a value alive that nobody reads, so that its making is not optimised away.
template <class T>
void keep(const T& value) noexcept {
  asm volatile("" : : "r,m"(value) : "memory");
}

// One structure each, filled with `live` and holding as many after every phase pair.
struct IndexPart {
  std::unique_ptr<warden::index::Index> index = warden::index::Index::make(kStripes);

  std::uint32_t find_in(warden::index::Stripe& stripe, const Hash128& hash, std::uint64_t id) {
    return stripe.cells.find(warden::index::Index::cell_hash(hash), [&](std::uint32_t number) {
      return index->item(number).incarnation == id;
    });
  }
  void insert(std::uint64_t id) {
    const Hash128 hash = hash_of(id);
    auto& stripe = index->stripe(index->stripe_of(hash));
    const std::lock_guard guard(stripe.lock);
    if (find_in(stripe, hash, id) != warden::index::Cells::kNotFound || !stripe.cells.room()) {
      fail("index: a new key was there, or no room");
    }
    const ItemNo number = index->take(stripe);
    if (number == ItemNo::none) fail("index: no item number");
    auto& item = index->item(warden::raw(number));
    item.incarnation = id;
    item.stripe.store(index->stripe_of(hash) + 1, std::memory_order_relaxed);
    stripe.cells.put(warden::index::Index::cell_hash(hash), warden::raw(number));
  }
  void find(std::uint64_t id) {
    const Hash128 hash = hash_of(id);
    auto& stripe = index->stripe(index->stripe_of(hash));
    const std::lock_guard guard(stripe.lock);
    if (find_in(stripe, hash, id) == warden::index::Cells::kNotFound) fail("index: key lost");
  }
  void erase(std::uint64_t id) {
    const Hash128 hash = hash_of(id);
    auto& stripe = index->stripe(index->stripe_of(hash));
    const std::lock_guard guard(stripe.lock);
    const std::uint32_t cell = find_in(stripe, hash, id);
    if (cell == warden::index::Cells::kNotFound) fail("index: key lost");
    const std::uint32_t number = stripe.cells.number(cell);
    stripe.cells.erase(cell);
    index->give_back(stripe, ItemNo{number});
  }
};

class Parts {
 public:
  Parts(std::size_t live, std::uint64_t seed) : random_(seed) {
    for (std::size_t i = 0; i < live; ++i) {
      index_.insert(next_);
      live_.push_back({next_++, schedule(), make()});
    }
  }
  ~Parts() {
    for (const One& one : live_) one.blob->unref();
  }
  Parts(const Parts&) = delete;
  Parts& operator=(const Parts&) = delete;

  void round(std::size_t count);
  void tell(std::size_t live, Report& report) const;

 private:
  struct One {
    std::uint64_t id;
    warden::wheel::Handle handle;
    Blob* blob;
  };

  warden::wheel::Handle schedule() {
    const auto scheduled = wheel_->schedule(kDue + next_ % 1024, next_);
    if (scheduled.handle == warden::wheel::Handle::none) fail("wheel: refused");
    return scheduled.handle;
  }
  Blob* make() {
    Blob* blob = Blob::make(kStateBytes, Key(next_).view(), Payload(next_).view());
    if (blob == nullptr) fail("blob: out of memory");
    return blob;
  }
  template <class Body>
  void phase(const char* name, std::size_t count, Body&& body) {
    series_[name].push_back(timed(1, count, [&](unsigned) {
                              for (std::size_t i = 0; i < count; ++i) body(i);
                            }).cpu_ns);
  }

  std::mt19937_64 random_;
  IndexPart index_;
  std::unique_ptr<warden::wheel::Wheel> wheel_ = warden::wheel::Wheel::create({});
  warden::engine::TimeSource clock_{false, 0};
  warden::engine::Counters counters_;
  std::uint64_t next_ = 1;
  std::vector<One> live_;
  std::map<std::string, std::vector<double>> series_;
};

void Parts::round(std::size_t count) {
  // The last `count` are the ones to go, chosen at random.
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t end = live_.size() - i;
    std::swap(live_[random_() % end], live_[end - 1]);
  }
  const std::vector<One> old(live_.end() - static_cast<std::ptrdiff_t>(count), live_.end());
  live_.resize(live_.size() - count);
  std::vector<One> fresh(count);
  for (One& one : fresh) one.id = next_++;

  phase("hash of a key", count, [&](std::size_t i) { keep(hash_of(fresh[i].id).low); });
  phase("clock: as a verb reads it", count, [&](std::size_t) { keep(clock_.now(false).elapsed); });
  phase("clocks: both, in a flow with dues", count,
        [&](std::size_t) { keep(clock_.now(true).elapsed); });
  phase("index: find", count, [&](std::size_t i) { index_.find(old[i].id); });
  phase("index: insert", count, [&](std::size_t i) { index_.insert(fresh[i].id); });
  phase("index: erase", count, [&](std::size_t i) { index_.erase(old[i].id); });
  phase("wheel: schedule", count, [&](std::size_t i) { fresh[i].handle = schedule(); });
  phase("wheel: cancel", count, [&](std::size_t i) {
    if (!wheel_->cancel(old[i].handle)) fail("wheel: a timer was lost");
  });
  phase("blob: make", count, [&](std::size_t i) { fresh[i].blob = make(); });
  phase("blob: free", count, [&](std::size_t i) { old[i].blob->unref(); });
  phase("counters: one addition", count,
        [&](std::size_t) { counters_.add(warden::engine::Counters::events); });
  live_.insert(live_.end(), fresh.begin(), fresh.end());
}

void Parts::tell(std::size_t live, Report& report) const {
  for (const auto& [name, values] : series_) {
    report.add({name, median(values), 0, {}, "ns of CPU", 1, live});
  }
}

}  // namespace

void run_parts(std::size_t live, std::size_t operations, unsigned rounds, std::uint64_t seed,
               Report& report) {
  Parts parts(live, seed);
  for (unsigned r = 0; r < rounds; ++r) parts.round(std::min(operations, live / 5));
  parts.tell(live, report);
}

}  // namespace bench
