// SPDX-License-Identifier: Apache-2.0
//
// Mutates the files of a simulated world; see log_mutation.hpp.
#include "log_mutation.hpp"

#include <algorithm>
#include <cstring>

#include "../sim/log_model.hpp"
#include "fitting.hpp"
#include "plant.hpp"

namespace warden::fuzz {
namespace {

// What was handed to the sink, one text a record.
class KeepingSink final : public log::ReplaySink {
 public:
  Error apply(Lsn lsn, log::RecordType type, std::uint64_t incarnation,
              log::Part content) override {
    std::string text = std::to_string(raw(lsn)) + ' ' + std::to_string(raw(type)) + ' ' +
                       std::to_string(incarnation) + ' ';
    text.append(reinterpret_cast<const char*>(content.data()), content.size());
    records.push_back(std::move(text));
    return {};
  }
  void reset() override { records.clear(); }
  std::vector<std::string> records;
};

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
    const auto copy = world.clone(1);
    const auto disk = sim::make_sim_disk(*copy, clock);
    log::Options options = model.options();
    options.mode = log::Mode::read_only;
    std::unique_ptr<log::Log> log;
    if (log::Log::open(*disk, "sim", options, truth, log)) std::abort();
    if (truth.records.size() != model.issued()) std::abort();
  }
  sim::SimWorld world;
  io::ManualClock clock;
  sim::LogModel model;
  KeepingSink truth;
};

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

bool is_prefix(const std::vector<std::string>& got, const std::vector<std::string>& of) {
  return got.size() <= of.size() && std::equal(got.begin(), got.end(), of.begin());
}

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
  if (out.fitted || planted() == Plant::wrong) fit_checksums(world->now(), {1, 2});
  for (auto& [name, node] : world->now()) node->seen = node->durable;
  io::ManualClock clock(2 * kSecond);
  const auto disk = sim::make_sim_disk(*world, clock);
  log::Options options = base.model.options();
  options.clock = &clock;
  for (const log::Mode mode : {log::Mode::read_only, log::Mode::write}) {
    options.mode = mode;
    KeepingSink sink;
    std::unique_ptr<log::Log> log;
    const Error error = log::Log::open(*disk, "sim", options, sink, log);
    out.refused = static_cast<bool>(error);
    if (error && error.message.empty()) out.wrong = "an error without a message";
    if (error.code == Code::internal) out.wrong = error.message;
    // Damage is refused or cut off; never read as something that was not appended.
    if (!error && !out.fitted && !is_prefix(sink.records, base.truth.records)) {
      out.wrong = "records that were never appended so";
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
