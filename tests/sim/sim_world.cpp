// SPDX-License-Identifier: Apache-2.0
//
// What survives of the simulated disk, and its crashes.
#include "sim_disk.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "log/format.hpp"

namespace warden::sim {

void put(std::string& image, std::uint64_t offset, const char* data, std::size_t size) {
  if (size == 0) return;
  if (image.size() < offset + size) image.resize(offset + size);
  std::memcpy(image.data() + offset, data, size);
}
const char* name_of(Point point) {
  static constexpr const char* kNames[kPoints] = {
      "list",           "open",           "read",           "make file",      "write segment",
      "submit segment", "flush segment",  "write manifest", "flush manifest", "write current",
      "flush current",  "rename current", "rename segment", "unlink",         "sync directory",
  };
  return kNames[static_cast<std::size_t>(point)];
}

int SimWorld::enter(Point point) {
  if (crashed_) return -EIO;
  ++operations_;
  if (crash_at != 0 && operations_ >= crash_at) {
    crashed_ = true;
    crash_point_ = point;
    return -EIO;
  }
  const bool again = fail_sticky && operations_ > fail_at && operations_ - fail_at < fail_for;
  if (fail_at != 0 && (operations_ == fail_at || again)) {
    if (fail_with == 0) short_next_ = true;
    return fail_with;
  }
  return 0;
}

bool SimWorld::take_short() {
  const bool injected = short_next_;
  short_next_ = false;
  return injected || chance(faults.short_write);
}

std::uint64_t SimWorld::used() const {
  std::uint64_t sum = 0;
  for (const auto& [name, node] : now_) sum += node->seen.size();
  return sum;
}

std::uint64_t SimWorld::state_hash() const {
  std::uint64_t hash = 0;
  for (const auto& [name, node] : now_) {
    hash = XXH3_64bits_withSeed(name.data(), name.size(), hash);
    hash = XXH3_64bits_withSeed(node->seen.data(), node->seen.size(), hash);
  }
  return hash;
}

std::size_t SimWorld::unflushed() const {
  std::size_t sum = 0;
  for (const auto& [name, node] : now_) sum += node->unflushed.size();
  return sum;
}

void SimWorld::entries_synced() {
  durable_ = now_;
  changes_.clear();
}

void SimWorld::restart(const std::function<bool(std::size_t, std::size_t)>& keep,
                       std::size_t entries) {
  std::size_t index = 0;
  std::vector<std::shared_ptr<Node>> nodes;
  const auto collect = [&](const Directory& from) {
    for (const auto& [name, node] : from) {
      if (std::find(nodes.begin(), nodes.end(), node) == nodes.end()) nodes.push_back(node);
    }
  };
  collect(now_);
  for (const Directory& change : changes_) collect(change);
  collect(durable_);
  for (const auto& node : nodes) {
    for (const Write& write : node->unflushed) {
      std::size_t kept = 0;
      std::size_t lost = 0;
      for (std::size_t at = 0; at < write.data.size(); at += kSector) {
        if (!keep(index, at / kSector)) {
          ++lost;
          continue;
        }
        ++kept;
        put(node->durable, write.offset + at, write.data.data() + at,
            std::min(kSector, write.data.size() - at));
      }
      if (kept + lost != 0) ++(lost == 0 ? fates_.kept : kept == 0 ? fates_.lost : fates_.torn);
      ++index;
    }
    node->unflushed.clear();
    node->seen = node->durable;
  }
  if (entries != 0) durable_ = changes_[entries - 1];
  now_ = durable_;
  changes_.clear();
  begin_anew();
}

void SimWorld::begin_anew() {
  operations_ = 0;
  crashed_ = false;
  crash_point_ = Point::count;
  crash_at = 0;
  fail_at = 0;
  short_next_ = false;
  locked = false;
}

void SimWorld::restart_at_random() {
  // How cruel this crash is: nothing, everything, whole writes, or single sectors.
  const unsigned mood = static_cast<unsigned>(rng_() % 5);
  std::map<std::size_t, bool> whole;
  const auto keep = [&](std::size_t write, std::size_t) {
    if (mood == 0) return false;
    if (mood == 1) return true;
    if (mood == 2) return whole.try_emplace(write, rng_() % 2 == 0).first->second;
    if (mood == 3) return rng_() % 8 != 0;
    return rng_() % 2 == 0;
  };
  restart(keep, rng_() % (changes_.size() + 1));
}

void SimWorld::restart_after_kill() {
  // What was submitted goes on to the disk; what was completed is seen in any case.
  // Durable it becomes by a flush only, or by luck at the next crash.
  for (auto& [name, node] : now_) {
    for (Write& write : node->unflushed) {
      if (write.completed) continue;
      write.completed = true;
      put(node->seen, write.offset, write.data.data(), write.data.size());
    }
  }
  begin_anew();
}

std::unique_ptr<SimWorld> SimWorld::clone(std::uint64_t seed) const {
  auto copy = std::make_unique<SimWorld>(seed);
  std::map<const Node*, std::shared_ptr<Node>> twins;
  const auto twin = [&](const Directory& from) {
    Directory out;
    for (const auto& [name, node] : from) {
      auto& made = twins[node.get()];
      if (!made) made = std::make_shared<Node>(*node);
      out[name] = made;
    }
    return out;
  };
  copy->now_ = twin(now_);
  copy->durable_ = twin(durable_);
  for (const Directory& change : changes_) copy->changes_.push_back(twin(change));
  copy->crashed_ = crashed_;
  return copy;
}

}  // namespace warden::sim
