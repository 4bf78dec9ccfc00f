// SPDX-License-Identifier: Apache-2.0
//
// Fuzz target of records, below and above their checksums. The first byte chooses:
//
//   even  the engine's decoders: the records of edited_records() are written by the log,
//         told as text and JSON as `warden dump` does, replayed by an opening of the
//         whole engine, and the store that comes of it is used (store_use.hpp)
//   odd   the log's: the bytes are the inside of a block whose digest fits; the second
//         byte says by how much its header lies about its length, the third (odd) that
//         the sums of records are made to fit too
//
// What must hold: no opening or call answers INTERNAL or without a message; a store that
// opens opens again after it was used.
#include <algorithm>
#include <cstring>

#include "../fault/sim_engine.hpp"
#include "cli/record_view.hpp"
#include "fitting.hpp"
#include "plant.hpp"
#include "record_edits.hpp"
#include "store_use.hpp"

namespace warden::fuzz {
namespace {

// A log in a world, and the clock of both.
struct Place {
  sim::SimWorld world{7};
  io::ManualClock clock{kSecond};
  std::unique_ptr<io::Disk> disk = sim::make_sim_disk(world, clock);

  log::Options options() {
    fault::SimEngine engine(world, clock);
    return engine.log_options();
  }

  void write(const std::vector<Record>& records) {
    log::Options how = options();
    struct Nothing final : log::ReplaySink {
      Error apply(Lsn, log::RecordType, std::uint64_t, log::Part) override { return {}; }
    } sink;
    std::unique_ptr<log::Log> log;
    require(!log::Log::open(*disk, "sim", how, sink, log), "a new log");
    std::size_t pending = 0;
    for (const Record& record : records) {
      log::Credit credit;
      require(log->reserve(record.content.size(), 1, log::ReserveFlags::none, credit) == Code::ok,
              "room in a new log");
      log->append(credit, record.type, record.incarnation,
                  std::as_bytes(std::span(record.content)));
      log->release(credit);
      pending += record.content.size() + 64;
      if (pending > 16 * 1024 || &record == &records.back()) {  // the buffer holds 64 KiB
        require(log->sync(kNever) == Code::ok, "sync of a new log");
        pending = 0;
      }
    }
  }
};

void tell(const std::vector<Record>& records) {
  cli::RecordNames names;
  require(names.ready(), "memory");
  for (const Record& record : records) {
    names.apply(Lsn::none, record.type, record.incarnation,
                std::as_bytes(std::span(record.content)));
  }
  const auto& base = base_records();
  for (std::size_t i = 0; i < records.size(); ++i) {
    const Record& record = records[i];
    if (i < base.size() && record == base[i]) continue;
    const auto content = std::as_bytes(std::span(record.content));
    const std::string line = cli::record_text(names, record.type, record.incarnation, content);
    require(line.find('\n') == std::string::npos, "a record told on two lines", line);
    using Json = nlohmann::ordered_json;
    const Json json = cli::record_json(names, record.type, record.incarnation, content);
    require(!json.dump(-1, ' ', false, Json::error_handler_t::replace).empty(), "no JSON");
  }
}

void replay(const std::vector<Record>& records, bool edited) {
  Place place;
  place.write(records);
  fault::SimEngine engine(place.world, place.clock);
  const std::int32_t code = engine.open();
  require(code != WARDEN_E_INTERNAL, "opening", engine.error.message);
  require(code == WARDEN_OK || engine.error.message[0] != '\0', "an error without a message");
  require(edited || code == WARDEN_OK, "what was written is refused", engine.error.message);
  if (code != WARDEN_OK) return;
  use_everything(engine.get());
  require(warden_close(engine.get(), kSecond) == WARDEN_OK, "closing");
  engine.close();
  // Planted: what it wrote is lost, although it was flushed.
  if (planted() == Plant::wrong) place.world.now().begin()->second->seen.clear();
  require(engine.open() == WARDEN_OK, "it opened and was used, but does not open again",
          engine.error.message);
}

class ReadingSink final : public log::ReplaySink {
 public:
  Error apply(Lsn, log::RecordType, std::uint64_t, log::Part content) override {
    for (const std::byte b : content) sum += static_cast<unsigned>(b);
    ++count;
    return {};
  }
  void reset() override { count = 0; }
  unsigned sum = 0;
  std::size_t count = 0;
};

void decode_block(const std::uint8_t* data, std::size_t size) {
  const auto lie = static_cast<std::int8_t>(size == 0 ? 0 : data[0]);
  const bool with_sums = size > 1 && (data[1] & 1) != 0;
  const std::size_t head = std::min<std::size_t>(size, 2);
  data += head;
  size -= head;
  Place place;
  place.write(
      {Record{log::RecordType::state, 1, std::string(std::max<std::size_t>(size, 1), 'x')}});
  std::string& image = place.world.now().at("wal-1")->seen;
  auto header = log::load<log::BlockHeader>(image.data() + log::kPage);
  const auto room = header.length - log::kBlockHeaderBytes;
  header.end = header.first + std::min<std::uint64_t>(size, room) +
               static_cast<std::uint64_t>(std::int64_t{lie});
  char* at = image.data() + log::kPage;
  std::memcpy(at, &header, sizeof header);
  std::memset(at + log::kBlockHeaderBytes, 0, room);
  if (size != 0) std::memcpy(at + log::kBlockHeaderBytes, data, std::min<std::size_t>(size, room));
  for (auto& [name, node] : place.world.now()) node->durable = node->seen;
  if (with_sums) {
    fit_checksums(place.world.now(), kStoreUuid);
  } else {
    const log::Digest digest =
        log::image_digest(at, header.length, log::segment_seed(kStoreUuid, 1));
    std::memcpy(place.world.now().at("wal-1")->durable.data() + log::kPage, &digest, sizeof digest);
  }
  for (auto& [name, node] : place.world.now()) node->seen = node->durable;
  log::Options how = place.options();
  how.mode = log::Mode::read_only;
  ReadingSink sink;
  std::unique_ptr<log::Log> log;
  const Error error = log::Log::open(*place.disk, "sim", how, sink, log);
  require(!error || !error.message.empty(), "an error without a message");
  require(error.code != Code::internal, "a block", error.message);
  const std::size_t most = (size + 127) / sizeof(log::RecordHead);  // as long as a lie makes it
  require(sink.count <= most, "more records than have room in a block");
}

}  // namespace
}  // namespace warden::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace warden::fuzz;
  if (size == 0) return 0;
  if ((data[0] & 1) != 0) {
    decode_block(data + 1, size - 1);
  } else {
    const std::vector<Record> records = edited_records(data + 1, size - 1);
    tell(records);
    replay(records, size > 4);
  }
  misbehave(size);
  return 0;
}
