// SPDX-License-Identifier: Apache-2.0
//
// Many items in one call. Each is a verb of its own; what the batch saves is
// waiting for memory: keys of a group are hashed first, then their stripes, cells
// and items fetched, and only then worked on, so that the misses of one group
// overlap instead of adding up.
#include "engine/change.hpp"

namespace warden::engine {
namespace {
constexpr std::size_t kGroup = 16;
}

Code Store::run_one(Op op, Entry& e, BatchEntry& entry, After& after) {
  switch (op) {
    case Op::track:
      return submit_in(e, entry.arg, entry.options, true, entry.result, after);
    case Op::mark:
      return mark_in(e, entry.arg, entry.options, entry.result, after);
    case Op::complete:
      return close_in(e, index::Verdict::done, entry.options, entry.result, after);
  }
  return Code::internal;
}

void Store::run_batch(Op op, std::string_view flow, std::span<BatchEntry> entries) {
  After after;
  run_groups(op, flow, entries, after);
  finish(after);
}

Code Store::settle_batch(Durability wanted, Lsn last, Result& r) noexcept {
  Options o;
  o.durability = wanted;
  After after;
  after.lsn = last;
  return settle(Code::ok, o, after, r);
}

// Hints only: another thread may change what was seen as soon as its lock is free.
void Store::prefetch_items(Op op, std::span<const Hash128> hashes) noexcept {
  std::uint32_t numbers[kGroup];
  for (std::size_t i = 0; i < hashes.size(); ++i) {
    index::Stripe& stripe = index_->stripe(index_->stripe_of(hashes[i]));
    const std::lock_guard guard(stripe.lock);
    if (op == Op::track) {
      if (stripe.free_head != raw(ItemNo::none)) {
        __builtin_prefetch(&index_->item(stripe.free_head), 1);
      }
      continue;
    }
    if (op == Op::complete) stripe.tombstones.prefetch_next();
    const std::uint32_t cell =
        stripe.cells.find(index::Index::cell_hash(hashes[i]), [](std::uint32_t) { return true; });
    numbers[i] = index::Cells::kEmpty;
    if (cell == index::Cells::kNotFound) continue;
    numbers[i] = stripe.cells.number(cell);
    if ((numbers[i] & index::Tombstones::kBit) == 0) __builtin_prefetch(&index_->item(numbers[i]));
  }
  for (std::size_t i = 0; i < hashes.size() && op != Op::track; ++i) {
    if ((numbers[i] & index::Tombstones::kBit) != 0) continue;
    const std::uint32_t number = index_->stripe_of(hashes[i]);
    const std::lock_guard guard(index_->stripe(number).lock);
    const index::Item& item = index_->item(numbers[i]);
    if (item.stripe.load(std::memory_order_relaxed) != number + 1) continue;
    __builtin_prefetch(item.blob);
    __builtin_prefetch(reinterpret_cast<const char*>(item.blob) + 64);
    elapsed_->prefetch(wheel::Handle{item.timer});
  }
}

void Store::run_groups(Op op, std::string_view flow_name, std::span<BatchEntry> entries,
                       After& after) {
  const auto shared = read_lock();
  FlowName* flow = flows_->find(flow_name);
  for (std::size_t first = 0; first < entries.size(); first += kGroup) {
    const auto group = entries.subspan(first, std::min(kGroup, entries.size() - first));
    Hash128 hashes[kGroup];
    for (std::size_t i = 0; i < group.size() && flow != nullptr; ++i) {
      hashes[i] = hash_of(*flow, group[i].key);
      __builtin_prefetch(&index_->stripe(index_->stripe_of(hashes[i])));
    }
    for (std::size_t i = 0; i < group.size() && flow != nullptr; ++i) {
      index_->stripe(index_->stripe_of(hashes[i]))
          .cells.prefetch(index::Index::cell_hash(hashes[i]));
    }
    if (flow != nullptr) prefetch_items(op, {hashes, group.size()});
    for (std::size_t i = 0; i < group.size(); ++i) {
      BatchEntry& entry = group[i];
      entry.code = check({flow_name, entry.key}, entry.options);
      // What a completion would have to ignore, it refuses.
      if (op == Op::complete && (!entry.arg.empty() || entry.options.dues.count != 0)) {
        entry.code = Code::invalid_argument;
      }
      if (!is_error(entry.code) && flow == nullptr) entry.code = Code::unknown_flow;
      if (is_error(entry.code)) continue;
      Entry e;
      e.flow = flow;
      e.key = entry.key;
      e.hash = hashes[i];
      try {
        After own;
        entry.code =
            lock_key(e, entry.options,
                     {entry.key.size() + entry.arg.size(),
                      op == Op::complete ? log::ReserveFlags::closing : log::ReserveFlags::none});
        if (is_error(entry.code)) continue;
        entry.code = run_one(op, e, entry, own);
        entry.result.lsn = own.lsn;
        after.notify = after.notify || own.notify;
        after.wake = after.wake || own.wake;
      } catch (const std::bad_alloc&) {
        entry.code = Code::no_memory;
      }
    }
  }
}

}  // namespace warden::engine
