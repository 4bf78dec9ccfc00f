// SPDX-License-Identifier: Apache-2.0
//
// What cleaning costs whoever waits for an answer. A store with items that never end;
// one thread that tracks and completes small items, each answer waited for, and whose
// waits are measured; one that writes larger items at a fixed pace, not waited for, so
// that the log fills. The same twice in each round, in turn:
//
//   cleaned   log_factor = 2: segments are freed all the time
//   peer      log_factor = 100: none is, the log grows
//
// check: the cleaned log has freed segments and stayed below its bound, the other has
// freed none, and all the items that never end are there afterwards.
//
//   bench_cleaning [--quick] [--seconds=S] [--rounds=R] [--items=N] [--json=FILE] [--dir=D]
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "scratch.hpp"
#include "warden/warden.h"

namespace {

using Clock = std::chrono::steady_clock;

constexpr char kFlow[] = "[flow]\nname = \"job\"\nstages = []\ndedupe = \"1s\"\n";
constexpr std::uint64_t kSegment = 8u << 20;
constexpr std::size_t kChurnBytes = 8000;
constexpr double kChurnRate = 2500;  // items a second: some 20 MB of log

struct Settings {
  double seconds = 5;
  int rounds = 3;
  std::uint64_t items = 20'000;  // that never end
  std::string json;
  std::string dir = ".";
};

struct Figure {
  double p50 = 0, p99 = 0, p999 = 0;  // microseconds
  double answers = 0;                 // a second
  double size = 0;                    // of the log at its largest, MB
  double freed = 0;                   // segments
  double written = 0;                 // MB
};

[[noreturn]] void die(const std::string& what) {
  std::fprintf(stderr, "bench_cleaning: %s\n", what.c_str());
  std::exit(1);
}

double middle(std::vector<double> all) {
  std::sort(all.begin(), all.end());
  return all[all.size() / 2];
}

warden_store* open_store(const std::string& path, const char* factor) {
  warden_config* config = nullptr;
  warden_store* store = nullptr;
  warden_error error = WARDEN_ERROR_INIT;
  warden_config_new(&config);
  warden_config_set(config, "segment_bytes", std::to_string(kSegment).c_str(), &error);
  warden_config_set(config, "log_factor", factor, &error);
  if (warden_open(path.c_str(), config, &store, &error) != WARDEN_OK) die(error.message);
  warden_config_free(config);
  if (warden_flow_define(store, kFlow, sizeof kFlow - 1, nullptr, &error) < 0) die(error.message);
  return store;
}

void track(warden_store* store, const std::string& key, const std::string& payload,
           const warden_item_options* options) {
  const auto code = warden_track(store, "job", 3, key.data(), key.size(), payload.data(),
                                 payload.size(), options, nullptr);
  if (code != WARDEN_NEW) die("track answered " + std::string(warden_code_name(code)));
}

void complete(warden_store* store, const std::string& key, const warden_item_options* options) {
  const auto code = warden_complete(store, "job", 3, key.data(), key.size(), options, nullptr);
  if (code != WARDEN_ON_TIME) die("complete answered " + std::string(warden_code_name(code)));
}

warden_item_options buffered() {
  warden_item_options options = WARDEN_ITEM_OPTIONS_INIT;
  options.durability = WARDEN_DURABILITY_BUFFERED;
  return options;
}

// At its pace, or as fast as it may: it does not make up for being held up.
void churn(warden_store* store, const std::atomic<bool>& stop) {
  const warden_item_options options = buffered();
  const std::string payload(kChurnBytes, 'c');
  auto next = Clock::now();
  for (std::uint64_t i = 0; !stop.load(std::memory_order_relaxed); ++i) {
    const std::string key = "churn" + std::to_string(i);
    track(store, key, payload, &options);
    complete(store, key, &options);
    next = std::max(next, Clock::now() - std::chrono::milliseconds(50));
    next += std::chrono::nanoseconds(static_cast<std::int64_t>(1e9 / kChurnRate));
    std::this_thread::sleep_until(next);
  }
}

Figure measure(const Settings& settings, const std::string& path, bool cleans) {
  warden_store* store = open_store(path, cleans ? "2" : "100");
  const warden_item_options options = buffered();
  for (std::uint64_t i = 0; i < settings.items; ++i) {
    track(store, "for-ever" + std::to_string(i), std::string(200, 'x'), &options);
  }
  if (warden_sync(store, -1) != WARDEN_OK) die("not durable");
  std::atomic<bool> stop{false};
  std::thread other([&] { churn(store, stop); });
  Figure out;
  std::vector<double> waits;
  const auto begun = Clock::now();
  const auto until = begun + std::chrono::duration<double>(settings.seconds);
  warden_stats stats = WARDEN_STATS_INIT;
  // On a slow disk as much longer as it takes to have something freed at all.
  const auto too_soon = [&] {
    return cleans && stats.log_freed == 0 && Clock::now() < until + std::chrono::minutes(1);
  };
  for (std::uint64_t i = 0; Clock::now() < until || too_soon(); ++i) {
    const std::string key = "waits" + std::to_string(i);
    for (const bool first : {true, false}) {
      const auto at = Clock::now();
      if (first) {
        track(store, key, "payload", nullptr);
      } else {
        complete(store, key, nullptr);
      }
      waits.push_back(std::chrono::duration<double, std::micro>(Clock::now() - at).count());
    }
    if (i % 16 != 0) continue;
    warden_stats_get(store, &stats);
    out.size = std::max(out.size, static_cast<double>(stats.log_size) / 1e6);
  }
  const double took = std::chrono::duration<double>(Clock::now() - begun).count();
  stop = true;
  other.join();
  warden_stats_get(store, &stats);
  if (stats.live != settings.items) die("check failed: items that never end are gone");
  if (warden_close(store, 60'000'000'000) != WARDEN_OK) die("cannot close");
  warden_free(store);
  std::sort(waits.begin(), waits.end());
  const auto at = [&](double share) {
    return waits[static_cast<std::size_t>(share * static_cast<double>(waits.size() - 1))];
  };
  out.p50 = at(0.5);
  out.p99 = at(0.99);
  out.p999 = at(0.999);
  out.answers = static_cast<double>(waits.size()) / took;
  out.freed = static_cast<double>(stats.log_freed);
  out.written = static_cast<double>(stats.log_bytes) / 1e6;
  return out;
}

Settings parse(int argc, char** argv) {
  Settings out;
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    const auto equal = std::min(arg.find('='), arg.size());
    const std::string name = arg.substr(0, equal);
    const std::string value = equal < arg.size() ? arg.substr(equal + 1) : "";
    if (name == "--quick") {
      out.seconds = 3;
      out.rounds = 1;
      out.items = 5'000;
    } else if (name == "--seconds" && std::atof(value.c_str()) > 0) {
      out.seconds = std::atof(value.c_str());
    } else if (name == "--rounds" && std::atoi(value.c_str()) > 0) {
      out.rounds = std::atoi(value.c_str());
    } else if (name == "--items" && std::atoll(value.c_str()) > 0) {
      out.items = std::strtoull(value.c_str(), nullptr, 10);
    } else if (name == "--json" && !value.empty()) {
      out.json = value;
    } else if (name == "--dir" && !value.empty()) {
      out.dir = value;
    } else {
      die("unknown argument " + arg +
          "; expected --quick, --seconds=S, --rounds=R, --items=N, --json=FILE or --dir=D");
    }
  }
  return out;
}

struct Metric {
  const char* name;
  double Figure::*value;
  const char* unit;
};
constexpr Metric kMetrics[] = {{"wait p50", &Figure::p50, "us"},
                               {"wait p99", &Figure::p99, "us"},
                               {"wait p99.9", &Figure::p999, "us"},
                               {"answers", &Figure::answers, "1/s"},
                               {"log at its largest", &Figure::size, "MB"},
                               {"written", &Figure::written, "MB"},
                               {"segments freed", &Figure::freed, ""}};

}  // namespace

int main(int argc, char** argv) {
  const Settings settings = parse(argc, argv);
  const warden::bench::Scratch scratch(settings.dir);
  if (scratch.path().empty()) die("cannot create a directory in " + settings.dir);
  std::vector<Figure> ours;
  std::vector<Figure> peer;
  for (int round = 0; round < settings.rounds; ++round) {
    const std::string path = scratch.path() + "/" + std::to_string(round);
    ours.push_back(measure(settings, path + "cleaned", true));
    peer.push_back(measure(settings, path + "grows", false));
    std::filesystem::remove_all(path + "cleaned");
    std::filesystem::remove_all(path + "grows");
    if (ours.back().freed == 0 || peer.back().freed != 0) die("check failed: segments freed");
  }
  std::FILE* json = settings.json.empty() ? nullptr : std::fopen(settings.json.c_str(), "w");
  if (!settings.json.empty() && json == nullptr) die("cannot write " + settings.json);
  std::printf("%-20s %12s %12s %8s  %s\n", "metric", "cleaned", "not cleaned", "ratio", "unit");
  const char* comma = "[\n";
  for (const Metric& metric : kMetrics) {
    std::vector<double> one, two;
    for (const Figure& f : ours) one.push_back(f.*metric.value);
    for (const Figure& f : peer) two.push_back(f.*metric.value);
    const double a = middle(one);
    const double b = middle(two);
    const double ratio = b == 0 ? 0 : a / b;
    std::printf("%-20s %12.1f %12.1f %8.2f  %s\n", metric.name, a, b, ratio, metric.unit);
    if (json == nullptr) continue;
    std::fprintf(json,
                 "%s  {\"metric\": \"%s\", \"ours\": %.2f, \"peer\": %.2f, \"peer_name\": \"the "
                 "same without cleaning\", \"unit\": \"%s\", \"ratio\": %.3f, \"rounds\": %d}",
                 comma, metric.name, a, b, metric.unit, ratio, settings.rounds);
    comma = ",\n";
  }
  if (json != nullptr) {
    std::fprintf(json, "\n]\n");
    std::fclose(json);
  }
  return 0;
}
