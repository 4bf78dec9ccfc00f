// SPDX-License-Identifier: Apache-2.0
//
// H6: every 512-byte sector of a small synced log flipped, zeroed, or replaced by
// another sector. Whatever is not refused must give exactly the same records.
#include "log_fixture.hpp"

namespace warden::log::test {
namespace {

constexpr std::size_t kSector = 512;

class Sectors : public testing::Test {
 protected:
  // Two segments, several blocks; `clean` closes, else the copy is taken from a
  // running log after its beacon.
  void make(bool clean) {
    std::unique_ptr<Log> log;
    KeepingSink sink;
    Options options = small_options();
    options.segment_bytes = options.first_segment_bytes = 64 * 1024;
    options.manual = true;
    io::ManualClock clock(1'000'000);
    options.clock = &clock;
    const Error error = Log::open(*disk_, dir_.path(), options, sink, log);
    ASSERT_EQ(error.code, Code::ok) << error.message;
    for (int i = 0; i < 25; ++i) {
      put(*log, "record " + std::to_string(i));
      ASSERT_EQ(log->sync(kNever), Code::ok);
    }
    clock.advance(kSecond);
    while (log->pump() || log->in_flight()) log->queue().wait(kMilli);  // the beacon
    if (clean) {
      ASSERT_EQ(log->close(kSecond), Code::ok);
    }
    std::filesystem::copy(dir_.path(), copy_);
    records_ = replay(error_);
    ASSERT_EQ(error_.code, Code::ok) << error_.message;
    ASSERT_EQ(records_.size(), 25u);
  }

  std::vector<std::string> replay(Error& error) {
    std::unique_ptr<Log> log;
    KeepingSink sink;
    Options options = small_options();
    options.mode = Mode::read_only;
    error = Log::open(*disk_, copy_, options, sink, log);
    std::vector<std::string> out;
    for (const Seen& record : sink.seen) {
      out.push_back(record.content + "@" + std::to_string(raw(record.lsn)));
    }
    return out;
  }

  // Damages one sector in each of three ways. Counts what was refused.
  void damage_all() {
    const auto image = image_of(copy_);
    for (const auto& [name, content] : image) {
      const std::string path = copy_ + "/" + name;
      for (std::size_t at = 0; at < content.size(); at += kSector) {
        const std::string sector = content.substr(at, kSector);
        std::string flipped = sector;
        flipped[(at / kSector * 37) % sector.size()] ^= static_cast<char>(1 << (at / kSector % 8));
        const std::string zeroed(sector.size(), '\0');
        // A write that landed on the neighbour of the page before it.
        std::string misplaced = content.substr(at >= 4096 ? at - 4096 : 0, sector.size());
        for (const std::string& with : {flipped, zeroed, misplaced}) {
          if (with == sector) continue;
          overwrite(path, at, with);
          Error error;
          const auto got = replay(error);
          ++tried_;
          if (error) {
            ++refused_;
            EXPECT_TRUE(error.code == Code::corrupt || error.code == Code::not_a_store ||
                        error.code == Code::newer_format)
                << error.message;
            EXPECT_NE(error.message.find(copy_), std::string::npos) << error.message;
          } else if (name != "LOCK") {
            EXPECT_EQ(got, records_) << name << " at " << at;
          }
          overwrite(path, at, sector);
        }
      }
    }
    EXPECT_EQ(image_of(copy_), image);
    std::printf("sectors: %d damages, %d refused, %d harmless\n", tried_, refused_,
                tried_ - refused_);
  }

  TempDir dir_;
  std::string copy_ = dir_.parent() + "/copy";
  std::unique_ptr<io::Disk> disk_ = io::make_real_disk(io::Backend::posix);
  std::vector<std::string> records_;
  Error error_;
  int tried_ = 0;
  int refused_ = 0;
};

TEST_F(Sectors, OfAClosedLogAreNeverSilentlyWrong) {
  make(true);
  damage_all();
  EXPECT_GE(refused_, 25 * 8);
}

TEST_F(Sectors, OfACrashedLogAreNeverSilentlyWrong) {
  make(false);
  damage_all();
  EXPECT_GE(refused_, 25 * 8);
}

}  // namespace
}  // namespace warden::log::test
