// SPDX-License-Identifier: Apache-2.0
//
// A ring that stands and is then refused, by a seccomp filter that the program installs
// after it has opened a store: whatever was queued is answered, also what the kernel has
// taken, and who waits sleeps. Each in a process of its own.
#include <gtest/gtest.h>
#include <sys/syscall.h>

#include <atomic>
#include <cerrno>
#include <thread>

#include "../log/log_fixture.hpp"
#include "child.hpp"
#include "refused_call.hpp"
#include "ring.hpp"

namespace warden::log::test {
namespace {

using warden::test::in_child;
using warden::test::refuse;

constexpr std::uint32_t kEnableRings = 8;  // a bit of its number, 12, that no other of ours has

TEST(RefusedRing, AnswersWhatItDidNotTakeAndWhatItDid) {
  for (const int error : {EPERM, ENOSYS}) {
    TempDir temp;
    EXPECT_EQ(in_child([&] {
                RingAndFile ring;
                GIVE_UP_UNLESS(ring.make(temp) && ring.queue->attach() == 0);
                ring.write(1);
                GIVE_UP_UNLESS(ring.next().result == 4096);
                ring.queue->flush(*ring.file, 2);  // runs on a thread of the kernel's
                ring.write(3);
                ring.queue->wait(0);
                ring.write(4);
                GIVE_UP_UNLESS(refuse(SYS_io_uring_enter, error));
                bool seen[8] = {};
                for (int i = 0; i < 3; ++i) {
                  const io::Completion done = ring.next();
                  GIVE_UP_UNLESS(done.tag >= 2 && done.tag <= 4 && !seen[done.tag]);
                  seen[done.tag] = true;
                  // What had been taken may have been completed before.
                  const std::int64_t whole = done.tag == 2 ? 0 : done.tag == 3 ? 4096 : -error;
                  GIVE_UP_UNLESS(done.result == whole || done.result == -error);
                }
                // And all that comes later.
                ring.write(5);
                ring.queue->flush(*ring.file, 6);
                ring.queue->wait(0);
                io::Completion done[4];
                GIVE_UP_UNLESS(ring.queue->reap(done, 4) == 2);
                GIVE_UP_UNLESS(done[0].result == -error && done[1].result == -error);
                GIVE_UP_UNLESS(done[0].tag + done[1].tag == 11);
                return 0;
              }),
              0)
        << "errno " << error;
  }
}

TEST(RefusedRing, SleepsUntilItIsWoken) {
  TempDir temp;
  EXPECT_EQ(in_child([&] {
              RingAndFile ring;
              GIVE_UP_UNLESS(ring.make(temp) && ring.queue->attach() == 0);
              ring.queue->wait(kMicro);  // arms what wakes, and lets it stand
              GIVE_UP_UNLESS(refuse(SYS_io_uring_enter, EPERM));
              ring.queue->wait(kMicro);  // finds out
              for (int i = 0; i < 20; ++i) {
                std::atomic<bool> woken{false};
                std::thread other([&] {
                  woken = true;
                  ring.queue->wake();
                });
                ring.queue->wait(kNever);
                GIVE_UP_UNLESS(woken);
                other.join();
                io::Completion none;
                GIVE_UP_UNLESS(ring.queue->reap(&none, 1) == 0);
              }
              return 0;
            }),
            0);
}

TEST(RefusedRing, ThatCannotBeEnabledAnswersToo) {
  TempDir temp;
  EXPECT_EQ(in_child([&] {
              RingAndFile ring;
              GIVE_UP_UNLESS(ring.make(temp));
              GIVE_UP_UNLESS(refuse(SYS_io_uring_register, EACCES, 1, kEnableRings));
              ring.write(1);
              GIVE_UP_UNLESS(ring.queue->attach() == -EACCES);
              ring.write(2);
              const std::uint64_t first = ring.next().tag;
              const io::Completion second = ring.next();
              GIVE_UP_UNLESS(first + second.tag == 3 && second.result == -EACCES);
              return 0;
            }),
            0);
}

TEST(RefusedRing, ThatCannotBeEnabledKeepsALogFromOpening) {
  for (const bool manual : {true, false}) {
    TempDir dir;
    EXPECT_EQ(in_child([&] {
                GIVE_UP_UNLESS(refuse(SYS_io_uring_register, EPERM, 1, kEnableRings));
                const auto disk = io::make_real_disk(io::Backend::uring);
                KeepingSink sink;
                std::unique_ptr<Log> log;
                Options options = small_options();
                options.manual = manual;
                const Error error = Log::open(*disk, dir.path(), options, sink, log);
                GIVE_UP_UNLESS(error.code == Code::permission && !log);
                GIVE_UP_UNLESS(error.message.find("asynchronous writing") != std::string::npos);
                const auto other = io::make_real_disk(io::Backend::posix);
                GIVE_UP_UNLESS(!Log::open(*other, dir.path(), options, sink, log));
                return 0;
              }),
              0)
        << manual;
  }
}

TEST(RefusedRing, EndsTheLogOnceAndForAll) {
  for (const bool manual : {true, false}) {
    TempDir dir;
    EXPECT_EQ(
        in_child([&] {
          const auto disk = io::make_real_disk(io::Backend::uring);
          KeepingSink sink;
          std::unique_ptr<Log> log;
          Options options = small_options();
          options.manual = manual;
          options.inline_commit = false;  // all through the ring
          GIVE_UP_UNLESS(!Log::open(*disk, dir.path(), options, sink, log));
          std::atomic<int> told{0};
          log->on_trouble([&](const Error& error) {
            if (error.code == Code::io) ++told;
          });
          for (int i = 0; i < 100; ++i) put(*log, std::string(1000, 'a'));
          GIVE_UP_UNLESS(log->sync(kNever) == Code::ok);
          // The credit first: the ring may be found out before the record is there.
          const std::string text = "not to be acknowledged";
          Credit credit;
          GIVE_UP_UNLESS(log->reserve(text.size(), 1, ReserveFlags::none, credit) == Code::ok);
          GIVE_UP_UNLESS(refuse(SYS_io_uring_enter, EPERM));
          const Lsn last = log->append(credit, RecordType::state, 1, bytes_of(text));
          log->release(credit);
          GIVE_UP_UNLESS(log->wait_durable(last, kNever) == Code::outcome_unknown);
          GIVE_UP_UNLESS(log->reserve(1, 1, ReserveFlags::none, credit) == Code::io);
          GIVE_UP_UNLESS(log->why(Code::io).find("not permitted") != std::string::npos);
          GIVE_UP_UNLESS(log->close(kNever) == Code::outcome_unknown);
          GIVE_UP_UNLESS(told == 1);
          return 0;
        }),
        0)
        << manual;
    const auto disk = io::make_real_disk(io::Backend::posix);
    KeepingSink sink;
    std::unique_ptr<Log> log;
    const Error error = Log::open(*disk, dir.path(), small_options(), sink, log);
    ASSERT_FALSE(error) << error.message;
    EXPECT_GE(sink.seen.size(), 100u);
    EXPECT_LE(sink.seen.size(), 101u);
  }
}

}  // namespace
}  // namespace warden::log::test
