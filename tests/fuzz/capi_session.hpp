// SPDX-License-Identifier: Apache-2.0
//
// A program's calls on one store, chosen by a fuzzer's bytes, on the simulated disk and a
// manual clock; and an oracle beside it (tests/fault/expected.hpp).
//
//   every call     answers a code that its documentation names; an error changes nothing
//   OK and durable is there after closing, killing, a loss of power
//   what is there  was issued; the balance holds; alerts come at least once, and not
//                  again after a durable ack
//
// Invariants
//   1. One thread, no real clock: the same bytes take the same steps.
//   2. What the oracle cannot know exactly is left out of it, by name (forget): items in
//      memory, keys given twice to one batch, tombstones once an hour has passed.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "../fault/expected.hpp"
#include "capi_input.hpp"

namespace warden::fuzz {

class Session {
 public:
  explicit Session(Input& in);
  // One call, or one event of the world.
  void step();
  // Dies one way or another, opens again, and holds what it must.
  void finish();

 private:
  using Call = std::int32_t (*)(warden_store*, const char* flow, std::size_t flow_len,
                                const void* key, std::size_t key_len, const Exact& arg,
                                Session& self, const warden_item_options*, warden_result*);
  struct Verb {
    const char* name;
    Call call;
    std::vector<std::int32_t> answers;  // besides the common ones
    bool takes_stage, takes_rule, takes_payload;
  };
  static const std::vector<Verb>& verbs();

  void verb();
  void batch();
  void define();
  void clock();
  void open_consumer();
  void poll();
  void ack();
  void look();
  void scan();
  void waiting();
  void disk_fault();
  void bad_arguments();
  void configure();
  void delete_consumer();

  void reopen(bool may_fail);
  void close_or_die();
  void check_failed();
  void note_all();
  void forget(const std::string& name) { forgotten_.insert(name); }
  void drop_handles();
  std::string pick_key();
  std::string pick_flow();
  std::int64_t pick_instant();
  warden_store* store() { return engine_.get(); }
  std::int32_t judge(const char* what, std::int32_t code, const std::vector<std::int32_t>& answers);
  void balance();

  Input& in_;
  sim::SimWorld world_;
  io::ManualClock disk_clock_{kSecond};
  fault::SimEngine engine_;
  fault::Expected expected_;
  std::set<std::string> forgotten_;
  std::vector<fault::ConsumerHandle> consumers_;  // the first is "ops", while it is heard
  struct Leased {
    std::uint64_t lease;
    fault::Id id;
  };
  std::vector<Leased> leased_;
  bool hears_ops_ = true;
  bool far_ = false;  // tombstones may have expired
  std::int64_t now_ = 1000 * kSecond;
  std::int64_t start_ = now_;
  std::uint64_t token_ = 0;
  std::uint64_t incarnation_ = 0;
  std::uint64_t lsn_ = 0;
  std::int64_t by_ = 0;
  std::int64_t to_ = 0;
};

}  // namespace warden::fuzz
