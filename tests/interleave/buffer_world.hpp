// SPDX-License-Identifier: Apache-2.0
//
// One buffer and one doorbell under exploration, the steps of the log around them, and
// the judgement. BasicBuffer and BasicDoorbell are the log's own; what is modelled here,
// step by step, are those who call them: reserve(), append(), abandon(), wait_durable(),
// the scribe, stopping it, the committer's reading and the clerk's return (log.cpp,
// open.cpp, committer.cpp, block_builder.cpp, clerk.cpp). The disk is left out: what is
// in a block is durable, and the scribe's sleep has no limit.
//
// What must hold, whatever the interleaving
//   1. Records come out whole, in order, each once; nothing that is not published is read.
//   2. No more credit is out than there is, and in the end all of it is back.
//   3. What is admitted together fits the room that is left.
//   4. In the end nobody sleeps but the scribe, and it on nothing: all is durable, and
//      the ring is zero.
//   5. Every call ends (the explorer's bound of steps).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "buffer_policy.hpp"
#include "decisions.hpp"

namespace warden::interleave {

using log::Pool;
using log::RecordHead;

template <class Policy, class Bell = log::DoorbellPolicy>
class BufferWorld {
 public:
  struct Credit {
    std::size_t bytes = 0;
    Pool pool = Pool::callers;
  };
  static constexpr std::uint32_t kContent = 4;
  static constexpr std::size_t kRecord = log::record_bytes(kContent);
  static constexpr std::size_t kWant = kRecord + log::kRecordAlign - 1;  // as reserve() reckons
  static constexpr std::uint64_t kMuch = 1 << 20;

  // The first record goes to `start`.
  explicit BufferWorld(std::size_t ring, std::uint64_t start = 0, std::uint64_t room = kMuch)
      : room_(room), room_left_(room), ring_(ring), read_end_(start) {
    if (!buffer_.init(ring)) fail("no memory");
    buffer_.start_at(start);
    read_.store(start);
    durable_.store(start);
  }

  const std::string& error() const { return error_; }

  // ---- what a caller does, as Log does it
  // False: refused, or no room now and `wait` is false.
  bool reserve(Credit& out, std::size_t want = kWant, bool wait = true, Pool pool = Pool::callers) {
    for (;;) {
      bool refused = refuse(want, nullptr);
      const bool held_up = held_up_.load(std::memory_order_seq_cst) != 0;
      const auto fits = [&](std::uint64_t taken) {
        refused = refuse(want, &taken);
        return !refused;
      };
      if (!refused && !held_up && buffer_.take_if(pool, want, fits)) break;
      if (refused || !wait) return false;
      ring();
      if (held_up) {
        buffer_.wait_word([&] { return held_up_.load(std::memory_order_seq_cst) == 0; });
      } else {
        buffer_.wait_credit(pool, want, [] { return false; });
      }
    }
    out = {want, pool};
    out_[at(pool)] += want;
    if (out_[at(pool)] > buffer_.share(pool)) fail("more credit is out than there is");
    if (out_[0] + out_[1] > room_left_) fail("more is admitted than there is room");
    return true;
  }
  void release(Credit& credit) {
    out_[at(credit.pool)] -= credit.bytes;
    buffer_.give_back(credit.pool, credit.bytes);
    credit.bytes = 0;
  }
  std::uint64_t claim(Credit& credit) {
    credit.bytes -= kRecord;
    const std::uint64_t position = buffer_.claim(kRecord);
    claimed_ += kRecord;
    return position;
  }
  // The position just past the record.
  std::uint64_t append(Credit& credit, bool will_wait = false) {
    const std::uint64_t position = claim(credit);
    const std::uint32_t content = mark(position);
    buffer_.copy_in(position + log::kRecordHeadBytes, &content, kContent);
    publish(position, log::RecordType::state, credit.pool);
    if (!will_wait) ring();
    return position + kRecord;
  }
  void abandon(Credit& credit) {
    const std::uint64_t position = claim(credit);
    const std::uint32_t zero = 0;
    buffer_.copy_in(position + log::kRecordHeadBytes, &zero, kContent);
    publish(position, log::RecordType::pad, credit.pool);
    ring();
  }
  // Reserve, append, release what is left.
  void put() {
    Credit credit;
    if (!reserve(credit)) return;
    append(credit);
    release(credit);
  }
  // Reserve, hold it for a while, release.
  void hold(std::size_t want, bool wait = true, Pool pool = Pool::callers) {
    Credit credit;
    if (!reserve(credit, want, wait, pool)) return;
    Explorer::current()->step();
    release(credit);
  }
  void put_durable() {
    Credit credit;
    if (!reserve(credit)) return;
    const std::uint64_t end = append(credit, true);
    release(credit);
    wait_durable(end);
  }
  void wait_durable(std::uint64_t end) {
    waiters_.fetch_add(1, std::memory_order_seq_cst);
    for (;;) {
      const std::uint32_t seen = moved_.load(std::memory_order_seq_cst);
      if (durable_.load(std::memory_order_acquire) >= end) break;
      if (lead()) continue;
      ring();
      Policy::wait(moved_, seen);
    }
    waiters_.fetch_sub(1, std::memory_order_relaxed);
  }
  void hold_up(bool on) {
    const bool was = held_up_.exchange(on ? 1 : 0, std::memory_order_seq_cst) != 0;
    if (was && !on) buffer_.wake_takers();
  }

  // The clerk has an errand, from before the run; it comes back.
  void begin_errand() { errand_.store(kSent); }
  void end_errand() {
    errand_.store(kDone, std::memory_order_seq_cst);
    ring();
  }
  // Closing asks the scribe to end.
  void stop() {
    stop_.store(1, std::memory_order_seq_cst);
    bell_.ring_out([this] { queue_.wake(); });
  }

  // ---- the committer
  // `in_flight`: a block is, all the time, so that the scribe keeps the role.
  void scribe(bool in_flight = false) {
    for (bool stopping = false; !stopping;) {
      role_.lock();
      for (;;) {
        stopping = stop_.load(std::memory_order_acquire) != 0;
        if (turn()) continue;
        const bool errand = errand_.load(std::memory_order_seq_cst) != kIdle;
        if (!in_flight && !(stopping && errand)) break;
        sleep(true);
      }
      role_.unlock();
      if (!stopping) sleep(false);
    }
    ended_ = true;
  }
  // Takes what is published now.
  bool turn() {
    bool busy = false;
    if (errand_.load(std::memory_order_seq_cst) == kDone) {
      errand_.store(kIdle, std::memory_order_seq_cst);
      busy = true;
    }
    const std::uint64_t start = read_.load(std::memory_order_relaxed);
    const std::uint64_t tail = buffer_.tail();
    std::uint64_t end = start;
    std::size_t moved = 0;
    while (end < tail) {
      const std::uint32_t word = buffer_.peek(end);
      if (word == 0) break;
      if (word != words_[end]) {
        fail("a record is read that is not there");
        return false;
      }
      if ((word & log::kRecordFlagMoved) != 0) moved += kRecord;
      end += kRecord;
    }
    if (end == start) return busy;
    for (std::uint64_t each = start; each < end; each += kRecord) check_record(each);
    read_.store(end, std::memory_order_relaxed);
    const std::size_t size = end - start;
    read_end_ += size;
    out_[0] -= size - moved;
    out_[1] -= moved;
    room_left_ -= size;
    if (!Policy::kBugRoomAfterCredit) room_.store(room_left_, std::memory_order_relaxed);
    buffer_.free(start, size - moved, moved);
    if (Policy::kBugRoomAfterCredit) room_.store(room_left_, std::memory_order_relaxed);
    durable_.store(end, std::memory_order_release);
    moved_.fetch_add(1, std::memory_order_seq_cst);
    if (waiters_.load(std::memory_order_seq_cst) != 0) Policy::wake(moved_);
    return true;
  }

  // ---- after the run, as a fiber by itself
  void judge(const std::vector<const void*>& asleep) {
    for (std::size_t fiber = 0; fiber < asleep.size(); ++fiber) {
      if (asleep[fiber] == nullptr || asleep[fiber] == &queue_) continue;
      const char* const why = asleep[fiber] == &moved_  ? "until its record is durable"
                              : asleep[fiber] == &role_ ? "for the role"
                                                        : "for credit";
      fail("fiber " + std::to_string(fiber) + " sleeps for ever " + why);
    }
    if (!error_.empty()) return;
    if (buffer_.tail() != read_end_) {
      fail("the scribe sleeps on " + std::to_string(buffer_.tail() - read_end_) + " bytes");
    }
    if (errand_.load() != kIdle) fail("the scribe sleeps on an errand");
    if (stop_.load() != 0 && !ended_) fail("the scribe sleeps though it is to end");
    if (out_[0] + out_[1] != 0 || buffer_.taken() != 0) fail("credit is lost");
    if (read_end_ - first_end_ != claimed_) fail("records are lost");
    std::uint32_t word = 0;
    for (std::size_t place = 0; place < ring_ && error_.empty(); place += sizeof word) {
      buffer_.copy_out(place, &word, sizeof word);
      if (word != 0) fail("the ring is not zero at " + std::to_string(place));
    }
  }

 private:
  static constexpr std::uint32_t kIdle = 0;
  static constexpr std::uint32_t kSent = 1;
  static constexpr std::uint32_t kDone = 2;

  static std::size_t at(Pool pool) { return pool == Pool::callers ? 0 : 1; }
  static std::uint32_t mark(std::uint64_t position) {
    return 0x1000'0000u | static_cast<std::uint32_t>(position);
  }
  void fail(const std::string& what) {
    if (error_.empty()) error_ = what;
  }

  bool refuse(std::size_t want, const std::uint64_t* taken) {
    const std::uint64_t held = taken != nullptr ? *taken : buffer_.taken() + want;
    return room_.load(std::memory_order_relaxed) < held;
  }
  void publish(std::uint64_t position, log::RecordType type, Pool pool) {
    RecordHead head;
    const std::uint32_t flags = pool == Pool::cleaner ? log::kRecordFlagMoved : 0;
    head.word = log::make_word(type, flags, kContent);
    head.incarnation_low = mark(position) + 1;
    head.incarnation_high = mark(position) + 2;
    head.sum_low = mark(position) + 3;
    head.sum_high = mark(position) + 4;
    words_[position] = head.word;
    buffer_.publish(position, head);
  }
  void check_record(std::uint64_t position) {
    RecordHead head;
    std::uint32_t content = 0;
    buffer_.copy_out(position, &head, sizeof head);
    buffer_.copy_out(position + log::kRecordHeadBytes, &content, kContent);
    const bool pad = log::type_of(head.word) == log::RecordType::pad;
    const bool whole =
        head.word == words_[position] && head.incarnation_low == mark(position) + 1 &&
        head.incarnation_high == mark(position) + 2 && head.sum_low == mark(position) + 3 &&
        head.sum_high == mark(position) + 4 && content == (pad ? 0 : mark(position));
    if (!whole) fail("the record at " + std::to_string(position) + " is not whole");
  }
  void ring() {
    bell_.ring([this] { queue_.wake(); });
  }
  // The scribe's last look: Log::has_work.
  bool has_work(bool committing) {
    if (!committing) role_.lock();
    bool more = pending();
    if (!committing) role_.unlock();
    more |= errand_.load(std::memory_order_seq_cst) == kDone;
    return more || (!committing && stop_.load(std::memory_order_seq_cst) != 0);
  }
  void sleep(bool committing) {
    bell_.sleep([&] { return has_work(committing); }, [this] { queue_.wait(); });
  }
  bool pending() { return buffer_.published(read_.load(std::memory_order_relaxed)); }
  bool lead() {
    if (waiters_.load(std::memory_order_relaxed) != 1) return false;
    if (!role_.try_lock()) return false;
    const bool done = turn();
    role_.unlock();
    return done;
  }

  log::BasicBuffer<Atomic, Policy> buffer_;
  log::BasicDoorbell<Atomic, Bell> bell_;
  WakeQueue queue_;
  RoleLock role_;
  Atomic<std::uint64_t> read_{0};
  Atomic<std::uint64_t> durable_{0};
  Atomic<std::uint32_t> moved_{0};
  Atomic<std::uint32_t> waiters_{0};
  Atomic<std::uint32_t> held_up_{0};
  Atomic<std::uint64_t> room_{0};
  Atomic<std::uint32_t> errand_{kIdle};
  Atomic<std::uint32_t> stop_{0};

  // What really is, moved on at one instant.
  std::uint64_t room_left_;
  std::size_t out_[2] = {0, 0};  // credit with callers, and claimed, and not in blocks
  const std::size_t ring_;
  std::uint64_t read_end_;
  const std::uint64_t first_end_ = read_end_;
  std::uint64_t claimed_ = 0;
  bool ended_ = false;
  std::map<std::uint64_t, std::uint32_t> words_;  // published, by position
  std::string error_;
};

// A case sets its world up and names its fibers.
template <class World>
struct BufferPlot {
  std::unique_ptr<World> world;
  std::vector<std::function<void()>> bodies;
};

template <class World>
std::string run_buffer_plot(Explorer& explorer, Decisions& decisions,
                            const std::function<BufferPlot<World>()>& make) {
  BufferPlot<World> plot = make();
  const bool ends = explorer.run(plot.bodies, decisions);
  if (!plot.world->error().empty()) return plot.world->error();
  if (!ends) return "a call does not end";
  std::vector<const void*> asleep;
  for (unsigned i = 0; i < plot.bodies.size(); ++i) asleep.push_back(explorer.sleeps_on(i));
  Undisturbed calm;
  const auto judge = [&] { plot.world->judge(asleep); };
  if (!explorer.run({judge}, calm)) return "the judgement does not end";
  return plot.world->error();
}

}  // namespace warden::interleave
