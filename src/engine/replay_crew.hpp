// SPDX-License-Identifier: Apache-2.0
//
// Replay on all cores. The thread that opens the store reads and checks the log;
// workers apply it, each the lanes that are its own (incarnation.hpp).
//
//   log -> apply() -> body, state, and what the cleaner moves: to the worker of the lane
//                     totals: to one worker, once
//                     consumer, ack, anchor: to every worker
//                     flow, stage: once all workers have caught up, here
//   end(): workers catch up and end
//   finish(): owed alerts of all, by LSN; timers, by ranges of items
//
// Records travel in batches of some 100 KiB, a few in flight to each worker, so
// memory stays bounded however long the log. A small log (kInline) is applied by
// the reading thread itself, and so is any log if threads cannot be had.
//
// Invariants
//   1. A stripe's lanes all belong to one worker: the number of workers is a power of
//      two, not above that of lanes or stripes, and takes the lowest bits of either.
//   2. Every worker sees the records that concern it in order of LSN.
//   3. The error that is reported is that of the lowest LSN, however threads run:
//      all records before it have been applied by then, some after it may have been.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "engine/replay.hpp"

namespace warden::engine {

class ReplayCrew final : public log::ReplaySink {
 public:
  explicit ReplayCrew(Store& store);
  ~ReplayCrew() override;

  void begin(const log::Uuid& uuid) override { store_.adopt(uuid); }
  Error apply(Lsn lsn, log::RecordType type, std::uint64_t incarnation,
              std::span<const std::byte> content) override;
  Error end() override;
  void reset() override;
  void progress(std::uint64_t done, std::uint64_t total) override;

  // Consumers, alerts and timers. Engine time is set.
  Error finish();
  Nanos latest() const noexcept;
  Nanos anchor() const noexcept;

 private:
  using Batch = std::vector<std::byte>;
  struct Worker {
    explicit Worker(Store& store) : replay(store) {}
    Replay replay;  // by its thread alone, except while that rests
    Error error;    // likewise; the first of this worker
    Lsn failed_at = Lsn::none;
    std::thread thread;
    std::mutex mutex;  // over what follows
    std::condition_variable moved;
    std::deque<Batch> full;
    std::vector<Batch> spare;
    bool busy = false;
    bool stop = false;
    Batch filling;  // by the reading thread alone
  };
  struct Head {
    Lsn lsn;
    std::uint64_t incarnation;
    std::uint32_t size;
    log::RecordType type;
  };

  Error dispatch(Lsn lsn, log::RecordType type, std::uint64_t incarnation,
                 std::span<const std::byte> content);
  void start();
  void stop() noexcept;
  void hand_over(Worker& worker);
  void work(Worker& worker) noexcept;
  static void apply_batch(Worker& worker, const Batch& batch);
  Error catch_up();
  Error restore_alerts();
  Error restore_past(const Replay::Past& past,
                     const std::unordered_map<std::uint64_t, alert::ConsumerRef>& consumers);
  Error restore_timers();
  Error restore_timers(std::uint32_t from, std::uint32_t to);

  static constexpr std::size_t kInline = std::size_t{1} << 20;
  static constexpr std::size_t kBatch = std::size_t{96} << 10;
  static constexpr std::size_t kQueued = 4;

  Store& store_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::size_t inlined_ = 0;  // bytes applied by the reading thread
  std::uint64_t total_ = 0;  // bytes of the log, as far as it was said
  Nanos told_ = 0;           // of progress, last; by CLOCK_MONOTONIC
  bool started_ = false;
  bool alone_ = false;  // no threads
};

}  // namespace warden::engine
