// SPDX-License-Identifier: Apache-2.0
//
// The journal of a durable replay: what was committed comes back whole, what was cut
// short does not, and a file of something else is left alone.
#include "cli/alert_journal.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <vector>

namespace warden::cli {
namespace {

namespace fs = std::filesystem;

const JournalOwner kOwner{"/store", "0123"};

AlertEntry entry(std::uint64_t number) {
  AlertEntry out;
  out.id = {number, ~number};
  out.kind = 2;
  out.level = static_cast<std::uint32_t>(number);
  out.raised_ns = static_cast<std::int64_t>(number) * 10;
  out.deadline_ns = -static_cast<std::int64_t>(number);
  out.rule = "rule " + std::to_string(number);
  out.case_id = std::string("k\0e", 3) + std::to_string(number);
  out.stage = number % 2 == 0 ? "" : "stage";
  return out;
}

void expect_same(const AlertEntry& a, const AlertEntry& b) {
  EXPECT_EQ(a.id, b.id);
  EXPECT_EQ(a.kind, b.kind);
  EXPECT_EQ(a.level, b.level);
  EXPECT_EQ(a.raised_ns, b.raised_ns);
  EXPECT_EQ(a.deadline_ns, b.deadline_ns);
  EXPECT_EQ(a.rule, b.rule);
  EXPECT_EQ(a.case_id, b.case_id);
  EXPECT_EQ(a.stage, b.stage);
}

class AlertJournalFile : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "warden-journal-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    path_ = (folder_ / "journal").string();
  }
  void TearDown() override { fs::remove_all(folder_); }

  // Opens it, adds entries first .. last - 1 and commits; what it held before.
  std::vector<AlertEntry> run(std::uint64_t first, std::uint64_t last, bool anew = false) {
    std::vector<AlertEntry> held;
    AlertJournal journal;
    const Status opened =
        journal.open(path_, kOwner, anew, [&](AlertEntry one) { held.push_back(std::move(one)); });
    EXPECT_FALSE(opened.has_value()) << opened->message;
    for (std::uint64_t i = first; i < last; ++i) journal.add(entry(i));
    EXPECT_FALSE(journal.commit().has_value());
    return held;
  }

  fs::path folder_;
  std::string path_;
};

TEST_F(AlertJournalFile, WhatWasCommittedComesBackInOrder) {
  EXPECT_TRUE(run(0, 3).empty());
  EXPECT_EQ(run(3, 5).size(), 3U);
  const std::vector<AlertEntry> held = run(0, 0);
  ASSERT_EQ(held.size(), 5U);
  for (std::uint64_t i = 0; i < held.size(); ++i) expect_same(held[i], entry(i));
}

TEST_F(AlertJournalFile, AnewDropsWhatItHeld) {
  run(0, 3);
  EXPECT_TRUE(run(7, 8, true).empty());
  const std::vector<AlertEntry> held = run(0, 0);
  ASSERT_EQ(held.size(), 1U);
  expect_same(held[0], entry(7));
}

TEST_F(AlertJournalFile, AnEntryCutShortAnywhereIsDroppedAndOverwritten) {
  run(0, 2);
  const auto two = fs::file_size(path_);
  run(2, 3);
  const auto three = fs::file_size(path_);
  for (auto size = two; size < three; ++size) {
    fs::resize_file(path_, size);
    ASSERT_EQ(run(9, 10).size(), 2U) << "cut at byte " << size;
    const std::vector<AlertEntry> held = run(0, 0);
    ASSERT_EQ(held.size(), 3U);
    expect_same(held[2], entry(9));
    fs::resize_file(path_, two);
    run(2, 3);
  }
}

TEST_F(AlertJournalFile, AHeaderCutShortIsAJournalThatNeverBegan) {
  run(0, 0);
  fs::resize_file(path_, fs::file_size(path_) - 1);
  EXPECT_FALSE(AlertJournal::check(path_, kOwner, false).has_value());
  EXPECT_TRUE(run(0, 1).empty());
  EXPECT_EQ(run(0, 0).size(), 1U);
}

TEST_F(AlertJournalFile, AnotherStoresJournalIsRefusedByName) {
  run(0, 1);
  const auto size = fs::file_size(path_);
  const JournalOwner other{"/other", "0123"};
  for (const bool anew : {false, true}) {
    const Status refused = AlertJournal::check(path_, other, anew);
    ASSERT_TRUE(refused.has_value());
    EXPECT_EQ(refused->exit_code, ExitCode::bad_input);
    EXPECT_NE(refused->message.find("/store"), std::string::npos) << refused->message;
  }
  AlertJournal journal;
  EXPECT_TRUE(journal.open(path_, other, false, [](const AlertEntry&) {}).has_value());
  EXPECT_EQ(fs::file_size(path_), size);
}

TEST_F(AlertJournalFile, AnotherReplaysJournalIsRefusedUnlessTheStoreIsNew) {
  run(0, 1);
  const JournalOwner other{"/store", "4567"};
  const Status refused = AlertJournal::check(path_, other, false);
  ASSERT_TRUE(refused.has_value());
  EXPECT_NE(refused->message.find("another replay"), std::string::npos) << refused->message;
  EXPECT_FALSE(AlertJournal::check(path_, other, true).has_value());
}

TEST_F(AlertJournalFile, AnotherKindOfFileIsRefusedAndLeftAlone) {
  const std::string text(200, 'x');
  std::ofstream(path_) << text;
  for (const Status& refused :
       {AlertJournal::check(path_, kOwner, false),
        AlertJournal().open(path_, kOwner, false, [](const AlertEntry&) {})}) {
    ASSERT_TRUE(refused.has_value());
    EXPECT_EQ(refused->exit_code, ExitCode::bad_input);
    EXPECT_NE(refused->message.find(path_), std::string::npos) << refused->message;
  }
  EXPECT_EQ(fs::file_size(path_), text.size());
}

TEST_F(AlertJournalFile, AFolderThatIsNotThereIsRefused) {
  const Status refused = AlertJournal::check(path_ + "/nowhere/journal", kOwner, false);
  ASSERT_TRUE(refused.has_value());
  EXPECT_EQ(refused->exit_code, ExitCode::environment);
}

}  // namespace
}  // namespace warden::cli
