// SPDX-License-Identifier: Apache-2.0
//
// Reading a log beyond damage: reads that fail, damage at random. What is missing of the
// directory stands in salvage_files_test.cpp.
#include <cerrno>

#include "log/sifter.hpp"
#include "sim_salvage.hpp"

namespace warden::log::test {
namespace {

// ------------------------------------------------------------- whole and refused
TEST_F(LogSalvage, OfAWholeLogIsTheLog) {
  for (const bool closed : {false, true}) {
    live(3, closed);
    const Salvaged out = salvage_true();
    EXPECT_EQ(out.seen.size(), truth_.size());
    EXPECT_TRUE(out.report.lost.empty());
    EXPECT_TRUE(out.report.notes.empty());
    EXPECT_FALSE(out.report.may_follow(Lsn::none));
    EXPECT_EQ(out.report.rescued, 0u);
    EXPECT_EQ(out.report.epoch, 1u);
    EXPECT_EQ(out.report.uuid, store_->model.options().uuid);
    EXPECT_GE(out.report.segments, 3u);
  }
}

TEST_F(LogSalvage, ReadTwiceIsTheSameTwice) {
  live(2, true);
  flip("wal-1", kPage + 200);
  Salvager salvager;
  ASSERT_FALSE(salvager.open(*disk_, "sim"));
  KeepingSink once;
  KeepingSink twice;
  ASSERT_FALSE(salvager.read(once));
  const SalvageReport first = salvager.report();
  ASSERT_FALSE(salvager.read(twice));
  ASSERT_EQ(once.seen.size(), twice.seen.size());
  for (std::size_t i = 0; i < once.seen.size(); ++i) EXPECT_EQ(once.seen[i].lsn, twice.seen[i].lsn);
  EXPECT_EQ(salvager.report().lost.size(), first.lost.size());
  EXPECT_EQ(salvager.report().blocks, first.blocks);
  EXPECT_EQ(salvager.report().bytes_unreadable, first.bytes_unreadable);
}

TEST_F(LogSalvage, IsRefusedWithOneLineForEachReason) {
  live(1, true);
  answers(Op::open_dir, "", -ENOTDIR);
  refused(Code::not_a_store, "a file; expected a directory");
  answers(Op::open_dir, "", -ENOENT);
  refused(Code::not_a_store, "no such directory");
  answers(Op::open_dir, "", -EACCES);
  refused(Code::permission, "open the directory");
  answers(Op::locked, "", -EIO);
  refused(Code::io, "LOCK");
  answers(Op::locked, "", 1);
  refused(Code::held, "held open for writing");
  answers(Op::list, "", -EIO);
  refused(Code::io, "list the directory");
  answers(Op::open, "CURRENT", -ENFILE);
  refused(Code::no_memory, "CURRENT");
  answers(Op::open, "wal-1", -EACCES);
  refused(Code::permission, "wal-1");
  answers(Op::size, "wal-1", -EIO);
  refused(Code::io, "the size of a segment");
  // The directory is listed for manifests first, if CURRENT names none.
  disk_->hook = nullptr;
  store_->world.now().erase("CURRENT");
  answers(Op::list, "", -EIO);
  refused(Code::io, "list the directory");
}

TEST_F(LogSalvage, ASegmentThatGoesWhileItIsReadEndsIt) {
  live(2, true);
  int opened = 0;
  disk_->hook = [&](const Call& call) -> Answer {
    if (call.op == Op::open && call.name == "wal-2" && ++opened == 2) return -ENOENT;
    return {};
  };
  refused(Code::io, "wal-2: cannot open it");
}

TEST_F(LogSalvage, AnErrorOfTheSinkEndsItWhereverItComes) {
  class RefusingSink final : public ReplaySink {
   public:
    explicit RefusingSink(std::size_t at) : left(at) {}
    Error apply(Lsn, RecordType, std::uint64_t, Part) override {
      return left-- == 0 ? Error{Code::limit, "enough", 0, 0, 0} : Error{};
    }
    Error end() override { return Error{Code::limit, "enough", 0, 0, 0}; }
    std::size_t left;
  };
  live(2, true);
  // So that records in damaged blocks are among them.
  damage_two("wal-1");
  for (std::size_t at = 0; at <= truth_.size(); ++at) {
    Salvager salvager;
    ASSERT_FALSE(salvager.open(*disk_, "sim"));
    RefusingSink sink(at);
    EXPECT_EQ(salvager.read(sink).code, Code::limit) << at;
  }
}

// ------------------------------------------------------------ reads that fail
// The answer of a bad sector: what else is on the disk is read past it.
TEST_F(LogSalvage, AReadErrorConcernsItsPageAlone) {
  live(2, true);
  for (const auto& [at, header] : blocks("wal-1")) {
    for (std::uint64_t page = at; page < at + header.length; page += kPage) {
      disk_->hook = [&](const Call& call) -> Answer {
        const bool hit = call.op == Op::read && call.name == "wal-1" && call.offset <= page &&
                         page < call.offset + call.size;
        return hit ? Answer(-EIO) : std::nullopt;
      };
      const Salvaged out = salvage_true();
      ASSERT_FALSE(out.report.lost.empty());
      EXPECT_EQ(out.report.lost.front().file, "wal-1");
      EXPECT_EQ(out.report.lost.front().offset, at);
      EXPECT_GT(out.report.bytes_unreadable, 0u);
      EXPECT_LE(out.report.bytes_unreadable, header.length);
      // All outside of the block.
      for (const Seen& one : truth_) {
        const bool in = raw(one.lsn) > header.first && raw(one.lsn) <= header.end;
        EXPECT_TRUE(in || !listed(out.report, one.lsn));
      }
    }
  }
}

TEST_F(LogSalvage, WhatLiesBesideABadPageOfItsBlockIsRescued) {
  live(2, true);
  const std::uint64_t at = long_block("wal-1");
  const BlockHeader header = blocks("wal-1").at(at);
  std::uint64_t rescued = 0;
  for (std::uint64_t page = at; page < at + header.length; page += kPage) {
    disk_->hook = [&](const Call& call) -> Answer {
      const bool hit = call.op == Op::read && call.name == "wal-1" && call.offset <= page &&
                       page < call.offset + call.size;
      return hit ? Answer(-EIO) : std::nullopt;
    };
    rescued += salvage_true().report.rescued;
  }
  EXPECT_GT(rescued, 0u);
}

TEST_F(LogSalvage, AFileThatBecomesShorterIsReadAsZeros) {
  live(2, true);
  const std::uint64_t at = long_block("wal-1");
  disk_->hook = [&](const Call& call) -> Answer {  // from the middle of a page on
    if (call.op != Op::read || call.name != "wal-1") return {};
    const std::uint64_t end = at + 100;
    return call.offset >= end ? 0 : std::min<std::int64_t>(call.size, end - call.offset);
  };
  const Salvaged out = salvage_true();
  EXPECT_LT(out.seen.size(), truth_.size());
  EXPECT_GT(out.seen.size(), 0u);
}

TEST_F(LogSalvage, WithoutMemoryIsAnErrorAtEveryReadNeverDamage) {
  for (const bool damaged : {false, true}) {
    live(2, true);
    if (damaged) {
      store_->world.now().erase("CURRENT");
      flip("wal-1", long_block("wal-1") + 60);
      flip("wal-2", kPage + 60);
    }
    std::uint64_t reads = 0;
    for (std::uint64_t at = 1; at <= reads + 1; ++at) {
      std::uint64_t count = 0;
      disk_->hook = [&](const Call& call) -> Answer {
        return call.op == Op::read && ++count == at ? Answer(-ENOMEM) : std::nullopt;
      };
      const Salvaged out = salvage();
      if (count < at) {
        EXPECT_EQ(out.error.code, Code::ok);
        EXPECT_GT(at, 5u);
        break;
      }
      reads = at;
      EXPECT_EQ(out.error.code, Code::no_memory) << "read " << at;
    }
  }
}

TEST_F(LogSalvage, NothingIsWrittenThroughThePatientFile) {
  live(1, true);
  std::unique_ptr<io::Dir> dir;
  std::unique_ptr<io::File> file;
  ASSERT_EQ(below_->open_dir("sim", false, dir), 0);
  ASSERT_EQ(dir->open("wal-1", io::Open::read_write, file), 0);
  const std::uint64_t before = store_->world.state_hash();
  PatientFile patient(std::move(file));
  EXPECT_EQ(patient.write("x", 1, 0), -EBADF);
  EXPECT_EQ(patient.sync_data(), 0);
  EXPECT_EQ(store_->world.state_hash(), before);
}

// --------------------------------------------------------- damage at random
TEST_F(LogSalvage, OfRandomDamageIsTrueOrListed) {
  std::uint64_t lost = 0;
  std::uint64_t rescued = 0;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    live(1 + static_cast<int>(seed % 3), seed % 2 == 0, seed);
    auto& rng = store_->world.rng();
    for (std::uint64_t harm = rng() % 6 + 1; harm != 0; --harm) {
      const std::string name = segment_name(rng() % (seed % 3 + 1) + 1);
      const auto all = blocks(name);
      if (all.empty()) continue;  // its first header is gone
      const std::uint64_t end = all.rbegin()->first + all.rbegin()->second.length;
      const std::uint64_t at = rng() % end;
      const std::size_t bytes = rng() % 3 == 0 ? kPage : sim::kSector;
      if (rng() % 2 == 0) {
        flip(name, at);
      } else {
        zero(name, at / bytes * bytes, bytes);
      }
    }
    const Salvaged out = salvage_true();
    lost += truth_.size() - out.seen.size();
    rescued += out.report.rescued;
    if (HasFailure()) return;
  }
  EXPECT_GT(lost, 100u);
  EXPECT_GT(rescued, 100u);
}

TEST_F(LogSalvage, ATornTailThatNothingProvesIsToldApart) {
  create(5);
  ASSERT_EQ(store_->model.open(), "");
  for (int i = 0; i < 5; ++i) commit();
  store_->model.drop();  // before its beacon
  power_on();
  proven_ = false;
  const auto last = *blocks("wal-1").rbegin();
  zero("wal-1", last.first + 128, last.second.length - 128);
  const Salvaged out = salvage_true();
  ASSERT_EQ(out.report.lost.size(), 1u);
  EXPECT_TRUE(out.report.lost[0].unproven);
  EXPECT_EQ(out.report.lost[0].after, static_cast<Lsn>(last.second.first));
  EXPECT_EQ(out.report.lost[0].upto, kLsnUnknown);
  EXPECT_FALSE(out.report.may_follow(Lsn::none));
  // Its header gone as well, no trace is left.
  zero("wal-1", last.first, 128);
  EXPECT_TRUE(salvage().report.lost.empty());
}

}  // namespace
}  // namespace warden::log::test
