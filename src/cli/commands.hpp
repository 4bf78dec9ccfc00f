// SPDX-License-Identifier: Apache-2.0
//
// One file a command. Each adds its subcommand to the parser and leaves in
// `chosen` what main() is to run: nothing runs while the line is being parsed.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

#include "cli/failure.hpp"

namespace warden::cli {

// What a command that ran to its end answers: ok, or fault_found.
using Command = std::function<Result<ExitCode>()>;

void add_backup(CLI::App& app, Command& chosen);
void add_demo(CLI::App& app, Command& chosen);
void add_demo_worker(CLI::App& app, Command& chosen);
void add_dump(CLI::App& app, Command& chosen);
void add_flow(CLI::App& app, Command& chosen);
void add_inspect(CLI::App& app, Command& chosen);  // ls, show, stats
void add_replay(CLI::App& app, Command& chosen);
void add_salvage(CLI::App& app, Command& chosen);
void add_verify(CLI::App& app, Command& chosen);

}  // namespace warden::cli
