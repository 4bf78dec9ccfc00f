// SPDX-License-Identifier: Apache-2.0
//
// `warden dump DIR`: every record of a store's log, by position, type, item and size.
// The one file of the command that looks below the C ABI, at the log's own reader:
// what it prints is the log, not what the engine makes of it.
//
// Data flow: directory -> log opened read-only -> records, kept until the whole log
// has been found good -> text or JSON, a line a record.
//
// Invariants:
//   1. Nothing is written to the directory, and no lock taken.
//   2. Nothing is printed of a log that is refused: records are printed at the end.
#include <fmt/format.h>

#include <memory>
#include <vector>

#include "cli/commands.hpp"
#include "cli/output.hpp"
#include "io/posix_disk.hpp"
#include "log/log.hpp"

namespace warden::cli {
namespace {

struct DumpOptions {
  std::string directory;
  bool json = false;
};

const char* type_name(log::RecordType type) {
  switch (type) {
    case log::RecordType::body:
      return "body";
    case log::RecordType::state:
      return "state";
    case log::RecordType::step:
      return "step";
    case log::RecordType::alert:
      return "alert";
    case log::RecordType::flow:
      return "flow";
    case log::RecordType::consumer:
      return "consumer";
    case log::RecordType::meta:
      return "meta";
    case log::RecordType::anchor:
      return "anchor";
    case log::RecordType::audit:
      return "audit";
    case log::RecordType::ack:
      return "ack";
    case log::RecordType::stage_name:
      return "stage-name";
    case log::RecordType::item:
      return "item";
    case log::RecordType::past:
      return "past";
    case log::RecordType::owed:
      return "owed";
    case log::RecordType::stones:
      return "stones";
    case log::RecordType::totals:
      return "totals";
    case log::RecordType::pad:
      return "pad";
    case log::RecordType::none:
      break;
  }
  return "unknown";
}

struct Line {
  Lsn lsn;
  std::uint64_t incarnation;
  std::uint32_t bytes;
  log::RecordType type;
};

class Lines : public log::ReplaySink {
 public:
  Error apply(Lsn lsn, log::RecordType type, std::uint64_t incarnation,
              std::span<const std::byte> content) override {
    lines.push_back({lsn, incarnation, static_cast<std::uint32_t>(content.size()), type});
    return {};
  }
  // Beside a live writer reading may begin anew.
  void reset() override { lines.clear(); }

  std::vector<Line> lines;
};

Failure refused(const DumpOptions& options, const Error& error) {
  const bool input = error.code == Code::corrupt || error.code == Code::newer_format ||
                     error.code == Code::not_a_store;
  return Failure{input ? ExitCode::bad_input : ExitCode::environment,
                 error.message.empty() ? options.directory + ": cannot be read" : error.message};
}

Result<ExitCode> dump(const DumpOptions& options) {
  const auto disk = io::make_real_disk(io::Backend::posix);
  if (disk == nullptr) return bad_environment("out of memory");
  log::Options how;
  how.mode = log::Mode::read_only;
  Lines sink;
  std::unique_ptr<log::Log> log;
  if (const Error error = log::Log::open(*disk, options.directory, how, sink, log)) {
    return refused(options, error);
  }
  const log::RecoveryReport& report = log->recovery();
  for (const Line& line : sink.lines) {
    const auto epoch = log::epoch_of(line.lsn);
    const auto position = log::position_of(line.lsn);
    emit(options.json ? fmt::format("{{\"lsn\":{},\"epoch\":{},\"position\":{},\"type\":\"{}\","
                                    "\"incarnation\":{},\"bytes\":{}}}\n",
                                    raw(line.lsn), epoch, position, type_name(line.type),
                                    line.incarnation, line.bytes)
                      : fmt::format("{:>6}.{:<14} {:<10} {:>20} {:>8}\n", epoch, position,
                                    type_name(line.type), line.incarnation, line.bytes));
  }
  if (report.torn && !options.json) {
    emit(fmt::format("torn tail: {} bytes from byte {} of {}, never acknowledged\n",
                     report.torn_bytes, report.torn_offset, report.torn_file));
  }
  return ExitCode::ok;
}

}  // namespace

void add_dump(CLI::App& app, Command& chosen) {
  CLI::App* command = app.add_subcommand(
      "dump", "Print every record of a store's log: epoch.position, type, incarnation, bytes");
  auto options = std::make_shared<DumpOptions>();
  command->add_option("DIR", options->directory, "Directory of the store")->required();
  command->add_flag("--json", options->json, "Print a JSON object a line");
  command->callback([options, &chosen] { chosen = [options] { return dump(*options); }; });
}

}  // namespace warden::cli
