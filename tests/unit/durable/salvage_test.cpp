// SPDX-License-Identifier: Apache-2.0
//
// Salvage, by the fixture's truths: whole stores, damaged and cleaned ones, missing files.
#include "salvage_fixture.hpp"

namespace warden::test {
namespace {

TEST_F(Salvage, OfAWholeStoreIsThatStore) {
  live(7, 4000);
  const State truth = read(path("store"));
  salvage();
  if (HasFatalFailure()) return;
  EXPECT_TRUE(found_.whole());
  EXPECT_EQ(found_.log.bytes_unreadable, 0u);
  const State got = read(path("new"));
  for (const auto& [key, item] : truth.items) {
    EXPECT_EQ(got.items.at(key).code, item.code);
    EXPECT_EQ(text_of(got.items.at(key)), text_of(item));
  }
  EXPECT_EQ(got.alerts, truth.alerts);
  // Nothing that the old one gives out from now on is ever given out by the new one.
  Store store(path("new"), {{"clock", "manual"}});
  EXPECT_GT(store.stats().epoch, 4096u);
  store.expect_balance();
}

TEST_F(Salvage, OfRandomlyDamagedStoresIsTrueOrListed) {
  const std::uint64_t first = first_seed();
  const std::uint64_t count = seeds(40);
  int damaged = 0;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    SCOPED_TRACE("repeat with WARDEN_SEED=" + std::to_string(seed));
    fs::remove_all(path("store"));
    told_.clear();
    live(seed, 300 + static_cast<int>(seed % 5) * 900);
    const State truth = read(path("store"));
    damage(1 + static_cast<int>(rng_() % 6));
    salvage();
    if (HasFatalFailure()) return;
    damaged += found_.whole() ? 0 : 1;
    compare(truth, read(path("new")));
    if (HasFatalFailure()) return;
  }
  std::printf("salvage: seeds %llu..%llu, %d with losses, %llu items as they were, %llu listed\n",
              static_cast<unsigned long long>(first),
              static_cast<unsigned long long>(first + count - 1), damaged,
              static_cast<unsigned long long>(same_), static_cast<unsigned long long>(differ_));
  if (count >= 20) {
    EXPECT_GT(damaged, 8);
    EXPECT_GT(same_, differ_);
  }
}

TEST_F(Salvage, OfCleanedStoresToo) {
  const std::uint64_t first = first_seed();
  const std::uint64_t count = seeds(6);
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    SCOPED_TRACE("repeat with WARDEN_SEED=" + std::to_string(seed));
    fs::remove_all(path("store"));
    told_.clear();
    live(seed, 2000, true);
    if (HasFatalFailure()) return;
    ASSERT_FALSE(fs::exists(path("store") + "/wal-1"));
    const State truth = read(path("store"));
    salvage();
    if (HasFatalFailure()) return;
    EXPECT_TRUE(found_.whole());
    const State whole = read(path("new"));
    for (const auto& [key, item] : truth.items) {
      ASSERT_EQ(state_of(whole.items.at(key)), state_of(item));
    }
    EXPECT_EQ(whole.alerts, truth.alerts);
    damage(40);
    salvage();
    if (HasFatalFailure()) return;
    compare(truth, read(path("new")));
    if (HasFatalFailure()) return;
  }
  std::printf("salvage of cleaned stores: %llu items as they were, %llu listed\n",
              static_cast<unsigned long long>(same_), static_cast<unsigned long long>(differ_));
}

// The directory's own files, and whole segments.
TEST_F(Salvage, WithoutManifestOrCurrentFindsTheSegments) {
  live(11, 3000);
  const State truth = read(path("store"));
  const auto with = [&](const std::function<void()>& harm) {
    fs::copy(path("store"), path("kept"), fs::copy_options::recursive);
    harm();
    EXPECT_LT(try_open(path("store"), {{"mode", "read-only"}}).code, 0);
    salvage();
    if (HasFatalFailure()) return;
    compare(truth, read(path("new")));
    EXPECT_EQ(differ_, 0u);
    EXPECT_FALSE(found_.whole());
    fs::remove_all(path("store"));
    fs::rename(path("kept"), path("store"));
  };
  const auto manifest = [&] {
    for (const auto& entry : fs::directory_iterator(path("store"))) {
      if (entry.path().filename().string().rfind("MANIFEST-", 0) == 0) return entry.path().string();
    }
    return std::string();
  };
  with([&] { fs::remove(path("store") + "/CURRENT"); });
  with([&] { write_file(path("store") + "/CURRENT", "MANIFEST-77"); });
  with([&] { fs::remove(manifest()); });
  with([&] { write_file(manifest(), std::string(4096, 'x')); });
}

TEST_F(Salvage, OfAMissingSegmentListsWhatItHeld) {
  for (std::uint64_t key = 0; key < 3; ++key) {
    fs::remove_all(path("store"));
    told_.clear();
    {
      Store store(path("store"), {{"clock", "manual"}, {"segment_bytes", "4194304"}});
      store.define(kUpload);
      With with;
      with.durability = WARDEN_DURABILITY_BUFFERED;
      for (int i = 0; i < 3000; ++i) {
        const std::string name = numbered("k", i);
        const Answer answer = store.track(name, std::string(4000, 'p'), with);
        ASSERT_EQ(answer.code, WARDEN_NEW);
        told_[{"upload", name}] = {answer.r.incarnation, answer.r.lsn, {answer.r.incarnation}};
      }
      EXPECT_EQ(warden_close(store.get(), kLong), WARDEN_OK);
    }
    const State truth = read(path("store"));
    ASSERT_TRUE(fs::remove(path("store") + "/wal-" + std::to_string(key + 1)));
    salvage();
    if (HasFatalFailure()) return;
    ASSERT_EQ(found_.log.lost.size(), 1u);
    EXPECT_EQ(found_.log.lost[0].why, "the file is missing");
    differ_ = 0;
    // The first segment holds the flow too: then all items are listed.
    compare(truth, read(path("new")));
    EXPECT_GT(differ_, 500u);
    EXPECT_EQ(found_.open_items + found_.lost == 0, false);
  }
}

TEST_F(Salvage, RefusesWithOneLineAndLeavesNothing) {
  live(3, 500);
  const auto says = [&](const std::string& from, const std::string& to, Code code,
                        const char* words) {
    const Error error = engine::salvage(from, to, found_);
    EXPECT_EQ(error.code, code) << error.message;
    EXPECT_NE(error.message.find(words), std::string::npos) << error.message;
    EXPECT_FALSE(fs::exists(to + ".salvaging"));
  };
  fs::create_directory(path("empty"));
  write_file(path("file"), "x");
  says(path("none"), path("new"), Code::not_a_store, "no such directory");
  says(path("file"), path("new"), Code::not_a_store, "a file");
  says(path("empty"), path("new"), Code::not_a_store, "not a Warden store");
  says(path("store"), path("store"), Code::not_a_store, "expected a new or empty directory");
  says(path("store"), path("file"), Code::not_a_store, "a file");
  says(path("store"), path("a/b"), Code::not_a_store, "parent directory");
  says(path("store"), path("store/in"), Code::not_a_store, "in the damaged store");
  {
    Store held(path("store"), {{"clock", "manual"}});
    says(path("store"), path("new"), Code::held, "held open for writing");
  }
  // An earlier attempt that was killed: not touched, and said.
  fs::create_directory(path("new.salvaging"));
  write_file(path("new.salvaging/x"), "x");
  EXPECT_EQ(engine::salvage(path("store"), path("new"), found_).code, Code::not_a_store);
  EXPECT_TRUE(fs::exists(path("new.salvaging/x")));
  fs::remove_all(path("new.salvaging"));
  // Without a manifest and a header nothing tells whose records these are.
  for (const auto& entry : fs::directory_iterator(path("store"))) {
    const std::string name = entry.path().filename().string();
    if (name.rfind("MANIFEST-", 0) == 0) fs::remove(entry.path());
  }
  std::string first = read_file(path("store") + "/wal-1");
  for (const auto& entry : fs::directory_iterator(path("store"))) {
    if (entry.path().filename().string().rfind("wal-", 0) != 0) continue;
    std::string all = read_file(entry.path().string());
    all.replace(0, 4096, std::string(4096, '\1'));
    write_file(entry.path().string(), all);
  }
  says(path("store"), path("new"), Code::corrupt, "UUID");
  EXPECT_FALSE(fs::exists(path("new")));
}

TEST_F(Salvage, IntoAnEmptyDirectoryAndTwiceGivesTheSame) {
  live(5, 800);
  fs::create_directory(path("new"));
  const State truth = read(path("store"));
  const Error error = engine::salvage(path("store"), path("new/"), found_);
  ASSERT_EQ(error.code, Code::ok) << error.message;
  engine::Salvaged again;
  ASSERT_EQ(engine::salvage(path("new"), path("second"), again).code, Code::ok);
  EXPECT_TRUE(again.whole());
  EXPECT_EQ(again.open_items, found_.open_items);
  EXPECT_EQ(again.closed_items, found_.closed_items);
  compare(truth, read(path("second")));
  EXPECT_EQ(differ_, 0u);
}

}  // namespace
}  // namespace warden::test
