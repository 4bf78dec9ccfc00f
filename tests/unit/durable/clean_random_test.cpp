// SPDX-License-Identifier: Apache-2.0
//
// Random programs against two stores: one in a directory, whose log is filled until the
// cleaner has freed everything that the last steps wrote, and which is then reopened as
// a crash would leave it; and one in memory, which has neither log nor cleaner. Both are
// told the same and must answer the same, whatever was moved in between.
//
//   steps -> both stores          compare: every answer's code, every item, the counts
//   churn, crash -> the directory compare again; alerts: what each consumer was told
//
// Incarnations, tokens and LSNs are the stores' own, so alerts are told apart by what
// they are of. A consumer polled before each crash sees alerts and RESOLVEDs as the one
// in memory does; one that never polls before the end may, after a restart, see alerts
// that a closing would have withdrawn (every un-acknowledged alert counts as leased):
// so of it only open items' alerts are compared.
#include <cstdlib>
#include <map>
#include <random>
#include <set>

#include "on_disk.hpp"

namespace warden::test {
namespace {

constexpr int kKeys = 40;

std::string name_of(const Alert& one) {
  std::ostringstream out;
  out << one.key << '/' << one.rule << " kind " << one.raw.kind << " level " << one.raw.level
      << " arming " << one.raw.arming << " deadline " << one.raw.deadline_ns << " raised "
      << one.raw.raised_ns << " stage " << one.stage << " tries " << one.raw.tries << " payload "
      << one.payload.size();
  return out.str();
}

// An item without what differs between two stores.
std::string plain_text(Item item) {
  item.raw.incarnation = item.raw.token = 0;
  return text_of(item);
}

class CleanRandom : public OnDisk {
 protected:
  void define() {
    for (Store* one : {&store(), memory_.get()}) one->define(kUpload);
  }
  // The same call on both; the codes must agree.
  template <class Call>
  void both(const std::string& what, Call&& call) {
    const std::int32_t one = call(store());
    const std::int32_t two = call(*memory_);
    ASSERT_EQ(one, two) << what;
  }
  void step() {
    now_ += static_cast<std::int64_t>(random_() % 5) * kS;
    const std::string key = numbered("k", random_() % kKeys);
    With with{.at = now_, .durability = WARDEN_DURABILITY_BUFFERED};
    if (random_() % 3 == 0) with.seq = 1 + random_() % 50;
    static const char* const kStages[] = {"uploading", "uploaded", "copied", "backed-up",
                                          "rejected"};
    const char* stage = kStages[random_() % (random_() % 4 == 0 ? 5 : 3)];
    const std::string payload(random_() % 2000, 'x');
    const std::int64_t due = now_ + static_cast<std::int64_t>(random_() % 200) * kS;
    switch (random_() % 12) {
      case 0:
        with.ttl = static_cast<std::int64_t>(1 + random_() % 100) * kS;
        both("submit " + key, [&](Store& s) { return s.submit(key, "payload", with).code; });
        break;
      case 1:
      case 2:
        both("track " + key, [&](Store& s) { return s.track(key, payload, with).code; });
        break;
      case 3:
        with.dues = {{"promised", due}};
        both("track with a due " + key, [&](Store& s) { return s.track(key, "p", with).code; });
        break;
      case 4:
        both("exec " + key, [&](Store& s) { return s.exec(key, with).code; });
        break;
      case 5:
        with.allow_early = random_() % 2 == 0;
        both("complete " + key, [&](Store& s) { return s.complete(key, with).code; });
        break;
      case 6:
        both("cancel " + key, [&](Store& s) { return s.cancel(key, with).code; });
        break;
      case 7:
        both("touch " + key, [&](Store& s) { return s.touch(key, with).code; });
        break;
      case 8:
        both("extend " + key, [&](Store& s) { return s.extend_to(key, "total", due, with).code; });
        break;
      default:
        both("mark " + key, [&](Store& s) { return s.mark(key, stage, with).code; });
    }
    if (random_() % 20 == 0) {
      for (Store* one : {&store(), memory_.get()}) one->advance(std::max(now_, one->now));
    }
  }
  // Until every segment that held what was written before is gone.
  void churn() {
    Store& s = store();
    ASSERT_EQ(warden_sync(s.get(), kLong), WARDEN_OK);
    const std::string flow = s.flow;
    s.define("[flow]\nname = \"churn\"\nstages = []\ndedupe = \"1s\"\n");
    const std::string payload(60000, 'c');
    const With with{.at = now_, .durability = WARDEN_DURABILITY_BUFFERED};
    const std::uint64_t goal = s.stats().log_freed + 2 + random_() % 4;
    while (s.stats().log_freed < goal) {
      const std::string key = numbered("churn", ++churned_);
      ASSERT_EQ(s.track(key, payload, with).code, WARDEN_NEW);
      ASSERT_EQ(s.complete(key, with).code, WARDEN_ON_TIME);
      if (churned_ % 64 == 0) {
        ASSERT_EQ(warden_sync(s.get(), kLong), WARDEN_OK);
      }
    }
    ASSERT_EQ(warden_sync(s.get(), kLong), WARDEN_OK);
    s.flow = flow;
  }
  static std::map<std::string, std::string> items_of(Store& s) {
    std::map<std::string, std::string> out;
    for (const Item& one : s.scan()) {
      if (one.flow == "upload") out[one.key] = plain_text(one);
    }
    return out;
  }
  void compare() {
    ASSERT_EQ(items_of(store()), items_of(*memory_));
    for (int i = 0; i < kKeys; ++i) {
      const Item one = store().get_item(numbered("k", i));
      const Item two = memory_->get_item(numbered("k", i));
      ASSERT_EQ(one.code, two.code) << "k" << i;
      ASSERT_EQ(one.raw.verdict, two.raw.verdict) << "k" << i;
    }
    const warden_stats one = store().stats();
    const warden_stats two = memory_->stats();
    const auto churned = static_cast<std::uint64_t>(churned_);
    EXPECT_EQ(one.submitted_total, two.submitted_total + churned);
    EXPECT_EQ(one.done, two.done + churned);
    EXPECT_EQ(one.cancelled, two.cancelled);
    EXPECT_EQ(one.expired, two.expired);
    EXPECT_EQ(one.early, two.early);
    EXPECT_EQ(one.alerts_raised, two.alerts_raised);
    store().expect_balance();
  }
  static std::multiset<std::string> told(Store& s, const char* consumer) {
    std::multiset<std::string> out;
    for (const Alert& one : s.consumer(consumer).drain()) out.insert(name_of(one));
    return out;
  }
  // Only of items that are open now.
  static std::set<std::string> owed(Store& s, const char* consumer) {
    std::set<std::string> out;
    for (const Alert& one : s.consumer(consumer).drain()) {
      const Item item = s.get_item(one.key);
      const bool open = item.code == WARDEN_OK && item.raw.incarnation == one.raw.incarnation;
      if (!open) continue;
      EXPECT_TRUE(out.insert(name_of(one)).second) << name_of(one) << " came twice";
    }
    return out;
  }

  std::mt19937_64 random_;
  std::unique_ptr<Store> memory_ = std::make_unique<Store>();
  std::int64_t now_ = 0;
  int churned_ = 0;
};

TEST_P(CleanRandom, ADirectoryThatIsCleanedIsAsMemory) {
  const char* given = std::getenv("WARDEN_SEED");
  const std::uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 10) : 1;
  SCOPED_TRACE("repeat with WARDEN_SEED=" + std::to_string(seed));
  random_.seed(seed);
  open();
  define();
  for (Store* one : {&store(), memory_.get()}) {
    one->consumer("steady");
    one->consumer("late");
  }
  for (int round = 0; round < 12 && !HasFatalFailure(); ++round) {
    for (int i = 0; i < 150 && !HasFatalFailure(); ++i) step();
    // What is not durable is not handed out.
    ASSERT_EQ(warden_sync(store().get(), kLong), WARDEN_OK);
    EXPECT_EQ(told(store(), "steady"), told(*memory_, "steady")) << "round " << round;
    churn();
    compare();
    crash();
    compare();
    EXPECT_TRUE(told(store(), "steady").empty()) << "acknowledged, and came again";
  }
  EXPECT_EQ(owed(store(), "late"), owed(*memory_, "late"));
}

WARDEN_ON_BOTH_BACKENDS(CleanRandom);

}  // namespace
}  // namespace warden::test
