// SPDX-License-Identifier: Apache-2.0
//
// Salvage of blocks: of headers that cannot be, of content that stands where it does not
// belong, of blocks that contradict themselves under checksums that hold, of long ones.
#include <cerrno>

#include "sim_salvage.hpp"

namespace warden::log::test {
namespace {

// ------------------------------------------- under checksums that hold
TEST_F(LogSalvage, ARecordDamagedInMemoryIsListedAloneAndTheOthersRescued) {
  live(2, true);
  const BlockHeader first = blocks("wal-1").at(kPage);
  store_->change_block("wal-1", [](BlockHeader&, RecordHead& record) { record.sum_low ^= 1; });
  const Salvaged out = salvage_true();
  EXPECT_EQ(out.seen.size(), truth_.size() - 1);
  EXPECT_EQ(out.report.rescued, first.count - 1);
  ASSERT_EQ(out.report.lost.size(), 1u);
  EXPECT_EQ(out.report.lost[0].after, static_cast<Lsn>(first.first));
  EXPECT_EQ(out.report.lost[0].upto, truth_.front().lsn);
}

TEST_F(LogSalvage, ABlockThatContradictsWhatCameBeforeIsNotBelieved) {
  using Change = void (*)(BlockHeader&, RecordHead&);
  const Change changes[] = {[](BlockHeader& block, RecordHead&) { block.first = 8; },
                            [](BlockHeader& block, RecordHead&) { block.end = block.first - 4; }};
  for (const Change change : changes) {
    live(2, true);
    store_->change_block("wal-2", change);
    const Salvaged out = salvage_true();
    EXPECT_GE(out.seen.size() + blocks("wal-2").at(kPage).count, truth_.size());
  }
}

TEST_F(LogSalvage, AGapBetweenTheHeaderAndTheFirstBlockIsListed) {
  live(2, false);
  store_->change_header("wal-2", [](SegmentHeader& header) { header.base -= 100; });
  const Salvaged out = salvage();
  EXPECT_EQ(out.error.code, Code::ok);
  EXPECT_EQ(out.seen.size(), truth_.size());
  ASSERT_EQ(out.report.lost.size(), 1u);
  EXPECT_EQ(raw(out.report.lost[0].upto) - raw(out.report.lost[0].after), 100u);
  EXPECT_EQ(out.report.lost[0].bytes, 0u);
}

TEST_F(LogSalvage, PaddingIsNotHandedOn) {
  live(1, true);
  ASSERT_EQ(store_->model.open(), "");
  Log& log = store_->model.log();
  Credit credit;
  ASSERT_EQ(log.reserve(50, 1, ReserveFlags::nowait, credit), Code::ok);
  const Claim claim = log.claim(credit, 50);
  log.abandon(claim);
  log.release(credit);
  commit();
  ASSERT_EQ(store_->model.close_cleanly(), "");
  power_on();
  const Salvaged out = salvage_true();
  EXPECT_EQ(out.seen.size(), truth_.size());
  EXPECT_TRUE(out.report.lost.empty());
}

// --------------------------------------------------------- damaged headers
TEST_F(LogSalvage, AHeaderThatCannotBeDoesNotLeadAstray) {
  using Change = void (*)(BlockHeader&);
  const Change changes[] = {
      [](BlockHeader& header) { header.magic ^= 1; },
      [](BlockHeader& header) { header.segment = 9; },
      [](BlockHeader& header) { header.offset += kPage; },
      [](BlockHeader& header) { header.length = 100; },
      [](BlockHeader& header) { header.length += 512; },
      [](BlockHeader& header) { header.length = 1u << 20; },
      [](BlockHeader& header) { header.first = 4; },
      [](BlockHeader& header) { header.first += 4; },
      [](BlockHeader& header) { header.end = header.first - 4; },
      [](BlockHeader& header) { header.end += 2 * header.length; },
      [](BlockHeader& header) { header.end -= 4; },
  };
  for (const Change change : changes) {
    live(2, true);
    const auto [first, second] = two_blocks("wal-1");
    const BlockHeader header = blocks("wal-1").at(second);
    store_->break_block("wal-1", second, change);
    const Salvaged out = salvage_true();
    EXPECT_EQ(out.seen.size(), truth_.size()) << "each record's own sum holds";
    EXPECT_EQ(out.report.rescued, header.count);
    EXPECT_TRUE(out.report.lost.empty());
  }
}

TEST_F(LogSalvage, WhereABlockBeginsIsTakenFromItsOwnHeaderIfTheOneBeforeIsWrong) {
  live(2, true);
  const auto [first, second] = two_blocks("wal-1");
  const BlockHeader header = blocks("wal-1").at(second);
  damage_two("wal-1");
  const Salvaged out = salvage_true();
  std::uint64_t rescued = 0;
  for (const Seen& one : out.seen) {
    rescued += raw(one.lsn) > header.first && raw(one.lsn) <= header.end ? 1 : 0;
  }
  EXPECT_EQ(rescued, header.count - 1);
}

// A write that went to the wrong place as well: the same records stand there twice.
TEST_F(LogSalvage, ContentThatStandsTwiceIsHandedOnOnce) {
  live(2, true);
  const auto [first, second] = two_blocks("wal-1");
  const std::string content =
      image("wal-1").substr(first + kBlockHeaderBytes, kPage - kBlockHeaderBytes);
  const BlockHeader of_first = blocks("wal-1").at(first);
  flip("wal-1", first + 60);
  image("wal-1").replace(second + kBlockHeaderBytes, content.size(), content);
  store_->world.now().at("wal-1")->durable = image("wal-1");
  store_->break_block("wal-1", second, [&](BlockHeader& header) {
    header.first = of_first.first;
    header.end = of_first.end;
  });
  const Salvaged out = salvage_true();
  EXPECT_GE(out.seen.size() + blocks("wal-1").at(second).count, truth_.size());
}

// ------------------------------------------------------------- long blocks
TEST_F(LogSalvage, LongBlocksAndLongRegionsWithoutAHeader) {
  live_large();
  EXPECT_EQ(salvage_true().seen.size(), truth_.size());
  const auto all = blocks("wal-1");
  ASSERT_EQ(all.size(), 5u);
  for (std::size_t from = 0; from + 3 <= all.size(); ++from) {
    live_large();
    auto block = std::next(all.begin(), static_cast<std::ptrdiff_t>(from));
    for (int i = 0; i < 3; ++i, ++block) zero("wal-1", block->first, kBlockHeaderBytes);
    const Salvaged out = salvage_true();
    EXPECT_GT(out.seen.size() + 4, truth_.size());
  }
}

TEST_F(LogSalvage, WithoutMemoryLongBlocksAreAnErrorToo) {
  for (const bool bad_page : {false, true}) {
    live_large();
    const auto all = blocks("wal-1");
    for (const std::size_t which : {1, 3}) {
      zero("wal-1", std::next(all.begin(), static_cast<std::ptrdiff_t>(which))->first + 64, 128);
    }
    // With a bad page the first reads go page by page.
    const std::uint64_t most = bad_page ? 20 : 1000;
    std::uint64_t nth = 1;
    for (; nth < most; ++nth) {
      std::uint64_t count = 0;
      disk_->hook = [&](const Call& call) -> Answer {
        if (call.op != Op::read || call.name != "wal-1") return {};
        if (++count == nth) return -ENOMEM;
        const bool hit =
            bad_page && call.offset <= 3 * kPage && 3 * kPage < call.offset + call.size;
        return hit ? Answer(-EIO) : std::nullopt;
      };
      const Salvaged out = salvage();
      if (count < nth) {
        EXPECT_EQ(out.error.code, Code::ok) << out.error.message;
        break;
      }
      EXPECT_EQ(out.error.code, Code::no_memory) << "read " << nth;
    }
    EXPECT_GT(nth, 5u);
  }
}

}  // namespace
}  // namespace warden::log::test
