// SPDX-License-Identifier: Apache-2.0
//
// The parent's own record of a durable demo, from the worker's notes: what was
// called, what was acknowledged, what a restarted worker found in the store; and
// whether anything acknowledged is gone.
//
// Data flow: Note -> take() -> ItemRecord, AlertNote (demo_oracle judges them);
// scan_end -> reconcile: calls without an answer are settled by what is there.
//
// Invariant: a call that was acknowledged is never taken back here: if the store does
// not show it, it counts as lost.
#pragma once

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "cli/demo_oracle.hpp"
#include "cli/demo_wire.hpp"
#include "cli/histogram.hpp"

namespace warden::cli {

class DemoLedger {
 public:
  DemoLedger(std::uint32_t feeders, std::uint64_t seed, double drop_share)
      : seed_(seed), share_(drop_share), records_(feeders), seen_(feeders) {}

  void take(const Note& note);
  // The worker was killed at this instant: the next scan settles what was under way.
  void killed(std::int64_t now) { killed_ns_ = now; }
  // Its successor has found all that is in the store.
  void back(std::int64_t now) { back_ns_ = now; }

  Verdict judge_all() const { return judge(records_, alerts_); }
  // First number that no call of this feeder has used.
  std::uint32_t next_item(std::uint32_t feeder) const {
    return static_cast<std::uint32_t>(records_[feeder].size());
  }

  std::uint64_t lost() const { return lost_; }
  std::uint64_t wrong() const { return wrong_; }
  std::uint64_t acknowledged() const { return acks_.count(); }
  std::uint64_t found() const { return found_; }  // open items at the last scan
  std::uint64_t again() const { return again_; }  // alerts that came again, by id
  const std::string& example() const { return example_; }
  const Histogram& acks() const { return acks_; }
  const Histogram& latency() const { return latency_; }
  // Of alerts whose deadline passed before the restarted worker was through its scan:
  // nobody could have had them sooner.
  const Histogram& restart_latency() const { return restart_latency_; }
  bool fed() const { return fed_; }
  bool scanned() const { return scanned_; }
  const Note& figures() const { return figures_; }
  void new_life() {
    fed_ = scanned_ = false;
    found_ = 0;
    figures_ = Note{};
  }

 private:
  struct Seen {
    std::uint32_t acked = 0;  // a bit a step
    std::int32_t present = -1;
  };

  static Span& span(ItemRecord& record, std::uint32_t step) {
    return step == 0 ? record.tracked : record.marks[step - 1];
  }
  bool grow(const Note& note);
  void take_alert(const Note& note);
  void reconcile();
  void settle(ItemRecord& record, const Seen& seen, std::uint32_t feeder, std::uint32_t item);
  void blame(std::string what);

  std::uint64_t seed_;
  double share_;
  std::vector<std::vector<ItemRecord>> records_;
  std::vector<std::vector<Seen>> seen_;
  std::vector<AlertNote> alerts_;
  std::set<std::pair<std::uint64_t, std::uint64_t>> ids_;
  Histogram acks_;
  Histogram latency_;
  Histogram restart_latency_;
  std::uint64_t lost_ = 0;
  std::uint64_t wrong_ = 0;
  std::uint64_t found_ = 0;
  std::uint64_t again_ = 0;
  std::int64_t killed_ns_ = 0;
  std::int64_t back_ns_ = 0;
  bool fed_ = false;
  bool scanned_ = false;
  Note figures_;
  std::string example_;
};

}  // namespace warden::cli
