// SPDX-License-Identifier: Apache-2.0
//
// Backups and the freeing of segments beside an errand that is out: what is copied stays
// until it is copied, and what is on its way out is not in the copy.
#include <cerrno>

#include "clerk_fixture.hpp"

namespace warden::log::test {
namespace {

class ClerkBackup : public ClerkTest {
 protected:
  ClerkBackup() { options_.inline_commit = false; }  // a commit is a turn of the scribe's

  // Copies it, and between its first two blocks does this.
  template <class Body>
  void back_up(Body meanwhile) {
    std::filesystem::create_directory(copy());  // or its name would be flushed
    int asked = 0;
    BackupReport report;
    const BackupWatch watch = [&](std::uint64_t) {
      if (asked++ == 0) meanwhile();
      return Error{};
    };
    const Error error = log_->backup(*plain_, copy(), watch, report);
    EXPECT_EQ(error.code, Code::ok) << error.message;
    EXPECT_GT(asked, 1);
  }
  std::string copy() const { return dir_->parent() + "/copy"; }
  bool is_there(std::uint64_t number) const {
    return std::filesystem::exists(dir_->path() + "/" + segment_name(number));
  }
  // The copy opens, with every record but those up to there and no others.
  void expect_copied(Lsn gone_to, const std::vector<Lsn>& records, const std::string& catalog) {
    KeepingSink sink;
    std::unique_ptr<Log> log;
    const Error error = Log::open(*plain_, copy(), options_, sink, log);
    ASSERT_EQ(error.code, Code::ok) << error.message;
    const auto [found, handed_on] = told(sink);
    EXPECT_EQ(handed_on, catalog);
    std::map<Lsn, std::string> expected;
    for (const Lsn lsn : records) {
      if (lsn > gone_to) expected[lsn] = issued_[lsn];
    }
    EXPECT_EQ(found, expected);
  }
  // The scribe has looked at everything that it was asked for.
  void take_a_turn() {
    for (int i = 0; i < 2; ++i) put_one();
  }
};

// Asked for while the clerk was out on another errand; then the backup came first.
TEST_F(ClerkBackup, WhatIsPinnedBeforeTheClerkIsBackStays) {
  for (const std::string point : {"open wal", "sync wal", "rename CURRENT"}) {
    SCOPED_TRACE(point);
    ASSERT_NO_FATAL_FAILURE(start());
    ASSERT_NO_FATAL_FAILURE(fill(2));
    const std::uint64_t first = log_->oldest().number;
    gate_->close(point);
    ASSERT_NO_FATAL_FAILURE(put_until(3));
    gate_->await();
    ASSERT_NO_FATAL_FAILURE(only_ask_to_free());
    ASSERT_EQ(asked_, first);
    const std::vector<Lsn> before = durable_;
    back_up([&] {
      gate_->open();
      while (log_->stats().room <= kSegment && !log_->failed()) std::this_thread::yield();
      take_a_turn();
      EXPECT_EQ(log_->oldest().number, first);
      EXPECT_TRUE(is_there(first));
      EXPECT_EQ(log_->free_oldest(first, asked_to_, catalog_of(first), 0), Code::timeout);
    });
    ASSERT_NO_FATAL_FAILURE(expect_copied(Lsn::none, before, ""));
    EXPECT_EQ(log_->free_oldest(first, asked_to_, catalog_of(first), kNever), Code::ok);
    is_freed();
    EXPECT_GT(log_->oldest().number, first);
    EXPECT_EQ(log_->close(kNever), Code::ok);
    ASSERT_NO_FATAL_FAILURE(expect_kept());
  }
}

// The errand that frees the oldest is out: the copy is without it, and keeps the next.
TEST_F(ClerkBackup, WhatIsOnItsWayOutIsNotCopiedTheNextIsKept) {
  for (const std::string& point : kinds().back().points) {
    SCOPED_TRACE(point);
    ASSERT_NO_FATAL_FAILURE(start());
    ASSERT_NO_FATAL_FAILURE(fill(4));
    ASSERT_NO_FATAL_FAILURE(free_one());
    gate_->close(point);
    ASSERT_NO_FATAL_FAILURE(ask_to_free());
    gate_->await();
    const std::uint64_t first = asked_;
    const Lsn first_to = asked_to_;
    const std::vector<Lsn> before = durable_;
    back_up([&] {
      gate_->open();
      EXPECT_EQ(join_cleaner(), Code::ok);
      is_freed();
      EXPECT_EQ(log_->oldest().number, first + 1);
      ASSERT_NO_FATAL_FAILURE(only_ask_to_free());
      ASSERT_EQ(asked_, first + 1);
      take_a_turn();
      EXPECT_EQ(log_->oldest().number, first + 1) << "it is being copied";
      EXPECT_TRUE(is_there(first + 1));
    });
    ASSERT_NO_FATAL_FAILURE(expect_copied(first_to, before, std::to_string(first)));
    EXPECT_EQ(log_->free_oldest(asked_, asked_to_, catalog_of(asked_), kNever), Code::ok);
    is_freed();
    EXPECT_FALSE(is_there(first));
    EXPECT_FALSE(is_there(first + 1));
    EXPECT_EQ(log_->close(kNever), Code::ok);
    ASSERT_NO_FATAL_FAILURE(expect_kept());
  }
}

// It does not come off, for a while: the segment is still there, the copy is without it.
TEST_F(ClerkBackup, WhatWasToGoAndDidNotIsNotCopiedEither) {
  for (const std::string point : {"open MANIFEST", "rename CURRENT", "sync CURRENT"}) {
    SCOPED_TRACE(point);
    ASSERT_NO_FATAL_FAILURE(start());
    ASSERT_NO_FATAL_FAILURE(fill(3));
    std::atomic<bool> full{false};
    log_->on_trouble([&](const Error& error) { full = full || error.code == Code::no_space; });
    gate_->close(point);
    ASSERT_NO_FATAL_FAILURE(ask_to_free());
    gate_->await();
    const std::vector<Lsn> before = durable_;
    back_up([&] {
      gate_->fail(point, ENOSPC);
      gate_->open();
      while (!full && !log_->failed()) std::this_thread::yield();
      EXPECT_EQ(log_->oldest().number, asked_);
      EXPECT_TRUE(is_there(asked_));
    });
    ASSERT_NO_FATAL_FAILURE(expect_copied(asked_to_, before, std::to_string(asked_)));
    gate_->heal();
    EXPECT_EQ(join_cleaner(), Code::ok);
    is_freed();
    EXPECT_EQ(log_->close(kNever), Code::ok);
    ASSERT_NO_FATAL_FAILURE(expect_kept());
  }
}

}  // namespace
}  // namespace warden::log::test
