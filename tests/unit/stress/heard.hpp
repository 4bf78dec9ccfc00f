// SPDX-License-Identifier: Apache-2.0
//
// What a stress run was told: by the verbs, and by the alerts.
//
// Invariants checked as alerts come in, whatever the order of threads:
//   1. No alert is handed out twice, none before its deadline.
//   2. A level of an arming is raised once; an incident is resolved once, and never
//      before its alert.
#pragma once

#include <map>
#include <mutex>
#include <set>
#include <tuple>

#include "client.hpp"

namespace warden::test {

// What one worker was answered, or all together.
struct Journal {
  std::map<std::uint64_t, int> created;
  std::map<std::uint64_t, std::int32_t> closed;  // by incarnation: the closing answer

  void note_created(const Answer& answer) {
    if (answer.code == WARDEN_NEW) ++created[answer.r.incarnation];
  }
  void note_closed(const Answer& answer) {
    EXPECT_TRUE(closed.emplace(answer.r.incarnation, answer.code).second) << "closed twice";
  }
  void add(const Journal& other) {
    for (const auto& [incarnation, times] : other.created) created[incarnation] += times;
    for (const auto& [incarnation, code] : other.closed) {
      EXPECT_TRUE(closed.emplace(incarnation, code).second) << "closed by two threads";
    }
  }
};

class Heard {
 public:
  using Arming = std::tuple<std::uint64_t, std::string, std::uint32_t>;

  void add(const Alert& one) {
    const std::lock_guard guard(mutex_);
    EXPECT_EQ(one.raw.delivery, 1u) << "leases are long: nothing comes twice";
    EXPECT_EQ(one.payload, "payload");
    if (one.raw.kind == WARDEN_KIND_RESOLVED) {
      EXPECT_TRUE(resolved_.insert(one.incident()).second) << "an incident resolved twice";
      EXPECT_EQ(ids.count(one.resolves()), 1u) << "RESOLVED overtook its alert";
      return;
    }
    EXPECT_TRUE(ids.insert(one.id()).second) << "an alert handed out twice";
    EXPECT_GT(one.raw.detected_ns, one.raw.deadline_ns) << "raised too early";
    EXPECT_GE(one.raw.raised_ns, one.raw.deadline_ns);
    EXPECT_LE(one.raw.raised_ns, one.raw.detected_ns);
    if (one.raw.kind == WARDEN_KIND_EXPIRED) {
      EXPECT_TRUE(expired.insert(one.raw.incarnation).second) << "expired twice";
      return;
    }
    const Arming arming{one.raw.incarnation, one.rule, one.raw.arming};
    EXPECT_TRUE(levels[arming].insert(one.raw.level).second) << "a level raised twice";
  }

  // To be read when no poller runs any more.
  std::set<std::pair<std::uint64_t, std::uint64_t>> ids;
  std::set<std::uint64_t> expired;
  std::map<Arming, std::set<std::uint32_t>> levels;

 private:
  std::mutex mutex_;
  std::set<std::pair<std::uint64_t, std::uint64_t>> resolved_;
};

}  // namespace warden::test
