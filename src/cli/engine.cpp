// SPDX-License-Identifier: Apache-2.0
//
// See engine.hpp.
#include "cli/engine.hpp"

#include <fmt/format.h>

#include <mutex>
#include <utility>

#include "cli/file_io.hpp"
#include "cli/progress.hpp"
#include "cli/text.hpp"

namespace warden::cli {
namespace {

// More than a store takes, so that it is the store that says how much.
constexpr std::size_t kFlowMostBytes = std::size_t{4} << 20;

struct ConfigFree {
  void operator()(warden_config* config) const { warden_config_free(config); }
};
using Config = std::unique_ptr<warden_config, ConfigFree>;

// The last line of the library's that told of trouble: a full disk, a device error.
class Trouble {
 public:
  static void hear(void*, std::uint32_t weight, std::int32_t, const char* text) {
    if (weight < WARDEN_LOG_WARNING) return;
    const std::lock_guard lock{mutex_};
    text_ = text;
  }
  static std::string text() {
    const std::lock_guard lock{mutex_};
    return text_;
  }

 private:
  static inline std::mutex mutex_;
  static inline std::string text_;
};

// What the library may have told of: want of memory too, of descriptors for the log's files.
bool is_storage(std::int32_t code) {
  return code == WARDEN_E_NO_SPACE || code == WARDEN_E_NO_MEMORY || code == WARDEN_E_IO ||
         code == WARDEN_E_OUTCOME_UNKNOWN;
}

// Memory and threads are the machine's matter, everything else the engine's.
ExitCode exit_code_of(std::int32_t code) {
  switch (code) {
    case WARDEN_E_NO_MEMORY:
    case WARDEN_E_NO_SPACE:
    case WARDEN_E_IO:
    case WARDEN_E_OUTCOME_UNKNOWN:
    case WARDEN_E_PERMISSION:
    case WARDEN_E_HELD:
      return ExitCode::environment;
    case WARDEN_E_CORRUPT:
    case WARDEN_E_NEWER_FORMAT:
    case WARDEN_E_NOT_A_STORE:
      return ExitCode::bad_input;
    default:
      return ExitCode::engine;
  }
}

// Tries names of the log on items that exist for nothing else.
class FlowProbe {
 public:
  FlowProbe(const EventLog& log, Store store, std::string_view flow)
      : log_(log), store_(std::move(store)), flow_(flow) {}

  // What marking a fresh item with this stage (and due) is answered.
  std::int32_t mark(Name stage, const warden_due* due) {
    const std::string key = std::to_string(++items_);
    warden_item_options options = WARDEN_ITEM_OPTIONS_INIT;
    options.at_ns = log_.first_ns;
    const std::int32_t code = warden_track(store_.get(), flow_.data(), flow_.size(), key.data(),
                                           key.size(), nullptr, 0, &options, nullptr);
    if (code < 0) return code;
    options.dues = due;
    options.due_count = due != nullptr ? 1 : 0;
    const std::string_view name = log_.text(stage);
    return warden_mark(store_.get(), flow_.data(), flow_.size(), key.data(), key.size(),
                       name.data(), name.size(), &options, nullptr);
  }

 private:
  const EventLog& log_;
  Store store_;
  std::string_view flow_;
  std::uint64_t items_ = 0;
};

}  // namespace

void StoreFree::operator()(warden_store* store) const {
  warden_close(store, 0);
  warden_free(store);
}

void ConsumerClose::operator()(warden_consumer* consumer) const {
  warden_consumer_close(consumer);
}

Failure engine_failure(std::string_view what, std::int32_t code, const warden_error* error) {
  std::string message = fmt::format("{}: {}", what, warden_code_name(code));
  if (error != nullptr && error->message[0] != '\0') {
    message += fmt::format(": {}", error->message);
  } else if (const std::string trouble = Trouble::text(); is_storage(code) && !trouble.empty()) {
    message += fmt::format(": {}", trouble);
  }
  return Failure{exit_code_of(code), std::move(message)};
}

// "opening DIR [###...]", on a terminal, while a long log is read.
struct Opening {
  const char* path;
  LiveLine line;
  static void tell(void* context, std::uint64_t done, std::uint64_t total) {
    auto& self = *static_cast<Opening*>(context);
    const double share = static_cast<double>(done) / static_cast<double>(total);
    self.line.draw(fmt::format("opening {} {}", self.path, bar(share)));
  }
};

Result<Store> open_store(const std::vector<Setting>& settings, const char* path) {
  warden_error error = WARDEN_ERROR_INIT;
  warden_config* raw_config = nullptr;
  if (const std::int32_t code = warden_config_new(&raw_config); code < 0) {
    return engine_failure("configuring the engine", code);
  }
  const Config config{raw_config};
  warden_config_log(config.get(), Trouble::hear, nullptr);
  for (const Setting& setting : settings) {
    const std::int32_t code =
        warden_config_set(config.get(), setting.key, setting.value.c_str(), &error);
    if (code < 0) return engine_failure(fmt::format("setting {}", setting.key), code, &error);
  }
  Opening opening{path, {}};
  warden_config_progress(config.get(), Opening::tell, &opening);
  warden_store* store = nullptr;
  const std::int32_t code = warden_open(path, config.get(), &store, &error);
  opening.line.clear();
  if (code < 0) {
    if (path == nullptr) return engine_failure("starting the engine", code, &error);
    // The library's own line: it names the directory or file, and the byte.
    if (error.message[0] != '\0') return Failure{exit_code_of(code), error.message};
    return engine_failure(fmt::format("{}: opening the store", path), code);
  }
  return Store{store};
}

Result<Consumer> open_consumer(warden_store* store, std::string_view name,
                               const warden_consumer_options& options) {
  warden_error error = WARDEN_ERROR_INIT;
  warden_consumer* consumer = nullptr;
  const std::int32_t code =
      warden_consumer_open(store, name.data(), name.size(), &options, &consumer, &error);
  if (code < 0) return engine_failure("opening a consumer of alerts", code, &error);
  return Consumer{consumer};
}

Result<Flow> read_flow(const std::string& file) {
  // Unchecked: what is wrong with it the library says better, line and column.
  auto text = read_file(file, "a flow in TOML (docs/flows.md)", kFlowMostBytes);
  if (!text.ok()) return std::move(text.failure());
  Flow flow;
  flow.file = file;
  flow.text = std::move(text.value());
  return flow;
}

Status define_flow(warden_store* store, Flow& flow) {
  warden_error error = WARDEN_ERROR_INIT;
  flow.info = WARDEN_FLOW_INFO_INIT;
  const std::int32_t code =
      warden_flow_define(store, flow.text.data(), flow.text.size(), &flow.info, &error);
  if (code >= 0) return std::nullopt;
  if (code != WARDEN_E_FLOW_SYNTAX && code != WARDEN_E_TOO_LARGE) {
    return engine_failure("defining the flow", code, &error);
  }
  std::string place = flow.file;
  if (error.line != 0) place += fmt::format(":{}", error.line);
  if (error.line != 0 && error.column != 0) place += fmt::format(":{}", error.column);
  return bad_input(fmt::format("{}: {}", place, error.message));
}

Status check_log_against_flow(const std::string& log_file, const EventLog& log, Flow& flow,
                              const std::vector<DueColumn>& due_columns) {
  auto store =
      open_store({{"clock", "manual"}, {"stripes", "16"}, {"start", std::to_string(log.first_ns)}});
  if (!store.ok()) return std::move(store.failure());
  if (auto bad = define_flow(store.value().get(), flow)) return bad;
  FlowProbe probe{log, std::move(store.value()), flow.name()};
  for (const StageName& stage : log.stages) {
    const std::int32_t code = probe.mark(stage.name, nullptr);
    if (code >= 0) continue;
    if (code != WARDEN_E_UNKNOWN_STAGE && code != WARDEN_E_LIMIT) {
      return engine_failure(fmt::format("{}:{}: trying a stage", log_file, stage.first_line), code);
    }
    const bool open_list = flow.info.any_stages != 0;
    return bad_input(fmt::format(
        "{}:{}: stage {} is {} flow {} ({}); expected {}", log_file, stage.first_line,
        in_quotes(log.text(stage.name)), open_list ? "one more than fits" : "not in",
        in_quotes(flow.name()), flow.file,
        open_list ? "at most 4,096 different stages" : "one of the stages that the flow lists"));
  }
  for (const DueColumn& given : due_columns) {
    const warden_due due{given.rule.data(), given.rule.size(), log.first_ns};
    const std::int32_t code = probe.mark(log.stages.front().name, &due);
    if (code >= 0) continue;
    if (code != WARDEN_E_UNKNOWN_RULE && code != WARDEN_E_INVALID_ARGUMENT) {
      return engine_failure(fmt::format("trying --due {}={}", given.rule, given.column), code);
    }
    return bad_input(fmt::format(
        "{}: flow {} has no rule {} of kind due (given with --due {}={}); "
        "expected the name of one",
        flow.file, in_quotes(flow.name()), in_quotes(given.rule), given.rule, given.column));
  }
  return std::nullopt;
}

}  // namespace warden::cli
