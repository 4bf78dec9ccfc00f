// SPDX-License-Identifier: Apache-2.0
//
// The audit consumer of a replay. In memory: a thread that polls, records and
// acknowledges alerts while events are being fed, so that alerts do not pile up
// unread. With a durable store: nothing is taken before all has been fed, then each
// poll's alerts go into the journal before they are acknowledged (drain()).
//
// Data flow: warden_consumer_poll -> [AlertJournal] -> Collector (counts; rows of
// breaches and ids if they are wanted) -> summary and OUT.csv.
//
// Invariants:
//   1. Delivery is at least once: an alert counts once, by its id.
//   2. finish() returns after a poll that found nothing, begun after the call:
//      whatever had been raised by then is in. Results are read after it.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <tuple>
#include <unordered_set>
#include <utility>
#include <vector>

#include "cli/alert_journal.hpp"
#include "cli/engine.hpp"

namespace warden::cli {

// One row of OUT.csv, in the order in which rows are sorted.
struct BreachRow {
  std::int64_t raised_ns = 0;
  std::int64_t deadline_ns = 0;
  std::string case_id;
  std::string rule;
  std::string stage;

  friend bool operator<(const BreachRow& a, const BreachRow& b) {
    return std::tie(a.raised_ns, a.deadline_ns, a.case_id, a.rule, a.stage) <
           std::tie(b.raised_ns, b.deadline_ns, b.case_id, b.rule, b.stage);
  }
};

// "BREACH", "WARN", "ESCALATION 2", ...
std::string kind_name(std::uint32_t kind, std::uint32_t level);

class Collector {
 public:
  using Counts = std::map<std::pair<std::string, std::string>, std::uint64_t>;  // (rule, kind)

  Collector(Consumer consumer, bool keep_rows)
      : consumer_(std::move(consumer)), keep_rows_(keep_rows) {}
  Collector(const Collector&) = delete;
  Collector& operator=(const Collector&) = delete;
  ~Collector() { stop(); }

  void start();
  // Takes what is left, ends the thread. What went wrong, if anything did.
  Status finish();

  // What an earlier run on the same store took; before drain().
  void recall(AlertEntry entry) { keep(std::move(entry)); }
  // Instead of start() and finish(): takes all there is, each poll's alerts committed
  // to the journal before they are acknowledged.
  Status drain(AlertJournal& journal);

  const Counts& counts() const { return counts_; }
  // OUT.csv: header and rows, sorted, so that the number of feeders and their
  // pace do not show.
  std::string to_csv();
  // The ids of all alerts, sorted, one in hexadecimal a line.
  std::string ids_text() const;
  std::uint64_t distinct() const { return seen_.size(); }

 private:
  struct IdHash {
    std::size_t operator()(const AlertId& id) const {
      return id.first;  // an alert's id is a hash already
    }
  };

  void stop();
  void run();
  // One poll and its acknowledgement; the number of alerts or a negative code.
  std::int32_t take(std::int64_t timeout_ns);
  AlertEntry entry_of(const warden_alert& alert) const;
  void keep(AlertEntry entry);

  Consumer consumer_;
  bool keep_rows_;
  std::thread thread_;
  // Set by the owner, read by the thread between polls; it carries no data, so
  // relaxed suffices: join() orders the results.
  std::atomic<bool> finishing_{false};
  std::vector<warden_alert> alerts_;
  std::vector<char> buffer_;
  std::vector<std::uint64_t> leases_;
  AlertJournal* journal_ = nullptr;
  std::unordered_set<AlertId, IdHash> seen_;
  Counts counts_;
  std::vector<BreachRow> rows_;
  Status failure_;
};

}  // namespace warden::cli
