// SPDX-License-Identifier: Apache-2.0
//
// A committer at rest: the beacon, how long nothing needs to be done, the change to
// the next segment, and segments that are freed.
#include "committer_fixture.hpp"

namespace warden::log::test {
namespace {

class CommitterRest : public CommitterTest {
 protected:
  void begin_with_spare() {
    begin_segment();
    settle(false);
    ASSERT_TRUE(committer_->spare_ready());
    ASSERT_EQ(held(), Held{});
  }
  std::uint64_t blocks() const { return committer_->counters().blocks; }
};

// ---------------------------------------------------------------------- beacon
TEST_F(CommitterRest, OneBeaconFollowsTheLastCommit) {
  options_.beacon_after = 100 * kMilli;
  begin_with_spare();
  EXPECT_EQ(committer_->idle_time(), options_.beacon_after);
  clock_.advance(options_.beacon_after - 1);
  EXPECT_FALSE(turn()) << "too early";
  EXPECT_EQ(committer_->idle_time(), kMicro) << "never less";
  clock_.advance(1);
  const std::uint64_t before = blocks();
  EXPECT_TRUE(turn());
  EXPECT_EQ(held(), Held{"write wal-1 8192+4096"});
  settle(false);
  EXPECT_EQ(blocks(), before + 1);
  EXPECT_EQ(committer_->idle_time(), kNever) << "it announces nothing, so it owes none";
  clock_.advance(kHour);
  EXPECT_FALSE(turn());
  const std::string image = world_.now()["wal-1"]->durable;
  const auto beacon = load<BlockHeader>(image.data() + 2 * kPage);
  EXPECT_EQ(beacon.flags, kBlockBeacon);
  EXPECT_EQ(beacon.synced, raw(committer_->durable())) << "what it is for";
  expect_recovered(1);
}

TEST_F(CommitterRest, NoBeaconWhileBlocksAreUnderWay) {
  options_.beacon_after = 100 * kMilli;
  begin_with_spare();
  put(10);
  turn();
  clock_.advance(options_.beacon_after);
  turn();
  EXPECT_EQ(held(), Held{"write wal-1 8192+4096"});
  EXPECT_EQ(committer_->idle_time(), kNever) << "only a completion brings more";
  settle(false);
  expect_recovered(2);
}

// Its last page is for that: the last records of a full segment are as provable as any.
TEST_F(CommitterRest, AFullSegmentBearsABeaconToo) {
  options_.beacon_after = 100 * kMilli;
  begin_with_spare();
  for (int i = 0; i < 29; ++i) {
    put(10);
    ASSERT_TRUE(committer_->commit_inline());
  }
  EXPECT_EQ(committer_->log_bytes(), 124u * 1024);
  const std::uint64_t before = blocks();
  clock_.advance(options_.beacon_after);
  EXPECT_TRUE(turn());
  EXPECT_EQ(held(), Held{"write wal-1 126976+4096"});
  settle(false);
  EXPECT_EQ(blocks(), before + 1);
  EXPECT_EQ(recovered_after_power_loss().size(), 30u);
  // The last record's block: without the beacon it would pass for one never acknowledged.
  sim::Node& node = *world_.now()["wal-1"];
  node.durable[30 * kPage + 100] ^= 1;
  node.seen = node.durable;
  KeepingSink sink;
  Recovered recovered;
  const Error error = recover(*dir_, "store", false, sink, recovered);
  EXPECT_EQ(error.code, Code::corrupt);
  EXPECT_EQ(error.offset, 30u * kPage) << error.message;
}

// The segment's last block waits for room while the beacon of the one before comes due: its
// page is for the beacon that is to prove the last block.
TEST_F(CommitterRest, TheBeaconsPageIsNotSpentOnABlockBeforeTheLast) {
  options_.beacon_after = 100 * kMilli;
  begin_with_spare();
  for (int i = 0; i < 28; ++i) {
    put(10);
    ASSERT_TRUE(committer_->commit_inline());
  }
  put(10);
  turn();
  ASSERT_EQ(held(), Held{"write wal-1 122880+4096"});
  queue_->finish(0, -ENOSPC);
  turn();
  clock_.advance(options_.beacon_after);
  turn();
  EXPECT_EQ(held(), Held{});
  EXPECT_EQ(committer_->idle_time(), options_.starved_retry - options_.beacon_after);
  clock_.advance(options_.starved_retry);
  settle(false);
  clock_.advance(options_.beacon_after);
  EXPECT_TRUE(turn());
  EXPECT_EQ(held(), Held{"write wal-1 126976+4096"});
  settle(false);
  expect_recovered(30);
}

TEST_F(CommitterRest, NoRecordTakesTheBeaconsPage) {
  begin_with_spare();
  for (int i = 0; i < 29; ++i) {
    put(10);
    ASSERT_TRUE(committer_->commit_inline());
  }
  put(10);
  EXPECT_FALSE(committer_->commit_inline());
  settle();
  EXPECT_EQ(segments_, 2);
  expect_recovered(31);
}

// All eight places wait for a full disk: there is none for a beacon.
TEST_F(CommitterRest, NoBeaconBesideBlocksThatWaitForRoom) {
  options_.beacon_after = 100 * kMilli;
  options_.first_segment_bytes = options_.segment_bytes = 512 * 1024;
  begin_segment(512 * 1024);
  settle(false);
  for (int i = 0; i < 8; ++i) {
    put(20'000);
    turn();
  }
  ASSERT_EQ(held().size(), 8u);
  while (!held().empty()) queue_->finish(0, -ENOSPC);
  turn();
  ASSERT_EQ(held(), Held{});
  clock_.advance(options_.beacon_after);
  const std::uint64_t before = blocks();
  turn();
  EXPECT_EQ(held(), Held{});
  EXPECT_EQ(blocks(), before);
  clock_.advance(options_.starved_retry);
  settle(false);
  EXPECT_EQ(committer_->durable(), durable_.back());
  expect_recovered(9);
}

// ------------------------------------------------------------------ how long to sleep
// Records wait behind blocks that wait for room: a beacon that is due cannot come, and
// must not keep the scribe awake.
TEST_F(CommitterRest, ABeaconThatCannotComeIsNoReasonToStayAwake) {
  options_.beacon_after = 100 * kMilli;
  begin_with_spare();
  for (int i = 0; i < 2; ++i) {
    put(10);
    turn();
  }
  put(10);
  while (!held().empty()) queue_->finish(0, -ENOSPC);
  turn();
  ASSERT_TRUE(committer_->pending());
  ASSERT_TRUE(committer_->blocked());
  clock_.advance(options_.beacon_after);
  EXPECT_FALSE(turn());
  EXPECT_EQ(committer_->idle_time(), options_.starved_retry - options_.beacon_after);
  clock_.advance(options_.starved_retry - options_.beacon_after);
  settle(false);
  expect_recovered(4);
}

TEST_F(CommitterRest, NothingIsDueWhileTheNextSegmentIsBeingZeroed) {
  begin_segment();
  while (held().empty()) turn();
  ASSERT_EQ(held(), Held{"write wal-2 0+65536"});
  put(10);
  turn();
  queue_->finish(1, -ENOSPC);
  turn();
  ASSERT_TRUE(committer_->starved());
  EXPECT_EQ(committer_->idle_time(), options_.starved_retry) << "the block's; the zeros come back";
  clock_.advance(options_.starved_retry);
  turn();
  ASSERT_EQ(held(), (Held{"write wal-2 0+65536", "write wal-1 8192+4096"}));
  EXPECT_EQ(committer_->idle_time(), kNever);
  settle(false);
  EXPECT_EQ(starved_, (std::vector<int>{ENOSPC, 0}));
  expect_recovered(2);
}

// -------------------------------------------------------------- the next segment
// Both flushes are out, and the later one has proved everything: the segment is left
// only once the earlier one has come back as well, since it might yet fail.
TEST_F(CommitterRest, ASegmentIsLeftOnlyOnceAllItsFlushesAreBack) {
  for (const bool first_is_last : {false, true}) {
    SCOPED_TRACE(first_is_last);
    world_ = sim::SimWorld(1);
    contents_.clear();
    segments_ = 0;
    begin_with_spare();
    const auto block_and_flush = [&] {
      put(10);
      committer_->turn(true);
      queue_->finish(held().size() - 1);
      committer_->turn(true);
      ASSERT_EQ(held().back(), "flush wal-1");
    };
    block_and_flush();
    block_and_flush();
    if (first_is_last) {  // the second flush stays, the first's place is used again
      queue_->finish(0);
      committer_->turn(true);
      block_and_flush();
    }
    queue_->finish(1);
    committer_->turn(true);
    ASSERT_EQ(held(), Held{"flush wal-1"});
    put(120'000);  // no room for it in this segment
    committer_->turn(true);
    EXPECT_EQ(held(), Held{"flush wal-1"});
    EXPECT_TRUE(committer_->blocked());
    EXPECT_EQ(segments_, 1);
    queue_->finish(0);
    committer_->turn(true);
    EXPECT_EQ(held(), (Held{"write wal-2 0+4096", "write wal-2 4096+122880"}));
    EXPECT_EQ(segments_, 2);
    settle();
    expect_recovered(contents_.size());
  }
}

TEST_F(CommitterRest, WithoutASpareTheNextSegmentIsWaitedFor) {
  begin_segment();
  put(124'000);
  committer_->turn(true);
  EXPECT_EQ(held(), Held{});
  EXPECT_TRUE(committer_->blocked());
  EXPECT_FALSE(committer_->spare_ready());
  settle(false);
  EXPECT_EQ(segments_, 2);
  expect_recovered(2);
}

// A store that is only opened makes no file more, however many are to be ready.
TEST_F(CommitterRest, SparesAreMadeOnceSomethingIsWritten) {
  options_.spares = 2;
  ASSERT_EQ(begin().code, Code::ok);
  EXPECT_FALSE(turn());
  EXPECT_EQ(committer_->manifest().segments.size(), 1u);
  put(10);
  settle(false);
  EXPECT_EQ(committer_->manifest().segments.size(), 2u) << "the other at the pace of this one";
  EXPECT_FALSE(committer_->spare_ready());
  put(100'000);
  settle(false);
  EXPECT_EQ(committer_->manifest().segments.size(), 3u);
  EXPECT_TRUE(committer_->spare_ready());
}

// No kernel answers that; if one did, it is not the answer "done".
TEST_F(CommitterRest, ANewSegmentsFlushThatAnswersANumberHasFailed) {
  begin_segment();
  do {
    while (!held().empty() && held().front() != "flush wal-2") queue_->finish(0);
    turn();
  } while (held().empty() || held().front() != "flush wal-2");
  queue_->finish(0, 1);
  turn();
  ASSERT_EQ(failures_.size(), 1u);
  EXPECT_NE(failures_[0].message.find("flush a new segment"), std::string::npos);
  expect_recovered(1);
}

// Where room is found at the flush only: another file, later.
TEST_F(CommitterRest, ANewSegmentsFlushThatFindsNoRoomIsAFullDisk) {
  for (const int answer : {-ENOSPC, -EDQUOT}) {
    contents_.clear();
    starved_.clear();
    segments_ = 0;
    world_ = sim::SimWorld(1);
    begin_segment();
    do {
      while (!held().empty() && held().front() != "flush wal-2") queue_->finish(0);
      turn();
    } while (held().empty() || held().front() != "flush wal-2");
    queue_->finish(0, answer);
    turn();
    EXPECT_TRUE(failures_.empty()) << failures_[0].message;
    EXPECT_EQ(starved_, std::vector<int>{-answer});
    EXPECT_FALSE(world_.now().contains("wal-2")) << "never flushed again";
    clock_.advance(options_.starved_retry);
    settle(false);
    EXPECT_TRUE(committer_->spare_ready());
    expect_recovered(1);
  }
}

TEST_F(CommitterRest, ZerosThatGoNowhereAreAFullDisk) {
  begin_segment();
  for (int tries = 0; !committer_->starved(); ++tries) {
    ASSERT_LE(tries, 200);
    turn();
    if (!held().empty()) queue_->finish(0, 512);
  }
  EXPECT_EQ(starved_, std::vector<int>{ENOSPC});
  EXPECT_FALSE(world_.now().contains("wal-2"));
  clock_.advance(options_.starved_retry);
  settle(false);
  EXPECT_TRUE(committer_->spare_ready());
  expect_recovered(1);
}

// ------------------------------------------------------------------------ freeing
class CommitterFreeing : public CommitterRest {
 protected:
  // Two segments of one size and a spare; the first can be freed.
  void two_segments() {
    options_.first_segment_bytes = options_.segment_bytes;
    begin_with_spare();
    for (int i = 0; i < 2; ++i) {
      put(200'000);
      settle(false);
    }
    ASSERT_EQ(segments_, 2);
    ASSERT_EQ(committer_->oldest().number, 1u);
    ASSERT_TRUE(committer_->spare_ready());
  }
};

TEST_F(CommitterFreeing, SealingRemovesAFileKeptForTheNextSegment) {
  two_segments();
  ASSERT_FALSE(committer_->in_flight());
  committer_->request_free(1, {});
  EXPECT_TRUE(turn());
  EXPECT_TRUE(committer_->in_flight()) << "the clerk is";
  EXPECT_EQ(committer_->freed(), 0u);
  settle(false);
  ASSERT_EQ(committer_->freed(), 1u);
  ASSERT_TRUE(world_.now().contains("wal-1")) << "kept, to become the next one";
  ASSERT_EQ(committer_->seal().code, Code::ok);
  EXPECT_FALSE(world_.now().contains("wal-1"));
  EXPECT_EQ(recovered_after_power_loss(), std::vector<std::string>{contents_.back()});
}

TEST_F(CommitterFreeing, AllOfItBeforeAnythingIsWritten) {
  two_segments();
  ASSERT_EQ(committer_->seal().code, Code::ok);
  ASSERT_EQ(begin().code, Code::ok);
  int freed = 0;
  for (std::uint64_t number = 0; (number = committer_->oldest().number) != 0; ++freed) {
    committer_->request_free(number, {});
    settle(false);
    ASSERT_EQ(committer_->freed(), number);
  }
  EXPECT_EQ(freed, 2);
  EXPECT_EQ(committer_->manifest().segments.size(), 1u) << "the spare";
  EXPECT_EQ(recovered_after_power_loss(), std::vector<std::string>{});
}

// A full disk refuses the manifest: tried again after a while, whatever else is idle.
TEST_F(CommitterFreeing, IsTriedAgainOnAFullDisk) {
  two_segments();
  const std::string next = manifest_name(committer_->manifest().number + 1);
  script_.answer("open " + next, {-ENOSPC});
  committer_->request_free(1, {});
  settle(false);
  EXPECT_EQ(script_.left(), 0u);
  EXPECT_EQ(starved_, std::vector<int>{ENOSPC});
  EXPECT_EQ(committer_->freed(), 0u);
  EXPECT_EQ(committer_->oldest().number, 1u);
  EXPECT_EQ(committer_->idle_time(), options_.starved_retry);
  clock_.advance(options_.starved_retry);
  settle(false);
  EXPECT_EQ(committer_->freed(), 1u);
  EXPECT_EQ(committer_->oldest().number, 0u);
}

// Meanwhile a backup holds the segment: until it lets go there is nothing to try.
TEST_F(CommitterFreeing, OfASegmentThatABackupHoldsIsNotWaitedForAwake) {
  two_segments();
  put(10);
  turn();
  queue_->finish(0, -ENOSPC);
  turn();
  ASSERT_TRUE(committer_->starved());
  committer_->pin(1);
  committer_->request_free(1, {});
  EXPECT_FALSE(turn());
  EXPECT_EQ(committer_->idle_time(), options_.starved_retry) << "the block's";
  clock_.advance(options_.starved_retry);
  settle(false);
  EXPECT_EQ(committer_->freed(), 0u);
  committer_->pin(Committer::kUnpinned);
  settle(false);
  EXPECT_EQ(committer_->freed(), 1u);
}

}  // namespace
}  // namespace warden::log::test
