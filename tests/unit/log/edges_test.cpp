// SPDX-License-Identifier: Apache-2.0
//
// Calls at the edges of what the log allows, and headers that contradict each other
// under checksums that hold.
#include <sys/wait.h>

#include <cerrno>

#include "log/errors.hpp"
#include "log/format.hpp"
#include "log/manifest.hpp"
#include "log_fixture.hpp"
#include "sim_store.hpp"

namespace warden::log::test {
namespace {

class Edges : public testing::Test {
 protected:
  std::unique_ptr<Log> open(Options options = small_options()) {
    std::unique_ptr<Log> log;
    error_ = Log::open(*disk_, dir_.path(), options, sink_, log);
    return log;
  }

  TempDir dir_;
  std::unique_ptr<io::Disk> disk_ = io::make_real_disk(io::Backend::automatic);
  KeepingSink sink_;
  Error error_;
};

TEST_F(Edges, OptionsOutOfRangeAreRefusedBeforeAnythingIsMade) {
  using Change = void (*)(Options&);
  const Change changes[] = {
      [](Options& o) { o.segment_bytes = 100'000; },
      [](Options& o) { o.segment_bytes = 15 * kPage; },
      [](Options& o) { o.first_segment_bytes = 100'000; },
      [](Options& o) { o.first_segment_bytes = 15 * kPage; },
      [](Options& o) { o.buffer_bytes = 100'000; },
      [](Options& o) { o.buffer_bytes = 32 * 1024; },
      [](Options& o) { o.spares = 0; },
  };
  for (const Change change : changes) {
    Options options = small_options();
    change(options);
    EXPECT_EQ(open(options), nullptr);
    EXPECT_EQ(error_.code, Code::invalid_argument);
    EXPECT_FALSE(std::filesystem::exists(dir_.path()));
  }
}

TEST_F(Edges, AReaderChangesNothingAndSaysSo) {
  Lsn last = Lsn::none;
  {
    auto log = open();
    last = put(*log, "x");
    ASSERT_EQ(log->close(kSecond), Code::ok);
  }
  Options options = small_options();
  options.mode = Mode::read_only;
  auto reader = open(options);
  ASSERT_NE(reader, nullptr) << error_.message;
  EXPECT_EQ(reader->last_appended(), last);
  EXPECT_EQ(reader->durable(), last);
  EXPECT_EQ(reader->wait_durable(Lsn::none, 0), Code::ok);
  EXPECT_EQ(reader->wait_durable(last, 0), Code::ok);
  EXPECT_EQ(reader->wait_durable(static_cast<Lsn>(raw(last) + 4), 0), Code::timeout);
  EXPECT_EQ(reader->oldest().number, 0u);
  EXPECT_EQ(reader->read_oldest(1, sink_).code, Code::invalid_argument);
  EXPECT_EQ(reader->free_oldest(1, last, {}, 0), Code::read_only);
  EXPECT_STREQ(reader->stats().backend, "");
  EXPECT_FALSE(reader->in_flight());
  Credit credit;
  reader->release(credit);
  EXPECT_EQ(reader->close(0), Code::ok);
}

TEST_F(Edges, AForkedChildIsAnsweredForkedByEveryCall) {
  auto log = open();
  const Lsn lsn = put(*log, "x");
  ASSERT_EQ(log->sync(kNever), Code::ok);
  const pid_t child = ::fork();
  if (child == 0) {
    Credit credit;
    int wrong = 0;
    wrong += log->reserve(1, 1, ReserveFlags::none, credit) == Code::forked ? 0 : 1;
    log->release(credit);
    wrong += log->wait_durable(lsn, 0) == Code::forked ? 0 : 1;
    wrong += log->free_oldest(1, lsn, {}, 0) == Code::forked ? 0 : 1;
    wrong += log->oldest().number == 0 ? 0 : 1;
    wrong += log->close(0) == Code::forked ? 0 : 1;
    BackupReport report;
    wrong += log->backup(*disk_, dir_.path() + "2", {}, report).code == Code::forked ? 0 : 1;
    log.reset();
    leave_child(wrong);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(log->wait_durable(put(*log, "y"), kNever), Code::ok);
}

TEST_F(Edges, OnlyTheOldestSegmentIsReadAndFreed) {
  auto log = open();
  Lsn last = put(*log, "x");
  EXPECT_EQ(log->oldest().number, 0u) << "the only one is in use";
  EXPECT_EQ(log->free_oldest(0, last, {}, 0), Code::invalid_argument);
  while (log->oldest().number == 0) last = put(*log, std::string(4000, 'z'));
  ASSERT_EQ(log->wait_durable(last, kNever), Code::ok);
  const Log::Oldest oldest = log->oldest();
  EXPECT_EQ(log->read_oldest(oldest.number + 1, sink_).code, Code::invalid_argument);
  EXPECT_EQ(log->free_oldest(oldest.number + 1, last, {}, kNever), Code::invalid_argument);
  EXPECT_EQ(log->free_oldest(oldest.number, static_cast<Lsn>(raw(last) + (1 << 20)), {}, 0),
            Code::out_of_range);
  sink_.seen.clear();
  EXPECT_EQ(log->read_oldest(oldest.number, sink_).code, Code::ok);
  EXPECT_EQ(sink_.seen.back().lsn, oldest.end);
  // The scribe frees it; the cleaner's claims that were given up are no obstacle.
  Credit credit;
  ASSERT_EQ(log->reserve(50, 1, ReserveFlags::cleaner, credit), Code::ok);
  const Claim claim = log->claim(credit, 50);
  log->abandon(claim);
  log->release(credit);
  EXPECT_EQ(log->free_oldest(oldest.number, claim.lsn, {}, 10 * kSecond), Code::ok);
  EXPECT_EQ(log->stats().freed, 1u);
  EXPECT_EQ(log->free_oldest(oldest.number, last, {}, kNever), Code::ok) << "done already";
  EXPECT_EQ(log->stats().freed, 1u);
}

TEST_F(Edges, AManifestOfAnySizeIsNotRead) {
  {
    auto log = open();
    ASSERT_NE(log, nullptr);
    log->close(0);
  }
  for (const auto& [name, content] : image_of(dir_.path())) {
    if (number_in(name, "MANIFEST-") == 0) continue;
    std::filesystem::resize_file(dir_.path() + "/" + name, (64u << 20) + kPage);
  }
  EXPECT_EQ(open(), nullptr);
  EXPECT_EQ(error_.code, Code::corrupt);
  EXPECT_NE(error_.message.find("larger than any manifest"), std::string::npos) << error_.message;
}

TEST(LogErrors, ErrnosAreToldApart) {
  for (const int error : {ENOSPC, EDQUOT, EFBIG}) EXPECT_EQ(code_of_errno(error), Code::no_space);
  for (const int error : {ENOMEM, EMFILE, ENFILE}) EXPECT_EQ(code_of_errno(error), Code::no_memory);
  for (const int error : {EACCES, EPERM, EROFS}) EXPECT_EQ(code_of_errno(error), Code::permission);
  EXPECT_EQ(code_of_errno(EIO), Code::io);
}

TEST(LogNames, AreReadStrictly) {
  EXPECT_EQ(number_in("wal-17", "wal-"), 17u);
  for (const char* name : {"wal-", "wal-017", "wal-0", "wal-1x", "wal1", "MANIFEST-1",
                           "wal-99999999999999999999", "wal--1"}) {
    EXPECT_EQ(number_in(name, "wal-"), 0u) << name;
  }
}

// -------------------------------------------------- over the simulated disk
TEST(LogHeaders, OneThatContradictsTheManifest) {
  World store;
  store.fill(true);
  store.change_header("wal-1", [](SegmentHeader& header) { header.base += 4; });
  store.refused("its header contradicts the manifest");
}

TEST(LogHeaders, OneThatDoesNotContinueTheSegmentBefore) {
  using Change = void (*)(SegmentHeader&);
  const Change changes[] = {[](SegmentHeader& header) { header.previous_number = 7; },
                            [](SegmentHeader& header) { header.previous_end += 4; },
                            [](SegmentHeader& header) { header.previous_offset += kPage; },
                            [](SegmentHeader& header) { header.previous_digest.low ^= 1; }};
  for (const bool closed : {false, true}) {
    for (const Change change : changes) {
      World store;
      store.fill(closed);
      store.change_header("wal-2", change);
      // Of an open log the successor says where this one ended, so there it ends wrongly.
      store.refused(closed ? "it does not continue the segment before it" : "damaged at byte");
    }
  }
}

TEST(LogHeaders, OneOfAnEarlierEpochThatWasNeverSealed) {
  World store;
  store.fill(false);
  store.change_header("wal-2", [](SegmentHeader& header) { header.epoch = 0; });
  store.refused("it is of an earlier epoch, but was never sealed");
}

TEST(LogHeaders, OneOfALaterEpochThanTheManifest) {
  World store;
  store.fill(false);
  store.change_header("wal-2", [](SegmentHeader& header) { header.epoch = 9; });
  store.refused("but the manifest that CURRENT names is of epoch 1");
}

TEST(LogHeaders, OneThatIsGoneBeforeASegmentThatWasBegun) {
  World store;
  store.fill(false, false);  // no manifest has been written since wal-1 was left
  sim::Node& node = *store.world.now()["wal-1"];
  std::fill_n(node.durable.begin(), kPage, '\0');
  node.seen = node.durable;
  store.refused("its header is not valid, but segment wal-2 after it was begun");
}

TEST(LogManifests, EntriesThatCannotBe) {
  using Change = void (*)(ManifestHeader&, SegmentEntry&);
  const Change entries[] = {
      [](ManifestHeader&, SegmentEntry& entry) { entry.number = 0; },
      [](ManifestHeader&, SegmentEntry& entry) { entry.number = 1'000'000; },
      [](ManifestHeader&, SegmentEntry& entry) { entry.size += 1; },
      [](ManifestHeader&, SegmentEntry& entry) { entry.size = kPage; },
      [](ManifestHeader&, SegmentEntry& entry) { entry.offset = entry.size + kPage; },
  };
  for (const Change change : entries) {
    World store;
    store.fill(true);
    store.change_manifest(change);
    store.refused("an entry of a segment is impossible");
  }
  const Change headers[] = {
      [](ManifestHeader& header, SegmentEntry&) { header.bytes += kPage; },
      [](ManifestHeader& header, SegmentEntry&) { header.segments = 1'000'000; },
      [](ManifestHeader& header, SegmentEntry&) { header.number += 1; },
      [](ManifestHeader& header, SegmentEntry&) { header.epoch = 0; },
  };
  for (const Change change : headers) {
    World store;
    store.fill(true);
    store.change_manifest(change);
    store.refused("its header contradicts the file");
  }
}

TEST(LogManifests, TheLastEpochThereIsCannotBePassed) {
  World store;
  store.fill(true);
  store.change_manifest([](ManifestHeader& header, SegmentEntry&) { header.epoch = kMaxEpoch; });
  store.refused("the most a store can be", Code::limit);
}

TEST(LogBlocks, OnesThatContradictThemselves) {
  using Change = void (*)(BlockHeader&, RecordHead&);
  const Change blocks[] = {[](BlockHeader& block, RecordHead&) { block.end = block.first - 4; },
                           [](BlockHeader& block, RecordHead&) { block.end += kMaxBlock; }};
  for (const Change change : blocks) {
    World store;
    store.fill(true);
    store.change_block("wal-1", change);
    store.refused("a block contradicts itself");
  }
  const Change records[] = {
      [](BlockHeader& block, RecordHead&) { block.end = block.first + 4; },
      [](BlockHeader&, RecordHead& record) { record.word = 0; },
      [](BlockHeader&, RecordHead& record) { record.word += 8u << 11; },
  };
  for (const Change change : records) {
    World store;
    store.fill(true);
    store.change_block("wal-1", change);
    store.refused("a record contradicts its block");
  }
}

// Reading beside a writer, a file may change between two looks: damage is believed
// the third time, and each time what was applied before is forgotten.
TEST(LogReader, BelievesDamageOnlyTheThirdTime) {
  class CountingSink final : public ReplaySink {
   public:
    Error apply(Lsn, RecordType, std::uint64_t, Part) override { return {}; }
    void reset() override { ++resets; }
    int resets = 0;
  } sink;
  World store;
  store.fill(false);
  ASSERT_EQ(store.model.open(), "");  // a writer, which holds the lock
  sim::Node& node = *store.world.now()["wal-1"];
  node.seen[kPage + 200] = static_cast<char>(node.seen[kPage + 200] ^ 1);
  Options options = store.model.options();
  options.mode = Mode::read_only;
  std::unique_ptr<Log> reader;
  const auto disk = sim::make_sim_disk(store.world, store.clock);
  EXPECT_EQ(Log::open(*disk, "sim", options, sink, reader).code, Code::corrupt);
  EXPECT_EQ(sink.resets, 2);
}

TEST(LogReader, AnErrorOfTheSinkEndsTheOpeningWithIt) {
  class RefusingSink final : public ReplaySink {
   public:
    Error apply(Lsn, RecordType, std::uint64_t, Part) override {
      return Error{Code::limit, "no more", 0, 0, 0};
    }
  } sink;
  World store;
  store.fill(true);
  std::unique_ptr<Log> log;
  const auto disk = sim::make_sim_disk(store.world, store.clock);
  const std::uint64_t before = store.world.state_hash();
  EXPECT_EQ(Log::open(*disk, "sim", store.model.options(), sink, log).code, Code::limit);
  EXPECT_EQ(store.world.state_hash(), before);
}

TEST(LogEpochs, APositionOfOneTooLongAgoIsLost) {
  sim::SimWorld world(4);
  io::ManualClock clock(kSecond);
  sim::LogModel model(world, clock);
  bool alive = true;
  ASSERT_EQ(model.open(), "");
  ASSERT_EQ(model.append(10, alive), "");
  const Lsn first = model.log().last_appended();
  for (std::size_t i = 0; i <= kEpochEndsKept; ++i) {
    ASSERT_EQ(model.log().close(kNever), Code::ok);
    ASSERT_EQ(model.log().wait_durable(first, 0), Code::ok);
    model.drop();
    world.locked = false;
    Options options = model.options();
    KeepingSink sink;
    std::unique_ptr<Log> log;
    const auto disk = sim::make_sim_disk(world, clock);
    ASSERT_EQ(Log::open(*disk, "sim", options, sink, log).code, Code::ok);
    const bool known = log->epoch() - 1 <= kEpochEndsKept;
    ASSERT_EQ(log->wait_durable(first, 0), known ? Code::ok : Code::lost) << log->epoch();
    ASSERT_EQ(log->close(kNever), Code::ok);
    log.reset();
    if (!known) return;
    ASSERT_EQ(model.open(), "");
  }
  FAIL() << "never too long ago";
}

}  // namespace
}  // namespace warden::log::test
