// SPDX-License-Identifier: Apache-2.0
//
// H10 on the simulated disk with a limit of bytes, of the disk (ENOSPC) or of a quota
// (EDQUOT): new work is refused and leaves
// nothing, what closes and acknowledges goes on, and all of it again by itself.
#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>

#include "client.hpp"
#include "expected.hpp"
#include "flow_texts.hpp"

namespace warden::fault {
namespace {

using test::kS;
using test::numbered;

class FullDisk : public ::testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    world_.full_error = -GetParam();
    ASSERT_EQ(engine_.open(), WARDEN_OK) << engine_.error.message;
    ASSERT_EQ(define(test::kTimer), WARDEN_OK);
    warden_consumer* made = nullptr;
    ASSERT_EQ(warden_consumer_open(engine_.get(), "ops", 3, nullptr, &made, nullptr), WARDEN_OK);
    ops_.reset(made);
  }
  std::int32_t define(const char* text) {
    return warden_flow_define(engine_.get(), text, std::strlen(text), nullptr, &engine_.error);
  }
  const warden_item_options* at() {
    options_.at_ns = now_;
    return &options_;
  }
  std::int32_t track(const std::string& key) {
    return warden_track(engine_.get(), "timer", 5, key.data(), key.size(), "payload", 7, at(),
                        nullptr);
  }
  std::int32_t complete(const std::string& key) {
    return warden_complete(engine_.get(), "timer", 5, key.data(), key.size(), at(), nullptr);
  }
  std::string state(const std::string& key) { return state_of(engine_.get(), "timer/" + key); }
  // Time passes for the log's own work.
  void rest() {
    log::Log& log = engine_.get()->engine->recorder().log();
    const Nanos until = clock_.now_elapsed() + kSecond;
    while (clock_.now_elapsed() < until) {
      if (!log.pump()) log.queue().wait(std::min<Nanos>(log.idle_time(), 10 * kMilli));
    }
  }
  int poll_all() {
    int sum = 0;
    for (int got = 1; got > 0; sum += got) got = poll(ops_.get()).code;
    return sum;
  }
  // Tracks until it is refused; how many were taken.
  int fill() {
    for (int i = 0; i < 1000; ++i) {
      const std::int32_t code = track(numbered("k", i));
      if (code == WARDEN_E_NO_SPACE) return i;
      EXPECT_EQ(code, WARDEN_NEW);
      rest();  // so that the next segment is tried for
    }
    ADD_FAILURE() << "never full";
    return 0;
  }

  sim::SimWorld world_{5};
  io::ManualClock clock_{1'000'000'000};
  SimEngine engine_{world_, clock_};
  ConsumerHandle ops_;
  warden_item_options options_ = WARDEN_ITEM_OPTIONS_INIT;
  std::int64_t now_ = kS;
};

TEST_P(FullDisk, RefusesWhatIsNewGoesOnClosingAndResumesByItself) {
  for (int i = 0; i < 6; ++i) ASSERT_EQ(track(numbered("early", i)), WARDEN_NEW);
  world_.capacity = world_.used() + 40 * 1024;  // less than the next segment takes
  const int taken = fill();
  EXPECT_EQ(state(numbered("k", taken)), "") << "nothing half applied";
  EXPECT_EQ(engine_.heard.warnings, 1u) << "said once";
  EXPECT_NE(engine_.heard.last.find("sim: cannot"), std::string::npos) << engine_.heard.last;
  EXPECT_NE(engine_.heard.last.find(std::strerror(GetParam())), std::string::npos)
      << engine_.heard.last;
  // Everything that would be new.
  EXPECT_EQ(track("other"), WARDEN_E_NO_SPACE);
  EXPECT_EQ(define(test::kUpload), WARDEN_E_NO_SPACE);
  EXPECT_NE(std::string(engine_.error.message).find("sim: cannot"), std::string::npos)
      << engine_.error.message;
  warden_consumer* none = nullptr;
  EXPECT_EQ(warden_consumer_open(engine_.get(), "b", 1, nullptr, &none, &engine_.error),
            WARDEN_E_NO_SPACE);
  EXPECT_EQ(none, nullptr);
  EXPECT_NE(std::string(engine_.error.message).find("sim: cannot"), std::string::npos);
  // What a program says again when it starts is there already.
  EXPECT_EQ(define(test::kTimer), WARDEN_OK);
  warden_consumer* again = nullptr;
  EXPECT_EQ(warden_consumer_open(engine_.get(), "ops", 3, nullptr, &again, nullptr), WARDEN_OK);
  warden_consumer_close(again);

  // What closes, and alerts.
  EXPECT_EQ(complete("early0"), WARDEN_ON_TIME);
  EXPECT_EQ(warden_cancel(engine_.get(), "timer", 5, "early1", 6, at(), nullptr), WARDEN_OK);
  now_ += 11 * kS;
  ASSERT_EQ(warden_clock_advance(engine_.get(), now_), WARDEN_OK);
  const Polled got = poll(ops_.get());
  ASSERT_EQ(got.code, taken + 4);
  std::vector<std::uint64_t> leases;
  for (const warden_alert& one : got.alerts) leases.push_back(one.lease);
  EXPECT_EQ(warden_alert_ack(ops_.get(), leases.data(), leases.size()), got.code);
  EXPECT_EQ(warden_sync(engine_.get(), -1), WARDEN_OK);
  EXPECT_EQ(complete("early2"), WARDEN_LATE);
  EXPECT_EQ(track("other"), WARDEN_E_NO_SPACE) << "still";

  world_.capacity = ~std::uint64_t{0};
  rest();
  EXPECT_EQ(engine_.heard.notices, 1u) << "said once, too";
  EXPECT_EQ(track("other"), WARDEN_NEW);
  EXPECT_EQ(track(numbered("k", taken)), WARDEN_NEW);
  const std::string other = state("other");
  ops_.reset();
  ASSERT_EQ(engine_.open(), WARDEN_OK) << engine_.error.message;
  EXPECT_EQ(state("other"), other);
  EXPECT_EQ(state("early0").rfind("closed", 0), 0u);
  EXPECT_EQ(state("early1").rfind("closed", 0), 0u);
  EXPECT_EQ(state("early2").rfind("closed", 0), 0u);
  EXPECT_NE(state("early3"), "");
}

// Until nothing at all fits: closings are refused then, as a whole, and go on later.
TEST_P(FullDisk, WhenTheReserveIsUsedUpClosingsAreRefusedWholeToo) {
  for (int i = 0; i < 4; ++i) ASSERT_EQ(track(numbered("early", i)), WARDEN_NEW);
  world_.capacity = world_.used() + 40 * 1024;
  const int taken = fill();
  int closed = 0;
  std::int32_t code = WARDEN_ON_TIME;
  for (; closed < taken && code == WARDEN_ON_TIME; closed += code == WARDEN_ON_TIME ? 1 : 0) {
    code = complete(numbered("k", closed));
  }
  if (code == WARDEN_E_NO_SPACE) {
    EXPECT_EQ(state(numbered("k", closed)).find("closed"), std::string::npos);
  }
  std::int32_t clock = WARDEN_OK;
  for (int i = 0; i < 100 && clock == WARDEN_OK; ++i) {
    clock = warden_clock_advance(engine_.get(), ++now_);
  }
  EXPECT_EQ(clock, WARDEN_E_NO_SPACE) << "the reserve is not endless";
  EXPECT_EQ(complete("early0"), WARDEN_E_NO_SPACE);
  EXPECT_EQ(state("early0").find("closed"), std::string::npos) << "nothing half applied";
  world_.capacity = ~std::uint64_t{0};
  rest();
  EXPECT_EQ(complete("early0"), WARDEN_ON_TIME);
  EXPECT_EQ(track("other"), WARDEN_NEW);
  ops_.reset();
  ASSERT_EQ(engine_.open(), WARDEN_OK) << engine_.error.message;
  for (int i = 0; i < closed; ++i) EXPECT_EQ(state(numbered("k", i)).rfind("closed", 0), 0u) << i;
  EXPECT_EQ(state("early0").rfind("closed", 0), 0u);
}

// More alerts come due at once than there is room for: those that found some are raised,
// the others by the next call that finds some, and the answer says what was missing.
TEST_P(FullDisk, AlertsThatFindNoRoomAreRaisedLater) {
  constexpr int kItems = 200;
  for (int i = 0; i < kItems; ++i) ASSERT_EQ(track(numbered("early", i)), WARDEN_NEW);
  world_.capacity = world_.used() + 40 * 1024;
  const int taken = fill();
  const log::Log& log = engine_.get()->engine->recorder().log();
  // Down to a page above what closings may take: two sixteenths of a segment.
  while (log.stats().room > 2 * 8 * 1024 + 4096) {
    ASSERT_EQ(warden_clock_advance(engine_.get(), ++now_), WARDEN_OK);
  }
  now_ += 11 * kS;
  EXPECT_EQ(warden_clock_advance(engine_.get(), now_), WARDEN_E_NO_SPACE);
  const int some = poll_all();
  EXPECT_GT(some, 0);
  EXPECT_LT(some, kItems + taken);
  world_.capacity = ~std::uint64_t{0};
  rest();
  EXPECT_EQ(warden_clock_advance(engine_.get(), now_), WARDEN_OK) << "the same instant";
  EXPECT_EQ(some + poll_all(), kItems + taken) << "each once";
}

// The disk is full when a program starts: what is there opens, and closings go on.
TEST_P(FullDisk, AStoreOpensOnAFullDiskIfASegmentIsLeft) {
  for (int i = 0; i < 20; ++i) ASSERT_EQ(track(numbered("early", i)), WARDEN_NEW);
  rest();
  ops_.reset();
  engine_.close();
  world_.capacity = world_.used() + 8 * 1024;  // manifests need a page of room
  ASSERT_EQ(engine_.open(), WARDEN_OK) << engine_.error.message;
  EXPECT_EQ(define(test::kTimer), WARDEN_OK);
  EXPECT_EQ(complete("early0"), WARDEN_ON_TIME);
}

INSTANTIATE_TEST_SUITE_P(Errors, FullDisk, ::testing::Values(ENOSPC, EDQUOT),
                         [](const auto& of) { return of.param == EDQUOT ? "Quota" : "Disk"; });

}  // namespace
}  // namespace warden::fault
