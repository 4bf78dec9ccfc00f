// SPDX-License-Identifier: Apache-2.0
//
// `warden dump DIR`: every record of a store's log, by position, type, item, size and what
// it holds. It looks below the C ABI, at the log's own reader: what it prints is the log,
// not what the engine makes of it.
//
// Data flow: directory -> log opened read-only, for its names and for being good -> read
// once more -> text or JSON, a line a record (record_view.hpp).
//
// Invariants:
//   1. Nothing is written to the directory, and no lock taken.
//   2. Nothing is printed of a log that is refused: the first reading comes before.
//   3. No record is printed twice, also where reading beside a writer begins anew.
#include <fmt/format.h>

#include <memory>

#include "cli/commands.hpp"
#include "cli/output.hpp"
#include "cli/record_view.hpp"
#include "cli/store_failure.hpp"
#include "io/posix_disk.hpp"
#include "log/log.hpp"

namespace warden::cli {
namespace {

struct DumpOptions {
  std::string directory;
  bool json = false;
};

class Printer final : public log::ReplaySink {
 public:
  Printer(const RecordNames& names, bool json) : names_(names), json_(json) {}

  Error apply(Lsn lsn, log::RecordType type, std::uint64_t incarnation,
              std::span<const std::byte> content) override {
    // The catalog comes first, without positions.
    if (lsn == Lsn::none ? last_ != Lsn::none : lsn <= last_) return {};
    last_ = lsn;
    try {
      print(lsn, type, incarnation, content);
      return {};
    } catch (const std::bad_alloc&) {
      return Error{Code::no_memory, "out of memory"};
    }
  }

 private:
  void print(Lsn lsn, log::RecordType type, std::uint64_t incarnation,
             std::span<const std::byte> content) {
    const auto epoch = log::epoch_of(lsn);
    const auto position = log::position_of(lsn);
    if (!json_) {
      std::string line =
          fmt::format("{:>6}.{:<14} {:<10} {:>20} {:>8}  {}", epoch, position, type_name(type),
                      incarnation, content.size(), record_text(names_, type, incarnation, content));
      line.erase(line.find_last_not_of(' ') + 1);
      emit(line + '\n');
      return;
    }
    nlohmann::ordered_json out{{"lsn", raw(lsn)},
                               {"epoch", epoch},
                               {"position", position},
                               {"type", type_name(type)},
                               {"incarnation", incarnation},
                               {"bytes", content.size()}};
    out.update(record_json(names_, type, incarnation, content));
    emit(out.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + '\n');
  }

  const RecordNames& names_;
  const bool json_;
  Lsn last_ = Lsn::none;
};

Error read(io::Disk& disk, const std::string& directory, log::ReplaySink& sink,
           std::unique_ptr<log::Log>& log) {
  log::Options how;
  how.mode = log::Mode::read_only;
  return log::Log::open(disk, directory, how, sink, log);
}

Result<ExitCode> dump(const DumpOptions& options) {
  const auto disk = io::make_real_disk(io::Backend::posix);
  RecordNames names;
  if (disk == nullptr || !names.ready()) return bad_environment("out of memory");
  std::unique_ptr<log::Log> log;
  if (const Error error = read(*disk, options.directory, names, log)) {
    return store_failure(options.directory, error);
  }
  Printer printer(names, options.json);
  if (const Error error = read(*disk, options.directory, printer, log)) {
    return store_failure(options.directory, error);
  }
  const log::RecoveryReport& report = log->recovery();
  if (report.torn && !options.json) {
    emit(fmt::format("torn tail: {} bytes from byte {} of {}, never acknowledged\n",
                     report.torn_bytes, report.torn_offset, report.torn_file));
  }
  return ExitCode::ok;
}

}  // namespace

void add_dump(CLI::App& app, Command& chosen) {
  CLI::App* command = app.add_subcommand(
      "dump",
      "Print every record of a store's log: epoch.position, type, incarnation, bytes, content");
  auto options = std::make_shared<DumpOptions>();
  command->add_option("DIR", options->directory, "Directory of the store")->required();
  command->add_flag("--json", options->json, "Print a JSON object a line");
  command->callback([options, &chosen] { chosen = [options] { return dump(*options); }; });
}

}  // namespace warden::cli
