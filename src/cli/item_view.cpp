// SPDX-License-Identifier: Apache-2.0
//
// See item_view.hpp.
#include "cli/item_view.hpp"

#include <fmt/format.h>

#include "cli/instant.hpp"
#include "cli/text.hpp"

namespace warden::cli {
namespace {

constexpr std::size_t kPreviewBytes = 256;

std::string hex_of(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) out += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return out;
}

const char* state_name(std::uint32_t state) {
  switch (state) {
    case WARDEN_STATE_SUBMITTED:
      return "submitted";
    case WARDEN_STATE_LIVE:
      return "live";
    case WARDEN_STATE_CLOSED:
      return "closed";
    default:
      return "none";
  }
}

std::string level_name(std::uint32_t level) {
  if (level == 0) return "";
  if (level == WARDEN_LEVEL_WARN) return "warned";
  if (level == WARDEN_LEVEL_BREACH) return "breached";
  if (level == WARDEN_LEVEL_SUSPICIOUS) return "suspicious";
  return fmt::format("escalated {}", level - WARDEN_LEVEL_BREACH);
}

const char* rule_status_name(std::uint32_t status) {
  if (status == WARDEN_RULE_ARMED) return "armed";
  return status == WARDEN_RULE_MET ? "met" : "resting";
}

std::string instant_or_dash(std::int64_t ns) {
  return ns == WARDEN_NO_TIME ? "-" : format_instant(ns);
}

nlohmann::ordered_json instant_json(std::int64_t ns) {
  if (ns == WARDEN_NO_TIME) return nullptr;
  return format_instant(ns);
}

// The payload's beginning: as text if it is text, else in hexadecimal.
std::string payload_preview(std::string_view payload) {
  const std::string_view head = payload.substr(0, kPreviewBytes);
  const std::string_view more = head.size() < payload.size() ? " ..." : "";
  if (first_non_text_byte(payload) == payload.size()) {
    return fmt::format("{}{}", one_line(head), more);
  }
  return fmt::format("hex {}{}", hex_of(head), more);
}

}  // namespace

std::string hex(std::string_view bytes) {
  return hex_of(bytes);
}

nlohmann::ordered_json item_json(const ItemView& view) {
  const warden_item& item = view.item;
  nlohmann::ordered_json out;
  out["flow"] = view.flow();
  out["key"] = view.key();
  out["state"] = state_name(item.state);
  out["stage"] = view.stage();
  out["created"] = instant_json(item.created_ns);
  out["last_event"] = instant_json(item.last_event_ns);
  out["deadline"] = instant_json(item.deadline_ns);
  out["overdue"] = item.overdue;
  out["alerts"] = item.alerts;
  out["tries"] = item.tries;
  out["incarnation"] = item.incarnation;
  out["seq"] = item.seq;
  out["lsn"] = item.lsn;
  out["payload_bytes"] = item.payload_len;
  out["rules"] = nlohmann::ordered_json::array();
  for (std::uint32_t i = 0; i < item.rules_count; ++i) {
    const warden_item_rule rule = view.rule(i);
    out["rules"].push_back({{"name", view.text(rule.name_offset, rule.name_len)},
                            {"status", rule_status_name(rule.status)},
                            {"deadline", instant_json(rule.deadline_ns)},
                            {"level", level_name(rule.level)},
                            {"arming", rule.arming}});
  }
  return out;
}

std::string item_line(const ItemView& view) {
  return fmt::format("{:<9}  {:<20}  {:<30}  {}{}  {}\n", state_name(view.item.state),
                     one_line(view.stage()), instant_or_dash(view.item.deadline_ns),
                     one_line(view.flow()), view.item.overdue != 0 ? "  OVERDUE" : "",
                     one_line(view.key()));
}

std::string item_text(const ItemView& view) {
  const warden_item& item = view.item;
  std::string out = fmt::format(
      "flow        {}\nkey         {}\nstate       {}\nstage       {}\ncreated     {}\n"
      "last event  {}\nalerts      {}\ntries       {}\nrules\n",
      one_line(view.flow()), one_line(view.key()), state_name(item.state), one_line(view.stage()),
      instant_or_dash(item.created_ns), instant_or_dash(item.last_event_ns), item.alerts,
      item.tries);
  for (std::uint32_t i = 0; i < item.rules_count; ++i) {
    const warden_item_rule rule = view.rule(i);
    out += fmt::format(
        "  {:<20}  {:<8}  {:<30}  {}\n", one_line(view.text(rule.name_offset, rule.name_len)),
        rule_status_name(rule.status), instant_or_dash(rule.deadline_ns), level_name(rule.level));
  }
  return out + fmt::format("payload     {} bytes  {}\n", item.payload_len,
                           payload_preview(view.payload()));
}

}  // namespace warden::cli
