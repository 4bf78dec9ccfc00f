// SPDX-License-Identifier: Apache-2.0
//
// The codes are the C ABI's by number: what this table says is frozen once released.
#include "base/code.hpp"

#include <gtest/gtest.h>

#include <set>

#include "warden/warden.h"

namespace warden {
namespace {

struct Pair {
  Code code;
  std::int32_t abi;
};

constexpr Pair kPairs[] = {
    {Code::ok, WARDEN_OK},
    {Code::created, WARDEN_NEW},
    {Code::existing, WARDEN_EXISTING},
    {Code::already_done, WARDEN_ALREADY_DONE},
    {Code::done_early, WARDEN_DONE_EARLY},
    {Code::armed, WARDEN_ARMED},
    {Code::already_armed, WARDEN_ALREADY_ARMED},
    {Code::on_time, WARDEN_ON_TIME},
    {Code::late, WARDEN_LATE},
    {Code::recorded_early, WARDEN_RECORDED_EARLY},
    {Code::already, WARDEN_ALREADY},
    {Code::closed, WARDEN_CLOSED},
    {Code::capped, WARDEN_CAPPED},
    {Code::unknown_flow, WARDEN_E_UNKNOWN_FLOW},
    {Code::unknown_item, WARDEN_E_UNKNOWN_ITEM},
    {Code::bad_state, WARDEN_E_BAD_STATE},
    {Code::fenced, WARDEN_E_FENCED},
    {Code::unknown_stage, WARDEN_E_UNKNOWN_STAGE},
    {Code::unknown_rule, WARDEN_E_UNKNOWN_RULE},
    {Code::conflict, WARDEN_E_CONFLICT},
    {Code::invalid_argument, WARDEN_E_INVALID_ARGUMENT},
    {Code::too_large, WARDEN_E_TOO_LARGE},
    {Code::out_of_range, WARDEN_E_OUT_OF_RANGE},
    {Code::flow_syntax, WARDEN_E_FLOW_SYNTAX},
    {Code::buffer_too_small, WARDEN_E_BUFFER_TOO_SMALL},
    {Code::unknown_config, WARDEN_E_UNKNOWN_CONFIG},
    {Code::no_memory, WARDEN_E_NO_MEMORY},
    {Code::no_space, WARDEN_E_NO_SPACE},
    {Code::would_block, WARDEN_E_WOULD_BLOCK},
    {Code::timeout, WARDEN_E_TIMEOUT},
    {Code::limit, WARDEN_E_LIMIT},
    {Code::store_closed, WARDEN_E_STORE_CLOSED},
    {Code::forked, WARDEN_E_FORKED},
    {Code::consumer_closed, WARDEN_E_CONSUMER_CLOSED},
    {Code::read_only, WARDEN_E_READ_ONLY},
    {Code::unknown_lease, WARDEN_E_UNKNOWN_LEASE},
    {Code::io, WARDEN_E_IO},
    {Code::outcome_unknown, WARDEN_E_OUTCOME_UNKNOWN},
    {Code::corrupt, WARDEN_E_CORRUPT},
    {Code::newer_format, WARDEN_E_NEWER_FORMAT},
    {Code::not_a_store, WARDEN_E_NOT_A_STORE},
    {Code::held, WARDEN_E_HELD},
    {Code::permission, WARDEN_E_PERMISSION},
    {Code::lost, WARDEN_E_LOST},
    {Code::internal, WARDEN_E_INTERNAL},
};

TEST(Code, HasTheNumbersOfTheAbi) {
  for (const Pair& pair : kPairs) EXPECT_EQ(static_cast<std::int32_t>(pair.code), pair.abi);
}

TEST(Code, NumbersAreDistinct) {
  std::set<std::int32_t> seen;
  for (const Pair& pair : kPairs) EXPECT_TRUE(seen.insert(pair.abi).second) << pair.abi;
}

TEST(Code, NegativeMeansError) {
  for (const Pair& pair : kPairs) EXPECT_EQ(is_error(pair.code), pair.abi < 0) << pair.abi;
}

TEST(Error, IsTrueOnlyForErrors) {
  EXPECT_FALSE(Error{});
  EXPECT_FALSE((Error{Code::late, "", 0, 0, 0})) << "late is an answer";
  EXPECT_TRUE((Error{Code::io, "write: no space", 0, 0, 4096}));
}

}  // namespace
}  // namespace warden
