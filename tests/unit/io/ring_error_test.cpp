// SPDX-License-Identifier: Apache-2.0
//
// Completions of a real ring that say EIO; and what stands in its file table.
#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <sstream>

#include "broken_device.hpp"
#include "ring.hpp"

namespace warden::log::test {
namespace {

using warden::test::break_device;

// What /proc says of the ring that this process has open.
std::string ring_info() {
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    const std::string target = std::filesystem::read_symlink(entry.path(), gone).string();
    if (gone || target != "anon_inode:[io_uring]") continue;
    return read_file("/proc/self/fdinfo/" + entry.path().filename().string());
  }
  return {};
}

// A killed process's writes may land after its descriptors are closed: what keeps the lock
// until they have is that the ring itself has LOCK open.
TEST(Ring, HasLockInItsFileTable) {
  TempDir temp;
  const auto disk = io::make_real_disk(io::Backend::uring);
  KeepingSink sink;
  std::unique_ptr<Log> log;
  Options options = small_options();
  options.manual = true;  // nobody else is in the ring, which would hide the table
  ASSERT_EQ(Log::open(*disk, temp.path(), options, sink, log).code, Code::ok);
  const std::string info = ring_info();
  const std::size_t at = info.find("UserFiles:");
  if (at == std::string::npos) GTEST_SKIP() << "this kernel does not tell a ring's files";
  std::istringstream lines(info.substr(at));
  std::string head;
  std::getline(lines, head);
  ASSERT_GE(std::stoi(head.substr(head.find(':') + 1)), 1) << info;
  bool any = false;
  bool found = false;
  for (std::string line; std::getline(lines, line) && line.starts_with(" ");) {
    any = true;
    found = found || line.ends_with("LOCK");
  }
  if (!any) GTEST_SKIP() << "this kernel does not name a ring's files";
  EXPECT_TRUE(found) << info;
}

TEST(FailingRing, AnswersEIO) {
  TempDir temp;
  RingAndFile ring;
  ASSERT_TRUE(ring.make(temp) && ring.queue->attach() == 0);
  ring.write(1);
  EXPECT_EQ(ring.next().result, 4096);
  ASSERT_EQ(break_device(temp.path() + "/file"), 1);
  ring.write(2);
  EXPECT_EQ(ring.next().result, -EIO);
  ring.queue->flush(*ring.file, 3);
  EXPECT_LT(ring.next().result, 0);
}

TEST(FailingRing, EndsTheLogOnceAndForAll) {
  for (const bool manual : {true, false}) {
    TempDir temp;
    const auto disk = io::make_real_disk(io::Backend::uring);
    KeepingSink sink;
    std::unique_ptr<Log> log;
    Options options = small_options();
    options.manual = manual;
    options.inline_commit = false;  // all through the ring
    ASSERT_EQ(Log::open(*disk, temp.path(), options, sink, log).code, Code::ok);
    std::atomic<int> told{0};
    log->on_trouble([&](const Error& error) {
      if (error.code == Code::io) ++told;
    });
    for (int i = 0; i < 50; ++i) put(*log, std::string(1000, 'a'));
    ASSERT_EQ(log->sync(kNever), Code::ok);
    const std::string text = "not to be acknowledged";
    Credit credit;
    ASSERT_EQ(log->reserve(text.size(), 1, ReserveFlags::none, credit), Code::ok);
    ASSERT_GE(break_device(temp.path() + "/wal-"), 1);
    const Lsn last = log->append(credit, RecordType::state, 1, bytes_of(text));
    log->release(credit);
    EXPECT_EQ(log->wait_durable(last, kNever), Code::outcome_unknown);
    EXPECT_EQ(log->reserve(1, 1, ReserveFlags::none, credit), Code::io);
    // What is under way at that moment, a flush of the next segment, say, may meet it first;
    // flushing such a file answers EINVAL.
    const std::string why = log->why(Code::io);
    EXPECT_NE(why.find("/wal-"), std::string::npos) << why;
    EXPECT_TRUE(why.ends_with("Input/output error") || why.ends_with("Invalid argument")) << why;
    EXPECT_EQ(log->close(kNever), Code::outcome_unknown);
    EXPECT_EQ(told, 1);
    log.reset();
    const Error error = Log::open(*disk, temp.path(), small_options(), sink, log);
    ASSERT_FALSE(error) << error.message;
    EXPECT_EQ(sink.seen.size(), 50u);
  }
}

}  // namespace
}  // namespace warden::log::test
