// SPDX-License-Identifier: Apache-2.0
#include "engine/store.hpp"

#include <pthread.h>
#include <signal.h>
#include <sys/random.h>

#include "engine/fork_guard.hpp"

namespace warden::engine {
namespace {

std::uint64_t random_word() noexcept {
  std::uint64_t word = 0;
  if (getrandom(&word, sizeof word, 0) != sizeof word) {
    word = static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(&word));
  }
  return word;
}

}  // namespace

Store::Store(const Config& config) noexcept
    : config_(config), id_{{random_word(), random_word()}}, seed_(random_word()),
      fork_generation_(fork_generation()), time_(config.manual_clock, config.start),
      base_(time_.elapsed()),
      hub_(alert::HubOptions{.now = [this] { return time_.elapsed(); },
                             .real_clock = !config.manual_clock,
                             .timer_moved = [this](Nanos to) { leases_end_at(to); }}) {}

Error Store::open(const Config& config, std::unique_ptr<Store>& out) {
  const Error no_memory{Code::no_memory, "out of memory while opening a store"};
  std::unique_ptr<Store> store(new Store(config));
  store->flows_ = FlowTable::make();
  store->index_ = index::Index::make(config.stripes);
  store->elapsed_ = wheel::Wheel::create({});
  store->wall_ = wheel::Wheel::create({});
  if (!store->flows_ || !store->index_ || !store->elapsed_ || !store->wall_) return no_memory;
  if (!config.manual_clock) {
    if (Error error = store->wakeup_.open()) return error;
    sigset_t all;
    sigset_t old;
    sigfillset(&all);
    // Signals are the application's: the keeper inherits a mask that blocks them.
    pthread_sigmask(SIG_BLOCK, &all, &old);
    try {
      store->keeper_ = std::thread([raw = store.get()] { raw->keep(); });
    } catch (const std::system_error& error) {
      pthread_sigmask(SIG_SETMASK, &old, nullptr);
      return Error{Code::no_memory, std::string("cannot start the keeper: ") + error.what()};
    }
    pthread_sigmask(SIG_SETMASK, &old, nullptr);
    pthread_setname_np(store->keeper_.native_handle(), "warden-keeper");
  }
  out = std::move(store);
  return {};
}

Store::~Store() {
  if (usable() == Code::forked) {
    if (keeper_.joinable()) keeper_.detach();  // the parent's thread, not there in the child
    return;
  }
  close();
}

Code Store::usable() const noexcept {
  if (fork_generation() != fork_generation_) return Code::forked;
  return closed_.load(std::memory_order_relaxed) ? Code::store_closed : Code::ok;
}

Code Store::close() noexcept {
  if (usable() == Code::forked) return Code::forked;
  closed_.store(true, std::memory_order_seq_cst);
  hub_.close();
  std::lock_guard guard(closing_);
  if (keeper_.joinable()) {
    wakeup_.wake();
    keeper_.join();
  }
  return Code::ok;
}

Error Store::define_flow(std::string_view text, const FlowVersion*& version) {
  return flows_->define(text, version);
}

Figures Store::figures() noexcept {
  Figures f{};
  for (std::size_t i = 0; i < Counters::kCount; ++i) {
    f.values[i] = counters_.sum(static_cast<Counters::Name>(i));
  }
  const alert::Figures alerts = hub_.figures();
  f.flows = flows_->names();
  f.alerts_withdrawn = alerts.withdrawn;
  f.alerts_kept = alerts.kept;
  f.tombstones = index_->tombstones();
  f.timers = elapsed_->size() + wall_->size();
  f.keeper_wakeups = keeper_wakeups_.load(std::memory_order_relaxed);
  f.item_bytes = index_->bytes() + elapsed_->bytes() + wall_->bytes() +
                 f.values[Counters::blob_bytes];
  f.now = time_.elapsed();
  const wheel::Tick next = std::min(elapsed_->next_due(), wall_->next_due());
  if (next != wheel::kNoTick) {
    f.next_due = add_sat(base_, static_cast<Nanos>(next) * config_.tick);
  }
  return f;
}

}  // namespace warden::engine
