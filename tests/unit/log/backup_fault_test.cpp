// SPDX-License-Identifier: Apache-2.0
//
// A copy whose original fails, changes or goes at one named call, or whose destination
// does. Either it is refused, and there is no store at the destination; or the copy holds
// every record of the original.
#include <cerrno>

#include "../../sim/hooked_disk.hpp"
#include "log_fixture.hpp"
#include "sim_store.hpp"

namespace warden::log::test {
namespace {

using sim::Answer;
using sim::Call;
using sim::Op;

const std::string kFrom = "sim";
const std::string kTo = "copy";

// "sim" lies in one world, everything else in the other.
class TwoWorlds final : public io::Disk {
 public:
  TwoWorlds(sim::SimWorld& from, sim::SimWorld& to, io::ManualClock& clock)
      : from_(sim::make_sim_disk(from, clock)), to_(sim::make_sim_disk(to, clock)) {}
  int open_dir(const char* path, bool create, std::unique_ptr<io::Dir>& out) noexcept override {
    return (path == kFrom ? from_ : to_)->open_dir(path, create, out);
  }

 private:
  std::unique_ptr<io::Disk> from_;
  std::unique_ptr<io::Disk> to_;
};

class BackupFaults : public testing::Test {
 protected:
  void begin() {
    writer_.reset();
    store_ = std::make_unique<World>();
    to_ = std::make_unique<sim::SimWorld>(9);
    below_ = std::make_unique<TwoWorlds>(store_->world, *to_, store_->clock);
    disk_ = std::make_unique<sim::HookedDisk>(*below_);
  }
  void fill(bool closed) {
    begin();
    store_->fill(closed);
    truth_ = records(kFrom);
    ASSERT_GT(truth_, 10);
  }
  // The original is open in this process: a manual log with records in several segments.
  void write() {
    begin();
    KeepingSink sink;
    ASSERT_FALSE(Log::open(*disk_, kFrom, store_->model.options(), sink, writer_));
    truth_ = 0;
    while (writer_->stats().segments < 3) {
      Credit credit;
      const std::string text(3000, 'w');
      ASSERT_EQ(writer_->reserve(text.size(), 1, ReserveFlags::none, credit), Code::ok);
      writer_->append(credit, RecordType::state, 1, bytes_of(text));
      writer_->release(credit);
      ASSERT_EQ(writer_->sync(kNever), Code::ok);
      ++truth_;
    }
  }
  Error copy() {
    to_->now().clear();
    BackupReport report;
    return writer_ ? writer_->backup(*disk_, kTo, {}, report)
                   : backup(*disk_, kFrom, kTo, {}, report);
  }
  int records(const std::string& path) {
    Options options = store_->model.options();
    options.mode = Mode::read_only;
    KeepingSink sink;
    std::unique_ptr<Log> log;
    const Error error = Log::open(*below_, path, options, sink, log);
    return error ? -1 : static_cast<int>(sink.seen.size());
  }
  void refused(Code code, const std::string& says) {
    const Error error = copy();
    EXPECT_EQ(error.code, code) << error.message;
    EXPECT_NE(error.message.find(says), std::string::npos) << error.message;
    EXPECT_EQ(to_->now().count("CURRENT"), 0u);
  }
  void copied() {
    const Error error = copy();
    EXPECT_EQ(error.code, Code::ok) << error.message;
    EXPECT_EQ(records(kTo), truth_);
  }
  // The nth such call (0: each) answers so, or, without an answer, does something before.
  void at(const std::string& dir, Op op, const std::string& name, int nth, Answer answer,
          std::function<void()> before = {}) {
    count_ = 0;
    disk_->hook = [=, this](const Call& call) -> Answer {
      if (call.dir != dir || call.op != op || (!name.empty() && call.name != name)) return {};
      ++count_;
      if (nth != 0 && count_ != nth) return {};
      if (before) before();
      return answer;
    };
  }

  std::unique_ptr<World> store_;
  std::unique_ptr<sim::SimWorld> to_;
  std::unique_ptr<io::Disk> below_;
  std::unique_ptr<sim::HookedDisk> disk_;
  std::unique_ptr<Log> writer_;
  int truth_ = 0;
  int count_ = 0;
};

// Recovery opens a segment for its header and for its records; the copy is the third.
constexpr int kCopy = 3;

TEST_F(BackupFaults, TheOriginalFailsAtACallOfItsOwn) {
  fill(true);
  at(kFrom, Op::open_dir, kFrom, 1, -EACCES);
  refused(Code::permission, "sim: cannot open the directory");
  at(kFrom, Op::locked, "LOCK", 1, -EIO);
  refused(Code::io, "sim/LOCK: cannot look at it");
  at(kFrom, Op::open, "wal-1", kCopy, -EIO);
  refused(Code::io, "sim/wal-1: cannot open it");
  at(kFrom, Op::read, "wal-1", kCopy, -EIO);
  refused(Code::io, "sim/wal-1: cannot read it");
  at(kFrom, Op::read, "wal-1", kCopy, -ENOMEM);
  refused(Code::no_memory, "sim/wal-1: cannot read it");
  fill(false);  // flushed first, since nobody has said that it is
  at(kFrom, Op::sync_data, "wal-2", 1, -EIO);
  refused(Code::io, "sim/wal-2: cannot flush it");
  at(kFrom, Op::open, "wal-2", kCopy, -EACCES);
  refused(Code::permission, "sim/wal-2: cannot flush it");
}

TEST_F(BackupFaults, ALongSegmentFailsInItsMiddle) {
  begin();
  Options& options = store_->model.options();
  options.segment_bytes = options.first_segment_bytes = 8u << 20;
  options.buffer_bytes = 8u << 20;
  bool alive = true;
  ASSERT_EQ(store_->model.open(), "");
  for (int i = 0; i < 4; ++i) {
    ASSERT_EQ(store_->model.append(700'000, alive), "");
    ASSERT_EQ(store_->model.sync(alive), "");
  }
  ASSERT_EQ(store_->model.close_cleanly(), "");
  truth_ = 4;
  copied();
  at(kFrom, Op::read, "wal-1", 0, {});
  ASSERT_FALSE(copy());
  const int reads = count_;
  ASSERT_GT(reads, 4);
  at(kFrom, Op::read, "wal-1", reads, -EIO);
  refused(Code::io, "sim/wal-1: cannot read it");
}

// Between recovery's verdict and the copy a cleaner may free a segment, and use its file
// again: the copy begins anew, with what there is now.
TEST_F(BackupFaults, WhatIsGoneOrAnotherWhenItIsCopiedIsLookedForAgain) {
  fill(true);
  at(kFrom, Op::open, "wal-1", kCopy, -ENOENT);
  copied();
  at(kFrom, Op::size, "wal-1", kCopy, 2 * kPage);
  copied();
  using Change = void (*)(SegmentHeader&);
  const Change changes[] = {
      [](SegmentHeader& header) { header.magic ^= 1; },
      [](SegmentHeader& header) { header.uuid.high ^= 1; },
      [](SegmentHeader& header) { header.number = 77; },
      [](SegmentHeader& header) { header.size *= 2; },
  };
  for (const Change change : changes) {
    fill(true);
    const std::string kept = store_->world.now()["wal-1"]->seen;
    int opened = 0;
    disk_->hook = [&](const Call& call) -> Answer {
      if (call.dir != kFrom || call.op != Op::open || call.name != "wal-1") return {};
      if (++opened == kCopy) store_->change_header("wal-1", change);
      if (opened == kCopy + 1) store_->world.now()["wal-1"]->seen = kept;
      return {};
    };
    copied();
    EXPECT_GT(opened, kCopy);
  }
  fill(true);
  at(kFrom, Op::open, "wal-1", kCopy, {}, [&] { store_->world.now()["wal-1"]->seen[100] ^= 1; });
  refused(Code::corrupt, "wal-1");  // and stays so
  fill(false);
  at(kFrom, Op::open, "wal-2", kCopy, -ENOENT);  // when it is flushed
  copied();
  EXPECT_GT(count_, kCopy);
  // What was copied before stays.
  fill(true);
  at(kFrom, Op::open, "wal-2", kCopy, -ENOENT);
  copied();
  EXPECT_EQ(count_, 2 * kCopy);
}

TEST_F(BackupFaults, ABlockThatIsAnotherWhenItIsCopiedIsNot) {
  using Change = void (*)(BlockHeader&, RecordHead&);
  const Change changes[] = {
      [](BlockHeader& block, RecordHead&) { block.epoch = 9; },
      [](BlockHeader& block, RecordHead&) { block.first += 4; },
      [](BlockHeader& block, RecordHead&) { block.previous.low ^= 1; },
      [](BlockHeader& block, RecordHead&) { block.segment = 9; },
      [](BlockHeader& block, RecordHead&) { block.wall += 1; },
      [](BlockHeader& block, RecordHead&) { block.end += 4; },
  };
  for (const bool last : {false, true}) {
    for (const Change change : changes) {
      fill(true);
      const auto all = store_->blocks("wal-1");
      const std::uint64_t which = last ? all.rbegin()->first : std::next(all.begin())->first;
      at(kFrom, Op::open, "wal-1", kCopy, {},
         [&] { store_->change_block("wal-1", change, which); });
      refused(Code::corrupt, "sim/wal-1: damaged");
    }
  }
}

TEST_F(BackupFaults, DamageBesideAWriterIsBelievedTheThirdTime) {
  fill(true);
  store_->break_block("wal-1", kPage, [](BlockHeader& block) { ++block.wall; });
  int looks = 0;
  disk_->hook = [&](const Call& call) -> Answer {
    looks += call.dir == kFrom && call.op == Op::open && call.name == "CURRENT" ? 1 : 0;
    return call.dir == kFrom && call.op == Op::locked ? Answer(1) : Answer();
  };
  refused(Code::corrupt, "sim/wal-1: damaged");
  EXPECT_EQ(looks, 1 + 3) << "one before it looks for a writer";
}

TEST_F(BackupFaults, WhoNeverFindsItInPlaceGivesUp) {
  fill(true);
  count_ = 0;
  disk_->hook = [&](const Call& call) -> Answer {
    const bool hit = call.dir == kFrom && call.op == Op::open && call.name == "wal-1";
    return hit && ++count_ % kCopy == 0 ? Answer(-ENOENT) : std::nullopt;
  };
  refused(Code::would_block, "freed faster than they can be copied");
}

TEST_F(BackupFaults, TheDestinationFailsAtACallOfItsOwn) {
  for (const bool inside : {false, true}) {
    if (inside) {
      write();
    } else {
      fill(true);
    }
    at(kTo, Op::open_dir, kTo, 1, -EROFS);
    refused(Code::permission, "copy: cannot make the directory");
    at(kTo, Op::list, "", 1, -EIO);
    refused(Code::io, "copy: cannot list the directory");
    at(kTo, Op::open, "wal-1", 1, -EDQUOT);
    refused(Code::no_space, "copy/wal-1: cannot write it");
    at(kTo, Op::write, "wal-1", 1, -EIO);  // its header
    refused(Code::io, "copy/wal-1: cannot write it");
    at(kTo, Op::write, "wal-1", 3, -ENOSPC);
    refused(Code::no_space, "copy/wal-1: cannot write it");
    at(kTo, Op::write, "wal-1", 2, 0);
    refused(Code::io, "copy/wal-1: cannot write it");
    at(kTo, Op::sync_data, "wal-1", 1, -EIO);
    refused(Code::io, "copy/wal-1: cannot write it");
    at(kTo, Op::sync_dir, "", 1, -EIO);
    refused(Code::io, "copy: cannot write a manifest");
    at(kTo, Op::sync_data, "CURRENT.tmp", 1, -EIO);
    refused(Code::io, "copy: cannot write a manifest");
    disk_->hook = nullptr;
    copied();
  }
}

TEST_F(BackupFaults, InterruptedWritesAreRepeatedButNotForEver) {
  for (const int error : {EINTR, EAGAIN}) {
    fill(true);
    for (int nth = 1; nth < 6; ++nth) {
      at(kTo, Op::write, "wal-1", nth, -error);
      copied();
    }
    for (const char* name : {"wal-1", "CURRENT.tmp"}) {
      at(kTo, Op::write, name, 0, -error);
      refused(Code::io, "copy");
      EXPECT_EQ(count_, 101) << name;
    }
  }
  // What a short write leaves is written after it.
  for (const char* name : {"wal-1", "CURRENT.tmp"}) {
    fill(true);
    at(kTo, Op::write, name, 0, 10);
    copied();
    EXPECT_GT(count_, 1);
  }
}

TEST_F(BackupFaults, OfALogWithoutARecordIsOneWithoutARecord) {
  begin();
  ASSERT_EQ(store_->model.open(), "");
  ASSERT_EQ(store_->model.close_cleanly(), "");
  store_->world.locked = false;
  truth_ = 0;
  copied();
}

TEST_F(BackupFaults, OfALogThatWasOpenedManyTimesKeepsTheLastEnds) {
  fill(true);
  for (std::size_t i = 0; i <= kEpochEndsKept; ++i) {
    KeepingSink sink;
    ASSERT_FALSE(Log::open(*below_, kFrom, store_->model.options(), sink, writer_));
    writer_.reset();
  }
  copied();
}

// ------------------------------------------------------ by the process that writes
TEST_F(BackupFaults, DamageUnderTheWriterIsSaid) {
  for (const char* name : {"wal-1", "wal-3"}) {  // sealed, and being written
    write();
    store_->break_block(name, kPage, [](BlockHeader& block) { ++block.wall; });
    refused(Code::corrupt, "a segment in use is damaged or gone");
    write();
    store_->change_header(name, [](SegmentHeader& header) { header.uuid.low ^= 1; });
    refused(Code::corrupt, "a segment in use is damaged or gone");
  }
}

TEST_F(BackupFaults, AReaderOfTheOriginalCopiesAsAnybodyDoes) {
  fill(true);
  Options options = store_->model.options();
  options.mode = Mode::read_only;
  KeepingSink sink;
  ASSERT_FALSE(Log::open(*disk_, kFrom, options, sink, writer_));
  copied();
}

TEST_F(BackupFaults, ALogThatHasFailedIsNotCopied) {
  write();
  store_->world.fail_at = store_->world.operations() + 1;
  store_->world.fail_with = -EIO;
  store_->world.fail_sticky = true;
  put(*writer_, "never");
  const Error error = copy();
  EXPECT_EQ(error.code, Code::outcome_unknown);
  EXPECT_NE(error.message.find("nothing was copied"), std::string::npos) << error.message;
  EXPECT_TRUE(to_->now().empty());
}

}  // namespace
}  // namespace warden::log::test
