// SPDX-License-Identifier: Apache-2.0
#include "engine/replay_crew.hpp"

#include <algorithm>
#include <bit>

#include "io/futex.hpp"
#include "io/quiet_thread.hpp"

namespace warden::engine {
namespace {

using log::RecordType;

// Fewer items than this are armed faster than a thread is started.
constexpr std::uint32_t kItemsWorthAThread = 1u << 15;

Error no_memory() {
  return Error{Code::no_memory, "out of memory while the log was replayed"};
}

constexpr Nanos kTellEvery = 50 * kMilli;

// Records by which the memory that one needs is asked for beforehand.
constexpr int kFetchAhead = 12;

constexpr bool is_of_lane(RecordType type) noexcept {
  return type == RecordType::body || type == RecordType::state || type == RecordType::item ||
         type == RecordType::past || type == RecordType::owed || type == RecordType::stones;
}

std::uint32_t crew_size(std::uint32_t stripes) {
  const unsigned cores = std::max(1u, std::thread::hardware_concurrency());
  return std::min({std::bit_floor(cores), stripes, kLanes});
}

}  // namespace

ReplayCrew::ReplayCrew(Store& store) : store_(store), told_(io::monotonic_now()) {
  const std::uint32_t size = crew_size(store.config_.stripes);
  for (std::uint32_t i = 0; i < size; ++i) workers_.push_back(std::make_unique<Worker>(store));
  alone_ = size == 1;
}

ReplayCrew::~ReplayCrew() {
  stop();
}

Nanos ReplayCrew::latest() const noexcept {
  Nanos latest = kNoTime;
  for (const auto& one : workers_) latest = std::max(latest, one->replay.latest());
  return latest;
}

Nanos ReplayCrew::anchor() const noexcept {
  return workers_.front()->replay.anchor();
}

Error ReplayCrew::apply(Lsn lsn, RecordType type, std::uint64_t incarnation,
                        std::span<const std::byte> content) {
  try {
    return dispatch(lsn, type, incarnation, content);
  } catch (const std::bad_alloc&) {
    return no_memory();
  }
}

Error ReplayCrew::dispatch(Lsn lsn, RecordType type, std::uint64_t incarnation,
                           std::span<const std::byte> content) {
  if (type == RecordType::flow || type == RecordType::stage_name) {
    if (Error error = catch_up()) return error;
    return workers_.front()->replay.apply_shared(lsn, type, incarnation, content);
  }
  std::size_t from = 0;
  std::size_t to = workers_.size();
  if (type == RecordType::totals) {  // counted once
    to = 1;
    if (Error error = catch_up()) return error;
    for (auto& worker : workers_) worker->replay.note_cut();
  } else if (is_of_lane(type)) {
    from = lane_of(incarnation) & (workers_.size() - 1);
    to = from + 1;
  }
  if (!started_ && !alone_ && inlined_ >= kInline) start();
  for (std::size_t i = from; i < to; ++i) {
    Worker& worker = *workers_[i];
    if (!started_) {
      if (Error error = worker.replay.apply(lsn, type, incarnation, content)) return error;
      continue;
    }
    const Head head{lsn, incarnation, static_cast<std::uint32_t>(content.size()), type};
    const auto* bytes = reinterpret_cast<const std::byte*>(&head);
    worker.filling.insert(worker.filling.end(), bytes, bytes + sizeof head);
    worker.filling.insert(worker.filling.end(), content.begin(), content.end());
    if (worker.filling.size() >= kBatch) hand_over(worker);
  }
  inlined_ += content.size();
  return {};
}

void ReplayCrew::start() {
  for (auto& one : workers_) {
    Worker& worker = *one;
    worker.stop = false;
    worker.filling.reserve(kBatch + 4096);
    worker.thread = io::quiet_thread("warden-replay", [this, &worker] { work(worker); });
    if (!worker.thread.joinable()) {
      stop();
      alone_ = true;
      return;
    }
  }
  started_ = true;
}

void ReplayCrew::stop() noexcept {
  for (auto& one : workers_) {
    if (!one->thread.joinable()) continue;
    {
      std::lock_guard guard(one->mutex);
      one->stop = true;
    }
    one->moved.notify_all();
    one->thread.join();
  }
  started_ = false;
}

// Waits while the worker is kQueued batches behind.
void ReplayCrew::hand_over(Worker& worker) {
  Batch next;
  std::unique_lock lock(worker.mutex);
  worker.moved.wait(lock, [&] { return worker.full.size() < kQueued; });
  if (!worker.spare.empty()) {
    next = std::move(worker.spare.back());
    worker.spare.pop_back();
  }
  worker.full.push_back(std::move(worker.filling));
  worker.filling = std::move(next);
  worker.filling.clear();
  lock.unlock();
  worker.moved.notify_all();
}

void ReplayCrew::work(Worker& worker) noexcept {
  std::unique_lock lock(worker.mutex);
  for (;;) {
    worker.moved.wait(lock, [&] { return worker.stop || !worker.full.empty(); });
    if (worker.full.empty()) return;
    Batch batch = std::move(worker.full.front());
    worker.full.pop_front();
    worker.busy = true;
    lock.unlock();
    worker.moved.notify_all();
    if (!worker.error) apply_batch(worker, batch);
    lock.lock();
    worker.busy = false;
    try {
      worker.spare.push_back(std::move(batch));
    } catch (const std::bad_alloc&) {
      // One buffer less to use again.
    }
    worker.moved.notify_all();
  }
}

void ReplayCrew::apply_batch(Worker& worker, const Batch& batch) {
  // Three cursors over the batch: far ahead cells are fetched, closer items.
  struct Cursor {
    std::size_t at = 0;
    bool next(const Batch& of, Head& head) {
      if (at >= of.size()) return false;
      std::memcpy(&head, of.data() + at, sizeof head);
      at += sizeof head + head.size;
      return true;
    }
  };
  Cursor cells;
  Cursor items;
  Cursor here;
  Head head;
  const auto content = [&](const Cursor& of) {
    return std::span<const std::byte>(batch.data() + of.at - head.size, head.size);
  };
  const auto fetch_cell = [&] {
    if (cells.next(batch, head)) {
      worker.replay.fetch_cell(head.type, head.incarnation, content(cells));
    }
  };
  const auto fetch_item = [&] {
    if (items.next(batch, head)) worker.replay.fetch_item(head.type, head.incarnation);
  };
  for (int i = 0; i < kFetchAhead; ++i) fetch_cell();
  for (int i = 0; i < kFetchAhead / 2; ++i) fetch_item();
  while (true) {
    fetch_cell();
    fetch_item();
    if (!here.next(batch, head)) return;
    worker.error = worker.replay.apply(head.lsn, head.type, head.incarnation, content(here));
    if (worker.error) {
      worker.failed_at = head.lsn;
      return;
    }
  }
}

// Until every worker has applied all that was read. The lowest error, if any.
Error ReplayCrew::catch_up() {
  if (!started_) return {};
  for (auto& one : workers_) {
    if (!one->filling.empty()) hand_over(*one);
  }
  const Worker* first = nullptr;
  for (auto& one : workers_) {
    std::unique_lock lock(one->mutex);
    one->moved.wait(lock, [&] { return one->full.empty() && !one->busy; });
    if (one->error && (first == nullptr || one->failed_at < first->failed_at)) first = one.get();
  }
  return first == nullptr ? Error{} : first->error;
}

void ReplayCrew::reset() {
  static_cast<void>(catch_up());  // what it says concerned what is forgotten now
  stop();
  const std::size_t size = workers_.size();
  workers_.clear();
  for (std::size_t i = 0; i < size; ++i) workers_.push_back(std::make_unique<Worker>(store_));
  inlined_ = 0;
  store_.forget_all();
}

void ReplayCrew::progress(std::uint64_t done, std::uint64_t total) {
  total_ = total;
  const Nanos now = io::monotonic_now();
  if (now - told_ < kTellEvery || done >= total) return;
  told_ = now;
  store_.config_.progress.tell(done, total);
}

Error ReplayCrew::end() {
  try {
    Error error = catch_up();
    stop();
    for (auto& worker : workers_) {
      if (!error) error = worker->replay.check_whole();
    }
    if (!error && total_ != 0) store_.config_.progress.tell(total_, total_);
    return error;
  } catch (const std::bad_alloc&) {
    return no_memory();
  }
}

Error ReplayCrew::finish() {
  try {
    if (Error error = restore_alerts()) return error;
    return restore_timers();
  } catch (const std::bad_alloc&) {
    return no_memory();
  }
}

Error ReplayCrew::restore_alerts() {
  std::unordered_map<std::uint64_t, alert::ConsumerRef> consumers;
  for (const auto& [number, record] : workers_.front()->replay.consumers()) {
    alert::ConsumerOptions options = record.options;
    options.start = alert::Start::now;  // what it is owed is put back one by one
    if (Error error = store_.hub_.open(record.name, &options, consumers[number])) return error;
    store_.consumers_.restore(record.name, number);
  }
  store_.consumers_.number_from(workers_.front()->replay.last_consumer());
  std::vector<const Replay::Past*> in_order;
  for (const auto& worker : workers_) {
    for (const auto& [incarnation, past] : worker->replay.pasts()) {
      if (!past.owed.empty()) in_order.push_back(&past);
    }
  }
  std::sort(in_order.begin(), in_order.end(), [](const Replay::Past* a, const Replay::Past* b) {
    return a->owed.front().alert.lsn < b->owed.front().alert.lsn;
  });
  for (const Replay::Past* past : in_order) {
    if (Error error = restore_past(*past, consumers)) return error;
  }
  return {};
}

Error ReplayCrew::restore_past(
    const Replay::Past& past,
    const std::unordered_map<std::uint64_t, alert::ConsumerRef>& consumers) {
  for (const Replay::Owed& owed : past.owed) {
    for (const std::uint64_t told : owed.told) {
      const Code code = store_.hub_.restore_told(*consumers.at(told), owed.alert);
      if (is_error(code)) return Error{code, "cannot put an alert back"};
    }
    std::vector<alert::Consumer*> holders;
    for (const std::uint64_t holder : owed.holders) holders.push_back(consumers.at(holder).get());
    if (holders.empty() && !owed.unclaimed) continue;
    alert::Alert* one = store_.hub_.make();
    if (one == nullptr) throw std::bad_alloc();
    const alert::Hooks hooks = one->hooks;
    *one = owed.alert;
    one->hooks = hooks;
    one->blob->ref();
    const Code code = store_.hub_.restore(one, holders);
    if (is_error(code)) {
      store_.hub_.discard(one);
      return Error{code, "cannot put an alert back"};
    }
  }
  if (!past.closed) return {};
  alert::Alert* closing = store_.hub_.make();
  if (closing == nullptr) throw std::bad_alloc();
  const alert::Hooks hooks = closing->hooks;
  *closing = past.closing;
  closing->hooks = hooks;
  closing->blob = past.blob;
  past.blob->ref();
  store_.hub_.push_closed(closing);
  return {};
}

// Items stand in order of their numbers, so each thread walks memory in one direction.
Error ReplayCrew::restore_timers() {
  const std::uint32_t high = store_.index_->high();
  const auto threads = std::min(static_cast<std::uint32_t>(workers_.size()),
                                std::max(1u, high / kItemsWorthAThread));
  const auto end_of = [&](std::uint32_t share) {
    return static_cast<std::uint32_t>(std::uint64_t{high} * (share + 1) / threads);
  };
  std::vector<Error> errors(threads);
  const auto body = [&](std::uint32_t share) noexcept {
    try {
      errors[share] = restore_timers(share == 0 ? 0 : end_of(share - 1), end_of(share));
    } catch (const std::bad_alloc&) {
      errors[share].code = Code::no_memory;
    }
  };
  std::vector<std::thread> others;
  others.reserve(threads);
  for (std::uint32_t share = 1; share < threads; ++share) {
    std::thread one = io::quiet_thread("warden-replay", [&body, share] { body(share); });
    if (!one.joinable()) {
      body(share);
    } else {
      others.push_back(std::move(one));
    }
  }
  body(0);
  for (std::thread& one : others) one.join();
  for (Error& error : errors) {
    if (error) return std::move(error);
  }
  return {};
}

Error ReplayCrew::restore_timers(std::uint32_t from, std::uint32_t to) {
  for (std::uint32_t number = from; number < to; ++number) {
    if (!store_.index_->has_chunk(number)) continue;
    index::Item& item = store_.index_->item(number);
    if (item.stripe.load(std::memory_order_relaxed) == 0) continue;
    FlowVersion& flow = store_.flows_->version(item.flow);
    Draft draft(store_.hub_, store_.id_, flow, item);
    Store::Timers timers;
    Store::After after;
    const Code code = store_.set_timers(number, draft, 0, timers, after);
    if (is_error(code)) return Error{code, "cannot set the timer of a recovered item"};
    item.timer = timers.elapsed;
    if (flow.has_due) {
      std::memcpy(static_cast<char*>(item.blob->state()) + 8, &timers.wall, sizeof timers.wall);
    }
  }
  return {};
}

}  // namespace warden::engine
