// SPDX-License-Identifier: Apache-2.0
//
// A map of keys whose newest records live in the log. The oldest segment's live keys
// are appended again, then it is freed. After every crash the map recovered must be
// the one that the history gives up to the last record recovered, and nothing
// acknowledged may be missing; the log stays small.
#include <algorithm>
#include <map>

#include "log_runs.hpp"

namespace warden::sim {
namespace {

constexpr std::uint64_t kKeys = 60;

struct Written {
  Lsn lsn;
  std::uint64_t key;
  std::string value;
};
using Map = std::map<std::uint64_t, std::pair<Lsn, std::string>>;

class MapSink final : public log::ReplaySink {
 public:
  Error apply(Lsn lsn, log::RecordType, std::uint64_t key, log::Part content) override {
    map[key] = {lsn, std::string(reinterpret_cast<const char*>(content.data()), content.size())};
    last = lsn;
    return {};
  }
  Map map;
  Lsn last = Lsn::none;
};

class Store {
 public:
  explicit Store(std::uint64_t seed) : world_(seed), clock_(kSecond) {
    disk_ = make_sim_disk(world_, clock_);
    options_.segment_bytes = 64 * 1024;
    options_.first_segment_bytes = 64 * 1024;
    options_.buffer_bytes = 64 * 1024;
    options_.manual = true;
    options_.clock = &clock_;
    options_.uuid = {3, 4};
  }

  std::string open() {
    MapSink sink;
    const Error error = log::Log::open(*disk_, "sim", options_, sink, log_);
    if (error) return error.code == Code::corrupt ? error.message : std::string();
    if (sink.last < acked_) return "acknowledged records are gone";
    Map expected;
    std::size_t kept = 0;
    for (const Written& write : history_) {
      if (write.lsn > sink.last) break;
      expected[write.key] = {write.lsn, write.value};
      ++kept;
    }
    if (expected.size() != sink.map.size()) return "keys are missing";
    for (const auto& [key, entry] : expected) {
      if (sink.map[key].second != entry.second)
        return std::string("key ").append(std::to_string(key)).append(" is stale");
    }
    history_.resize(kept);
    map_ = sink.map;
    return {};
  }

  bool append(std::uint64_t key, const std::string& value, log::ReserveFlags flags) {
    log::Credit credit;
    for (int tries = 0; tries < 2000; ++tries) {
      const Code code = log_->reserve(value.size(), 1, flags, credit);
      if (code == Code::ok) {
        const Lsn lsn =
            log_->append(credit, log::RecordType::state, key, std::as_bytes(std::span(value)));
        log_->release(credit);
        map_[key] = {lsn, value};
        history_.push_back({lsn, key, value});
        return true;
      }
      if (code != Code::would_block) return false;
      if (!log_->pump()) log_->queue().wait(log_->idle_time());
    }
    return false;
  }

  // Moves what lives in the oldest segment and frees it.
  bool clean() {
    const log::Log::Oldest oldest = log_->oldest();
    if (oldest.number == 0) return true;
    MapSink old;
    if (log_->read_oldest(oldest.number, old)) return false;
    Lsn moved = Lsn::none;
    for (const auto& [key, entry] : old.map) {
      if (map_[key].first > oldest.end) continue;  // written again since
      if (!append(key, map_[key].second, log::ReserveFlags::cleaner)) return false;
      moved = map_[key].first;
    }
    return log_->free_oldest(oldest.number, moved, {}, kNever) == Code::ok;
  }

  void note_acks() {
    const Lsn durable = log_->durable();
    for (auto write = history_.rbegin(); write != history_.rend(); ++write) {
      if (write->lsn > durable) continue;
      acked_ = std::max(acked_, write->lsn);
      return;
    }
  }

  std::string run() {
    for (int life = 0; life < 6; ++life) {
      if (world_.rng()() % 3 == 0) world_.crash_at = 1 + world_.rng()() % 60;
      std::string wrong = open();
      if (!wrong.empty()) return wrong;
      if (log_) {
        world_.crash_at = world_.operations() + 20 + world_.rng()() % 1500;
        wrong = live();
        if (!wrong.empty()) return wrong;
        note_acks();
      }
      world_.crash();
      log_.reset();
      world_.restart_at_random();
    }
    return {};
  }

  std::string live() {
    for (int i = 0; i < 1500 && !world_.crashed(); ++i) {
      const std::uint64_t key = world_.rng()() % 4 == 0 ? world_.rng()() % kKeys : 1;
      const std::string value =
          std::to_string(world_.rng()()) + std::string(world_.rng()() % 200, 'v');
      if (!append(key, value, log::ReserveFlags::nowait)) return {};
      if (i % 5 == 0 && log_->sync(kNever) != Code::ok) return {};
      note_acks();
      while (!world_.crashed() && log_->stats().log_bytes > 256 * 1024) {
        if (!clean()) return {};
        ++cleaned;
      }
      note_acks();
      if (world_.used() > 900 * 1024) return "the log grows without bound";
      if (i % 100 == 0) recycled = std::max(recycled, log_->stats().recycled);
    }
    return {};
  }

  int cleaned = 0;
  std::uint64_t recycled = 0;

 private:
  SimWorld world_;
  io::ManualClock clock_;
  std::unique_ptr<io::Disk> disk_;
  log::Options options_;
  std::unique_ptr<log::Log> log_;
  std::vector<Written> history_;
  Map map_;
  Lsn acked_ = Lsn::none;
};

}  // namespace

std::string run_clean_seed(std::uint64_t seed, int& cleaned, std::uint64_t& recycled) {
  Store store(seed);
  const std::string wrong = store.run();
  cleaned += store.cleaned;
  recycled += store.recycled;
  return wrong;
}

}  // namespace warden::sim
