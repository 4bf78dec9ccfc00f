// SPDX-License-Identifier: Apache-2.0
//
// The verbs on items, one by one and in batches, and what they may answer.
#include <algorithm>

#include "capi_session.hpp"
#include "capi_words.hpp"
#include "plant.hpp"

namespace warden::fuzz {

using fault::state_of;

namespace {

// Verbs of a key alone, and those that take bytes besides.
template <auto kVerb>
std::int32_t plain(warden_store* store, const char* flow, std::size_t flow_len, const void* key,
                   std::size_t key_len, const Exact&, Session&, const warden_item_options* options,
                   warden_result* result) {
  return kVerb(store, flow, flow_len, key, key_len, options, result);
}
template <auto kVerb>
std::int32_t with_bytes(warden_store* store, const char* flow, std::size_t flow_len,
                        const void* key, std::size_t key_len, const Exact& bytes, Session&,
                        const warden_item_options* options, warden_result* result) {
  return kVerb(store, flow, flow_len, key, key_len, bytes.data(), bytes.size(), options, result);
}

}  // namespace

const std::vector<Session::Verb>& Session::verbs() {
  static const Call kExtend = [](warden_store* store, const char* flow, std::size_t flow_len,
                                 const void* key, std::size_t key_len, const Exact& rule,
                                 Session& self, const warden_item_options* options,
                                 warden_result* result) {
    return warden_extend(store, flow, flow_len, key, key_len, rule.data(), rule.size(), self.by_,
                         self.to_, options, result);
  };
  static const std::vector<Verb> kAll{
      {"submit",
       with_bytes<warden_submit>,
       {WARDEN_NEW, WARDEN_EXISTING, WARDEN_ALREADY_DONE, WARDEN_DONE_EARLY, WARDEN_E_CONFLICT},
       false,
       false,
       true},
      {"track",
       with_bytes<warden_track>,
       {WARDEN_NEW, WARDEN_EXISTING, WARDEN_ALREADY_DONE, WARDEN_DONE_EARLY, WARDEN_E_CONFLICT,
        WARDEN_E_UNKNOWN_RULE},
       false,
       false,
       true},
      {"exec",
       plain<warden_exec>,
       {WARDEN_ARMED, WARDEN_ALREADY_ARMED, WARDEN_ALREADY_DONE, WARDEN_E_UNKNOWN_ITEM,
        WARDEN_E_UNKNOWN_RULE},
       false,
       false,
       false},
      {"mark",
       with_bytes<warden_mark>,
       {WARDEN_OK, WARDEN_CLOSED, WARDEN_E_UNKNOWN_ITEM, WARDEN_E_UNKNOWN_STAGE, WARDEN_E_BAD_STATE,
        WARDEN_E_UNKNOWN_RULE},
       true,
       false,
       false},
      {"touch",
       plain<warden_touch>,
       {WARDEN_OK, WARDEN_CLOSED, WARDEN_E_UNKNOWN_ITEM, WARDEN_E_BAD_STATE},
       false,
       false,
       false},
      {"extend",
       kExtend,
       {WARDEN_OK, WARDEN_CAPPED, WARDEN_CLOSED, WARDEN_E_UNKNOWN_ITEM, WARDEN_E_UNKNOWN_RULE,
        WARDEN_E_BAD_STATE},
       false,
       true,
       false},
      {"complete",
       plain<warden_complete>,
       {WARDEN_ON_TIME, WARDEN_LATE, WARDEN_ALREADY_DONE, WARDEN_RECORDED_EARLY,
        WARDEN_E_UNKNOWN_ITEM},
       false,
       false,
       false},
      {"cancel",
       plain<warden_cancel>,
       {WARDEN_OK, WARDEN_ALREADY_DONE, WARDEN_E_UNKNOWN_ITEM},
       false,
       false,
       false},
  };
  return kAll;
}

std::string Session::pick_flow() {
  return std::string(in_.pick(kFlowNames));
}

std::string Session::pick_key() {
  const std::uint8_t what = in_.byte();
  if (what < 240) return std::string(1, static_cast<char>('a' + what % 6));
  if (what == 240) return {};
  if (what == 241) return std::string(512, 'k');
  if (what == 242) return std::string(513, 'k');
  return in_.bytes(16);
}

std::int64_t Session::pick_instant() {
  const std::int64_t span = in_.pick(kSpans);
  if (span == kNever - 1 || span == WARDEN_NO_TIME + 1) {
    far_ = true;
    return span;
  }
  if (span > kFarAway) far_ = true;
  return add_sat(now_, span);
}

void Session::verb() {
  const Verb& verb = verbs()[in_.byte() % verbs().size()];
  const std::string flow = pick_flow();
  const std::string key = pick_key();
  const std::string name = flow + "/" + key;
  warden_item_options options = WARDEN_ITEM_OPTIONS_INIT;
  options.at_ns = now_;
  const Exact due_name(in_.rarely(4) ? in_.pick(kRules) : string_view("promised"));
  warden_due dues[2]{};
  if (in_.rarely(3)) {
    const std::uint8_t extra = in_.byte();
    options.at_ns = in_.rarely(16) ? WARDEN_NO_TIME : pick_instant();
    if ((extra & 1) != 0) options.seq = in_.byte();
    if ((extra & 2) != 0) options.token = in_.rarely(4) ? in_.byte() : token_;
    if ((extra & 4) != 0) options.incarnation = in_.rarely(4) ? in_.byte() : incarnation_;
    if ((extra & 8) != 0) {
      options.dues = in_.rarely(8) ? nullptr : dues;
      options.due_count = 1 + in_.byte() % 2;
      for (warden_due& due : dues) due = {due_name.data(), due_name.size(), pick_instant()};
    }
    if ((extra & 16) != 0) options.ttl_ns = in_.pick(kSpans);
    if ((extra & 32) != 0) options.allow_early = 1 + in_.byte() / 250;
    if ((extra & 64) != 0) options.durability = in_.byte() % 5;
    if ((extra & 128) != 0) options.reserved = in_.byte() / 200;
  }
  std::string arg;
  if (verb.takes_stage) arg = in_.rarely(8) ? in_.bytes(64) : std::string(in_.pick(kStages));
  if (verb.takes_rule) {
    arg = in_.pick(kRules);
    by_ = in_.rarely(2) ? in_.pick(kSpans) : WARDEN_NO_TIME;
    to_ = in_.rarely(2) ? pick_instant() : WARDEN_NO_TIME;
  }
  if (verb.takes_payload && in_.rarely(4)) arg = std::string(in_.byte() * 40u, 'p');
  const Exact flow_text(flow);
  const Exact key_text(key);
  const Exact argument(arg);
  const Sized<warden_item_options> given(options, pick_size<warden_item_options>(in_));
  const Sized<warden_result> result(warden_result WARDEN_RESULT_INIT,
                                    pick_size<warden_result>(in_));
  const bool bare = in_.rarely(16);
  const std::string before = state_of(store(), name);
  const std::int32_t code =
      judge(verb.name,
            verb.call(store(), flow_text.data(), flow_text.size(), key_text.data(), key_text.size(),
                      argument, *this, given.get(), bare ? nullptr : result.get()),
            verb.answers);
  require(given.is_intact() && result.is_intact(), "a struct was written over");
  const std::string after = state_of(store(), name);
  if (code < 0 && code != WARDEN_E_OUTCOME_UNKNOWN) {
    require(after == before, "changed by a call that was refused",
            name + ": " + before + " -> " + after);
    return;
  }
  if (options.durability == WARDEN_DURABILITY_VOLATILE) forget(name);
  if (!bare && result.is_whole()) {
    const warden_result& r = *result.get();
    if (r.durability == WARDEN_DURABILITY_VOLATILE) forget(name);
    token_ = r.token;
    incarnation_ = r.incarnation;
    lsn_ = r.lsn;
  }
  if (forgotten_.count(name) != 0) return;
  expected_.note(name, after);
  if (code < 0 || options.durability == WARDEN_DURABILITY_BUFFERED) return;
  auto& known = expected_.items[name];
  known.acked = known.states.size() - 1;
  if (warden_sync(store(), 0) == WARDEN_OK) expected_.made_durable();
}

void Session::batch() {
  const std::string flow = pick_flow();
  const Exact blob("abcdefuploadedcopied");
  const std::uint32_t count = in_.byte() % 5;
  std::unique_ptr<warden_batch_entry[]> entries(new warden_batch_entry[count]{});
  std::unique_ptr<warden_batch_result[]> results(new warden_batch_result[count]{});
  warden_batch_due due{6, 8, now_};
  std::set<std::string> names;
  bool twice = false;
  for (std::uint32_t i = 0; i < count; ++i) {
    warden_batch_entry& entry = entries[i];
    entry.key_offset = in_.rarely(32) ? 0xfffffff0u : in_.byte() % 6u;
    entry.key_len = in_.rarely(32) ? 0x20u : 1;
    if (in_.rarely(2)) {
      entry.arg_offset = in_.rarely(8) ? 18 : 14;
      entry.arg_len = in_.rarely(16) ? in_.byte() : 6;
    }
    if (in_.rarely(16)) entry.due_count = in_.byte() % 3u;
    entry.at_ns = in_.rarely(8) ? pick_instant() : now_;
    if (entry.key_offset >= blob.size()) continue;
    twice =
        !names.insert(flow + "/" + std::string(blob.data() + entry.key_offset, 1)).second || twice;
  }
  warden_batch batch = WARDEN_BATCH_INIT;
  const Exact flow_text(flow);
  batch.flow = flow_text.data();
  batch.flow_len = flow_text.size();
  batch.blob = blob.data();
  batch.blob_len = blob.size();
  batch.entries = entries.get();
  batch.count = count;
  batch.dues = &due;
  batch.due_count = in_.byte() % 2;
  batch.results = in_.rarely(16) ? nullptr : results.get();
  batch.durability = in_.rarely(8) ? in_.byte() % 5u : 0;
  const std::uint32_t op = in_.rarely(16) ? in_.byte() : 1 + in_.byte() % 3u;
  const Sized<warden_batch> given(batch, pick_size<warden_batch>(in_));
  std::map<std::string, std::string> before;
  for (const std::string& name : names) before[name] = state_of(store(), name);
  const std::int32_t code = warden_batch_run(store(), op, given.get(), &lsn_);
  require(code < 0 ? judge("batch", code, {}) < 0 : static_cast<std::uint32_t>(code) <= count,
          "a batch counts more than it has");
  for (const std::string& name : names) {
    const std::string after = state_of(store(), name);
    if (code < 0 && code != WARDEN_E_OUTCOME_UNKNOWN) {
      require(after == before[name], "changed by a batch that was refused", name);
    }
    if (twice || code == WARDEN_E_OUTCOME_UNKNOWN || batch.durability >= 3) forget(name);
    if (forgotten_.count(name) == 0) expected_.note(name, after);
  }
  if (code >= 0 && warden_sync(store(), 0) == WARDEN_OK) expected_.made_durable();
}

}  // namespace warden::fuzz
