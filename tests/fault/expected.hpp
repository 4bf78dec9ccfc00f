// SPDX-License-Identifier: Apache-2.0
//
// What a store must hold after whatever happened to it: of every key the states that it
// went through, from the last acknowledged one on; which alerts were handed out and
// which of them are settled; which consumers and how many flows there are.
//
// Invariants
//   1. A key's states are texts of all that warden_get tells (but the LSN), the empty one
//      first. Recovery must give one at or after `acked`: nothing acknowledged lost,
//      nothing half applied.
//   2. Once the end of the log is durable, all that was issued is acknowledged, since a
//      log is durable as a prefix.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "sim_engine.hpp"

namespace warden::fault {

using Id = std::pair<std::uint64_t, std::uint64_t>;
enum class Presence { absent, present, unknown };

struct Known {
  std::vector<std::string> states{""};
  std::size_t acked = 0;
};

class Expected {
 public:
  // "flow/key"
  std::map<std::string, Known> items;
  std::map<std::string, Presence> consumers;
  unsigned flows_acked = 0;
  unsigned flows_issued = 0;
  std::map<Id, std::uint64_t> handed_out;  // id -> incarnation; RESOLVED ones not counted
  std::set<Id> owed;                       // handed out, not acknowledged
  std::set<Id> acked;                      // not known to be durable
  std::set<Id> settled;

  void made_durable();
  void note(const std::string& name, const std::string& state);

  // Whether the open store holds what it must; what it holds is the truth from now on.
  // "" or what is wrong.
  std::string compare(warden_store* store);
  // Opens what is left in this world, compares, takes every alert, and works on.
  std::string verify(sim::SimWorld& world, std::int64_t now);

 private:
  std::string check_alerts(warden_store* store, std::int64_t now);
  std::string check_consumers(warden_store* store);
};

// Of an item; "" if there is none.
std::string state_of(warden_store* store, const std::string& name);
warden_stats stats_of(warden_store* store);

struct ConsumerClose {
  void operator()(warden_consumer* consumer) const { warden_consumer_close(consumer); }
};
using ConsumerHandle = std::unique_ptr<warden_consumer, ConsumerClose>;

struct Polled {
  std::int32_t code = 0;
  std::vector<warden_alert> alerts;
};
Polled poll(warden_consumer* consumer);

}  // namespace warden::fault
