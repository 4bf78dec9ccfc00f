// SPDX-License-Identifier: Apache-2.0
//
// Random operations on the hub and on the naive model, compared answer by answer.
// One seed is one run; WARDEN_SEED=n runs that one alone, else kRuns from kSeed on.
#include <cstdio>
#include <cstdlib>
#include <random>

#include "model.hpp"

namespace warden::alert {
namespace {

constexpr std::uint64_t kSeed = 1;
constexpr std::uint64_t kRuns = 300;
constexpr int kSteps = 600;
constexpr const char* kNames[] = {"a", "b", "c", "d"};
constexpr const char* kFlows[] = {"x", "y"};
constexpr const char* kRules[] = {"r0", "r1", "r2"};

struct OpenItem {
  std::uint64_t incarnation = 0;
  std::uint64_t last_lsn = 0;
  bool raised = false;
  std::uint8_t levels[3] = {1, 1, 1};
};

class Walk {
 public:
  explicit Walk(std::uint64_t seed) : random_(seed), gated_(seed % 2 == 0), model_(gated_) {
    HubOptions options;
    options.now = [this] { return now_; };
    options.real_clock = false;
    options.gated = gated_;
    hub_ = std::make_unique<Hub>(std::move(options));
    for (OpenItem& item : items_) item.incarnation = next_incarnation_++;
  }

  void run() {
    for (int step = 0; step < kSteps; ++step) {
      SCOPED_TRACE("step " + std::to_string(step));
      one_step();
      if (step % 7 == 0) compare_figures();
      if (::testing::Test::HasFailure()) return;
    }
    finish();
  }

 private:
  std::uint64_t pick(std::uint64_t below) { return random_() % below; }
  std::string name() { return kNames[pick(4)]; }

  void one_step() {
    const std::uint64_t roll = pick(100);
    if (roll < 30) return raise();
    if (roll < 40) return close_item();
    if (roll < 60) return poll(name(), pick(4) + 1);
    if (roll < 75) return ack();
    if (roll < 80) return nack();
    if (roll < 83) return extend();
    if (roll < 88) return advance();
    if (roll < 93) return make_durable(model_.durable + pick(12));
    if (roll < 97) return open();
    if (roll < 98) return restore();
    if (roll < 99) return remove();
    hub_->on_time(now_);
  }

  std::uint64_t next_lsn(OpenItem& item) {
    log_ += 1 + pick(3);
    // Stripes push in another order than they claim; an item never does.
    item.last_lsn = std::max(item.last_lsn + 1, log_ + pick(6));
    return item.last_lsn;
  }

  ModelAlert random_alert(OpenItem& item) {
    const std::uint64_t rule = pick(3);
    ModelAlert alert;
    alert.item = item.incarnation;
    alert.level = item.levels[rule]++;
    alert.id = id_of(item.incarnation, alert.level, rule);
    alert.incident = incident_of(item.incarnation, rule);
    alert.kind = pick(12) == 0 ? Kind::suspicious : Kind::breach;
    alert.severity = static_cast<std::uint8_t>(1 + pick(4));
    alert.deadline = static_cast<Nanos>(pick(20)) - 5;
    alert.lsn = next_lsn(item);
    alert.flow = kFlows[item.incarnation % 2];
    alert.rule = kRules[rule];
    item.raised = true;
    return alert;
  }

  Alert* real(const ModelAlert& alert) {
    Raise raise{.item = alert.item,
                .level = alert.level,
                .severity = alert.severity,
                .deadline = alert.deadline,
                .rule = alert.incident.high - 100,
                .kind = alert.kind,
                .lsn = Lsn{alert.lsn},
                .flow = kFlows[alert.item % 2],
                .rule_name = kRules[alert.incident.high - 100]};
    return fill(hub_->make(), raise);
  }

  void raise() {
    const ModelAlert alert = random_alert(items_[pick(kItems)]);
    hub_->push(real(alert));
    hub_->notify();
    model_.raise(alert);
  }

  void restore() {
    const ModelAlert alert = random_alert(items_[pick(kItems)]);
    std::set<std::string> names;
    std::vector<Consumer*> holders;
    for (auto& [name, handle] : handles_) {
      if (pick(2) == 0 || !names.insert(name).second) continue;
      holders.push_back(handle.get());
    }
    ASSERT_EQ(hub_->restore(real(alert), holders), Code::ok);
    model_.restore(alert, names);
  }

  void close_item() { close_item(items_[pick(kItems)]); }
  void close_item(OpenItem& item) {
    if (item.raised) {
      const std::uint64_t lsn = next_lsn(item);
      Alert* closing = hub_->make();
      closing->incarnation = item.incarnation;
      closing->lsn = Lsn{lsn};
      hub_->push_closed(closing);
      hub_->notify();
      model_.close_item(item.incarnation, lsn);
    }
    item = OpenItem{};
    item.incarnation = next_incarnation_++;
  }

  void poll(const std::string& name, std::size_t max) {
    if (!handles_.contains(name)) return;
    const std::size_t room = pick(5) == 0 ? pick(3) : max;  // what fits the buffer
    std::vector<Got> got;
    const Counted counted = hub_->poll(*handles_[name], max, 0, [&](const Delivery& delivery) {
      if (got.size() == room) return false;
      got.push_back(Got::of(delivery));
      return true;
    });
    std::vector<ModelEntry*> expected = model_.ready(name, now_);
    const std::size_t offered = std::min(expected.size(), max);
    expected.resize(std::min(offered, room));
    EXPECT_EQ(counted.code, room == 0 && offered > 0 ? Code::buffer_too_small : Code::ok);
    EXPECT_EQ(counted.count, expected.size());
    ASSERT_EQ(got.size(), expected.size());
    for (std::size_t i = 0; i < got.size(); ++i) {
      const ModelAlert& alert = expected[i]->alert;
      EXPECT_EQ(got[i].id, alert.id);
      EXPECT_EQ(got[i].incident, alert.incident);
      EXPECT_EQ(got[i].resolves, alert.resolves);
      EXPECT_EQ(got[i].kind, alert.kind);
      EXPECT_EQ(got[i].level, alert.level);
      EXPECT_EQ(got[i].severity, alert.severity);
      EXPECT_EQ(got[i].deadline, alert.deadline);
      EXPECT_EQ(raw(got[i].lsn), alert.lsn);
      EXPECT_EQ(got[i].delivery, expected[i]->delivery + 1);
      EXPECT_EQ(got[i].flags, expected[i]->withdrawn ? kDeliveryWithdrawn : 0u);
      EXPECT_TRUE(leases_seen_.insert(got[i].lease).second);
      leases_[name].push_back(got[i].lease);
      model_.lease(name, *expected[i], got[i].lease, now_);
    }
  }

  // A lease once handed out to somebody, honoured or not; 0 if there is none.
  std::uint64_t any_lease(const std::string& name) {
    const std::vector<std::uint64_t>& all = leases_[name];
    if (all.empty()) return 0;
    const std::size_t newest = std::min<std::size_t>(all.size(), 12);
    return all[all.size() - 1 - pick(newest)];
  }

  void ack() {
    const std::string who = name();
    if (!handles_.contains(who)) return;
    std::vector<std::uint64_t> leases;
    std::size_t expected = 0;
    for (std::uint64_t i = pick(5); i-- > 0;) {
      leases.push_back(any_lease(pick(8) == 0 ? name() : who));
      expected += model_.ack(who, leases.back()) ? 1 : 0;
    }
    const Counted counted = hub_->ack(*handles_[who], leases);
    EXPECT_EQ(counted.code, Code::ok);
    EXPECT_EQ(counted.count, expected);
  }

  void nack() {
    const std::string who = name();
    if (!handles_.contains(who)) return;
    const std::uint64_t lease = any_lease(who);
    const Nanos delay = pick(3) == 0 ? 0 : static_cast<Nanos>(pick(20)) * kSecond;
    ModelEntry* entry = model_.consumers.at(who).leased(lease);
    EXPECT_EQ(hub_->nack(*handles_[who], lease, delay),
              entry == nullptr ? Code::unknown_lease : Code::ok);
    if (entry == nullptr) return;
    entry->lease = 0;
    entry->hidden_until = now_ + delay;
  }

  void extend() {
    const std::string who = name();
    if (!handles_.contains(who)) return;
    const std::uint64_t lease = any_lease(who);
    const Nanos length = static_cast<Nanos>(pick(60) + 1) * kSecond;
    ModelEntry* entry = model_.consumers.at(who).leased(lease);
    EXPECT_EQ(hub_->extend(*handles_[who], lease, length),
              entry == nullptr ? Code::unknown_lease : Code::ok);
    if (entry != nullptr) entry->hidden_until = now_ + length;
  }

  void advance() {
    now_ += static_cast<Nanos>(pick(15)) * kSecond + static_cast<Nanos>(pick(2));
    if (pick(2) == 0) hub_->on_time(now_);
  }

  void make_durable(std::uint64_t lsn) {
    hub_->set_durable(Lsn{lsn});
    model_.durable = std::max(model_.durable, lsn);
  }

  void open() {
    const std::string who = name();
    ConsumerOptions options;
    options.start = static_cast<Start>(pick(3));
    options.audit = pick(3) == 0;
    options.early = pick(4) == 0;
    options.min_severity = static_cast<std::uint8_t>(pick(3));
    options.lease = static_cast<Nanos>(pick(30) + 1) * kSecond;
    if (pick(4) == 0) options.flow = kFlows[pick(2)];
    if (pick(4) == 0) options.rule = kRules[pick(3)];
    ConsumerRef handle;
    const bool known = handles_.contains(who);
    const bool agrees = known && model_.consumers.at(who).options.agrees_with(options);
    EXPECT_EQ(hub_->open(who, &options, handle).code, known && !agrees ? Code::conflict : Code::ok);
    if (known) return;
    handles_[who] = handle;
    model_.open(who, options);
  }

  void remove() {
    const std::string who = name();
    EXPECT_EQ(hub_->remove(who), model_.remove(who) ? Code::ok : Code::invalid_argument);
    handles_.erase(who);
  }

  void compare_figures() {
    hub_->on_time(now_);
    const Figures figures = hub_->figures();
    EXPECT_EQ(figures.raised, model_.raised);
    EXPECT_EQ(figures.withdrawn, model_.withdrawn);
    EXPECT_EQ(figures.unwanted, model_.unwanted);
    EXPECT_EQ(figures.kept, model_.kept());
    Nanos next = kNever;
    for (auto& [name, consumer] : model_.consumers) {
      EXPECT_EQ(hub_->backlog(*handles_[name]), consumer.entries.size());
      for (const ModelEntry& entry : consumer.entries) {
        if (entry.hidden_until != kNoTime && entry.hidden_until > now_) {
          next = std::min(next, entry.hidden_until);
        }
      }
    }
    EXPECT_EQ(hub_->next_timer(), next);
  }

  // Every item closed, everything durable, all acknowledged: nothing is left.
  void finish() {
    for (OpenItem& item : items_) close_item(item);
    make_durable(~0ull);
    for (int round = 0; round < 400 && !::testing::Test::HasFailure(); ++round) {
      now_ += kMinute;
      for (auto& [name, handle] : handles_) {
        poll(name, 50);
        const std::vector<std::uint64_t>& all = leases_[name];
        std::size_t expected = 0;
        for (const std::uint64_t lease : all) expected += model_.ack(name, lease) ? 1 : 0;
        EXPECT_EQ(hub_->ack(*handle, all).count, expected);
      }
    }
    compare_figures();
    for (auto& [name, handle] : handles_) EXPECT_EQ(hub_->backlog(*handle), 0u);
    EXPECT_EQ(hub_->for_each_told([](const Consumer&, std::uint64_t, const Told&) {
      ADD_FAILURE() << "an incident of a closed item is remembered";
    }),
              Code::ok);
    EXPECT_EQ(hub_->figures().kept, model_.unclaimed.size());
  }

  static constexpr std::size_t kItems = 10;

  std::mt19937_64 random_;
  const bool gated_;
  Model model_;
  Nanos now_ = 0;
  std::uint64_t log_ = 0;
  std::uint64_t next_incarnation_ = 1;
  OpenItem items_[kItems];
  std::unique_ptr<Hub> hub_;
  std::map<std::string, ConsumerRef> handles_;
  std::map<std::string, std::vector<std::uint64_t>> leases_;
  std::set<std::uint64_t> leases_seen_;
};

TEST(Model, random_operations_agree_with_the_naive_hub) {
  std::uint64_t first = kSeed;
  std::uint64_t runs = kRuns;
  if (const char* given = std::getenv("WARDEN_SEED"); given != nullptr) {
    first = std::strtoull(given, nullptr, 0);
    runs = 1;
  }
  std::printf("seeds %llu .. %llu; WARDEN_SEED=n runs one\n",
              static_cast<unsigned long long>(first),
              static_cast<unsigned long long>(first + runs - 1));
  for (std::uint64_t seed = first; seed < first + runs; ++seed) {
    SCOPED_TRACE("WARDEN_SEED=" + std::to_string(seed));
    Walk(seed).run();
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace warden::alert
