// SPDX-License-Identifier: Apache-2.0
//
// Freeing the oldest segment, with each disk operation and each allocation failing in
// turn, and its refusals. Whatever happens, the next opening finds every record, or
// every one but the freed segment's, and then the catalog that replaces them.
#include <gtest/gtest.h>

#include "../unit/log/log_fixture.hpp"
#include "hooked_disk.hpp"
#include "io/posix_disk.hpp"
#include "log/log.hpp"
#include "log_runs.hpp"
#include "sim_disk.hpp"

namespace warden::sim {
namespace {

constexpr int kRecords = 120;  // of 1,000 bytes, in segments of 64 KiB

class Count final : public log::ReplaySink {
 public:
  Error apply(Lsn lsn, log::RecordType, std::uint64_t, log::Part) override {
    (lsn == Lsn::none ? cataloged : seen) += 1;
    return {};
  }
  int seen = 0;
  int cataloged = 0;
};

log::Catalog a_catalog() {
  log::Catalog out;
  out.add(log::RecordType::flow, 7, {});
  return out;
}

class Freeing : public testing::Test {
 protected:
  Freeing() {
    options_.segment_bytes = options_.first_segment_bytes = 64 * 1024;
    options_.buffer_bytes = 64 * 1024;
    options_.manual = true;
    options_.clock = &clock_;
    options_.uuid = {5, 6};
  }

  // A log of several segments, nothing of it in flight, the next one made.
  void fill(const Hook* hook = nullptr) {
    log_.reset();
    world_ = std::make_unique<SimWorld>(1);
    disk_ = make_sim_disk(*world_, clock_);
    hooked_ = std::make_unique<HookedDisk>(*disk_);
    if (hook != nullptr) hooked_->hook = [hook](const Call& call) { return (*hook)(call); };
    io::Disk& disk = hook != nullptr ? *hooked_ : *disk_;
    Count sink;
    ASSERT_EQ(log::Log::open(disk, "store", options_, sink, log_).code, Code::ok);
    append(kRecords);
    settle();
    oldest_ = log_->oldest();
    ASSERT_NE(oldest_.number, 0u);
    Count in_oldest;
    ASSERT_EQ(log_->read_oldest(oldest_.number, in_oldest).code, Code::ok);
    in_oldest_ = in_oldest.seen;
    ASSERT_GT(in_oldest_, 20);
  }
  void append(int records) {
    const std::string text(1000, 'r');
    for (int i = 0; i < records; ++i) {
      log::Credit credit;
      while (log_->reserve(text.size(), 1, log::ReserveFlags::nowait, credit) != Code::ok) {
        if (!log_->pump()) log_->queue().wait(kMilli);
      }
      log_->append(credit, log::RecordType::state, 1, std::as_bytes(std::span(text)));
      log_->release(credit);
    }
    ASSERT_EQ(log_->sync(kNever), Code::ok);
  }
  void settle() {
    while (log_->pump() || log_->in_flight()) log_->queue().wait(kMilli);
  }
  Code free_oldest(Nanos timeout = kNever) {
    return log_->free_oldest(oldest_.number, Lsn::none, a_catalog(), timeout);
  }
  // Killed and opened again, without faults. True if the segment is gone.
  bool is_gone(const std::string& where) {
    world_->crash();
    log_.reset();
    world_->fail_at = 0;
    world_->restart_after_kill();
    Count sink;
    const Error error = log::Log::open(*disk_, "store", options_, sink, log_);
    EXPECT_EQ(error.code, Code::ok) << where << error.message;
    const bool gone = sink.cataloged == 1;
    EXPECT_EQ(sink.seen, gone ? kRecords - in_oldest_ : kRecords) << where;
    return gone;
  }
  int files(const std::string& prefix) {
    std::unique_ptr<io::Dir> dir;
    std::vector<std::string> names;
    EXPECT_EQ(disk_->open_dir("store", false, dir), 0);
    EXPECT_EQ(dir->list(names), 0);
    return static_cast<int>(std::count_if(names.begin(), names.end(), [&](const std::string& name) {
      return name.compare(0, prefix.size(), prefix) == 0;
    }));
  }
  bool has_file(std::uint64_t number) { return files(log::segment_name(number)) == 1; }

  io::ManualClock clock_{kSecond};
  log::Options options_;
  std::unique_ptr<SimWorld> world_;
  std::unique_ptr<io::Disk> disk_;
  std::unique_ptr<HookedDisk> hooked_;
  std::unique_ptr<log::Log> log_;
  log::Log::Oldest oldest_;
  int in_oldest_ = 0;
};

TEST_F(Freeing, AnyOperationMayFail) {
  int ended = 0;
  int flushes = 0;
  int waited = 0;
  for (const int answer : {-EIO, -ENOSPC, -EDQUOT, -EMFILE}) {
    for (std::uint64_t n = 1;; ++n) {
      fill();
      const std::string where = std::to_string(n) + " answering " + std::to_string(answer) + ": ";
      const std::uint64_t before = world_->operations();
      int full = 0;
      log_->on_trouble([&](const Error& error) { full += error.code == Code::no_space ? 1 : 0; });
      world_->fail_at = before + n;
      world_->fail_with = answer;
      const Code code = free_oldest();
      const bool reached = world_->operations() >= before + n;
      world_->fail_at = 0;
      if (is_error(code)) {  // a failed flush of blocks, whatever it answers
        (answer == -EIO ? ended : flushes) += 1;
        EXPECT_TRUE(code == Code::io || code == Code::outcome_unknown) << where << raw(code);
        EXPECT_TRUE(log_->failed()) << where;
        is_gone(where);
      } else {
        // Also where its file could not be removed: the next opening does that.
        ASSERT_EQ(code, Code::ok) << where;
        waited += full;
        EXPECT_FALSE(log_->stats().starved) << where << "there is room again";
        EXPECT_LE(files("MANIFEST-"), 2) << where << "one that CURRENT may have named";
        EXPECT_GT(log_->oldest().number, oldest_.number) << where;
        EXPECT_TRUE(is_gone(where)) << where;
      }
      if (!reached) break;
    }
  }
  std::printf("freeing: %d operations end the log, %d make it wait\n", ended, waited);
  EXPECT_GT(ended, 5);
  EXPECT_EQ(flushes, 4) << "one for each of three answers; a write that answers EMFILE";
  EXPECT_GT(waited, 5);
}

TEST_F(Freeing, AnyAllocationMayFail) {
  int waited = 0;
  for (long n = 0;; ++n) {
    fill();
    const std::string where = "allocation " + std::to_string(n) + ": ";
    int full = 0;
    log_->on_trouble([&](const Error&) { ++full; });
    log::Catalog catalog = a_catalog();
    fail_allocation(n);
    const Code code = log_->free_oldest(oldest_.number, Lsn::none, std::move(catalog), kNever);
    const bool failed = !end_of_failing();
    ASSERT_EQ(code, Code::ok) << where;
    waited += full;
    EXPECT_TRUE(is_gone(where)) << where;
    if (!failed) break;
  }
  EXPECT_GT(waited, 2) << "those of the manifest";
}

TEST_F(Freeing, ReadingWithoutMemorySaysSo) {
  fill();
  int refused = 0;
  for (long n = 0;; ++n) {
    Count sink;
    fail_allocation(n);
    const Error error = log_->read_oldest(oldest_.number, sink);
    if (end_of_failing()) break;
    if (!error) continue;
    ++refused;
    EXPECT_EQ(error.code, Code::no_memory) << n;
  }
  EXPECT_GT(refused, 0);
}

TEST_F(Freeing, AFailedLogFreesNothing) {
  fill();
  world_->fail_at = world_->operations() + 1;
  world_->fail_with = -EIO;
  EXPECT_EQ(free_oldest(), Code::outcome_unknown) << "of the block that was to prove it";
  EXPECT_EQ(free_oldest(), Code::io);
  EXPECT_FALSE(is_gone(""));
}

// Its own room in the buffer is taken up: it waits for it, and no longer than it may.
TEST_F(Freeing, WaitsForRoomAsLongAsItMay) {
  fill();
  EXPECT_GT(log_->cleaner_room(), 0u);
  std::vector<log::Credit> held(1);
  while (log_->reserve(1024, 1, log::ReserveFlags::cleaner, held.back()) == Code::ok) {
    held.emplace_back();
  }
  held.pop_back();
  log::Credit last;
  while (log_->reserve(0, 1, log::ReserveFlags::cleaner, last) == Code::ok) {
    held.push_back(last);
  }
  ASSERT_GT(held.size(), 2u);
  EXPECT_EQ(free_oldest(kMilli), Code::timeout);
  for (log::Credit& credit : held) log_->release(credit);
  EXPECT_EQ(free_oldest(-1), Code::ok);
}

// All that is taken in the buffer would have to find a place before a copy.
TEST_F(Freeing, ThereIsNoRoomBehindWhatIsTakenAlready) {
  fill();
  const std::uint64_t most = options_.buffer_bytes;
  for (int i = 0; i < 100 && log_->stats().room > most; ++i) append(1);
  ASSERT_LE(log_->stats().room, most);
  EXPECT_GT(log_->cleaner_room(), 0u);
  std::vector<log::Credit> held;
  log::Credit one;
  for (const auto flags : {log::ReserveFlags::nowait, log::ReserveFlags::cleaner}) {
    while (log_->reserve(0, 1, flags, one) == Code::ok) held.push_back(one);
  }
  EXPECT_EQ(log_->cleaner_room(), 0u);
  for (log::Credit& credit : held) log_->release(credit);
  EXPECT_GT(log_->cleaner_room(), 0u);
}

TEST_F(Freeing, WhileItIsCopiedItWaitsAndAClosedLogEndsThat) {
  fill();
  int asked = 0;
  const log::BackupWatch watch = [&](std::uint64_t) {
    if (asked++ == 0) {
      EXPECT_EQ(free_oldest(), Code::timeout);
    }
    return Error{};
  };
  log::BackupReport report;
  SimWorld elsewhere(2);
  const auto other = make_sim_disk(elsewhere, clock_);
  ASSERT_EQ(log_->backup(*other, "copy", watch, report).code, Code::ok);
  ASSERT_GT(asked, 0);
  EXPECT_EQ(log_->oldest().number, oldest_.number);
  EXPECT_EQ(log_->close(0), Code::ok);
  EXPECT_EQ(free_oldest(), Code::store_closed);
}

// With the scribe's and the clerk's threads.
TEST(FreeingOnThreads, WaitsForRoomAsLongAsItMay) {
  const log::test::TempDir dir;
  const auto disk = io::make_real_disk(io::Backend::posix);
  log::Options options;
  options.segment_bytes = options.first_segment_bytes = 64 * 1024;
  options.buffer_bytes = 64 * 1024;
  Count sink;
  std::unique_ptr<log::Log> log;
  ASSERT_EQ(log::Log::open(*disk, dir.path(), options, sink, log).code, Code::ok);
  const std::string text(1000, 'r');
  for (int i = 0; i < kRecords; ++i) {
    log::Credit credit;
    ASSERT_EQ(log->reserve(text.size(), 1, log::ReserveFlags::none, credit), Code::ok);
    log->append(credit, log::RecordType::state, 1, std::as_bytes(std::span(text)));
    log->release(credit);
  }
  ASSERT_EQ(log->sync(kNever), Code::ok);
  const auto oldest = log->oldest();
  ASSERT_NE(oldest.number, 0u);
  std::vector<log::Credit> held;
  log::Credit one;
  while (log->reserve(0, 1, log::ReserveFlags::cleaner, one) == Code::ok) held.push_back(one);
  EXPECT_EQ(log->free_oldest(oldest.number, Lsn::none, a_catalog(), 5 * kMilli), Code::timeout);
  for (log::Credit& credit : held) log->release(credit);
  EXPECT_EQ(log->free_oldest(oldest.number, Lsn::none, a_catalog(), kNever), Code::ok);
  EXPECT_GT(log->oldest().number, oldest.number);
}

TEST_F(Freeing, TheFirstFileIsUsedAgainTheNextIsRemoved) {
  fill();
  append(kRecords);
  settle();
  const std::uint64_t first = oldest_.number;
  ASSERT_EQ(free_oldest(), Code::ok);
  oldest_ = log_->oldest();
  ASSERT_EQ(oldest_.number, first + 1);
  ASSERT_EQ(free_oldest(), Code::ok);
  EXPECT_TRUE(has_file(first)) << "until the next segment is begun";
  EXPECT_FALSE(has_file(first + 1));
  append(kRecords);
  settle();
  EXPECT_FALSE(has_file(first));
  EXPECT_EQ(log_->stats().freed, 2u);
  EXPECT_EQ(log_->stats().recycled, 1u);
  // All but the one that is being written.
  while ((oldest_ = log_->oldest()).number != 0) ASSERT_EQ(free_oldest(), Code::ok);
  append(1);
  EXPECT_TRUE(has_file(log_->stats().freed + 1));
}

// The freed file cannot be renamed for a while, or not opened under its new name.
TEST_F(Freeing, AFileThatCannotBeTakenAtOnceIsUsedAgainLater) {
  for (const Op op : {Op::rename, Op::open}) {
    Hook hook = [](const Call&) -> Answer { return {}; };
    fill(&hook);
    append(kRecords);
    settle();
    ASSERT_EQ(free_oldest(), Code::ok);
    settle();
    const int before = files("wal-");
    int refused = 0;
    hook = [&](const Call& call) -> Answer {
      if (call.op != op || call.name.compare(0, 4, "wal-") != 0 || refused == 3) return {};
      ++refused;
      return -EMFILE;
    };
    for (int i = 0; i < 200 && log_->stats().recycled == 0; ++i) {
      append(10);
      settle();
      clock_.advance(kSecond);
    }
    EXPECT_EQ(log_->stats().recycled, 1u);
    log_.reset();  // before the hook
    EXPECT_EQ(refused, 3);
    EXPECT_EQ(files("wal-"), before) << "no file was left behind, none was made";
  }
}

// Nothing was written since it was opened, so all there is may go.
TEST_F(Freeing, AllOfItBeforeAnythingIsWritten) {
  fill();
  EXPECT_FALSE(is_gone("as it was: "));
  int freed = 0;
  while ((oldest_ = log_->oldest()).number != 0) {
    ASSERT_EQ(free_oldest(), Code::ok);
    ++freed;
  }
  EXPECT_GT(freed, 1);
  world_->crash();
  log_.reset();
  world_->restart_after_kill();
  Count sink;
  ASSERT_EQ(log::Log::open(*disk_, "store", options_, sink, log_).code, Code::ok);
  EXPECT_EQ(sink.seen, 0);
  EXPECT_EQ(sink.cataloged, 1);
}

TEST_F(Freeing, IsRefusedUnlessItIsTheOldestOfALogThatIsWritten) {
  fill();
  const auto ask = [&](std::uint64_t number, Nanos timeout) {
    return log_->free_oldest(number, Lsn::none, a_catalog(), timeout);
  };
  EXPECT_EQ(ask(0, kNever), Code::invalid_argument);
  EXPECT_EQ(ask(oldest_.number + 1, kNever), Code::invalid_argument);
  EXPECT_EQ(ask(oldest_.number, 0), Code::timeout) << "not even the proof is written";
  Count sink;
  EXPECT_EQ(log_->read_oldest(oldest_.number + 1, sink).code, Code::invalid_argument);
  EXPECT_EQ(log_->free_oldest(oldest_.number, static_cast<Lsn>(raw(log_->last_appended()) + 8),
                              a_catalog(), kNever),
            Code::out_of_range);
  EXPECT_EQ(ask(oldest_.number, kNever), Code::ok);
  EXPECT_EQ(ask(oldest_.number, kNever), Code::ok) << "it is free already";
  log::Options options = options_;
  options.mode = log::Mode::read_only;
  std::unique_ptr<log::Log> reader;
  ASSERT_EQ(log::Log::open(*disk_, "store", options, sink, reader).code, Code::ok);
  EXPECT_EQ(reader->oldest().number, 0u);
  EXPECT_EQ(reader->cleaner_room(), 0u);
  EXPECT_EQ(reader->free_oldest(1, Lsn::none, {}, kNever), Code::read_only);
}

}  // namespace
}  // namespace warden::sim
