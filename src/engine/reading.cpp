// SPDX-License-Identifier: Apache-2.0
#include "engine/reading.hpp"

#include "engine/change.hpp"

namespace warden::engine {

void read_item(const index::Item& item, const FlowVersion& flow, Reading& out) {
  const auto* state = static_cast<const char*>(item.blob->state());
  const auto* slots = reinterpret_cast<const flow::RuleSlot*>(state + flow.slots_at);
  const bool live = item.state == index::State::live;
  out.incarnation = item.incarnation;
  out.token = item.tries == 0 ? 0 : item.incarnation + item.tries;
  out.seq = item.seq;
  out.lsn = item.lsn;
  out.created = *reinterpret_cast<const Nanos*>(state);
  out.last_event = item.at;
  out.deadline = live ? flow::earliest_deadline(flow.def, slots) : kNoTime;
  out.state = item.state;
  out.verdict = index::Verdict::none;
  out.tries = item.tries;
  out.alerts = item.alerts;
  out.overdue = live ? flow::overdue(flow.def, slots) : 0;
  out.flow = &flow;
  out.stage = flow.stages.name(item.stage);
  out.key = item.blob->key();
  out.payload = item.blob->payload();
  out.rules.assign(slots, slots + flow.def.rules.size());
}

Code Store::get(const Target& target, Reading& out) {
  const auto shared = read_lock();
  Entry e;
  Options o;
  if (time_.manual()) o.at = time_.elapsed();
  if (const Code code = check(target, o); is_error(code)) return code;
  e.flow = flows_->find(target.flow);
  if (e.flow == nullptr) return Code::unknown_flow;
  e.key = target.key;
  e.hash = hash_of(*e.flow, target.key);
  look_up_hashed(e, o);
  if (e.stone != nullptr) {
    out = Reading{};
    out.incarnation = e.stone->incarnation;
    out.state = index::State::closed;
    out.verdict = index::Verdict{e.stone->verdict};
    return Code::already_done;
  }
  if (e.item == nullptr) return Code::unknown_item;
  read_item(*e.item, flows_->version(e.item->flow), out);
  return Code::ok;
}

}  // namespace warden::engine
