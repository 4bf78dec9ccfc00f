// SPDX-License-Identifier: Apache-2.0
//
// What a replay tells at its end, as text and as JSON (docs/cli.md names the keys).
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "cli/collector.hpp"
#include "cli/feeder.hpp"

namespace warden::cli {

// Of a durable store, at the end.
struct StoreFigures {
  std::uint64_t recovered_records = 0;
  std::uint64_t log_bytes = 0;
  std::uint64_t log_records = 0;
  std::uint64_t alerts_raised = 0;
  std::uint64_t alerts_kept = 0;
  std::uint32_t epoch = 0;
};

struct Summary {
  std::optional<StoreFigures> store;
  FeedCounts fed;
  Collector::Counts alerts;
  std::size_t rows = 0;
  std::size_t cases = 0;
  std::uint64_t blank_cases = 0;
  std::int64_t first_ns = 0;
  std::int64_t last_ns = 0;
  std::uint64_t open_items = 0;
  std::uint64_t closed_items = 0;
  double feed_s = 0;  // feeding, advancing the clock, taking the alerts
  double wall_s = 0;  // with reading and checking the files
  double events_per_s() const { return feed_s > 0 ? static_cast<double>(fed.events) / feed_s : 0; }
};

nlohmann::ordered_json to_json(const Summary& s);
std::string to_text(const Summary& s);

}  // namespace warden::cli
