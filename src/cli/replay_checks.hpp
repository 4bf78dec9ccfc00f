// SPDX-License-Identifier: Apache-2.0
//
// What `warden replay` looks at before it creates or feeds anything: that no output is
// an input, that a store and a journal that are there are of this very replay, and that
// a run which is killed could go on.
//
// Invariant: nothing here changes a file or a store.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/alert_journal.hpp"
#include "cli/engine.hpp"
#include "cli/event_log.hpp"
#include "cli/failure.hpp"
#include "cli/feeder.hpp"

namespace warden::cli {

struct ReplayOptions {
  std::string log_file;
  std::string flow_file;
  std::vector<std::string> dues;
  std::string alerts_file;
  std::string ids_file;
  std::string store;  // empty: in memory
  std::string order = "time";
  FeedOptions feed;
  bool json = false;
};

struct JournalPlace {
  std::string path;
  JournalOwner owner;
  bool anew = false;  // the store is
};

// What identifies a replay, besides its store: a digest of its input.
std::string replay_identity(const ReplayOptions& options, const Flow& flow,
                            std::string_view events);
Status check_outputs(const ReplayOptions& options);
// A run that goes on after a kill feeds the log from its beginning: cases that were
// closed must be known still.
Status check_dedupe(const ReplayOptions& options, const Flow& flow, const EventLog& log);
Result<JournalPlace> find_journal(const ReplayOptions& options, const std::string& identity);
// Before anything is fed into a store that was there: as far as it can tell, is it of
// an earlier run of this replay?
Status check_store(warden_store* store, const Flow& flow, const ReplayOptions& options,
                   const EventLog& log);

}  // namespace warden::cli
