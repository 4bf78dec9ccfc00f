// SPDX-License-Identifier: Apache-2.0
//
// A lock-free hierarchical timing wheel.
//
// Purpose. Millions of timers, nearly all of which are cancelled before they are due;
// many threads that schedule and cancel, one keeper that advances. No lock: a thread
// that is stopped anywhere stops nobody else.
//
// Mechanism. A timer is a node (24 bytes) and an entry (8 bytes) that names it. Slots
// are not lists of nodes but logs of entries: scheduling appends one entry (an addition
// to the slot's word claims the cell, a release store fills it), cancelling flips one
// bit of the node and leaves the entry behind. The node is reusable at once; the entry
// is garbage that a validated read passes over. The keeper takes a whole slot by one
// exchange and streams through it: cascades move entries by the due bits they carry and
// touch no node; firing touches each node once, prefetched.
//
// | level | slot spans | level reaches | at 1 ms a tick | at 64 us a tick |
// |     0 |      1 tick |      2^8 |      256 ms |     16 ms |
// |     1 |    2^8 ticks |     2^16 |      65 s |      4 s |
// |     2 |   2^16 ticks |     2^24 |     4.7 h |    18 min |
// |     3 |   2^24 ticks |     2^32 |    50 days |   3.2 days |
// |     4 |   2^32 ticks |     2^40 |    34 years |  2.2 years |
// |     5 |   2^40 ticks |     2^48 | 8,900 years |  570 years |
// A timer stands at the level of the highest digit (base 256) in which due and now
// differ; the top level takes all that is left, so there is no separate overflow list.
//
// Trade-offs. Exact to the tick and never early; in return a timer that does fire moves
// up to five times (8 bytes each). Cancelled timers cost 8 bytes until the keeper
// compacts. next_due() is a lower bound: the start of a slot yet to be cascaded, an entry
// that was cancelled, or an empty slot whose bit a scheduler set too late.
//
// Example
//   auto wheel = warden::wheel::Wheel::create({.now = 0});
//   auto made = wheel->schedule(30'000, cookie);           // any thread
//   wheel->cancel(made.handle);                            // any thread
//   wheel->advance(now, 4096, [](Handle, Tick due, std::uint64_t cookie) { ... });
//
// Bound of work a call
//   schedule  one addition; a retry only when the keeper has closed that slot meanwhile
//             or the chunk was full and another thread installed one: lock-free
//   cancel    one compare-and-swap: wait-free; giving the node back is
//             lock-free and happens without the keeper
//   advance   fewer than max_work + 62 entries, plus the slot words that the hand passes
//             (one a tick; at most 6,000 for a jump over all levels)
//   next_due  at most 72 words
//
// Invariants (those of slots, chunks and nodes stand in their headers)
//   1. With N published as now_, each slot a scheduler may pick with N bears the round it
//      expects: (L, s) with s > digit_L(N) bears round_of(N, L). Slots at or below the
//      digit bear the round after.
//   2. now_ is published before any slot of the new time is closed. A scheduler refused
//      by a tag therefore finds a newer now_ when it looks again: it never waits.
//   3. An entry of level L stands in the slot of its due tick, or in a list of the
//      keeper; a due entry is fired from level 0 only, after its node was re-checked.
//   4. A timer due at or before now_ is filed under now_ + 1.
//   5. kept_[L][p] holds entries of the round of parity p that is current or next.
//
// Memory orders: beside each atomic below and in the headers of the parts. On the whole:
// a timer's fields happen before its node's word (release), that before its entry
// (release), that before the keeper's read (acquire). Sleep: prepare_sleep().
#pragma once

#include <atomic>
#include <memory>
#include <new>
#include <span>

#include "base/assert.hpp"
#include "wheel/node_pool.hpp"
#include "wheel/slots.hpp"

namespace warden::wheel {

template <template <class> class Atomic = std::atomic, class Policy = DefaultPolicy>
class BasicWheel {
 public:
  // Null when memory is out or `now` is out of range.
  static std::unique_ptr<BasicWheel> create(const Options& options) noexcept {
    if (options.now >= kMaxTick) return nullptr;
    return std::unique_ptr<BasicWheel>(new (std::nothrow) BasicWheel(options));
  }
  BasicWheel(const BasicWheel&) = delete;
  BasicWheel& operator=(const BasicWheel&) = delete;

  // Any thread. The timer fires in the first advance beyond `due`, or beyond now() if
  // that is later.
  Scheduled schedule(Tick due, std::uint64_t cookie) noexcept;

  // Any thread. True exactly if this call, not a firing or another cancel, ended it.
  bool cancel(Handle handle) noexcept;

  // Any thread. When the timer is due, kNoTick if it has ended. Whoever rules out that
  // the timer is cancelled meanwhile may rely on it: it fires no later than that.
  Tick due_of(Handle handle) noexcept;

  // A hint, when the handle is known some time before its cancel: the node is fetched.
  void prefetch(Handle handle) noexcept {
    if (nodes_.known(handle_index(handle))) __builtin_prefetch(&nodes_[handle_index(handle)], 1);
  }

  // The same for many, with their memory fetched ahead. Answers the number scheduled
  // or cancelled; the two spans are of one length.
  std::size_t schedule_batch(std::span<const Request> requests,
                             std::span<Scheduled> answers) noexcept;
  std::size_t cancel_batch(std::span<const Handle> handles, std::span<bool> answers) noexcept;

  // The keeper: one thread at a time. Calls on_due(Handle, Tick due, cookie) for every
  // timer due at or before `to`, in the order of their ticks, and moves now() there.
  // on_due may schedule and cancel; it must not throw or advance.
  template <class F>
  Advanced advance(Tick to, std::uint64_t max_work, F&& on_due) noexcept;

  // The keeper: no timer is due before it, kNoTick if there is none. A lower bound.
  Tick next_due() const noexcept;

  // The keeper, around its sleep. prepare_sleep() answers until when to sleep; from
  // then on a schedule() of an earlier timer answers `wake`.
  Tick prepare_sleep() noexcept;
  void end_sleep() noexcept;

  Tick now() const noexcept { return now_.load(std::memory_order_acquire); }

  // Scheduled and not yet ended; exact when nobody is inside a call.
  std::uint64_t size() const noexcept;
  // Entries of ended timers that still take room.
  std::uint64_t garbage() const noexcept;
  // Memory in use, including what is kept for reuse.
  std::uint64_t bytes() const noexcept { return sizeof(*this) + nodes_.bytes() + chunks_.bytes(); }

 private:
  using Nodes = NodePool<Atomic, Policy>;
  using Chunks = ChunkPool<Atomic, Policy>;
  using NodeT = typename Nodes::NodeT;
  using ChunkT = typename Chunks::ChunkT;
  using Cache = typename Nodes::Cache;
  static_assert(Policy::kCells >= 1 && Policy::kCells <= 64, "a mask of cells is one word");

  // What a thread keeps for itself. Counters are written by the thread alone (so a load
  // and a store make an increment) and read by anybody, who needs no order: sums are
  // exact only when nobody is inside a call.
  struct alignas(64) Local {
    Cache cache;
    Atomic<std::uint64_t> scheduled{0};
    Atomic<std::uint64_t> cancelled{0};
  };

  // A claimed cell, or none.
  struct Claim {
    Atomic<std::uint64_t>* cell = nullptr;
    Tick target = 0;   // the tick it was filed under
    Tick wake_by = 0;  // the keeper must not sleep beyond it
    Refusal refusal = Refusal::none;
  };

  // One advance call.
  struct Progress {
    std::uint64_t max_work;
    std::uint64_t work = 0;
    std::uint64_t fired = 0;
    bool exhausted() const noexcept { return work >= max_work; }
  };

  enum class Fate : std::uint8_t { ended, not_yet };

  explicit BasicWheel(const Options& options) noexcept;

  // Compaction of one chain: what is left of it, and a tick of its slot.
  struct Sweep {
    unsigned level = 0;
    Tick tick = 0;
    Chain from;
  };

  // wheel_schedule.hpp: any thread.
  Local* local() noexcept;
  [[gnu::always_inline]] static void bump(Atomic<std::uint64_t>& counter,
                                          std::uint64_t by = 1) noexcept {
    counter.store(counter.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
  }
  typename Nodes::Popped pop_node(Local* mine) noexcept;
  void push_node(Local* mine, std::uint32_t index) noexcept;
  bool try_claim(Tick due, Claim& claimed) noexcept;
  Claim claim(Tick due) noexcept;
  Tick wake_tick(unsigned level, Tick target, std::uint32_t chunk) noexcept;
  std::uint32_t install(unsigned level, std::uint32_t slot, std::uint64_t word,
                        std::uint32_t& spare) noexcept;
  bool must_wake(Tick target) noexcept;

  // wheel_advance.hpp: the keeper.
  template <class F>
  bool settle(Progress& progress, F& on_due) noexcept;
  bool cascade(unsigned level, Progress& progress) noexcept;
  template <class F>
  bool fire_pending(Progress& progress, F& on_due) noexcept;
  template <class F>
  bool poll_parked(Progress& progress, F& on_due) noexcept;
  template <class F>
  Fate fire(std::uint64_t entry, Local* mine, Progress& progress, F& on_due) noexcept;
  bool finish_chunk(Chain& from) noexcept;
  void fetch_nodes(const ChunkT& chunk) noexcept;
  void fetch_nodes_ahead(const Chain& chain) noexcept;
  bool read_due(std::uint64_t entry, Tick& due) noexcept;
  bool place(std::uint64_t entry, Tick due) noexcept;
  bool keep(unsigned level, Tick due, std::uint64_t entry) noexcept;
  bool append_entry(Chain& list, std::uint64_t entry) noexcept;
  static bool tags_repeat(Tick now, Tick to) noexcept;
  void move_towards(Tick to) noexcept;
  void publish(Tick now) noexcept;
  Chain close(unsigned level, std::uint32_t slot, Tick next_round) noexcept;
  Chain detach(std::uint64_t word) noexcept;
  void close_passed(Tick last) noexcept;
  void open_slot(Tick now, unsigned level) noexcept;
  Tick bound(std::memory_order order) const noexcept;
  void release_chunk(std::uint32_t index) noexcept;
  std::uint32_t take_chunk() noexcept;
  void top_up_spares() noexcept;

  // wheel_upkeep.hpp: the keeper.
  std::uint32_t depth_ahead(unsigned level, Tick start) const noexcept;
  static Tick early_window(unsigned level, std::uint32_t depth) noexcept;
  Tick early_from(unsigned level, Tick now) const noexcept;
  void cascade_early(Progress& progress) noexcept;
  void cascade_chunk_early(unsigned level, Tick start, Progress& progress) noexcept;
  void leave_open(std::uint32_t cell, Tick due) noexcept;
  Chain detach_open(unsigned level, Tick tick) noexcept;
  void sweep(Progress& progress) noexcept;
  unsigned next_sweep(unsigned limit) noexcept;
  void sweep_chunk() noexcept;
  std::uint64_t cancelled_total() const noexcept;
  void give_back(Progress& progress) noexcept;
  std::uint64_t free_chunks() const noexcept;

  static constexpr std::uint32_t kSpareChunks = Policy::kSpareChunks;
  static constexpr Tick kEarlyPiece = 16;  // chunks a tick: about a thousand entries

  Nodes nodes_;
  Chunks chunks_;
  SlotTable<Atomic> slots_;

  // The time up to which everything was fired. Written by the keeper (release: who sees
  // it sees the slots as the keeper left them before), read by all. Beside it, since
  // every scheduler reads both: until when the keeper sleeps, 0 when it is awake;
  // seq_cst, see prepare_sleep().
  alignas(64) Atomic<Tick> now_;
  Atomic<Tick> sleep_until_{0};
  // The number of chunks installed at which a sleeping keeper is to look after garbage.
  // Written by the keeper before sleep_until_, read by installers; a reading too old only
  // delays a compaction, so relaxed.
  Atomic<std::uint64_t> sweep_from_{~std::uint64_t{0}};
  // Chunks ever installed; relaxed additions, one for every kCells schedules.
  alignas(64) Atomic<std::uint64_t> installs_{0};

  Local locals_[kThreadSlots];
  // Threads without a slot; read-modify-write, relaxed.
  alignas(64) Atomic<std::uint64_t> shared_scheduled_{0};
  Atomic<std::uint64_t> shared_cancelled_{0};

  // From here on the keeper's. The counters and bitmaps are atomic only so that others
  // may look; relaxed.
  alignas(64) Atomic<std::uint64_t> fired_{0};
  Atomic<std::uint64_t> dropped_{0};  // garbage entries passed over
  Bitmap<Atomic> kept_bits_[kLevels][2];
  Chain kept_[kLevels][2][kSlots];
  Chain pending_[kLevels];  // of the current tick: detached, to be cascaded or fired
  Chain ready_;             // found due while cascading
  Chain parked_;            // chunks with a cell that is not published or not placed
  Chain polling_;
  std::uint64_t open_cells_ = 0;      // of the chunk being worked on: left as they are
  std::uint32_t cursor_ = 0;          // its next cell
  std::uint32_t fetched_ = kNoChunk;  // the chunk whose nodes were asked for last
  Tick parked_due_ = kNoTick;         // earliest of the entries that found no memory
  Tick polled_at_ = kNoTick;
  Tick early_at_ = kNoTick;
  bool resumed_ = false;  // the last call was stopped by max_work
  Chain early_[kLevels];  // of the slots that come next
  Sweep sweep_;
  bool sweeping_ = false;
  unsigned sweep_at_ = 0;  // {level, slot, source} looked at last
  std::uint64_t sweep_debt_ = 0;
  std::uint64_t sweep_in_vain_ = 0;  // garbage that a whole round left: thinly spread
  std::uint64_t cancelled_seen_ = 0;
  std::uint64_t trim_above_ = 0;  // chunks beyond need that the last return left
  std::uint32_t spares_ = 0;
  std::uint32_t spare_[kSpareChunks + 1] = {};
};

using Wheel = BasicWheel<>;

}  // namespace warden::wheel

#include "wheel/wheel_advance.hpp"   // IWYU pragma: export
#include "wheel/wheel_keeper.hpp"    // IWYU pragma: export
#include "wheel/wheel_schedule.hpp"  // IWYU pragma: export
#include "wheel/wheel_upkeep.hpp"    // IWYU pragma: export
