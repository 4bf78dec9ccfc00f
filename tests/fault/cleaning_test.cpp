// SPDX-License-Identifier: Apache-2.0
//
// The disk fills while the cleaner's thread is in the middle of a segment: that pass ends
// there, and the next one is measured before anything is copied.
//
//   items that stay, in wal-1; churn until the cleaner reads wal-1
//   its second reading is held -> the disk is full, new work refused -> it goes on
//     what lives in wal-1 fits what is left: copied, the segment used again, no disk needed
//     it does not: nothing more is copied until there is room
//
// How often wal-1 is read from its beginning tells the passes apart.
#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <map>
#include <mutex>
#include <thread>

#include "expected.hpp"
#include "flow_texts.hpp"
#include "hooked_disk.hpp"
#include "on_disk.hpp"

namespace warden::fault {
namespace {

using sim::Answer;
using sim::Call;
using sim::Op;
using test::numbered;

constexpr std::uint64_t kSegment = 512 * 1024;

class FullWhileCleaning : public ::testing::Test {
 protected:
  void SetUp() override {
    at_.at_ns = test::kS;
    disk_.synchronous = true;
    disk_.hook = [this](const Call& call) { return answer(call); };
  }
  void TearDown() override {
    held_ = false;
    store_.reset();
  }
  void open() {
    engine::Config config;
    config.manual_clock = true;
    config.segment_bytes = kSegment;
    config.log_factor = 2;
    footing_.disk = &disk_;
    footing_.log.segment_bytes = footing_.log.first_segment_bytes = kSegment;
    auto handle = std::make_unique<warden_store>();
    const Error error = engine::Store::open(path_.c_str(), config, handle->engine, &footing_);
    ASSERT_FALSE(error) << error.message;
    store_.reset(handle.release());
    ASSERT_EQ(
        warden_flow_define(store_.get(), test::kTimer, std::strlen(test::kTimer), nullptr, nullptr),
        WARDEN_OK);
  }
  // No segment grows while the disk is full, but a page at its beginning: of one that is
  // used again.
  Answer answer(const Call& call) {
    if (call.name.rfind("wal-", 0) != 0) return std::nullopt;
    if (call.op == Op::write) {
      const std::lock_guard lock(mutex_);
      std::uint64_t& end = ends_[call.name];
      const std::uint64_t to = call.offset + call.size;
      if (full_ && to > std::max<std::uint64_t>(end, 4096)) return -ENOSPC;
      end = std::max(end, to);
    }
    if (call.op == Op::read && call.name == "wal-1" && watched_) {
      if (call.offset == 0) ++passes_;
      if (call.offset > 4096 && held_) {
        inside_ = true;
        held_.wait(true);
      }
    }
    return std::nullopt;
  }
  std::int32_t track(const std::string& key, std::size_t payload) {
    const std::string bytes(payload, 'p');
    return warden_track(store_.get(), "timer", 5, key.data(), key.size(), bytes.data(), payload,
                        &at_, nullptr);
  }
  std::int32_t complete(const std::string& key) {
    return warden_complete(store_.get(), "timer", 5, key.data(), key.size(), &at_, nullptr);
  }
  // An item that comes and goes; what tracking it answered. The next segment is waited
  // for, or that there is none, so that nearly all of one is left on the full disk.
  std::int32_t churn() {
    const std::string key = numbered("churn", ++churned_);
    const std::int32_t code = track(key, 30000);
    if (code == WARDEN_NEW) {
      EXPECT_EQ(complete(key), WARDEN_ON_TIME);
    }
    const log::Log& log = store_->engine->recorder().log();
    while (log.stats().room < kSegment - 8192 && !log.starved()) std::this_thread::yield();
    return code;
  }
  // Items that stay, a page each; then until the cleaner is in the middle of the first
  // segment, which it begins when the given one is; then until new work is refused.
  void fill_in_the_middle(int live, std::size_t payload, std::uint64_t segments) {
    open();
    for (; live_ < live; ++live_) ASSERT_EQ(track(numbered("stays", live_), payload), WARDEN_NEW);
    held_ = watched_ = true;
    while (stats_of(store_.get()).log_segments < segments) ASSERT_EQ(churn(), WARDEN_NEW);
    while (!inside_) std::this_thread::yield();
    full_ = true;
    std::int32_t code = WARDEN_NEW;
    while (code == WARDEN_NEW) code = churn();
    ASSERT_EQ(code, WARDEN_E_NO_SPACE);
    EXPECT_EQ(passes_, 1);
    EXPECT_EQ(stats_of(store_.get()).log_freed, 0u);
    for (int i = 0; i < live; ++i) states_.push_back(state(i));
    ASSERT_EQ(warden_sync(store_.get(), -1), WARDEN_OK);
    appended_ = stats_of(store_.get()).log_records;
    held_ = false;
    held_.notify_all();
  }
  std::string state(int i) { return state_of(store_.get(), "timer/" + numbered("stays", i)); }
  void expect_all() {
    for (int i = 0; i < live_; ++i) EXPECT_EQ(state(i), states_[static_cast<std::size_t>(i)]);
    store_.reset();
    open();
    for (int i = 0; i < live_; ++i) EXPECT_EQ(state(i), states_[static_cast<std::size_t>(i)]);
  }

  test::TempDir dir_;
  std::string path_ = dir_.path("store");
  std::unique_ptr<io::Disk> real_ = io::make_real_disk(io::Backend::posix);
  sim::HookedDisk disk_{*real_};
  std::mutex mutex_;
  std::map<std::string, std::uint64_t> ends_;  // written up to there; under mutex_
  std::atomic<bool> full_{false};
  std::atomic<bool> watched_{false};
  std::atomic<bool> held_{false};
  std::atomic<bool> inside_{false};
  std::atomic<int> passes_{0};
  engine::Footing footing_;
  StoreHandle store_;
  warden_item_options at_ = WARDEN_ITEM_OPTIONS_INIT;
  int live_ = 0;
  int churned_ = 0;
  std::uint64_t appended_ = 0;
  std::vector<std::string> states_;
};

TEST_F(FullWhileCleaning, WhatFitsIsMeasuredThenCopiedAndMakesRoom) {
  ASSERT_NO_FATAL_FAILURE(fill_in_the_middle(40, 1000, 4));
  while (stats_of(store_.get()).log_freed == 0) std::this_thread::yield();
  EXPECT_EQ(passes_, 3) << "cut short, measured, copied";
  std::int32_t code = WARDEN_E_NO_SPACE;
  while (code == WARDEN_E_NO_SPACE) code = churn();
  EXPECT_EQ(code, WARDEN_NEW) << "with the disk as full as before";
  EXPECT_TRUE(full_);
  expect_all();
}

TEST_F(FullWhileCleaning, WhatDoesNotFitIsNotBegun) {
  ASSERT_NO_FATAL_FAILURE(fill_in_the_middle(120, 3000, 5));
  while (passes_ < 3) std::this_thread::yield();
  EXPECT_EQ(complete(numbered("stays", 0)), WARDEN_ON_TIME) << "what closes goes on";
  states_[0] = state(0);
  EXPECT_EQ(stats_of(store_.get()).log_records, appended_ + 1) << "and nothing was copied";
  EXPECT_EQ(stats_of(store_.get()).log_freed, 0u);
  EXPECT_EQ(track("new", 10), WARDEN_E_NO_SPACE);
  full_ = false;
  while (stats_of(store_.get()).log_freed == 0) std::this_thread::yield();
  EXPECT_EQ(track("new", 10), WARDEN_NEW);
  expect_all();
}

}  // namespace
}  // namespace warden::fault
