// SPDX-License-Identifier: Apache-2.0
//
// A committer alone, without a log around it: the test takes the parts of its callers,
// its thread, its disk and its clock, and so decides each step.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include "log/committer.hpp"
#include "log_fixture.hpp"
#include "scripted_disk.hpp"

namespace warden::log::test {

class CommitterTest : public testing::Test {
 protected:
  CommitterTest() {
    options_.segment_bytes = 256 * 1024;
    options_.first_segment_bytes = 128 * 1024;
    options_.beacon_after = kHour;
  }

  // Recovers what is on the disk and begins, as an opening does.
  Error begin(std::size_t buffer_bytes = 256 * 1024) {
    Recovered recovered;
    KeepingSink sink;
    Error error = recover(*dir_, "store", false, sink, recovered);
    if (error.code == Code::not_a_store) recovered = {};
    if (error && error.code != Code::not_a_store) return error;
    return begin_from(recovered, buffer_bytes);
  }
  Error begin_from(const Recovered& recovered, std::size_t buffer_bytes = 256 * 1024) {
    committer_.reset();
    buffer_ = std::make_unique<Buffer>();
    EXPECT_TRUE(buffer_->init(buffer_bytes));
    Listener listener;
    listener.durable = [this](Lsn lsn) {
      const sim::Exempt exempt;
      durable_.push_back(lsn);
    };
    listener.failing = [this](const Error& error) {
      const sim::Exempt exempt;
      failures_.push_back(error);
    };
    listener.starved = [this](const char*, int error) {
      const sim::Exempt exempt;
      starved_.push_back(error);
    };
    listener.failed = [] {};
    listener.room = [] {};
    listener.freed = [] {};
    listener.segment = [this] { ++segments_; };
    queue_ = std::make_unique<ScriptedQueue>();
    committer_ = std::make_unique<Committer>(*dir_, "store", *queue_, clock_, *buffer_, options_,
                                             std::move(listener));
    return committer_->begin(recovered, Uuid{1, 2});
  }

  // A segment with one record, all of it durable.
  void begin_segment(std::size_t buffer_bytes = 256 * 1024) {
    ASSERT_EQ(begin(buffer_bytes).code, Code::ok);
    const Lsn first = put(10);
    settle();
    ASSERT_EQ(committer_->durable(), first);
    ASSERT_EQ(segments_, 1);
    durable_.clear();
  }

  // A record of so many bytes, as Log::append() publishes it.
  Lsn put(std::size_t size, char with = 'x') {
    const std::string content(size, with);
    const std::uint32_t bytes = record_bytes(static_cast<std::uint32_t>(size));
    EXPECT_TRUE(buffer_->try_take(Pool::callers, bytes));
    const std::uint64_t at = buffer_->claim(bytes);
    const Lsn lsn = make_lsn(committer_->epoch(), at + bytes);
    const std::uint32_t word = make_word(RecordType::state, 0, static_cast<std::uint32_t>(size));
    const std::uint64_t sum =
        record_sum(word, 7, lsn, content_hash(content.data(), content.size()));
    const std::uint32_t rest[4] = {7, 0, static_cast<std::uint32_t>(sum),
                                   static_cast<std::uint32_t>(sum >> 32)};
    buffer_->copy_in(at + sizeof word, rest, sizeof rest);
    buffer_->copy_in(at + kRecordHeadBytes, content.data(), content.size());
    buffer_->publish(at, word);
    contents_.push_back(content);
    return lsn;
  }

  bool turn() { return committer_->turn(false); }
  // Everything in flight completes well, until there is no more to do.
  void settle(bool drain = true) {
    for (;;) {
      while (!queue_->held().empty()) queue_->finish(0);
      if (!committer_->turn(drain) && queue_->held().empty()) return;
    }
  }
  using Held = std::vector<std::string>;
  Held held() const { return queue_->held(); }

  // What an opening finds once the power was cut: of what is not flushed, nothing.
  std::vector<std::string> recovered_after_power_loss() {
    committer_.reset();
    queue_.reset();
    world_.restart([](std::size_t, std::size_t) { return false; }, 0);
    KeepingSink sink;
    Recovered recovered;
    const Error error = recover(*dir_, "store", false, sink, recovered);
    EXPECT_EQ(error.code, Code::ok) << error.message;
    std::vector<std::string> out;
    for (const Seen& each : sink.seen) out.push_back(each.content);
    return out;
  }

  // All that was put is there, in order, up to some record behind those acknowledged.
  void expect_recovered(std::size_t acknowledged) {
    const std::vector<std::string> got = recovered_after_power_loss();
    ASSERT_GE(got.size(), acknowledged);
    ASSERT_LE(got.size(), contents_.size());
    for (std::size_t i = 0; i < got.size(); ++i) EXPECT_EQ(got[i], contents_[i]) << i;
  }

  sim::SimWorld world_{1};
  io::ManualClock clock_{kSecond};
  Script script_;
  std::unique_ptr<io::Disk> disk_ = sim::make_sim_disk(world_, clock_);
  std::unique_ptr<io::Dir> dir_ = scripted_dir();
  CommitterOptions options_;
  std::unique_ptr<Buffer> buffer_;
  std::unique_ptr<ScriptedQueue> queue_;
  std::unique_ptr<Committer> committer_;
  std::vector<std::string> contents_;  // of all that were put
  std::vector<Lsn> durable_;           // what the listener was told
  std::vector<Error> failures_;
  std::vector<int> starved_;
  int segments_ = 0;

 private:
  std::unique_ptr<io::Dir> scripted_dir() {
    std::unique_ptr<io::Dir> dir;
    EXPECT_EQ(disk_->open_dir("store", true, dir), 0);
    return std::make_unique<ScriptedDir>(std::move(dir), script_);
  }
};

}  // namespace warden::log::test
