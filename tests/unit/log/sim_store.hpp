// SPDX-License-Identifier: Apache-2.0
//
// A log of several segments on the simulated disk, at rest, whose files a test changes
// under checksums that hold, and which is then opened, read or salvaged.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <string>

#include "../../sim/log_model.hpp"
#include "log/format.hpp"
#include "log/manifest.hpp"

namespace warden::log::test {

struct World {
  explicit World(std::uint64_t seed = 3) : world(seed), clock(kSecond), model(world, clock) {}
  // Two segments begun, then a power cut that loses nothing, or a clean close.
  void fill(bool closed, bool rest = true) {
    ASSERT_EQ(model.open(), "");
    bool alive = true;
    while (model.log().stats().segments < 2) {
      ASSERT_EQ(model.append(3000, alive), "");
      ASSERT_EQ(model.sync(alive), "");
    }
    if (rest) model.rest(kSecond);
    if (closed) {
      ASSERT_EQ(model.close_cleanly(), "");
    } else {
      model.drop();
    }
    world.restart([](std::size_t, std::size_t) { return true; }, world.unsynced_entries());
  }
  template <class Change>
  void change_header(const char* name, Change change) {
    sim::Node& node = *world.now()[name];
    auto header = load<SegmentHeader>(node.durable.data());
    change(header);
    header.digest = image_digest(&header, sizeof header, kSegmentMagic);
    std::memcpy(node.durable.data(), &header, sizeof header);
    node.seen = node.durable;
  }
  template <class Change>
  void change_manifest(Change change) {
    for (auto& [name, node] : world.now()) {
      if (number_in(name, "MANIFEST-") == 0) continue;
      std::string& image = node->durable;
      auto header = load<ManifestHeader>(image.data());
      auto first = load<SegmentEntry>(image.data() + sizeof header);
      change(header, first);
      std::memcpy(image.data(), &header, sizeof header);
      std::memcpy(image.data() + sizeof header, &first, sizeof first);
      const Digest digest = image_digest(image.data(), image.size(), kManifestMagic);
      std::memcpy(image.data(), &digest, sizeof digest);
      node->seen = image;
    }
  }
  // A block of the segment, its first or another, and the head of its first record.
  template <class Change>
  void change_block(const char* name, Change change, std::uint64_t at = kPage) {
    sim::Node& node = *world.now()[name];
    std::string& image = node.durable;
    auto header = load<BlockHeader>(image.data() + at);
    auto record = load<RecordHead>(image.data() + at + sizeof header);
    change(header, record);
    std::memcpy(image.data() + at, &header, sizeof header);
    std::memcpy(image.data() + at + sizeof header, &record, sizeof record);
    header.digest = image_digest(image.data() + at, header.length,
                                 segment_seed(model.options().uuid, header.segment));
    std::memcpy(image.data() + at, &header.digest, sizeof header.digest);
    node.seen = image;
  }
  // Changes a header and leaves the digest as it is.
  template <class Change>
  void break_block(const std::string& name, std::uint64_t at, Change change) {
    sim::Node& node = *world.now().at(name);
    auto header = load<BlockHeader>(node.durable.data() + at);
    change(header);
    std::memcpy(node.durable.data() + at, &header, sizeof header);
    node.seen = node.durable;
  }
  // Every header of a block in a segment, by its offset.
  std::map<std::uint64_t, BlockHeader> blocks(const std::string& name) {
    std::map<std::uint64_t, BlockHeader> out;
    const std::string& bytes = world.now().at(name)->seen;
    for (std::uint64_t at = kPage; at + kPage <= bytes.size();) {
      const auto header = load<BlockHeader>(bytes.data() + at);
      if (header.magic != kBlockMagic) break;
      out[at] = header;
      at += header.length;
    }
    return out;
  }
  void refused(const std::string& says, Code code = Code::corrupt) {
    model.open();
    EXPECT_EQ(model.open_error().code, code);
    EXPECT_NE(model.open_error().message.find(says), std::string::npos)
        << model.open_error().message << "\nexpected: " << says;
  }
  sim::SimWorld world;
  io::ManualClock clock;
  sim::LogModel model;
};

}  // namespace warden::log::test
