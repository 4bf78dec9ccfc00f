// SPDX-License-Identifier: Apache-2.0
//
// The hub as anybody would write it without a thought of speed: lists searched
// from end to end, every rule of the semantics spelt out once. The model test runs
// it beside the real one.
#pragma once

#include <algorithm>
#include <list>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "fixture.hpp"

namespace warden::alert {

struct ModelAlert {
  Hash128 id, incident, resolves;
  std::uint64_t item = 0;
  Kind kind = Kind::breach;
  std::uint8_t level = 0;
  std::uint8_t severity = 0;
  Nanos deadline = 0;
  std::uint64_t lsn = 0;
  std::string flow, rule;
  std::uint64_t order = 0;
  bool closed = false;
  std::uint64_t closed_lsn = 0;
};

// One alert for one consumer that has not acknowledged it.
struct ModelEntry {
  ModelAlert alert;
  std::uint32_t delivery = 0;
  bool withdrawn = false;
  Nanos hidden_until = kNoTime;  // leased, or given back with a delay
  std::uint64_t lease = 0;       // 0: none is honoured

  std::uint64_t needs_lsn() const {
    return withdrawn ? std::max(alert.lsn, alert.closed_lsn) : alert.lsn;
  }
};

struct ModelConsumer {
  ConsumerOptions options;
  std::list<ModelEntry> entries;  // in order of arrival
  struct ModelTold {
    std::uint64_t item;
    ModelAlert newest;
  };
  std::vector<ModelTold> told;  // in the order in which incidents were first told

  bool wants(const ModelAlert& alert) const {
    return alert.severity >= options.min_severity &&
           (options.flow.empty() || options.flow == alert.flow) &&
           (options.rule.empty() || options.rule == alert.rule);
  }
  void tell(const ModelAlert& alert) {
    if (is_lasting(alert.kind) || alert.kind == Kind::resolved) return;
    for (ModelTold& known : told) {
      if (known.newest.incident != alert.incident) continue;
      known.newest = alert;
      return;
    }
    told.push_back({alert.item, alert});
  }
  ModelEntry* leased(std::uint64_t lease) {
    for (ModelEntry& entry : entries) {
      if (lease != 0 && entry.lease == lease) return &entry;
    }
    return nullptr;
  }
};

class Model {
 public:
  explicit Model(bool gated) : gated_(gated) {}

  void raise(ModelAlert alert) {
    ++raised;
    alert.order = ++order_;
    if (consumers.empty()) {
      unclaimed.push_back(alert);
      return;
    }
    bool wanted = false;
    for (auto& [name, consumer] : consumers) {
      if (!consumer.wants(alert)) continue;
      consumer.entries.push_back({alert});
      wanted = true;
    }
    if (!wanted) ++unwanted;
  }
  void restore(ModelAlert alert, const std::set<std::string>& holders) {
    alert.order = ++order_;
    if (holders.empty()) {
      unclaimed.push_back(alert);
      return;
    }
    for (const std::string& name : holders) {
      consumers.at(name).entries.push_back({alert, 1});
      consumers.at(name).tell(alert);
    }
  }
  void close_item(std::uint64_t item, std::uint64_t lsn) {
    withdrawn += std::erase_if(unclaimed, [item](const ModelAlert& alert) {
      return alert.item == item && !is_lasting(alert.kind);
    });
    for (auto& [name, consumer] : consumers) {
      for (auto entry = consumer.entries.begin(); entry != consumer.entries.end();) {
        if (entry->alert.item != item || is_lasting(entry->alert.kind) ||
            entry->alert.kind == Kind::resolved) {
          ++entry;
          continue;
        }
        entry->alert.closed = true;
        entry->alert.closed_lsn = lsn;
        if (entry->delivery > 0) {
          ++entry;
          continue;
        }
        ++withdrawn;
        entry->withdrawn = true;
        entry = consumer.options.audit ? std::next(entry) : consumer.entries.erase(entry);
      }
    }
    for (const std::string& name : opened) {  // the hub's order of arrival
      ModelConsumer& consumer = consumers.at(name);
      for (const auto& told : consumer.told) {
        if (told.item != item) continue;
        ModelAlert resolved = told.newest;
        resolved.resolves = resolved.id;
        resolved.id = resolved_id(resolved.incident);
        resolved.kind = Kind::resolved;
        resolved.level = kLevelResolved;
        resolved.lsn = lsn;
        resolved.order = ++order_;
        consumer.entries.push_back({resolved});
      }
      std::erase_if(consumer.told, [item](const auto& told) { return told.item == item; });
    }
  }
  void open(const std::string& name, const ConsumerOptions& options) {
    if (consumers.contains(name)) return;
    ModelConsumer made;
    made.options = options;
    if (options.start != Start::now) {
      std::map<std::uint64_t, ModelAlert> kept;
      for (const auto& [other, consumer] : consumers) {
        for (const ModelEntry& entry : consumer.entries) {
          if (entry.alert.kind != Kind::resolved) kept[entry.alert.order] = entry.alert;
        }
      }
      for (const ModelAlert& alert : unclaimed) kept[alert.order] = alert;
      for (const auto& [order, alert] : kept) {
        if (!made.wants(alert) || (alert.closed && !options.audit)) continue;
        made.entries.push_back({alert, 0, alert.closed && !is_lasting(alert.kind)});
        std::erase_if(unclaimed, [&](const ModelAlert& a) { return a.order == order; });
      }
    }
    consumers[name] = made;
    opened.push_back(name);
  }
  bool remove(const std::string& name) {
    std::erase(opened, name);
    return consumers.erase(name) > 0;
  }
  // What may be handed out now, first to last; each item's first only.
  std::vector<ModelEntry*> ready(const std::string& name, Nanos now) {
    ModelConsumer& consumer = consumers.at(name);
    std::vector<ModelEntry*> out;
    std::set<std::uint64_t> seen;
    for (ModelEntry& entry : consumer.entries) {
      if (!seen.insert(entry.alert.item).second) continue;
      if (entry.hidden_until != kNoTime && now < entry.hidden_until) continue;
      if (gated_ && !consumer.options.early && entry.needs_lsn() > durable) continue;
      out.push_back(&entry);
    }
    std::sort(out.begin(), out.end(), [](const ModelEntry* a, const ModelEntry* b) {
      if (a->alert.severity != b->alert.severity) return a->alert.severity > b->alert.severity;
      if (a->alert.deadline != b->alert.deadline) return a->alert.deadline < b->alert.deadline;
      return a->alert.order < b->alert.order;
    });
    return out;
  }
  void lease(const std::string& name, ModelEntry& entry, std::uint64_t lease, Nanos now) {
    ModelConsumer& consumer = consumers.at(name);
    if (entry.delivery++ == 0 && !entry.withdrawn) consumer.tell(entry.alert);
    entry.lease = lease;
    entry.hidden_until = now + consumer.options.lease;
  }
  bool ack(const std::string& name, std::uint64_t lease) {
    ModelConsumer& consumer = consumers.at(name);
    return lease != 0 && std::erase_if(consumer.entries, [lease](const ModelEntry& entry) {
                           return entry.lease == lease;
                         }) > 0;
  }
  std::size_t kept() const {
    std::set<std::uint64_t> orders;
    for (const auto& [name, consumer] : consumers) {
      for (const ModelEntry& entry : consumer.entries) orders.insert(entry.alert.order);
    }
    return orders.size() + unclaimed.size();
  }

  std::uint64_t durable = 0;
  std::uint64_t raised = 0, withdrawn = 0, unwanted = 0;
  std::map<std::string, ModelConsumer> consumers;
  std::vector<std::string> opened;
  std::vector<ModelAlert> unclaimed;

 private:
  const bool gated_;
  std::uint64_t order_ = 0;
};

}  // namespace warden::alert
