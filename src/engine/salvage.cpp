// SPDX-License-Identifier: Apache-2.0
//
// See salvage.hpp: the third reading, the new store, and its name.
#include "engine/salvage.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "engine/salvage_survey.hpp"
#include "engine/store.hpp"
#include "io/posix_disk.hpp"
#include "log/backup.hpp"

namespace warden::engine {

using index::State;
using log::RecordType;

bool Salvaged::whole() const noexcept {
  bool proven = false;
  for (const log::LostRange& one : log.lost) proven = proven || !one.unproven;
  return !proven && casualties.empty() && notes.empty() && log.notes.empty();
}

namespace {

// Third reading: appends what fits, so that the new log can be replayed as any other.
class Rewriter final : public log::ReplaySink {
 public:
  Rewriter(log::Log& log, const Definitions& definitions, const Survey& survey) noexcept
      : log_(log), defined_(definitions), survey_(survey) {}

  // All that records refer to comes first.
  Error begin_with_definitions() {
    for (std::uint64_t number = 0; number < defined_.texts().size(); ++number) {
      if (Error error = put_text(RecordType::flow, number, defined_.texts()[number])) return error;
    }
    for (const auto& [key, name] : defined_.stages()) {
      if (Error error = put_text(RecordType::stage_name, key, name)) return error;
    }
    return {};
  }

  Error apply(Lsn, RecordType type, std::uint64_t incarnation,
              std::span<const std::byte> content) override {
    try {
      if (!fits(type, incarnation, content)) return {};
      if (type == RecordType::consumer) {
        if (Error error = one_of_a_name(incarnation, content)) return error;
      }
      const bool closing = type == RecordType::state && record_.state == State::closed;
      if (closing && !record_.early && open_.erase(incarnation) == 0) return put_stone(incarnation);
      // An ITEM whose BODY is not there is one.
      if (type == RecordType::item && items_.count(incarnation) == 0) type = RecordType::body;
      if (type == RecordType::body) items_.insert(incarnation);
      if (closing) items_.erase(incarnation);
      return put(type, incarnation, content);
    } catch (const std::bad_alloc&) {
      return Error{Code::no_memory, "out of memory while the log was written"};
    }
  }

  std::uint64_t records() const noexcept { return records_; }

 private:
  bool fits(RecordType type, std::uint64_t incarnation, std::span<const std::byte> content) {
    Reader in(content);
    const auto flow_of = [&](std::uint64_t number) { return defined_.find(number); };
    switch (type) {
      case RecordType::body:
      case RecordType::item: {
        const std::uint64_t flow = in.varint();
        in.word();
        in.text();
        in.text();
        if (defined_.find(flow) == nullptr || !decode_state(in, flow_of, record_)) return false;
        if (survey_.superseded().count(incarnation) != 0) return false;
        open_.insert(incarnation);
        return true;
      }
      case RecordType::state:
        if (!decode_state(in, flow_of, record_)) return false;
        if (survey_.superseded().count(incarnation) != 0) return false;
        return record_.state == State::closed || open_.count(incarnation) != 0;
      case RecordType::past:
        pasts_.insert(incarnation);
        return defined_.find(in.varint()) != nullptr;
      case RecordType::owed:
        // Behind the item that it is of.
        return decode_owed(in, flow_of, owed_) &&
               (open_.count(incarnation) != 0 || pasts_.count(incarnation) != 0);
      case RecordType::flow:
        // The first is there already; a later one makes an older version the newest, and
        // from then on every one counts, since it may take that over.
        renewed_ = !flows_.insert(incarnation).second || renewed_;
        return renewed_ && defined_.find(incarnation) != nullptr;
      case RecordType::consumer:
      case RecordType::ack:
      case RecordType::stones:
        return true;
      case RecordType::anchor:
        anchor_ = std::max(anchor_, static_cast<Nanos>(in.word()));
        return true;
      default:
        // Names of stages are there already. Counts of what was freed begin anew: the new
        // log is not one that was cut.
        return false;
    }
  }

  // A consumer whose deletion is lost makes room for the one that took its name.
  Error one_of_a_name(std::uint64_t number, std::span<const std::byte> content) {
    Reader in(content);
    ConsumerRecord record;
    if (!decode_consumer(in, record)) return {};
    const auto other = consumers_.find(record.name);
    if (other != consumers_.end() && other->second != number && !record.deleted) {
      ConsumerRecord gone;
      gone.deleted = true;
      gone.name = record.name;
      Writer out;
      encode_consumer(out, gone);
      if (Error error = put(RecordType::consumer, other->second, out.bytes())) return error;
    }
    if (!record.deleted) consumers_[record.name] = number;
    return {};
  }

  // The closing of an item whose beginning is not there, as what it leaves: a tombstone.
  Error put_stone(std::uint64_t incarnation) {
    const FlowVersion& flow = *defined_.find(record_.flow);
    Writer out;
    out.hash(record_.key);
    out.word(incarnation);
    out.varint(index::coarse_expiry(add_sat(std::max(record_.at, anchor_), flow.def.dedupe)));
    out.byte(raw(record_.verdict));
    return put(RecordType::stones, std::uint64_t{lane_of(record_.key)} << 10, out.bytes());
  }

  Error put_text(RecordType type, std::uint64_t incarnation, std::string_view text) {
    Writer out;
    out.text(text);
    return put(type, incarnation, out.bytes());
  }

  Error put(RecordType type, std::uint64_t incarnation, std::span<const std::byte> content) {
    log::Credit credit;
    const Code code = log_.reserve(content.size(), 1, log::ReserveFlags::none, credit);
    if (is_error(code)) {
      const Error failure = log_.stats().failure;
      return failure ? failure : Error{code, "the new store takes no more records"};
    }
    log_.append(credit, type, incarnation, content);
    log_.release(credit);
    ++records_;
    return {};
  }

  log::Log& log_;
  const Definitions& defined_;
  const Survey& survey_;
  StateRecord record_;
  OwedRecord owed_;
  std::unordered_set<std::uint64_t> open_;
  std::unordered_set<std::uint64_t> items_;  // open_, whose BODY is written
  std::unordered_set<std::uint64_t> pasts_;
  std::unordered_set<std::uint64_t> flows_;
  bool renewed_ = false;
  Nanos anchor_ = kNoTime;
  std::map<std::string, std::uint64_t> consumers_;
  std::uint64_t records_ = 0;
};

class Nothing final : public log::ReplaySink {
 public:
  Error apply(Lsn, RecordType, std::uint64_t, std::span<const std::byte>) override { return {}; }
};

Error write(io::Disk& disk, log::Salvager& from, const Definitions& definitions,
            const Survey& survey, const std::string& to, Salvaged& out) {
  log::Options options;
  options.uuid = from.report().uuid;
  options.epochs_before = log::epoch_of_copy(from.report().epoch);
  Nothing nothing;
  std::unique_ptr<log::Log> log;
  if (Error error = log::Log::open(disk, to, options, nothing, log)) return error;
  Rewriter rewriter(*log, definitions, survey);
  if (Error error = rewriter.begin_with_definitions()) return error;
  if (Error error = from.read(rewriter)) return error;
  out.records = rewriter.records();
  const Code code = log->close(-1);
  if (!is_error(code)) return {};
  const Error failure = log->stats().failure;
  return failure ? failure : Error{code, to + ": the new store could not be finished"};
}

// What was written must open, with as many items as were counted.
Error check(const std::string& path, const Salvaged& wanted) {
  Config config;
  config.read_only = true;
  std::unique_ptr<Store> store;
  if (Error error = Store::open(path.c_str(), config, store)) {
    if (error.code != Code::corrupt) return error;
    return Error{Code::internal, "what was salvaged does not open: " + error.message};
  }
  const Figures figures = store->figures();
  const std::uint64_t open = figures.values[Counters::submitted] + figures.values[Counters::live];
  if (open == wanted.open_items) return {};
  return Error{Code::internal, "what was salvaged has " + std::to_string(open) +
                                   " open items; expected " + std::to_string(wanted.open_items)};
}

Error take_name(const std::string& from, const std::string& to) {
  const std::string parent = std::filesystem::path(to).parent_path().string();
  const int fd = ::open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool done = fd >= 0 && std::rename(from.c_str(), to.c_str()) == 0 && ::fsync(fd) == 0;
  const int failed = errno;
  if (fd >= 0) ::close(fd);
  if (done) return {};
  return Error{Code::io, to + ": cannot give the new store its name: " + std::strerror(failed)};
}

Error salvage_into(io::Disk& disk, log::Salvager& salvager, const std::string& to, Salvaged& out) {
  Definitions definitions;
  if (Error error = salvager.read(definitions)) return error;
  if (Error error = definitions.build(out.notes)) return error;
  Survey survey(definitions);
  if (Error error = salvager.read(survey)) return error;
  if (Error error = definitions.name_stages(survey.stages_used(), out.notes)) return error;
  survey.judge(salvager.report(), out);
  if (Error error = write(disk, salvager, definitions, survey, to, out)) return error;
  out.log = salvager.report();
  return check(to, out);
}

}  // namespace

Error salvage(const std::string& from, const std::string& given, Salvaged& out) {
  out = {};
  std::string to = given;
  while (to.size() > 1 && to.back() == '/') to.pop_back();
  const auto disk = io::make_real_disk(io::Backend::posix);
  if (disk == nullptr) return Error{Code::no_memory, "out of memory"};
  try {
    log::Salvager salvager;
    if (Error error = salvager.open(*disk, from)) return error;
    std::error_code none;
    const auto parent = std::filesystem::absolute(to).parent_path();
    if (std::filesystem::equivalent(parent, from, none)) {
      return Error{Code::not_a_store, to + ": it would lie in the damaged store; expected a new "
                                           "directory elsewhere"};
    }
    // Both may be made; neither is touched if it holds anything.
    const bool there = std::filesystem::exists(to);
    std::unique_ptr<io::Dir> place;
    if (there) {
      if (Error error = log::make_empty_dir(*disk, to, place)) return error;
    }
    const std::string work = to + ".salvaging";
    if (Error error = log::make_empty_dir(*disk, work, place)) return error;
    place.reset();
    Error error = salvage_into(*disk, salvager, work, out);
    if (!error) error = take_name(work, to);
    if (error) {
      std::error_code ignored;
      std::filesystem::remove_all(work, ignored);
    }
    return error;
  } catch (const std::bad_alloc&) {
    return Error{Code::no_memory, "out of memory"};
  } catch (const std::filesystem::filesystem_error& error) {
    return Error{Code::io, error.what()};
  }
}

}  // namespace warden::engine
