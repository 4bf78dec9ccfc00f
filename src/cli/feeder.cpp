// SPDX-License-Identifier: Apache-2.0
//
// See feeder.hpp.
#include "cli/feeder.hpp"

#include <fmt/format.h>

#include <new>
#include <utility>

#include "cli/text.hpp"

namespace warden::cli {

// One thread's share: its rows, its chunk in the form of a batch.
class FeedRun::Feeder {
 public:
  Feeder(FeedRun& run, std::uint32_t number) : run_(run), number_(number) {}

  void feed();

 private:
  struct Turn {
    std::uint32_t row;
    std::uint32_t seq;
    bool first;  // of its case
  };

  void choose_rows();
  void add(const Turn& turn);
  // False: the run is to stop.
  bool flush();
  bool submit(std::uint32_t op, const std::vector<warden_batch_entry>& entries,
              const std::vector<std::uint32_t>& rows);
  Failure refused(std::uint32_t row, std::int32_t code) const;

  FeedRun& run_;
  std::uint32_t number_;
  std::vector<Turn> turns_;
  std::vector<warden_batch_entry> tracks_;
  std::vector<std::uint32_t> track_rows_;
  std::vector<warden_batch_entry> marks_;
  std::vector<std::uint32_t> mark_rows_;
  std::vector<warden_batch_result> results_;
  FeedCounts counts_;
};

void FeedRun::Feeder::choose_rows() {
  std::vector<bool> seen(run_.log_.cases.size());
  std::uint32_t seq = 0;
  for (const std::uint32_t row : run_.log_.order) {
    ++seq;
    const std::uint32_t case_no = run_.log_.rows[row].case_no;
    if (case_no % run_.options_.feeders != number_) continue;
    turns_.push_back({row, seq, !seen[case_no]});
    seen[case_no] = true;
  }
}

void FeedRun::Feeder::add(const Turn& turn) {
  const EventRow& row = run_.log_.rows[turn.row];
  const Name key = run_.log_.cases[row.case_no];
  const Name stage = run_.log_.stages[row.stage_no].name;
  warden_batch_entry entry{};
  entry.key_offset = key.offset;
  entry.key_len = key.size;
  entry.at_ns = row.at_ns;
  if (turn.first) {
    tracks_.push_back(entry);
    track_rows_.push_back(turn.row);
  }
  entry.arg_offset = stage.offset;
  entry.arg_len = stage.size;
  entry.due_first = row.due_first;
  entry.due_count = row.due_count;
  entry.seq = turn.seq;
  marks_.push_back(entry);
  mark_rows_.push_back(turn.row);
}

bool FeedRun::Feeder::flush() {
  const bool ok =
      submit(WARDEN_OP_TRACK, tracks_, track_rows_) && submit(WARDEN_OP_MARK, marks_, mark_rows_);
  if (ok) {
    counts_.events += marks_.size();
    run_.fed_.fetch_add(marks_.size(), std::memory_order_relaxed);
  }
  tracks_.clear();
  track_rows_.clear();
  marks_.clear();
  mark_rows_.clear();
  return ok;
}

bool FeedRun::Feeder::submit(std::uint32_t op, const std::vector<warden_batch_entry>& entries,
                             const std::vector<std::uint32_t>& rows) {
  if (entries.empty()) return true;
  results_.resize(entries.size());
  warden_batch batch = WARDEN_BATCH_INIT;
  batch.count = static_cast<std::uint32_t>(entries.size());
  batch.flow = run_.flow_.data();
  batch.flow_len = run_.flow_.size();
  batch.blob = run_.log_.names.data();
  batch.blob_len = run_.log_.names.size();
  batch.entries = entries.data();
  batch.dues = run_.dues_.data();
  batch.due_count = run_.dues_.size();
  batch.results = results_.data();
  const std::int32_t code = warden_batch_run(run_.store_, op, &batch, nullptr);
  if (code < 0) {
    run_.fail(engine_failure("feeding a batch", code));
    return false;
  }
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const std::int32_t answer = results_[i].code;
    if (answer < 0) {
      run_.fail(refused(rows[i], answer));
      return false;
    }
    if (answer == WARDEN_NEW) ++counts_.tracked_new;
    if (answer == WARDEN_ALREADY) ++counts_.already;
  }
  return true;
}

Failure FeedRun::Feeder::refused(std::uint32_t row_no, std::int32_t code) const {
  const EventRow& row = run_.log_.rows[row_no];
  const std::string place = fmt::format("{}:{}", run_.log_file_, row.line);
  if (code == WARDEN_E_UNKNOWN_ITEM) {
    return bad_input(fmt::format(
        "{}: case {} was closed and is forgotten; expected a flow whose `dedupe` is longer than "
        "the log",
        place, in_quotes(case_of_key(run_.log_.text(run_.log_.cases[row.case_no])))));
  }
  if (code == WARDEN_E_UNKNOWN_STAGE) {
    return bad_input(fmt::format(
        "{}: stage {} is not in flow {}; expected one of its stages", place,
        in_quotes(run_.log_.text(run_.log_.stages[row.stage_no].name)), in_quotes(run_.flow_)));
  }
  return engine_failure(fmt::format("{}: feeding the event", place), code);
}

void FeedRun::Feeder::feed() {
  choose_rows();
  for (std::uint32_t round = 0; round < run_.options_.times; ++round) {
    for (const Turn& turn : turns_) {
      add(turn);
      if (marks_.size() < run_.options_.batch) continue;
      if (run_.failed() || !flush()) return;
    }
    if (run_.failed() || !flush()) return;
  }
  const std::lock_guard lock{run_.mutex_};
  run_.counts_.tracked_new += counts_.tracked_new;
  run_.counts_.events += counts_.events;
  run_.counts_.already += counts_.already;
}

FeedRun::FeedRun(warden_store* store, std::string_view flow, const std::string& log_file,
                 const EventLog& log, const FeedOptions& options)
    : store_(store), flow_(flow), log_file_(log_file), log_(log), options_(options) {
  dues_.reserve(log.dues.size());
  for (const EventDue& due : log.dues) {
    const Name rule = log.due_rules[due.rule_no];
    dues_.push_back({rule.offset, rule.size, due.instant_ns});
  }
}

FeedRun::~FeedRun() {
  failed_.store(true, std::memory_order_relaxed);
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

void FeedRun::fail(Failure failure) {
  const std::lock_guard lock{mutex_};
  if (!failure_) failure_ = std::move(failure);
  failed_.store(true, std::memory_order_relaxed);
}

void FeedRun::start() {
  threads_.reserve(options_.feeders);
  running_.store(options_.feeders, std::memory_order_relaxed);
  for (std::uint32_t number = 0; number < options_.feeders; ++number) {
    threads_.emplace_back([this, number] {
      try {
        Feeder{*this, number}.feed();
      } catch (const std::bad_alloc&) {
        fail(bad_environment("out of memory while feeding"));
      }
      running_.fetch_sub(1, std::memory_order_relaxed);
    });
  }
}

Result<FeedCounts> FeedRun::join() {
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  const std::lock_guard lock{mutex_};
  if (failure_) return *failure_;
  return counts_;
}

}  // namespace warden::cli
