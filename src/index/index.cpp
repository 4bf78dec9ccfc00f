// SPDX-License-Identifier: Apache-2.0
#include "index/index.hpp"

#include <mimalloc.h>

#include <mutex>
#include <new>

namespace warden::index {

std::unique_ptr<Index> Index::make(std::uint32_t stripes) noexcept {
  std::unique_ptr<Index> index(new (std::nothrow) Index(stripes));
  if (index == nullptr) return nullptr;
  auto* place = static_cast<Stripe*>(mi_zalloc_aligned(stripes * sizeof(Stripe), alignof(Stripe)));
  if (place == nullptr) return nullptr;
  for (std::uint32_t i = 0; i < stripes; ++i) new (place + i) Stripe;
  index->stripe_ = place;
  // Zero pages until touched: the directory of all chunks costs nothing at first.
  auto* chunks = static_cast<std::atomic<Item*>*>(mi_zalloc(kChunks * sizeof(std::atomic<Item*>)));
  if (chunks == nullptr) return nullptr;
  index->chunks_ = chunks;
  return index;
}

Index::~Index() {
  if (chunks_ != nullptr) {
    const std::uint32_t numbers = high();
    for (std::uint32_t n = 0; n < numbers; ++n) {
      if (!has_chunk(n)) continue;
      Item& one = item(n);
      if (one.stripe.load(std::memory_order_relaxed) != 0 && one.blob != nullptr) one.blob->unref();
    }
    for (std::uint32_t c = 0; c < kChunks && c * kChunkItems < numbers; ++c) {
      mi_free(chunks_[c].load(std::memory_order_relaxed));
    }
    mi_free(chunks_);
  }
  if (stripe_ != nullptr) {
    for (std::uint32_t i = 0; i < stripes_; ++i) stripe_[i].~Stripe();
    mi_free(stripe_);
  }
}

bool Index::add_chunk(std::uint32_t chunk) noexcept {
  if (chunks_[chunk].load(std::memory_order_acquire) != nullptr) return true;
  auto* fresh = static_cast<Item*>(mi_zalloc_aligned(kChunkItems * sizeof(Item), alignof(Item)));
  if (fresh == nullptr) return false;
  Item* none = nullptr;
  // Release: the zeroed items are there for whoever loads the pointer. The loser
  // of a race gives its own back.
  if (!chunks_[chunk].compare_exchange_strong(none, fresh, std::memory_order_acq_rel,
                                              std::memory_order_acquire)) {
    mi_free(fresh);
  }
  return true;
}

ItemNo Index::take(Stripe& stripe) noexcept {
  if (stripe.free_head == raw(ItemNo::none)) {
    // Numbers taken here and lost to a failing chunk are few and only while
    // memory is out; they stay unused.
    const std::uint32_t first = high_.fetch_add(kTakeAtOnce, std::memory_order_acq_rel);
    if (first > kMaxItems - kTakeAtOnce) {
      high_.fetch_sub(kTakeAtOnce, std::memory_order_acq_rel);
      return ItemNo::none;
    }
    if (!add_chunk(first >> kChunkBits)) return ItemNo::none;
    for (std::uint32_t i = kTakeAtOnce; i-- > 0;) give_back(stripe, ItemNo{first + i});
  }
  const std::uint32_t number = stripe.free_head;
  stripe.free_head = static_cast<std::uint32_t>(item(number).seq);
  return ItemNo{number};
}

void Index::give_back(Stripe& stripe, ItemNo number) noexcept {
  Item& one = item(raw(number));
  one.stripe.store(0, std::memory_order_relaxed);
  one.blob = nullptr;
  one.seq = stripe.free_head;
  stripe.free_head = raw(number);
}

std::uint64_t Index::bytes() noexcept {
  std::uint64_t sum = stripes_ * sizeof(Stripe);
  for (std::uint32_t c = 0; c < kChunks && c * kChunkItems < high(); ++c) {
    if (chunks_[c].load(std::memory_order_acquire) != nullptr) sum += kChunkItems * sizeof(Item);
  }
  for (std::uint32_t i = 0; i < stripes_; ++i) {
    std::lock_guard guard(stripe_[i].lock);
    sum += stripe_[i].cells.bytes() + stripe_[i].tombstones.bytes();
  }
  return sum;
}

std::uint64_t Index::tombstones() noexcept {
  std::uint64_t sum = 0;
  for (std::uint32_t i = 0; i < stripes_; ++i) {
    std::lock_guard guard(stripe_[i].lock);
    sum += stripe_[i].tombstones.remembered();
  }
  return sum;
}

}  // namespace warden::index
