// SPDX-License-Identifier: Apache-2.0
//
// warden_get and scans: items copied out into the caller's buffer.
#include "handles.hpp"

using namespace warden;
using capi::code_of;
using capi::on_store;

namespace warden::capi {
namespace {

std::uint32_t put_text(std::string_view text, char* buffer, std::size_t& used) noexcept {
  const auto offset = static_cast<std::uint32_t>(used);
  if (!text.empty()) std::memcpy(buffer + used, text.data(), text.size());
  used += text.size();
  return offset;
}

}  // namespace

bool put_item(const engine::Reading& reading, warden_item& item, void* buffer,
              std::size_t buffer_len, std::size_t& used, std::size_t& need) noexcept {
  std::string_view flow;
  if (reading.flow != nullptr) flow = reading.flow->def.name;
  const std::size_t rules = reading.rules.size();
  const std::size_t start = (used + 7) & ~std::size_t{7};
  need = rules * sizeof(warden_item_rule) + flow.size() + reading.key.size() +
         reading.stage.size() + reading.payload.size();
  for (std::size_t i = 0; i < rules; ++i) need += reading.flow->def.rules[i].name.size();
  if (start > buffer_len || need > buffer_len - start) return false;

  auto* out = static_cast<char*>(buffer);
  used = start + rules * sizeof(warden_item_rule);
  item = warden_item{};
  item.incarnation = reading.incarnation;
  item.token = reading.token;
  item.seq = reading.seq;
  item.lsn = raw(reading.lsn);
  item.created_ns = reading.created;
  item.last_event_ns = reading.last_event;
  item.deadline_ns = reading.deadline;
  item.state = raw(reading.state);
  item.verdict = raw(reading.verdict);
  item.tries = reading.tries;
  item.alerts = reading.alerts;
  item.overdue = reading.overdue;
  item.flow_len = static_cast<std::uint32_t>(flow.size());
  item.flow_offset = put_text(flow, out, used);
  item.key_len = static_cast<std::uint32_t>(reading.key.size());
  item.key_offset = put_text(reading.key, out, used);
  item.stage_len = static_cast<std::uint32_t>(reading.stage.size());
  item.stage_offset = put_text(reading.stage, out, used);
  item.payload_len = static_cast<std::uint32_t>(reading.payload.size());
  item.payload_offset = put_text(reading.payload, out, used);
  item.rules_offset = static_cast<std::uint32_t>(start);
  item.rules_count = static_cast<std::uint32_t>(rules);
  for (std::size_t i = 0; i < rules; ++i) {
    const flow::RuleSlot& slot = reading.rules[i];
    const std::string& name = reading.flow->def.rules[i].name;
    const bool rests =
        slot.status == flow::RuleStatus::resting || slot.status == flow::RuleStatus::ttl;
    warden_item_rule rule{};
    rule.deadline_ns = rests ? WARDEN_NO_TIME : slot.deadline;
    rule.status = rests ? WARDEN_RULE_RESTING : raw(slot.status);
    rule.level = slot.level;
    rule.arming = slot.arming;
    rule.name_len = static_cast<std::uint32_t>(name.size());
    rule.name_offset = put_text(name, out, used);
    std::memcpy(out + start + i * sizeof rule, &rule, sizeof rule);
  }
  return true;
}

}  // namespace warden::capi

namespace {

bool wants(const warden_scan& scan, const index::Item& item, const engine::FlowVersion& flow) {
  if (scan.state != 0 && raw(item.state) != scan.state) return false;
  if (!scan.any_flow && flow.def.name != scan.flow) return false;
  if (!scan.any_stage && flow.stages.name(item.stage) != scan.stage) return false;
  const std::string_view key = item.blob->key();
  if (key.substr(0, scan.key_prefix.size()) != scan.key_prefix) return false;
  if (!scan.overdue) return true;
  const auto* slots = reinterpret_cast<const flow::RuleSlot*>(
      static_cast<const char*>(item.blob->state()) + flow.slots_at);
  return item.state == index::State::live && flow::overdue(flow.def, slots) != 0;
}

}  // namespace

extern "C" {

int32_t warden_get(warden_store* store, const char* flow, size_t flow_len, const void* key,
                   size_t key_len, warden_item* item, void* buffer, size_t buffer_len,
                   size_t* need) {
  return on_store(store, [&](engine::Store& engine) {
    engine::Target target;
    if (item == nullptr || !capi::view(flow, flow_len, target.flow) ||
        !capi::view(key, key_len, target.key) || (buffer == nullptr && buffer_len != 0)) {
      return WARDEN_E_INVALID_ARGUMENT;
    }
    engine::Reading reading;
    const Code code = engine.get(target, reading);
    if (is_error(code)) return code_of(code);
    std::size_t used = 0;
    std::size_t takes = 0;
    const bool fits = capi::put_item(reading, *item, buffer, buffer_len, used, takes);
    if (need != nullptr) *need = takes;
    return fits ? code_of(code) : WARDEN_E_BUFFER_TOO_SMALL;
  });
}

int32_t warden_scan_open(warden_store* store, const warden_scan_filter* filter, warden_scan** scan,
                         warden_error* err) {
  if (scan == nullptr || !capi::is_sized(err)) return WARDEN_E_INVALID_ARGUMENT;
  *scan = nullptr;
  return on_store(store, [&](engine::Store& engine) {
    if (!capi::is_sized(filter)) {
      return capi::refuse_unsized("warden_scan_filter", filter->struct_size, err);
    }
    const warden_scan_filter initial = WARDEN_SCAN_FILTER_INIT;
    const warden_scan_filter given = capi::read_struct(filter, initial);
    if ((given.state != 0 && given.state != WARDEN_STATE_SUBMITTED &&
         given.state != WARDEN_STATE_LIVE) ||
        given.overdue > 1 || given.reserved != 0) {
      return capi::report(Error{Code::invalid_argument,
                                "scan: state, overdue or reserved has no such value; expected 0, "
                                "SUBMITTED or LIVE, then 0 or 1, then 0"},
                          err);
    }
    auto made = std::make_unique<warden_scan>();
    std::string_view flow;
    std::string_view stage;
    std::string_view prefix;
    if (!capi::view(given.flow, given.flow_len, flow) ||
        !capi::view(given.stage, given.stage_len, stage) ||
        !capi::view(given.key_prefix, given.key_prefix_len, prefix)) {
      return capi::report(
          Error{Code::invalid_argument, "scan: a length without a pointer; expected both"}, err);
    }
    made->engine = &engine;
    made->state = given.state;
    made->overdue = given.overdue != 0;
    made->any_flow = given.flow == nullptr;
    made->any_stage = given.stage == nullptr;
    made->flow = flow;
    made->stage = stage;
    made->key_prefix = prefix;
    *scan = made.release();
    return capi::report(Error{}, err);
  });
}

int32_t warden_scan_next(warden_scan* scan, warden_item* items, size_t max, void* buffer,
                         size_t buffer_len, size_t* need) {
  if (scan == nullptr || (items == nullptr && max != 0) || (buffer == nullptr && buffer_len != 0)) {
    return WARDEN_E_INVALID_ARGUMENT;
  }
  if (const Code code = scan->engine->usable(); is_error(code)) return code_of(code);
  return capi::guarded([&] {
    std::size_t used = 0;
    int32_t count = 0;
    while (static_cast<size_t>(count) < max && count < INT32_MAX) {
      if (!scan->has_pending) {
        const auto wanted = [&](const index::Item& item, const engine::FlowVersion& flow) {
          return wants(*scan, item, flow);
        };
        if (!scan->engine->scan(scan->next, wanted, scan->pending)) break;
        scan->has_pending = true;
      }
      std::size_t takes = 0;
      if (!capi::put_item(scan->pending, items[count], buffer, buffer_len, used, takes)) {
        if (need != nullptr) *need = takes;
        return count == 0 ? WARDEN_E_BUFFER_TOO_SMALL : count;
      }
      scan->has_pending = false;
      ++count;
    }
    return count;
  });
}

void warden_scan_close(warden_scan* scan) {
  delete scan;
}

}  // extern "C"
