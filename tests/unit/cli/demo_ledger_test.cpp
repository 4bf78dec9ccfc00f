// SPDX-License-Identifier: Apache-2.0
//
// The durable demo's oracle: from a worker's notes, before and after it was killed, to
// what is lost, what came again and how late alerts were.
#include "cli/demo_ledger.hpp"

#include <gtest/gtest.h>

namespace warden::cli {
namespace {

constexpr std::int64_t kMs = 1'000'000;
constexpr std::int64_t kStart = 1'000'000'000'000;
constexpr std::int64_t kKilled = kStart + 1000 * kMs;

// One feeder, nothing dropped.
class Ledger : public testing::Test {
 protected:
  void begin(std::uint32_t item, std::uint32_t step, std::int64_t at) {
    Note note;
    note.kind = NoteKind::begin;
    note.item = item;
    note.step = step;
    note.a = at;
    ledger_.take(note);
  }
  void done(std::uint32_t item, std::uint32_t step, std::int64_t at) {
    Note note;
    note.kind = NoteKind::done;
    note.item = item;
    note.step = step;
    note.a = at;
    note.b = at + 1000;
    note.c = at + 2000;
    ledger_.take(note);
  }
  void call(std::uint32_t item, std::uint32_t step, std::int64_t at) {
    begin(item, step, at);
    done(item, step, at);
  }
  void present(std::uint32_t item, std::uint32_t step) {
    Note note;
    note.kind = NoteKind::present;
    note.item = item;
    note.step = step;
    ledger_.take(note);
  }
  void scan_end() {
    Note note;
    note.kind = NoteKind::scan_end;
    ledger_.take(note);
  }
  void alert(std::uint64_t id, std::int64_t taken, std::int64_t latency) {
    Note note;
    note.kind = NoteKind::alert;
    note.step = 0;
    note.known = 1;
    note.a = taken;
    note.b = latency;
    note.id[0] = id;
    ledger_.take(note);
  }

  DemoLedger ledger_{1, 1, 0};
};

TEST_F(Ledger, AnAcknowledgedItemThatIsThereIsNotLost) {
  call(0, 0, kStart);
  call(0, 1, kStart + kMs);
  ledger_.killed(kKilled);
  present(0, 1);
  scan_end();
  EXPECT_EQ(ledger_.lost(), 0U) << ledger_.example();
  EXPECT_EQ(ledger_.found(), 1U);
  EXPECT_EQ(ledger_.acknowledged(), 2U);
}

TEST_F(Ledger, AnAcknowledgedItemThatIsGoneIsLost) {
  call(0, 0, kStart);
  ledger_.killed(kKilled);
  scan_end();
  EXPECT_EQ(ledger_.lost(), 1U);
  EXPECT_NE(ledger_.example().find("gone"), std::string::npos) << ledger_.example();
}

TEST_F(Ledger, AnItemAtAnEarlierStepThanAcknowledgedIsLost) {
  call(0, 0, kStart);
  call(0, 1, kStart + kMs);
  call(0, 2, kStart + 2 * kMs);
  ledger_.killed(kKilled);
  present(0, 1);
  scan_end();
  EXPECT_EQ(ledger_.lost(), 1U);
}

TEST_F(Ledger, ACallWithoutAnAnswerMayHaveHappenedOrNot) {
  for (const bool happened : {true, false}) {
    DemoLedger fresh{1, 1, 0};
    std::swap(ledger_, fresh);
    call(0, 0, kStart);
    begin(0, 1, kStart + kMs);
    ledger_.killed(kKilled);
    present(0, happened ? 1 : 0);
    scan_end();
    EXPECT_EQ(ledger_.lost(), 0U) << ledger_.example();
  }
}

TEST_F(Ledger, AClosedItemThatIsStillThereIsLost) {
  for (std::uint32_t step = 0; step < kSteps; ++step) call(0, step, kStart + step * kMs);
  ledger_.killed(kKilled);
  present(0, kSteps - 1);
  scan_end();
  EXPECT_EQ(ledger_.lost(), 1U);
}

TEST_F(Ledger, AnItemThatWasNeverBegunIsAWrongAnswer) {
  ledger_.killed(kKilled);
  present(3, 0);
  scan_end();
  EXPECT_EQ(ledger_.wrong(), 1U);
}

TEST_F(Ledger, AnAlertWithAKnownIdCameAgain) {
  alert(7, kStart, kMs);
  alert(7, kKilled, kMs);
  alert(8, kKilled, kMs);
  EXPECT_EQ(ledger_.again(), 1U);
  EXPECT_EQ(ledger_.latency().count(), 2U);
}

TEST_F(Ledger, LatenciesOverTheKillAreCountedApart) {
  alert(1, kKilled - kMs, 2 * kMs);  // before it
  ledger_.killed(kKilled);
  alert(2, kKilled + 300 * kMs, 200 * kMs);  // due while nobody was there
  alert(3, kKilled + 300 * kMs, 301 * kMs);  // due before, not handed out in time
  ledger_.back(kKilled + 290 * kMs);
  alert(4, kKilled + 310 * kMs, 30 * kMs);  // due before the scan was through
  alert(5, kKilled + 320 * kMs, 2 * kMs);   // due after it
  EXPECT_EQ(ledger_.latency().count(), 2U);
  EXPECT_EQ(ledger_.latency().max(), 2 * kMs);
  EXPECT_EQ(ledger_.restart_latency().count(), 3U);
  EXPECT_EQ(ledger_.restart_latency().max(), 301 * kMs);
}

}  // namespace
}  // namespace warden::cli
