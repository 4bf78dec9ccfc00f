// SPDX-License-Identifier: Apache-2.0
//
// Mutates the files of a simulated world; see log_mutation.hpp.
#include "log_mutation.hpp"

#include <algorithm>
#include <cstring>

#include "../sim/log_model.hpp"
#include "log/format.hpp"

namespace warden::fuzz {
namespace {

// The store that all mutations begin with: two openings, three segments, a spare.
struct Base {
  Base() : world(5), clock(kSecond), model(world, clock) {
    for (int life = 0; life < 2; ++life) {
      bool alive = true;
      if (!model.open().empty()) std::abort();
      for (int i = 0; i < 30; ++i) {
        if (!model.append(i % 6 == 0 ? 4000 : 40, alive).empty()) std::abort();
        if (i % 5 == 0 && !model.sync(alive).empty()) std::abort();
      }
      model.rest(kSecond);
      model.drop();
      world.restart([](std::size_t, std::size_t) { return true; }, world.unsynced_entries());
    }
  }
  sim::SimWorld world;
  io::ManualClock clock;
  sim::LogModel model;
};

template <class Header>
void fit(std::string& image, std::size_t at, std::size_t length, std::uint64_t seed) {
  const log::Digest digest = log::image_digest(image.data() + at, length, seed);
  std::memcpy(image.data() + at + offsetof(Header, digest), &digest, sizeof digest);
}

void fit_all(const std::string& name, std::string& image) {
  if (name.starts_with("MANIFEST-") && image.size() > sizeof(log::ManifestHeader)) {
    fit<log::ManifestHeader>(image, 0, image.size(), log::kManifestMagic);
  }
  if (!name.starts_with("wal-") || image.size() < log::kPage) return;
  const auto header = log::load<log::SegmentHeader>(image.data());
  if (header.magic == log::kSegmentMagic) {
    fit<log::SegmentHeader>(image, 0, log::kPage, log::kSegmentMagic);
  }
  for (std::size_t at = log::kPage; at + log::kPage <= image.size(); at += log::kPage) {
    const auto block = log::load<log::BlockHeader>(image.data() + at);
    if (block.magic != log::kBlockMagic || block.length < log::kPage ||
        block.length > image.size() - at) {
      continue;
    }
    fit<log::BlockHeader>(image, at, block.length, log::segment_seed({1, 2}, block.segment));
  }
}

void mutate(sim::SimWorld& world, const std::uint8_t* in) {
  auto& files = world.now();
  auto file = files.begin();
  std::advance(file, in[1] % files.size());
  std::string& image = file->second->durable;
  if (image.empty()) return;
  // Mostly where something is: the first pages.
  const std::size_t offset = static_cast<std::size_t>(in[2] | in[3] << 8 | in[4] << 16);
  const std::size_t at = (in[0] & 0x40) != 0 ? offset % std::min<std::size_t>(image.size(), 160)
                                             : offset % image.size();
  switch (in[0] >> 1 & 7) {
    case 0:
    case 1:
      image[at] = static_cast<char>(in[5]);
      break;
    case 2:
      image[at] = static_cast<char>(image[at] ^ (1 << (in[5] & 7)));
      break;
    case 3:
      std::fill_n(image.begin() + static_cast<std::ptrdiff_t>(at),
                  std::min<std::size_t>(image.size() - at, std::size_t{in[5]} * 16 + 1), '\0');
      break;
    case 4:
      image.resize(at);
      break;
    case 5:
      files.erase(file);
      return;
    case 6: {  // a page over another
      const std::size_t to = at / log::kPage * log::kPage;
      const std::size_t from = std::size_t{in[5]} * log::kPage % image.size();
      const std::size_t length =
          std::min({image.size() - to, image.size() - from, std::size_t{log::kPage}});
      image.replace(to, length, image.substr(from, length));
      break;
    }
    default: {
      const std::uint32_t number = in[5] * 0x01010101u;
      if (at + 4 <= image.size()) std::memcpy(image.data() + at, &number, 4);
      break;
    }
  }
}

class CountingSink final : public log::ReplaySink {
 public:
  Error apply(Lsn, log::RecordType, std::uint64_t, log::Part) override {
    ++count;
    return {};
  }
  void reset() override { count = 0; }
  std::uint64_t count = 0;
};

}  // namespace

Outcome open_mutated(const std::uint8_t* input, std::size_t size) {
  static Base base;
  Outcome out;
  if (size < 7) return out;
  out.fitted = (input[0] & 1) != 0;
  const auto world = base.world.clone(1);
  for (std::size_t at = 1; at + 6 <= std::min<std::size_t>(size, 61); at += 6) {
    if (world->now().empty()) break;
    mutate(*world, input + at);
  }
  for (auto& [name, node] : world->now()) {
    if (out.fitted) fit_all(name, node->durable);
    node->seen = node->durable;
  }
  io::ManualClock clock(2 * kSecond);
  const auto disk = sim::make_sim_disk(*world, clock);
  log::Options options = base.model.options();
  options.clock = &clock;
  for (const log::Mode mode : {log::Mode::read_only, log::Mode::write}) {
    options.mode = mode;
    CountingSink sink;
    std::unique_ptr<log::Log> log;
    const Error error = log::Log::open(*disk, "sim", options, sink, log);
    out.refused = static_cast<bool>(error);
    if (error && error.message.empty()) out.wrong = "an error without a message";
    if (error.code == Code::internal) out.wrong = error.message;
    if (!error && !out.fitted && sink.count > base.model.issued()) {
      out.wrong = "more records than were ever appended";
    }
    if (error || mode == log::Mode::read_only) continue;
    // It opened: then it works.
    log::Credit credit;
    const std::string text = "after";
    if (log->reserve(text.size(), 1, log::ReserveFlags::none, credit) != Code::ok) {
      out.wrong = "it opened, but takes no records";
      continue;
    }
    log->append(credit, log::RecordType::state, 1, std::as_bytes(std::span(text)));
    log->release(credit);
    if (log->sync(kNever) != Code::ok) out.wrong = "it opened, but does not sync";
  }
  return out;
}

}  // namespace warden::fuzz
