// SPDX-License-Identifier: Apache-2.0
//
// A log that has come to rest, damaged in one place at a time: opening refuses, or
// gives exactly what was acknowledged.
#include <cstring>

#include "log/format.hpp"
#include "log_runs.hpp"

namespace warden::sim {
namespace {

constexpr const char* kSegments[] = {"wal-1", "wal-2"};

// A log with ten acknowledged records, and its disk after a power cut that lost
// nothing that had been flushed.
class Rested {
 public:
  explicit Rested(std::uint64_t seed) : world(seed), clock(kSecond), model(world, clock) {}

  std::string make(bool closed) {
    std::string wrong = model.open();
    bool alive = true;
    for (int i = 0; i < 10 && wrong.empty(); ++i) {
      wrong = model.append(50, alive);
      if (wrong.empty()) wrong = model.sync(alive);
    }
    if (!wrong.empty()) return wrong;
    if (closed) {
      wrong = model.close_cleanly();
    } else {
      model.rest(kSecond);  // the beacon
      model.drop();
    }
    world.restart_at_random();
    return wrong;
  }

  SimWorld world;
  io::ManualClock clock;
  LogModel model;
};

// Opens a copy in which `damage` has changed the file: refused as damaged, or intact.
template <class Damage>
std::string open_damaged(const Rested& log, const std::string& name, Damage damage) {
  const auto copy = log.world.clone(1);
  Node& node = *copy->now()[name];
  damage(node.durable);
  node.seen = node.durable;
  io::ManualClock later(2 * kSecond);
  LogModel twin(*copy, later);
  twin.adopt(log.model);
  std::string wrong = twin.open();
  if (twin.open_error().code == Code::corrupt) return {};
  if (wrong.empty() && !twin.is_open()) wrong = twin.open_error().message;
  return wrong;
}

std::string at(const char* name, std::size_t offset) {
  return std::string(", at byte ") + std::to_string(offset) + " of " + name;
}

}  // namespace

std::string run_rot(std::uint64_t seed, bool closed) {
  Rested log(seed);
  std::string wrong = log.make(closed);
  for (const char* name : kSegments) {
    const auto file = log.world.now().find(name);
    if (file == log.world.now().end()) continue;
    const std::size_t size = file->second->durable.size();
    for (std::size_t sector = 0; sector < size && wrong.empty(); sector += kSector) {
      wrong = open_damaged(log, name, [&](std::string& image) {
        image[sector + 7] = static_cast<char>(image[sector + 7] ^ 4);
      });
      if (!wrong.empty()) wrong += at(name, sector);
    }
  }
  return wrong;
}

std::string run_mirror(std::uint64_t seed, bool closed) {
  Rested log(seed);
  Rested other(seed + 1000);
  std::string wrong = log.make(closed);
  if (wrong.empty()) wrong = other.make(closed);
  for (const char* name : kSegments) {
    const auto file = log.world.now().find(name);
    const auto its = other.world.now().find(name);
    if (file == log.world.now().end() || its == other.world.now().end()) continue;
    const std::string& theirs = its->second->durable;
    const std::size_t size = std::min(file->second->durable.size(), theirs.size());
    for (std::size_t page = 0; page < size && wrong.empty(); page += log::kPage) {
      if (file->second->durable.compare(page, log::kPage, theirs, page, log::kPage) == 0) continue;
      wrong = open_damaged(log, name, [&](std::string& image) {
        image.replace(page, log::kPage, theirs, page, log::kPage);
      });
      if (!wrong.empty()) wrong += at(name, page);
    }
  }
  return wrong;
}

std::string run_memory(std::uint64_t seed) {
  Rested log(seed);
  std::string wrong = log.make(false);
  if (!wrong.empty()) return wrong;
  std::size_t last = 0;
  const std::string& image = log.world.now()["wal-1"]->durable;
  for (std::size_t page = log::kPage; page < image.size(); page += log::kPage) {
    const auto header = log::load<log::BlockHeader>(image.data() + page);
    if (header.magic == log::kBlockMagic && header.count != 0) last = page;
  }
  if (last == 0) return "no block with records";
  return open_damaged(log, "wal-1", [&](std::string& changed) {
    auto header = log::load<log::BlockHeader>(changed.data() + last);
    char& content = changed[last + log::kBlockHeaderBytes + log::kRecordHeadBytes + 3];
    content = static_cast<char>(content ^ 1);
    header.digest = log::image_digest(changed.data() + last, header.length,
                                      log::segment_seed({1, 2}, header.segment));
    std::memcpy(changed.data() + last, &header.digest, sizeof header.digest);
    // Without the beacon, whose chain would give it away.
    std::fill(changed.begin() + static_cast<std::ptrdiff_t>(last + header.length), changed.end(),
              '\0');
  });
}

}  // namespace warden::sim
