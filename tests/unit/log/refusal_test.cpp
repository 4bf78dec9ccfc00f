// SPDX-License-Identifier: Apache-2.0
//
// Every way in which opening refuses: its code, what its line names, and that
// nothing in the directory was changed.
#include <sys/stat.h>
#include <sys/wait.h>

#include "log/format.hpp"
#include "log_fixture.hpp"

namespace warden::log::test {
namespace {

class Refusal : public testing::Test {
 protected:
  Error try_open(const std::string& path, Mode mode = Mode::write) {
    std::unique_ptr<Log> log;
    Options options = small_options();
    options.mode = mode;
    KeepingSink sink;
    Error error = Log::open(*disk_, path, options, sink, log);
    EXPECT_EQ(log == nullptr, static_cast<bool>(error));
    records_ = sink.seen.size();
    return error;
  }

  void make_store(int records) {
    std::unique_ptr<Log> log;
    KeepingSink sink;
    const Error error = Log::open(*disk_, dir_.path(), small_options(), sink, log);
    ASSERT_EQ(error.code, Code::ok) << error.message;
    for (int i = 0; i < records; ++i) {
      put(*log, "record " + std::to_string(i));
      ASSERT_EQ(log->sync(kNever), Code::ok);
    }
    ASSERT_EQ(log->close(kSecond), Code::ok);
  }

  std::string file(const char* name) const { return dir_.path() + "/" + name; }

  // The only file whose name begins so.
  std::string find(const std::string& prefix) const {
    for (const auto& [name, content] : image_of(dir_.path())) {
      if (name.starts_with(prefix)) return dir_.path() + "/" + name;
    }
    ADD_FAILURE() << "no " << prefix;
    return {};
  }

  void refused_unchanged(Code code, const std::string& says) {
    const auto before = image_of(dir_.path());
    for (const Mode mode : {Mode::write, Mode::read_only}) {
      const Error error = try_open(dir_.path(), mode);
      EXPECT_EQ(error.code, code) << error.message;
      EXPECT_NE(error.message.find(says), std::string::npos) << error.message;
      EXPECT_EQ(error.message.find('\n'), std::string::npos);
    }
    EXPECT_EQ(image_of(dir_.path()), before);
  }

  TempDir dir_;
  std::unique_ptr<io::Disk> disk_ = io::make_real_disk(io::Backend::automatic);
  std::size_t records_ = 0;
};

TEST_F(Refusal, AFile) {
  std::ofstream(dir_.path()) << "hello";
  for (const Mode mode : {Mode::write, Mode::read_only}) {
    const Error error = try_open(dir_.path(), mode);
    EXPECT_EQ(error.code, Code::not_a_store);
    EXPECT_EQ(error.message, dir_.path() + ": a file; expected a directory");
  }
  EXPECT_EQ(read_file(dir_.path()), "hello");
}

TEST_F(Refusal, AMissingParent) {
  const Error error = try_open(dir_.parent() + "/no/store");
  EXPECT_EQ(error.code, Code::not_a_store);
  EXPECT_NE(error.message.find("parent directory does not exist"), std::string::npos);
}

TEST_F(Refusal, ReadingWhatIsNotThere) {
  const Error error = try_open(dir_.path(), Mode::read_only);
  EXPECT_EQ(error.code, Code::not_a_store);
  EXPECT_FALSE(std::filesystem::exists(dir_.path()));
}

TEST_F(Refusal, SomebodyElsesDirectory) {
  std::filesystem::create_directory(dir_.path());
  std::ofstream(file("thesis.txt")) << "chapter 1";
  const Error error = try_open(dir_.path());
  EXPECT_EQ(error.code, Code::not_a_store);
  EXPECT_NE(error.message.find("holds thesis.txt"), std::string::npos) << error.message;
}

TEST_F(Refusal, HeldByAProcess) {
  std::unique_ptr<Log> log;
  KeepingSink sink;
  ASSERT_EQ(Log::open(*disk_, dir_.path(), small_options(), sink, log).code, Code::ok);
  Error error = try_open(dir_.path());
  EXPECT_EQ(error.code, Code::held);
  EXPECT_NE(error.message.find("process " + std::to_string(::getpid())), std::string::npos);
  log->close(kSecond);
  error = try_open(dir_.path());
  EXPECT_EQ(error.code, Code::ok) << error.message;
}

TEST_F(Refusal, NoPermission) {
  make_store(1);
  const pid_t child = ::fork();
  if (child == 0) {
    // Root passes every check, so become somebody else.
    if (::chmod(dir_.path().c_str(), 0700) != 0) _exit(2);
    if (::getuid() == 0 && ::setresuid(65534, 65534, 65534) != 0) _exit(3);
    if (::getuid() != 65534 && ::chmod(dir_.path().c_str(), 0) != 0) _exit(4);
    const Error error = try_open(dir_.path());
    _exit(error.code == Code::permission &&
                  error.message.find("Permission denied") != std::string::npos
              ? 0
              : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  ::chmod(dir_.path().c_str(), 0755);
}

TEST_F(Refusal, NewerManifest) {
  make_store(1);
  const std::string path = find("MANIFEST-");
  std::string image = read_file(path);
  ManifestHeader header = load<ManifestHeader>(image.data());
  header.version = kFormatVersion + 1;
  std::memcpy(image.data(), &header, sizeof header);
  header.digest = image_digest(image.data(), image.size(), kManifestMagic);
  std::memcpy(image.data(), &header, sizeof header);
  overwrite(path, 0, image);
  refused_unchanged(Code::newer_format, "format version 2");
}

TEST_F(Refusal, NewerSegmentFeature) {
  make_store(1);
  const std::string path = find("wal-");
  SegmentHeader header = load<SegmentHeader>(read_file(path).data());
  header.incompat = 4;
  header.digest = image_digest(&header, sizeof header, kSegmentMagic);
  overwrite(path, 0, {reinterpret_cast<const char*>(&header), sizeof header});
  refused_unchanged(Code::newer_format, "with features 4");
}

TEST_F(Refusal, AFlippedByteInTheMiddle) {
  make_store(20);
  const std::string path = find("wal-");
  flip(path, 5 * 4096 + 140);
  refused_unchanged(Code::corrupt, "damaged at byte 20480");
}

TEST_F(Refusal, AMissingSegment) {
  make_store(3);
  std::filesystem::remove(find("wal-"));
  refused_unchanged(Code::corrupt, "the file is missing");
}

TEST_F(Refusal, AShortenedSegment) {
  make_store(3);
  std::filesystem::resize_file(find("wal-"), 8192);
  refused_unchanged(Code::corrupt, "the file ends here");
}

TEST_F(Refusal, AMissingCurrent) {
  make_store(3);
  std::filesystem::remove(file("CURRENT"));
  const auto before = image_of(dir_.path());
  const Error error = try_open(dir_.path());
  EXPECT_EQ(error.code, Code::corrupt);
  EXPECT_NE(error.message.find("CURRENT: damaged at byte 0: it is missing"), std::string::npos)
      << error.message;
  EXPECT_EQ(image_of(dir_.path()), before);
}

TEST_F(Refusal, AManifestOfBefore) {
  make_store(3);
  const auto old = image_of(dir_.path());
  make_store(3);
  // As if the last renames had been lost: the older pair, with the newer segments.
  std::filesystem::remove(find("MANIFEST-"));
  for (const auto& [name, content] : old) {
    if (name != "CURRENT" && !name.starts_with("MANIFEST-")) continue;
    std::ofstream(file(name.c_str()), std::ios::binary) << content;
  }
  refused_unchanged(Code::corrupt, "");
}

std::vector<std::string> names_in(const std::string& path) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(path)) {
    names.push_back(entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  return names;
}

// Copies the directory of an open log as it was at one instant: again, if the next
// segment or a manifest was being made meanwhile.
void copy_at_rest(const std::string& from, const std::string& to) {
  for (;;) {
    const std::vector<std::string> before = names_in(from);
    std::filesystem::remove_all(to);
    std::error_code error;
    std::filesystem::copy(from, to, error);
    if (!error && names_in(from) == before) return;
  }
}

// A crash, as far as files can show it: the directory as it was while open.
TEST_F(Refusal, ATornTailIsCutAndReported) {
  const std::string crashed = dir_.parent() + "/crashed";
  std::unique_ptr<Log> log;
  {
    KeepingSink sink;
    Options options = small_options();
    options.beacon_after = kHour;
    ASSERT_EQ(Log::open(*disk_, dir_.path(), options, sink, log).code, Code::ok);
    for (int i = 0; i < 5; ++i) {
      put(*log, "record " + std::to_string(i));
      ASSERT_EQ(log->sync(kNever), Code::ok);
    }
    copy_at_rest(dir_.path(), crashed);
  }
  std::string segment;
  for (const auto& [name, content] : image_of(crashed)) {
    if (name == "wal-1") segment = crashed + "/" + name;
  }
  ASSERT_FALSE(segment.empty());
  // The last block: nothing proves that it was ever flushed.
  flip(segment, 5 * 4096 + 200);
  Error error = try_open(crashed, Mode::read_only);
  EXPECT_EQ(error.code, Code::ok) << error.message;
  EXPECT_EQ(records_, 4u);
  {
    KeepingSink sink;
    std::unique_ptr<Log> again;
    ASSERT_EQ(Log::open(*disk_, crashed, small_options(), sink, again).code, Code::ok);
    EXPECT_EQ(sink.seen.size(), 4u);
    EXPECT_TRUE(again->recovery().torn);
    EXPECT_EQ(again->recovery().torn_file, "wal-1");
    EXPECT_EQ(again->recovery().torn_offset, 5u * 4096);
    EXPECT_EQ(again->recovery().torn_bytes, 4096u);
    put(*again, "after");
    EXPECT_EQ(again->sync(kNever), Code::ok);
    // The torn one's position was never acknowledged; waiting for it says so.
    const Lsn cut = make_lsn(1, 5 * record_bytes(8));
    EXPECT_EQ(again->wait_durable(cut, 0), Code::lost);
    EXPECT_EQ(again->wait_durable(make_lsn(1, 4 * record_bytes(8)), 0), Code::ok);
  }
  // One before it: the block after it says that it had been flushed.
  std::filesystem::remove_all(crashed);
  std::filesystem::copy(dir_.path(), crashed);
  flip(segment, 4 * 4096 + 200);
  const auto before = image_of(crashed);
  error = try_open(crashed);
  EXPECT_EQ(error.code, Code::corrupt);
  EXPECT_EQ(error.offset, 4u * 4096);
  EXPECT_NE(error.message.find("the block at byte 20480 proves"), std::string::npos)
      << error.message;
  EXPECT_EQ(image_of(crashed), before);
}

}  // namespace
}  // namespace warden::log::test
