// SPDX-License-Identifier: Apache-2.0
//
// The durable path, beside the floor that the disk sets, in one run.
//   floor      one thread: 4 KiB pwrite + fdatasync to a pre-zeroed file (O_DIRECT)
//   callers-n  n threads: append one record, wait until it is durable, again
//   batch-256  one thread: append 256 records, wait for the last
// Each on both backends, floor and workload by turns; ratios are to the floor that
// ran just before. `check` is the number of records that a reopening found, which
// must equal those acknowledged.
//
//   bench_durable [--seconds=S] [--rounds=R] [--quick] [--json] [--dir=D]
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "io/futex.hpp"
#include "io/posix_disk.hpp"
#include "log/log.hpp"
#include "scratch.hpp"

namespace {

using namespace warden;

struct Settings {
  double seconds = 3;
  int rounds = 3;
  bool json = false;
  std::string dir = ".";
};

struct Result {
  std::string workload;
  std::string backend;
  double per_second = 0;  // records acknowledged
  double p50_us = 0;
  double p99_us = 0;
  double ratio = 0;       // to the floor's commits/s
  double bytes_each = 0;  // of log a record
  double per_commit = 0;  // records a flush
  std::uint64_t inline_commits = 0;
  std::uint64_t check = 0;
};

constexpr std::size_t kContent = 16 + 100 + 20;  // key, payload, what the engine adds

[[noreturn]] void die(const std::string& what) {
  std::fprintf(stderr, "bench_durable: %s\n", what.c_str());
  std::exit(1);
}

void percentiles(std::vector<Nanos>& times, Result& out) {
  if (times.empty()) return;
  std::sort(times.begin(), times.end());
  out.p50_us = static_cast<double>(times[times.size() / 2]) / 1e3;
  out.p99_us = static_cast<double>(times[times.size() * 99 / 100]) / 1e3;
}

Result floor_of(const Settings& settings) {
  Result out;
  out.workload = "floor";
  out.backend = "raw";
  const std::string path = settings.dir + "/floor";
  int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_DIRECT | O_CLOEXEC, 0600);
  if (fd < 0) fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) die("cannot create " + path + ": " + std::strerror(errno));
  constexpr std::size_t kFile = 64u << 20;
  constexpr std::size_t kChunk = 1u << 20;
  void* zeros = nullptr;
  if (::posix_memalign(&zeros, 4096, kChunk) != 0) die("out of memory");
  std::memset(zeros, 0, kChunk);
  for (std::size_t at = 0; at < kFile; at += kChunk) {
    if (::pwrite(fd, zeros, kChunk, static_cast<off_t>(at)) != static_cast<ssize_t>(kChunk)) {
      die("cannot fill " + path);
    }
  }
  ::fdatasync(fd);
  std::vector<Nanos> times;
  const Nanos begun = io::monotonic_now();
  const auto span = static_cast<Nanos>(settings.seconds * 1e9);
  Nanos last = begun;
  for (std::size_t i = 0; last - begun < span; ++i) {
    const auto at = static_cast<off_t>(i * 4096 % kFile);
    if (::pwrite(fd, zeros, 4096, at) != 4096 || ::fdatasync(fd) != 0) die("floor: write failed");
    const Nanos now = io::monotonic_now();
    times.push_back(now - last);
    last = now;
  }
  ::close(fd);
  ::unlink(path.c_str());
  std::free(zeros);
  out.per_second = static_cast<double>(times.size()) * 1e9 / static_cast<double>(last - begun);
  out.ratio = 1;
  percentiles(times, out);
  return out;
}

class CountingSink final : public log::ReplaySink {
 public:
  Error apply(Lsn, log::RecordType, std::uint64_t, log::Part) override {
    ++count;
    return {};
  }
  std::uint64_t count = 0;
};

void caller(log::Log& log, int batch, Nanos until, std::vector<Nanos>& times) {
  std::byte content[kContent];
  std::memset(content, 'w', sizeof content);
  const auto records = static_cast<std::uint32_t>(batch);
  for (;;) {
    const Nanos begun = io::monotonic_now();
    if (begun >= until) return;
    log::Credit credit;
    const Code code =
        log.reserve(sizeof content * records, records, log::ReserveFlags::will_wait, credit);
    if (code != Code::ok) die("reserve answered " + std::to_string(raw(code)));
    Lsn lsn = Lsn::none;
    for (int i = 0; i < batch; ++i) {
      lsn = log.append(credit, log::RecordType::body, static_cast<std::uint64_t>(i), content);
    }
    log.release(credit);
    if (log.wait_durable(lsn, kNever) != Code::ok) die("waiting failed");
    times.push_back(io::monotonic_now() - begun);
  }
}

Result run(const Settings& settings, io::Backend backend, int threads, int batch) {
  Result out;
  out.workload =
      batch == 1 ? "callers-" + std::to_string(threads) : "batch-" + std::to_string(batch);
  const std::string path = settings.dir + "/store";
  std::filesystem::remove_all(path);
  const auto disk = io::make_real_disk(backend);
  log::Options options;
  options.first_segment_bytes = options.segment_bytes;  // full size from the start
  CountingSink sink;
  std::unique_ptr<log::Log> log;
  Error error = log::Log::open(*disk, path, options, sink, log);
  if (error) die(error.message);
  std::vector<std::vector<Nanos>> times(static_cast<std::size_t>(threads));
  const Nanos begun = io::monotonic_now();
  const Nanos until = begun + static_cast<Nanos>(settings.seconds * 1e9);
  std::vector<std::thread> callers;
  for (auto& mine : times) {
    mine.reserve(1u << 16);
    callers.emplace_back([&log, &mine, batch, until] { caller(*log, batch, until, mine); });
  }
  for (auto& thread : callers) thread.join();
  const double spent = static_cast<double>(io::monotonic_now() - begun) / 1e9;
  std::vector<Nanos> all;
  for (const auto& mine : times) all.insert(all.end(), mine.begin(), mine.end());
  const double records = static_cast<double>(all.size()) * batch;
  const log::LogStats stats = log->stats();
  out.backend = stats.backend;
  out.per_second = records / spent;
  out.bytes_each = static_cast<double>(stats.bytes) / records;
  out.per_commit = records / static_cast<double>(stats.flushes);
  out.inline_commits = stats.inline_commits;
  percentiles(all, out);
  log.reset();
  CountingSink found;
  error = log::Log::open(*disk, path, options, found, log);
  if (error) die(error.message);
  if (found.count != static_cast<std::uint64_t>(records)) die("reopening found other records");
  out.check = found.count;
  log.reset();
  std::filesystem::remove_all(path);
  return out;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// The medians of the rounds, figure by figure.
Result middle(const std::vector<Result>& rounds) {
  Result out = rounds.front();
  const auto of = [&](auto member) {
    std::vector<double> values;
    for (const Result& one : rounds) values.push_back(one.*member);
    return median(values);
  };
  out.per_second = of(&Result::per_second);
  out.p50_us = of(&Result::p50_us);
  out.p99_us = of(&Result::p99_us);
  out.ratio = of(&Result::ratio);
  out.bytes_each = of(&Result::bytes_each);
  out.per_commit = of(&Result::per_commit);
  return out;
}

void print(const std::vector<Result>& results, bool json) {
  if (json) {
    std::printf("[\n");
  } else {
    std::printf("%-11s %-9s %12s %10s %10s %8s %9s %10s %9s %10s\n", "workload", "backend",
                "records/s", "p50 us", "p99 us", "x floor", "bytes", "rec/flush", "inline",
                "check");
  }
  for (std::size_t i = 0; i < results.size(); ++i) {
    const Result& r = results[i];
    const char* form =
        json ? "  {\"workload\": \"%s\", \"backend\": \"%s\", \"per_second\": %.0f, \"p50_us\": "
               "%.1f, \"p99_us\": %.1f, \"ratio_to_floor\": %.2f, \"bytes_each\": %.0f, "
               "\"records_per_flush\": %.1f, \"inline_commits\": %llu, \"check\": %llu}%s\n"
             : "%-11s %-9s %12.0f %10.1f %10.1f %8.2f %9.0f %10.1f %9llu %10llu%s\n";
    std::printf(
        form, r.workload.c_str(), r.backend.c_str(), r.per_second, r.p50_us, r.p99_us, r.ratio,
        r.bytes_each, r.per_commit, static_cast<unsigned long long>(r.inline_commits),
        static_cast<unsigned long long>(r.check), json && i + 1 < results.size() ? "," : "");
  }
  if (json) std::printf("]\n");
}

Settings parse(int argc, char** argv) {
  Settings out;
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    const std::size_t equal = arg.find('=');
    const std::string value = equal == std::string::npos ? "" : arg.substr(equal + 1);
    const std::string name = arg.substr(0, equal);
    if (name == "--quick") {
      out.seconds = 0.3;
      out.rounds = 1;
    } else if (name == "--json") {
      out.json = true;
    } else if (name == "--seconds" && std::atof(value.c_str()) > 0) {
      out.seconds = std::atof(value.c_str());
    } else if (name == "--rounds" && std::atoi(value.c_str()) > 0) {
      out.rounds = std::atoi(value.c_str());
    } else if (name == "--dir" && !value.empty()) {
      out.dir = value;
    } else {
      die("unknown argument " + arg +
          "; expected --seconds=S, --rounds=R, --quick, --json or --dir=D");
    }
  }
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings = parse(argc, argv);
  const warden::bench::Scratch scratch(settings.dir);
  if (scratch.path().empty()) die("cannot create a directory in " + settings.dir);
  settings.dir = scratch.path();
  struct Workload {
    int threads;
    int batch;
  };
  const Workload workloads[] = {{1, 1}, {8, 1}, {64, 1}, {1, 256}, {4, 256}};
  std::vector<Result> results;
  std::vector<Result> floors;
  for (const Workload& workload : workloads) {
    for (const io::Backend backend : {io::Backend::uring, io::Backend::posix}) {
      std::vector<Result> rounds;
      for (int round = 0; round < settings.rounds; ++round) {
        const Result floor = floor_of(settings);
        floors.push_back(floor);
        rounds.push_back(run(settings, backend, workload.threads, workload.batch));
        rounds.back().ratio = rounds.back().per_second / floor.per_second;
        if (workload.batch != 1) {
          rounds.back().workload =
              "batch-" + std::to_string(workload.batch) + "x" + std::to_string(workload.threads);
        }
      }
      results.push_back(middle(rounds));
    }
  }
  results.insert(results.begin(), middle(floors));
  print(results, settings.json);
  return 0;
}
