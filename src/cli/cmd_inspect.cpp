// SPDX-License-Identifier: Apache-2.0
//
// `warden ls`, `show`, `stats`: what is in a store, told without changing
// a byte of it, also while another process has it open.
//
// Data flow: directory -> store opened read-only (the whole log is replayed, every
// checksum looked at) -> scan, get or figures -> text or JSON. show then reads the log
// once more for what happened to its item (timeline.hpp).
//
// Invariants:
//   1. Every store here is opened with mode=read-only.
//   2. Names and keys are printed as one line each, whatever bytes they hold.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

#include "cli/commands.hpp"
#include "cli/engine.hpp"
#include "cli/item_view.hpp"
#include "cli/output.hpp"
#include "cli/text.hpp"
#include "cli/timeline.hpp"

namespace warden::cli {
namespace {

constexpr std::size_t kItemsAStep = 256;
constexpr std::size_t kBufferBytes = std::size_t{1} << 18;

struct InspectOptions {
  std::string directory;
  std::string key;
  std::string flow;
  std::string state;
  std::string stage;
  std::string prefix;
  bool overdue = false;
  bool json = false;
};

struct ScanClose {
  void operator()(warden_scan* scan) const { warden_scan_close(scan); }
};

Result<Store> open_read_only(const std::string& directory) {
  return open_store({{"mode", "read-only"}}, directory.c_str());
}

const char* verdict_name(std::uint32_t verdict) {
  switch (verdict) {
    case WARDEN_VERDICT_DONE:
      return "done";
    case WARDEN_VERDICT_CANCELLED:
      return "cancelled";
    case WARDEN_VERDICT_EXPIRED:
      return "expired";
    default:
      return "none";
  }
}

warden_scan_filter filter_of(const InspectOptions& options) {
  warden_scan_filter filter = WARDEN_SCAN_FILTER_INIT;
  if (options.state == "submitted") filter.state = WARDEN_STATE_SUBMITTED;
  if (options.state == "live") filter.state = WARDEN_STATE_LIVE;
  filter.overdue = options.overdue ? 1 : 0;
  if (!options.flow.empty()) {
    filter.flow = options.flow.data();
    filter.flow_len = options.flow.size();
  }
  if (!options.stage.empty()) {
    filter.stage = options.stage.data();
    filter.stage_len = options.stage.size();
  }
  filter.key_prefix = options.prefix.data();
  filter.key_prefix_len = options.prefix.size();
  return filter;
}

// A walk over the items of a flow that there is not finds none, so ask.
bool knows_flow(warden_store* store, const std::string& flow) {
  warden_item item{};
  char buffer[64];
  return warden_get(store, flow.data(), flow.size(), "x", 1, &item, buffer, sizeof buffer,
                    nullptr) != WARDEN_E_UNKNOWN_FLOW;
}

template <class Each>
Status scan_items(warden_store* store, const InspectOptions& options, Each&& each) {
  if (!options.flow.empty() && !knows_flow(store, options.flow)) {
    return bad_input(fmt::format("{}: no flow {}; expected one that the store has",
                                 options.directory, in_quotes(options.flow)));
  }
  const warden_scan_filter filter = filter_of(options);
  warden_error error = WARDEN_ERROR_INIT;
  warden_scan* raw = nullptr;
  if (const std::int32_t code = warden_scan_open(store, &filter, &raw, &error); code < 0) {
    return engine_failure("beginning the walk over items", code, &error);
  }
  const std::unique_ptr<warden_scan, ScanClose> scan{raw};
  std::vector<warden_item> items(kItemsAStep);
  std::vector<char> buffer(kBufferBytes);
  for (;;) {
    std::size_t need = 0;
    const std::int32_t got = warden_scan_next(scan.get(), items.data(), items.size(), buffer.data(),
                                              buffer.size(), &need);
    if (got == WARDEN_E_BUFFER_TOO_SMALL) {
      buffer.resize(std::max(need, buffer.size() * 2));
      continue;
    }
    if (got < 0) return engine_failure("walking over items", got);
    if (got == 0) return std::nullopt;
    for (std::int32_t i = 0; i < got; ++i)
      each(ItemView{items[static_cast<std::size_t>(i)], buffer});
  }
}

Result<ExitCode> list(const InspectOptions& options) {
  auto store = open_read_only(options.directory);
  if (!store.ok()) return std::move(store.failure());
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  auto bad = scan_items(store.value().get(), options, [&](const ItemView& view) {
    if (options.json) {
      all.push_back(item_json(view));
    } else {
      emit(item_line(view));
    }
  });
  if (bad) return std::move(*bad);
  if (options.json) emit(json_text(all));
  return ExitCode::ok;
}

// The flows in which an open item with this very key stands.
Result<std::string> flow_of_key(warden_store* store, const InspectOptions& options) {
  if (!options.flow.empty()) return options.flow;
  InspectOptions wanted;
  wanted.directory = options.directory;
  wanted.prefix = options.key;
  std::vector<std::string> flows;
  auto bad = scan_items(store, wanted, [&](const ItemView& view) {
    if (view.key() == options.key) flows.emplace_back(view.flow());
  });
  if (bad) return std::move(*bad);
  if (flows.size() == 1) return flows.front();
  return bad_input(fmt::format("{}: {} open item has the key {}; expected {}", options.directory,
                               flows.empty() ? "no" : "more than one", in_quotes(options.key),
                               flows.empty() ? "one, or --flow for a closed one" : "--flow too"));
}

nlohmann::ordered_json shown_json(const ItemView& view) {
  nlohmann::ordered_json out = item_json(view);
  const bool text = first_non_text_byte(view.payload()) == view.payload().size();
  out[text ? "payload" : "payload_hex"] = text ? std::string{view.payload()} : hex(view.payload());
  return out;
}

// Of a closed item the store remembers how it ended, and no more.
nlohmann::ordered_json closed_json(const std::string& flow, const std::string& key,
                                   std::uint32_t verdict) {
  return {{"flow", flow}, {"key", key}, {"state", "closed"}, {"verdict", verdict_name(verdict)}};
}

std::string closed_text(const std::string& flow, const std::string& key, std::uint32_t verdict) {
  return fmt::format("flow        {}\nkey         {}\nstate       closed, {}\n", one_line(flow),
                     one_line(key), verdict_name(verdict));
}

Result<ExitCode> show(const InspectOptions& options) {
  auto store = open_read_only(options.directory);
  if (!store.ok()) return std::move(store.failure());
  auto flow = flow_of_key(store.value().get(), options);
  if (!flow.ok()) return std::move(flow.failure());
  warden_item item{};
  std::vector<char> buffer(kBufferBytes);
  std::size_t need = 0;
  std::int32_t code = WARDEN_E_BUFFER_TOO_SMALL;
  while (code == WARDEN_E_BUFFER_TOO_SMALL) {
    if (need > buffer.size()) buffer.resize(need);
    code = warden_get(store.value().get(), flow.value().data(), flow.value().size(),
                      options.key.data(), options.key.size(), &item, buffer.data(), buffer.size(),
                      &need);
  }
  if (code == WARDEN_E_UNKNOWN_ITEM || code == WARDEN_E_UNKNOWN_FLOW) {
    return bad_input(
        fmt::format("{}: flow {} has no item {}; expected one that is open or closed "
                    "and still remembered",
                    options.directory, in_quotes(flow.value()), in_quotes(options.key)));
  }
  if (code < 0) return engine_failure("reading the item", code);
  // A completion that came first has no incarnation, and nothing happened before it.
  auto moments = item.incarnation == 0 ? Result<std::vector<Moment>>{std::vector<Moment>{}}
                                       : read_timeline(options.directory, item.incarnation);
  if (!moments.ok()) return std::move(moments.failure());
  const bool closed = code == WARDEN_ALREADY_DONE;
  const ItemView view{item, buffer};
  if (options.json) {
    nlohmann::ordered_json out =
        closed ? closed_json(flow.value(), options.key, item.verdict) : shown_json(view);
    out["timeline"] = timeline_json(moments.value());
    emit(json_text(out));
  } else {
    emit((closed ? closed_text(flow.value(), options.key, item.verdict) : item_text(view)) +
         timeline_text(moments.value()));
  }
  return ExitCode::ok;
}

struct Figure {
  const char* name;
  std::uint64_t value;
};

std::vector<Figure> figures_of(const warden_stats& s) {
  return {{"flows", s.flows},
          {"items_created", s.submitted_total},
          {"submitted", s.submitted},
          {"live", s.live},
          {"done", s.done},
          {"cancelled", s.cancelled},
          {"expired", s.expired},
          {"tombstones", s.tombstones},
          {"alerts_raised", s.alerts_raised},
          {"alerts_kept", s.alerts_kept},
          {"records", s.recovered_records},
          {"torn_bytes", s.torn_bytes},
          {"epoch", s.epoch},
          {"durable_lsn", s.durable_lsn},
          {"memory_bytes", s.item_bytes}};
}

Result<ExitCode> figures(const InspectOptions& options) {
  auto store = open_read_only(options.directory);
  if (!store.ok()) return std::move(store.failure());
  warden_stats stats = WARDEN_STATS_INIT;
  if (const std::int32_t code = warden_stats_get(store.value().get(), &stats); code < 0) {
    return engine_failure("reading the figures", code);
  }
  nlohmann::ordered_json json;
  std::string text;
  for (const Figure& figure : figures_of(stats)) {
    json[figure.name] = figure.value;
    text += fmt::format("{:<14}{:>20}\n", figure.name, with_commas(figure.value));
  }
  emit(options.json ? json_text(json) : text);
  return ExitCode::ok;
}

using Options = std::shared_ptr<InspectOptions>;

CLI::App* add(CLI::App& app, const char* name, const char* what, const Options& options) {
  CLI::App* command = app.add_subcommand(name, what);
  command->add_option("DIR", options->directory, "Directory of the store")->required();
  command->add_flag("--json", options->json, "Print JSON");
  return command;
}

}  // namespace

void add_inspect(CLI::App& app, Command& chosen) {
  const auto ls_options = std::make_shared<InspectOptions>();
  CLI::App* ls = add(app, "ls", "List the open items of a store", ls_options);
  ls->add_option("--flow", ls_options->flow, "Only items of this flow");
  ls->add_option("--state", ls_options->state, "Only items in this state")
      ->check(CLI::IsMember({"submitted", "live"}));
  ls->add_option("--stage", ls_options->stage, "Only items whose newest stage is this");
  ls->add_flag("--overdue", ls_options->overdue, "Only items with a rule breached and not met");
  ls->add_option("--prefix", ls_options->prefix, "Only items whose key begins so");
  ls->callback([ls_options, &chosen] { chosen = [ls_options] { return list(*ls_options); }; });

  const auto show_options = std::make_shared<InspectOptions>();
  CLI::App* one =
      add(app, "show", "Show one item: status, deadlines, payload, timeline", show_options);
  one->add_option("KEY", show_options->key, "Key of the item")->required();
  one->add_option("--flow", show_options->flow, "Its flow; needed if several have the key");
  one->callback(
      [show_options, &chosen] { chosen = [show_options] { return show(*show_options); }; });

  const auto stats_options = std::make_shared<InspectOptions>();
  add(app, "stats", "Print the figures of a store", stats_options)
      ->callback([stats_options, &chosen] {
        chosen = [stats_options] { return figures(*stats_options); };
      });
}

}  // namespace warden::cli
