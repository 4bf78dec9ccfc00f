// SPDX-License-Identifier: Apache-2.0
#include "engine/consumers.hpp"

#include "engine/records.hpp"

namespace warden::engine {
namespace {

constexpr std::size_t kAckBytes = 24;  // incarnation, id
// Acks are written in records of at most this many, so that they fit any segment.
constexpr std::size_t kAcksARecord = 512;

// The room that ack() has reserved, for the sink that the hub calls on this thread.
thread_local Room* ack_room = nullptr;

struct AckRoom {
  explicit AckRoom(Room& room) noexcept { ack_room = &room; }
  ~AckRoom() { ack_room = nullptr; }
};

// One ack, in a buffer of its own: the sink must not need memory.
struct AckBytes {
  std::byte bytes[kAckBytes * kAcksARecord];
  std::size_t used = 0;

  void add(const alert::Alert& alert) noexcept {
    const std::uint64_t words[3] = {alert.incarnation, alert.id.low, alert.id.high};
    static_assert(sizeof words == kAckBytes);
    std::memcpy(bytes + used, words, sizeof words);
    used += sizeof words;
  }
};

}  // namespace

std::uint64_t Consumers::number_of(std::string_view name) const noexcept {
  std::lock_guard guard(names_);
  const auto found = numbers_.find(name);
  return found == numbers_.end() ? 0 : found->second;
}

void Consumers::acked(std::string_view consumer, std::span<const alert::Alert* const> alerts,
                      bool gone) {
  if (ack_room == nullptr) return;
  const std::uint64_t number = number_of(consumer) | (gone ? kWithdrawnBit : 0);
  for (std::size_t first = 0; first < alerts.size(); first += kAcksARecord) {
    AckBytes content;
    for (const alert::Alert* one :
         alerts.subspan(first).first(std::min(kAcksARecord, alerts.size() - first))) {
      content.add(*one);
    }
    recorder_.append(*ack_room, log::RecordType::ack, number, {content.bytes, content.used});
  }
}

// Under the hub's lock and without room of its own: tried for. If there is none, the
// alert may come again after a crash, with its RESOLVED behind it.
void Consumers::withdrawn(std::string_view consumer, const alert::Alert& alert) {
  if (!recorder_.has_log() || alert.lsn == Lsn::none) return;
  Room room;
  const auto flags = log::ReserveFlags::nowait | log::ReserveFlags::closing;
  if (is_error(recorder_.reserve(kAckBytes, 1, flags, room))) return;
  AckBytes content;
  content.add(alert);
  const std::uint64_t number = consumer.empty() ? 0 : number_of(consumer);
  recorder_.append(room, log::RecordType::ack, number | kWithdrawnBit,
                   {content.bytes, content.used});
}

Lsn Consumers::write(Room& room, std::uint64_t number, std::string_view name, bool deleted,
                     const alert::ConsumerOptions& options) {
  Writer content;
  encode_consumer(content, {deleted, options, std::string(name)});
  return recorder_.append(room, log::RecordType::consumer, number, content.bytes());
}

Error Consumers::open(alert::Hub& hub, std::string_view name, const alert::ConsumerOptions* options,
                      alert::ConsumerRef& consumer) {
  // Before the lock, which the cleaner takes too: this may wait for the cleaner.
  Room room;
  const Code code = recorder_.reserve(2 * 2048, 2, log::ReserveFlags::none, room);
  std::lock_guard guard(opening_);
  if (number_of(name) != 0 || !recorder_.has_log()) return hub.open(name, options, consumer);
  const alert::ConsumerOptions wanted = options == nullptr ? alert::ConsumerOptions{} : *options;
  if (Error error = alert::Hub::check(name, wanted)) return error;
  if (is_error(code)) return Error{code, "consumer: the log takes no more records"};
  {
    // Known before the hub can call the sink for it.
    std::lock_guard names(names_);
    numbers_.emplace(name, last_number_ + 1);
  }
  // The record first: an alert that is raised meanwhile is owed to it after a restart
  // too, whether or not this opening of the hub still saw it.
  const Lsn lsn = write(room, ++last_number_, name, false, wanted);
  if (Error error = hub.open(name, options, consumer)) {
    write(room, last_number_, name, true, {});
    std::lock_guard names(names_);
    numbers_.erase(numbers_.find(name));
    return error;
  }
  if (const Code waited = recorder_.wait(lsn, -1); is_error(waited)) {
    return Error{waited, "consumer: not known whether it is durable"};
  }
  return {};
}

Code Consumers::remove(alert::Hub& hub, std::string_view name) {
  std::lock_guard guard(opening_);
  const std::uint64_t number = number_of(name);
  Room room;
  const Code code = recorder_.reserve(2048, 1, log::ReserveFlags::closing, room);
  if (is_error(code)) return code;
  if (const Code removed = hub.remove(name); is_error(removed)) return removed;
  if (number == 0) return Code::ok;
  {
    std::lock_guard names(names_);
    numbers_.erase(numbers_.find(name));
  }
  return recorder_.wait(write(room, number, name, true, {}), -1);
}

// By portions, so that any number finds room; after the first one there is no error
// any more, only leases that were not acknowledged.
alert::Counted Consumers::ack(alert::Hub& hub, alert::Consumer& consumer,
                              std::span<const std::uint64_t> leases) {
  alert::Counted sum{Code::ok, 0};
  do {
    const auto some = leases.first(std::min(leases.size(), kAcksARecord));
    leases = leases.subspan(some.size());
    Room room;
    // At most a record each: how many alerts the hub tells at once is its business.
    Code code = recorder_.reserve(some.size() * kAckBytes, static_cast<std::uint32_t>(some.size()),
                                  log::ReserveFlags::closing, room);
    if (!is_error(code)) {
      const AckRoom here(room);
      const alert::Counted one = hub.ack(consumer, some);
      code = one.code;
      sum.count += one.count;
    }
    if (is_error(code)) return sum.count == 0 ? alert::Counted{code, 0} : sum;
  } while (!leases.empty());
  return sum;
}

void Consumers::restore(const std::string& name, std::uint64_t number) {
  std::lock_guard names(names_);
  numbers_[name] = number;
  last_number_ = std::max(last_number_, number);
}

}  // namespace warden::engine
