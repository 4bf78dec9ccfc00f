// SPDX-License-Identifier: Apache-2.0
//
// The bell by itself: a ring between taking the ticket and falling asleep is not
// slept through, and the eventfd is readable exactly between ring and clear.
#include "alert/bell.hpp"

#include <gtest/gtest.h>
#include <poll.h>

#include <thread>

namespace warden::alert {
namespace {

bool readable(int fd) {
  pollfd query{fd, POLLIN, 0};
  return ::poll(&query, 1, 0) == 1;
}

TEST(Bell, a_ring_after_the_ticket_is_not_slept_through) {
  Bell bell;
  for (const bool whole : {false, true}) {
    bell.enter();
    const std::uint32_t ticket = bell.ticket();
    whole ? bell.ring() : bell.wake_sleepers();
    bell.sleep(ticket, kNever);  // would never return
    bell.leave();
  }
}

TEST(Bell, a_sleeper_is_woken) {
  Bell bell;
  std::thread sleeper([&bell] {
    bell.enter();
    const std::uint32_t ticket = bell.ticket();
    while (bell.ticket() == ticket) bell.sleep(ticket, kNever);
    bell.leave();
  });
  while (!bell.has_listeners()) std::this_thread::yield();
  // It may not have taken its ticket yet: ring until it has left.
  while (bell.has_listeners()) {
    bell.ring();
    std::this_thread::yield();
  }
  sleeper.join();
}

TEST(Bell, an_instant_that_has_passed_ends_sleep) {
  Bell bell;
  bell.sleep(bell.ticket(), monotonic_now());
  bell.sleep(bell.ticket(), -1);
}

TEST(Bell, the_eventfd_is_readable_from_ring_to_clear) {
  Bell bell;
  bell.ring();  // before there is an eventfd: nobody to tell
  EXPECT_FALSE(bell.has_listeners());
  const int fd = bell.open_fd();
  ASSERT_GE(fd, 0);
  EXPECT_TRUE(bell.has_listeners());
  EXPECT_EQ(bell.open_fd(), fd);
  EXPECT_FALSE(readable(fd));
  bell.wake_sleepers();
  EXPECT_FALSE(readable(fd));
  bell.ring();
  bell.ring();
  EXPECT_TRUE(readable(fd));
  bell.clear();
  EXPECT_FALSE(readable(fd));
  bell.clear();
  bell.ring();
  EXPECT_TRUE(readable(fd));
}

}  // namespace
}  // namespace warden::alert
