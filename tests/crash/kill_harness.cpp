// SPDX-License-Identifier: Apache-2.0
//
// Kills a loaded child with SIGKILL again and again and checks, from another
// process, what it had been promised (harness H2).
//
//   kill_harness [--kills N] [--points M] [--seed S] [--backend auto|uring|posix] [--store DIR]
//
// N at random times; then, with --points, at each named point (kill_points.hpp), up to the
// M-th time that the child passes it.
//
// After each kill the parent opens the same store and checks, item by item:
//   1. acknowledged is there: the item has reached at least the last step answered;
//   2. nothing was invented: it has reached at most the last step begun, and every
//      item that a scan finds was begun;
//   3. its payload is whole, and the balance holds;
//   4. every item stopped at "copied" is raised, under one id for ever; an alert
//      acknowledged and synced does not come again.
// The store grows over all kills. A seed fixes the times of the kills.
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#include <warden/warden.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <random>
#include <set>
#include <vector>

#include "kill_points.hpp"
#include "kill_protocol.hpp"

namespace warden::crash {
namespace {

struct Known {
  std::uint32_t begun = kNone;
  std::uint32_t answered = kNone;
};

struct Harness {
  std::string store;
  std::string backend = "auto";
  std::string self;
  std::uint64_t seed = 0;
  std::map<std::string, Known> items;
  std::map<std::string, std::string> alert_of;  // key -> id, once it was raised
  std::set<std::string> acked;
  std::uint64_t answers = 0;
  // What the child was doing when it was killed, by thread.
  std::uint64_t while_opening = 0;  // children that had not yet called anything
  std::uint64_t in_call[kDone + 1] = {};
  std::uint64_t between = 0;
  // Steps begun and not answered, found or not found afterwards: both are right.
  std::uint64_t found = 0;
  std::uint64_t cut = 0;
  std::set<std::string> reached;             // named points
  std::set<std::string> reached_places;      // of them, without how often
  std::set<std::string> places_not_reached;  // yet
};

// The last thing that each thread said tells where the kill met it.
void note_points(Harness& h, const std::vector<Message>& said) {
  std::map<std::uint32_t, Message> last;
  for (const Message& message : said) last[message.thread] = message;
  h.while_opening += last.empty() ? 1 : 0;
  for (const auto& [thread, message] : last) {
    ++(message.answered != 0 ? h.between : h.in_call[message.step]);
  }
}

// The number in the name of the oldest segment: so many less one were freed.
std::uint64_t segments_freed(const std::string& store) {
  std::uint64_t oldest = ~std::uint64_t{0};
  for (const auto& entry : std::filesystem::directory_iterator(store)) {
    const std::string name = entry.path().filename().string();
    if (name.rfind("wal-", 0) == 0)
      oldest = std::min<std::uint64_t>(oldest, std::stoull(name.substr(4)));
  }
  return oldest - 1;
}

void report(const Harness& h, std::uint32_t kills) {
  const auto number = [](std::uint64_t value) { return static_cast<unsigned long long>(value); };
  std::printf("kills: %llu segments freed under them\n", number(segments_freed(h.store)));
  std::printf("kills: %u kills, %zu items, %llu acknowledged answers, %zu alerts, 0 lost\n", kills,
              h.items.size(), number(h.answers), h.alert_of.size());
  std::printf(
      "  killed: %llu children while opening; threads: %llu in track, %llu in the first mark, "
      "%llu in the second mark, %llu in complete, %llu between calls\n",
      number(h.while_opening), number(h.in_call[kTracked]), number(h.in_call[kCopied]),
      number(h.in_call[kChecked]), number(h.in_call[kDone]), number(h.between));
  std::printf("  unanswered steps: %llu found afterwards, %llu cut off\n", number(h.found),
              number(h.cut));
}

[[noreturn]] void fail(const Harness& h, const std::string& what) {
  std::printf("FAILED with --seed %llu: %s\nstore kept: %s\n",
              static_cast<unsigned long long>(h.seed), what.c_str(), h.store.c_str());
  std::exit(1);
}

void expect(const Harness& h, bool good, const std::string& what) {
  if (!good) fail(h, what);
}

// Starts the child, kills it after `micros`, and reads all that it said. True: it had
// killed itself at the point that it was given.
bool run_and_kill(Harness& h, std::uint32_t round, std::uint64_t micros, const Point* point) {
  int fds[2];
  expect(h, pipe(fds) == 0, "pipe");
  const pid_t child = fork();
  if (child == 0) {
    close(fds[0]);
    if (point != nullptr) setenv("WARDEN_KILL_POINT", point->name().c_str(), 1);
    execl(h.self.c_str(), h.self.c_str(), "--child", h.store.c_str(), std::to_string(round).c_str(),
          h.backend.c_str(), std::to_string(fds[1]).c_str(), nullptr);
    _exit(5);
  }
  close(fds[1]);
  const auto until = std::chrono::steady_clock::now() + std::chrono::microseconds(micros);
  std::vector<Message> said;
  bool killed = false;
  fcntl(fds[0], F_SETFL, O_NONBLOCK);
  for (;;) {
    Message message;
    const ssize_t got = read(fds[0], &message, sizeof message);
    if (got == sizeof message) {
      said.push_back(message);
    } else if (got == 0) {
      break;
    }
    if (!killed && std::chrono::steady_clock::now() >= until) {
      kill(child, SIGKILL);
      killed = true;
    }
    if (got < 0) usleep(100);
  }
  close(fds[0]);
  int status = 0;
  waitpid(child, &status, 0);
  expect(h, WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
         "the child ended by itself before it was killed");
  note_points(h, said);
  for (const Message& m : said) {
    Known& known = h.items[key_of(m.round, m.thread, m.item)];
    (m.answered != 0 ? known.answered : known.begun) = m.step;
    h.answers += m.answered;
  }
  return !killed;
}

std::uint32_t step_of(const Harness& h, warden_store* store, const std::string& key) {
  warden_item item;
  std::vector<char> buffer(4096);
  const int32_t code = warden_get(store, "crash", 5, key.data(), key.size(), &item, buffer.data(),
                                  buffer.size(), nullptr);
  if (code == WARDEN_E_UNKNOWN_ITEM || code == WARDEN_E_UNKNOWN_FLOW) return kNone;
  if (code == WARDEN_ALREADY_DONE) return kDone;
  expect(h, code == WARDEN_OK, key + ": get answered " + warden_code_name(code));
  const std::string payload(buffer.data() + item.payload_offset, item.payload_len);
  expect(h, payload == payload_of(key), key + ": another payload: " + payload);
  const std::string stage(buffer.data() + item.stage_offset, item.stage_len);
  return stage.empty() ? kTracked : stage == "copied" ? kCopied : kChecked;
}

std::string hex(const std::uint64_t id[2]) {
  char text[40];
  std::snprintf(text, sizeof text, "%016llx%016llx", static_cast<unsigned long long>(id[1]),
                static_cast<unsigned long long>(id[0]));
  return text;
}

// Takes every alert that comes until each overdue item has had its own.
void take_alerts(Harness& h, warden_store* store, const std::set<std::string>& overdue) {
  warden_consumer* consumer = nullptr;
  warden_error err = WARDEN_ERROR_INIT;
  expect(h, warden_consumer_open(store, "oracle", 6, nullptr, &consumer, &err) == WARDEN_OK,
         err.message);
  std::vector<warden_alert> alerts(256);
  std::vector<char> buffer(1 << 18);
  std::size_t missing = 0;
  for (const std::string& key : overdue) missing += h.alert_of.count(key) == 0 ? 1 : 0;
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (missing != 0) {
    const int32_t count = warden_consumer_poll(consumer, 200'000'000, alerts.data(), alerts.size(),
                                               buffer.data(), buffer.size(), nullptr);
    expect(h, count >= 0, std::string("poll answered ") + warden_code_name(count));
    std::vector<std::uint64_t> leases;
    for (int32_t i = 0; i < count; ++i) {
      const warden_alert& alert = alerts[static_cast<std::size_t>(i)];
      const std::string key(buffer.data() + alert.key_offset, alert.key_len);
      const std::string id = hex(alert.id);
      leases.push_back(alert.lease);
      expect(h, alert.detected_ns > alert.deadline_ns, key + ": raised before its deadline");
      if (alert.kind != WARDEN_KIND_BREACH) continue;
      expect(h, h.acked.insert(id).second, key + ": alert " + id + " came again after its ack");
      const auto [known, fresh] = h.alert_of.emplace(key, id);
      expect(h, fresh, key + ": raised under a second id, " + id + " after " + known->second);
      missing -= overdue.count(key);
    }
    if (count > 0) warden_alert_ack(consumer, leases.data(), leases.size());
    expect(h, std::chrono::steady_clock::now() < until,
           std::to_string(missing) + " overdue items were never raised");
  }
  expect(h, warden_sync(store, -1) == WARDEN_OK, "sync");
  warden_consumer_close(consumer);
}

void expect_known(const Harness& h, warden_store* store) {
  warden_scan* scan = nullptr;
  expect(h, warden_scan_open(store, nullptr, &scan, nullptr) == WARDEN_OK, "scan");
  std::vector<warden_item> items(64);
  std::vector<char> buffer(1 << 20);
  for (;;) {
    const int32_t count =
        warden_scan_next(scan, items.data(), items.size(), buffer.data(), buffer.size(), nullptr);
    expect(h, count >= 0, std::string("scan answered ") + warden_code_name(count));
    if (count == 0) break;
    for (int32_t i = 0; i < count; ++i) {
      const warden_item& item = items[static_cast<std::size_t>(i)];
      const std::string flow(buffer.data() + item.flow_offset, item.flow_len);
      const std::string key(buffer.data() + item.key_offset, item.key_len);
      expect(h, flow == "churn" || h.items.count(key) != 0, key + ": was never begun");
    }
  }
  warden_scan_close(scan);
}

void check(Harness& h) {
  warden_store* store = nullptr;
  warden_error err = WARDEN_ERROR_INIT;
  expect(h, warden_open(h.store.c_str(), nullptr, &store, &err) == WARDEN_OK, err.message);
  std::set<std::string> overdue;
  for (auto& [key, known] : h.items) {
    const std::uint32_t step = step_of(h, store, key);
    expect(h, step >= known.answered,
           key + ": lost: acknowledged step " + std::to_string(known.answered) + ", found " +
               std::to_string(step));
    expect(h, step <= known.begun,
           key + ": invented: begun step " + std::to_string(known.begun) + ", found " +
               std::to_string(step));
    if (step == kCopied) overdue.insert(key);
    if (known.begun == known.answered) continue;
    // Settled now: what was found stays, what was cut off never was.
    ++(step == known.begun ? h.found : h.cut);
    known.begun = known.answered = step;
  }
  warden_stats s WARDEN_STATS_INIT;
  warden_stats_get(store, &s);
  expect(h, s.submitted_total == s.submitted + s.live + s.done + s.cancelled + s.expired,
         "the balance does not hold");
  expect_known(h, store);
  take_alerts(h, store, overdue);
  expect(h, warden_close(store, 10'000'000'000) == WARDEN_OK, "close");
  warden_free(store);
}

// Points that every opening passes are waited for; of the others, those are reported that
// no child has passed before its time was over.
void run_points(Harness& h, std::uint32_t round, std::uint32_t most) {
  constexpr std::uint64_t kLong = 120'000'000;
  constexpr std::uint64_t kShort = 250'000;
  const std::vector<Point> points = named_points(most, h.backend != "posix");
  for (const Point& point : points) {
    // Odd rounds free segments.
    round += round % 2 == 0 ? 1 : 2;
    const bool there = run_and_kill(h, round, point.certain ? kLong : kShort, &point);
    expect(h, there || !point.certain, point.name() + " was not passed");
    const std::string place = std::string(point.call) + " of " + point.file;
    if (there) h.reached.insert(point.name());
    (there ? h.reached_places : h.places_not_reached).insert(place);
    check(h);
  }
  for (const std::string& place : h.reached_places) h.places_not_reached.erase(place);
  std::printf("points: killed at %zu of %zu named points; %zu distinct calls and files, 0 lost\n",
              h.reached.size(), points.size(), h.reached_places.size());
  for (const std::string& place : h.places_not_reached) {
    std::printf("  not passed in time: %s\n", place.c_str());
  }
}

int run(Harness& h, std::uint32_t kills, std::uint32_t points) {
  std::printf("kill_harness --kills %u --points %u --backend %s --seed %llu\n", kills, points,
              h.backend.c_str(), static_cast<unsigned long long>(h.seed));
  std::mt19937_64 random(h.seed);
  for (std::uint32_t round = 0; round < kills; ++round) {
    run_and_kill(h, round, 3'000 + random() % 150'000, nullptr);
    check(h);
  }
  report(h, kills);
  if (points != 0) run_points(h, kills, points);
  return 0;
}

}  // namespace
}  // namespace warden::crash

int main(int argc, char** argv) {
  using namespace warden::crash;
  if (argc == 6 && std::strcmp(argv[1], "--child") == 0) {
    return run_child(argv[2], static_cast<std::uint32_t>(std::strtoul(argv[3], nullptr, 10)),
                     argv[4], std::atoi(argv[5]));
  }
  Harness h;
  std::uint32_t kills = 100;
  std::uint32_t points = 0;
  h.seed = std::random_device{}();
  for (int i = 1; i < argc; i += 2) {
    const std::string option = argv[i];
    const char* value = i + 1 < argc ? argv[i + 1] : "";
    char* end = nullptr;
    const std::uint64_t number = std::strtoull(value, &end, 0);
    const bool is_number = std::isdigit(static_cast<unsigned char>(*value)) != 0 && *end == '\0';
    if (option == "--kills" && is_number) {
      kills = static_cast<std::uint32_t>(number);
    } else if (option == "--points" && is_number) {
      points = static_cast<std::uint32_t>(number);
    } else if (option == "--seed" && is_number) {
      h.seed = number;
    } else if (option == "--backend" && *value != '\0') {
      h.backend = value;
    } else if (option == "--store" && *value != '\0') {
      h.store = value;
    } else {
      std::fprintf(stderr,
                   "kill_harness: %s '%s': expected --kills, --points or --seed and a number, "
                   "--backend auto, uring or posix, --store and a directory\n",
                   option.c_str(), value);
      return 2;
    }
  }
  h.self = std::filesystem::canonical("/proc/self/exe").string();
  const bool own = h.store.empty();
  if (own) {
    std::string pattern = (std::filesystem::temp_directory_path() / "warden-kill-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) return 2;
    h.store = pattern;
  }
  const int result = run(h, kills, points);
  if (own) std::filesystem::remove_all(h.store);
  return result;
}
