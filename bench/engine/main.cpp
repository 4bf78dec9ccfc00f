// SPDX-License-Identifier: Apache-2.0
//
// What an item costs in memory, and what the verbs on it cost in time.
//
// Workloads (all run, unless some are named):
//   memory   resident bytes an item beside key and payload, whole and by parts
//   verbs    track, mark, complete, track + complete: one call at a time and in batches
//            of 256, from one thread and from two, with 10 k, 100 k and 1 M live; the
//            peer does the same job in the same process, round by round in turn
//   parts    hash, clocks, index, wheel, blob and counters alone
//
//   warden_bench_engine [--quick] [--rounds N] [--live N] [--seed N] [--json FILE]
//                       [workload...]
//
// Figures are medians of the rounds. --quick is for a test that the bench still works
// and counts right: its figures are not to be quoted.
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "measure.hpp"
#include "memory.hpp"
#include "parts.hpp"
#include "verbs.hpp"

namespace {

struct Arguments {
  bool quick = false;
  unsigned rounds = 7;
  std::uint64_t seed = 1;
  std::string json;
  std::string memory_of;
  std::size_t items = 1'000'000;  // of workload memory
  std::size_t live = 0;           // of the others; 0: each size in turn
  std::vector<std::string> workloads;
};

[[noreturn]] void usage(const std::string& why) {
  std::fprintf(stderr,
               "warden_bench_engine: %s\nusage: warden_bench_engine [--quick] [--rounds N] "
               "[--live N] [--seed N] [--json FILE] [memory] [verbs] [parts]\n",
               why.c_str());
  std::exit(2);
}

std::uint64_t number(const std::string& option, const char* text) {
  char* end = nullptr;
  const std::uint64_t value = std::strtoull(text, &end, 10);
  if (*text < '0' || *text > '9' || *end != '\0' || value == 0) {
    usage(option + ": expected a number from 1, got '" + text + "'");
  }
  return value;
}

Arguments parse(int count, char** words) {
  Arguments args;
  for (int i = 1; i < count; ++i) {
    const std::string word = words[i];
    const auto value = [&]() -> const char* {
      if (i + 1 == count) usage(word + ": expected a value behind it");
      return words[++i];
    };
    if (word == "--quick")
      args.quick = true;
    else if (word == "--rounds")
      args.rounds = static_cast<unsigned>(number(word, value()));
    else if (word == "--seed")
      args.seed = number(word, value());
    else if (word == "--json")
      args.json = value();
    else if (word == "--memory-of")
      args.memory_of = value();
    else if (word == "--live")
      args.live = number(word, value());
    else if (word == "--items")
      args.items = number(word, value());
    else if (word == "memory" || word == "verbs" || word == "parts")
      args.workloads.push_back(word);
    else
      usage("'" + word + "' is no option and no workload");
  }
  if (args.workloads.empty()) args.workloads = {"memory", "verbs", "parts"};
  if (args.quick) args.rounds = 1;
  return args;
}

}  // namespace

int main(int count, char** words) {
  const Arguments args = parse(count, words);
  if (!args.memory_of.empty()) {
    std::printf("%.2f\n", bench::memory_of(args.memory_of, args.items));
    return 0;
  }
  std::vector<std::size_t> sizes = args.quick
                                       ? std::vector<std::size_t>{10'000, 50'000}
                                       : std::vector<std::size_t>{10'000, 100'000, 1'000'000};
  if (args.live != 0) sizes = {args.live};
  const std::size_t operations = args.quick ? 5'000 : 40'000;
  bench::Report report;
  std::printf("rounds %u, seed %llu%s\n", args.rounds, static_cast<unsigned long long>(args.seed),
              args.quick ? ", quick: not to be quoted" : "");
  for (const std::string& workload : args.workloads) {
    if (workload == "memory") {
      bench::run_memory(args.quick ? 100'000 : args.items, report);
      continue;
    }
    report.heading(workload == "verbs" ? "verbs: an operation" : "parts: an operation");
    for (const std::size_t live : sizes) {
      if (workload == "verbs") bench::run_verbs(live, operations, args.rounds, args.seed, report);
      if (workload == "parts") bench::run_parts(live, operations, args.rounds, args.seed, report);
    }
  }
  if (!args.json.empty() && !report.write_json(args.json)) {
    bench::fail("cannot write '" + args.json + "'");
  }
  return 0;
}
