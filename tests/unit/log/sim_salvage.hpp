// SPDX-License-Identifier: Apache-2.0
//
// A log on the simulated disk that is damaged and then salvaged. Whatever was damaged,
// three things hold and are looked at each time: what is handed on is as it was written,
// in order; what is not lies in a range that is listed; and no file was changed.
#pragma once

#include <algorithm>

#include "../../sim/hooked_disk.hpp"
#include "log/salvage.hpp"
#include "log_fixture.hpp"
#include "sim_store.hpp"

namespace warden::log::test {

using sim::Answer;
using sim::Call;
using sim::Op;

class LogSalvage : public testing::Test {
 protected:
  struct Salvaged {
    Error error;
    std::vector<Seen> seen;
    SalvageReport report;
  };

  // Blocks of one to four pages, with records of every size, in `segments` segments.
  void live(int segments, bool closed, std::uint64_t seed = 3) {
    create(seed);
    ASSERT_EQ(store_->model.open(), "");
    bool alive = true;
    while (store_->model.log().stats().segments < static_cast<std::uint64_t>(segments)) commit();
    for (int i = 0; i < 8; ++i) commit();
    store_->model.rest(kSecond);
    if (closed) {
      ASSERT_EQ(store_->model.close_cleanly(), "");
    } else {
      ASSERT_EQ(store_->model.sync(alive), "");
      store_->model.drop();
    }
    power_on();
  }
  // One segment larger than what is read of it at a time, with blocks that are too.
  void live_large() {
    create(3);
    Options& options = store_->model.options();
    options.segment_bytes = options.first_segment_bytes = 4u << 20;
    options.buffer_bytes = 8u << 20;
    bool alive = true;
    ASSERT_EQ(store_->model.open(), "");
    for (const std::size_t size : {300'000, 1'100'000, 200'000, 900'000, 100, 100}) {
      ASSERT_EQ(store_->model.append(size, alive), "");
      if (size > 100) {
        ASSERT_EQ(store_->model.sync(alive), "");
      }
    }
    ASSERT_EQ(store_->model.sync(alive), "");
    ASSERT_EQ(store_->model.close_cleanly(), "");
    power_on();
  }
  void create(std::uint64_t seed) {
    store_ = std::make_unique<World>(seed);
    below_ = sim::make_sim_disk(store_->world, store_->clock);
    disk_ = std::make_unique<sim::HookedDisk>(*below_);
  }
  void commit() {
    bool alive = true;
    const auto& rng = [&] { return store_->world.rng()(); };
    for (std::uint64_t i = rng() % 8 + 1; i != 0; --i) {
      ASSERT_EQ(store_->model.append(rng() % 4 == 0 ? rng() % 5000 : rng() % 200, alive), "");
    }
    ASSERT_EQ(store_->model.sync(alive), "");
  }
  // The power comes back, with everything that was written; then the truth is read.
  void power_on() {
    auto& world = store_->world;
    world.restart([](std::size_t, std::size_t) { return true; }, world.unsynced_entries());
    Options options = store_->model.options();
    options.mode = Mode::read_only;
    KeepingSink sink;
    std::unique_ptr<Log> log;
    const Error error = Log::open(*below_, "sim", options, sink, log);
    ASSERT_EQ(error.code, Code::ok) << error.message;
    truth_ = sink.seen;
    ASSERT_GT(truth_.size(), 5u);
  }

  Salvaged salvage() {
    const std::uint64_t before = store_->world.state_hash();
    Salvaged out;
    Salvager salvager;
    KeepingSink sink;
    out.error = salvager.open(*disk_, "sim");
    if (!out.error) out.error = salvager.read(sink);
    out.seen = sink.seen;
    out.report = salvager.report();
    EXPECT_EQ(store_->world.state_hash(), before);
    const auto of_segments = std::count_if(out.seen.begin(), out.seen.end(), [](const Seen& one) {
      return one.lsn != Lsn::none;
    });  // not the catalog's
    EXPECT_EQ(out.report.records, static_cast<std::uint64_t>(of_segments));
    return out;
  }
  static bool listed(const SalvageReport& report, Lsn lsn) {
    for (const LostRange& lost : report.lost) {
      if (lost.after < lsn && lsn <= lost.upto) return true;
    }
    return false;
  }
  // Everything there was is handed on or listed, and nothing else.
  Salvaged salvage_true() {
    Salvaged out = salvage();
    EXPECT_EQ(out.error.code, Code::ok) << out.error.message;
    std::size_t next = 0;
    for (const Seen& one : truth_) {
      const bool here = next < out.seen.size() && out.seen[next].lsn == one.lsn;
      if (!here) {
        EXPECT_TRUE(listed(out.report, one.lsn)) << "silently lost: " << raw(one.lsn);
        EXPECT_TRUE(!proven_ || out.report.may_follow(Lsn::none));
        continue;
      }
      EXPECT_EQ(out.seen[next].content, one.content);
      EXPECT_EQ(out.seen[next].incarnation, one.incarnation);
      EXPECT_EQ(out.seen[next].type, one.type);
      ++next;
    }
    EXPECT_EQ(next, out.seen.size()) << "handed on, though it never was";
    return out;
  }
  void refused(Code code, const std::string& says) {
    const Salvaged out = salvage();
    EXPECT_EQ(out.error.code, code) << out.error.message;
    EXPECT_NE(out.error.message.find(says), std::string::npos) << out.error.message;
  }

  std::string& image(const std::string& name) {
    // What is read is `seen`; `durable` is as it, at rest.
    return store_->world.now().at(name)->seen;
  }
  void flip(const std::string& name, std::uint64_t offset) {
    char& byte = image(name).at(offset);
    byte = static_cast<char>(byte ^ 0x10);
  }
  void zero(const std::string& name, std::uint64_t offset, std::size_t bytes) {
    std::fill_n(image(name).begin() + static_cast<std::ptrdiff_t>(offset), bytes, '\0');
  }
  std::string manifest() {
    for (const auto& [name, node] : store_->world.now()) {
      if (number_in(name, "MANIFEST-") != 0) return name;
    }
    ADD_FAILURE() << "no manifest";
    return {};
  }
  // Copies a manifest to another name, fitting it.
  void copy_manifest(std::uint64_t number, std::uint32_t incompat = 0) {
    std::string bytes = image(manifest());
    auto header = load<ManifestHeader>(bytes.data());
    header.number = number;
    header.incompat |= incompat;
    std::memcpy(bytes.data(), &header, sizeof header);
    header.digest = image_digest(bytes.data(), bytes.size(), kManifestMagic);
    std::memcpy(bytes.data(), &header, sizeof header);
    auto node = std::make_shared<sim::Node>();
    node->seen = node->durable = bytes;
    store_->world.now()[manifest_name(number)] = node;
  }
  std::map<std::uint64_t, BlockHeader> blocks(const std::string& name) {
    return store_->blocks(name);
  }
  // One of several pages in that segment.
  std::uint64_t long_block(const std::string& name) {
    for (const auto& [at, header] : blocks(name)) {
      if (header.length >= 2 * kPage && header.count > 1) return at;
    }
    ADD_FAILURE() << "none in " << name;
    return kPage;
  }
  std::string note(const Salvaged& out, std::size_t i) const {
    return i < out.report.notes.size() ? out.report.notes[i] : std::string();
  }

  // Two blocks in a row, the second of several records; by their offsets.
  std::pair<std::uint64_t, std::uint64_t> two_blocks(const std::string& name) {
    const auto all = blocks(name);
    for (auto at = std::next(all.begin()); std::next(at) != all.end(); ++at) {
      const auto& after = *std::next(at);
      if (at->second.count > 1 && after.second.count > 2) return {at->first, after.first};
    }
    ADD_FAILURE() << "none in " << name;
    return {kPage, kPage};
  }
  // Both damaged, and the first says wrongly where the second begins.
  void damage_two(const std::string& name) {
    const auto [first, second] = two_blocks(name);
    store_->break_block(name, first, [](BlockHeader& header) { header.end -= 4; });
    flip(name, first + kBlockHeaderBytes + 10);
    flip(name, second + kBlockHeaderBytes + 10);
  }
  // Answers so whenever that is called, of that file if it is named.
  void answers(Op op, const std::string& name, std::int64_t result) {
    disk_->hook = [=](const Call& call) -> Answer {
      if (call.op == op && (name.empty() || call.name == name)) return result;
      return {};
    };
  }

  std::unique_ptr<World> store_;
  std::unique_ptr<io::Disk> below_;
  std::unique_ptr<sim::HookedDisk> disk_;
  std::vector<Seen> truth_;
  bool proven_ = true;  // all there was: then what is lost is never called unproven
};

}  // namespace warden::log::test
