// SPDX-License-Identifier: Apache-2.0
//
// `warden salvage DIR NEWDIR`: what is good of a damaged store, as a new store, and a
// list of what is not in it. It looks below the C ABI: no store can be opened on what
// it reads.
//
// Invariants:
//   1. DIR is not changed.
//   2. Exit code 0 only if nothing is lost or uncertain; NEWDIR is there with 0 and 1,
//      and only then.
#include <fmt/format.h>

#include <memory>

#include "cli/commands.hpp"
#include "cli/instant.hpp"
#include "cli/item_view.hpp"
#include "cli/output.hpp"
#include "cli/store_failure.hpp"
#include "cli/text.hpp"
#include "engine/salvage.hpp"

namespace warden::cli {
namespace {

using Json = nlohmann::ordered_json;

struct SalvageOptions {
  std::string directory;
  std::string destination;
  bool json = false;
};

const char* fate_name(engine::Fate fate) {
  switch (fate) {
    case engine::Fate::lost:
      return "lost";
    case engine::Fate::uncertain:
      return "uncertain";
    case engine::Fate::alerts:
      return "alerts-lost";
  }
  return "lost";
}

const char* state_name(index::State state) {
  switch (state) {
    case index::State::submitted:
      return "submitted";
    case index::State::live:
      return "live";
    case index::State::closed:
      return "closed";
    case index::State::none:
      break;
  }
  return "not known";
}

std::string position(Lsn lsn) {
  if (lsn == Lsn::none) return "the beginning";
  if (lsn == log::kLsnUnknown) return "whatever followed";
  return fmt::format("{}.{}", log::epoch_of(lsn), log::position_of(lsn));
}

std::string item_line(const engine::Casualty& one) {
  std::string out = fmt::format("{:<12}", fate_name(one.fate));
  out += one.flow.empty() ? "(flow not known)" : one_line(one.flow);
  out += ' ';
  out += one.key.empty() ? "(key not known)" : one_line(one.key);
  out += fmt::format(", incarnation {}, {}", one.incarnation, state_name(one.state));
  if (!one.stage.empty()) out += fmt::format(" at {}", one_line(one.stage));
  if (one.at != kNoTime) out += fmt::format(" since {}", format_instant(one.at));
  if (one.alerts != 0) out += fmt::format(", {} of its alerts lost", one.alerts);
  return out + fmt::format(": {}\n", one.why);
}

Json item_json(const engine::Casualty& one) {
  Json out{{"fate", fate_name(one.fate)}, {"flow", one.flow}};
  const bool text = first_non_text_byte(one.key) == one.key.size();
  out[text ? "key" : "key_hex"] = text ? one.key : hex(one.key);
  out["incarnation"] = one.incarnation;
  out["state"] = state_name(one.state);
  out["stage"] = one.stage;
  out["at"] = one.at == kNoTime ? Json() : Json(format_instant(one.at));
  out["lsn"] = raw(one.lsn);
  out["alerts_lost"] = one.alerts;
  out["why"] = one.why;
  return out;
}

std::string range_line(const log::LostRange& one) {
  return fmt::format("{:<12}{} from byte {}, {} bytes: records after {} up to {}: {}\n",
                     one.unproven ? "torn" : "range", one.file, one.offset, one.bytes,
                     position(one.after), position(one.upto), one.why);
}

Json range_json(const log::LostRange& one) {
  return {{"file", one.file},
          {"offset", one.offset},
          {"bytes", one.bytes},
          {"after_lsn", raw(one.after)},
          {"upto_lsn", one.upto == log::kLsnUnknown ? Json() : Json(raw(one.upto))},
          {"unproven", one.unproven},
          {"why", one.why}};
}

Json summary_json(const engine::Salvaged& found) {
  return {{"whole", found.whole()},
          {"items_saved", found.open_items + found.closed_items},
          {"items_open", found.open_items},
          {"items_closed", found.closed_items},
          {"items_lost", found.lost},
          {"items_uncertain", found.uncertain},
          {"alerts_lost", found.alerts_lost},
          {"bytes_unreadable", found.log.bytes_unreadable},
          {"records_read", found.log.records},
          {"records_rescued", found.log.rescued},
          {"records_written", found.records}};
}

void print_json(const engine::Salvaged& found) {
  Json out{{"summary", summary_json(found)}};
  out["items"] = Json::array();
  for (const engine::Casualty& one : found.casualties) out["items"].push_back(item_json(one));
  out["ranges"] = Json::array();
  for (const log::LostRange& one : found.log.lost) out["ranges"].push_back(range_json(one));
  out["notes"] = found.log.notes;
  for (const std::string& note : found.notes) out["notes"].push_back(note);
  emit(json_text(out));
}

void print_text(const engine::Salvaged& found) {
  for (const engine::Casualty& one : found.casualties) emit(item_line(one));
  for (const log::LostRange& one : found.log.lost) emit(range_line(one));
  for (const std::string& note : found.log.notes) emit(fmt::format("note        {}\n", note));
  for (const std::string& note : found.notes) emit(fmt::format("note        {}\n", note));
  emit(fmt::format(
      "summary     items saved {} (open {}, closed {}), items lost {}, items "
      "uncertain {}, alerts lost {}, bytes unreadable {}\n",
      with_commas(found.open_items + found.closed_items), with_commas(found.open_items),
      with_commas(found.closed_items), with_commas(found.lost), with_commas(found.uncertain),
      with_commas(found.alerts_lost), with_commas(found.log.bytes_unreadable)));
}

Result<ExitCode> salvage(const SalvageOptions& options) {
  engine::Salvaged found;
  if (const Error error = engine::salvage(options.directory, options.destination, found)) {
    return store_failure(options.directory, error);
  }
  options.json ? print_json(found) : print_text(found);
  return found.whole() ? ExitCode::ok : ExitCode::fault_found;
}

}  // namespace

void add_salvage(CLI::App& app, Command& chosen) {
  CLI::App* command = app.add_subcommand(
      "salvage", "Copy what is good of a damaged store into a new one, and list what is not");
  auto options = std::make_shared<SalvageOptions>();
  command->add_option("DIR", options->directory, "Directory of the damaged store")->required();
  command->add_option("NEWDIR", options->destination, "New or empty directory")->required();
  command->add_flag("--json", options->json, "Print JSON");
  command->callback([options, &chosen] { chosen = [options] { return salvage(*options); }; });
}

}  // namespace warden::cli
