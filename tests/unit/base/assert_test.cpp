// SPDX-License-Identifier: Apache-2.0
//
// The assertions: what they print, and which builds have them.
#include "base/assert.hpp"

#include <gtest/gtest.h>

namespace warden {
namespace {

TEST(AssertDeathTest, NamesTheConditionAndThePlace) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const int answer = 41;
  EXPECT_DEATH(WARDEN_ASSERT(answer == 42),
               "warden: invariant broken: answer == 42 \\(.*assert_test.cpp:[0-9]+\\)");
}

TEST(Assert, EvaluatesItsConditionOnce) {
  int evaluated = 0;
  WARDEN_ASSERT(++evaluated == 1);
  EXPECT_EQ(evaluated, 1);
}

TEST(AssertDeathTest, DebugAssertIsThereOnlyWhereAskedFor) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  [[maybe_unused]] const int answer = 41;
#ifdef WARDEN_DEBUG_CHECKS
  EXPECT_DEATH(WARDEN_DEBUG_ASSERT(answer == 42), "invariant broken");
#else
  WARDEN_DEBUG_ASSERT(answer == 42);
  EXPECT_EQ(answer, 41) << "and the line above did nothing";
#endif
}

}  // namespace
}  // namespace warden
