// SPDX-License-Identifier: Apache-2.0
#include "driver.hpp"

#include <algorithm>

namespace warden::test {
namespace {

constexpr int kKeys = 12;
const std::vector<std::string> kTicks = {"64us", "1ms", "17ms", "1s"};
const std::vector<Nanos> kStarts = {10'000 * kS, 1'700'000'000 * kS + 7, 3'153'600'000 * kS};

}  // namespace

Driver::Driver(std::uint64_t seed)
    : random_(seed),
      clock_(random_.of(kStarts)),
      start_(std::to_string(clock_)),
      tick_(random_.of(kTicks)),
      store_{{"clock", "manual"},
             {"start", start_.c_str()},
             {"tick", tick_.c_str()},
             {"stripes", "16"}},
      plain_(store_.consumer("plain")) {
  warden_consumer_options options = WARDEN_CONSUMER_OPTIONS_INIT;
  options.audit = 1;
  audit_ = store_.consumer("audit", &options);
  flow_names_ = {"f", "g"};
  for (int i = 0; i < 3; ++i) redefine();
}

// A new version of a flow, or an older one again.
void Driver::redefine() {
  const std::string name =
      newest_.size() < flow_names_.size() ? flow_names_[newest_.size()] : random_.of(flow_names_);
  auto& versions = versions_[name];
  if (versions.empty() || !random_.one_in(3)) {
    versions.push_back(std::make_shared<const FlowDef>(random_flow(random_, name)));
    newest_[name] = versions.back();
  } else {
    newest_[name] = random_.of(versions);
  }
  SCOPED_TRACE(newest_[name]->text());
  store_.define(newest_[name]->text());
}

Nanos Driver::random_at(const Tracked* item) {
  const auto wide = [this] { return static_cast<Nanos>(random_.below(1ULL << random_.below(40))); };
  if (item == nullptr || random_.one_in(8)) {
    return random_.one_in(2) ? clock_ + wide() : clock_ - std::min<Nanos>(wide(), 900 * kS);
  }
  const View& view = item->view;
  if (random_.one_in(6)) return view.own - std::min<Nanos>(wide(), 60 * kS);
  if (random_.one_in(2)) {
    // Around the instants that matter.
    for (const RuleState& rule : view.rules) {
      if (rule.armed && rule.level < 2 && random_.one_in(2)) {
        return rule.deadline + static_cast<Nanos>(random_.below(3)) - 1;
      }
    }
  }
  return view.own + wide();
}

With Driver::random_with(const Tracked* item) {
  With with;
  with.at = random_at(item);
  // At most one reason to refuse, so that no order of checks is presumed.
  const std::uint64_t kind = random_.below(8);
  const std::uint64_t known = item == nullptr ? 0 : item->seq;
  if (kind < 3) with.seq = known + 1 + random_.below(3);
  if (kind == 3 && known != 0) with.seq = 1 + random_.below(known);
  if (kind == 4 && item != nullptr) with.incarnation = item->incarnation;
  if (kind == 5 && random_.one_in(4)) with.incarnation = 1 + random_.below(1000) * 2;
  if (kind == 6 && item != nullptr) with.token = item->token;
  if (kind == 7 && random_.one_in(4)) with.token = 3 + random_.below(1000) * 2;
  return with;
}

Driver::Ask Driver::random_ask() {
  Ask ask;
  std::string key = "k";
  key += std::to_string(random_.below(kKeys));
  ask.name = {random_.of(flow_names_), key};
  const auto found = open_.find(ask.name);
  const Tracked* item = found == open_.end() ? nullptr : &found->second;
  const FlowDef& flow = item == nullptr ? *newest_.at(ask.name.first) : *item->flow;
  ask.with = random_with(item);
  const std::uint64_t dice = random_.below(100);
  ask.verb = dice < 8    ? Ask::submit
             : dice < 26 ? Ask::track
             : dice < 34 ? Ask::exec
             : dice < 68 ? Ask::mark
             : dice < 78 ? Ask::touch
             : dice < 84 ? Ask::extend_by
             : dice < 90 ? Ask::extend_to
             : dice < 97 ? Ask::complete
                         : Ask::cancel;
  const bool clean = ask.with.seq == 0 && ask.with.token == 0 && ask.with.incarnation == 0;
  ask.payload = item == nullptr ? std::string(random_.below(4), 'x') : item->payload;
  if (clean && random_.one_in(10)) ask.payload += "other";
  if (ask.verb == Ask::submit && random_.one_in(2)) {
    ask.with.ttl = kMs + static_cast<Nanos>(random_.below(60 * kS));
  }
  if (ask.verb == Ask::mark) {
    ask.arg = std::string(1, static_cast<char>('a' + random_.below(flow.stages.size() + 1)));
  }
  if (ask.verb == Ask::mark || ask.verb == Ask::track || ask.verb == Ask::exec) {
    for (const RuleDef& rule : flow.rules) {
      if (rule.kind != RuleKind::due || !random_.one_in(2)) continue;
      ask.with.dues.push_back(
          {rule.name, ask.with.at - 10 * kS + static_cast<Nanos>(random_.below(60 * kS))});
    }
    if (clean && random_.one_in(20)) ask.with.dues.push_back({"nosuch", 5});
  }
  if (ask.verb == Ask::extend_by || ask.verb == Ask::extend_to) {
    ask.arg = flow.rules.empty() ? "p" : random_.of(flow.rules).name;
    const Nanos length = static_cast<Nanos>(random_.below(1ULL << random_.below(36)));
    ask.amount = random_.one_in(3) ? -length : length;
    if (ask.verb == Ask::extend_to) ask.amount += ask.with.at;
    if (ask.verb == Ask::extend_by && ask.with.seq == 0 && ask.with.token == 0) {
      ask.with.seq = (item == nullptr ? 0 : item->seq) + 1;
    }
  }
  ask.with.allow_early = ask.verb == Ask::complete && random_.one_in(4);
  return ask;
}

std::string Driver::describe(const Ask& ask) {
  static const char* const kVerbs[] = {"submit",    "track",     "exec",     "mark",  "touch",
                                       "extend by", "extend to", "complete", "cancel"};
  std::string out = kVerbs[ask.verb];
  out += " " + ask.name.first + "/" + ask.name.second + " '" + ask.arg + "' ";
  out += std::to_string(ask.amount);
  out += " at ";
  out += std::to_string(ask.with.at);
  out += " seq ";
  out += std::to_string(ask.with.seq);
  for (const Due& due : ask.with.dues) {
    out += " due " + due.rule + " ";
    out += std::to_string(due.instant);
  }
  return out;
}

Answer Driver::ask_engine(const Ask& ask) {
  store_.flow = ask.name.first;
  const std::string& key = ask.name.second;
  switch (ask.verb) {
    case Ask::submit:
      return store_.submit(key, ask.payload, ask.with);
    case Ask::track:
      return store_.track(key, ask.payload, ask.with);
    case Ask::exec:
      return store_.exec(key, ask.with);
    case Ask::mark:
      return store_.mark(key, ask.arg, ask.with);
    case Ask::touch:
      return store_.touch(key, ask.with);
    case Ask::extend_by:
      return store_.extend_by(key, ask.arg, ask.amount, ask.with);
    case Ask::extend_to:
      return store_.extend_to(key, ask.arg, ask.amount, ask.with);
    case Ask::complete:
      return store_.complete(key, ask.with);
    case Ask::cancel:
      return store_.cancel(key, ask.with);
  }
  return {};
}

// `r` has incarnation, token and verdict at least; a batch's answer has no more.
void Driver::compare(const Ask& ask, const Told& told, std::int32_t code, const warden_result* r) {
  ++answers_;
  ASSERT_STREQ(warden_code_name(code), warden_code_name(told.code));
  ASSERT_EQ(code, told.code);
  if (code < 0) return;
  ASSERT_EQ(r->verdict, told.verdict);
  if (r->struct_size != 0) {
    EXPECT_EQ(r->state, told.state);
    EXPECT_EQ(r->alerts, told.alerts);
    EXPECT_EQ(r->tries, told.tries);
    EXPECT_EQ(r->deadline_ns, told.deadline);
    EXPECT_EQ(r->late_ns, told.late);
  }
  const auto found = open_.find(ask.name);
  if (!told.has_item || found == open_.end()) return;
  Tracked& item = found->second;
  if (code == WARDEN_NEW) {
    item.incarnation = r->incarnation;
    EXPECT_TRUE(id_of_incarnation_.emplace(r->incarnation, item.id).second)
        << "an incarnation is used again";
  }
  EXPECT_EQ(r->incarnation, item.incarnation);
  if (item.view.tries == 0) {
    EXPECT_EQ(r->token, 0u);
  } else {
    if (item.token == 0) item.token = r->token;
    EXPECT_NE(r->token, 0u);
    EXPECT_EQ(r->token, item.token);
  }
}

void Driver::batch() {
  static const std::pair<Ask::Verb, std::uint32_t> kOps[] = {{Ask::track, WARDEN_OP_TRACK},
                                                             {Ask::mark, WARDEN_OP_MARK},
                                                             {Ask::complete, WARDEN_OP_COMPLETE}};
  const auto& [verb, op] = kOps[random_.below(3)];
  const std::string flow = random_.of(flow_names_);
  std::vector<Ask> asks;
  std::vector<warden_batch_entry> entries;
  std::vector<warden_batch_due> dues;
  std::string blob;
  const auto put = [&blob](const std::string& bytes) {
    blob += bytes;
    return static_cast<std::uint32_t>(blob.size() - bytes.size());
  };
  for (std::uint64_t wanted = random_.below(40); asks.size() < wanted;) {
    Ask ask = random_ask();
    if (ask.verb != verb || ask.name.first != flow) continue;
    ask.with.allow_early = false;
    const std::string& arg = verb == Ask::track ? ask.payload : ask.arg;
    warden_batch_entry entry{};
    entry.key_offset = put(ask.name.second);
    entry.key_len = static_cast<std::uint32_t>(ask.name.second.size());
    entry.arg_offset = put(arg);
    entry.arg_len = static_cast<std::uint32_t>(arg.size());
    entry.due_first = static_cast<std::uint32_t>(dues.size());
    entry.due_count = static_cast<std::uint32_t>(ask.with.dues.size());
    for (const Due& due : ask.with.dues) {
      dues.push_back({put(due.rule), static_cast<std::uint32_t>(due.rule.size()), due.instant});
    }
    entry.incarnation = ask.with.incarnation;
    entry.token = ask.with.token;
    entry.seq = ask.with.seq;
    entry.at_ns = ask.with.at;
    entries.push_back(entry);
    asks.push_back(std::move(ask));
  }
  std::vector<warden_batch_result> results(asks.size());
  warden_batch batch = WARDEN_BATCH_INIT;
  batch.count = static_cast<std::uint32_t>(entries.size());
  batch.flow = flow.data();
  batch.flow_len = flow.size();
  batch.blob = blob.data();
  batch.blob_len = blob.size();
  batch.entries = entries.data();
  batch.dues = dues.data();
  batch.due_count = dues.size();
  batch.results = results.data();
  std::int32_t good = 0;
  const std::int32_t counted = warden_batch_run(store_.get(), op, &batch, nullptr);
  for (std::size_t i = 0; i < asks.size() && !::testing::Test::HasFailure(); ++i) {
    SCOPED_TRACE(describe(asks[i]));
    warden_result r{};  // no struct_size: only what a batch tells
    r.verdict = results[i].verdict;
    r.incarnation = results[i].incarnation;
    r.token = results[i].token;
    compare(asks[i], ask_model(asks[i]), results[i].code, &r);
    good += results[i].code >= 0 ? 1 : 0;
  }
  EXPECT_EQ(counted, good);
}

void Driver::advance() {
  Nanos to = clock_;
  if (!random_.one_in(5)) to += static_cast<Nanos>(random_.below(1ULL << random_.below(39)));
  if (random_.one_in(3)) {
    // To an instant that matters, or one beside it.
    for (const auto& [name, item] : open_) {
      const Nanos deadline = item.view.deadline();
      if (deadline == kNone || !random_.one_in(3)) continue;
      to = std::max(clock_, deadline + static_cast<Nanos>(random_.below(3)) - 1);
      break;
    }
  }
  store_.advance(to);
  clock_ = to;
  std::vector<Name> names;
  for (const auto& [name, item] : open_) names.push_back(name);
  for (const Name& name : names) {
    open_.at(name).history.push_back({.what = Event::clock, .at = to});
    settle(name);
  }
}

void Driver::run(int steps) {
  for (int i = 0; i < steps && !::testing::Test::HasFailure(); ++i) {
    const std::uint64_t dice = random_.below(100);
    if (dice < 80) {
      const Ask ask = random_ask();
      SCOPED_TRACE(describe(ask));
      const Told told = ask_model(ask);
      const Answer answer = ask_engine(ask);
      compare(ask, told, answer.code, &answer.r);
    } else if (dice < 90) {
      advance();
    } else if (dice < 92) {
      batch();
    } else if (dice < 93) {
      redefine();
    } else if (dice < 96) {
      drain(plain_, model_plain_);
    } else if (dice < 99) {
      drain(audit_, model_audit_);
    } else {
      compare_items();
    }
  }
  if (::testing::Test::HasFailure()) return;
  advance();
  compare_items();
  drain(plain_, model_plain_);
  drain(audit_, model_audit_);
}

}  // namespace warden::test
