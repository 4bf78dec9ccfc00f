// SPDX-License-Identifier: Apache-2.0
//
// How long a store takes to open: N live items, each tracked with 16 bytes of key and
// 100 of payload and marked once, in log order shuffled by their hash. The peer, in
// the same run on the same files, is what cannot be done without: reading every byte
// once and summing it with XXH3 (the log's own checksum), on one thread.
//
//   warm   the log is in the page cache
//   cold   its pages were dropped before (POSIX_FADV_DONTNEED)
//   check  items that were open afterwards, which must be all
//
//   bench_recovery [--items=N[,N...]] [--rounds=R] [--quick] [--json=FILE] [--dir=D]
#include <fcntl.h>
#include <unistd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "scratch.hpp"
#include "warden/warden.h"

namespace {

constexpr char kFlow[] = R"([flow]
name = "job"
stages = ["received", "stored"]
[[rule]]
name = "day"
kind = "total"
within = "1d"
[[rule]]
name = "quiet"
kind = "idle"
within = "12h"
)";
constexpr std::uint32_t kBatch = 256;

struct Settings {
  std::vector<std::uint64_t> items = {100'000, 1'000'000, 3'000'000, 10'000'000};
  int rounds = 3;
  std::string json;
  std::string dir = ".";
};

struct Figure {
  std::uint64_t items = 0;
  std::uint64_t log_bytes = 0;
  double warm = 0, cold = 0, read_warm = 0, read_cold = 0;  // seconds
};

[[noreturn]] void die(const std::string& what) {
  std::fprintf(stderr, "bench_recovery: %s\n", what.c_str());
  std::exit(1);
}

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double middle(std::vector<double> all) {
  std::sort(all.begin(), all.end());
  return all[all.size() / 2];
}

warden_store* open_store(const std::string& path) {
  warden_store* store = nullptr;
  warden_error error = WARDEN_ERROR_INIT;
  if (warden_open(path.c_str(), nullptr, &store, &error) != WARDEN_OK) die(error.message);
  return store;
}

void run_batches(warden_store* store, std::uint32_t op, std::uint64_t items) {
  std::string blob;
  std::vector<warden_batch_entry> entries(kBatch);
  for (std::uint64_t first = 0; first < items; first += kBatch) {
    const auto count = static_cast<std::uint32_t>(std::min<std::uint64_t>(kBatch, items - first));
    blob = op == WARDEN_OP_TRACK ? std::string(100, 'p') : std::string("stored");
    const auto arg = static_cast<std::uint32_t>(blob.size());
    for (std::uint32_t i = 0; i < count; ++i) {
      char key[17];
      std::snprintf(key, sizeof key, "item%012llu", static_cast<unsigned long long>(first + i));
      entries[i] = {};
      entries[i].key_offset = static_cast<std::uint32_t>(blob.size());
      entries[i].key_len = 16;
      entries[i].arg_len = arg;
      entries[i].at_ns = WARDEN_NO_TIME;
      blob.append(key, 16);
    }
    warden_batch batch = WARDEN_BATCH_INIT;
    batch.count = count;
    batch.flow = "job";
    batch.flow_len = 3;
    batch.blob = blob.data();
    batch.blob_len = blob.size();
    batch.entries = entries.data();
    batch.durability = WARDEN_DURABILITY_BUFFERED;
    if (warden_batch_run(store, op, &batch, nullptr) != static_cast<std::int32_t>(count)) {
      die("a batch was not taken whole");
    }
  }
}

// Answers the bytes of the log.
std::uint64_t fill(const std::string& path, std::uint64_t items) {
  warden_store* store = open_store(path);
  if (warden_flow_define(store, kFlow, sizeof kFlow - 1, nullptr, nullptr) < 0) die("no flow");
  run_batches(store, WARDEN_OP_TRACK, items);
  run_batches(store, WARDEN_OP_MARK, items);
  if (warden_sync(store, 60'000'000'000) != WARDEN_OK) die("not all was made durable");
  warden_stats stats = WARDEN_STATS_INIT;
  warden_stats_get(store, &stats);
  if (warden_close(store, 60'000'000'000) != WARDEN_OK) die("cannot close");
  warden_free(store);
  return stats.log_bytes;
}

template <class Each>
void each_file(const std::string& path, Each&& each) {
  for (const auto& entry : std::filesystem::directory_iterator(path)) {
    const int fd = ::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) die("cannot open " + entry.path().string());
    each(fd);
    ::close(fd);
  }
}

void drop_pages(const std::string& path) {
  each_file(path, [](int fd) {
    ::fsync(fd);
    ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
  });
}

double read_all(const std::string& path) {
  static std::vector<char> window(1u << 20);
  std::uint64_t sum = 0;
  const double begun = now();
  each_file(path, [&](int fd) {
    for (ssize_t got; (got = ::read(fd, window.data(), window.size())) > 0;) {
      sum += XXH3_64bits(window.data(), static_cast<std::size_t>(got));
    }
  });
  const double took = now() - begun;
  if (sum == 0) die("nothing was read");
  return took;
}

double open_once(const std::string& path, std::uint64_t items) {
  const double begun = now();
  warden_store* store = open_store(path);
  const double took = now() - begun;
  warden_stats stats = WARDEN_STATS_INIT;
  warden_stats_get(store, &stats);
  if (stats.live != items) {
    die("check failed: " + std::to_string(stats.live) + " items of " + std::to_string(items));
  }
  if (warden_close(store, 60'000'000'000) != WARDEN_OK) die("cannot close");
  warden_free(store);
  return took;
}

Figure measure(const Settings& settings, std::uint64_t items) {
  Figure out;
  out.items = items;
  const std::string path = settings.dir + "/" + std::to_string(items);
  out.log_bytes = fill(path, items);
  std::vector<double> warm, cold, read_warm, read_cold;
  for (int round = 0; round < settings.rounds; ++round) {
    drop_pages(path);
    read_cold.push_back(read_all(path));
    read_warm.push_back(read_all(path));
    warm.push_back(open_once(path, items));
    drop_pages(path);
    cold.push_back(open_once(path, items));
  }
  out.warm = middle(warm);
  out.cold = middle(cold);
  out.read_warm = middle(read_warm);
  out.read_cold = middle(read_cold);
  std::filesystem::remove_all(path);
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
      out.items = {20'000};
      out.rounds = 1;
    } else if (name == "--items" && std::atoll(value.c_str()) > 0) {
      out.items.clear();
      for (const char* at = value.c_str(); at != nullptr; at = std::strchr(at, ',')) {
        out.items.push_back(std::strtoull(at += *at == ',', nullptr, 10));
      }
    } else if (name == "--rounds" && std::atoi(value.c_str()) > 0) {
      out.rounds = std::atoi(value.c_str());
    } else if (name == "--json" && !value.empty()) {
      out.json = value;
    } else if (name == "--dir" && !value.empty()) {
      out.dir = value;
    } else {
      die("unknown argument " + arg +
          "; expected --items=N[,N...], --rounds=R, --quick, --json=FILE or --dir=D");
    }
  }
  return out;
}

void write_json(const std::string& name, const std::vector<Figure>& figures, int rounds) {
  std::FILE* file = std::fopen(name.c_str(), "w");
  if (file == nullptr) die("cannot write " + name);
  const char* comma = "[\n";
  for (const Figure& f : figures) {
    for (const bool warm : {true, false}) {
      std::fprintf(file,
                   "%s  {\"metric\": \"open, %s\", \"items\": %llu, \"log_bytes\": %llu, \"ours\": "
                   "%.4f, \"peer\": %.4f, \"peer_name\": \"read and sum every byte\", \"unit\": "
                   "\"s\", \"ratio\": %.3f, \"rounds\": %d}",
                   comma, warm ? "warm" : "cold", static_cast<unsigned long long>(f.items),
                   static_cast<unsigned long long>(f.log_bytes), warm ? f.warm : f.cold,
                   warm ? f.read_warm : f.read_cold,
                   warm ? f.warm / f.read_warm : f.cold / f.read_cold, rounds);
      comma = ",\n";
    }
  }
  std::fprintf(file, "\n]\n");
  std::fclose(file);
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings = parse(argc, argv);
  const warden::bench::Scratch scratch(settings.dir);
  if (scratch.path().empty()) die("cannot create a directory in " + settings.dir);
  settings.dir = scratch.path();
  std::vector<Figure> figures;
  std::printf("%12s %12s %10s %10s %12s %12s %10s\n", "items", "log MB", "warm s", "cold s",
              "read warm s", "read cold s", "ns/item");
  for (const std::uint64_t items : settings.items) {
    const Figure f = measure(settings, items);
    std::printf("%12llu %12.1f %10.3f %10.3f %12.3f %12.3f %10.0f\n",
                static_cast<unsigned long long>(f.items), static_cast<double>(f.log_bytes) / 1e6,
                f.warm, f.cold, f.read_warm, f.read_cold,
                f.warm / static_cast<double>(f.items) * 1e9);
    std::fflush(stdout);
    figures.push_back(f);
  }
  if (!settings.json.empty()) write_json(settings.json, figures, settings.rounds);
  return 0;
}
