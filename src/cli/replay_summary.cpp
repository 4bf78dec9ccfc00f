// SPDX-License-Identifier: Apache-2.0
//
// See replay_summary.hpp.
#include "cli/replay_summary.hpp"

#include <fmt/format.h>

#include <iterator>

#include "cli/instant.hpp"
#include "cli/text.hpp"

namespace warden::cli {

nlohmann::ordered_json to_json(const Summary& s) {
  nlohmann::ordered_json out;
  out["items"] = s.cases;
  out["events"] = s.fed.events;
  out["rows"] = s.rows;
  out["already"] = s.fed.already;
  out["blank_case_rows"] = s.blank_cases;
  out["first"] = format_instant(s.first_ns);
  out["last"] = format_instant(s.last_ns);
  out["open_items"] = s.open_items;
  out["closed_items"] = s.closed_items;
  out["alerts"] = nlohmann::ordered_json::array();
  std::uint64_t total = 0;
  for (const auto& [what, count] : s.alerts) {
    out["alerts"].push_back({{"rule", what.first}, {"kind", what.second}, {"count", count}});
    total += count;
  }
  out["alerts_total"] = total;
  out["events_per_s"] = static_cast<std::uint64_t>(s.events_per_s());
  out["feed_s"] = s.feed_s;
  out["wall_s"] = s.wall_s;
  if (s.store) {
    out["epoch"] = s.store->epoch;
    out["recovered_records"] = s.store->recovered_records;
    out["log_records"] = s.store->log_records;
    out["log_bytes"] = s.store->log_bytes;
    out["alerts_raised"] = s.store->alerts_raised;
    out["alerts_kept"] = s.store->alerts_kept;
  }
  return out;
}

std::string to_text(const Summary& s) {
  std::string out;
  const auto to = std::back_inserter(out);
  fmt::format_to(to, "items      {:>12}  open {}, closed {}\n", with_commas(s.cases),
                 with_commas(s.open_items), with_commas(s.closed_items));
  fmt::format_to(to, "events     {:>12}  {} to {}\n", with_commas(s.fed.events),
                 format_instant(s.first_ns), format_instant(s.last_ns));
  if (s.blank_cases != 0) {
    fmt::format_to(to, "blank      {:>12}  rows without a case_id, taken as one case\n",
                   with_commas(s.blank_cases));
  }
  if (s.fed.already != 0) {
    fmt::format_to(to, "already    {:>12}  events that the run had seen before: nothing changed\n",
                   with_commas(s.fed.already));
  }
  std::uint64_t total = 0;
  for (const auto& [what, count] : s.alerts) total += count;
  fmt::format_to(to, "alerts     {:>12}\n", with_commas(total));
  for (const auto& [what, count] : s.alerts) {
    fmt::format_to(to, "           {:>12}  {} {}\n", with_commas(count), one_line(what.first),
                   what.second);
  }
  fmt::format_to(to,
                 "events/s   {:>12}  {:.3f} s from the first event fed to the last alert taken\n",
                 with_commas(static_cast<std::uint64_t>(s.events_per_s())), s.feed_s);
  fmt::format_to(to, "wall time  {:>12}  with reading and checking the files\n",
                 fmt::format("{:.3f} s", s.wall_s));
  if (!s.store) return out;
  fmt::format_to(to, "recovered  {:>12}  records, by opening number {} of this store\n",
                 with_commas(s.store->recovered_records), s.store->epoch);
  fmt::format_to(to, "log bytes  {:>12}  in {} records, all durable\n",
                 with_commas(s.store->log_bytes), with_commas(s.store->log_records));
  if (s.store->alerts_kept != 0) {
    fmt::format_to(to, "kept       {:>12}  alerts, for a run with --alerts\n",
                   with_commas(s.store->alerts_kept));
  }
  return out;
}

}  // namespace warden::cli
