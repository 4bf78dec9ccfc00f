// SPDX-License-Identifier: Apache-2.0
//
// Opening, answer by answer of the system that it meets.

#include <cerrno>

#include "../../sim/hooked_disk.hpp"
#include "log_fixture.hpp"
#include "sim_store.hpp"

namespace warden::log::test {
namespace {

using sim::Answer;
using sim::Call;
using sim::Op;

class LogOpening : public testing::Test {
 protected:
  Error open(Mode mode = Mode::write) {
    Options options = store_.model.options();
    options.mode = mode;
    sink_ = {};
    log_.reset();
    return Log::open(disk_, "sim", options, sink_, log_);
  }
  void answers(Op op, const std::string& name, std::int64_t result) {
    disk_.hook = [=](const Call& call) -> Answer {
      return call.op == op && call.name == name ? Answer(result) : std::nullopt;
    };
  }
  void refused(Code code, const std::string& says, Mode mode = Mode::write) {
    const Error error = open(mode);
    EXPECT_EQ(error.code, code) << error.message;
    EXPECT_NE(error.message.find(says), std::string::npos) << error.message;
  }

  World store_;
  std::unique_ptr<io::Disk> below_ = sim::make_sim_disk(store_.world, store_.clock);
  sim::HookedDisk disk_{*below_};
  KeepingSink sink_;
  std::unique_ptr<Log> log_;
};

TEST_F(LogOpening, WhoHoldsItIsNamed) {
  const std::pair<io::LockHolder, std::string> holders[] = {
      {{::getpid(), false}, "by process " + std::to_string(::getpid())},
      {{::getpid(), true},
       "by process " + std::to_string(::getpid()) +
           ", which does not run here any more; waited for its last writes to end"},
      {{0, false}, "by another process"},
  };
  for (const auto& [holder, says] : holders) {
    disk_.lock_holder = holder;
    int asked = 0;
    disk_.hook = [&](const Call& call) -> Answer {
      if (call.op != Op::lock) return std::nullopt;
      ++asked;
      return -EWOULDBLOCK;
    };
    refused(Code::held, says);
    EXPECT_EQ(asked, 1) << "who waits is the directory, and once";
  }
}

TEST_F(LogOpening, EachCallThatFailsIsNamed) {
  answers(Op::open_dir, "sim", -EMFILE);
  refused(Code::no_memory, "cannot open the directory");
  answers(Op::list, "", -EIO);
  refused(Code::io, "cannot list the directory");
  answers(Op::lock, "LOCK", -ENOLCK);
  refused(Code::io, "LOCK: cannot lock it");
  answers(Op::locked, "LOCK", -EIO);
  refused(Code::io, "LOCK: cannot look at it", Mode::read_only);
  answers(Op::make_queue, "", -ENOMEM);
  refused(Code::no_memory, "set up asynchronous writing");
  // A second listing: of a directory that has no CURRENT.
  int lists = 0;
  disk_.hook = [&](const Call& call) -> Answer {
    return call.op == Op::list && ++lists == 2 ? Answer(-EIO) : std::nullopt;
  };
  refused(Code::io, "cannot list the directory");
}

TEST_F(LogOpening, WithoutCurrentWhatCannotBeReadIsNotTakenForEmpty) {
  auto node = std::make_shared<sim::Node>();
  node->seen = node->durable = std::string(kPage, '\0');
  store_.world.now()["wal-1"] = node;
  answers(Op::open, "wal-1", -EACCES);
  refused(Code::permission, "wal-1: cannot read it");
  answers(Op::read, "wal-1", -EIO);
  refused(Code::io, "wal-1: cannot read it");
  disk_.hook = nullptr;
  EXPECT_EQ(open().code, Code::ok) << "it never held data";
}

TEST_F(LogOpening, TheNotesTellWhatWasRefused) {
  const std::string through = "the file system refused O_DIRECT";
  ASSERT_EQ(open().code, Code::ok);
  EXPECT_EQ(log_->stats().note, "");
  log_->close(kNever);
  disk_.buffered = true;
  ASSERT_EQ(open().code, Code::ok);
  EXPECT_EQ(log_->stats().note.find(through), 0u) << log_->stats().note;
  log_->close(kNever);
  disk_.note = "io_uring: refused";
  ASSERT_EQ(open().code, Code::ok);
  EXPECT_EQ(log_->stats().note.find("io_uring: refused; " + through), 0u) << log_->stats().note;
}

TEST_F(LogOpening, AReaderHasNothingToFreeOrToFail) {
  store_.fill(true);
  ASSERT_EQ(open(Mode::read_only).code, Code::ok);
  EXPECT_FALSE(log_->failed());
  EXPECT_FALSE(log_->starved());
  EXPECT_EQ(log_->log_bytes(), 0u);
  EXPECT_EQ(log_->cleaner_room(), 0u);
  EXPECT_NE(log_->why(Code::no_space).find("takes no more records"), std::string::npos);
}

}  // namespace
}  // namespace warden::log::test
