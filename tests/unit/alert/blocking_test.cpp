// SPDX-License-Identifier: Apache-2.0
//
// Waiting: every way in which a blocked poll comes back, and the eventfd. No test
// measures time: a wake-up that is lost shows as a test that hangs until its limit,
// as the polls here wait for ever.
#include <poll.h>

#include <thread>

#include "fixture.hpp"

namespace warden::alert {
namespace {

class Waiting : public HubTest {
 protected:
  // Starts a poll without a time limit on a thread of its own.
  void poll_on_thread(const ConsumerRef& consumer, Nanos timeout = -1) {
    waiter_ = std::thread([this, consumer, timeout] {
      started_ = true;
      answer_ = hub_->poll(*consumer, 10, timeout, [this](const Delivery& d) {
        got_.push_back(Got::of(d));
        return true;
      });
    });
    while (!started_) std::this_thread::yield();
  }
  static bool readable(int fd) {
    pollfd query{fd, POLLIN, 0};
    return ::poll(&query, 1, 0) == 1;
  }

  std::atomic<bool> started_{false};
  std::thread waiter_;
  Counted answer_;
  std::vector<Got> got_;
};

TEST_F(Waiting, a_push_ends_it) {
  const ConsumerRef c = open("c");
  poll_on_thread(c);
  raise({.item = 3});
  waiter_.join();
  ASSERT_EQ(got_.size(), 1u);
  EXPECT_EQ(got_[0].incarnation, 3u);
}

TEST_F(Waiting, wake_ends_it_with_nothing) {
  const ConsumerRef c = open("c");
  poll_on_thread(c);
  // A wake that comes before the poll has begun is not for it: repeat.
  std::atomic<bool> ended{false};
  std::thread joiner([&] {
    waiter_.join();
    ended = true;
  });
  while (!ended) {
    EXPECT_EQ(hub_->wake(*c), Code::ok);
    std::this_thread::yield();
  }
  joiner.join();
  EXPECT_EQ(answer_.code, Code::ok);
  EXPECT_EQ(answer_.count, 0u);
}

TEST_F(Waiting, close_ends_it) {
  poll_on_thread(open("c"));
  hub_->close();
  waiter_.join();
  EXPECT_EQ(answer_.code, Code::store_closed);
}

TEST_F(Waiting, deletion_ends_it) {
  poll_on_thread(open("c"));
  EXPECT_EQ(hub_->remove("c"), Code::ok);
  waiter_.join();
  EXPECT_EQ(answer_.code, Code::consumer_closed);
}

TEST_F(Waiting, its_time_limit_ends_it) {
  const ConsumerRef c = open("c");
  EXPECT_TRUE(poll(c, 10, kMilli).empty());
}

TEST_F(Waiting, an_ack_that_lets_the_next_alert_of_an_item_out_ends_it) {
  const ConsumerRef c = open("c");
  raise({.level = 1, .kind = Kind::warn});
  raise({.level = 2});
  const Got first = poll(c).at(0);
  poll_on_thread(c);
  EXPECT_EQ(ack(c, first), 1u);
  waiter_.join();
  ASSERT_EQ(got_.size(), 1u);
  EXPECT_EQ(got_[0].level, 2);
}

TEST_F(Waiting, a_nack_ends_it) {
  const ConsumerRef c = open("c");
  raise({});
  const Got first = poll(c).at(0);
  poll_on_thread(c);
  EXPECT_EQ(hub_->nack(*c, first.lease, 0), Code::ok);
  waiter_.join();
  EXPECT_EQ(got_.at(0).delivery, 2u);
}

TEST_F(Waiting, on_time_ends_it_when_a_lease_has_expired) {
  const ConsumerRef c = open("c");
  raise({});
  poll(c);
  poll_on_thread(c);
  clock_ += kHour;
  hub_->on_time(clock_);
  waiter_.join();
  EXPECT_EQ(got_.at(0).delivery, 2u);
}

TEST_F(Waiting, on_a_real_clock_the_expiry_of_a_lease_ends_it_by_itself) {
  HubOptions options;
  options.now = [] { return monotonic_now(); };
  hub_ = std::make_unique<Hub>(std::move(options));
  const ConsumerRef c = open("c", {.lease = 5 * kMilli});
  raise({});
  poll(c);
  poll_on_thread(c);
  waiter_.join();
  EXPECT_EQ(got_.at(0).delivery, 2u);
}

TEST_F(Waiting, on_a_real_clock_a_sleeper_learns_of_a_new_first_timer) {
  HubOptions options;
  options.now = [] { return monotonic_now(); };
  hub_ = std::make_unique<Hub>(std::move(options));
  const ConsumerRef c = open("c", {.lease = kDay});
  raise({});
  const Got got = poll(c).at(0);
  poll_on_thread(c);
  EXPECT_EQ(hub_->nack(*c, got.lease, 2 * kMilli), Code::ok);
  waiter_.join();
  EXPECT_EQ(got_.at(0).delivery, 2u);
}

TEST_F(Waiting, durability_ends_it) {
  start(true);
  const ConsumerRef c = open("c");
  raise({.lsn = Lsn{5}});
  poll_on_thread(c);
  hub_->set_durable(Lsn{5});
  waiter_.join();
  EXPECT_EQ(got_.size(), 1u);
}

TEST_F(Waiting, the_eventfd_tells_empty_from_not_empty) {
  const ConsumerRef c = open("c");
  const int fd = hub_->fd(*c);
  ASSERT_GE(fd, 0);
  EXPECT_EQ(hub_->fd(*c), fd);
  EXPECT_FALSE(readable(fd));
  raise({.item = 1});
  raise({.item = 2});
  EXPECT_TRUE(readable(fd));
  ack(c, poll(c, 1));
  EXPECT_TRUE(readable(fd));  // one is left
  const std::vector<Got> got = poll(c, 1);
  EXPECT_TRUE(readable(fd) || poll(c).empty());
  EXPECT_TRUE(poll(c).empty());
  EXPECT_FALSE(readable(fd));
  raise({.item = 3});
  EXPECT_TRUE(readable(fd));
  poll(c);
  EXPECT_TRUE(poll(c).empty());
  EXPECT_FALSE(readable(fd));
}

TEST_F(Waiting, the_eventfd_of_a_consumer_with_a_backlog_is_readable_at_once) {
  raise({});
  const ConsumerRef c = open("c");
  EXPECT_TRUE(readable(hub_->fd(*c)));
}

TEST_F(Waiting, the_eventfd_tells_of_acks_nacks_expiry_and_durability) {
  start(true);
  const ConsumerRef c = open("c");
  const int fd = hub_->fd(*c);
  raise({.item = 1, .level = 1, .kind = Kind::warn});
  raise({.item = 1, .level = 2});
  Got got = poll(c).at(0);
  EXPECT_FALSE(readable(fd));
  ack(c, got);
  EXPECT_TRUE(readable(fd));
  got = poll(c).at(0);
  EXPECT_FALSE(readable(fd));
  hub_->nack(*c, got.lease, 0);
  EXPECT_TRUE(readable(fd));
  got = poll(c).at(0);
  hub_->nack(*c, got.lease, kSecond);
  EXPECT_FALSE(readable(fd));
  clock_ += kSecond;
  hub_->on_time(clock_);
  EXPECT_TRUE(readable(fd));
  poll(c);
  clock_ += kHour;
  hub_->on_time(clock_);
  EXPECT_TRUE(readable(fd));
  ack(c, poll(c));
  raise({.item = 2, .lsn = Lsn{4}});
  EXPECT_TRUE(poll(c).empty());
  EXPECT_FALSE(readable(fd));
  hub_->set_durable(Lsn{4});
  EXPECT_TRUE(readable(fd));
}

TEST_F(Waiting, the_eventfd_is_readable_when_the_end_has_come) {
  const ConsumerRef a = open("a");
  const ConsumerRef b = open("b");
  const int fd_a = hub_->fd(*a);
  const int fd_b = hub_->fd(*b);
  hub_->remove("a");
  EXPECT_TRUE(readable(fd_a));
  EXPECT_FALSE(readable(fd_b));
  hub_->close();
  EXPECT_TRUE(readable(fd_b));
}

TEST_F(Waiting, another_consumers_poll_does_not_swallow_the_signal) {
  const ConsumerRef a = open("a");
  const ConsumerRef b = open("b");
  const int fd = hub_->fd(*b);
  hub_->push(fill(hub_->make(), {}));  // and before its notify ...
  EXPECT_EQ(poll(a).size(), 1u);       // ... another one takes it in
  EXPECT_TRUE(readable(fd));
  hub_->notify();
  EXPECT_EQ(poll(b).size(), 1u);
}

// The callback of poll stands for another thread: it runs after the queue was taken
// in and before the eventfd is cleared, the only window in which a push could be
// missed. (push, notify and set_durable take no lock that poll holds.)
TEST_F(Waiting, a_push_between_looking_and_clearing_is_not_missed) {
  const ConsumerRef c = open("c");
  const int fd = hub_->fd(*c);
  raise({.item = 1});
  EXPECT_EQ(hub_->poll(*c, 10, 0,
                       [this](const Delivery&) {
                         raise({.item = 2});
                         return true;
                       })
                .count,
            1u);
  EXPECT_TRUE(readable(fd));
  EXPECT_EQ(poll(c).size(), 1u);
  EXPECT_FALSE(readable(fd));
}

TEST_F(Waiting, durability_between_looking_and_clearing_is_not_missed) {
  start(true);
  const ConsumerRef c = open("c");
  const int fd = hub_->fd(*c);
  raise({.item = 1, .lsn = Lsn{1}});
  raise({.item = 2, .lsn = Lsn{2}});
  hub_->set_durable(Lsn{1});
  EXPECT_EQ(hub_->poll(*c, 10, 0,
                       [this](const Delivery&) {
                         hub_->set_durable(Lsn{2});
                         return true;
                       })
                .count,
            1u);
  EXPECT_TRUE(readable(fd));
  EXPECT_EQ(poll(c).size(), 1u);
  EXPECT_FALSE(readable(fd));
}

}  // namespace
}  // namespace warden::alert
