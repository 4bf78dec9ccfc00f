// SPDX-License-Identifier: Apache-2.0
//
// One call of every function that takes a handle, for states in which all of them
// answer alike: after close, after fork.
#pragma once

#include "client.hpp"
#include "flow_texts.hpp"

namespace warden::test {

// Every call on the handles of a store that is open, in turn.
inline std::vector<std::int32_t> call_everything(warden_store* store, warden_consumer* consumer,
                                          warden_scan* scan, std::int64_t at) {
  warden_item_options o = WARDEN_ITEM_OPTIONS_INIT;
  o.at_ns = at;
  warden_item item;
  warden_alert alert;
  warden_stats stats = WARDEN_STATS_INIT;
  warden_batch batch = WARDEN_BATCH_INIT;
  std::uint64_t buffer[512];
  const std::uint64_t lease = 1;
  warden_consumer* other = nullptr;
  warden_scan* walk = nullptr;
  return {
      warden_clock_advance(store, 5),
      warden_backup(store, "/nonexistent/copy", nullptr, nullptr),
      warden_flow_define(store, kTimer, std::strlen(kTimer), nullptr, nullptr),
      warden_submit(store, "timer", 5, "k", 1, nullptr, 0, &o, nullptr),
      warden_track(store, "timer", 5, "k", 1, nullptr, 0, &o, nullptr),
      warden_exec(store, "timer", 5, "k", 1, &o, nullptr),
      warden_mark(store, "timer", 5, "k", 1, "s", 1, &o, nullptr),
      warden_touch(store, "timer", 5, "k", 1, &o, nullptr),
      warden_extend(store, "timer", 5, "k", 1, "t", 1, WARDEN_NO_TIME, 9, &o, nullptr),
      warden_complete(store, "timer", 5, "k", 1, &o, nullptr),
      warden_cancel(store, "timer", 5, "k", 1, &o, nullptr),
      warden_get(store, "timer", 5, "k", 1, &item, buffer, sizeof buffer, nullptr),
      warden_batch_run(store, WARDEN_OP_TRACK, &batch, nullptr),
      warden_consumer_open(store, "x", 1, nullptr, &other, nullptr),
      warden_consumer_delete(store, "x", 1),
      warden_scan_open(store, nullptr, &walk, nullptr),
      warden_stats_get(store, &stats),
      warden_scan_next(scan, &item, 1, buffer, sizeof buffer, nullptr),
      warden_consumer_fd(consumer),
      warden_consumer_poll(consumer, -1, &alert, 1, buffer, sizeof buffer, nullptr),
      warden_alert_ack(consumer, &lease, 1),
      warden_alert_nack(consumer, lease, 0),
      warden_alert_extend(consumer, lease, kS),
      warden_consumer_wake(consumer),
  };
}

}  // namespace warden::test
