// SPDX-License-Identifier: Apache-2.0
//
// From a flow's name and a key to the item, with its stripe locked.
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>

#include "engine/store.hpp"

namespace warden::engine {

Code Store::check(const Target& target, const Options& o) const noexcept {
  if (target.key.empty()) return Code::invalid_argument;
  if (target.key.size() > kMaxKeyBytes) return Code::too_large;
  if (time_.manual() != (o.at != kNoTime)) return Code::invalid_argument;
  if (o.at == kNever) return Code::out_of_range;
  return Code::ok;
}

Hash128 Store::hash_of(const FlowName& flow, std::string_view key) const noexcept {
  const XXH128_hash_t hash = XXH3_128bits_withSeed(key.data(), key.size(), seed_ ^ flow.hash);
  return {hash.low64, hash.high64};
}

flow::Instant Store::instant(const Options& o, Nanos at_least, bool with_wall) const noexcept {
  if (!time_.manual()) return time_.now(with_wall);
  const Nanos at = std::max(o.at, at_least);
  return {at, at};
}

Code Store::look_up(const Target& target, const Options& o, Entry& e, const Need& need) {
  if (const Code code = check(target, o); is_error(code)) return code;
  e.flow = flows_->find(target.flow);
  if (e.flow == nullptr) return Code::unknown_flow;
  e.key = target.key;
  e.hash = hash_of(*e.flow, target.key);
  return lock_key(e, o, need);
}

// Room in the log is taken before the lock, by what the flow's versions need at most.
// If a version that needs more was defined meanwhile, both are given back and it is
// tried again: whatever the key's item then is, and whatever version a new one gets,
// its record fits. A version's need is published before the version (FlowTable).
Code Store::lock_key(Entry& e, const Options& o, const Need& need) {
  for (;;) {
    const std::uint32_t most = e.flow->max_record.load(std::memory_order_relaxed);
    if (const Code code = reserve(e, most, need); is_error(code)) return code;
    look_up_hashed(e, o);
    e.newest = e.flow->newest.load(std::memory_order_acquire);
    if (e.flow->max_record.load(std::memory_order_relaxed) == most) return Code::ok;
    e.lock.unlock();
    e.room.give_back();
    e.item = nullptr;
    e.stone = nullptr;
    e.cell = index::Cells::kNotFound;
  }
}

void Store::look_up_hashed(Entry& e, const Options& o) {
  const std::uint32_t number = index_->stripe_of(e.hash);
  e.stripe = &index_->stripe(number);
  e.lock = std::unique_lock(e.stripe->lock);
  e.cell = e.stripe->cells.find(index::Index::cell_hash(e.hash), [&](std::uint32_t found) {
    if ((found & index::Tombstones::kBit) != 0) {
      return e.stripe->tombstones.at(found).key == e.hash;
    }
    const index::Item& item = index_->item(found);
    return item.blob->key() == e.key && flows_->version(item.flow).name == e.flow;
  });
  if (e.cell == index::Cells::kNotFound) return;
  const std::uint32_t found = e.stripe->cells.number(e.cell);
  if ((found & index::Tombstones::kBit) == 0) {
    e.number = found;
    e.item = &index_->item(found);
    return;
  }
  e.stone = &e.stripe->tombstones.at(found);
  const Nanos now = dedupe_now(instant(o, kNoTime, false).elapsed);
  if (index::is_over(e.stone->expires_s, now)) drop_stone(e);
}

// The dedupe window is over: the key is free again.
void Store::drop_stone(Entry& e) noexcept {
  e.stripe->tombstones.erase(*e.stone);
  e.stripe->cells.erase(e.cell);
  e.stone = nullptr;
  e.cell = index::Cells::kNotFound;
}

}  // namespace warden::engine
