// SPDX-License-Identifier: Apache-2.0
//
// Copies of a log while it is written, rotated and freed; and every way in which a
// copy is refused. What power loss does to one is tests/sim's matter.
#include <atomic>
#include <map>
#include <thread>

#include "../../sim/hooked_disk.hpp"
#include "log_fixture.hpp"

namespace warden::log::test {
namespace {

Options tiny_options() {
  Options options = small_options();
  options.segment_bytes = options.first_segment_bytes = 64 * 1024;
  options.buffer_bytes = 64 * 1024;
  return options;
}

class Backup : public testing::Test {
 protected:
  std::unique_ptr<Log> open(const std::string& path, Options options = tiny_options()) {
    std::unique_ptr<Log> log;
    sink_ = {};
    error_ = Log::open(*disk_, path, options, sink_, log);
    return log;
  }
  std::vector<Seen> read(const std::string& path) {
    Options options = tiny_options();
    options.mode = Mode::read_only;
    const auto log = open(path, options);
    EXPECT_EQ(error_.code, Code::ok) << error_.message;
    return sink_.seen;
  }
  static void fill(Log& log, int from, int to) {
    for (int i = from; i < to; ++i) put(log, std::to_string(i) + std::string(500, '.'), 7);
    EXPECT_EQ(log.sync(kNever), Code::ok);
  }
  // 0, 1, 2, ... without a gap.
  static void expect_prefix(const std::vector<Seen>& seen, std::size_t at_least) {
    ASSERT_GE(seen.size(), at_least);
    for (std::size_t i = 0; i < seen.size(); ++i) {
      ASSERT_EQ(seen[i].content.substr(0, seen[i].content.find('.')), std::to_string(i));
    }
  }
  // Opens for writing, goes on, closes, reads again.
  void expect_goes_on(const std::string& path, std::uint32_t epoch) {
    auto log = open(path);
    ASSERT_EQ(error_.code, Code::ok) << error_.message;
    EXPECT_FALSE(log->recovery().torn);
    EXPECT_EQ(log->epoch(), epoch_of_copy(epoch) + 1);
    const std::size_t before = sink_.seen.size();
    put(*log, "more");
    ASSERT_EQ(log->close(kSecond), Code::ok);
    EXPECT_EQ(read(path).size(), before + 1);
  }

  TempDir dir_;
  const std::string copy_ = dir_.parent() + "/copy";
  std::unique_ptr<io::Disk> disk_ = io::make_real_disk(io::Backend::posix);
  KeepingSink sink_;
  Error error_;
  BackupReport report_;
};

TEST_F(Backup, OfAClosedLogHoldsEveryRecordAtItsPosition) {
  auto log = open(dir_.path());
  fill(*log, 0, 500);
  const Lsn last = log->durable();
  const Uuid uuid = log->uuid();
  ASSERT_EQ(log->close(kSecond), Code::ok);
  const auto before = image_of(dir_.path());
  const Error error = backup(*disk_, dir_.path(), copy_, {}, report_);
  ASSERT_EQ(error.code, Code::ok) << error.message;
  EXPECT_EQ(image_of(dir_.path()), before);
  EXPECT_EQ(report_.end, last);
  EXPECT_GT(report_.segments, 2u);
  const auto original = read(dir_.path());
  const auto copied = read(copy_);
  ASSERT_EQ(copied.size(), original.size());
  for (std::size_t i = 0; i < copied.size(); ++i) {
    EXPECT_EQ(copied[i].lsn, original[i].lsn);
    EXPECT_EQ(copied[i].content, original[i].content);
  }
  expect_goes_on(copy_, 1);
  EXPECT_EQ(open(copy_)->uuid(), uuid);
}

TEST_F(Backup, OfANewLogIsANewLog) {
  auto log = open(dir_.path());
  const Error error = log->backup(*disk_, copy_, {}, report_);
  ASSERT_EQ(error.code, Code::ok) << error.message;
  EXPECT_TRUE(read(copy_).empty());
  expect_goes_on(copy_, 1);
}

TEST_F(Backup, PositionsAfterItAreLostInTheCopyNeverOk) {
  auto log = open(dir_.path());
  fill(*log, 0, 10);
  const Lsn in = log->durable();
  ASSERT_EQ(log->backup(*disk_, copy_, {}, report_).code, Code::ok);
  fill(*log, 10, 20);
  const Lsn after = log->durable();
  auto copy = open(copy_);
  EXPECT_EQ(copy->wait_durable(in, 0), Code::ok);
  EXPECT_EQ(copy->wait_durable(after, 0), Code::lost);
  // Nor are positions of the original's next openings ever issued by the copy.
  EXPECT_EQ(copy->wait_durable(make_lsn(2, 100), 0), Code::lost);
}

TEST_F(Backup, WhileThreadsWriteAndSegmentsTurnOverHoldsAllThatWasAcknowledged) {
  auto log = open(dir_.path());
  std::atomic<std::size_t> acked{0};
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (int i = 0; !stop; ++i) {
      const Lsn lsn = put(*log, std::to_string(i) + std::string(900, '.'));
      if (log->wait_durable(lsn, kNever) != Code::ok) return;
      acked = static_cast<std::size_t>(i) + 1;
    }
  });
  std::uint64_t segments = 0;
  for (int round = 0; round < 6; ++round) {
    while (acked < static_cast<std::size_t>(round + 1) * 100) std::this_thread::yield();
    const std::string to = copy_ + std::to_string(round);
    const std::size_t before = acked;
    const Error error = round % 2 == 0 ? log->backup(*disk_, to, {}, report_)
                                       : backup(*disk_, dir_.path(), to, {}, report_);
    EXPECT_EQ(error.code, Code::ok) << error.message;
    if (error) break;
    expect_prefix(read(to), before);
    segments = report_.segments;
  }
  stop = true;
  writer.join();
  EXPECT_GT(segments, 2u);
  expect_goes_on(copy_ + "5", 1);
}

// A map of keys, as the cleaner keeps it: what lives in the oldest segment is appended
// again, then the segment freed.
class Cleaned : public Backup {
 protected:
  void put_key(std::uint64_t key) {
    const std::string value = std::to_string(++version_) + std::string(400, '.');
    lsns_[key] = put(*log_, value, key);
    values_[key] = value;
  }
  Code clean(Nanos timeout) {
    const Log::Oldest oldest = log_->oldest();
    if (oldest.number == 0) return Code::invalid_argument;
    Lsn moved = Lsn::none;
    for (auto& [key, lsn] : lsns_) {
      if (lsn <= oldest.end) lsn = moved = put(*log_, values_[key], key);
    }
    return log_->free_oldest(oldest.number, moved, {}, timeout);
  }
  void expect_all(const std::string& path, const std::map<std::uint64_t, std::string>& wanted) {
    std::map<std::uint64_t, std::string> got;
    for (const Seen& one : read(path)) got[one.incarnation] = one.content;
    for (const auto& [key, value] : wanted) {
      ASSERT_TRUE(got.count(key)) << "key " << key;
      EXPECT_GE(std::stoul(got[key]), std::stoul(value)) << "key " << key;
    }
  }
  void begin() {
    log_ = open(dir_.path());
    for (std::uint64_t i = 0; i < 1000; ++i) put_key(i % 50);
    ASSERT_EQ(log_->sync(kNever), Code::ok);
  }

  std::unique_ptr<Log> log_;
  std::map<std::uint64_t, Lsn> lsns_;
  std::map<std::uint64_t, std::string> values_;
  std::uint64_t version_ = 0;
};

TEST_F(Cleaned, SegmentsAreNotFreedBeforeTheyAreCopied) {
  begin();
  const auto wanted = values_;
  const std::uint64_t first = log_->oldest().number;
  bool tried = false;
  const BackupWatch watch = [&](std::uint64_t) {
    if (tried) return Error{};
    tried = true;  // at the first block of the first segment
    EXPECT_EQ(clean(20 * kMilli), Code::timeout);
    EXPECT_EQ(log_->oldest().number, first);
    return Error{};
  };
  const Error error = log_->backup(*disk_, copy_, watch, report_);
  ASSERT_EQ(error.code, Code::ok) << error.message;
  EXPECT_TRUE(tried);
  // What was asked for meanwhile is done once nothing holds it back.
  const std::uint64_t oldest = log_->oldest().number;
  EXPECT_TRUE(oldest != first || clean(kNever) == Code::ok);
  EXPECT_GT(log_->oldest().number, first);
  expect_all(copy_, wanted);
  expect_goes_on(copy_, 1);
}

TEST_F(Cleaned, CopiedSegmentsMayGoWhileTheOthersAreCopied) {
  begin();
  const auto wanted = values_;
  const std::uint64_t first = log_->oldest().number;
  std::uint64_t freed = 0;
  std::uint64_t bytes_of_first = log_->oldest().bytes;
  const Error error = log_->backup(
      *disk_, copy_,
      [&](std::uint64_t bytes) {
        if (freed == 0 && bytes > bytes_of_first + kPage) {
          EXPECT_EQ(log_->oldest().number, first);
          EXPECT_EQ(clean(kNever), Code::ok);
          ++freed;
        }
        return Error{};
      },
      report_);
  ASSERT_EQ(error.code, Code::ok) << error.message;
  EXPECT_EQ(freed, 1u);
  EXPECT_GT(log_->oldest().number, first);
  expect_all(copy_, wanted);
  expect_goes_on(copy_, 1);
}

TEST_F(Cleaned, WhoCopiesFromOutsideTakesWhatIsThereNow) {
  begin();
  const auto wanted = values_;
  int freed = 0;
  // Pulled away under the copier three times: the file it reads, and the ones after it,
  // freed and used again.
  const Error error = backup(
      *disk_, dir_.path(), copy_,
      [&](std::uint64_t) {
        if (freed < 3) {
          EXPECT_EQ(clean(kNever), Code::ok);
          ++freed;
          for (int i = 0; i < 60; ++i) put_key(version_ % 50);
          EXPECT_EQ(log_->sync(kNever), Code::ok);
        }
        return Error{};
      },
      report_);
  ASSERT_EQ(error.code, Code::ok) << error.message;
  EXPECT_EQ(freed, 3);
  expect_all(copy_, wanted);
  expect_goes_on(copy_, 1);
}

// The second segment goes while the first is copied, and then the first too: what was
// copied of it is no part of what there is then.
TEST_F(Cleaned, WhatWasCopiedAndIsFreedByTheNextAttemptIsDropped) {
  begin();
  const auto wanted = values_;
  const std::uint64_t first = log_->oldest().number;
  bool cleaned = false;
  const Error error = backup(
      *disk_, dir_.path(), copy_,
      [&](std::uint64_t) {
        if (cleaned) return Error{};
        cleaned = true;
        for (int i = 0; i < 2; ++i) {
          EXPECT_EQ(clean(kNever), Code::ok);
          for (int k = 0; k < 200; ++k) put_key(version_ % 50);
          EXPECT_EQ(log_->sync(kNever), Code::ok);
        }
        return Error{};
      },
      report_);
  ASSERT_EQ(error.code, Code::ok) << error.message;
  EXPECT_GT(log_->oldest().number, first + 1);
  EXPECT_FALSE(std::filesystem::exists(copy_ + "/wal-" + std::to_string(first)));
  expect_all(copy_, wanted);
  expect_goes_on(copy_, 1);
}

// There is no writer when it looks; one comes while it reads, and frees what it is to read.
TEST_F(Cleaned, AReaderOnWhomAWriterComesBeginsAnew) {
  for (const bool stays : {true, false}) {
    begin();
    const auto wanted = values_;
    ASSERT_EQ(log_->close(kSecond), Code::ok);
    sim::HookedDisk disk(*disk_);
    int came = 0;
    disk.hook = [&](const sim::Call& call) -> sim::Answer {
      if (came > 0 || call.op != sim::Op::read || number_in(call.name, "wal-") == 0) return {};
      ++came;
      log_ = open(dir_.path());
      for (int i = 0; i < 3; ++i) {
        for (int k = 0; k < 60; ++k) put_key(version_ % 50);
        EXPECT_EQ(log_->sync(kNever), Code::ok);
        EXPECT_EQ(clean(kNever), Code::ok);
      }
      if (!stays) {
        EXPECT_EQ(log_->close(kSecond), Code::ok);
      }
      return {};
    };
    Options options = tiny_options();
    options.mode = Mode::read_only;
    KeepingSink seen;
    std::unique_ptr<Log> reader;
    const Error error = Log::open(disk, dir_.path(), options, seen, reader);
    ASSERT_EQ(error.code, Code::ok) << error.message;
    EXPECT_EQ(came, 1);
    std::map<std::uint64_t, std::string> got;
    for (const Seen& one : seen.seen) got[one.incarnation] = one.content;
    for (const auto& [key, value] : wanted) {
      EXPECT_GE(std::atoi(got[key].c_str()), std::atoi(value.c_str())) << "key " << key;
    }
    log_->close(kSecond);
  }
}

TEST_F(Cleaned, WhoIsOutrunSaysSoAndLeavesNoStore) {
  begin();
  // The segment that is being copied is gone when it is over, and the one after it too.
  const Error error = backup(
      *disk_, dir_.path(), copy_,
      [&](std::uint64_t) {
        for (const std::uint64_t last = log_->oldest().number + 2; log_->oldest().number < last;) {
          for (int i = 0; i < 150; ++i) put_key(version_ % 50);
          EXPECT_EQ(log_->sync(kNever), Code::ok);
          EXPECT_EQ(clean(kNever), Code::ok);
        }
        return Error{};
      },
      report_);
  EXPECT_EQ(error.code, Code::would_block) << error.message;
  EXPECT_NE(error.message.find("freed faster"), std::string::npos) << error.message;
  EXPECT_FALSE(std::filesystem::exists(copy_ + "/CURRENT"));
}

TEST_F(Backup, CutShortItDoesNotOpen) {
  auto log = open(dir_.path());
  fill(*log, 0, 400);
  for (const bool inside : {true, false}) {
    const std::string to = copy_ + (inside ? "1" : "2");
    const BackupWatch watch = [](std::uint64_t bytes) {
      return bytes > 100'000 ? Error{Code::timeout, "enough", 0, 0, 0} : Error{};
    };
    const Error error = inside ? log->backup(*disk_, to, watch, report_)
                               : backup(*disk_, dir_.path(), to, watch, report_);
    EXPECT_EQ(error.message, "enough");
    Options options = tiny_options();
    EXPECT_EQ(open(to, options), nullptr);
    EXPECT_EQ(error_.code, Code::corrupt) << error_.message;
    options.mode = Mode::read_only;
    EXPECT_EQ(open(to, options), nullptr);
    EXPECT_EQ(error_.code, Code::not_a_store) << error_.message;
    // Nor is it taken for an empty directory.
    EXPECT_EQ(backup(*disk_, dir_.path(), to, {}, report_).code, Code::not_a_store);
  }
}

TEST_F(Backup, IsRefusedWithOneLineForEachReason) {
  auto log = open(dir_.path());
  fill(*log, 0, 300);
  const std::string file = dir_.parent() + "/file";
  std::ofstream(file) << "x";
  const auto says = [&](const std::string& from, const std::string& to, Code code,
                        const char* words) {
    for (const bool inside : {true, false}) {
      if (inside && from != dir_.path()) continue;
      const Error error =
          inside ? log->backup(*disk_, to, {}, report_) : backup(*disk_, from, to, {}, report_);
      EXPECT_EQ(error.code, code) << error.message;
      EXPECT_NE(error.message.find(words), std::string::npos) << error.message;
    }
  };
  says(dir_.path(), dir_.parent(), Code::not_a_store, "expected a new or empty directory");
  says(dir_.path(), dir_.path(), Code::not_a_store, "expected a new or empty directory");
  says(dir_.path(), file, Code::not_a_store, "a file; expected a new or empty directory");
  says(dir_.path(), dir_.parent() + "/a/b", Code::not_a_store, "parent directory");
  says(dir_.parent() + "/none", copy_, Code::not_a_store, "no such directory");
  says(file, copy_, Code::not_a_store, "a file");
  says(dir_.parent(), copy_, Code::not_a_store, "CURRENT");
  EXPECT_FALSE(std::filesystem::exists(copy_));
  ASSERT_EQ(log->close(kSecond), Code::ok);
  log.reset();
  flip(dir_.path() + "/wal-1", kPage + 300);
  EXPECT_EQ(backup(*disk_, dir_.path(), copy_, {}, report_).code, Code::corrupt);
  EXPECT_FALSE(std::filesystem::exists(copy_ + "/CURRENT"));
}

TEST_F(Backup, FindsDamageUnderARunningWriter) {
  auto log = open(dir_.path());
  fill(*log, 0, 300);
  flip(dir_.path() + "/wal-1", kPage + 300);
  const Error error = log->backup(*disk_, copy_, {}, report_);
  EXPECT_EQ(error.code, Code::corrupt) << error.message;
  EXPECT_FALSE(std::filesystem::exists(copy_ + "/CURRENT"));
}

TEST_F(Backup, ALogThatClosesEndsIt) {
  auto log = open(dir_.path());
  fill(*log, 0, 400);
  std::thread closer;
  const Error error = log->backup(
      *disk_, copy_,
      [&](std::uint64_t) {
        if (!closer.joinable()) {
          closer = std::thread([&] { log->close(kSecond); });
          while (true) {
            Credit credit;
            if (log->reserve(1, 1, ReserveFlags::nowait, credit) == Code::store_closed) break;
            log->release(credit);
            std::this_thread::yield();
          }
        }
        return Error{};
      },
      report_);
  closer.join();
  EXPECT_EQ(error.code, Code::store_closed) << error.message;
  EXPECT_FALSE(std::filesystem::exists(copy_ + "/CURRENT"));
}

}  // namespace
}  // namespace warden::log::test
