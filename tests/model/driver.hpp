// SPDX-License-Identifier: Apache-2.0
//
// One run of the engine beside the model: random verbs with random instants on both,
// every answer, every alert and the open set compared.
#pragma once

#include <memory>

#include "../unit/capi/client.hpp"
#include "random_flow.hpp"

namespace warden::test {

class Driver {
 public:
  explicit Driver(std::uint64_t seed);
  void run(int steps);  // stops at the first difference

 private:
  struct Tracked {
    std::uint64_t id;
    std::shared_ptr<const FlowDef> flow;
    std::string key, payload;
    std::vector<Event> history;
    std::uint64_t seq = 0;
    std::uint64_t incarnation = 0;  // the engine's names for it and for its try
    std::uint64_t token = 0;
    std::size_t emitted = 0;  // alerts given to the consumers
    View view;
  };
  struct Stone {
    std::uint32_t verdict;
    bool early;
    Nanos expires_s;
    std::uint64_t incarnation;
  };
  using Name = std::pair<std::string, std::string>;  // flow and key
  // A verb, as both sides are asked.
  struct Ask {
    enum Verb { submit, track, exec, mark, touch, extend_by, extend_to, complete, cancel };
    Verb verb = track;
    Name name;
    std::string payload, arg;
    Nanos amount = 0;
    With with;
  };
  struct Told {
    std::int32_t code = 0;
    std::uint32_t state = 0, verdict = 0, alerts = 0, tries = 0;
    Nanos deadline = WARDEN_NO_TIME, late = 0;
    bool has_item = false;
  };

  // The model's side: model_verbs.cpp.
  Told ask_model(const Ask& ask);
  Told open_item(const Ask& ask, bool begins);
  Told change(const Ask& ask, Tracked& item);
  Told apply(const Ask& ask, Tracked& item, const View& now);
  Told extend(const Ask& ask, Tracked& item, const View& now);
  static Told refuse(const Tracked& item, std::int32_t code);
  static std::int32_t when_closed(Ask::Verb verb);
  Told accept(Tracked& item, const Event& event, const Ask& ask, std::int32_t code);
  std::int32_t check_dues(const FlowDef& flow, const std::vector<Due>& dues) const;
  bool remembered(const Name& name, Nanos at);
  void settle(const Name& name);
  static void fill(Told& told, const View& view);
  static std::vector<GivenDue> given(const With& with);

  // The engine's side and the comparisons: driver.cpp.
  Answer ask_engine(const Ask& ask);
  Ask random_ask();
  With random_with(const Tracked* item);
  Nanos random_at(const Tracked* item);
  void compare(const Ask& ask, const Told& told, std::int32_t code, const warden_result* r);
  void batch();
  void advance();
  void redefine();
  void drain(Consumer& consumer, ModelConsumer& model);
  Expected translate(const Alert& alert);
  void compare_item(const Name& name, const Tracked* item);
  void compare_items();
  static std::string describe(const Ask& ask);

  Random random_;
  Nanos clock_;
  std::string start_, tick_;
  Store store_;
  Consumer plain_, audit_;
  ModelConsumer model_plain_{false}, model_audit_{true};
  std::vector<std::string> flow_names_;
  std::map<std::string, std::shared_ptr<const FlowDef>> newest_;
  std::map<std::string, std::vector<std::shared_ptr<const FlowDef>>> versions_;
  std::map<Name, Tracked> open_;
  std::map<Name, Stone> stones_;
  std::uint64_t next_id_ = 1;
  std::map<std::uint64_t, std::uint64_t> id_of_incarnation_;
  using Id = std::pair<std::uint64_t, std::uint64_t>;
  struct Named {
    std::string what;
    std::uint32_t level;
    Id incident;
  };
  std::map<Id, Named> alerts_;  // by id
  std::map<std::string, Id> ids_;
  std::uint64_t raised_ = 0, created_ = 0, early_ = 0, answers_ = 0;
  std::map<std::uint32_t, std::uint64_t> closed_;
};

}  // namespace warden::test
