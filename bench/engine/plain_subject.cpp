// SPDX-License-Identifier: Apache-2.0
//
// The job as one writes it with the standard library. Not a straw man: an entry stands
// in the queue once (cancelling marks it), the map is searched once a verb, notifying
// happens only for a new earliest deadline, and what was cancelled is swept out once it
// is the larger part.
//
// Invariants (under mutex_)
//   1. `armings` of an entry is the number of elements of queue_ that point to it.
//   2. A done entry is in no map; the last element that points to it frees it.
#include <algorithm>

#include "subjects.hpp"

namespace bench {
namespace {

constexpr std::int64_t kTotal = 3'600'000'000'000;
constexpr std::int64_t kStep = 600'000'000'000;
constexpr std::uint64_t kSweepFloor = 4096;

}  // namespace

Plain::Plain(unsigned) : keeper_([this] { keep(); }) {}

Plain::~Plain() {
  {
    std::lock_guard guard(mutex_);
    stop_ = true;
  }
  earlier_.notify_one();
  keeper_.join();
  for (const Due& due : queue_.all()) drop(due);
}

void Plain::drop(const Due& due) {
  if (--due.entry->armings == 0) delete due.entry;
}

void Plain::arm(Entry* entry, std::int64_t at) {
  const bool earliest = queue_.empty() || at < queue_.top().at_ns;
  queue_.push({at, entry});
  if (earliest) earlier_.notify_one();
}

// Waits for the earliest deadline; a passed one that still counts is a miss.
void Plain::keep() {
  std::unique_lock guard(mutex_);
  while (!stop_) {
    if (queue_.empty()) {
      earlier_.wait(guard);
      continue;
    }
    const Due due = queue_.top();
    const std::int64_t wait = due.at_ns - wall_ns();
    if (wait > 0) {
      earlier_.wait_for(guard, std::chrono::nanoseconds(wait));
      continue;
    }
    queue_.pop();
    if (due.entry->done) {
      --cancelled_;
    } else if (due.at_ns == due.entry->deadline_ns) {
      ++missed_;
    }
    drop(due);
  }
}

// Linear, but only after as many cancellations.
void Plain::sweep() {
  if (cancelled_ < kSweepFloor || cancelled_ * 2 < queue_.size()) return;
  std::vector<Due>& all = queue_.all();
  const auto kept =
      std::partition(all.begin(), all.end(), [](const Due& due) { return !due.entry->done; });
  for (auto each = kept; each != all.end(); ++each) drop(*each);
  all.erase(kept, all.end());
  std::make_heap(all.begin(), all.end());
  cancelled_ = 0;
}

template <class One>
void Plain::run(Ids ids, std::size_t batch, One&& one) {
  for (std::size_t first = 0; first < ids.size(); first += batch) {
    const std::lock_guard guard(mutex_);
    for (const std::uint64_t id : ids.subspan(first, std::min(batch, ids.size() - first))) one(id);
  }
}

void Plain::track(Ids ids, std::size_t batch) {
  run(ids, batch, [this](std::uint64_t id) {
    const auto [place, fresh] = items_.try_emplace(std::string(Key(id).view()), nullptr);
    if (!fresh) fail("plain: the key was there before");
    const std::int64_t deadline = wall_ns() + kTotal;
    place->second = new Entry{std::string(Payload(id).view()), deadline, deadline};
    arm(place->second, deadline);
  });
}

void Plain::mark(Ids ids, std::size_t batch) {
  run(ids, batch, [this](std::uint64_t id) {
    const auto place = items_.find(std::string(Key(id).view()));
    if (place == items_.end()) fail("plain: mark of an unknown key");
    Entry* entry = place->second;
    entry->stage = 1;
    const std::int64_t deadline = wall_ns() + kStep;
    if (deadline >= entry->deadline_ns) return;
    entry->deadline_ns = deadline;
    ++entry->armings;
    arm(entry, deadline);
  });
}

void Plain::complete(Ids ids, std::size_t batch) {
  run(ids, batch, [this](std::uint64_t id) {
    const auto place = items_.find(std::string(Key(id).view()));
    if (place == items_.end()) fail("plain: complete of an unknown key");
    Entry* entry = place->second;
    items_.erase(place);
    entry->done = true;
    std::string().swap(entry->payload);
    cancelled_ += entry->armings;
    sweep();
  });
}

std::uint64_t Plain::live() {
  const std::lock_guard guard(mutex_);
  if (missed_ != 0) fail("plain: a deadline of ten minutes was missed");
  return items_.size();
}

}  // namespace bench
