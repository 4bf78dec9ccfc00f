// SPDX-License-Identifier: Apache-2.0
//
// The verbs on items, one by one and in batches.
#include "handles.hpp"

#include <vector>

using namespace warden;
using capi::code_of;
using capi::on_store;

namespace {

// Names of the engine's values are the ABI's numbers.
static_assert(raw(index::State::live) == WARDEN_STATE_LIVE);
static_assert(raw(index::State::closed) == WARDEN_STATE_CLOSED);
static_assert(raw(index::Verdict::expired) == WARDEN_VERDICT_EXPIRED);
static_assert(raw(engine::Durability::in_memory) == WARDEN_DURABILITY_VOLATILE);
static_assert(WARDEN_NO_TIME == kNoTime);

engine::Due due_of_array(const void* source, std::size_t i) {
  const auto& due = static_cast<const warden_due*>(source)[i];
  std::string_view rule;
  static_cast<void>(capi::view(due.rule, due.rule_len, rule));
  return {rule, due.instant_ns};
}

// Options that not every verb has a use for: what a verb would have to ignore, it
// refuses, so that nobody relies on what does not happen.
enum class Takes : std::uint8_t { neither, ttl, dues, early };

bool read_options(const warden_item_options* given, Takes taken, engine::Options& o) noexcept {
  if (!capi::is_sized(given)) return false;
  const warden_item_options initial = WARDEN_ITEM_OPTIONS_INIT;
  const warden_item_options in = capi::read_struct(given, initial);
  if (in.durability > WARDEN_DURABILITY_VOLATILE || in.allow_early > 1 || in.reserved != 0) {
    return false;
  }
  if (in.dues == nullptr && in.due_count != 0) return false;
  if ((in.ttl_ns != 0 && taken != Takes::ttl) || (in.due_count != 0 && taken != Takes::dues) ||
      (in.allow_early != 0 && taken != Takes::early)) {
    return false;
  }
  o.durability = engine::Durability{static_cast<std::uint8_t>(in.durability)};
  o.incarnation = in.incarnation;
  o.token = in.token;
  o.seq = in.seq;
  o.at = in.at_ns;
  o.ttl = in.ttl_ns;
  o.allow_early = in.allow_early != 0;
  o.dues = {in.due_count, in.dues, due_of_array};
  return true;
}

void write_result(warden_result* out, const engine::Result& r) noexcept {
  warden_result value WARDEN_RESULT_INIT;
  value.durability = raw(r.durability);
  value.lsn = raw(r.lsn);
  value.incarnation = r.incarnation;
  value.token = r.token;
  value.state = raw(r.state);
  value.verdict = raw(r.verdict);
  value.alerts = r.alerts;
  value.tries = r.tries;
  value.deadline_ns = r.deadline;
  value.late_ns = r.late;
  capi::write_struct(out, value);
}

struct Key {
  const char* flow;
  size_t flow_len;
  const void* key;
  size_t key_len;
};

// Checks what all verbs have in common, runs one, writes its result.
template <class Verb>
int32_t on_item(warden_store* store, const Key& key, const warden_item_options* options,
                Takes taken, warden_result* result, Verb&& verb) noexcept {
  return on_store(store, [&](engine::Store& engine) {
    engine::Target target;
    engine::Options o;
    if (!capi::view(key.flow, key.flow_len, target.flow) ||
        !capi::view(key.key, key.key_len, target.key) || !capi::is_sized(result) ||
        !read_options(options, taken, o)) {
      return WARDEN_E_INVALID_ARGUMENT;
    }
    engine::Result r;
    const Code code = verb(engine, target, o, r);
    write_result(result, r);
    return code_of(code);
  });
}

}  // namespace

extern "C" {

int32_t warden_submit(warden_store* store, const char* flow, size_t flow_len, const void* key,
                      size_t key_len, const void* payload, size_t payload_len,
                      const warden_item_options* options, warden_result* result) {
  std::string_view bytes;
  if (!capi::view(payload, payload_len, bytes)) return WARDEN_E_INVALID_ARGUMENT;
  return on_item(store, {flow, flow_len, key, key_len}, options, Takes::ttl, result,
                 [&](auto& engine, const auto& target, const auto& o, auto& r) {
                   return engine.submit(target, bytes, o, r);
                 });
}

int32_t warden_track(warden_store* store, const char* flow, size_t flow_len, const void* key,
                     size_t key_len, const void* payload, size_t payload_len,
                     const warden_item_options* options, warden_result* result) {
  std::string_view bytes;
  if (!capi::view(payload, payload_len, bytes)) return WARDEN_E_INVALID_ARGUMENT;
  return on_item(store, {flow, flow_len, key, key_len}, options, Takes::dues, result,
                 [&](auto& engine, const auto& target, const auto& o, auto& r) {
                   return engine.track(target, bytes, o, r);
                 });
}

int32_t warden_exec(warden_store* store, const char* flow, size_t flow_len, const void* key,
                    size_t key_len, const warden_item_options* options, warden_result* result) {
  return on_item(store, {flow, flow_len, key, key_len}, options, Takes::dues, result,
                 [](auto& engine, const auto& target, const auto& o, auto& r) {
                   return engine.exec(target, o, r);
                 });
}

int32_t warden_mark(warden_store* store, const char* flow, size_t flow_len, const void* key,
                    size_t key_len, const char* stage, size_t stage_len,
                    const warden_item_options* options, warden_result* result) {
  std::string_view name;
  if (!capi::view(stage, stage_len, name)) return WARDEN_E_INVALID_ARGUMENT;
  return on_item(store, {flow, flow_len, key, key_len}, options, Takes::dues, result,
                 [&](auto& engine, const auto& target, const auto& o, auto& r) {
                   return engine.mark(target, name, o, r);
                 });
}

int32_t warden_touch(warden_store* store, const char* flow, size_t flow_len, const void* key,
                     size_t key_len, const warden_item_options* options, warden_result* result) {
  return on_item(store, {flow, flow_len, key, key_len}, options, Takes::neither, result,
                 [](auto& engine, const auto& target, const auto& o, auto& r) {
                   return engine.touch(target, o, r);
                 });
}

int32_t warden_extend(warden_store* store, const char* flow, size_t flow_len, const void* key,
                      size_t key_len, const char* rule, size_t rule_len, int64_t by_ns,
                      int64_t to_ns, const warden_item_options* options, warden_result* result) {
  std::string_view name;
  if (!capi::view(rule, rule_len, name)) return WARDEN_E_INVALID_ARGUMENT;
  return on_item(store, {flow, flow_len, key, key_len}, options, Takes::neither, result,
                 [&](auto& engine, const auto& target, const auto& o, auto& r) {
                   return engine.extend(target, name, by_ns, to_ns, o, r);
                 });
}

int32_t warden_complete(warden_store* store, const char* flow, size_t flow_len, const void* key,
                        size_t key_len, const warden_item_options* options, warden_result* result) {
  return on_item(store, {flow, flow_len, key, key_len}, options, Takes::early, result,
                 [](auto& engine, const auto& target, const auto& o, auto& r) {
                   return engine.complete(target, o, r);
                 });
}

int32_t warden_cancel(warden_store* store, const char* flow, size_t flow_len, const void* key,
                      size_t key_len, const warden_item_options* options, warden_result* result) {
  return on_item(store, {flow, flow_len, key, key_len}, options, Takes::neither, result,
                 [](auto& engine, const auto& target, const auto& o, auto& r) {
                   return engine.cancel(target, o, r);
                 });
}

}  // extern "C"
