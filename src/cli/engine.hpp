// SPDX-License-Identifier: Apache-2.0
//
// Owners of the C API's handles, and its codes as this command's failures. The
// command uses the library by include/warden/warden.h alone, as any program would.
//
// Invariants:
//   1. A Store outlives every Consumer opened on it (callers declare it first).
//   2. open_store touches nothing but memory until a directory is asked for, and
//      no caller asks for one before all input has been checked (FlowProbe).
#pragma once

#include <warden/warden.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cli/event_log.hpp"
#include "cli/failure.hpp"

namespace warden::cli {

struct StoreFree {
  void operator()(warden_store* store) const;
};
using Store = std::unique_ptr<warden_store, StoreFree>;

struct ConsumerClose {
  void operator()(warden_consumer* consumer) const;
};
using Consumer = std::unique_ptr<warden_consumer, ConsumerClose>;

// A key of the configuration and its value (warden_config_set).
struct Setting {
  const char* key;
  std::string value;
};

// A store in memory, or with a path that directory.
Result<Store> open_store(const std::vector<Setting>& settings, const char* path = nullptr);

Result<Consumer> open_consumer(warden_store* store, std::string_view name,
                               const warden_consumer_options& options);

struct Flow {
  std::string file;
  std::string text;
  warden_flow_info info = WARDEN_FLOW_INFO_INIT;
  std::string_view name() const { return {info.name, info.name_len}; }
};

// Reads a flow's file; defines nothing yet.
Result<Flow> read_flow(const std::string& file);
// Defines it and fills flow.info.
Status define_flow(warden_store* store, Flow& flow);

// The whole log against the flow, before a store that matters is opened: every
// stage and every rule of --due is tried on a store of its own in memory.
Status check_log_against_flow(const std::string& log_file, const EventLog& log, Flow& flow,
                              const std::vector<DueColumn>& due_columns);

// What a call that had to work answered: "warden_poll: NO_MEMORY".
Failure engine_failure(std::string_view what, std::int32_t code,
                       const warden_error* error = nullptr);

}  // namespace warden::cli
