// SPDX-License-Identifier: Apache-2.0
//
// Memory that runs out while a store is opened. This file replaces operator new of
// the program that it is part of.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <new>

#include "io/posix_disk.hpp"
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
  char name[] = "/tmp/warden-fault-XXXXXX";
  if (::mkdtemp(name) == nullptr) return "no directory for the store";
  io::ManualClock clock(kSecond);
  log::Options options;
  options.segment_bytes = 128 * 1024;
  options.first_segment_bytes = 64 * 1024;
  options.buffer_bytes = 64 * 1024;
  options.manual = true;
  options.clock = &clock;
  const std::string path = std::string(name) + "/store";
  const auto disk = io::make_real_disk(io::Backend::posix);
  std::string wrong = fill(*disk, path, options);
  for (const bool sticky : {false, true}) {
    g_fails_from_then_on = sticky;
    if (wrong.empty()) wrong = each_allocation(*disk, path, options, refused);
  }
  std::filesystem::remove_all(name);
  return wrong;
}

}  // namespace warden::sim
