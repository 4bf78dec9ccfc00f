// SPDX-License-Identifier: Apache-2.0
//
// What tests of stores in a directory share: a directory that goes away, a store that
// is closed and opened again, the directory as a crash would leave it, and its bytes,
// to show that nothing was changed.
//
//   OnDisk -> open() -> verbs -> reopen() or crash() -> what is there now?
//
// Invariants
//   1. Both ways of writing run every test: `auto` is io_uring wherever the kernel
//      allows it (stats().backend tells), `posix` never.
//   2. crash() copies the files while the store is open, so that no close of its own
//      has tidied up; what was not yet durable may or may not be in the copy.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>

#include "client.hpp"
#include "flow_texts.hpp"

namespace warden::test {

inline constexpr std::int64_t kLong = 30 * kS;  // a hang guard, never an expectation

class TempDir {
 public:
  TempDir() {
    std::string name = (std::filesystem::temp_directory_path() / "warden-durable-XXXXXX").string();
    const char* made = ::mkdtemp(name.data());
    EXPECT_NE(made, nullptr);
    path_ = name;
  }
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  std::string path(const char* name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

inline std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  std::string content(in ? static_cast<std::size_t>(in.tellg()) : 0, '\0');
  in.seekg(0);
  in.read(content.data(), static_cast<std::streamsize>(content.size()));
  return content;
}

inline void write_file(const std::string& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
}

// Every file of a directory and its content; of LOCK only that it is there, since its
// text is for messages and follows the lock.
using Image = std::map<std::string, std::string>;
inline Image image_of(const std::string& dir) {
  Image image;
  for (const auto& entry : std::filesystem::directory_iterator(dir)) {
    const std::string name = entry.path().filename().string();
    image[name] = name == "LOCK" ? std::string() : read_file(entry.path().string());
  }
  return image;
}

// Copies a store's directory while it may be open. No verb may run meanwhile; the next
// segment may be listed at any time, and then the copy is made anew: files of before
// and after such a change are no state that a crash could leave.
inline void copy_store(const std::string& from, const std::string& to) {
  for (;;) {
    const std::string current = read_file(from + "/CURRENT");
    std::error_code failed;
    std::filesystem::remove_all(to, failed);
    std::filesystem::copy(from, to, failed);
    if (!failed && read_file(from + "/CURRENT") == current &&
        read_file(to + "/CURRENT") == current) {
      return;
    }
  }
}

struct Opened {
  std::int32_t code = WARDEN_E_INTERNAL;
  warden_error error = WARDEN_ERROR_INIT;
  std::string message() const { return error.message; }
};

// Opens and, should that succeed, closes again.
inline Opened try_open(const std::string& path, const std::vector<Setting>& settings = {}) {
  Opened out;
  warden_config* config = nullptr;
  EXPECT_EQ(warden_config_new(&config), WARDEN_OK);
  for (const auto& [key, value] : settings) {
    EXPECT_EQ(warden_config_set(config, key, value, nullptr), WARDEN_OK) << key;
  }
  warden_store* store = nullptr;
  out.code = warden_open(path.c_str(), config, &store, &out.error);
  EXPECT_EQ(store == nullptr, out.code < 0);
  EXPECT_EQ(out.error.code, out.code);
  warden_free(store);
  warden_config_free(config);
  return out;
}

// All that can be read of an item, but its LSN, as one text.
inline std::string text_of(const Item& item) {
  std::ostringstream out;
  out << item.flow << '/' << item.key << " code " << item.code << " incarnation "
      << item.raw.incarnation << " token " << item.raw.token << " seq " << item.raw.seq
      << " created " << item.raw.created_ns << " event " << item.raw.last_event_ns << " deadline "
      << item.raw.deadline_ns << " state " << item.raw.state << " verdict " << item.raw.verdict
      << " tries " << item.raw.tries << " alerts " << item.raw.alerts << " overdue "
      << item.raw.overdue << " stage " << item.stage << " payload "
      << std::hash<std::string>{}(item.payload) << " of " << item.payload.size() << '\n';
  for (const Rule& rule : item.rules) {
    out << "  " << rule.name << " deadline " << rule.deadline << " status " << rule.status
        << " level " << rule.level << " arming " << rule.arming << '\n';
  }
  return out.str();
}

class OnDisk : public ::testing::TestWithParam<const char*> {
 protected:
  // Opens the directory, with a manual clock unless `extra` says otherwise.
  Store& open(std::vector<Setting> extra = {}) {
    std::vector<Setting> settings{
        {"clock", "manual"}, {"backend", GetParam()}, {"segment_bytes", "4194304"}};
    settings.insert(settings.end(), extra.begin(), extra.end());
    const std::string flow = store_ ? store_->flow : last_flow_;
    close();
    store_ = std::make_unique<Store>(path_, settings);
    store_->flow = flow;
    store_->now = store_->stats().now_ns;
    return *store_;
  }
  void close() {
    if (!store_) return;
    last_flow_ = store_->flow;
    EXPECT_EQ(warden_close(store_->get(), kLong), WARDEN_OK);
    store_.reset();
  }
  Store& reopen(std::vector<Setting> extra = {}) {
    close();
    return open(std::move(extra));
  }
  // Opens the directory as it would be had the process been killed right now.
  Store& crash(std::vector<Setting> extra = {}) {
    const std::string left = dir_.path(numbered("crashed", ++crashes_).c_str());
    // Blocks that the cleaner writes while the copy is made would be in it with holes
    // before them, which no crash leaves.
    for (std::uint64_t commits = ~std::uint64_t{0}; commits != store_->stats().log_commits;) {
      commits = store_->stats().log_commits;
      copy_store(path_, left);
    }
    close();
    path_ = left;
    return open(std::move(extra));
  }
  Store& store() { return *store_; }

  TempDir dir_;
  std::string path_ = dir_.path("store");

 private:
  std::unique_ptr<Store> store_;
  std::string last_flow_;
  int crashes_ = 0;
};

#define WARDEN_ON_BOTH_BACKENDS(suite)                                         \
  INSTANTIATE_TEST_SUITE_P(Backend, suite, ::testing::Values("auto", "posix"), \
                           [](const auto& with) { return std::string(with.param); })

}  // namespace warden::test
