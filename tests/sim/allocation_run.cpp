// SPDX-License-Identifier: Apache-2.0
//
// Memory that runs out while a store is opened, copied or salvaged, and while a log tells
// of a full disk. This file replaces operator new of the program that it is part of.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <new>

#include "io/posix_disk.hpp"
#include "log/salvage.hpp"
#include "log_runs.hpp"
#include "sim_disk.hpp"

namespace {

// Counts down to the allocation that fails; negative: none does.
long g_allocations_left = -1;
bool g_fails_from_then_on = false;
bool g_failed = false;

bool fails_now() {
  if (g_allocations_left < 0 || warden::sim::exemptions != 0) return false;
  if (g_allocations_left > 0) {
    --g_allocations_left;
    return false;
  }
  g_failed = true;
  if (!g_fails_from_then_on) g_allocations_left = -1;
  return true;
}

}  // namespace

void* operator new(std::size_t size) {
  if (fails_now()) throw std::bad_alloc();
  if (void* place = std::malloc(size == 0 ? 1 : size)) return place;
  throw std::bad_alloc();
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  if (fails_now()) return nullptr;
  return std::malloc(size == 0 ? 1 : size);
}
void operator delete(void* place) noexcept {
  std::free(place);
}
void operator delete(void* place, std::size_t) noexcept {
  std::free(place);
}
void operator delete(void* place, const std::nothrow_t&) noexcept {
  std::free(place);
}

namespace warden::sim {
namespace {

constexpr int kRecords = 20;

class CountingSink final : public log::ReplaySink {
 public:
  Error apply(Lsn, log::RecordType, std::uint64_t, log::Part) override {
    ++count;
    return {};
  }
  int count = 0;
};

std::string fill(io::Disk& disk, const std::string& path, const log::Options& options) {
  CountingSink sink;
  std::unique_ptr<log::Log> log;
  const Error error = log::Log::open(disk, path, options, sink, log);
  if (error) return error.message;
  for (int i = 0; i < kRecords; ++i) {
    log::Credit credit;
    if (log->reserve(0, 1, log::ReserveFlags::nowait, credit) != Code::ok) return "no room";
    log->append(credit, log::RecordType::state, 1, log::Part());
    log->release(credit);
    if (log->sync(kNever) != Code::ok) return "it does not sync";
  }
  return {};  // not closed: opening has to look for the end
}

std::string each_allocation(io::Disk& disk, const std::string& path, const log::Options& options,
                            int& refused) {
  std::unique_ptr<log::Log> log;
  for (long n = 0;; ++n) {
    CountingSink sink;
    g_failed = false;
    g_allocations_left = n;
    const Error error = log::Log::open(disk, path, options, sink, log);
    g_allocations_left = -1;
    log.reset();
    const std::string where = "allocation " + std::to_string(n) + ": ";
    // It can do without some, as when it removes leftovers.
    if (!error && sink.count != kRecords) {
      return where + std::to_string(sink.count) + " records of " + std::to_string(kRecords);
    }
    if (error && error.code != Code::no_memory) return where + error.message;
    if (!g_failed) return error ? where + "refused although there was memory" : std::string();
    refused += error ? 1 : 0;
  }
}

// A directory that goes away, and options for a log in it.
struct Place {
  Place() {
    char name[] = "/tmp/warden-fault-XXXXXX";
    if (::mkdtemp(name) == nullptr) std::abort();
    path = name;
    options.segment_bytes = 128 * 1024;
    options.first_segment_bytes = 64 * 1024;
    options.buffer_bytes = 64 * 1024;
    options.manual = true;
    options.clock = &clock;
  }
  ~Place() { std::filesystem::remove_all(path); }
  std::string path;
  io::ManualClock clock{kSecond};
  log::Options options;
};

// Each allocation of `call` fails, once and from then on: what it answers is no_memory, and
// then `none` says what is wrong; or it can do without, and then `whole` does.
template <class Call, class Whole, class None>
std::string each(int& refused, Call call, Whole whole, None none) {
  for (const bool sticky : {false, true}) {
    for (long n = 0;; ++n) {
      g_failed = false;
      g_fails_from_then_on = sticky;
      g_allocations_left = n;
      const Error error = call();
      g_allocations_left = -1;
      const std::string where = "allocation " + std::to_string(n) + ": ";
      if (error && error.code != Code::no_memory) return where + error.message;
      const std::string wrong = error ? none() : whole();
      if (!wrong.empty()) return where + wrong;
      if (!g_failed) {
        if (error) return where + "refused although there was memory";
        break;
      }
      refused += error ? 1 : 0;
    }
  }
  return {};
}

// Goes on while that allocation fails, once or with all that follow.
void rest_without(long allocation, bool sticky, log::Log& log) {
  g_fails_from_then_on = sticky;
  g_allocations_left = allocation;
  for (int i = 0; i < 1000; ++i) {
    if (!log.pump()) log.queue().wait(log.idle_time());
  }
  g_allocations_left = -1;
}

}  // namespace

void fail_allocation(long n) {
  g_failed = false;
  g_fails_from_then_on = false;
  g_allocations_left = n;
}

bool end_of_failing() {
  g_allocations_left = -1;
  return !g_failed;
}

std::string run_memory_out(int& refused) {
  Place place;
  const std::string path = place.path + "/store";
  const auto disk = io::make_real_disk(io::Backend::posix);
  std::string wrong = fill(*disk, path, place.options);
  for (const bool sticky : {false, true}) {
    g_fails_from_then_on = sticky;
    if (wrong.empty()) wrong = each_allocation(*disk, path, place.options, refused);
  }
  return wrong;
}

std::string run_memory_out_copying(int& refused) {
  Place place;
  const auto disk = io::make_real_disk(io::Backend::posix);
  const std::string from = place.path + "/store";
  const std::string to = place.path + "/copy";
  std::string wrong = fill(*disk, from, place.options);
  CountingSink sink;
  std::unique_ptr<log::Log> writer;
  if (wrong.empty()) wrong = log::Log::open(*disk, from, place.options, sink, writer).message;
  log::BackupReport report;
  const auto whole = [&]() -> std::string {
    log::Options reading = place.options;
    reading.mode = log::Mode::read_only;
    CountingSink copied;
    std::unique_ptr<log::Log> log;
    const Error error = log::Log::open(*disk, to, reading, copied, log);
    std::filesystem::remove_all(to);
    if (error) return error.message;
    return copied.count == kRecords ? "" : "a record is not in the copy";
  };
  const auto none = [&]() -> std::string {
    const bool there = std::filesystem::exists(to + "/CURRENT");
    std::filesystem::remove_all(to);
    return there ? "a copy that was refused is a store" : "";
  };
  if (wrong.empty()) {
    wrong = each(
        refused, [&] { return writer->backup(*disk, to, {}, report); }, whole, none);
  }
  writer.reset();
  std::filesystem::remove_all(to);
  if (wrong.empty()) {
    wrong = each(
        refused, [&] { return log::backup(*disk, from, to, {}, report); }, whole, none);
  }
  return wrong;
}

std::string run_memory_out_salvaging(int& refused) {
  Place place;
  const auto disk = io::make_real_disk(io::Backend::posix);
  const std::string from = place.path + "/store";
  std::string wrong = fill(*disk, from, place.options);
  int records = 0;
  const auto salvage = [&] {
    CountingSink sink;
    log::Salvager salvager;
    Error error = salvager.open(*disk, from);
    if (!error) error = salvager.read(sink);
    records = sink.count;
    return error;
  };
  const auto whole = [&] { return std::string(records == kRecords ? "" : "a record is lost"); };
  const auto none = [] { return std::string(); };
  if (wrong.empty()) wrong = each(refused, salvage, whole, none);
  // Without CURRENT the manifest is looked for.
  std::filesystem::remove(from + "/CURRENT");
  if (wrong.empty()) wrong = each(refused, salvage, whole, none);
  return wrong;
}

std::string run_memory_out_telling() {
  // When there is room again, the nth allocation fails; by then the manifest was written.
  for (long nth = 0; nth < 100; ++nth) {
    SimWorld world(7);
    io::ManualClock clock(kSecond);
    LogModel model(world, clock);
    std::string wrong = model.open();
    if (!wrong.empty()) return wrong;
    std::vector<Error> told;
    told.reserve(100);
    model.log().on_trouble([&](const Error& error) { told.push_back(error); });
    world.capacity = world.used() + 8 * 1024;  // not enough for the next segment
    bool alive = true;
    for (int i = 0; i < 10 && wrong.empty() && told.empty(); ++i) {
      wrong = model.append(2000, alive);
      rest_without(0, true, model.log());
    }
    if (!wrong.empty()) return wrong;
    if (told.size() != 1 || told[0].code != Code::no_space) return "a full disk is not told of";
    if (!told[0].message.empty()) return "there was memory for a text";
    world.capacity = ~std::uint64_t{0};
    rest_without(nth, false, model.log());
    if (told.back().code != Code::ok) return "that there is room is not told";
    if (told.back().message.empty()) return {};
  }
  return "there was always memory for a text";
}

}  // namespace warden::sim
