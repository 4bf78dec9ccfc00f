// SPDX-License-Identifier: Apache-2.0
//
// A copy onto a disk that loses power before each single operation: afterwards there is
// no store there, or the whole one; the whole one for certain once the copy was told to
// be done. And onto a disk that fills up.
#include <gtest/gtest.h>

#include "hooked_disk.hpp"
#include "io/posix_disk.hpp"
#include "log/log.hpp"
#include "sim_disk.hpp"

namespace warden::sim {
namespace {

constexpr int kRecords = 120;

class Count final : public log::ReplaySink {
 public:
  Error apply(Lsn lsn, log::RecordType, std::uint64_t incarnation, log::Part) override {
    if (lsn == Lsn::none) return ++cataloged, Error{};
    ++seen;
    in_order = in_order && incarnation == seen;
    return {};
  }
  std::uint64_t seen = 0;
  std::uint64_t cataloged = 0;
  bool in_order = true;
};

// "from" lies in one world, everything else in the other.
class TwoDisks final : public io::Disk {
 public:
  TwoDisks(SimWorld& from, SimWorld& to, io::ManualClock& clock)
      : from_(make_sim_disk(from, clock)), to_(make_sim_disk(to, clock)) {}
  int open_dir(const char* path, bool create, std::unique_ptr<io::Dir>& out) noexcept override {
    return (std::string_view(path) == "from" ? from_ : to_)->open_dir(path, create, out);
  }

 private:
  std::unique_ptr<io::Disk> from_;
  std::unique_ptr<io::Disk> to_;
};

class BackupPower : public testing::Test {
 protected:
  BackupPower() {
    options_.segment_bytes = options_.first_segment_bytes = 64 * 1024;
    options_.buffer_bytes = 64 * 1024;
    options_.manual = true;
    options_.clock = &clock_;
    options_.uuid = {5, 6};
  }
  void SetUp() override {
    Count sink;
    ASSERT_EQ(log::Log::open(*disk_, "from", options_, sink, log_).code, Code::ok);
    for (std::uint64_t i = 1; i <= kRecords; ++i) {
      const std::string text(1000, 'r');
      log::Credit credit;
      while (log_->reserve(text.size(), 1, log::ReserveFlags::nowait, credit) != Code::ok) {
        if (!log_->pump()) log_->queue().wait(kMilli);
      }
      log_->append(credit, log::RecordType::state, i, std::as_bytes(std::span(text)));
      log_->release(credit);
    }
    ASSERT_EQ(log_->sync(kNever), Code::ok);
  }
  // What opens at the destination: -1 if nothing does, else the number of records.
  int opens() {
    Count sink;
    std::unique_ptr<log::Log> log;
    log::Options options = options_;
    options.mode = log::Mode::read_only;
    if (log::Log::open(*disk_, "to", options, sink, log)) return -1;
    EXPECT_TRUE(sink.in_order);
    return static_cast<int>(sink.seen);
  }
  Error copy(bool inside) {
    log::BackupReport report;
    return inside ? log_->backup(*disk_, "to", {}, report)
                  : log::backup(*disk_, "from", "to", {}, report);
  }

  SimWorld from_{1};
  io::ManualClock clock_{kSecond};
  log::Options options_;
  std::unique_ptr<SimWorld> to_ = std::make_unique<SimWorld>(2);
  std::unique_ptr<io::Disk> disk_ = std::make_unique<TwoDisks>(from_, *to_, clock_);
  std::unique_ptr<log::Log> log_;
};

TEST_F(BackupPower, LostBeforeAnyOperationLeavesNoStoreOrTheWholeOne) {
  int whole = 0;
  int none = 0;
  bool finished = false;
  for (std::uint64_t point = 1; !finished; ++point) {
    for (std::uint64_t variant = 0; variant < 12; ++variant) {
      to_ = std::make_unique<SimWorld>(point * 100 + variant);
      disk_ = std::make_unique<TwoDisks>(from_, *to_, clock_);
      to_->crash_at = point;
      const Error error = copy(variant % 2 == 0);
      finished = !to_->crashed();
      EXPECT_EQ(!error, finished) << point << ": " << error.message;
      if (finished) to_->crash();
      to_->restart_at_random();
      const int records = opens();
      ASSERT_TRUE(records == -1 || records == kRecords) << point << ": " << records;
      ASSERT_TRUE(!finished || records == kRecords) << records;
      (records == -1 ? none : whole) += 1;
    }
  }
  std::printf("backup: %d power losses left no store, %d the whole one\n", none, whole);
  EXPECT_GT(none, 20);
  EXPECT_GT(whole, 12);
}

TEST_F(BackupPower, AFullDiskIsSaidAndLeavesNoStore) {
  int full = 0;
  for (std::uint64_t capacity = 4096; capacity < 400 * 1024; capacity += 12 * 1024) {
    to_ = std::make_unique<SimWorld>(capacity);
    disk_ = std::make_unique<TwoDisks>(from_, *to_, clock_);
    to_->capacity = capacity;
    const Error error = copy(capacity % 8192 == 0);
    to_->crash();
    to_->restart_at_random();
    if (!error) {
      EXPECT_EQ(opens(), kRecords);
      continue;
    }
    ++full;
    EXPECT_EQ(error.code, Code::no_space) << error.message;
    EXPECT_EQ(opens(), -1);
  }
  EXPECT_GT(full, 5);
}

// A manifest without the oldest segment is being written: the copy has to be of what
// it says, whether that manifest comes to be or not.
TEST_F(BackupPower, WhileTheOldestSegmentIsBeingFreedItIsOfWhatIsLeft) {
  for (const int answer : {0, -ENOSPC}) {
    log_.reset();
    to_ = std::make_unique<SimWorld>(3);
    disk_ = std::make_unique<TwoDisks>(from_, *to_, clock_);
    HookedDisk watched(*disk_);
    Count all;
    ASSERT_EQ(log::Log::open(watched, "from", options_, all, log_).code, Code::ok);
    log::Credit credit;
    ASSERT_EQ(log_->reserve(0, 1, log::ReserveFlags::nowait, credit), Code::ok);
    log_->append(credit, log::RecordType::state, kRecords + 1, log::Part());
    log_->release(credit);
    ASSERT_EQ(log_->sync(kNever), Code::ok);
    while (log_->pump() || log_->in_flight()) log_->queue().wait(kMilli);  // the next segment
    const log::Log::Oldest oldest = log_->oldest();
    ASSERT_NE(oldest.number, 0u);
    Count in_oldest;
    ASSERT_EQ(log_->read_oldest(oldest.number, in_oldest).code, Code::ok);
    ASSERT_GT(in_oldest.seen, 0u);
    log::Catalog catalog;
    catalog.add(log::RecordType::flow, 7, {});
    int copied = 0;
    Error error;
    watched.hook = [&](const Call& call) -> Answer {
      if (call.op != Op::rename || call.name != "CURRENT.tmp" || copied++ != 0) return {};
      log::BackupReport report;
      error = log_->backup(*disk_, "to", {}, report);
      return answer == 0 ? Answer() : Answer(answer);
    };
    EXPECT_EQ(log_->free_oldest(oldest.number, Lsn::none, std::move(catalog), kNever), Code::ok);
    watched.hook = nullptr;
    EXPECT_EQ(copied, answer == 0 ? 1 : 2);
    ASSERT_EQ(error.code, Code::ok) << error.message;
    EXPECT_GT(log_->oldest().number, oldest.number);
    log::Options options = options_;
    options.mode = log::Mode::read_only;
    Count copy;
    std::unique_ptr<log::Log> opened;
    ASSERT_EQ(log::Log::open(*disk_, "to", options, copy, opened).code, Code::ok);
    EXPECT_EQ(copy.seen, all.seen + 1 - in_oldest.seen);
    EXPECT_EQ(copy.cataloged, 1u);
    log_.reset();  // before its disk
  }
}

}  // namespace
}  // namespace warden::sim
