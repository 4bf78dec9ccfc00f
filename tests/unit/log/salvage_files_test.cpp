// SPDX-License-Identifier: Apache-2.0
//
// Salvage of a log whose CURRENT, manifests, headers or whole segments are gone. Blocks
// stand in salvage_blocks_test.cpp.
#include <cerrno>

#include "sim_salvage.hpp"

namespace warden::log::test {
namespace {

// -------------------------------------------------------- CURRENT and manifests
TEST_F(LogSalvage, WithoutCurrentTheNewestWholeManifestIsTaken) {
  live(2, true);
  store_->world.now().erase("CURRENT");
  const std::uint64_t newest = number_in(manifest(), "MANIFEST-");
  Salvaged out = salvage_true();
  EXPECT_EQ(out.seen.size(), truth_.size());
  EXPECT_NE(note(out, 0).find("no file CURRENT"), std::string::npos);
  EXPECT_EQ(note(out, 1), manifest_name(newest) + ", the newest whole manifest, was taken instead");
  // By number, not by name; one that is not whole does not count.
  copy_manifest(20);
  copy_manifest(100);
  copy_manifest(1000);
  flip("MANIFEST-1000", 200);
  out = salvage_true();
  EXPECT_EQ(note(out, 1), "MANIFEST-100, the newest whole manifest, was taken instead");
}

TEST_F(LogSalvage, WithoutAManifestTheSegmentsTell) {
  for (const bool closed : {false, true}) {
    live(3, closed);
    flip(manifest(), 200);
    const Salvaged out = salvage_true();
    EXPECT_EQ(out.seen.size(), truth_.size());
    EXPECT_EQ(out.report.uuid, store_->model.options().uuid);
    EXPECT_NE(note(out, 1).find("no manifest is whole"), std::string::npos);
    // The first header may be gone too: the next one's tells whose log it is.
    zero("wal-1", 0, kPage);
    EXPECT_EQ(salvage_true().seen.size(), truth_.size());
  }
}

TEST_F(LogSalvage, WithoutManifestAndHeadersNothingTellsWhoseRecordsTheyAre) {
  live(1, true);
  store_->world.now().erase(manifest());
  for (const auto& [name, node] : store_->world.now()) {
    if (number_in(name, "wal-") != 0) zero(name, 0, kPage);
  }
  refused(Code::corrupt, "without the store's UUID");
}

TEST_F(LogSalvage, WhatWasNeverAStoreIsSaidToBeNone) {
  live(1, true);
  store_->world.now().clear();
  refused(Code::not_a_store, "it holds no segment");
  auto node = std::make_shared<sim::Node>();
  store_->world.now()["thesis.txt"] = node;
  refused(Code::not_a_store, "it holds no segment");
  // A manifest that is not whole is a trace of one.
  store_->world.now()["MANIFEST-3"] = node;
  refused(Code::corrupt, "neither a manifest nor the header");
}

TEST_F(LogSalvage, OfANewerFormatIsRefused) {
  live(1, true);
  copy_manifest(100, 1u << 7);
  EXPECT_EQ(salvage().error.code, Code::ok) << "CURRENT names another one";
  store_->world.now().erase("CURRENT");
  refused(Code::newer_format, "MANIFEST-100");
  store_->world.now().erase("MANIFEST-100");
  for (const bool version : {false, true}) {
    live(1, true);
    store_->change_header(
        "wal-1", [&](SegmentHeader& header) { (version ? header.version : header.incompat) += 1; });
    refused(Code::newer_format, "wal-1: format version");
  }
  live(1, true);
  store_->change_manifest([](ManifestHeader& header, SegmentEntry&) { header.version += 1; });
  refused(Code::newer_format, "MANIFEST-");
}

TEST_F(LogSalvage, AManifestThatLacksTheNewestSegments) {
  live(2, true);
  const std::string name = manifest();
  const auto old_manifest = std::make_shared<sim::Node>(*store_->world.now().at(name));
  const auto old_current = std::make_shared<sim::Node>(*store_->world.now().at("CURRENT"));
  // A second life, then its manifest is gone and CURRENT as it was in the first.
  ASSERT_EQ(store_->model.open(), "");
  const std::uint64_t segments = store_->model.log().stats().segments;
  while (store_->model.log().stats().segments < segments + 2) commit();
  ASSERT_EQ(store_->model.close_cleanly(), "");
  power_on();
  store_->world.now().erase(manifest());
  store_->world.now()[name] = old_manifest;
  store_->world.now()["CURRENT"] = old_current;
  const Salvaged out = salvage_true();
  EXPECT_EQ(out.seen.size(), truth_.size());
  EXPECT_EQ(out.report.epoch, 2u);
  EXPECT_NE(note(out, 0).find("newer than the manifest"), std::string::npos);
  // One whose header is not whole cannot be told from a stranger's.
  std::uint64_t newest = 0;
  for (const auto& [file, node] : store_->world.now()) {
    newest = std::max(newest, number_in(file, "wal-"));
  }
  flip(segment_name(newest), 100);
  EXPECT_LE(salvage().report.notes.size(), out.report.notes.size());
}

TEST_F(LogSalvage, FilesThatWereFreedDoNotCount) {
  live(2, true);
  store_->change_manifest([](ManifestHeader& header, SegmentEntry&) { header.next_number = 900; });
  store_->world.now()["wal-500"] = std::make_shared<sim::Node>(*store_->world.now().at("wal-1"));
  const Salvaged out = salvage_true();
  EXPECT_EQ(out.seen.size(), truth_.size());
  EXPECT_TRUE(out.report.lost.empty());
}

// ------------------------------------------------------------ segments and headers
TEST_F(LogSalvage, AMissingSegmentIsListedWithWhatItHeld) {
  for (const bool closed : {false, true}) {
    for (const char* name : {"wal-1", "wal-2", "wal-3"}) {
      live(3, closed);
      const auto held = blocks(name);
      const Lsn first = static_cast<Lsn>(held.begin()->second.first);
      const Lsn last = static_cast<Lsn>(held.rbegin()->second.end);
      store_->world.now().erase(name);
      const Salvaged out = salvage_true();
      ASSERT_EQ(out.report.lost.size(), 1u);
      const LostRange& lost = out.report.lost[0];
      EXPECT_EQ(lost.file, name);
      EXPECT_EQ(lost.why, "the file is missing");
      EXPECT_EQ(lost.after, first);
      // Where the last one ended is in the manifest of a close alone.
      EXPECT_EQ(lost.upto, closed || std::string(name) != "wal-3" ? last : kLsnUnknown);
      EXPECT_TRUE(out.report.may_follow(first));
      EXPECT_EQ(out.report.may_follow(last), lost.upto == kLsnUnknown);
    }
  }
}

TEST_F(LogSalvage, AMissingSegmentIsTakenFromTheHeaderAfterItIfNoManifestTells) {
  for (const char* name : {"wal-1", "wal-2"}) {
    live(3, true);
    store_->world.now().erase(manifest());
    const Lsn last = static_cast<Lsn>(blocks(name).rbegin()->second.end);
    store_->world.now().erase(name);
    const Salvaged out = salvage_true();
    ASSERT_EQ(out.report.lost.size(), 1u);
    EXPECT_EQ(out.report.lost[0].file, name);
    EXPECT_EQ(out.report.lost[0].upto, last);
    EXPECT_EQ(out.report.lost[0].why,
              std::string(name) == "wal-1" ? "not there: freed, or lost" : "the file is missing");
  }
  // Nor is anything said of what came before a segment whose header is not whole.
  live(3, true);
  store_->world.now().erase(manifest());
  store_->world.now().erase("wal-1");
  zero("wal-2", 0, kPage);
  EXPECT_EQ(salvage().error.code, Code::ok);
}

TEST_F(LogSalvage, AHeaderThatIsGoneLosesNoRecord) {
  for (const bool closed : {false, true}) {
    for (const char* name : {"wal-1", "wal-2", "wal-3"}) {
      live(3, closed);
      disk_->hook = [&](const Call& call) -> Answer {
        const bool hit = call.op == Op::read && call.name == name && call.offset == 0;
        return hit ? Answer(-EIO) : std::nullopt;
      };
      const Salvaged out = salvage_true();
      EXPECT_EQ(out.seen.size(), truth_.size());
    }
  }
}

TEST_F(LogSalvage, HeadersOfAnotherStoreOrSegmentAreNotBelieved) {
  using Change = void (*)(SegmentHeader&);
  const Change changes[] = {[](SegmentHeader& header) { header.uuid.low ^= 1; },
                            [](SegmentHeader& header) { header.number += 7; },
                            [](SegmentHeader& header) { header.previous_number = 9; }};
  for (const bool whole : {true, false}) {  // the manifest
    for (const Change change : changes) {
      live(3, false);
      store_->change_header("wal-2", change);
      if (!whole) store_->world.now().erase(manifest());
      EXPECT_EQ(salvage_true().seen.size(), truth_.size());
    }
  }
}

TEST_F(LogSalvage, AListWithoutSegmentsIsALogWithoutRecords) {
  live(1, true);
  store_->change_manifest([](ManifestHeader& header, SegmentEntry&) {
    header.segments = 0;
    header.ends = 0;
  });
  for (const char* name : {"wal-1", "wal-2", "wal-3"}) store_->world.now().erase(name);
  const Salvaged out = salvage();
  EXPECT_EQ(out.error.code, Code::ok) << out.error.message;
  EXPECT_TRUE(out.seen.empty());
  EXPECT_EQ(out.report.segments, 0u);
}

TEST_F(LogSalvage, ACutFileIsListedToItsSealedEnd) {
  live(2, true);
  const auto all = blocks("wal-1");
  const auto last = *all.rbegin();
  image("wal-1").resize(last.first);
  Salvaged out = salvage_true();
  ASSERT_EQ(out.report.lost.size(), 1u);
  EXPECT_EQ(out.report.lost[0].upto, static_cast<Lsn>(last.second.end));
  // Within a page, which then is no block.
  for (const std::uint64_t left : {300, 100}) {
    image("wal-1").resize(std::next(all.rbegin())->first + left);
    out = salvage_true();
    EXPECT_GE(out.report.lost.size(), 1u);
  }
  image("wal-1").resize(kPage / 2);
  EXPECT_EQ(salvage_true().report.lost.size(), 1u);
}

// What was freed lives on in the catalog: first, under no position.
TEST_F(LogSalvage, OfACleanedLogTheCatalogComesFirst) {
  live(1, true);
  ASSERT_EQ(store_->model.open(), "");
  Log& log = store_->model.log();
  const Log::Oldest oldest = log.oldest();
  ASSERT_NE(oldest.number, 0u);
  Catalog catalog;
  catalog.add(RecordType::flow, 5, bytes_of("first"));
  catalog.add(RecordType::totals, 6, {});
  ASSERT_EQ(log.free_oldest(oldest.number, log.last_appended(), std::move(catalog), kNever),
            Code::ok);
  ASSERT_EQ(log.close(kNever), Code::ok);
  store_->model.drop();
  store_->world.restart_after_kill();
  Salvaged out = salvage();
  ASSERT_EQ(out.error.code, Code::ok) << out.error.message;
  EXPECT_TRUE(out.report.lost.empty());
  ASSERT_GE(out.seen.size(), 2u);
  EXPECT_EQ(out.seen[0].lsn, Lsn::none);
  EXPECT_EQ(out.seen[0].content, "first");
  EXPECT_EQ(out.seen[1].type, RecordType::totals);
  // An error of the sink ends it here as well, in both readings.
  class RefusingSink final : public ReplaySink {
   public:
    Error apply(Lsn lsn, RecordType, std::uint64_t, Part) override {
      return lsn == Lsn::none ? Error{Code::limit, "enough", 0, 0, 0} : Error{};
    }
  } sink;
  Salvager salvager;
  ASSERT_FALSE(salvager.open(*disk_, "sim"));
  EXPECT_EQ(salvager.read(sink).code, Code::limit);
  std::unique_ptr<Log> again;
  EXPECT_EQ(Log::open(*disk_, "sim", store_->model.options(), sink, again).code, Code::limit);
}

}  // namespace
}  // namespace warden::log::test
