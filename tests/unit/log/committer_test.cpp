// SPDX-License-Identifier: Apache-2.0
//
// Blocks, flushes and acknowledgements of a committer whose disk answers what the test
// chose, in the order that it chose. Each case ends with what a power cut leaves:
// all that was acknowledged, and nothing that was not appended.
#include "committer_fixture.hpp"

namespace warden::log::test {
namespace {

constexpr std::size_t kTries = 101;  // of one write, before it counts as failed

class CommitterBlocks : public CommitterTest {
 protected:
  // Nothing is acknowledged any more, whatever completes.
  void expect_failed(const char* what, const char* why) {
    ASSERT_EQ(failures_.size(), 1u);
    EXPECT_EQ(failures_[0].code, Code::io);
    EXPECT_EQ(failures_[0].message, std::string("store/wal-1: cannot ") + what + ": " + why);
    EXPECT_TRUE(committer_->failed());
    EXPECT_EQ(committer_->failure().message, failures_[0].message);
    EXPECT_EQ(committer_->idle_time(), kNever);
    EXPECT_FALSE(committer_->quiet());
    const Lsn before = committer_->durable();
    put(10);
    EXPECT_FALSE(committer_->commit_inline());
    while (!held().empty()) queue_->finish(0);
    turn();
    turn();
    EXPECT_EQ(held(), Held{}) << "a failed log writes nothing";
    EXPECT_EQ(committer_->durable(), before);
    EXPECT_EQ(failures_.size(), 1u) << "said once";
  }
};

TEST_F(CommitterBlocks, OneThatNeverBeganHasNothingToGiveBack) {
  Buffer buffer;
  ScriptedQueue queue;
  {
    const Committer committer(*dir_, "store", queue, clock_, buffer, options_, {});
    EXPECT_EQ(committer.oldest().number, 0u);
    EXPECT_FALSE(committer.in_flight());
  }
  EXPECT_EQ(script_.count("open wal-1"), 0u);
}

// ------------------------------------------------------------------ inline commits
TEST_F(CommitterBlocks, InlineCommitsWhatIsThere) {
  begin_segment();
  const Lsn last = put(20);
  EXPECT_TRUE(committer_->commit_inline());
  EXPECT_EQ(durable_, std::vector<Lsn>{last});
  EXPECT_EQ(committer_->counters().inline_commits, 1u);
  EXPECT_TRUE(committer_->quiet());
  EXPECT_FALSE(committer_->commit_inline()) << "nothing is left";
  EXPECT_EQ(held(), Held{});
  expect_recovered(2);
}

TEST_F(CommitterBlocks, InlineIsNotForALogThatIsBusy) {
  ASSERT_EQ(begin().code, Code::ok);
  put(10);
  EXPECT_FALSE(committer_->commit_inline()) << "no segment is begun yet";
  committer_->turn(true);
  ASSERT_EQ(held(), (Held{"write wal-1 0+4096", "write wal-1 4096+4096"}));
  put(11);
  EXPECT_FALSE(committer_->commit_inline()) << "blocks are in flight";
  EXPECT_TRUE(committer_->pending());
  EXPECT_FALSE(committer_->quiet());
  queue_->finish(0);
  queue_->finish(0);
  committer_->turn(true);
  EXPECT_FALSE(committer_->commit_inline()) << "a flush is in flight";
  EXPECT_EQ(committer_->counters().inline_commits, 0u);
  settle();
  EXPECT_EQ(script_.count("write wal-1"), 2u) << "the zeros alone";
  expect_recovered(2);
}

// A claim that its caller has not published yet holds up what is behind it.
TEST_F(CommitterBlocks, NothingPassesAGap) {
  begin_segment();
  const std::uint32_t bytes = record_bytes(0);
  ASSERT_TRUE(buffer_->try_take(Pool::callers, bytes));
  const std::uint64_t gap = buffer_->claim(bytes);
  const Lsn behind = put(10);
  EXPECT_FALSE(committer_->pending());
  EXPECT_FALSE(committer_->commit_inline());
  EXPECT_FALSE(committer_->turn(true));
  const std::uint32_t word = make_word(RecordType::pad, 0, 0);
  const std::uint64_t sum =
      record_sum(word, 0, make_lsn(committer_->epoch(), gap + bytes), content_hash("", 0));
  const std::uint32_t rest[4] = {0, 0, static_cast<std::uint32_t>(sum),
                                 static_cast<std::uint32_t>(sum >> 32)};
  buffer_->copy_in(gap + sizeof word, rest, sizeof rest);
  buffer_->publish(gap, word);
  EXPECT_TRUE(committer_->commit_inline());
  EXPECT_EQ(committer_->durable(), behind) << "both in one block";
  expect_recovered(2);
}

TEST_F(CommitterBlocks, InlineGoesOnAfterShortAndInterruptedWrites) {
  begin_segment();
  const Lsn last = put(20);
  script_.answer("write wal-1", {-EINTR, 512, -EAGAIN, 0});
  EXPECT_TRUE(committer_->commit_inline());
  EXPECT_EQ(committer_->counters().resubmitted, 4u);
  EXPECT_EQ(committer_->durable(), last);
  EXPECT_EQ(script_.left(), 0u);
  expect_recovered(2);
}

// Full for as long as this thread tries: then the scribe's turn() goes on with the
// same block, and nothing is acknowledged before that is flushed.
TEST_F(CommitterBlocks, InlineLeavesAFullDiskToTheScribe) {
  begin_segment();
  settle(false);  // the next segment is there
  const Lsn last = put(20);
  script_.answer("write wal-1", kTries, -ENOSPC);
  EXPECT_FALSE(committer_->commit_inline());
  EXPECT_EQ(script_.left(), 0u);
  EXPECT_FALSE(committer_->failed());
  EXPECT_LT(committer_->durable(), last);
  EXPECT_FALSE(committer_->quiet()) << "it is taken from the buffer, and not written";
  EXPECT_EQ(committer_->idle_time(), kMicro) << "the scribe is to go on at once";
  put(30);
  EXPECT_FALSE(committer_->commit_inline()) << "it would overtake the block that waits";
  committer_->turn(true);
  ASSERT_EQ(held(), (Held{"write wal-1 8192+4096", "write wal-1 12288+4096"}));
  // Still full: said now, and tried again later.
  queue_->finish(0, -ENOSPC);
  committer_->turn(true);
  EXPECT_EQ(starved_, std::vector<int>{ENOSPC});
  EXPECT_EQ(committer_->idle_time(), options_.starved_retry);
  clock_.advance(options_.starved_retry);
  settle();
  EXPECT_EQ(committer_->durable(), durable_.back());
  EXPECT_GT(committer_->durable(), last);
  expect_recovered(3);
}

TEST_F(CommitterBlocks, InlineWriteThatFailsEndsTheLog) {
  begin_segment();
  put(20);
  script_.answer("write wal-1", {-EINTR, -EIO});
  EXPECT_FALSE(committer_->commit_inline());
  EXPECT_EQ(script_.count("flush wal-1"), 1u) << "of its zeros: what failed is not flushed";
  expect_failed("write a block", "Input/output error");
  expect_recovered(1);
}

TEST_F(CommitterBlocks, InlineFlushThatFailsEndsTheLog) {
  begin_segment();
  put(20);
  script_.answer("flush wal-1", {-EIO});
  EXPECT_FALSE(committer_->commit_inline());
  EXPECT_EQ(durable_, std::vector<Lsn>{});
  const std::size_t flushes = script_.count("flush wal-1");
  expect_failed("flush a segment", "Input/output error");
  EXPECT_EQ(script_.count("flush wal-1"), flushes) << "never asked again";
  expect_recovered(1);
}

TEST_F(CommitterBlocks, InlineLeavesTheNextSegmentToTheScribe) {
  begin_segment();
  std::size_t committed = 1;
  for (;; ++committed) {
    put(20'000);
    if (!committer_->commit_inline()) break;
  }
  EXPECT_EQ(committed, 6u) << "five of 20,480 bytes, behind a header and a small one, and "
                              "before the beacon's page";
  EXPECT_TRUE(committer_->pending());
  EXPECT_FALSE(committer_->failed());
  settle(false);
  EXPECT_EQ(segments_, 2);
  EXPECT_TRUE(committer_->quiet());
  expect_recovered(committed + 1);
}

// ----------------------------------------------------------------- blocks in flight
TEST_F(CommitterBlocks, DurableMovesOverAPrefixOnly) {
  options_.first_segment_bytes = options_.segment_bytes = 1024 * 1024;
  begin_segment(1024 * 1024);
  const Lsn before = committer_->durable();
  std::vector<Lsn> lsns;
  for (int i = 0; i < 8; ++i) {
    lsns.push_back(put(20'000, static_cast<char>('a' + i)));
    committer_->turn(true);
  }
  ASSERT_EQ(held().size(), 8u);
  // All places are taken: more waits for a completion, and says so.
  lsns.push_back(put(20'000, 'z'));
  committer_->turn(true);
  EXPECT_EQ(held().size(), 8u);
  EXPECT_TRUE(committer_->blocked());
  // All but the first two complete: they prove nothing.
  for (int i = 7; i >= 2; --i) queue_->finish(static_cast<std::size_t>(i));
  committer_->turn(true);
  EXPECT_EQ(held().size(), 2u) << "no flush over a hole";
  EXPECT_EQ(committer_->durable(), before);
  // The first: one flush, for it alone, and a place for what waited.
  queue_->finish(0);
  committer_->turn(true);
  ASSERT_EQ(held().size(), 3u);
  EXPECT_EQ(held()[2], "flush wal-1");
  queue_->finish(2);
  committer_->turn(true);
  EXPECT_EQ(committer_->durable(), lsns[0]);
  EXPECT_FALSE(committer_->blocked());
  queue_->finish(0);  // the second: now all that were complete
  committer_->turn(true);
  ASSERT_EQ(held().back(), "flush wal-1");
  queue_->finish(held().size() - 1);
  committer_->turn(true);
  EXPECT_EQ(committer_->durable(), lsns[7]);
  settle();
  EXPECT_EQ(committer_->durable(), lsns[8]);
  EXPECT_EQ(durable_, (std::vector<Lsn>{lsns[0], lsns[7], lsns[8]}));
  expect_recovered(10);
}

TEST_F(CommitterBlocks, TwoFlushesAreInFlightAtMost) {
  begin_segment();
  std::vector<Lsn> lsns;
  for (int i = 0; i < 3; ++i) {
    lsns.push_back(put(10));
    committer_->turn(true);
    queue_->finish(held().size() - 1);  // its write
    committer_->turn(true);
  }
  EXPECT_EQ(held(), (Held{"flush wal-1", "flush wal-1"})) << "the third block waits for one";
  const Lsn before = committer_->durable();
  queue_->finish(1);
  committer_->turn(true);
  EXPECT_EQ(committer_->durable(), before) << "the older one may yet tell of an error";
  EXPECT_EQ(held(), Held{"flush wal-1"}) << "nor is there a third";
  queue_->finish(0);
  committer_->turn(true);
  EXPECT_EQ(committer_->durable(), lsns[1]);
  EXPECT_EQ(held(), Held{"flush wal-1"}) << "now the third's is asked for";
  settle();
  EXPECT_EQ(durable_, lsns);
  expect_recovered(4);
}

TEST_F(CommitterBlocks, WithoutODirectOneFlushIsInFlightAtMost) {
  script_.buffered = true;
  begin_segment();
  for (int i = 0; i < 2; ++i) {
    put(10);
    committer_->turn(true);
    queue_->finish(held().size() - 1);  // its write
    committer_->turn(true);
  }
  EXPECT_EQ(held(), Held{"flush wal-1"}) << "only one of them would be told of a lost page";
  settle();
  expect_recovered(3);
}

TEST_F(CommitterBlocks, WhatAYoungerFlushCoversIsLostWithTheOlder) {
  begin_segment();
  const Lsn before = committer_->durable();
  for (int i = 0; i < 2; ++i) {
    put(10);
    committer_->turn(true);
    queue_->finish(held().size() - 1);  // its write
    committer_->turn(true);
  }
  ASSERT_EQ(held(), (Held{"flush wal-1", "flush wal-1"}));
  queue_->finish(1);
  committer_->turn(true);
  queue_->finish(0, -EIO);
  committer_->turn(true);
  EXPECT_TRUE(committer_->failed());
  EXPECT_EQ(committer_->durable(), before);
  EXPECT_TRUE(durable_.empty());
}

TEST_F(CommitterBlocks, SmallAmountsWaitForCompany) {
  begin_segment();
  for (int i = 0; i < 2; ++i) {
    put(10);
    committer_->turn(true);
  }
  ASSERT_EQ(held().size(), 2u);
  put(10);
  committer_->turn(true);
  EXPECT_EQ(held().size(), 2u);
  EXPECT_TRUE(committer_->blocked());
  put(16 * 1024);
  committer_->turn(true);
  EXPECT_EQ(held().back(), "write wal-1 16384+20480") << "both, and worth a write";
  settle();
  expect_recovered(5);
}

// The flush of a header that completed before its first block tells nobody anything.
TEST_F(CommitterBlocks, AHeaderAloneMakesNothingDurable) {
  ASSERT_EQ(begin().code, Code::ok);
  put(10);
  committer_->turn(true);
  queue_->finish(0);
  committer_->turn(true);
  ASSERT_EQ(held(), (Held{"write wal-1 4096+4096", "flush wal-1"}));
  queue_->finish(1);
  committer_->turn(true);
  EXPECT_EQ(durable_, std::vector<Lsn>{});
  settle();
  EXPECT_EQ(durable_.size(), 1u);
  expect_recovered(1);
}

// ------------------------------------------------------------------ what fails
TEST_F(CommitterBlocks, AShortWriteIsRepeatedWhole) {
  begin_segment();
  const Lsn last = put(10'000);
  committer_->turn(true);
  queue_->finish(0, 4096);
  committer_->turn(true);
  EXPECT_EQ(held(), Held{"write wal-1 8192+12288"}) << "the same bytes, no flush";
  settle();
  EXPECT_EQ(committer_->durable(), last);
  EXPECT_EQ(committer_->counters().resubmitted, 1u);
  expect_recovered(2);
}

TEST_F(CommitterBlocks, AWriteThatNeverGetsAnywhereEndsTheLog) {
  begin_segment();
  put(10);
  committer_->turn(true);
  for (std::size_t i = 1; i < kTries; ++i) {
    queue_->finish(0, i % 2 == 0 ? 512 : -EAGAIN);
    committer_->turn(true);
    ASSERT_EQ(held(), Held{"write wal-1 8192+4096"}) << i;
  }
  queue_->finish(0, 512);
  committer_->turn(true);
  expect_failed("write a block", "Input/output error");
  expect_recovered(1);
}

// Whatever else was in flight when one failed: said once, and nothing acknowledged.
TEST_F(CommitterBlocks, WhatCompletesAfterAFailureChangesNothing) {
  for (const bool flush_first : {false, true}) {
    for (const std::int64_t later : {kDo, std::int64_t{-EIO}, std::int64_t{-EAGAIN}}) {
      world_ = sim::SimWorld(1);
      script_ = Script();
      failures_.clear();
      durable_.clear();
      contents_.clear();
      segments_ = 0;
      begin_segment();
      put(10);
      committer_->turn(true);
      queue_->finish(0);
      committer_->turn(true);
      put(20);
      committer_->turn(true);
      ASSERT_EQ(held(), (Held{"flush wal-1", "write wal-1 12288+4096"}));
      queue_->finish(flush_first ? 0 : 1, -EIO);
      committer_->turn(true);
      queue_->finish(0, later);
      committer_->turn(true);
      EXPECT_EQ(durable_, std::vector<Lsn>{});
      expect_failed(flush_first ? "flush a segment" : "write a block", "Input/output error");
      expect_recovered(1);
    }
  }
}

// No kernel answers that; if one did, it is not the answer "done".
TEST_F(CommitterBlocks, AFlushThatAnswersANumberHasFailed) {
  begin_segment();
  put(10);
  committer_->turn(true);
  queue_->finish(0);
  committer_->turn(true);
  queue_->finish(0, 1);
  committer_->turn(true);
  EXPECT_EQ(durable_, std::vector<Lsn>{});
  expect_failed("flush a segment", "Input/output error");
  expect_recovered(1);
}

// A file system that moves data on overwriting may be full in the middle of a segment.
TEST_F(CommitterBlocks, AFullDiskIsWaitedForWithEachBlock) {
  for (const int error : {ENOSPC, EDQUOT, EFBIG}) {
    world_ = sim::SimWorld(1);
    contents_.clear();
    starved_.clear();
    segments_ = 0;
    begin_segment();
    settle(false);  // the next segment is there
    ASSERT_TRUE(committer_->spare_ready());
    const Lsn last = put(10);
    committer_->turn(true);
    for (std::size_t i = 0; i < 2 * kTries; ++i) {
      ASSERT_EQ(held(), Held{"write wal-1 8192+4096"});
      queue_->finish(0, -error);
      committer_->turn(true);
      ASSERT_EQ(held(), Held{}) << "tried again only after a while";
      EXPECT_EQ(committer_->starved_by(), error);
      EXPECT_EQ(committer_->idle_time(), options_.starved_retry);
      clock_.advance(options_.starved_retry);
      committer_->turn(true);
    }
    EXPECT_EQ(starved_, std::vector<int>{error}) << "said once";
    settle();
    EXPECT_EQ(starved_, (std::vector<int>{error, 0}));
    EXPECT_EQ(committer_->durable(), last);
    expect_recovered(2);
  }
}

// There is room again only once the next segment has found some, too.
TEST_F(CommitterBlocks, ABlockThatFoundRoomIsNotAllThatIsNeeded) {
  begin_segment();
  script_.answer("open wal-2", {-ENOSPC});
  settle(false);
  EXPECT_EQ(starved_, std::vector<int>{ENOSPC});
  EXPECT_EQ(committer_->idle_time(), options_.starved_retry);
  put(10);
  settle();
  EXPECT_TRUE(committer_->starved());
  clock_.advance(options_.starved_retry);
  settle(false);
  EXPECT_EQ(starved_, (std::vector<int>{ENOSPC, 0}));
  EXPECT_TRUE(committer_->spare_ready());
  expect_recovered(2);
}

}  // namespace
}  // namespace warden::log::test
