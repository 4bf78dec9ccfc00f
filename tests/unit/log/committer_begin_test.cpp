// SPDX-License-Identifier: Apache-2.0
//
// How a committer begins and ends: each step of the directory and of the first
// segment's zeros answers an error once. It refuses with a line that says which, or
// goes on; the next beginning finds everything that was durable.
#include "../../fault/allocations.hpp"
#include "committer_fixture.hpp"

namespace warden::log::test {
namespace {

class CommitterBegin : public CommitterTest {
 protected:
  // Two records in a segment, and nothing sealed: the process was killed.
  void leave_a_segment() {
    ASSERT_EQ(begin().code, Code::ok);
    put(10, 'a');
    put(5000, 'b');
    settle();
    kill();
  }
  void kill() {
    committer_.reset();
    world_.restart_after_kill();
  }
  bool exists(const std::string& name) { return world_.now().contains(name); }
  std::size_t files(const std::string& prefix) {
    std::size_t count = 0;
    for (const auto& [name, node] : world_.now()) count += name.starts_with(prefix) ? 1 : 0;
    return count;
  }
  std::vector<std::string> recovered_now() {
    kill();
    return recovered_after_power_loss();
  }
};

// ------------------------------------------------------------- the first segment
TEST_F(CommitterBegin, TheFirstSegmentIsZerosThatAreSafe) {
  ASSERT_EQ(begin().code, Code::ok);
  const sim::Node& node = *world_.now()["wal-1"];
  EXPECT_EQ(node.durable, std::string(128 * 1024, '\0'));
  EXPECT_EQ(committer_->manifest().segments.size(), 1u);
  EXPECT_EQ(committer_->room(), 128u * 1024 - 2 * kPage) << "the header's, the beacon's";
  EXPECT_TRUE(committer_->spare_ready());
}

TEST_F(CommitterBegin, ZerosThatAreInterruptedOrShortAreWrittenAgain) {
  // Of a short answer only whole pages count: 512 bytes more must be written once more.
  script_.answer("write wal-1", {-EINTR, -EAGAIN, kPage + 512, -EINTR});
  ASSERT_EQ(begin().code, Code::ok);
  EXPECT_EQ(script_.count("write wal-1"), 6u) << "three that failed, one page, 60 KiB and 64 KiB";
  EXPECT_EQ(world_.now()["wal-1"]->durable, std::string(128 * 1024, '\0'));
}

TEST_F(CommitterBegin, WhatEndsTheFirstSegment) {
  struct Case {
    const char* what;
    std::size_t times;
    std::int64_t answer;
    Code code;
    const char* says;
  };
  constexpr Case kCases[] = {
      {"open wal-1", 1, -EACCES, Code::permission, "cannot create it: Permission denied"},
      {"open wal-1", 1, -ENOSPC, Code::no_space, "cannot create it: No space"},
      {"write wal-1", 1, -EIO, Code::io, "cannot fill it with zeros: Input/output error"},
      {"write wal-1", 1, -ENOSPC, Code::no_space, "cannot fill it with zeros: No space"},
      {"write wal-1", 1, 0, Code::io, "cannot fill it with zeros: Input/output error"},
      {"write wal-1", 1, 512, Code::no_space, "cannot fill it with zeros: No space"},
      {"write wal-1", 101, -EINTR, Code::io, "cannot fill it with zeros: Interrupted"},
      {"write wal-1", 101, -EAGAIN, Code::io, "cannot fill it with zeros: Resource"},
      {"flush wal-1", 1, -EIO, Code::io, "cannot fill it with zeros: Input/output error"},
      {"sync", 1, -EIO, Code::io, "cannot fill it with zeros: Input/output error"},
  };
  for (const Case& each : kCases) {
    SCOPED_TRACE(std::string(each.what) + " " + std::to_string(each.answer));
    world_ = sim::SimWorld(1);
    script_ = Script();
    script_.answer(each.what, each.times, each.answer);
    const Error error = begin();
    EXPECT_EQ(error.code, each.code);
    EXPECT_TRUE(error.message.starts_with(std::string("store/wal-1: ") + each.says))
        << error.message;
    EXPECT_EQ(script_.left(), 0u);
    EXPECT_FALSE(exists("wal-1")) << "half of a segment is left behind";
    EXPECT_FALSE(exists("CURRENT"));
    // The disk is well again: a store that never was begins as a new one.
    ASSERT_EQ(begin().code, Code::ok);
    EXPECT_EQ(committer_->epoch(), 1u);
    put(10, 'n');
    settle();
    EXPECT_EQ(recovered_now(), std::vector<std::string>{std::string(10, 'n')});
  }
}

// --------------------------------------------------------------- what was there before
TEST_F(CommitterBegin, NothingIsSealedThatCannotBeFlushed) {
  for (const char* what : {"open wal-1", "flush wal-1"}) {
    SCOPED_TRACE(what);
    world_ = sim::SimWorld(1);
    script_ = Script();
    leave_a_segment();
    Recovered recovered;
    KeepingSink sink;
    ASSERT_EQ(recover(*dir_, "store", false, sink, recovered).code, Code::ok);
    ASSERT_EQ(recovered.unsynced, std::vector<std::uint64_t>{1});
    const std::uint64_t before = world_.state_hash();
    script_.answer(what, {-EIO});
    const Error error = begin_from(recovered);
    EXPECT_EQ(error.code, Code::io);
    EXPECT_EQ(error.message, "store/wal-1: cannot flush it: Input/output error");
    EXPECT_EQ(world_.state_hash(), before) << "refused, and a file was changed";
    ASSERT_EQ(begin().code, Code::ok);
    EXPECT_EQ(committer_->epoch(), 2u);
    EXPECT_EQ(recovered_now().size(), 2u);
  }
}

TEST_F(CommitterBegin, ASpareThatCannotBeOpenedIsSaid) {
  ASSERT_EQ(begin().code, Code::ok);
  ASSERT_EQ(committer_->seal().code, Code::ok);
  kill();
  Recovered recovered;
  KeepingSink sink;
  ASSERT_EQ(recover(*dir_, "store", false, sink, recovered).code, Code::ok);
  ASSERT_EQ(recovered.spare.size(), 1u);
  script_.answer("open wal-1", {-EMFILE});
  const Error error = begin_from(recovered);
  EXPECT_EQ(error.code, Code::no_memory);
  EXPECT_EQ(error.message, "store/wal-1: cannot open it: Too many open files");
  ASSERT_EQ(begin().code, Code::ok);
  EXPECT_EQ(committer_->epoch(), 2u);
  EXPECT_EQ(script_.count("write wal-1"), 2u) << "it was zeroed once, and is used as it is";
}

TEST_F(CommitterBegin, AManifestThatCannotBeWrittenIsSaid) {
  leave_a_segment();
  const std::uint64_t number = [&] {
    Manifest manifest;
    EXPECT_EQ(read_manifest(*dir_, "store", manifest).code, Code::ok);
    return manifest.number;
  }();
  script_.answer("open " + manifest_name(number + 1), {-EDQUOT});
  const Error error = begin();
  EXPECT_EQ(error.code, Code::no_space);
  EXPECT_EQ(error.message, "store: cannot write a manifest: Disk quota exceeded");
  EXPECT_TRUE(exists(manifest_name(number)));
  ASSERT_EQ(begin().code, Code::ok);
  EXPECT_EQ(committer_->epoch(), 2u) << "the one that failed counts for nothing";
  EXPECT_EQ(recovered_now().size(), 2u);
}

TEST_F(CommitterBegin, LeftoversStayIfTheyCannotBeListed) {
  leave_a_segment();
  // What crashes leave: a segment and manifests that no manifest in force names.
  for (const char* name : {"wal-9", "MANIFEST-98", "MANIFEST-99", "CURRENT.tmp", "MANIFEST-x"}) {
    std::unique_ptr<io::File> file;
    ASSERT_EQ(dir_->open(name, io::Open::small, file), 0);
  }
  Recovered recovered;
  KeepingSink sink;
  ASSERT_EQ(recover(*dir_, "store", false, sink, recovered).code, Code::ok);
  script_.answer("list", {-EIO, -EIO});
  ASSERT_EQ(begin_from(recovered).code, Code::ok) << "they do no harm";
  EXPECT_EQ(script_.left(), 0u);
  EXPECT_TRUE(exists("wal-9"));
  EXPECT_TRUE(exists("MANIFEST-99"));
  kill();
  ASSERT_EQ(begin().code, Code::ok);
  for (const char* name : {"wal-9", "MANIFEST-98", "MANIFEST-99", "CURRENT.tmp"}) {
    EXPECT_FALSE(exists(name)) << name;
  }
  EXPECT_TRUE(exists("MANIFEST-x")) << "not a name of ours";
  EXPECT_EQ(files("MANIFEST-"), 2u);
  EXPECT_EQ(recovered_now().size(), 2u);
}

// ------------------------------------------------------------------- the end
TEST_F(CommitterBegin, SealingSaysWhereTheLogEnds) {
  ASSERT_EQ(begin().code, Code::ok);
  const Lsn last = put(10);
  settle();
  ASSERT_EQ(committer_->seal().code, Code::ok);
  kill();
  KeepingSink sink;
  Recovered recovered;
  ASSERT_EQ(recover(*dir_, "store", false, sink, recovered).code, Code::ok);
  EXPECT_TRUE(recovered.manifest.clean);
  ASSERT_EQ(recovered.used.size(), 1u);
  EXPECT_EQ(recovered.used[0].end, raw(last));
  EXPECT_TRUE(recovered.unsynced.empty()) << "sealed: nothing to flush";
}

TEST_F(CommitterBegin, SealingRemovesASegmentInTheMaking) {
  ASSERT_EQ(begin().code, Code::ok);
  put(10);
  settle();
  while (held().empty()) ASSERT_TRUE(committer_->turn(false));
  ASSERT_EQ(held(), Held{"write wal-2 0+65536"});
  queue_->finish(0);
  committer_->turn(true);
  EXPECT_TRUE(exists("wal-2"));
  ASSERT_EQ(committer_->seal().code, Code::ok);
  EXPECT_FALSE(exists("wal-2"));
  EXPECT_EQ(recovered_now().size(), 1u);
}

// Whole, but not listed yet; or a manifest that lists it may be the one in force, since it
// failed only once CURRENT named it.
TEST_F(CommitterBegin, SealingRemovesASegmentThatItDoesNotList) {
  for (const bool named : {false, true}) {
    SCOPED_TRACE(named);
    world_ = sim::SimWorld(1);
    script_ = Script();
    ASSERT_EQ(begin().code, Code::ok);
    put(10);
    settle();
    while (held() != Held{"flush wal-2"}) {
      while (!held().empty() && held() != Held{"flush wal-2"}) queue_->finish(0);
      committer_->turn(false);
    }
    queue_->finish(0);
    committer_->turn(!named);
    if (named) {
      // The names' flush, the manifest's, CURRENT's.
      script_.answer("sync", {kDo, kDo, -ENOSPC});
      while (!committer_->starved()) ASSERT_TRUE(committer_->turn(false));
    }
    EXPECT_TRUE(exists("wal-2"));
    ASSERT_EQ(committer_->seal().code, Code::ok);
    EXPECT_FALSE(exists("wal-2"));
    EXPECT_EQ(recovered_now().size(), 1u);
  }
}

TEST_F(CommitterBegin, SealingThatCannotWriteSaysSo) {
  ASSERT_EQ(begin().code, Code::ok);
  put(10);
  settle();
  const std::string next = manifest_name(committer_->manifest().number + 1);
  script_.answer("flush " + next, {-EIO});
  const Error error = committer_->seal();
  EXPECT_EQ(error.code, Code::io);
  EXPECT_EQ(error.message, "store: cannot write a manifest: Input/output error");
  EXPECT_EQ(recovered_now().size(), 1u) << "as after a crash";
}

// ------------------------------------------------------------- memory that runs out
TEST_F(CommitterBegin, EachAllocationOfBeginningFails) {
  leave_a_segment();
  std::uint64_t refused = 0;
  for (std::uint64_t n = 0;; ++n) {
    SCOPED_TRACE(n);
    Recovered recovered;
    KeepingSink sink;
    ASSERT_EQ(recover(*dir_, "store", false, sink, recovered).code, Code::ok);
    ASSERT_EQ(sink.seen.size(), 2u) << "something is gone";
    committer_.reset();
    buffer_ = std::make_unique<Buffer>();
    ASSERT_TRUE(buffer_->init(256 * 1024));
    queue_ = std::make_unique<ScriptedQueue>();
    committer_ = std::make_unique<Committer>(*dir_, "store", *queue_, clock_, *buffer_, options_,
                                             Listener{});
    Error error;
    fault::arm(n, false);
    try {
      error = committer_->begin(recovered, Uuid{1, 2});
    } catch (const std::bad_alloc&) {  // Log::open() catches it
      error.code = Code::no_memory;
    }
    fault::disarm();
    const bool failed = fault::failed_allocations() != 0;
    committer_.reset();
    world_.restart_after_kill();
    if (!failed) {
      EXPECT_EQ(error.code, Code::ok) << error.message;
      break;
    }
    EXPECT_TRUE(error.code == Code::no_memory || error.code == Code::ok) << error.message;
    refused += error.code == Code::no_memory ? 1 : 0;
  }
  EXPECT_GT(refused, 5u);
}

TEST_F(CommitterBegin, NoMemoryForBuffersIsSaid) {
  Buffer buffer;
  fault::arm(0, false);
  const bool made = buffer.init(64 * 1024);
  fault::disarm();
  EXPECT_FALSE(made);
  EXPECT_EQ(buffer.capacity(), 0u);
  EXPECT_TRUE(buffer.init(64 * 1024)) << "the next try has memory";

  ASSERT_TRUE(buffer_ == nullptr);
  buffer_ = std::make_unique<Buffer>();
  ASSERT_TRUE(buffer_->init(64 * 1024));
  queue_ = std::make_unique<ScriptedQueue>();
  Committer committer(*dir_, "store", *queue_, clock_, *buffer_, options_, {});
  fault::arm(0, false);
  const Error error = committer.begin(Recovered(), Uuid{1, 2});
  fault::disarm();
  EXPECT_EQ(error.code, Code::no_memory);
  EXPECT_EQ(error.message, "no memory for the log's block buffers");
  EXPECT_TRUE(world_.now().empty());
}

// The same through Log::open(), which answers by a code and a line in any case.
TEST_F(CommitterBegin, EachAllocationOfOpeningFails) {
  Options options = small_options();
  options.manual = true;
  options.clock = &clock_;
  bool buffers = false;
  for (std::uint64_t n = 0;; ++n) {
    SCOPED_TRACE(n);
    KeepingSink sink;
    std::unique_ptr<Log> log;
    fault::arm(n, false);
    const Error error = Log::open(*disk_, "store", options, sink, log);
    fault::disarm();
    const bool failed = fault::failed_allocations() != 0;
    EXPECT_EQ(error.code == Code::ok, log != nullptr);
    log.reset();
    world_.restart_after_kill();
    if (!failed) {
      EXPECT_EQ(error.code, Code::ok) << error.message;
      break;
    }
    EXPECT_TRUE(error.code == Code::no_memory || error.code == Code::ok) << error.message;
    buffers |= error.message == "no memory for the log's buffer";
  }
  EXPECT_TRUE(buffers) << "the mapping of the buffer was never refused";
}

// The code alone is told, and nothing is acknowledged.
TEST_F(CommitterBegin, AFailureIsOneAlsoWithoutMemoryForItsText) {
  ASSERT_EQ(begin().code, Code::ok);
  put(10);
  settle();
  put(20);
  script_.answer("flush wal-1", {-EIO});
  fault::arm(0, true);
  const bool committed = committer_->commit_inline();
  fault::disarm();
  EXPECT_GT(fault::failed_allocations(), 0u);
  EXPECT_FALSE(committed);
  EXPECT_TRUE(committer_->failed());
  ASSERT_EQ(failures_.size(), 1u);
  EXPECT_EQ(failures_[0].code, Code::io);
  EXPECT_EQ(failures_[0].message, "");
  EXPECT_EQ(durable_.size(), 1u);
}

TEST_F(CommitterBegin, SealingWithoutMemoryIsAsIfItHadCrashed) {
  for (std::uint64_t n = 0;; ++n) {
    SCOPED_TRACE(n);
    world_ = sim::SimWorld(1);
    script_ = Script();
    leave_a_segment();
    ASSERT_EQ(begin().code, Code::ok);
    put(20, 'c');
    settle();
    fault::arm(n, false);
    const Error error = committer_->seal();
    fault::disarm();
    const bool failed = fault::failed_allocations() != 0;
    EXPECT_EQ(error.code, failed ? Code::no_memory : Code::ok);
    EXPECT_EQ(recovered_now().size(), 3u);
    if (!failed) {
      EXPECT_GT(n, 1u);
      return;
    }
  }
}

}  // namespace
}  // namespace warden::log::test
