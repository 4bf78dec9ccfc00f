// SPDX-License-Identifier: Apache-2.0
//
// The tests tested: bugs that are compiled into the log's buffer, its doorbell or the
// model of its committer, one at a time, each of which the named race must find by the
// named complaint. What finds a bug is printed as the decisions that replay it.
#include <gtest/gtest.h>

#include <cstdio>

#include "buffer_plots.hpp"

namespace warden::interleave {
namespace {

// Seeds first, then all runs within two disturbances; answers what was found.
template <class World>
std::string find(const std::function<BufferPlot<World>()>& make) {
  Explorer explorer;
  for (std::uint64_t seed = 1; seed <= 20'000; ++seed) {
    Seeded decisions(seed);
    const std::string error = run_buffer_plot<World>(explorer, decisions, make);
    if (error.empty()) continue;
    std::printf("found by seed %llu: %s\n", static_cast<unsigned long long>(seed), error.c_str());
    return error;
  }
  Exhaustive decisions(2);
  do {
    const std::string error = run_buffer_plot<World>(explorer, decisions, make);
    if (error.empty()) continue;
    std::printf("found by decisions %s: %s\n", decisions.text().c_str(), error.c_str());
    return error;
  } while (decisions.advance());
  return "";
}

template <class Policy, class Bell = log::DoorbellPolicy>
void expect_found(BufferPlot<BufferWorld<Policy, Bell>> (*make)(), const char* complaint) {
  const std::string error = find<BufferWorld<Policy, Bell>>(make);
  EXPECT_NE(error.find(complaint), std::string::npos)
      << (error.empty() ? "nothing was found" : error);
}

struct PublishBeforeHead : TestBuffer {
  static constexpr bool kBugPublishBeforeHead = true;
};
TEST(BufferPlanted, PublishedBeforeItIsFilled) {
  expect_found<PublishBeforeHead>(BufferPlots<PublishBeforeHead>::two_publish, "not whole");
}

struct RelaxedPublish : TestBuffer {
  static constexpr bool kBugRelaxedPublish = true;
};
TEST(BufferPlanted, RelaxedInsteadOfReleaseOnTheFirstWord) {
  expect_found<RelaxedPublish>(BufferPlots<RelaxedPublish>::two_publish, "not whole");
}

struct ReleasePublish : TestBuffer {
  static constexpr bool kBugReleasePublish = true;
};
TEST(BufferPlanted, ReleaseAloneOnTheFirstWord) {
  expect_found<ReleasePublish>(BufferPlots<ReleasePublish>::sleep_against_publish,
                               "the scribe sleeps on");
}

struct CreditBeforeZero : TestBuffer {
  static constexpr bool kBugCreditBeforeZero = true;
};
TEST(BufferPlanted, CreditGivenBackBeforeThePlaceIsZero) {
  expect_found<CreditBeforeZero>(BufferPlots<CreditBeforeZero>::want_of_room_at_the_wrap,
                                 "not whole");
}

struct RelaxedCredit : TestBuffer {
  static constexpr bool kBugRelaxedCredit = true;
};
TEST(BufferPlanted, ZeroesThatOutlastTheCredit) {
  expect_found<RelaxedCredit>(BufferPlots<RelaxedCredit>::two_want_room, "not whole");
}

struct CreditLostAtWrap : TestBuffer {
  static constexpr bool kBugCreditLostAtWrap = true;
};
TEST(BufferPlanted, CreditNotGivenBackAtTheWrap) {
  expect_found<CreditLostAtWrap>(BufferPlots<CreditLostAtWrap>::want_of_room_at_the_wrap,
                                 "credit is lost");
}

struct ZeroLostAtWrap : TestBuffer {
  static constexpr bool kBugZeroLostAtWrap = true;
};
TEST(BufferPlanted, NotZeroedBehindTheWrap) {
  expect_found<ZeroLostAtWrap>(BufferPlots<ZeroLostAtWrap>::want_of_room_at_the_wrap,
                               "the ring is not zero");
}

struct TakeInTwoSteps : TestBuffer {
  static constexpr bool kBugTakeInTwoSteps = true;
};
TEST(BufferPlanted, CreditLookedAtAndThenTaken) {
  expect_found<TakeInTwoSteps>(BufferPlots<TakeInTwoSteps>::unused_credit_against_want,
                               "more credit is out");
}

struct CreditBeforeCount : TestBuffer {
  static constexpr bool kBugCreditBeforeCount = true;
};
TEST(BufferPlanted, ATakerLooksBeforeItCountsItself) {
  expect_found<CreditBeforeCount>(BufferPlots<CreditBeforeCount>::want_of_room_at_the_wrap,
                                  "for credit");
}

struct TakersBeforeCredit : TestBuffer {
  static constexpr bool kBugTakersBeforeCredit = true;
};
TEST(BufferPlanted, TakersLookedForBeforeTheCreditIsBack) {
  expect_found<TakersBeforeCredit>(BufferPlots<TakersBeforeCredit>::want_of_room_at_the_wrap,
                                   "for credit");
}

struct WordAfterLook : TestBuffer {
  static constexpr bool kBugWordAfterLook = true;
};
TEST(BufferPlanted, ATakerReadsTheWordAfterItsLook) {
  expect_found<WordAfterLook>(BufferPlots<WordAfterLook>::want_of_room_at_the_wrap, "for credit");
}

struct OneLook : TestBuffer {
  static constexpr bool kBugOneLook = true;
};
TEST(BufferPlanted, AdmittedByOneLookBeforeTheTaking) {
  expect_found<OneLook>(BufferPlots<OneLook>::admission_to_the_last_room, "more is admitted");
  expect_found<OneLook>(BufferPlots<OneLook>::admission_from_both_pools, "more is admitted");
}

struct RoomAfterCredit : TestBuffer {
  static constexpr bool kBugRoomAfterCredit = true;
};
TEST(BufferPlanted, ABlockTakesItsRoomAfterTheCreditIsBack) {
  expect_found<RoomAfterCredit>(BufferPlots<RoomAfterCredit>::admission_against_a_block,
                                "more is admitted");
}

struct LookBeforeSaying : log::DoorbellPolicy {
  static constexpr bool kBugLookBeforeSaying = true;
};
TEST(BufferPlanted, TheScribeLooksBeforeItSaysThatItSleeps) {
  expect_found<TestBuffer, LookBeforeSaying>(
      BufferPlots<TestBuffer, LookBeforeSaying>::sleep_against_publish, "the scribe sleeps on");
}

struct ReleaseSaying : log::DoorbellPolicy {
  static constexpr bool kBugReleaseSaying = true;
};
TEST(BufferPlanted, TheScribesFlagLingers) {
  expect_found<TestBuffer, ReleaseSaying>(
      BufferPlots<TestBuffer, ReleaseSaying>::sleep_in_flight_against_publish,
      "the scribe sleeps on");
}

}  // namespace
}  // namespace warden::interleave
