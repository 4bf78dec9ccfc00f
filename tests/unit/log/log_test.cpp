// SPDX-License-Identifier: Apache-2.0
//
// The log as its callers see it, on both backends: append, wait, reopen, order,
// back-pressure, closing, positions across epochs.
#include <thread>

#include "log_fixture.hpp"

namespace warden::log::test {
namespace {

class LogOnBackend : public testing::TestWithParam<io::Backend> {
 protected:
  std::unique_ptr<Log> open(Options options = small_options()) {
    std::unique_ptr<Log> log;
    sink_.seen.clear();
    const Error error = Log::open(*disk_, dir_.path(), options, sink_, log);
    EXPECT_EQ(error.code, Code::ok) << error.message;
    return log;
  }

  TempDir dir_;
  std::unique_ptr<io::Disk> disk_ = io::make_real_disk(GetParam());
  KeepingSink sink_;
};

INSTANTIATE_TEST_SUITE_P(Both, LogOnBackend,
                         testing::Values(io::Backend::uring, io::Backend::posix),
                         [](const auto& each) {
                           return each.param == io::Backend::uring ? "uring" : "posix";
                         });

TEST_P(LogOnBackend, KeepsWhatWasAcknowledged) {
  auto log = open();
  const Lsn first = put(*log, "one", 11, RecordType::body);
  const Lsn second = put(*log, "", 12);
  const Lsn third = put(*log, std::string(1000, 'x'), 13);
  EXPECT_LT(first, second);
  EXPECT_LT(second, third);
  EXPECT_EQ(log->wait_durable(third, kNever), Code::ok);
  EXPECT_GE(log->durable(), third);
  EXPECT_EQ(log->wait_durable(first, 0), Code::ok);
  EXPECT_EQ(log->close(kSecond), Code::ok);
  log = open();
  ASSERT_EQ(sink_.seen.size(), 3u);
  EXPECT_EQ(sink_.seen[0].content, "one");
  EXPECT_EQ(sink_.seen[0].type, RecordType::body);
  EXPECT_EQ(sink_.seen[0].incarnation, 11u);
  EXPECT_EQ(sink_.seen[0].lsn, first);
  EXPECT_EQ(sink_.seen[1].content, "");
  EXPECT_EQ(sink_.seen[1].lsn, second);
  EXPECT_EQ(sink_.seen[2].content, std::string(1000, 'x'));
  EXPECT_EQ(sink_.seen[2].lsn, third);
  EXPECT_TRUE(log->recovery().clean);
  EXPECT_FALSE(log->recovery().torn);
}

TEST_P(LogOnBackend, GivesEveryOpeningAnEpochOfItsOwn) {
  Lsn last = Lsn::none;
  for (std::uint32_t epoch = 1; epoch <= 5; ++epoch) {
    auto log = open();
    EXPECT_EQ(log->epoch(), epoch);
    EXPECT_EQ(sink_.seen.size(), epoch - 1);
    if (epoch > 1) {
      EXPECT_EQ(log->wait_durable(last, 0), Code::ok);
      EXPECT_EQ(log->wait_durable(static_cast<Lsn>(raw(last) + 1), 0), Code::lost);
    }
    const Lsn lsn = put(*log, "r" + std::to_string(epoch));
    EXPECT_GT(lsn, last);
    last = lsn;
    EXPECT_EQ(log->sync(kNever), Code::ok);
    EXPECT_EQ(log->wait_durable(static_cast<Lsn>(raw(last) + 1), 0), Code::out_of_range);
    log->close(kSecond);
  }
}

TEST_P(LogOnBackend, OpenedAndClosedManyTimesItKeepsOneUnusedSegment) {
  for (int i = 0; i < 10; ++i) open()->close(0);
  int segments = 0;
  for (const auto& [name, content] : image_of(dir_.path())) segments += name.starts_with("wal-");
  EXPECT_EQ(segments, 1);
}

TEST_P(LogOnBackend, TurnsSegmentsOver) {
  auto log = open();
  std::vector<std::string> put_in;
  for (int i = 0; i < 3000; ++i) {
    put_in.push_back(std::to_string(i) + std::string(static_cast<std::size_t>(i % 900), 'z'));
    put(*log, put_in.back(), static_cast<std::uint64_t>(i));
  }
  EXPECT_EQ(log->sync(kNever), Code::ok);
  EXPECT_GE(log->stats().segments, 4u);
  log->close(kSecond);
  log = open();
  ASSERT_EQ(sink_.seen.size(), put_in.size());
  for (std::size_t i = 0; i < put_in.size(); ++i) {
    ASSERT_EQ(sink_.seen[i].content, put_in[i]);
    ASSERT_EQ(sink_.seen[i].incarnation, i);
  }
}

TEST_P(LogOnBackend, TakesTheLargestRecordAndRefusesALargerOne) {
  Options options = small_options();
  options.buffer_bytes = 16u << 20;
  options.segment_bytes = options.first_segment_bytes = 4u << 20;
  auto log = open(options);
  EXPECT_EQ(log->max_content(), kMaxContent);
  const std::string large(kMaxContent, 'L');
  for (int i = 0; i < 5; ++i) put(*log, large);
  EXPECT_EQ(log->sync(kNever), Code::ok);
  Credit credit;
  EXPECT_EQ(log->reserve(20u << 20, 1, ReserveFlags::none, credit), Code::too_large);
  log->close(kSecond);
  log = open(options);
  ASSERT_EQ(sink_.seen.size(), 5u);
  EXPECT_EQ(sink_.seen[4].content, large);
}

TEST_P(LogOnBackend, ThreadsSeeTheirOwnOrderAndNothingIsMissing) {
  auto log = open();
  constexpr int kThreads = 4;
  constexpr int kEach = 400;
  std::vector<std::thread> threads;
  std::atomic<int> failures{0};
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        const Lsn lsn = put(*log, std::to_string(i), static_cast<std::uint64_t>(t));
        const bool wait = i % 3 == t % 3;
        if (wait && log->wait_durable(lsn, kNever) != Code::ok) ++failures;
        if (wait && log->durable() < lsn) ++failures;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(failures, 0);
  EXPECT_EQ(log->close(10 * kSecond), Code::ok);
  log = open();
  ASSERT_EQ(sink_.seen.size(), static_cast<std::size_t>(kThreads * kEach));
  int next[kThreads] = {};
  for (const Seen& record : sink_.seen) {
    ASSERT_EQ(record.content, std::to_string(next[record.incarnation]++));
  }
}

TEST_P(LogOnBackend, BuffersMoreThanTheRingByWaiting) {
  Options options = small_options();
  options.buffer_bytes = 64 * 1024;
  auto log = open(options);
  const std::string text(3000, 'b');
  for (int i = 0; i < 500; ++i) put(*log, text);
  EXPECT_EQ(log->close(10 * kSecond), Code::ok);
  log = open(options);
  EXPECT_EQ(sink_.seen.size(), 500u);
}

TEST_P(LogOnBackend, NowaitRefusesWhenTheRingIsFull) {
  Options options = small_options();
  options.buffer_bytes = 64 * 1024;
  options.manual = true;  // nobody empties it
  auto log = open(options);
  const std::string text(2000, 'n');
  int taken = 0;
  Credit credit;
  for (;; ++taken) {
    const Code code = log->reserve(text.size(), 1, ReserveFlags::nowait, credit);
    if (code != Code::ok) {
      EXPECT_EQ(code, Code::would_block);
      break;
    }
    log->append(credit, RecordType::state, 1, bytes_of(text));
    log->release(credit);
  }
  EXPECT_EQ(taken, 28);  // 56 KiB, seven eighths of 64, over 2024 each
  EXPECT_EQ(log->reserve(100, 1, ReserveFlags::cleaner, credit), Code::ok);
  log->release(credit);
  EXPECT_EQ(log->sync(kNever), Code::ok);
  EXPECT_EQ(log->reserve(text.size(), 1, ReserveFlags::nowait, credit), Code::ok);
  log->release(credit);
}

TEST_P(LogOnBackend, PartsAndAbandonedClaims) {
  auto log = open();
  Credit credit;
  ASSERT_EQ(log->reserve(100, 4, ReserveFlags::none, credit), Code::ok);
  const Claim given_up = log->claim(credit, 20);
  const Claim later = log->claim(credit, 6);
  const std::string a = "ab";
  const std::string b = "cdef";
  const Part parts[] = {bytes_of(a), bytes_of(b)};
  const Lsn after = log->append(credit, RecordType::alert, 5, parts);
  EXPECT_EQ(log->wait_durable(after, 20 * kMilli), Code::timeout);  // a gap stands before it
  log->publish(later, RecordType::step, 6, parts);
  log->abandon(given_up);
  log->release(credit);
  EXPECT_EQ(credit.bytes, 0u);
  EXPECT_EQ(log->wait_durable(after, kNever), Code::ok);
  log->close(kSecond);
  log = open();
  ASSERT_EQ(sink_.seen.size(), 2u);
  EXPECT_EQ(sink_.seen[0].content, "abcdef");
  EXPECT_EQ(sink_.seen[0].type, RecordType::step);
  EXPECT_EQ(sink_.seen[1].type, RecordType::alert);
}

TEST_P(LogOnBackend, TellsOfDurabilityOnceAndInOrder) {
  auto log = open();
  std::atomic<std::uint64_t> last{0};
  std::atomic<bool> in_order{true};
  log->on_durable([&](Lsn lsn) {
    if (raw(lsn) < last.load()) in_order = false;
    last = raw(lsn);
  });
  Lsn lsn = Lsn::none;
  for (int i = 0; i < 200; ++i) {
    lsn = put(*log, "x");
    if (i % 10 != 0) continue;
    EXPECT_EQ(log->wait_durable(lsn, kNever), Code::ok);
  }
  EXPECT_EQ(log->sync(kNever), Code::ok);
  log->close(kSecond);
  EXPECT_EQ(last.load(), raw(lsn));
  EXPECT_TRUE(in_order);
}

TEST_P(LogOnBackend, ClosedRefuses) {
  auto log = open();
  put(*log, "x");
  EXPECT_EQ(log->close(kSecond), Code::ok);
  EXPECT_EQ(log->close(kSecond), Code::ok);
  Credit credit;
  EXPECT_EQ(log->reserve(1, 1, ReserveFlags::none, credit), Code::store_closed);
  EXPECT_EQ(log->wait_durable(log->last_appended(), kNever), Code::ok);
}

TEST_P(LogOnBackend, NamesItsBackend) {
  auto log = open();
  EXPECT_STREQ(log->stats().backend, GetParam() == io::Backend::uring ? "io_uring" : "posix");
  put(*log, "x");
  EXPECT_EQ(log->sync(kNever), Code::ok);
  const LogStats stats = log->stats();
  EXPECT_EQ(stats.records, 1u);
  EXPECT_EQ(stats.acks, 1u);
  EXPECT_GT(stats.ack_p99, 0);
}

TEST_P(LogOnBackend, ReaderBesideAWriterSeesWhatIsDurable) {
  auto log = open();
  std::vector<Lsn> lsns;
  for (int i = 0; i < 50; ++i) lsns.push_back(put(*log, std::to_string(i)));
  EXPECT_EQ(log->sync(kNever), Code::ok);
  Options options = small_options();
  options.mode = Mode::read_only;
  std::unique_ptr<Log> reader;
  KeepingSink sink;
  // The beacon proves the last block: until it is there, a reader sees less.
  while (sink.seen.size() < 50) {
    sink.seen.clear();
    const Error error = Log::open(*disk_, dir_.path(), options, sink, reader);
    ASSERT_EQ(error.code, Code::ok) << error.message;
    std::this_thread::yield();
  }
  EXPECT_EQ(sink.seen.size(), 50u);
  Credit credit;
  EXPECT_EQ(reader->reserve(1, 1, ReserveFlags::none, credit), Code::read_only);
  EXPECT_EQ(reader->wait_durable(lsns[49], 0), Code::ok);
  const Lsn more = put(*log, "more");
  EXPECT_EQ(log->wait_durable(more, kNever), Code::ok);
}

TEST_P(LogOnBackend, ReadersDuringALoadSeeAPrefix) {
  auto log = open();
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (int i = 0; !stop; ++i) {
      const Lsn lsn = put(*log, std::to_string(i));
      if (i % 16 == 0) log->wait_durable(lsn, kNever);
    }
  });
  Options options = small_options();
  options.mode = Mode::read_only;
  std::size_t most = 0;
  for (int round = 0; round < 20; ++round) {
    std::unique_ptr<Log> reader;
    KeepingSink sink;
    const Error error = Log::open(*disk_, dir_.path(), options, sink, reader);
    ASSERT_EQ(error.code, Code::ok) << error.message;
    for (std::size_t i = 0; i < sink.seen.size(); ++i) {
      ASSERT_EQ(sink.seen[i].content, std::to_string(i));
    }
    if (!sink.seen.empty()) {
      EXPECT_LE(sink.seen.back().lsn, log->durable());
    }
    EXPECT_GE(sink.seen.size(), most);
    most = sink.seen.size();
  }
  stop = true;
  writer.join();
}

}  // namespace
}  // namespace warden::log::test
