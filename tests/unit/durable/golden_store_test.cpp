// SPDX-License-Identifier: Apache-2.0
//
// A store as version 1 of the format left it, after its oldest segments were freed:
// tests/data/stores/cleaned.dump. Every kind of record that cleaning writes is in it,
// and everything that it holds must read as cleaned.expect says, for ever.
//
// The dump is text: `file NAME BYTES`, then lines of an offset and sixteen bytes; those
// that are zero are left out, as are the payloads that filled the freed segments. With
// WARDEN_GOLDEN_UPDATE set both files are made anew, which only a new version of the
// format may do, under another name; the test then fails.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <set>

#include "io/posix_disk.hpp"
#include "log/log.hpp"
#include "on_disk.hpp"

#ifndef WARDEN_TEST_DATA
#error "WARDEN_TEST_DATA names the folder of the test data"
#endif

namespace warden::test {
namespace {

const std::string kStores = WARDEN_TEST_DATA "/stores";
constexpr std::size_t kLine = 16;

std::string dump_of(const std::string& dir) {
  std::string out;
  for (const auto& [name, content] : image_of(dir)) {
    out += "file " + name + " " + std::to_string(content.size()) + "\n";
    for (std::size_t at = 0; at < content.size(); at += kLine) {
      const std::string line = content.substr(at, kLine);
      if (line.find_first_not_of('\0') == std::string::npos) continue;
      char text[24];
      std::snprintf(text, sizeof text, "%06zx ", at);
      out += text;
      for (const char c : line) {
        std::snprintf(text, sizeof text, "%02x", static_cast<unsigned char>(c));
        out += text;
      }
      out += '\n';
    }
  }
  return out;
}

void undump(const std::string& dump, const std::string& dir) {
  std::filesystem::create_directory(dir);
  Image image;
  std::string* content = nullptr;
  std::istringstream in(dump);
  for (std::string first, second; in >> first >> second;) {
    if (first == "file") {
      std::size_t size = 0;
      ASSERT_TRUE(in >> size);
      content = &image[second];
      content->assign(size, '\0');
      continue;
    }
    ASSERT_NE(content, nullptr);
    const std::size_t at = std::stoul(first, nullptr, 16);
    for (std::size_t i = 0; i * 2 < second.size(); ++i) {
      ASSERT_LT(at + i, content->size());
      (*content)[at + i] = static_cast<char>(std::stoul(second.substr(i * 2, 2), nullptr, 16));
    }
  }
  for (const auto& [name, bytes] : image) write_file(dir + "/" + name, bytes);
}

// Which records there are, in the catalog (LSN none) and in the log.
class Types final : public log::ReplaySink {
 public:
  Error apply(Lsn lsn, log::RecordType type, std::uint64_t, std::span<const std::byte>) override {
    (lsn == Lsn::none ? catalog : records).insert(type);
    return {};
  }
  void reset() override {
    catalog.clear();
    records.clear();
  }
  std::set<log::RecordType> catalog;
  std::set<log::RecordType> records;
};

class GoldenStore : public ::testing::Test {
 protected:
  void open() {
    store_ = std::make_unique<Store>(path_, std::vector<Setting>{{"clock", "manual"},
                                                                 {"backend", "posix"},
                                                                 {"payload_max", "1048576"},
                                                                 {"segment_bytes", "4194304"}});
    store_->flow = "upload";
    store_->now = store_->stats().now_ns;
  }
  void close() {
    ASSERT_EQ(warden_close(store_->get(), kLong), WARDEN_OK);
    store_.reset();
  }

  // Items of a megabyte of zeros that come and go, until so many segments are freed.
  void churn(std::uint64_t freed, const char* stem) {
    const std::string flow = std::exchange(store_->flow, "churn");
    const std::string payload(1'000'000, '\0');
    const std::uint64_t goal = store_->stats().log_freed + freed;
    for (int i = 0; store_->stats().log_freed < goal; ++i) {
      ASSERT_LT(i, 10'000) << "nothing is freed";
      const std::string key = numbered(stem, i);
      ASSERT_EQ(store_->track(key, payload).code, WARDEN_NEW);
      ASSERT_EQ(store_->complete(key).code, WARDEN_ON_TIME);
    }
    store_->flow = flow;
  }

  // One of each: open at every stage of its life, closed in every way; alerts that were
  // acknowledged, that are owed to one or both, of open items and of closed ones.
  void fill() {
    Store& s = *store_;
    s.define("[flow]\nname = \"churn\"\nstages = []\ndedupe = \"1s\"\n");
    s.define("[flow]\nname = \"any\"\nstages = \"any\"\n");
    s.track("own-stage", "payload of own-stage");
    s.mark("own-stage", "a stage of its own");
    s.define(kUpload);
    Consumer reads = s.consumer("reads");
    s.consumer("sleeps");
    s.submit("submitted", "payload of submitted", {.ttl = 100 * kH});
    s.submit("expires", "payload of expires", {.ttl = 2 * kS});
    s.track("new", "payload of new", {.dues = {{"promised", 5000 * kS}}});
    s.track("extended", "", {.at = kS, .seq = 3});
    s.extend_by("extended", "total", 3000 * kS, {.at = 4 * kS, .seq = 6});
    for (const char* key : {"late", "closed-late", "cancelled-late"}) {
      s.track(key, std::string("payload of ") + key);
      s.mark(key, "uploaded", {.at = kS});
    }
    s.advance(60 * kS);
    EXPECT_EQ(reads.drain().size(), 4u) << "three hand-offs, one expiry";
    s.complete("closed-late", {.at = 61 * kS});
    s.cancel("cancelled-late", {.at = 61 * kS});
    s.track("done", "payload of done", {.at = 62 * kS});
    s.complete("done", {.at = 62 * kS});
    s.complete("early", {.at = 62 * kS, .allow_early = true});
  }

  std::string described() {
    std::ostringstream out;
    const warden_stats stats = store_->stats();
    out << "submitted " << stats.submitted << " live " << stats.live << " done " << stats.done
        << " cancelled " << stats.cancelled << " expired " << stats.expired << " early "
        << stats.early << " alerts " << stats.alerts_raised << " now " << stats.now_ns << "\n\n";
    std::vector<std::string> items;
    for (Item& one : store_->scan()) {
      const std::string payload = std::exchange(one.payload, std::string());
      const std::string text = text_of(one);
      items.push_back(text.substr(0, text.find(" payload ")) + " payload '" + payload + "'" +
                      text.substr(text.find('\n')));
    }
    std::sort(items.begin(), items.end());
    for (const std::string& one : items) out << one;
    store_->flow = "upload";
    for (const char* key : {"closed-late", "cancelled-late", "done", "early", "expires"}) {
      const Item one = store_->get_item(key);
      out << "upload/" << key << " verdict " << one.raw.verdict << " incarnation "
          << one.raw.incarnation << '\n';
    }
    return out.str();
  }
  std::string owed() {
    std::ostringstream out;
    for (const char* name : {"reads", "sleeps"}) {
      std::vector<std::string> lines;
      for (const Alert& one : store_->consumer(name).drain()) {
        std::ostringstream line;
        line << name << ": " << one.flow << '/' << one.key << '/' << one.rule << " kind "
             << one.raw.kind << " level " << one.raw.level << " severity " << one.raw.severity
             << " id " << one.raw.id[0] << ' ' << one.raw.id[1] << " deadline "
             << one.raw.deadline_ns << " raised " << one.raw.raised_ns << " armed by '"
             << one.armed_stage << "' payload '" << one.payload << "'\n";
        lines.push_back(line.str());
      }
      std::sort(lines.begin(), lines.end());
      for (const std::string& line : lines) out << line;
    }
    return out.str();
  }

  TempDir dir_;
  std::string path_ = dir_.path("store");
  std::unique_ptr<Store> store_;
};

TEST_F(GoldenStore, ACleanedOneReadsAsItWasWritten) {
  const bool updating = std::getenv("WARDEN_GOLDEN_UPDATE") != nullptr;
  if (updating) {
    open();
    fill();
    churn(6, "churn");
    close();
    std::filesystem::create_directory(kStores);
    write_file(kStores + "/cleaned.dump", dump_of(path_));
    std::filesystem::remove_all(path_);
  }
  const std::string dump = read_file(kStores + "/cleaned.dump");
  undump(dump, path_);
  ASSERT_EQ(dump_of(path_), dump);

  Types types;
  log::Options options;
  options.mode = log::Mode::read_only;
  const auto disk = io::make_real_disk(io::Backend::posix);
  std::unique_ptr<log::Log> log;
  const Error error = log::Log::open(*disk, path_, options, types, log);
  ASSERT_EQ(error.code, Code::ok) << error.message;
  log.reset();
  using log::RecordType;
  for (const RecordType type :
       {RecordType::item, RecordType::past, RecordType::owed, RecordType::stones}) {
    EXPECT_TRUE(types.records.contains(type)) << static_cast<int>(type);
  }
  for (const RecordType type : {RecordType::totals, RecordType::flow, RecordType::stage_name,
                                RecordType::consumer, RecordType::anchor}) {
    EXPECT_TRUE(types.catalog.contains(type)) << static_cast<int>(type);
  }
  EXPECT_FALSE(std::filesystem::exists(path_ + "/wal-1")) << "its oldest segments are gone";
  EXPECT_EQ(image_of(path_)["LOCK"], "");
  EXPECT_EQ(dump_of(path_), dump) << "reading has changed a file";

  open();
  const std::string items = described();
  const std::string alerts = owed();
  if (updating) {
    write_file(kStores + "/cleaned.expect", items + "\n" + alerts);
    FAIL() << kStores << " written; run again without WARDEN_GOLDEN_UPDATE";
  }
  EXPECT_EQ(items + "\n" + alerts, read_file(kStores + "/cleaned.expect"));
  // It goes on: the same verdicts, and cleaned further it still says the same.
  EXPECT_EQ(store_->track("done", "payload of done").code, WARDEN_ALREADY_DONE);
  EXPECT_EQ(store_->submit("early", "").code, WARDEN_DONE_EARLY);
  EXPECT_EQ(store_->track("new", "another payload").code, WARDEN_E_CONFLICT);
  const auto texts = [&] {
    std::vector<std::string> out;
    for (const Item& one : store_->scan()) out.push_back(text_of(one));
    std::sort(out.begin(), out.end());
    return out;
  };
  const std::vector<std::string> before = texts();
  churn(4, "more");
  close();
  open();
  EXPECT_EQ(texts(), before);
  EXPECT_EQ(owed(), "") << "all of it was acknowledged";
  EXPECT_EQ(store_->track("done", "payload of done").code, WARDEN_ALREADY_DONE);
  store_->expect_balance();
  close();
}

}  // namespace
}  // namespace warden::test
