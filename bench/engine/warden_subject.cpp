// SPDX-License-Identifier: Apache-2.0
//
// Warden doing the job, through the C ABI as a program of a user does.
#include "subjects.hpp"

namespace bench {
namespace {

constexpr std::string_view kFlow = "job";
constexpr std::string_view kStage = "begun";

// A closed key is remembered for a second here, so that a run of seconds reaches the
// steady state of a store that runs for days: each completion adds one, forgets one.
constexpr std::string_view kOneRule =
    "[flow]\nname = 'job'\nstages = ['begun', 'ended']\ndedupe = '1s'\n"
    "[[rule]]\nname = 'total'\nkind = 'total'\nwithin = '1h'\n";
constexpr std::string_view kStageRule =
    "[[rule]]\nname = 'step'\nkind = 'stage'\nfrom = 'begun'\nto = 'ended'\nwithin = '10m'\n";

void expect(std::int32_t code, std::int32_t expected, const char* verb) {
  if (code == expected) return;
  fail(std::string(verb) + " answered " + warden_code_name(code) + ", expected " +
       warden_code_name(expected));
}

// One batch: keys and payloads laid out one after the other.
struct Batch {
  warden_batch call = WARDEN_BATCH_INIT;
  std::vector<warden_batch_entry> entries;
  std::vector<warden_batch_result> results;
  std::string blob;

  std::uint32_t put(std::string_view bytes) {
    const auto at = static_cast<std::uint32_t>(blob.size());
    blob.append(bytes);
    return at;
  }

  void fill(std::uint32_t op, Ids ids) {
    entries.clear();
    blob.clear();
    const std::uint32_t stage = put(kStage);
    for (const std::uint64_t id : ids) {
      warden_batch_entry entry{};
      entry.key_offset = put(Key(id).view());
      entry.key_len = kKeyBytes;
      if (op == WARDEN_OP_TRACK) {
        entry.arg_offset = put(Payload(id).view());
        entry.arg_len = kPayloadBytes;
      } else if (op == WARDEN_OP_MARK) {
        entry.arg_offset = stage;
        entry.arg_len = static_cast<std::uint32_t>(kStage.size());
      }
      entry.at_ns = WARDEN_NO_TIME;
      entries.push_back(entry);
    }
    results.resize(ids.size());
    call.count = static_cast<std::uint32_t>(ids.size());
    call.flow = kFlow.data();
    call.flow_len = kFlow.size();
    call.blob = blob.data();
    call.blob_len = blob.size();
    call.entries = entries.data();
    call.results = results.data();
  }
};

}  // namespace

Warden::Warden(unsigned rules) {
  warden_error err = WARDEN_ERROR_INIT;
  if (warden_open(nullptr, nullptr, &store_, &err) < 0) fail(err.message);
  std::string flow(kOneRule);
  if (rules == 2) flow += kStageRule;
  if (warden_flow_define(store_, flow.data(), flow.size(), nullptr, &err) < 0) fail(err.message);
}

Warden::~Warden() {
  warden_free(store_);
}

void Warden::run(std::uint32_t op, Ids ids, std::size_t batch, std::int32_t expected) {
  thread_local Batch made;
  for (std::size_t first = 0; first < ids.size(); first += batch) {
    made.fill(op, ids.subspan(first, std::min(batch, ids.size() - first)));
    const std::int32_t good = warden_batch_run(store_, op, &made.call, nullptr);
    if (good != static_cast<std::int32_t>(made.call.count)) {
      fail("warden_batch_run: " + std::to_string(good) + " good entries of " +
           std::to_string(made.call.count));
    }
    for (const warden_batch_result& result : made.results) {
      expect(result.code, expected, "an entry of warden_batch_run");
    }
  }
}

void Warden::track(Ids ids, std::size_t batch) {
  if (batch > 1) return run(WARDEN_OP_TRACK, ids, batch, WARDEN_NEW);
  for (const std::uint64_t id : ids) {
    const Key key(id);
    const Payload payload(id);
    expect(warden_track(store_, kFlow.data(), kFlow.size(), key.bytes, kKeyBytes, payload.bytes,
                        kPayloadBytes, nullptr, nullptr),
           WARDEN_NEW, "warden_track");
  }
}

void Warden::mark(Ids ids, std::size_t batch) {
  if (batch > 1) return run(WARDEN_OP_MARK, ids, batch, WARDEN_OK);
  for (const std::uint64_t id : ids) {
    const Key key(id);
    expect(warden_mark(store_, kFlow.data(), kFlow.size(), key.bytes, kKeyBytes, kStage.data(),
                       kStage.size(), nullptr, nullptr),
           WARDEN_OK, "warden_mark");
  }
}

void Warden::complete(Ids ids, std::size_t batch) {
  if (batch > 1) return run(WARDEN_OP_COMPLETE, ids, batch, WARDEN_ON_TIME);
  for (const std::uint64_t id : ids) {
    const Key key(id);
    expect(
        warden_complete(store_, kFlow.data(), kFlow.size(), key.bytes, kKeyBytes, nullptr, nullptr),
        WARDEN_ON_TIME, "warden_complete");
  }
}

warden_stats Warden::stats() const {
  warden_stats stats = WARDEN_STATS_INIT;
  expect(warden_stats_get(store_, &stats), WARDEN_OK, "warden_stats_get");
  return stats;
}

std::uint64_t Warden::live() const {
  return stats().live;
}
std::uint64_t Warden::timers() const {
  return stats().timers;
}
std::uint64_t Warden::item_bytes() const {
  return stats().item_bytes;
}

}  // namespace bench
