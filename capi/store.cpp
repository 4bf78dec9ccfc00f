// SPDX-License-Identifier: Apache-2.0
//
// Opening, closing, flows, time and figures.
#include "handles.hpp"

using namespace warden;
using capi::code_of;
using capi::on_store;

namespace {

void put_log(engine::Store& engine, warden_stats& s) {
  if (!engine.recorder().has_log()) return;
  const log::LogStats from = engine.log_stats();
  s.log_bytes = from.bytes;
  s.log_records = from.records;
  s.log_commits = from.blocks;
  s.log_flushes = from.flushes;
  s.log_segments = from.segments;
  s.recovered_records = from.recovery.records;
  s.torn_bytes = from.recovery.torn_bytes;
  s.log_size = from.log_bytes;
  s.log_freed = from.freed;
  s.durable_lsn = raw(engine.recorder().log().durable());
  s.ack_p50_ns = from.ack_p50;
  s.ack_p99_ns = from.ack_p99;
  s.epoch = from.epoch;
  s.failed = from.failure ? 1 : 0;
  std::strncpy(s.backend, from.backend, sizeof s.backend - 1);
}

}  // namespace

extern "C" {

int32_t warden_open(const char* path, const warden_config* config, warden_store** store,
                    warden_error* err) {
  if (store == nullptr || !capi::is_sized(err)) return WARDEN_E_INVALID_ARGUMENT;
  *store = nullptr;
  return capi::guarded([&] {
    const engine::Config values = config == nullptr ? engine::Config{} : config->values;
    auto handle = std::make_unique<warden_store>();
    const Error error = engine::Store::open(path, values, handle->engine);
    if (!error) *store = handle.release();
    return capi::report(error, err);
  });
}

int32_t warden_close(warden_store* store, int64_t drain_ns) {
  if (store == nullptr || drain_ns < 0) return WARDEN_E_INVALID_ARGUMENT;
  return code_of(store->engine->close(drain_ns));
}

void warden_free(warden_store* store) {
  // In a forked child the parent's threads may have been anywhere in these
  // structures: nothing in them is touched, the memory goes with the child.
  if (store != nullptr && store->engine->usable() == Code::forked) return;
  delete store;
}

int32_t warden_release_hold(warden_store* store) {
  return on_store(store, [](engine::Store& engine) { return code_of(engine.release_hold()); });
}

int32_t warden_backup(warden_store* store, const char* dest, warden_backup_info* info,
                      warden_error* err) {
  if (dest == nullptr || dest[0] == '\0' || !capi::is_sized(err)) return WARDEN_E_INVALID_ARGUMENT;
  return on_store(store, [&](engine::Store& engine) {
    if (!capi::is_sized(info)) {
      return capi::refuse_unsized("warden_backup_info", info->struct_size, err);
    }
    log::BackupReport report;
    if (const Error error = engine.backup(dest, report)) return capi::report(error, err);
    warden_backup_info value WARDEN_BACKUP_INFO_INIT;
    value.segments = static_cast<uint32_t>(report.segments);
    value.bytes = report.bytes;
    value.lsn = raw(report.end);
    capi::write_struct(info, value);
    return capi::report(Error{}, err);
  });
}

uint64_t warden_durable_lsn(warden_store* store) {
  if (store == nullptr || !store->engine->recorder().has_log()) return 0;
  return raw(store->engine->recorder().log().durable());
}

int32_t warden_wait_durable(warden_store* store, uint64_t lsn, int64_t timeout_ns) {
  return on_store(store, [&](engine::Store& engine) {
    return code_of(engine.wait_durable(Lsn{lsn}, timeout_ns));
  });
}

int32_t warden_sync(warden_store* store, int64_t timeout_ns) {
  return on_store(store, [&](engine::Store& engine) { return code_of(engine.sync(timeout_ns)); });
}

int32_t warden_durable_fd(warden_store* store) {
  return on_store(store, [](engine::Store& engine) { return engine.durable_fd(); });
}

int32_t warden_durable_arm(warden_store* store, uint64_t lsn) {
  return on_store(store, [&](engine::Store& engine) {
    engine.arm_durable(Lsn{lsn});
    return WARDEN_OK;
  });
}

int32_t warden_clock_advance(warden_store* store, int64_t to_ns) {
  return on_store(store,
                  [&](engine::Store& engine) { return code_of(engine.clock_advance(to_ns)); });
}

int32_t warden_flow_define(warden_store* store, const char* text, size_t text_len,
                           warden_flow_info* info, warden_error* err) {
  std::string_view given;
  if (!capi::view(text, text_len, given) || !capi::is_sized(err)) return WARDEN_E_INVALID_ARGUMENT;
  return on_store(store, [&](engine::Store& engine) {
    if (!capi::is_sized(info)) {
      return capi::refuse_unsized("warden_flow_info", info->struct_size, err);
    }
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
  if (stats == nullptr || !capi::is_sized(stats)) return WARDEN_E_INVALID_ARGUMENT;
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
    put_log(engine, s);
    capi::write_struct(stats, s);
    return WARDEN_OK;
  });
}

}  // extern "C"
