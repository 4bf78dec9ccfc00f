// SPDX-License-Identifier: Apache-2.0
//
// Each call of each errand fails while others append: for want of room, and the log is
// starved until it does not; or for good, and nothing is acknowledged any more.
#include <cerrno>
#include <condition_variable>

#include "clerk_fixture.hpp"
#include "log/errors.hpp"

namespace warden::log::test {
namespace {

class ClerkFault : public ClerkErrand {
 protected:
  ~ClerkFault() override {
    let_go();
    stop();
  }

  void begin() {
    ASSERT_NO_FATAL_FAILURE(start());
    told_full_ = told_room_ = told_failed_ = 0;
    log_->on_trouble([this](const Error& error) {
      if (error.code == Code::ok) ++told_room_;
      if (error.code == scarce_) ++told_full_;
      if (error.code == Code::io) ++told_failed_;
    });
    stopping_ = false;
    granted_ = taken_ = settled_ = 0;
    answers_.clear();
    ASSERT_NO_FATAL_FAILURE(prepare(GetParam()));
  }

  // ---- two threads, each of which appends a record for a grant, and waits until it is
  // durable: again as long as there is no room, and not after another answer
  void append(int records) {
    const std::lock_guard lock(mutex_);
    granted_ += records;
    changed_.notify_all();
    if (!appenders_.empty()) return;
    for (int i = 0; i < 2; ++i) appenders_.emplace_back([this] { serve(); });
  }
  // Until all that was granted is durable, or nobody is left to append it.
  void await_answers() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock,
                  [&] { return settled_ == granted_ || answers_.size() == appenders_.size(); });
  }
  void stop() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
      changed_.notify_all();
    }
    for (std::thread& each : appenders_) each.join();
    appenders_.clear();
  }

  // What sends the clerk on this errand, which stands at the call then; and appenders,
  // whom that does not disturb.
  void send_beside_appenders(const std::string& point) {
    gate_->close(point);
    if (GetParam().frees) ask_to_free();
    // As many as find room while no next segment comes.
    append(4);
    if (!GetParam().frees && std::string(GetParam().name) == "recycle") put_until(4);
    gate_->await();
    append(4);
    await_answers();
  }
  void expect_starved(const std::string& point) {
    while (told_full_ == 0 && !log_->failed()) std::this_thread::yield();
    ASSERT_FALSE(log_->failed());
    // A failed manifest without the oldest segment takes no room from anybody, and the
    // next block that is written tells so; it is tried again all the same.
    if (GetParam().frees) {
      EXPECT_EQ(log_->oldest().number, asked_);
      return;
    }
    while (!log_->starved()) std::this_thread::yield();  // it is told before
    Credit credit;
    EXPECT_EQ(log_->reserve(20, 1, ReserveFlags::none, credit), scarce_);
    put_one(ReserveFlags::closing);
    EXPECT_EQ(told_full_, 1) << point;
    EXPECT_EQ(told_room_, 0) << point;
  }
  void expect_all_well() {
    while (log_->starved() && !log_->failed()) std::this_thread::yield();
    append(60);
    await_answers();
    stop();
    ASSERT_EQ(answers_, std::vector<Code>{}) << log_->why(Code::io);
    EXPECT_EQ(join_cleaner(), Code::ok);
    if (GetParam().frees) is_freed();
    EXPECT_EQ(log_->close(kNever), Code::ok);
    EXPECT_FALSE(log_->failed());
    EXPECT_EQ(told_room_, told_full_);
    EXPECT_EQ(told_failed_, 0);
  }

  std::atomic<int> told_full_{0};
  std::atomic<int> told_room_{0};
  std::atomic<int> told_failed_{0};
  std::vector<Code> answers_;     // of those that ended
  Code scarce_ = Code::no_space;  // what is answered for want of what is missing

 private:
  void serve() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [&] { return stopping_ || taken_ < granted_; });
      if (taken_ >= granted_) return;
      ++taken_;
      lock.unlock();
      const Code code = append_one();
      lock.lock();
      if (code != Code::ok) answers_.push_back(code);
      ++settled_;
      changed_.notify_all();
      if (code != Code::ok) return;
    }
  }
  Code append_one() {
    for (;;) {
      Credit credit;
      const Code code = log_->reserve(20, 1, ReserveFlags::none, credit);
      if (code == Code::ok) return wait_for(issue(credit));
      if (code != scarce_) return code;
      std::this_thread::yield();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  int granted_ = 0;
  int taken_ = 0;
  int settled_ = 0;
  std::vector<std::thread> appenders_;
};

TEST_P(ClerkFault, WithoutRoomTheLogIsStarvedUntilThereIsSome) {
  for (const int error : {ENOSPC, EMFILE}) {
    for (const std::string& point : GetParam().points) {
      if (is_ignored(point)) continue;
      SCOPED_TRACE(point + " answers " + std::to_string(error));
      scarce_ = code_of_errno(error);
      ASSERT_NO_FATAL_FAILURE(begin());
      ASSERT_NO_FATAL_FAILURE(send_beside_appenders(point));
      gate_->fail(point, error);
      gate_->open();
      ASSERT_NO_FATAL_FAILURE(expect_starved(point));
      append(2);
      gate_->heal();
      await_answers();
      ASSERT_NO_FATAL_FAILURE(expect_all_well());
      ASSERT_NO_FATAL_FAILURE(expect_kept());
    }
  }
}

TEST_P(ClerkFault, AnyOtherErrorEndsTheLog) {
  for (const std::string& point : GetParam().points) {
    if (is_ignored(point)) continue;
    SCOPED_TRACE(point);
    ASSERT_NO_FATAL_FAILURE(begin());
    ASSERT_NO_FATAL_FAILURE(send_beside_appenders(point));
    gate_->fail(point, EIO);
    gate_->open();
    while (!log_->failed()) std::this_thread::yield();
    gate_->heal();
    append(2);
    await_answers();
    stop();
    EXPECT_EQ(answers_, (std::vector<Code>{Code::io, Code::io})) << "one for each of the two";
    if (GetParam().frees) {
      EXPECT_EQ(join_cleaner(), Code::io);
    }
    EXPECT_EQ(told_failed_, 1);
    EXPECT_EQ(told_full_, 0);
    const bool manifest = point.find("wal") == std::string::npos || point == "sync wal";
    const std::string says = manifest ? "cannot write a manifest" : "cannot create a segment";
    EXPECT_NE(log_->why(Code::io).find(says), std::string::npos) << log_->why(Code::io);
    EXPECT_EQ(log_->close(kNever), Code::outcome_unknown);
    ASSERT_NO_FATAL_FAILURE(expect_kept());
  }
}

INSTANTIATE_TEST_SUITE_P(Errands, ClerkFault, testing::ValuesIn(kinds()), name_of_kind);

// A file that stays although it is of no use any more, until the store is opened again.
class ClerkLeftover : public ClerkFault {};

TEST_P(ClerkLeftover, AFileThatCannotBeRemovedDoesNoHarm) {
  int points = 0;
  for (const std::string& point : GetParam().points) {
    if (!is_ignored(point)) continue;
    ++points;
    SCOPED_TRACE(point);
    ASSERT_NO_FATAL_FAILURE(begin());
    ASSERT_NO_FATAL_FAILURE(send_beside_appenders(point));
    gate_->fail(point, EIO);
    gate_->open();
    ASSERT_NO_FATAL_FAILURE(expect_all_well());
    EXPECT_EQ(told_full_, 0);
    ASSERT_NO_FATAL_FAILURE(expect_kept());
  }
  EXPECT_GT(points, 0);
}

INSTANTIATE_TEST_SUITE_P(Errands, ClerkLeftover, testing::ValuesIn(kinds_with("unlink MANIFEST")),
                         name_of_kind);

}  // namespace
}  // namespace warden::log::test
