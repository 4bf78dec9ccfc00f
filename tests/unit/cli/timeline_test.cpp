// SPDX-License-Identifier: Apache-2.0
//
// The timeline of an item against what was done to it through the C ABI: every verb,
// every kind of alert, acknowledgements, a restart in between.
#include "cli/timeline.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

#include "../capi/client.hpp"

namespace warden::cli {
namespace {

using test::kS;

constexpr const char* kFlow = R"(
[flow]
name = "f"
stages = ["a", "b", "end"]
close = ["end"]
[[rule]]
name = "total"
kind = "total"
within = "100s"
warn_at = "50%"
escalate = ["+10s"]
[[rule]]
name = "hop"
kind = "stage"
from = "a"
to = "b"
within = "20s"
min = "2s"
[[rule]]
name = "promise"
kind = "due"
)";

// A store in a folder of its own, on the manual clock, opened anew by reopen().
class Timeline : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string form = (std::filesystem::temp_directory_path() / "timeline-XXXXXX").string();
    ASSERT_NE(mkdtemp(form.data()), nullptr);
    folder_ = form;
    open();
    ASSERT_EQ(warden_flow_define(store_, kFlow, std::strlen(kFlow), nullptr, nullptr), WARDEN_OK);
  }
  void TearDown() override {
    close();
    std::filesystem::remove_all(folder_);
  }
  void open() {
    warden_config* config = nullptr;
    warden_error error = WARDEN_ERROR_INIT;
    ASSERT_EQ(warden_config_new(&config), WARDEN_OK);
    ASSERT_EQ(warden_config_set(config, "clock", "manual", &error), WARDEN_OK);
    ASSERT_EQ(warden_open(folder_.c_str(), config, &store_, &error), WARDEN_OK) << error.message;
    warden_config_free(config);
  }
  void close() {
    warden_close(store_, 10 * kS);
    warden_free(store_);
    store_ = nullptr;
  }
  const warden_item_options* at(std::int64_t seconds) {
    options_ = WARDEN_ITEM_OPTIONS_INIT;
    options_.at_ns = seconds * kS;
    return &options_;
  }
  // "10 mark a | hop until 30": an instant in seconds, what, and what with it.
  std::vector<std::string> timeline(const char* key) {
    warden_item item{};
    std::vector<std::uint64_t> buffer(4096);
    EXPECT_GE(warden_get(store_, "f", 1, key, std::strlen(key), &item, buffer.data(),
                         buffer.size() * 8, nullptr),
              0);
    close();
    auto moments = read_timeline(folder_, item.incarnation);
    open();
    EXPECT_TRUE(moments.ok());
    std::vector<std::string> out;
    for (const Moment& one : moments.value()) {
      std::string line = one.at_ns == WARDEN_NO_TIME ? "-" : std::to_string(one.at_ns / kS);
      line += " " + one.what;
      if (!one.detail.empty()) line += " | " + one.detail;
      for (std::size_t i; (i = line.find("1970-01-01T00:")) != std::string::npos;) {
        line.erase(i, std::strlen("1970-01-01T00:"));
      }
      out.push_back(line);
    }
    return out;
  }

  std::string folder_;
  warden_store* store_ = nullptr;
  warden_item_options options_ = WARDEN_ITEM_OPTIONS_INIT;
};

using Lines = std::vector<std::string>;

TEST_F(Timeline, EveryVerbOfAnItemThatIsFinished) {
  warden_item_options first = *at(1);
  first.ttl_ns = 60 * kS;
  ASSERT_EQ(warden_submit(store_, "f", 1, "k", 1, "p", 1, &first, nullptr), WARDEN_NEW);
  ASSERT_EQ(warden_exec(store_, "f", 1, "k", 1, at(2), nullptr), WARDEN_ARMED);
  warden_due due = {"promise", 7, 90 * kS};
  warden_item_options with_due = *at(3);
  with_due.dues = &due;
  with_due.due_count = 1;
  ASSERT_EQ(warden_mark(store_, "f", 1, "k", 1, "a", 1, &with_due, nullptr), WARDEN_OK);
  close();
  open();
  ASSERT_EQ(warden_touch(store_, "f", 1, "k", 1, at(4), nullptr), WARDEN_OK);
  ASSERT_EQ(
      warden_extend(store_, "f", 1, "k", 1, "total", 5, WARDEN_NO_TIME, 112 * kS, at(5), nullptr),
      WARDEN_OK);
  ASSERT_EQ(warden_mark(store_, "f", 1, "k", 1, "b", 1, at(25), nullptr), WARDEN_OK);
  ASSERT_EQ(warden_mark(store_, "f", 1, "k", 1, "end", 3, at(130), nullptr), WARDEN_CLOSED);
  const Lines expected = {
      "1 submit | expires 01:01Z",
      "2 exec | total until 01:42Z",
      "3 mark a | hop until 00:23Z, promise until 01:30Z",
      "4 touch, or mark a again",
      "5 extend total to 01:52Z",
      "23 BREACH hop | error, at a, noticed 00:25Z",
      "25 mark b | hop met 2s late",
      "57 WARN total | warning, at b, noticed 02:10Z",
      "90 BREACH promise | error, at b, noticed 02:10Z",
      "112 BREACH total | error, at b, noticed 02:10Z",
      "122 ESCALATION 1 total | critical, at b, noticed 02:10Z",
      "130 mark end: done | total met 18s late, promise met 40s late",
  };
  EXPECT_EQ(timeline("k"), expected) << "nobody was told, so nobody acknowledged";
}

TEST_F(Timeline, AlertsAndWhoAcknowledgedThem) {
  warden_consumer* pager = nullptr;
  ASSERT_EQ(warden_consumer_open(store_, "pager", 5, nullptr, &pager, nullptr), WARDEN_OK);
  ASSERT_EQ(warden_track(store_, "f", 1, "k", 1, nullptr, 0, at(0), nullptr), WARDEN_NEW);
  ASSERT_EQ(warden_track(store_, "f", 1, "other", 5, nullptr, 0, at(0), nullptr), WARDEN_NEW);
  ASSERT_EQ(warden_mark(store_, "f", 1, "k", 1, "a", 1, at(10), nullptr), WARDEN_OK);
  ASSERT_EQ(warden_mark(store_, "f", 1, "k", 1, "b", 1, at(11), nullptr), WARDEN_OK);
  ASSERT_EQ(warden_clock_advance(store_, 60 * kS), WARDEN_OK);
  test::Consumer consumer(pager);
  EXPECT_EQ(consumer.drain().size(), 3u) << "SUSPICIOUS and WARN of k, WARN of other";
  ASSERT_EQ(warden_cancel(store_, "f", 1, "k", 1, at(70), nullptr), WARDEN_OK);
  EXPECT_EQ(consumer.drain().size(), 1u) << "RESOLVED";
  consumer = test::Consumer();
  EXPECT_EQ(timeline("k"),
            (Lines{
                "0 track | total until 01:40Z",
                "10 mark a | hop until 00:30Z",
                "11 mark b | hop met",
                "11 SUSPICIOUS hop | warning, at b, deadline 00:30Z",
                "50 WARN total | warning, at b, noticed 01:00Z",
                "- SUSPICIOUS hop | acknowledged by pager",
                "- WARN total | acknowledged by pager",
                "70 cancel",
                "- RESOLVED total | acknowledged by pager, or withdrawn at the closing",
            }));
}

TEST_F(Timeline, OneThatExpiredAndOneThatIsCompleted) {
  warden_item_options first = *at(1);
  first.ttl_ns = 60 * kS;
  ASSERT_EQ(warden_submit(store_, "f", 1, "gone", 4, nullptr, 0, &first, nullptr), WARDEN_NEW);
  ASSERT_EQ(warden_track(store_, "f", 1, "fine", 4, nullptr, 0, at(1), nullptr), WARDEN_NEW);
  ASSERT_EQ(warden_complete(store_, "f", 1, "fine", 4, at(2), nullptr), WARDEN_ON_TIME);
  ASSERT_EQ(warden_clock_advance(store_, 100 * kS), WARDEN_OK);
  const Lines gone = timeline("gone");
  ASSERT_GE(gone.size(), 3u);
  EXPECT_EQ(gone[0], "1 submit | expires 01:01Z");
  EXPECT_EQ(gone[1], "61 EXPIRED | error, noticed 01:40Z");
  EXPECT_EQ(gone[2], "100 expired");
  EXPECT_EQ(timeline("fine"), (Lines{"1 track | total until 01:41Z", "2 complete: done"}));
}

TEST_F(Timeline, AnIncarnationThatTheLogHasNot) {
  close();
  auto moments = read_timeline(folder_, 12345);
  ASSERT_TRUE(moments.ok());
  EXPECT_TRUE(moments.value().empty());
  EXPECT_EQ(timeline_text(moments.value()), "timeline    its records are not in the log\n");
  EXPECT_FALSE(read_timeline(folder_ + "/nowhere", 1).ok());
  open();
}

}  // namespace
}  // namespace warden::cli
