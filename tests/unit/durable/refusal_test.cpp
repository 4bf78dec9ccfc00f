// SPDX-License-Identifier: Apache-2.0
//
// Everything that warden_open refuses: its code, one line that names path and cause
// (file and byte where something is damaged), and that nothing in the directory was
// changed. A torn tail is not refused: it was never acknowledged, and is dropped.
//
//   store -> damage -> image -> warden_open, writing and read-only -> the same image
#define XXH_INLINE_ALL
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <xxhash.h>

#include <algorithm>

#include "on_disk.hpp"

namespace warden::test {
namespace {

constexpr std::size_t kPage = 4096;

class Refusal : public OnDisk {
 protected:
  void make(int items) {
    Store& s = open();
    s.define(kTimer);
    for (int i = 0; i < items; ++i) s.track(numbered("k", i), numbered("payload ", i));
    close();
  }
  std::string file(const std::string& name) const { return path_ + "/" + name; }
  // The only file whose name begins so; of segments the first, which holds the items.
  std::string find(const std::string& prefix) const {
    for (const auto& [name, content] : image_of(path_)) {
      if (name.compare(0, prefix.size(), prefix) == 0) return name;
    }
    ADD_FAILURE() << "no " << prefix;
    return {};
  }
  void overwrite(const std::string& name, std::size_t offset, const std::string& bytes) {
    std::string content = read_file(file(name));
    ASSERT_LE(offset + bytes.size(), content.size());
    write_file(file(name), content.replace(offset, bytes.size(), bytes));
  }
  void flip(const std::string& name, std::size_t offset) {
    overwrite(name, offset,
              std::string(1, static_cast<char>(read_file(file(name)).at(offset) ^ 0x10)));
  }
  // Puts `value` at `offset` of a header whose first 16 bytes are a digest of the rest,
  // seeded with its magic number, which stands right behind (docs/log-format.md).
  void patch_sealed(const std::string& name, std::size_t size, std::size_t offset,
                    std::uint32_t value) {
    std::string content = read_file(file(name));
    std::memcpy(content.data() + offset, &value, sizeof value);
    std::uint64_t magic = 0;
    std::memcpy(&magic, content.data() + 16, sizeof magic);
    const std::size_t whole = size == 0 ? content.size() : size;
    const XXH128_hash_t sum = XXH3_128bits_withSeed(content.data() + 16, whole - 16, magic);
    std::memcpy(content.data(), &sum.low64, 8);
    std::memcpy(content.data() + 8, &sum.high64, 8);
    write_file(file(name), content);
  }
  Opened attempt(const char* mode) { return try_open(path_, settings(mode)); }
  static std::vector<Setting> settings(const char* mode) {
    return {{"mode", mode}, {"backend", GetParam()}};
  }
  static void expect_line(const Opened& got, std::int32_t code, const std::string& path,
                          const std::string& cause) {
    EXPECT_EQ(got.code, code) << got.message();
    EXPECT_EQ(got.message().rfind(path, 0), 0u) << got.message() << " does not begin with " << path;
    EXPECT_NE(got.message().find(cause), std::string::npos) << got.message();
    EXPECT_EQ(got.message().find('\n'), std::string::npos) << "one line";
  }
  // Both ways of opening, twice, and the directory as it was.
  void refused(std::int32_t code, const std::string& at, const std::string& cause,
               std::uint64_t offset = 0) {
    const Image before = image_of(path_);
    for (const char* mode : {"write", "read-only", "write"}) {
      const Opened got = attempt(mode);
      expect_line(got, code, at, cause);
      EXPECT_EQ(got.error.offset, offset) << got.message();
      EXPECT_TRUE(image_of(path_) == before) << mode << " changed the directory";
    }
  }
};

TEST_P(Refusal, AFileInsteadOfADirectory) {
  write_file(path_, "hello");
  for (const char* mode : {"write", "read-only"}) {
    expect_line(attempt(mode), WARDEN_E_NOT_A_STORE, path_, "a file; expected a directory");
  }
  EXPECT_EQ(read_file(path_), "hello");
}

TEST_P(Refusal, ADirectoryOfSomebodyElse) {
  std::filesystem::create_directory(path_);
  write_file(file("thesis.txt"), "chapter 1");
  const Image before = image_of(path_);
  expect_line(attempt("write"), WARDEN_E_NOT_A_STORE, path_, "holds thesis.txt");
  expect_line(attempt("read-only"), WARDEN_E_NOT_A_STORE, path_, "no file CURRENT");
  EXPECT_EQ(image_of(path_), before) << "not even a LOCK is left there";
}

TEST_P(Refusal, APlaceThatIsNotThere) {
  expect_line(attempt("read-only"), WARDEN_E_NOT_A_STORE, path_, "no such directory");
  EXPECT_FALSE(std::filesystem::exists(path_));
  path_ += "/below";
  expect_line(attempt("write"), WARDEN_E_NOT_A_STORE, path_, "parent directory does not exist");
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_P(Refusal, AnEmptyDirectoryIsANewStore) {
  std::filesystem::create_directory(path_);
  EXPECT_EQ(attempt("write").code, WARDEN_OK);
  EXPECT_EQ(attempt("read-only").code, WARDEN_OK);
}

TEST_P(Refusal, HeldByAnotherOpening) {
  make(1);
  Store& s = open();
  s.track("before");
  const Opened got = attempt("write");
  expect_line(got, WARDEN_E_HELD, path_,
              "held open for writing by process " + std::to_string(::getpid()));
  EXPECT_EQ(s.track("after").code, WARDEN_NEW) << "who holds it does not notice";
  close();
  EXPECT_EQ(attempt("write").code, WARDEN_OK);
}

// Runs a child that is somebody else than the owner: root passes every check of
// permissions. Its exit code is 0 if `child` says true.
template <class Child>
bool as_somebody_else(Child&& child) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    if (::getuid() == 0 && ::setresuid(65534, 65534, 65534) != 0) _exit(2);
    _exit(child() ? 0 : 1);
  }
  int status = 0;
  return ::waitpid(pid, &status, 0) == pid && status == 0;
}

TEST_P(Refusal, WithoutPermission) {
  make(3);
  const bool root = ::getuid() == 0;
  ::chmod(std::filesystem::path(path_).parent_path().c_str(), 0755);
  const Image before = image_of(path_);
  const auto refused_with = [&](const char* mode, const std::string& cause) {
    return as_somebody_else([&] {
      const Opened got = attempt(mode);
      return got.code == WARDEN_E_PERMISSION && got.message().rfind(path_, 0) == 0 &&
             got.message().find(cause) != std::string::npos &&
             got.message().find("Permission denied") != std::string::npos;
    });
  };
  // May not even look.
  ::chmod(path_.c_str(), root ? 0700 : 0);
  EXPECT_TRUE(refused_with("write", "cannot open the directory"));
  EXPECT_TRUE(refused_with("read-only", "cannot open the directory"));
  // May look but not write; reading is enough for a reader.
  ::chmod(path_.c_str(), 0555);
  ::chmod(file("LOCK").c_str(), 0444);
  EXPECT_TRUE(refused_with("write", "LOCK: cannot lock it"));
  EXPECT_TRUE(as_somebody_else([&] { return attempt("read-only").code == WARDEN_OK; }));
  ::chmod(path_.c_str(), 0755);
  EXPECT_EQ(image_of(path_), before);
}

TEST_P(Refusal, ANewerManifest) {
  make(3);
  const std::string name = find("MANIFEST-");
  patch_sealed(name, 0, 24, 2);
  refused(WARDEN_E_NEWER_FORMAT, file(name), "format version 2");
}

TEST_P(Refusal, AManifestWithUnknownFeatures) {
  make(3);
  const std::string name = find("MANIFEST-");
  patch_sealed(name, 0, 28, 4);
  refused(WARDEN_E_NEWER_FORMAT, file(name), "with features 4");
}

TEST_P(Refusal, ANewerSegment) {
  make(3);
  patch_sealed("wal-1", kPage, 24, 7);
  refused(WARDEN_E_NEWER_FORMAT, file("wal-1"), "format version 7");
}

TEST_P(Refusal, ADamagedManifest) {
  make(3);
  const std::string name = find("MANIFEST-");
  flip(name, 100);
  refused(WARDEN_E_CORRUPT, file(name), "damaged at byte 0: its checksum does not match");
}

TEST_P(Refusal, ADamagedCurrent) {
  make(3);
  flip("CURRENT", 3);
  refused(WARDEN_E_CORRUPT, file("CURRENT"), "expected the name of a manifest and its checksum");
}

TEST_P(Refusal, AFlippedByteInTheMiddle) {
  make(20);
  // Blocks of one page each follow the header's: this is the fifth.
  flip("wal-1", 5 * kPage + 140);
  refused(WARDEN_E_CORRUPT, file("wal-1"), "damaged at byte 20480", 5 * kPage);
}

TEST_P(Refusal, AZeroedPageInTheMiddle) {
  make(20);
  overwrite("wal-1", 7 * kPage, std::string(kPage, '\0'));
  refused(WARDEN_E_CORRUPT, file("wal-1"), "damaged at byte 28672", 7 * kPage);
}

TEST_P(Refusal, AMissingSegment) {
  make(3);
  std::filesystem::remove(file("wal-1"));
  refused(WARDEN_E_CORRUPT, file("wal-1"), "the file is missing");
}

TEST_P(Refusal, AShortenedSegment) {
  make(3);
  std::filesystem::resize_file(file("wal-1"), 2 * kPage);
  refused(WARDEN_E_CORRUPT, file("wal-1"), "the file ends here", 2 * kPage);
}

TEST_P(Refusal, AMissingCurrent) {
  make(3);
  std::filesystem::remove(file("CURRENT"));
  const Image before = image_of(path_);
  expect_line(attempt("write"), WARDEN_E_CORRUPT, file("CURRENT"), "it is missing");
  EXPECT_EQ(attempt("read-only").code, WARDEN_E_NOT_A_STORE);
  EXPECT_EQ(image_of(path_), before);
}

TEST_P(Refusal, AForeignSegmentUnderTheRightName) {
  make(3);
  const std::string ours = path_;
  path_ = dir_.path("other");
  make(3);
  const std::string foreign = read_file(file("wal-1"));
  path_ = ours;
  write_file(file("wal-1"), foreign);
  refused(WARDEN_E_CORRUPT, file("wal-1"), "the header of a sealed segment is not valid");
}

// What a crash leaves half written: dropped, reported, and the store goes on.
TEST_P(Refusal, ATornTailIsDroppedNotRefused) {
  make(0);
  Store& s = open();
  // Beyond its own opening's first records, each in a block of its own.
  for (int i = 0; i < 5; ++i) s.track(numbered("k", i), numbered("payload ", i));
  const std::string left = dir_.path("left");
  copy_store(path_, left);
  close();
  path_ = left;
  // The newest segment with blocks, and its last block: beacons hold no records.
  std::string newest;
  std::size_t last_block = 0;
  for (const auto& [name, content] : image_of(path_)) {
    if (name.rfind("wal-", 0) != 0 || content.find("k4") == std::string::npos) continue;
    newest = name;
    last_block = content.find("k4") / kPage * kPage;
    // A beacon behind it would prove that it had been flushed: as if cut off earlier.
    write_file(file(name), content.substr(0, last_block + 200) + std::string(1, '\x55') +
                               std::string(content.size() - last_block - 201, '\0'));
  }
  ASSERT_FALSE(newest.empty());
  EXPECT_EQ(attempt("read-only").code, WARDEN_OK);
  Store& again = open();
  EXPECT_GT(again.stats().torn_bytes, 0u);
  EXPECT_EQ(again.stats().live, 4u);
  EXPECT_EQ(again.get_item("k3").payload, "payload 3");
  EXPECT_EQ(again.get_item("k4").code, WARDEN_E_UNKNOWN_ITEM);
  EXPECT_EQ(again.track("k4", "anew").code, WARDEN_NEW);
  Store& third = reopen();
  EXPECT_EQ(third.stats().torn_bytes, 0u) << "it was cut once";
  EXPECT_EQ(third.get_item("k4").payload, "anew");
  third.expect_balance();
}

TEST_P(Refusal, ConfigurationsThatContradictThemselves) {
  for (const Setting& needs_path : {Setting{"mode", "read-only"}, Setting{"hold", "true"}}) {
    warden_config* config = nullptr;
    ASSERT_EQ(warden_config_new(&config), WARDEN_OK);
    ASSERT_EQ(warden_config_set(config, needs_path.first, needs_path.second, nullptr), WARDEN_OK);
    warden_store* store = nullptr;
    warden_error error = WARDEN_ERROR_INIT;
    EXPECT_EQ(warden_open(nullptr, config, &store, &error), WARDEN_E_INVALID_ARGUMENT);
    EXPECT_EQ(store, nullptr);
    EXPECT_NE(std::string(error.message).find("need a path"), std::string::npos);
    warden_config_free(config);
  }
  for (const Setting& wrong :
       {Setting{"backend", "aio"}, Setting{"segment_bytes", "4096"}, Setting{"durability", "none"},
        Setting{"mode", "append"}, Setting{"hold", "yes"}, Setting{"segment_bytes", "4194305"}}) {
    warden_config* config = nullptr;
    ASSERT_EQ(warden_config_new(&config), WARDEN_OK);
    warden_error error = WARDEN_ERROR_INIT;
    EXPECT_LT(warden_config_set(config, wrong.first, wrong.second, &error), 0) << wrong.second;
    const std::string message = error.message;
    EXPECT_NE(message.find(wrong.first), std::string::npos) << message;
    EXPECT_NE(message.find("expected"), std::string::npos) << message;
    warden_config_free(config);
  }
}

WARDEN_ON_BOTH_BACKENDS(Refusal);

}  // namespace
}  // namespace warden::test
