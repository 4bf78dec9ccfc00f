// SPDX-License-Identifier: Apache-2.0
//
// The example of docs/log-format.md: the store it describes is written, dumped, and
// must be found in the document line by line; then it is decoded by hand, by offsets
// of the tables and not by the structs.
#include "log_fixture.hpp"

#ifndef WARDEN_DOCS
#error "WARDEN_DOCS names the folder of the documents"
#endif

namespace warden::log::test {
namespace {

class Golden : public testing::Test {
 protected:
  void SetUp() override {
    io::ManualClock clock;
    clock.advance(1000);
    Options options = small_options();
    options.manual = true;
    options.clock = &clock;
    options.uuid = {0x1111111111111111, 0x2222222222222222};
    options.beacon_after = kHour;
    KeepingSink sink;
    std::unique_ptr<Log> log;
    const auto disk = io::make_real_disk(io::Backend::posix);
    const Error error = Log::open(*disk, dir_.path(), options, sink, log);
    ASSERT_EQ(error.code, Code::ok) << error.message;
    lsn_ = put(*log, "hello");
    ASSERT_EQ(log->sync(kNever), Code::ok);
    image_ = read_file(dir_.path() + "/wal-1");
  }

  std::uint64_t number(std::size_t at, std::size_t size) const {
    std::uint64_t value = 0;
    for (std::size_t i = size; i-- != 0;) {
      value = value << 8 | static_cast<unsigned char>(image_[at + i]);
    }
    return value;
  }

  std::string dump() const {
    std::string out;
    for (std::size_t at = 0; at < image_.size(); at += 16) {
      const std::string line = image_.substr(at, 16);
      if (line.find_first_not_of('\0') == std::string::npos) continue;
      char text[100];
      int used = std::snprintf(text, sizeof text, "%05zx ", at);
      for (const char c : line) {
        used += std::snprintf(text + used, sizeof text - static_cast<std::size_t>(used), " %02x",
                              static_cast<unsigned char>(c));
      }
      out += std::string(text) + "\n";
    }
    return out;
  }

  TempDir dir_;
  std::string image_;
  Lsn lsn_ = Lsn::none;
};

TEST_F(Golden, TheDocumentShowsWhatIsWritten) {
  const std::string document = read_file(std::string(WARDEN_DOCS) + "/log-format.md");
  const std::string block = "```\n" + dump() + "```\n";
  EXPECT_NE(document.find(block), std::string::npos) << block;
}

TEST_F(Golden, ByTheOffsetsOfTheTables) {
  EXPECT_EQ(image_.substr(16, 8), "WARDSEG1");
  EXPECT_EQ(number(24, 4), 1u);
  EXPECT_EQ(number(36, 4), 1u);
  EXPECT_EQ(number(40, 8), 0x1111111111111111u);
  EXPECT_EQ(number(48, 8), 0x2222222222222222u);
  EXPECT_EQ(number(56, 8), 1u);
  EXPECT_EQ(number(64, 8), image_.size());
  EXPECT_EQ(number(72, 8), std::uint64_t{1} << 44);
  const auto head = XXH3_128bits_withSeed(image_.data() + 16, 4080, number(16, 8));
  EXPECT_EQ(number(0, 8), head.low64);
  EXPECT_EQ(number(8, 8), head.high64);

  constexpr std::size_t kBlock = 4096;
  EXPECT_EQ(image_.substr(kBlock + 16, 8), "WARDBLK1");
  EXPECT_EQ(number(kBlock + 24, 8), 1u);
  EXPECT_EQ(number(kBlock + 40, 8), kBlock);
  EXPECT_EQ(number(kBlock + 48, 8), std::uint64_t{1} << 44);
  EXPECT_EQ(number(kBlock + 56, 8), raw(lsn_));
  EXPECT_EQ(number(kBlock + 64, 4), 4096u);
  EXPECT_EQ(number(kBlock + 68, 4), 1u);
  EXPECT_EQ(number(kBlock + 72, 8), number(0, 8));
  EXPECT_EQ(number(kBlock + 96, 8), 1000u);
  EXPECT_EQ(number(kBlock + 104, 8), 1000u);
  const auto seed = XXH3_64bits_withSeed(image_.data() + 40, 16, 1);
  const auto block = XXH3_128bits_withSeed(image_.data() + kBlock + 16, 4080, seed);
  EXPECT_EQ(number(kBlock, 8), block.low64);
  EXPECT_EQ(number(kBlock + 8, 8), block.high64);

  constexpr std::size_t kRecord = kBlock + 128;
  EXPECT_EQ(number(kRecord, 4), 2u | 5u << 11);
  EXPECT_EQ(number(kRecord + 4, 8), 7u);
  const std::uint64_t parts[4] = {number(kRecord, 4), 7, raw(lsn_), XXH3_64bits("hello", 5)};
  EXPECT_EQ(number(kRecord + 12, 8), XXH3_64bits(parts, sizeof parts));
  EXPECT_EQ(image_.substr(kRecord + 20, 8), std::string("hello\0\0\0", 8));
  EXPECT_EQ(raw(lsn_), (std::uint64_t{1} << 44) + 28);
}

}  // namespace
}  // namespace warden::log::test
