// SPDX-License-Identifier: Apache-2.0
//
// Opening, closing, flows, time and figures.
#include "handles.hpp"

using namespace warden;
using capi::code_of;
using capi::on_store;

extern "C" {

int32_t warden_open(const char* path, const warden_config* config, warden_store** store,
                    warden_error* err) {
  if (store == nullptr) return WARDEN_E_INVALID_ARGUMENT;
  *store = nullptr;
  return capi::guarded([&] {
    const engine::Config values = config == nullptr ? engine::Config{} : config->values;
    auto handle = std::make_unique<warden_store>();
    if (path != nullptr) {
      return capi::report(Error{Code::invalid_argument,
                                "path: this version keeps stores in memory only; expected NULL"},
                          err);
    }
    const Error error = engine::Store::open(values, handle->engine);
    if (!error) *store = handle.release();
    return capi::report(error, err);
  });
}

int32_t warden_close(warden_store* store, int64_t drain_ns) {
  if (store == nullptr || drain_ns < 0) return WARDEN_E_INVALID_ARGUMENT;
  return code_of(store->engine->close());
}

void warden_free(warden_store* store) {
  // In a forked child the parent's threads may have been anywhere in these
  // structures: nothing in them is touched, the memory goes with the child.
  if (store != nullptr && store->engine->usable() == Code::forked) return;
  delete store;
}

int32_t warden_clock_advance(warden_store* store, int64_t to_ns) {
  return on_store(store, [&](engine::Store& engine) { return code_of(engine.clock_advance(to_ns)); });
}

int32_t warden_flow_define(warden_store* store, const char* text, size_t text_len,
                           warden_flow_info* info, warden_error* err) {
  std::string_view given;
  if (!capi::view(text, text_len, given)) return WARDEN_E_INVALID_ARGUMENT;
  return on_store(store, [&](engine::Store& engine) {
    const engine::FlowVersion* version = nullptr;
    if (const Error error = engine.define_flow(given, version)) return capi::report(error, err);
    warden_flow_info value WARDEN_FLOW_INFO_INIT;
    value.stages = static_cast<uint32_t>(version->def.stages.size());
    value.rules = static_cast<uint32_t>(version->def.rules.size());
    value.any_stages = version->def.any_stages ? 1 : 0;
    value.version[0] = version->def.version.low;
    value.version[1] = version->def.version.high;
    value.name_len = static_cast<uint32_t>(version->def.name.size());
    std::memcpy(value.name, version->def.name.data(), version->def.name.size());
    capi::write_struct(info, value);
    return capi::report(Error{}, err);
  });
}

int32_t warden_stats_get(warden_store* store, warden_stats* stats) {
  if (stats == nullptr) return WARDEN_E_INVALID_ARGUMENT;
  return on_store(store, [&](engine::Store& engine) {
    using engine::Counters;
    const engine::Figures f = engine.figures();
    warden_stats s WARDEN_STATS_INIT;
    s.flows = f.flows;
    s.submitted_total = f.values[Counters::submitted_total];
    s.submitted = f.values[Counters::submitted];
    s.live = f.values[Counters::live];
    s.done = f.values[Counters::done];
    s.cancelled = f.values[Counters::cancelled];
    s.expired = f.values[Counters::expired];
    s.early = f.values[Counters::early];
    s.events = f.values[Counters::events];
    s.already = f.values[Counters::already];
    s.alerts_raised = f.values[Counters::alerts_raised];
    s.alerts_withdrawn = f.alerts_withdrawn;
    s.alerts_kept = f.alerts_kept;
    s.tombstones = f.tombstones;
    s.timers = f.timers;
    s.keeper_wakeups = f.keeper_wakeups;
    s.item_bytes = f.item_bytes;
    s.now_ns = f.now;
    s.next_due_ns = f.next_due;
    capi::write_struct(stats, s);
    return WARDEN_OK;
  });
}

}  // extern "C"
