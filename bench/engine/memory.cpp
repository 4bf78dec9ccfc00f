// SPDX-License-Identifier: Apache-2.0
//
// The flow has one rule, a total deadline: the least that an item can have. Each
// further rule adds 24 bytes to an item's state.
#include "memory.hpp"

#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "index/index.hpp"
#include "subjects.hpp"
#include "wheel/wheel.hpp"

namespace bench {
namespace {

constexpr std::size_t kStateOfOneRule = 40;  // created, one rule's slot, stages seen
constexpr std::size_t kStateOfTwoRules = 64;
constexpr std::size_t kAtOnce = 256;
constexpr std::size_t kKeyAndPayload = kKeyBytes + kPayloadBytes;

double resident() {
  std::ifstream file("/proc/self/statm");
  std::uint64_t total = 0;
  std::uint64_t pages = 0;
  if (!(file >> total >> pages)) fail("cannot read /proc/self/statm");
  return static_cast<double>(pages) * static_cast<double>(sysconf(_SC_PAGESIZE));
}

template <class Subject>
double whole(Subject& subject, std::size_t items) {
  const double before = resident();
  std::vector<std::uint64_t> ids(kAtOnce);
  for (std::size_t first = 0; first < items; first += kAtOnce) {
    ids.resize(std::min(kAtOnce, items - first));
    for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = first + i + 1;
    subject.track(ids, kAtOnce);
  }
  const double grown = resident() - before;
  if (subject.live() != items) fail("memory: not all items are live");
  return grown / static_cast<double>(items);
}

double wheel_alone(std::size_t items) {
  const auto wheel = warden::wheel::Wheel::create({});
  const double before = resident();
  for (std::size_t i = 0; i < items; ++i) {
    // A thousand a tick: as when they come at a million a second.
    if (wheel->schedule(3'600'000 + i / 1000, i).handle == warden::wheel::Handle::none) {
      fail("wheel: refused");
    }
  }
  return (resident() - before) / static_cast<double>(items);
}

double index_alone(std::size_t items) {
  const auto index = warden::index::Index::make(4096);
  const double before = resident();
  for (std::size_t i = 0; i < items; ++i) {
    const std::uint64_t hash = mix(i + 1);
    auto& stripe = index->stripe(static_cast<std::uint32_t>(hash) & 4095);
    if (!stripe.cells.room()) fail("index: no room");
    const warden::ItemNo number = index->take(stripe);
    if (number == warden::ItemNo::none) fail("index: no item number");
    stripe.cells.put(static_cast<std::uint32_t>(hash >> 32), warden::raw(number));
  }
  return (resident() - before) / static_cast<double>(items);
}

double blobs_alone(std::size_t items, std::size_t state) {
  const double before = resident();
  for (std::size_t i = 0; i < items; ++i) {
    // Left to the end of the process: this measures what they take, nothing else.
    if (warden::Blob::make(state, Key(i).view(), Payload(i).view()) == nullptr) {
      fail("blob: out of memory");
    }
  }
  return (resident() - before) / static_cast<double>(items) - kKeyAndPayload;
}

double in_fresh_process(const std::string& part, std::size_t items) {
  char self[4096];
  const ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
  if (length <= 0) fail("cannot find this program's own file");
  std::string command = "'";
  command.append(self, static_cast<std::size_t>(length));
  command += "' --memory-of " + part + " --items " + std::to_string(items);
  std::FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) fail("cannot run " + command);
  double answer = 0;
  const int read = std::fscanf(pipe, "%lf", &answer);
  if (pclose(pipe) != 0 || read != 1) fail("no answer of: " + command);
  return answer;
}

}  // namespace

double memory_of(const std::string& part, std::size_t items) {
  if (part == "warden") {
    Warden subject(1);
    return whole(subject, items) - kKeyAndPayload;
  }
  if (part == "told") {
    Warden subject(1);
    static_cast<void>(whole(subject, items));
    return static_cast<double>(subject.item_bytes()) / static_cast<double>(items) - kKeyAndPayload;
  }
  if (part == "two-rules") {
    Warden subject(2);
    return whole(subject, items) - kKeyAndPayload;
  }
  if (part == "plain") {
    Plain subject(1);
    return whole(subject, items) - kKeyAndPayload;
  }
  if (part == "wheel") return wheel_alone(items);
  if (part == "index") return index_alone(items);
  if (part == "blob") return blobs_alone(items, kStateOfOneRule);
  if (part == "blob-two-rules") return blobs_alone(items, kStateOfTwoRules);
  fail("--memory-of: no part '" + part + "'");
}

void run_memory(std::size_t items, Report& report) {
  report.heading("memory: resident bytes an item, beside 16 of key and 100 of payload");
  const auto tell = [&](const char* metric, const char* part, double peer, const char* name) {
    report.add({metric, in_fresh_process(part, items), peer, name, "bytes an item", 1, items});
  };
  tell("whole item, one rule", "warden", in_fresh_process("plain", items), Plain::kName);
  tell("  of that asked for (item_bytes)", "told", 0, "");
  tell("whole item, two rules", "two-rules", 0, "");
  tell("  index: item and cell", "index", 74, "cost model: item 64, cell 10");
  tell("  wheel: node and entry", "wheel", 44, "cost model: 32 to 44");
  tell("  blob, one rule", "blob", 16, "cost model: 16, without an item's state");
  tell("  blob, two rules", "blob-two-rules", 0, "");
}

}  // namespace bench
