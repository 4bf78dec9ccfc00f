// SPDX-License-Identifier: Apache-2.0
//
// The frame of every verb on an item that exists: checks in their order, levels
// that passed before the event, the event, levels that it armed in the past,
// commit. `apply(draft, now)` makes the event; a refusal of its drops the draft,
// and what had passed is raised by the keeper instead.
#pragma once

#include <algorithm>

#include "engine/store.hpp"

namespace warden::engine {

template <class Body>
Code Store::with_key(const Target& target, const Options& o, const Need& need, Result& r,
                     Body&& body) {
  After after;
  Code code = Code::ok;
  {
    const auto shared = read_lock();
    Entry e;
    code = look_up(target, o, e, need);
    if (is_error(code)) return code;
    code = body(e, after);
    e.lock.unlock();
  }
  finish(after);
  return settle(code, o, after, r);
}

template <class Apply>
Code Store::change(Entry& e, const Options& o, Result& r, After& after, Code when_closed,
                   Apply&& apply) {
  if (e.stone != nullptr) {
    fill(r, *e.stone);
    after.lsn = recorder_.last();
    if (o.incarnation != 0 && o.incarnation != e.stone->incarnation) return Code::fenced;
    return when_closed;
  }
  if (e.item == nullptr) return Code::unknown_item;
  index::Item& item = *e.item;
  after.lsn = std::max(after.lsn, item.lsn);
  after.in_memory = !is_logged(e);
  FlowVersion& version = flows_->version(item.flow);
  const flow::Instant now = instant(o, item.at, version.has_due);
  Draft draft(hub_, id_, version, item);
  fill(r, draft);
  if (o.incarnation != 0 && o.incarnation != item.incarnation) return Code::fenced;
  if (o.seq != 0 && o.seq <= item.seq) {
    counters_.add(Counters::already);
    return Code::already;
  }
  if (o.token != 0 && o.token != draft.token()) return Code::fenced;

  draft.at = std::max(draft.at, now.elapsed);
  if (draft.expire(now)) {
    const Code code = commit(e, draft, after);
    fill(r, draft);
    return is_error(code) ? code : when_closed;
  }
  pass(draft, now);
  const index::State before = draft.state;
  const Code answer = apply(draft, now);
  if (is_error(answer)) return answer;
  if (o.seq != 0) {
    draft.seq = o.seq;
    draft.changed = true;
  }
  pass(draft, now, true);
  // A manual clock's instants are the item's own time, which it keeps even where the
  // verb itself adds nothing: what was evaluated at it must not come earlier again.
  draft.changed = draft.changed || (time_.manual() && draft.at != item.at);
  if (!draft.changed) {
    fill(r, draft);
    return answer;
  }
  if (const Code code = commit(e, draft, after); is_error(code)) return code;
  if (before == index::State::submitted && draft.state == index::State::live) {
    counters_.sub(Counters::submitted);
    counters_.add(Counters::live);
  }
  counters_.add(Counters::events);
  fill(r, draft);
  return answer;
}

}  // namespace warden::engine
