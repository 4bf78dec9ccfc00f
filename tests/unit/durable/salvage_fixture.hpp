// SPDX-License-Identifier: Apache-2.0
//
// Random stores, damaged at random sectors, and salvaged. Whatever the damage: every item
// is in the new store as it truly was, or it is listed, by its key or, where no whole
// record of it is left, by the range in which its beginning lay. So are its alerts.
//
//   random verbs -> truth (read before the damage) -> damage -> salvage -> compare
#pragma once

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <random>
#include <set>

#include "engine/salvage.hpp"
#include "on_disk.hpp"

namespace warden::test {

namespace fs = std::filesystem;
using engine::Fate;

inline constexpr const char* kAnyStages = R"(
[flow]
name = "any"
stages = "any"
dedupe = "2s"
[[rule]]
name = "t"
kind = "total"
within = "20s"
escalate = ["+10s"]
)";

inline std::uint64_t first_seed() {
  const char* one = std::getenv("WARDEN_SEED");
  return one != nullptr ? std::strtoull(one, nullptr, 10) : 1;
}
inline std::uint64_t seeds(std::uint64_t usual) {
  if (std::getenv("WARDEN_SEED") != nullptr) return 1;
  const char* many = std::getenv("WARDEN_SEEDS");
  return many != nullptr ? std::strtoull(many, nullptr, 10) : usual;
}

// What was written about the newest item of a key.
struct Told {
  std::uint64_t incarnation = 0;
  std::uint64_t body = 0;  // LSN of its beginning
  std::set<std::uint64_t> incarnations;
};
using Key = std::pair<std::string, std::string>;  // flow, key
using AlertId = std::pair<std::uint64_t, std::uint64_t>;

struct State {
  std::map<Key, Item> items;
  std::map<AlertId, std::pair<Key, std::uint64_t>> alerts;  // -> its item
};

class Salvage : public ::testing::Test {
 protected:
  std::string path(const char* name) const { return dir_.path(name); }

  // `cleaned`: half way, segments are freed, and what lives in them is written again.
  void live(std::uint64_t seed, int steps, bool cleaned = false) {
    rng_.seed(seed);
    Store store(path("store"), {{"clock", "manual"}, {"segment_bytes", "4194304"}});
    store.define(kUpload);
    store.define(kAnyStages);
    store.now = kS;
    Consumer ops;
    for (int i = 0; i < steps; ++i) {
      step(store, i);
      if (cleaned && i == steps / 2) churn(store);
      if (i == steps / 4) ops = store.consumer("ops");
      if (rng_() % 40 == 0) {
        EXPECT_EQ(warden_sync(store.get(), -1), WARDEN_OK);
      }
      if (rng_() % 60 == 0) store.advance(store.now + static_cast<std::int64_t>(rng_() % 5) * kS);
      if (i > steps / 2 && rng_() % 100 == 0) ops.ack(ops.poll(8));
    }
    store.advance(store.now + 3 * kS);
    EXPECT_EQ(warden_close(store.get(), kLong), WARDEN_OK);
  }

  void churn(Store& store) {
    store.define("[flow]\nname = \"churn\"\nstages = []\ndedupe = \"1s\"\n");
    With with;
    with.at = store.now;
    with.durability = WARDEN_DURABILITY_BUFFERED;
    const std::uint64_t goal = store.stats().log_freed + 2;
    for (int i = 0; store.stats().log_freed < goal; ++i) {
      ASSERT_LT(i, 20000) << "nothing is freed";
      store.track(numbered("churn", i), std::string(30000, 'p'), with);
      store.complete(numbered("churn", i), with);
    }
  }

  void step(Store& store, int i) {
    store.flow = rng_() % 3 == 0 ? "any" : "upload";
    const std::string key = numbered("k", rng_() % 150);
    With with;
    with.at = store.now;
    with.durability = WARDEN_DURABILITY_BUFFERED;
    Answer answer;
    switch (rng_() % 6) {
      case 0:
      case 1:
        answer = store.track(key, std::string(rng_() % 600, static_cast<char>('a' + i % 26)), with);
        if (answer.code == WARDEN_NEW) {
          Told& told = told_[{store.flow, key}];
          told.incarnation = answer.r.incarnation;
          told.body = answer.r.lsn;
          told.incarnations.insert(told.incarnation);
        }
        break;
      case 2:
        answer = store.flow == "any"
                     ? store.mark(key, numbered("stage", rng_() % 12), with)
                     : store.mark(key, rng_() % 2 == 0 ? "uploaded" : "copied", with);
        break;
      case 3:
        answer = store.touch(key, with);
        break;
      case 4:
        answer = rng_() % 2 == 0 ? store.complete(key, with) : store.touch(key, with);
        break;
      default:
        answer = rng_() % 4 == 0 ? store.cancel(key, with) : store.touch(key, with);
    }
  }

  // Everything that can be read of a store, from a copy of it.
  State read(const std::string& from) {
    const std::string copy = path("read");
    fs::remove_all(copy);
    fs::copy(from, copy);
    State out;
    Store store(copy, {{"clock", "manual"}, {"hold", "true"}});
    for (const auto& [key, told] : told_) {
      store.flow = key.first;
      out.items[key] = store.get_item(key.second);
    }
    Consumer ops = store.consumer("ops");
    for (const Alert& one : ops.drain()) {
      if (one.raw.resolves[0] != 0 || one.raw.resolves[1] != 0) continue;
      out.alerts[one.id()] = {{one.flow, one.key}, one.raw.incarnation};
    }
    return out;
  }

  // Sectors of segments, up to the last that was ever written, each in one of four ways.
  void damage(int sectors) {
    std::vector<std::string> files;
    for (const auto& entry : fs::directory_iterator(path("store"))) {
      if (entry.path().filename().string().rfind("wal-", 0) == 0) files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    for (int i = 0; i < sectors; ++i) {
      const std::string& file = files[rng_() % files.size()];
      std::string all = read_file(file);
      const std::size_t used = all.find_last_not_of('\0');
      if (used == std::string::npos) continue;  // a spare
      const std::size_t at = rng_() % (used / 512 + 1) * 512;
      const auto way = rng_() % 4;
      if (way == 0) all[at + rng_() % 512] ^= static_cast<char>(1 << rng_() % 8);
      if (way == 1) std::memset(all.data() + at, 0, 512);
      if (way == 2) all.replace(at, 512, all.substr(rng_() % (used / 512 + 1) * 512, 512));
      // A stretch of them, as of a lost write.
      if (way == 3) {
        const std::size_t bytes = std::min<std::size_t>(all.size() - at, rng_() % 40 * 512);
        std::memset(all.data() + at, static_cast<int>(rng_() % 256), bytes);
      }
      write_file(file, all);
    }
  }

  void salvage() {
    const Image before = image_of(path("store"));
    fs::remove_all(path("new"));
    found_ = {};
    const Error error = engine::salvage(path("store"), path("new"), found_);
    ASSERT_EQ(error.code, Code::ok) << error.message;
    EXPECT_EQ(image_of(path("store")), before);
    EXPECT_FALSE(fs::exists(path("new.salvaging")));
    std::uint64_t lost = 0;
    std::uint64_t uncertain = 0;
    for (const auto& one : found_.casualties) {
      lost += one.fate == Fate::lost;
      uncertain += one.fate == Fate::uncertain;
    }
    EXPECT_EQ(found_.lost, lost);
    EXPECT_EQ(found_.uncertain, uncertain);
    EXPECT_TRUE(!found_.whole() || lost + uncertain == 0);
  }

  bool listed(const Key& key, const Told& told, std::initializer_list<Fate> fates) const {
    for (const auto& one : found_.casualties) {
      const bool it = told.incarnations.count(one.incarnation) != 0 ||
                      (one.flow == key.first && one.key == key.second);
      if (it && std::find(fates.begin(), fates.end(), one.fate) != fates.end()) return true;
    }
    return false;
  }
  bool in_lost_range(std::uint64_t lsn) const {
    for (const log::LostRange& one : found_.log.lost) {
      if (raw(one.after) < lsn && lsn <= raw(one.upto)) return true;
    }
    return false;
  }

  static bool is_open(const Item& item) { return item.code == WARDEN_OK; }
  static std::string state_of(const Item& item) {
    if (is_open(item)) return text_of(item);
    // A tombstone's window ends when its stripe is next looked at, so either is closed.
    return "closed";
  }

  // A stage whose name is lost stands there under a name that the notes tell.
  bool renamed(const std::string& flow, const std::string& stage) const {
    const std::string line =
        "flow " + flow + ": the name of a stage is lost; it is " + stage + " now";
    return std::find(found_.notes.begin(), found_.notes.end(), line) != found_.notes.end();
  }

  // "" if the new store tells the truth of this key or the list does.
  std::string judge(const Key& key, const Told& told, const Item& truth, Item got) {
    const std::string at = key.first + "/" + key.second + ": ";
    if (is_open(got) && renamed(key.first, got.stage)) got.stage = truth.stage;
    if (state_of(truth) == state_of(got)) return {};
    if (is_open(got)) {
      // An older item of the key may be there only if the newer one left no trace.
      const Told it{got.raw.incarnation, 0, {got.raw.incarnation}};
      const bool newest = got.raw.incarnation == told.incarnation || in_lost_range(told.body);
      if (newest && listed({}, it, {Fate::uncertain})) return {};
      return at + "open, not as it was, and not listed: " + text_of(got) + " but was " +
             state_of(truth);
    }
    if (listed(key, told, {Fate::lost})) return {};
    if (in_lost_range(told.body) || in_lost_range(truth.raw.lsn)) return {};
    return at + "gone, and not listed; was " + state_of(truth);
  }

  void compare(const State& truth, const State& got) {
    for (const auto& [key, told] : told_) {
      const std::string wrong = judge(key, told, truth.items.at(key), got.items.at(key));
      ASSERT_EQ(wrong, "");
      state_of(truth.items.at(key)) == state_of(got.items.at(key)) ? ++same_ : ++differ_;
    }
    for (const auto& [id, item] : truth.alerts) {
      if (got.alerts.count(id) != 0) continue;
      const Told& told = told_.at(item.first);
      const bool told_of = listed(item.first, told, {Fate::lost, Fate::uncertain, Fate::alerts}) ||
                           in_lost_range(told.body) ||
                           in_lost_range(truth.items.at(item.first).raw.lsn);
      // Closed items' alerts are withdrawn with the closing, or told of by the range.
      ASSERT_TRUE(told_of) << item.first.first << "/" << item.first.second << ": an alert is gone";
    }
  }

  TempDir dir_;
  std::mt19937_64 rng_;
  std::map<Key, Told> told_;
  engine::Salvaged found_;
  std::uint64_t same_ = 0;
  std::uint64_t differ_ = 0;
};

}  // namespace warden::test
