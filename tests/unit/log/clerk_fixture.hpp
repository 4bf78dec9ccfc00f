// SPDX-License-Identifier: Apache-2.0
//
// A log with its threads, brought so far that its clerk is out on an errand of some kind
// and stands before a call of it; and what the log must hold afterwards.
#pragma once

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <ostream>
#include <string>
#include <thread>
#include <vector>

#include "clerk_gate.hpp"
#include "counted_threads.hpp"
#include "log/manifest.hpp"
#include "log_fixture.hpp"

namespace warden::log::test {

// Errands, by their calls in order.
struct Kind {
  const char* name;
  std::vector<std::string> points;
  bool frees = false;  // a segment that somebody waits for
};
inline const std::vector<Kind>& kinds() {
  static const std::vector<Kind> all = [] {
    const std::vector<std::string> manifest = {
        "open MANIFEST", "write MANIFEST", "flush MANIFEST", "sync MANIFEST", "open CURRENT",
        "write CURRENT", "flush CURRENT",  "rename CURRENT", "sync CURRENT",  "unlink MANIFEST"};
    std::vector<std::string> list = manifest;
    list.insert(list.begin(), "sync wal");
    std::vector<std::string> drop = manifest;
    drop.emplace_back("unlink wal");
    return std::vector<Kind>{{"create", {"open wal"}},
                             {"recycle", {"rename wal", "open wal"}},
                             {"list", list},
                             {"keep", manifest, true},  // its file is kept to be used again
                             {"drop", drop, true}};
  }();
  return all;
}
inline std::vector<Kind> kinds_with(const std::string& point) {
  std::vector<Kind> out;
  for (const Kind& kind : kinds()) {
    const auto& points = kind.points;
    if (std::find(points.begin(), points.end(), point) != points.end()) out.push_back(kind);
  }
  return out;
}
inline void PrintTo(const Kind& kind, std::ostream* out) {
  *out << kind.name;
}
// Where the log's answer does not depend on that of the call: a file left over.
inline bool is_ignored(const std::string& point) {
  return point.compare(0, 6, "unlink") == 0;
}

class ClerkTest : public testing::Test {
 protected:
  static constexpr std::uint64_t kSegment = 64 * 1024;

  ClerkTest() {
    options_.segment_bytes = options_.first_segment_bytes = kSegment;
    options_.buffer_bytes = 64 * 1024;
    options_.beacon_after = kHour;  // nobody is busy but with what the test wants
    options_.starved_retry = kMilli;
  }
  ~ClerkTest() override {
    let_go();
    join_cleaner();
  }
  // Also where an assertion ended the case, nobody is left at the gate.
  void let_go() {
    if (gate_ == nullptr) return;
    gate_->heal();
    gate_->open();
  }

  // A new log, in a directory of its own, the gate open.
  void start(bool synchronous = true) {
    log_.reset();
    dir_ = std::make_unique<TempDir>();
    real_ = io::make_real_disk(synchronous ? io::Backend::posix : io::Backend::automatic);
    std::filesystem::create_directory(dir_->path());  // or its name would be flushed
    disk_ = std::make_unique<sim::HookedDisk>(*real_);
    plain_ = std::make_unique<sim::HookedDisk>(*real_);
    plain_->synchronous = true;
    plain_->hook = ClerkGate::flush_nothing;
    gate_ = std::make_unique<ClerkGate>();
    disk_->synchronous = synchronous;
    disk_->hook = [this](const sim::Call& call) { return (*gate_)(call); };
    issued_.clear();
    durable_.clear();
    freed_to_ = asked_to_ = Lsn::none;
    freed_ = asked_ = 0;
    KeepingSink sink;
    const Error error = Log::open(*disk_, dir_->path(), options_, sink, log_);
    ASSERT_EQ(error.code, Code::ok) << error.message;
  }

  // ---- records; any thread
  Lsn issue(Credit& credit) {
    const std::lock_guard lock(book_);
    const std::string text = "record " + std::to_string(issued_.size());
    const Lsn lsn = log_->append(credit, RecordType::state, 7, bytes_of(text));
    log_->release(credit);
    issued_[lsn] = text;
    return lsn;
  }
  Code wait_for(Lsn lsn) {
    const Code code = log_->wait_durable(lsn, kNever);
    const std::lock_guard lock(book_);
    if (code == Code::ok) durable_.push_back(lsn);
    return code;
  }
  void put_one(ReserveFlags flags = ReserveFlags::none) {
    Credit credit;
    ASSERT_EQ(log_->reserve(20, 1, flags, credit), Code::ok);
    ASSERT_EQ(wait_for(issue(credit)), Code::ok);
  }
  // One a page, until so many segments were begun.
  void put_until(std::uint64_t segments) {
    while (log_->stats().segments < segments && !HasFatalFailure()) put_one();
  }
  // And the one after them is there: the clerk has nothing to do.
  void fill(std::uint64_t segments) {
    put_until(segments);
    while (log_->stats().room <= kSegment && !log_->failed()) std::this_thread::yield();
    ASSERT_FALSE(log_->failed());
  }

  // ---- freeing
  static Catalog catalog_of(std::uint64_t number) {
    Catalog out;
    out.add(RecordType::flow, 7, bytes_of(std::to_string(number)));
    return out;
  }
  void free_one() {
    const Log::Oldest oldest = log_->oldest();
    ASSERT_NE(oldest.number, 0u);
    ASSERT_EQ(log_->free_oldest(oldest.number, oldest.end, catalog_of(oldest.number), kNever),
              Code::ok);
    asked_ = freed_ = oldest.number;
    asked_to_ = freed_to_ = oldest.end;
  }
  // Nobody waits for it.
  void only_ask_to_free() {
    const Log::Oldest oldest = log_->oldest();
    ASSERT_NE(oldest.number, 0u);
    Catalog catalog = catalog_of(oldest.number);
    while (!catalog.empty()) {  // it is taken once the log was asked
      const Code code =
          log_->free_oldest(oldest.number, oldest.end, std::move(catalog), 20 * kMilli);
      ASSERT_TRUE(code == Code::timeout || code == Code::ok) << raw(code);
    }
    asked_ = oldest.number;
    asked_to_ = oldest.end;
  }
  // On a thread of its own, which waits for it.
  void ask_to_free() {
    const Log::Oldest oldest = log_->oldest();
    ASSERT_NE(oldest.number, 0u);
    asked_ = oldest.number;
    asked_to_ = oldest.end;
    cleaner_ = std::thread([this, oldest] {
      freeing_ = log_->free_oldest(oldest.number, oldest.end, catalog_of(oldest.number), kNever);
    });
  }
  Code join_cleaner() {
    if (cleaner_.joinable()) cleaner_.join();
    return freeing_;
  }
  // The segment that was asked for is gone for certain.
  void is_freed() {
    freed_ = asked_;
    freed_to_ = asked_to_;
  }

  // ---- errands
  // What comes before the errand. Then what makes the clerk set out.
  void prepare(const Kind& kind) {
    const std::string name = kind.name;
    if (name == "recycle") {
      fill(3);
      free_one();
    } else if (name == "keep") {
      fill(3);
    } else if (name == "drop") {
      fill(4);
      free_one();
    }
  }
  void trigger(const Kind& kind) {
    const std::string name = kind.name;
    if (kind.frees) {
      ask_to_free();
    } else if (name == "recycle") {
      put_until(4);
    } else {
      put_one();
    }
  }
  // The clerk stands there now.
  void send(const Kind& kind, const std::string& point) {
    prepare(kind);
    gate_->close(point);
    trigger(kind);
    gate_->await();
  }

  // ---- afterwards
  // The directory holds what its manifest lists, and nothing else.
  void expect_no_orphans() {
    std::unique_ptr<io::Dir> dir;
    ASSERT_EQ(real_->open_dir(dir_->path().c_str(), false, dir), 0);
    Manifest manifest;
    const Error error = read_manifest(*dir, dir_->path(), manifest);
    ASSERT_EQ(error.code, Code::ok) << error.message;
    std::vector<std::string> expected = {"CURRENT", "LOCK", manifest_name(manifest.number)};
    for (const SegmentEntry& entry : manifest.segments) {
      expected.push_back(segment_name(entry.number));
    }
    std::vector<std::string> names;
    ASSERT_EQ(dir->list(names), 0);
    std::sort(names.begin(), names.end());
    std::sort(expected.begin(), expected.end());
    EXPECT_EQ(names, expected);
  }

  // Records by LSN, and what the catalog hands on.
  static std::pair<std::map<Lsn, std::string>, std::string> told(const KeepingSink& sink) {
    std::map<Lsn, std::string> found;
    std::string catalog;
    for (const Seen& seen : sink.seen) {
      if (seen.lsn == Lsn::none) {
        catalog += seen.content;
      } else {
        found[seen.lsn] = seen.content;
      }
    }
    return {found, catalog};
  }
  // Opens it anew without the gate: everything acknowledged is there but what was freed,
  // as a whole and with the catalog that stands for it, and nothing that was never issued.
  void expect_kept() {
    log_.reset();
    KeepingSink sink;
    std::unique_ptr<Log> log;
    const Error error = Log::open(*plain_, dir_->path(), options_, sink, log);
    ASSERT_EQ(error.code, Code::ok) << error.message;
    const auto [found, catalog] = told(sink);
    for (const auto& [lsn, text] : found) {
      const auto record = issued_.find(lsn);
      ASSERT_NE(record, issued_.end()) << text << " was never issued";
      EXPECT_EQ(text, record->second);
    }
    // There is always one in a segment that was asked for.
    const bool gone = found.empty() || found.begin()->first > asked_to_;
    for (const Lsn lsn : durable_) {
      const bool kept = lsn > asked_to_ || (!gone && lsn > freed_to_);
      EXPECT_EQ(found.count(lsn), kept ? 1u : 0u) << issued_[lsn];
    }
    const std::uint64_t newest = gone ? asked_ : freed_;
    EXPECT_EQ(catalog, newest == 0 ? "" : std::to_string(newest));
    EXPECT_EQ(log->close(kNever), Code::ok);
    log.reset();
    expect_no_orphans();
  }

  Options options_;
  std::unique_ptr<TempDir> dir_;
  std::unique_ptr<io::Disk> real_;
  std::unique_ptr<ClerkGate> gate_;
  std::unique_ptr<sim::HookedDisk> disk_;
  std::unique_ptr<sim::HookedDisk> plain_;  // the same without the gate
  std::mutex book_;
  std::map<Lsn, std::string> issued_;
  std::vector<Lsn> durable_;
  std::uint64_t freed_ = 0;  // newest segment that is gone; 0: none
  std::uint64_t asked_ = 0;  // newest that was asked for
  Lsn freed_to_ = Lsn::none;
  Lsn asked_to_ = Lsn::none;
  std::atomic<Code> freeing_{Code::ok};
  std::unique_ptr<Log> log_;
  std::thread cleaner_;
};

class ClerkErrand : public ClerkTest, public testing::WithParamInterface<Kind> {};

inline std::string name_of_kind(const testing::TestParamInfo<Kind>& info) {
  return info.param.name;
}

}  // namespace warden::log::test
