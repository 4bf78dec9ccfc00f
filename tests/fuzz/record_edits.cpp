// SPDX-License-Identifier: Apache-2.0
#include "record_edits.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

#include "../fault/sim_engine.hpp"
#include "engine/codec.hpp"
#include "engine/incarnation.hpp"
#include "plant.hpp"
#include "store_use.hpp"

namespace warden::fuzz {
namespace {

constexpr std::size_t kMostRecords = 400;

class KeepingSink final : public log::ReplaySink {
 public:
  Error apply(Lsn, log::RecordType type, std::uint64_t incarnation, log::Part content) override {
    records.push_back(
        {type, incarnation, {reinterpret_cast<const char*>(content.data()), content.size()}});
    return {};
  }
  void reset() override { records.clear(); }
  std::vector<Record> records;
};

std::vector<Record> make_base() {
  sim::SimWorld world(1);
  io::ManualClock clock(kSecond);
  fault::SimEngine engine(world, clock);
  require(engine.open() == WARDEN_OK, "a new store", engine.error.message);
  live_a_while(engine.get());
  engine.close();
  const auto disk = sim::make_sim_disk(world, clock);
  log::Options options = engine.log_options();
  options.mode = log::Mode::read_only;
  KeepingSink sink;
  std::unique_ptr<log::Log> log;
  const Error error = log::Log::open(*disk, "sim", options, sink, log);
  require(!error && sink.records.size() > 30, "the log of a new store", error.message);
  return sink.records;
}

// The lane of an item's incarnation follows from its flow's name and key, which may have
// been changed: replay looks at no item whose lane is another's.
void fit_lane(Record& record) {
  engine::Reader in(std::as_bytes(std::span(record.content)));
  const std::uint64_t version = in.varint();
  in.word();
  const std::string_view key = in.text();
  const std::string_view flow = version == 0 ? "upload" : "free";
  const std::uint64_t seed =
      (kStoreUuid.low ^ kStoreUuid.high) ^ XXH3_64bits(flow.data(), flow.size());
  const XXH128_hash_t hash = XXH3_128bits_withSeed(key.data(), key.size(), seed);
  const std::uint64_t lane = engine::lane_of(Hash128{hash.low64, hash.high64});
  constexpr std::uint64_t kLaneBits = std::uint64_t{engine::kLanes - 1} << 10;
  record.incarnation = (record.incarnation & ~kLaneBits) | lane << 10;
}

constexpr std::int64_t kNumbers[] = {0,
                                     1,
                                     -1,
                                     127,
                                     128,
                                     255,
                                     256,
                                     65535,
                                     65536,
                                     1'000'000'000,
                                     std::numeric_limits<std::int32_t>::max(),
                                     std::numeric_limits<std::int64_t>::max(),
                                     std::numeric_limits<std::int64_t>::min(),
                                     std::numeric_limits<std::int64_t>::max() - 1,
                                     std::numeric_limits<std::int64_t>::min() + 1,
                                     std::int64_t{1} << 44};

struct Edit {
  std::uint8_t what, record, offset, value;
};

class Editor {
 public:
  Editor(const std::uint8_t* input, std::size_t size) : in_(input), left_(size) {}

  bool next(Edit& out) {
    if (left_ < sizeof out) return false;
    std::memcpy(&out, in_, sizeof out);
    skip(sizeof out);
    return true;
  }

  void apply(std::vector<Record>& records, const Edit& edit) {
    const std::size_t index = edit.record % records.size();
    Record& record = records[index];
    std::string& content = record.content;
    const std::size_t at = edit.offset % (content.size() + 1);
    switch (edit.what % 14) {
      case 0:
        if (at < content.size()) content[at] = static_cast<char>(edit.value);
        return;
      case 1:
        if (at < content.size()) content[at] = static_cast<char>(content[at] ^ 1 << edit.value % 8);
        return;
      case 2: {
        const std::string bytes = take(edit.value % 32);
        content.replace(at, std::min(bytes.size(), content.size() - at), bytes);
        return;
      }
      case 3:
        content.insert(at, take(edit.value));
        return;
      case 4:
        content.erase(at, edit.value);
        return;
      case 5:
        content.resize(at);
        return;
      case 6:
        if (records.size() > 1) records.erase(records.begin() + static_cast<std::ptrdiff_t>(index));
        return;
      case 7:
        insert(records, edit.value, record);
        return;
      case 8:
        record.type = static_cast<log::RecordType>(1 + edit.value % 18);
        return;
      case 9:
        record.incarnation = edit.value < 0x80 ? records[edit.value % records.size()].incarnation
                                               : record.incarnation ^ 1ull << edit.value % 64;
        return;
      case 10:
        insert(records, edit.value,
               {static_cast<log::RecordType>(1 + edit.record % 18), record.incarnation,
                take(edit.offset)});
        return;
      case 11:
        fit_lane(record);
        return;
      case 12: {
        const std::int64_t number = kNumbers[edit.value % std::size(kNumbers)];
        const std::string bytes(reinterpret_cast<const char*>(&number), sizeof number);
        content.replace(at, std::min(bytes.size(), content.size() - at), bytes);
        return;
      }
      default: {
        engine::Writer out;
        out.varint(static_cast<std::uint64_t>(kNumbers[edit.value % std::size(kNumbers)]));
        const auto bytes = out.bytes();
        if (at < content.size()) content.erase(at, 1);
        content.insert(at, reinterpret_cast<const char*>(bytes.data()), bytes.size());
        return;
      }
    }
  }

 private:
  static void insert(std::vector<Record>& records, std::size_t where, Record record) {
    if (records.size() >= kMostRecords) return;
    const std::size_t at = where % (records.size() + 1);
    records.insert(records.begin() + static_cast<std::ptrdiff_t>(at), std::move(record));
  }
  std::string take(std::size_t count) {
    const std::size_t got = std::min(count, left_);
    std::string out(reinterpret_cast<const char*>(in_), got);
    skip(got);
    return out;
  }
  void skip(std::size_t count) {
    in_ += count;
    left_ -= count;
  }

  const std::uint8_t* in_;
  std::size_t left_;
};

}  // namespace

const std::vector<Record>& base_records() {
  static const std::vector<Record> base = make_base();
  return base;
}

std::vector<Record> edited_records(const std::uint8_t* input, std::size_t size) {
  std::vector<Record> records = base_records();
  Editor editor(input, size);
  Edit edit;
  while (editor.next(edit)) editor.apply(records, edit);
  return records;
}

}  // namespace warden::fuzz
