// SPDX-License-Identifier: Apache-2.0
//
// What the cleaner writes of one item or key. cleaner.hpp argues why.
#include "engine/cleaner.hpp"

namespace warden::engine {

using index::State;
using log::RecordType;

namespace {

constexpr std::size_t kOwedPart = 16 * 1024;   // of one record, beside its last entry
constexpr std::size_t kOwedSlack = 48 * 1024;  // which may name that many consumers
constexpr std::size_t kStonesPart = 16 * 1024;

}  // namespace

void Cleaner::append(Room& room, RecordType type, std::uint64_t incarnation,
                     const Writer& content) noexcept {
  if (measuring_) {
    measured_ += content.bytes().size() + log::kRecordHeadBytes;
    return;
  }
  store_.recorder_.append(room, type, incarnation, content.bytes());
  round_copied_ += content.bytes().size() + log::kRecordHeadBytes;
}

// Under the stripe's lock. Null: closed, or another incarnation has the key.
index::Item* Cleaner::open_item(const Keyed& of, index::Stripe& stripe) noexcept {
  const std::uint32_t cell =
      stripe.cells.find(index::Index::cell_hash(of.hash), [&](std::uint32_t found) {
        if ((found & index::Tombstones::kBit) != 0) return false;
        const index::Item& item = store_.index_->item(found);
        return item.incarnation == of.incarnation && item.blob->key() == of.key;
      });
  return cell == index::Cells::kNotFound ? nullptr
                                         : &store_.index_->item(stripe.cells.number(cell));
}

void Cleaner::encode_item(const Keyed& of, const index::Item& item) {
  Draft draft(store_.hub_, store_.id_, *of.flow, item);
  out_.clear();
  out_.varint(of.flow->number);
  out_.word(static_cast<std::uint64_t>(draft.created()));
  out_.text(of.key);
  out_.text(of.payload);
  draft.encode(out_, of.hash);
}

// An open item that never raised an alert, which is nearly every one.
Error Cleaner::copy_plain(const Keyed& of, bool& done) {
  Room room;
  const std::size_t bytes = of.key.size() + of.payload.size() + of.flow->max_record() + 32;
  if (Error error = reserve(bytes, 1, room)) return error;
  index::Stripe& stripe = store_.index_->stripe(store_.index_->stripe_of(of.hash));
  std::lock_guard guard(stripe.lock);
  const index::Item* item = open_item(of, stripe);
  if (item == nullptr || item->alerts != 0) return {};
  encode_item(of, *item);
  append(room, RecordType::item, of.incarnation, out_);
  done = true;
  return {};
}

// By portions, so that any number of alerts finds room. Between two of them the item may
// go on: each says what is owed of the alerts that it names, as it is then, and the item
// itself is written again if it has closed meanwhile.
Error Cleaner::copy_with_alerts(const Keyed& of) {
  const std::size_t bytes =
      of.key.size() + of.payload.size() + of.flow->max_record() + 32 + kOwedPart + kOwedSlack;
  written_.clear();
  bool was_open = false;
  for (bool first = true;; first = false) {
    Room room;
    if (Error error = reserve(bytes, 2, room)) return error;
    const auto frozen = store_.consumers_.freeze();
    alert::Hub::Owings hub(store_.hub_);
    index::Stripe& stripe = store_.index_->stripe(store_.index_->stripe_of(of.hash));
    std::lock_guard guard(stripe.lock);
    if (!hub.take_in()) return Error{Code::no_memory, {}};
    const index::Item* item = open_item(of, stripe);
    collect_owed(hub, store_.consumers_, *of.flow, of.incarnation, item == nullptr, owed_);
    owed_.leave_out(written_);
    if (item == nullptr && first && owed_.empty()) return {};
    std::size_t held = 0;
    std::size_t told = 0;
    Writer part;
    if (!owed_.empty()) encode_owed(part, owed_, kOwedPart, held, told);
    if (first || was_open != (item != nullptr)) write_item(of, item, room);
    was_open = item != nullptr;
    if (owed_.empty()) return {};
    append(room, RecordType::owed, of.incarnation, part);
    if (held == owed_.held.size() && told == owed_.told.size()) return {};
    owed_.note(held, told, written_);
  }
}

void Cleaner::write_item(const Keyed& of, const index::Item* item, Room& room) {
  if (item != nullptr) {
    encode_item(of, *item);
  } else {
    out_.clear();
    out_.varint(of.flow->number);
    out_.text(of.key);
    out_.text(of.payload);
  }
  append(room, item != nullptr ? RecordType::item : RecordType::past, of.incarnation, out_);
}

// The tombstone of a closing, if it is still remembered. Its place among other records
// does not matter: replay tells which of two is newer (Replay::makes_way).
Error Cleaner::keep_stone(const Hash128& key, std::uint64_t incarnation, bool early) {
  const std::uint32_t lane = lane_of(key);
  Writer& out = stones_[lane];
  {
    index::Stripe& stripe = store_.index_->stripe(store_.index_->stripe_of(key));
    std::lock_guard guard(stripe.lock);
    const std::uint32_t cell =
        stripe.cells.find(index::Index::cell_hash(key), [&](std::uint32_t found) {
          return (found & index::Tombstones::kBit) != 0 && stripe.tombstones.at(found).key == key;
        });
    if (cell == index::Cells::kNotFound) return {};
    const index::Tombstone& stone = stripe.tombstones.at(stripe.cells.number(cell));
    const bool same = early ? stone.early != 0 : stone.incarnation == incarnation;
    if (!same || index::is_over(stone.expires_s, store_.time_.elapsed())) return {};
    out.hash(key);
    out.word(stone.incarnation);
    out.varint(stone.expires_s);
    out.byte(static_cast<std::uint8_t>(stone.verdict | stone.early << 4));
  }
  return out.bytes().size() < kStonesPart ? Error{} : flush_stones(lane);
}

Error Cleaner::flush_stones(std::uint32_t lane) {
  Writer& out = stones_[lane];
  if (out.bytes().empty()) return {};
  Room room;
  if (Error error = reserve(out.bytes().size(), 1, room)) return error;
  append(room, RecordType::stones, std::uint64_t{lane} << 10, out);
  out.clear();
  return {};
}

}  // namespace warden::engine
