// SPDX-License-Identifier: Apache-2.0
//
// Reading what must be text and writing whole files, in a folder of the test's own.
#include "cli/file_io.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace warden::cli {
namespace {

namespace fs = std::filesystem;

class FileIo : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "warden-file-io-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  std::string put(const std::string& name, std::string_view content) const {
    std::ofstream{path(name), std::ios::binary} << content;
    return path(name);
  }
  std::string slurp(const std::string& name) const {
    std::ifstream in{path(name), std::ios::binary};
    return {std::istreambuf_iterator<char>{in}, {}};
  }
  std::size_t files() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator{folder_}, {}));
  }
  std::string refusal(const std::string& file) const {
    const auto text = read_text_file(file, "a story");
    EXPECT_FALSE(text.ok());
    if (text.ok()) return {};
    EXPECT_EQ(text.failure().exit_code, ExitCode::bad_input);
    EXPECT_NE(text.failure().message.find("expected a story"), std::string::npos);
    return text.failure().message.substr(file.size());
  }

  fs::path folder_;
};

TEST_F(FileIo, ReadsTextWithoutItsByteOrderMark) {
  const auto text = read_text_file(put("a", "\xEF\xBB\xBFgrün\n"), "a story");
  ASSERT_TRUE(text.ok());
  EXPECT_EQ(text.value(), "grün\n");
}

TEST_F(FileIo, SaysWhyAFileCannotBeRead) {
  EXPECT_EQ(refusal(path("none")).rfind(": cannot be opened: No such file", 0), 0U);
  EXPECT_EQ(refusal(folder_.string()).rfind(": is a directory;", 0), 0U);
  EXPECT_EQ(refusal(put("empty", "")).rfind(":1: the file is empty;", 0), 0U);
  EXPECT_EQ(refusal(put("mark", "\xEF\xBB\xBF")).rfind(":1: the file is empty;", 0), 0U);
  EXPECT_EQ(refusal(put("zero", std::string_view{"a\nb\0", 4})).rfind(":2: byte 0x00", 0), 0U);
  EXPECT_EQ(refusal(put("latin", "a\nb\nM\xFCller")).rfind(":3: byte 0xFC", 0), 0U);
}

TEST_F(FileIo, ReadsFilesLongerThanItsStep) {
  const std::string long_text(3'000'001, 'x');
  const auto text = read_text_file(put("long", long_text), "a story");
  ASSERT_TRUE(text.ok());
  EXPECT_EQ(text.value(), long_text);
}

TEST_F(FileIo, WritesWholeFilesAndLeavesNoTemporary) {
  EXPECT_FALSE(write_file(path("out"), "one").has_value());
  EXPECT_EQ(slurp("out"), "one");
  EXPECT_FALSE(write_file(path("out"), "two").has_value());
  EXPECT_EQ(slurp("out"), "two");
  EXPECT_EQ(files(), 1U);
}

TEST_F(FileIo, NewFilesHaveTheModeThatTheMaskLeaves) {
  const mode_t old = ::umask(027);
  const auto failed = write_file(path("out"), "one");
  ::umask(old);
  ASSERT_FALSE(failed.has_value());
  struct stat info {};
  ASSERT_EQ(::stat(path("out").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0640U);
}

TEST_F(FileIo, WritesThroughASymbolicLink) {
  put("real", "old");
  fs::create_symlink("real", folder_ / "link");
  EXPECT_FALSE(write_file(path("link"), "new").has_value());
  EXPECT_TRUE(fs::is_symlink(folder_ / "link"));
  EXPECT_EQ(slurp("real"), "new");
}

TEST_F(FileIo, SaysBeforehandWhatCannotBeWritten) {
  EXPECT_FALSE(check_writable(path("new")).has_value());
  EXPECT_EQ(files(), 0U) << "asking creates nothing";
  EXPECT_TRUE(check_writable(folder_.string()).has_value());
  EXPECT_TRUE(check_writable(path("none/out")).has_value());
  EXPECT_TRUE(check_writable(path("slash/")).has_value());
  EXPECT_TRUE(check_writable("").has_value());
  EXPECT_FALSE(check_writable("/dev/null").has_value());
}

TEST_F(FileIo, AFailedWriteLeavesTheOldFileAndNoTemporary) {
  const auto failed = write_file(path("none/out"), "x");
  ASSERT_TRUE(failed.has_value());
  EXPECT_EQ(failed->exit_code, ExitCode::environment);
  fs::create_directory(folder_ / "full");
  EXPECT_TRUE(write_file(path("full"), "x").has_value()) << "a folder cannot be replaced";
  EXPECT_EQ(files(), 1U);
}

}  // namespace
}  // namespace warden::cli
