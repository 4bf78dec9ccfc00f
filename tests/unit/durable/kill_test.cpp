// SPDX-License-Identifier: Apache-2.0
//
// A child that is killed with SIGKILL in the middle: everything that it was answered
// DURABLE, or had synced, is there afterwards; nothing is there that it did not begin.
//
//   child: verb -> answered -> one byte into the pipe, again and again
//   parent: reads so many bytes -> SIGKILL -> reads the rest -> opens the store -> compares
//
// The parent has no thread when it forks, so the child may allocate; still these run
// without sanitizers only, whose runtimes have threads of their own.
#include <signal.h>
#include <sys/wait.h>

#include <functional>
#include <set>

#include "on_disk.hpp"

namespace warden::test {
namespace {

constexpr int kItems = 400;

class Kill : public OnDisk {
 protected:
  std::vector<Setting> settings() const {
    return {{"clock", "manual"}, {"backend", GetParam()}, {"segment_bytes", "4194304"}};
  }
  // Runs `child` until it has said `steps` things, kills it, and tells how many it said
  // in all. A child that ends by itself fails the test.
  static int run_and_kill(int steps, const std::function<void(std::function<void()>)>& child) {
    int fds[2];
    EXPECT_EQ(::pipe(fds), 0);
    const pid_t pid = ::fork();
    if (pid == 0) {
      ::close(fds[0]);
      child([&] {
        if (::write(fds[1], "x", 1) != 1) _exit(3);
      });
      _exit(::testing::Test::HasFailure() ? 4 : 5);
    }
    ::close(fds[1]);
    int said = 0;
    char one = 0;
    while (said < steps && ::read(fds[0], &one, 1) == 1) ++said;
    ::kill(pid, SIGKILL);
    while (::read(fds[0], &one, 1) == 1) ++said;  // said between our last look and the kill
    ::close(fds[0]);
    int status = 0;
    EXPECT_EQ(::waitpid(pid, &status, 0), pid);
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
        << "the child ended by itself: " << status;
    return said;
  }
};

// Step by step: track, mark, complete of one item after the other, each DURABLE.
TEST_P(Kill, EverythingAnsweredDurableIsThere) {
  int kills = 0;
  for (const int steps : {1, 2, 3, 50, 301}) {
    path_ = dir_.path(numbered("steps", ++kills).c_str());
    const int said = run_and_kill(steps, [&](const std::function<void()>& say) {
      Store s(path_, settings());
      s.define(kUpload);
      say();
      for (int i = 0;; ++i) {
        const std::string key = numbered("k", i);
        if (s.track(key, key + key, {.seq = 1}).code != WARDEN_NEW) return;
        say();
        if (s.mark(key, "uploading", {.seq = 2}).code != WARDEN_OK) return;
        say();
        if (i % 3 != 0) continue;
        if (s.complete(key).code != WARDEN_ON_TIME) return;
        say();
      }
    });
    ASSERT_GE(said, steps);
    Store& s = open();
    s.flow = "upload";
    EXPECT_EQ(s.stats().flows, 1u);
    int left = said - 1;  // after the definition
    int tracked = 0;
    for (int i = 0; left > 0; ++i, ++tracked) {
      const int answered = std::min(left, i % 3 == 0 ? 3 : 2);
      left -= answered;
      const Item item = s.get_item(numbered("k", i));
      if (answered == 3) {
        EXPECT_EQ(item.code, WARDEN_ALREADY_DONE) << i;
        continue;
      }
      const bool may_be_done = left == 0 && i % 3 == 0 && item.code == WARDEN_ALREADY_DONE;
      if (may_be_done) continue;  // begun, and its answer cut off
      ASSERT_EQ(item.code, WARDEN_OK) << i << " of " << said;
      EXPECT_EQ(item.payload, item.key + item.key);
      EXPECT_GE(item.raw.seq, static_cast<std::uint64_t>(answered));
    }
    EXPECT_LE(static_cast<int>(s.stats().submitted_total), tracked + 1) << "at most one more";
    s.expect_balance();
  }
}

TEST_P(Kill, WhatWasSyncedIsThereAndThePrefixHasNoHole) {
  const int said = run_and_kill(4, [&](const std::function<void()>& say) {
    Store s(path_, settings());
    s.define(kTimer);
    for (int i = 0;; ++i) {
      s.track(numbered("k", i), "", {.durability = WARDEN_DURABILITY_BUFFERED});
      if (i % 100 != 99) continue;
      if (warden_sync(s.get(), -1) != WARDEN_OK) return;
      say();
    }
  });
  Store& s = open();
  s.flow = "timer";
  const auto live = static_cast<int>(s.stats().live);
  EXPECT_GE(live, 100 * said);
  for (int i = 0; i < live; ++i) {
    EXPECT_EQ(s.get_item(numbered("k", i)).code, WARDEN_OK) << "a hole at " << i << " of " << live;
  }
}

TEST_P(Kill, AlertsAndAcknowledgements) {
  using Id = std::pair<std::uint64_t, std::uint64_t>;
  // The child acknowledges ten at a time, syncs, and says so.
  const int said = run_and_kill(7, [&](const std::function<void()>& say) {
    Store s(path_, settings());
    s.define(kTimer);
    Consumer c = s.consumer("c");
    for (int i = 0; i < kItems; ++i) {
      // Later ones are less late: acknowledged in the order of their numbers.
      s.track(numbered("k", i), "", {.at = i, .durability = WARDEN_DURABILITY_BUFFERED});
    }
    s.advance(kH);
    for (;;) {
      const std::vector<Alert> some = c.poll(10);
      if (some.empty()) break;
      c.ack(some);
      if (warden_sync(s.get(), -1) != WARDEN_OK) return;
      say();
    }
    for (;;) ::pause();
  });
  Store& s = open();
  s.flow = "timer";
  EXPECT_EQ(s.stats().alerts_raised, static_cast<unsigned>(kItems));
  std::set<std::string> again;
  std::map<std::string, Id> ids;
  for (const Alert& one : s.consumer("c").poll(kItems)) {
    EXPECT_TRUE(again.insert(one.key).second) << one.key << " came twice";
    ids[one.key] = one.id();
  }
  for (int i = 0; i < kItems; ++i) {
    const bool came = again.count(numbered("k", i)) == 1;
    if (i < 10 * said) {
      EXPECT_FALSE(came) << i << " had been acknowledged";
    } else if (i >= 10 * (said + 1)) {  // ten more may have been, without being said
      EXPECT_TRUE(came) << i << " was never acknowledged";
    }
  }
  reopen();
  for (const Alert& one : store().consumer("c").poll(kItems)) EXPECT_EQ(one.id(), ids[one.key]);
}

TEST_P(Kill, AgainAndAgainTheStoreGoesOn) {
  std::set<std::uint64_t> incarnations;
  int expected = 0;
  for (int round = 0; round < 6; ++round) {
    expected += run_and_kill(5 + round, [&](const std::function<void()>& say) {
      Store s(path_, settings());
      s.define(kTimer);
      for (int i = 0;; ++i) {
        const std::string key = numbered("r", round) + numbered(".", i);
        if (s.track(key, key).code != WARDEN_NEW) return;
        say();
      }
    });
    const Opened opened = try_open(path_, settings());
    EXPECT_EQ(opened.code, WARDEN_OK) << "a killed holder holds nothing: " << opened.message();
  }
  Store& s = open();
  EXPECT_GE(static_cast<int>(s.stats().live), expected);
  for (const Item& one : s.scan()) {
    EXPECT_EQ(one.payload, one.key);
    EXPECT_TRUE(incarnations.insert(one.raw.incarnation).second);
  }
}

WARDEN_ON_BOTH_BACKENDS(Kill);

}  // namespace
}  // namespace warden::test
