// SPDX-License-Identifier: Apache-2.0
//
// Rows of the decision table in docs/recovery.md that only a file which changes, fails or
// lies at one named place can reach. Nothing is changed where opening refuses.
#include <cerrno>

#include "../../sim/hooked_disk.hpp"
#include "log_fixture.hpp"
#include "sim_store.hpp"

namespace warden::log::test {
namespace {

using sim::Answer;
using sim::Call;
using sim::Op;

class LogRecovery : public testing::Test {
 protected:
  void fill(bool closed, bool rest = true) {
    begin();
    store_->fill(closed, rest);
  }
  // One segment with few records, closed or as a crash leaves it.
  void fill_one(bool closed) {
    begin();
    bool alive = true;
    ASSERT_EQ(store_->model.open(), "");
    for (int i = 0; i < 4; ++i) {
      ASSERT_EQ(store_->model.append(300, alive), "");
      ASSERT_EQ(store_->model.sync(alive), "");
    }
    end(closed);
  }
  // A segment larger than what is read of it at a time, with blocks that are too.
  void fill_large(bool closed) {
    begin();
    Options& options = store_->model.options();
    options.segment_bytes = options.first_segment_bytes = 3u << 20;
    options.buffer_bytes = 8u << 20;
    bool alive = true;
    ASSERT_EQ(store_->model.open(), "");
    for (const std::size_t size : {300'000, 1'100'000, 200'000, 100'000, 100}) {
      ASSERT_EQ(store_->model.append(size, alive), "");
      ASSERT_EQ(store_->model.sync(alive), "");
    }
    end(closed);
  }
  void end(bool closed) {
    if (closed) {
      ASSERT_EQ(store_->model.close_cleanly(), "");
    } else {
      store_->model.drop();
    }
    store_->world.restart([](std::size_t, std::size_t) { return true; },
                          store_->world.unsynced_entries());
  }
  void begin() {
    log_.reset();  // it writes to the disk that it was opened on
    store_ = std::make_unique<World>();
    below_ = sim::make_sim_disk(store_->world, store_->clock);
    disk_ = std::make_unique<sim::HookedDisk>(*below_);
  }

  Error open(Mode mode = Mode::write) {
    Options options = store_->model.options();
    options.mode = mode;
    sink_ = {};
    log_.reset();
    return Log::open(*disk_, "sim", options, sink_, log_);
  }
  void refused(Code code, const std::string& says, Mode mode = Mode::write) {
    const std::uint64_t before = store_->world.state_hash();
    const Error error = open(mode);
    EXPECT_EQ(error.code, code) << error.message;
    EXPECT_NE(error.message.find(says), std::string::npos) << error.message;
    EXPECT_EQ(store_->world.state_hash(), before);
  }
  // The nth call of that kind on that file answers so.
  void answers(Op op, const std::string& name, int nth, std::int64_t result) {
    count_ = 0;
    disk_->hook = [=, this](const Call& call) -> Answer {
      if (call.op == op && call.name == name && ++count_ == nth) return result;
      return {};
    };
  }
  std::string manifest() {
    for (const auto& [name, node] : store_->world.now()) {
      if (number_in(name, "MANIFEST-") != 0) return name;
    }
    return {};
  }
  void add_file(const char* name, const std::string& bytes) {
    auto node = std::make_shared<sim::Node>();
    node->seen = node->durable = bytes;
    store_->world.now()[name] = node;
  }

  std::unique_ptr<World> store_;
  std::unique_ptr<io::Disk> below_;
  std::unique_ptr<sim::HookedDisk> disk_;
  KeepingSink sink_;
  std::unique_ptr<Log> log_;
  int count_ = 0;
};

// -------------------------------------------------------------------- row A
TEST_F(LogRecovery, EveryReadThatFailsIsAnErrorNeverAnEnd) {
  for (const bool closed : {false, true}) {
    for (const bool live : {false, true}) {  // as if beside a writer
      fill_large(closed);
      const std::uint64_t before = store_->world.state_hash();
      for (const std::int64_t answer : {-EIO, -ENOMEM, 100}) {
        int reads = 0;
        for (int nth = 1;; ++nth) {
          int count = 0;
          disk_->hook = [&](const Call& call) -> Answer {
            if (live && call.op == Op::locked) return 1;
            const bool hit = call.op == Op::read && number_in(call.name, "wal-") != 0;
            return hit && ++count == nth ? Answer(answer) : std::nullopt;
          };
          const Error error = open(Mode::read_only);
          if (count < nth) break;
          ++reads;
          EXPECT_EQ(error.code, answer == -ENOMEM ? Code::no_memory : Code::io)
              << "read " << nth << " answers " << answer << ": " << error.message;
          EXPECT_NE(error.message.find("/wal-"), std::string::npos) << error.message;
        }
        EXPECT_GT(reads, 3);
      }
      EXPECT_EQ(store_->world.state_hash(), before);
      disk_->hook = nullptr;
      EXPECT_EQ(open().code, Code::ok);
      EXPECT_EQ(sink_.seen.size(), 5u);
    }
  }
}

TEST_F(LogRecovery, WhatIsNotThereAtTheSecondLookIsDamageAndWhatFailsAnError) {
  for (const char* name : {"wal-1", "wal-3"}) {  // read, and a spare
    fill(false);
    answers(Op::open, name, 2, -ENOENT);
    refused(Code::corrupt, std::string(name) + ": damaged at byte 0: the file is gone");
    answers(Op::open, name, 2, -EIO);
    refused(Code::io, std::string(name) + ": cannot open it");
    answers(Op::size, name, 2, kPage);
    refused(Code::corrupt, "the file ends here");
    answers(Op::size, name, 1, -EIO);
    refused(Code::io, std::string(name) + ": cannot open it");
  }
}

// -------------------------------------------------------------------- row C
TEST_F(LogRecovery, AFileThatIsNotListedCountsIfItIsOfThisStoreAndLater) {
  fill(true);
  auto header = load<SegmentHeader>(store_->world.now()["wal-1"]->seen.data());
  header.number = 900;
  const auto bytes = [&] {
    header.digest = image_digest(&header, sizeof header, kSegmentMagic);
    return std::string(reinterpret_cast<const char*>(&header), sizeof header);
  };
  add_file("wal-900", bytes());
  refused(Code::corrupt, "older than segment wal-900");
  refused(Code::corrupt, "older than segment wal-900", Mode::read_only);
  // Which must be known: it is no ground to begin a new epoch.
  answers(Op::open, "wal-900", 1, -EIO);
  refused(Code::io, "wal-900: cannot open it");
  answers(Op::read, "wal-900", 1, -EIO);
  refused(Code::io, "wal-900: cannot read it");
  answers(Op::read, "wal-900", 1, -ENOMEM);
  refused(Code::no_memory, "wal-900: cannot read it");
  answers(Op::open, "wal-900", 1, -ENOENT);
  EXPECT_EQ(open(Mode::read_only).code, Code::ok) << "gone since it was listed";
  disk_->hook = nullptr;
  const std::string whole = bytes();
  const std::string others[] = {
      std::string(100, 'x'),
      std::string(kPage, 'x'),
      (header.uuid.low ^= 1, bytes()),
      (header.uuid.low ^= 1, header.number = 901, bytes()),
      whole.substr(0, kPage - 1) + "x",
  };
  for (const std::string& other : others) {
    add_file("wal-900", other);
    const Error error = open(Mode::read_only);
    EXPECT_EQ(error.code, Code::ok) << error.message;
  }
}

// ---------------------------------------------------------------- rows D and E
TEST_F(LogRecovery, AHeaderOfANewerVersionIsRefused) {
  fill(true);
  store_->change_header("wal-2", [](SegmentHeader& header) { ++header.version; });
  refused(Code::newer_format, "wal-2: format version 2");
}

TEST_F(LogRecovery, AHeaderOfAnEpochBeforeTheSegmentBefore) {
  fill(true);
  store_->change_header("wal-2", [](SegmentHeader& header) { header.epoch = 0; });
  refused(Code::corrupt, "wal-2: damaged at byte 0: it does not continue the segment before it");
}

TEST_F(LogRecovery, ASealedEndMustBeReachedAtThatByteWithThatPositionAndDigest) {
  using Change = void (*)(ManifestHeader&, SegmentEntry&);
  const Change changes[] = {
      [](ManifestHeader&, SegmentEntry& entry) { entry.end += 4; },
      [](ManifestHeader&, SegmentEntry& entry) { entry.digest.high ^= 1; },
      [](ManifestHeader&, SegmentEntry& entry) { entry.offset += kPage; },
  };
  for (const Change change : changes) {
    fill_one(true);
    store_->change_manifest(change);
    refused(Code::corrupt, "the segment's sealed end is at byte");
  }
}

// ---------------------------------------------------------------- rows G to K
TEST_F(LogRecovery, BlocksOfAnotherEpochNeitherContinueTheLogNorProveAnything) {
  for (const bool whole : {true, false}) {
    fill_one(false);
    const std::uint64_t last = store_->blocks("wal-1").rbegin()->first;
    store_->change_block(
        "wal-1",
        [](BlockHeader& header, RecordHead&) {
          header.epoch = 7;
          header.synced = ~std::uint64_t{0};
        },
        last);
    if (!whole) store_->break_block("wal-1", last, [](BlockHeader& header) { ++header.wall; });
    ASSERT_EQ(open().code, Code::ok);
    EXPECT_EQ(sink_.seen.size(), 3u);
    EXPECT_FALSE(log_->recovery().torn) << "a former life of the file";
  }
}

TEST_F(LogRecovery, AWholeBlockThatDoesNotContinueTheChainIsCutWithTheTail) {
  using Change = void (*)(BlockHeader&, RecordHead&);
  const Change changes[] = {[](BlockHeader& header, RecordHead&) { header.first += 4; },
                            [](BlockHeader& header, RecordHead&) { header.previous.low ^= 1; }};
  for (const Change change : changes) {
    fill_one(false);
    const std::uint64_t last = store_->blocks("wal-1").rbegin()->first;
    store_->change_block("wal-1", change, last);
    // A reader beside a writer does not judge where it ends.
    disk_->hook = [](const Call& call) { return call.op == Op::locked ? Answer(1) : Answer(); };
    ASSERT_EQ(open(Mode::read_only).code, Code::ok);
    EXPECT_FALSE(log_->recovery().torn);
    disk_->hook = nullptr;
    ASSERT_EQ(open().code, Code::ok);
    EXPECT_EQ(sink_.seen.size(), 3u);
    EXPECT_TRUE(log_->recovery().torn);
    EXPECT_EQ(log_->recovery().torn_offset, last);
    EXPECT_EQ(log_->recovery().torn_blocks, 0u) << "at the cut, not past it";
  }
}

TEST_F(LogRecovery, AWholeBlockPastTheHoleIsGivenUpIfItProvesNothing) {
  fill_one(false);
  const auto all = store_->blocks("wal-1");
  const std::uint64_t last = all.rbegin()->first;
  store_->change_block(
      "wal-1", [](BlockHeader& header, RecordHead&) { header.synced = 0; }, last);
  store_->break_block("wal-1", std::next(all.rbegin())->first,
                      [](BlockHeader& header) { ++header.wall; });
  ASSERT_EQ(open().code, Code::ok);
  EXPECT_EQ(sink_.seen.size(), 2u);
  EXPECT_TRUE(log_->recovery().torn);
  EXPECT_EQ(log_->recovery().torn_blocks, 1u);
  EXPECT_EQ(log_->recovery().torn_bytes, 2u * kPage);
}

TEST_F(LogRecovery, ASegmentThatWasBegunWithoutABlockOfWorthIsGivenUp) {
  BlockHeader begun;
  begun.segment = 3;
  begun.epoch = 1;
  begun.offset = kPage;
  begun.length = 2 * kPage;
  const auto begin_third = [&](bool header, bool block) {
    std::string& image = store_->world.now().at("wal-3")->seen;
    if (header) image[5] = 'x';
    if (block) std::memcpy(image.data() + kPage, &begun, sizeof begun);
    store_->world.now().at("wal-3")->durable = image;
  };
  for (const bool torn_before : {false, true}) {
    for (const bool header : {false, true}) {
      for (const bool block : {false, true}) {
        fill(false);
        const std::uint64_t last = store_->blocks("wal-2").rbegin()->first;  // a beacon
        if (torn_before) {
          store_->break_block("wal-2", last, [](BlockHeader& head) { ++head.wall; });
        }
        begin_third(header, block);
        ASSERT_EQ(open().code, Code::ok);
        const RecoveryReport& report = log_->recovery();
        EXPECT_EQ(report.torn, torn_before || block);
        if (torn_before) {
          EXPECT_EQ(report.torn_file, "wal-2") << "the first one counts";
        } else if (block) {
          EXPECT_EQ(report.torn_file, "wal-3");
          EXPECT_EQ(report.torn_bytes, 3u * kPage);
        }
        // Used again only if nothing was written there.
        EXPECT_EQ(store_->world.now().count("wal-3"), header || block ? 0u : 1u);
      }
    }
  }
}

TEST_F(LogRecovery, AHeaderThatCannotBeIsNoTraceOfABlock) {
  using Change = void (*)(BlockHeader&);
  const Change changes[] = {
      [](BlockHeader& header) { header.magic ^= 1; },
      [](BlockHeader& header) { header.segment = 2; },
      [](BlockHeader& header) { header.offset += kPage; },
      [](BlockHeader& header) { header.length = 0; },
      [](BlockHeader& header) { header.length = kMaxBlock + kPage; },
      [](BlockHeader& header) { header.length += 512; },
      [](BlockHeader& header) { header.length = 128 * 1024; },  // beyond the file
  };
  for (const Change change : changes) {
    fill_one(false);
    store_->break_block("wal-1", store_->blocks("wal-1").rbegin()->first, change);
    ASSERT_EQ(open().code, Code::ok);
    EXPECT_EQ(sink_.seen.size(), 3u);
    EXPECT_FALSE(log_->recovery().torn);
  }
  fill_one(false);
  store_->break_block("wal-1", store_->blocks("wal-1").rbegin()->first,
                      [](BlockHeader& header) { header.wall ^= 1; });
  ASSERT_EQ(open().code, Code::ok);
  EXPECT_TRUE(log_->recovery().torn) << "and one that can be is";
}

// ----------------------------------------------------- CURRENT and manifests
TEST_F(LogRecovery, ACurrentThatNamesNoManifestOrDoesNotCheckOut) {
  const auto with_sum = [](const std::string& name) {
    char sum[32];
    std::snprintf(sum, sizeof sum, " %016llx\n",
                  static_cast<unsigned long long>(XXH3_64bits(name.data(), name.size())));
    return name + sum;
  };
  fill(true);
  for (const std::string& text : {std::string(), with_sum("MANIFEST-"), with_sum("wal-1"),
                                  manifest() + " 0123456789abcdef\n", with_sum(manifest()) + "x"}) {
    add_file("CURRENT", text);
    refused(Code::corrupt, "CURRENT: damaged at byte 0: expected the name of a manifest");
  }
  answers(Op::open, "CURRENT", 1, -EACCES);
  refused(Code::permission, "CURRENT: cannot open it");
  answers(Op::read, "CURRENT", 1, -EIO);
  refused(Code::io, "CURRENT: cannot read it");
}

TEST_F(LogRecovery, AManifestThatCannotBeReadOrIsNotWhole) {
  fill(true);
  answers(Op::open, manifest(), 1, -EIO);
  refused(Code::io, "cannot open it");
  answers(Op::size, manifest(), 1, -EIO);
  refused(Code::io, "cannot read its size");
  answers(Op::read, manifest(), 1, -EIO);
  refused(Code::io, "cannot read it");
  answers(Op::read, manifest(), 1, 100);
  refused(Code::corrupt, "damaged at byte 100: it is cut short");
  disk_->hook = nullptr;
  store_->change_manifest([](ManifestHeader& header, SegmentEntry&) { header.magic ^= 1; });
  refused(Code::corrupt, "no manifest's magic number");
  using Change = void (*)(ManifestHeader&, SegmentEntry&);
  const std::pair<Change, const char*> catalogs[] = {
      {[](ManifestHeader& header, SegmentEntry&) { header.catalog = 5; }, "its catalog cannot be"},
      {[](ManifestHeader& header, SegmentEntry&) { header.catalog = header.bytes; },
       "its header contradicts the file"},
  };
  for (const auto& [change, says] : catalogs) {
    fill(true);
    store_->change_manifest(change);
    refused(Code::corrupt, says);
  }
}

// ---------------------------------------------------------- beside a writer
// Damage is believed the third time, unless another manifest came to be meanwhile; and
// then too in the end.
TEST_F(LogRecovery, AReaderThatIsOutrunForEverGivesUp) {
  class CountingSink final : public ReplaySink {
   public:
    Error apply(Lsn, RecordType, std::uint64_t, Part) override { return {}; }
    void reset() override { ++resets; }
    int resets = 0;
  } sink;
  fill_one(true);
  store_->break_block("wal-1", kPage, [](BlockHeader& header) { ++header.wall; });
  std::uint64_t number = number_in(manifest(), "MANIFEST-");
  disk_->hook = [&](const Call& call) -> Answer {
    if (call.op == Op::locked) return 1;
    if (call.op == Op::open && call.name == "CURRENT") {  // a writer has been here
      auto& files = store_->world.now();
      const std::string name = manifest();
      files[manifest_name(++number)] = files[name];
      files.erase(name);
      store_->change_manifest(
          [&](ManifestHeader& header, SegmentEntry&) { header.number = number; });
      const std::string now = manifest_name(number);
      char text[64];
      std::snprintf(text, sizeof text, "%s %016llx\n", now.c_str(),
                    static_cast<unsigned long long>(XXH3_64bits(now.data(), now.size())));
      add_file("CURRENT", text);
    }
    return {};
  };
  Options options = store_->model.options();
  options.mode = Mode::read_only;
  EXPECT_EQ(Log::open(*disk_, "sim", options, sink, log_).code, Code::corrupt);
  EXPECT_EQ(sink.resets, 999);
}

}  // namespace
}  // namespace warden::log::test
