// SPDX-License-Identifier: Apache-2.0
#include "engine/verify.hpp"

#include <xxhash.h>

namespace warden::engine {

using index::State;

bool Verdict::balanced() const noexcept {
  return accounted == figures.values[Counters::submitted_total];
}

bool Verdict::counted() const noexcept {
  return open == figures.values[Counters::submitted] + figures.values[Counters::live];
}

// Looks at every part of a store that nobody else uses.
class Checker {
 public:
  explicit Checker(Store& store) noexcept : store_(store) {}

  Error check(Verdict& out) {
    items(out);
    for (std::uint32_t i = 0; i < store_.index_->stripes(); ++i) stones(i);
    flows();
    if (const Code code = alerts(); is_error(code)) return Error{code, "out of memory"};
    out.digest = sum_;
    return {};
  }

 private:
  enum class Kind : std::uint8_t { item, stone, flow, kept, told };

  // Adds one thing; the sum does not depend on their order.
  void add() {
    const auto bytes = out_.bytes();
    const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
    sum_.low += hash.low64;
    sum_.high += hash.high64;
    out_.clear();
  }
  void begin(Kind kind) {
    out_.clear();
    out_.byte(raw(kind));
  }

  void items(Verdict& out) {
    for (std::uint32_t number = 0; number < store_.index_->high(); ++number) {
      if (!store_.index_->has_chunk(number)) continue;
      index::Item& item = store_.index_->item(number);
      const std::uint32_t stripe = item.stripe.load(std::memory_order_relaxed);
      if (stripe == 0) continue;
      FlowVersion& flow = store_.flows_->version(item.flow);
      ++out.open;
      out.unindexed += is_indexed(number, stripe - 1, item, flow) ? 0 : 1;
      out.untimed += is_timed(item, flow) ? 0 : 1;
      add_item(item, flow);
    }
  }

  bool is_indexed(std::uint32_t number, std::uint32_t stripe, const index::Item& item,
                  const FlowVersion& flow) {
    const Hash128 hash = store_.hash_of(*flow.name, item.blob->key());
    if (store_.index_->stripe_of(hash) != stripe) return false;
    index::Stripe& home = store_.index_->stripe(stripe);
    const std::uint32_t cell =
        home.cells.find(index::Index::cell_hash(hash), [&](std::uint32_t found) {
          return (found & index::Tombstones::kBit) == 0 &&
                 store_.index_->item(found).blob->key() == item.blob->key() &&
                 store_.flows_->version(store_.index_->item(found).flow).name == flow.name;
        });
    return cell != index::Cells::kNotFound && home.cells.number(cell) == number;
  }

  bool is_timed(index::Item& item, FlowVersion& flow) {
    Draft draft(store_.hub_, store_.id_, flow, item);
    if (draft.next_elapsed() != kNever && item.timer == 0) return false;
    if (!flow.has_due) return true;
    // A wall-clock instant that has passed waits on a list for the keeper.
    const Nanos wall = draft.next_wall();
    return wall == kNever || draft.wall_timer() != 0 || wall <= store_.time_.now(true).wall;
  }

  void add_item(const index::Item& item, const FlowVersion& flow) {
    const auto* state = static_cast<const char*>(item.blob->state());
    begin(Kind::item);
    out_.word(item.incarnation);
    out_.varint(item.flow);
    out_.varint(item.stage);
    out_.varint(item.seq);
    out_.word(static_cast<std::uint64_t>(item.at));
    out_.word(raw(item.lsn));
    out_.byte(raw(item.state));
    out_.varint(item.alerts);
    out_.varint(item.tries);
    out_.text(item.blob->key());
    out_.text(item.blob->payload());
    Nanos created = 0;
    std::memcpy(&created, state, sizeof created);
    out_.word(static_cast<std::uint64_t>(created));
    const auto* slots = reinterpret_cast<const flow::RuleSlot*>(state + flow.slots_at);
    for (std::uint16_t i = 0; i < flow.slots; ++i) encode_slot(out_, slots[i], item.at);
    out_.text({state + flow.seen_at, flow.seen_words * std::size_t{8}});
    add();
  }

  void stones(std::uint32_t number) {
    index::Tombstones& stones = store_.index_->stripe(number).tombstones;
    if (stones.empty()) return;
    constexpr std::uint32_t kBit = index::Tombstones::kBit;
    for (std::uint32_t at = stones.oldest_number(); at != stones.next_number();
         at = kBit | ((at + 1) & ~(std::uint32_t{3} << 30))) {
      const index::Tombstone& one = stones.at(at);
      if (one.erased != 0) continue;
      begin(Kind::stone);
      out_.hash(one.key);
      out_.word(one.incarnation);
      out_.varint(one.expires_s);
      out_.byte(one.verdict);
      out_.byte(one.early);
      add();
    }
  }

  void flows() {
    for (std::uint64_t number = 0;; ++number) {
      const FlowVersion* flow = store_.flows_->find_version(number);
      if (flow == nullptr) return;
      begin(Kind::flow);
      out_.varint(number);
      out_.hash(flow->def.version);
      out_.byte(flow->name->newest.load(std::memory_order_acquire) == flow ? 1 : 0);
      add();
    }
  }

  Code alerts() {
    const Code code = store_.hub_.for_each_kept([&](const alert::Held& held) {
      begin(Kind::kept);
      out_.hash(held.alert.id);
      out_.word(raw(held.alert.lsn));
      out_.text(held.consumer == nullptr ? std::string_view{} : held.consumer->name());
      add();
    });
    if (is_error(code)) return code;
    return store_.hub_.for_each_told(
        [&](const alert::Consumer& consumer, std::uint64_t incarnation, const auto& told) {
          begin(Kind::told);
          out_.word(incarnation);
          out_.hash(told.incident);
          out_.hash(told.newest);
          out_.text(consumer.name());
          add();
        });
  }

  Store& store_;
  Writer out_;
  Hash128 sum_;
};

namespace {

constexpr int kReadings = 6;  // until two of the same prefix

Error read_once(const std::string& path, Verdict& out) {
  Config config;
  config.read_only = true;
  std::unique_ptr<Store> store;
  if (Error error = Store::open(path.c_str(), config, store)) return error;
  out = {};
  out.figures = store->figures();
  const log::LogStats stats = store->log_stats();
  out.log = stats.recovery;
  out.epoch = stats.epoch;
  out.durable = store->recorder().log().durable();
  for (const auto name : {Counters::submitted, Counters::live, Counters::done, Counters::cancelled,
                          Counters::expired}) {
    out.accounted += out.figures.values[name];
  }
  return Checker(*store).check(out);
}

bool same_prefix(const Verdict& a, const Verdict& b) noexcept {
  return a.epoch == b.epoch && a.durable == b.durable && a.log.records == b.log.records &&
         a.log.blocks == b.log.blocks;
}

}  // namespace

Error verify(const std::string& path, Verdict& out) {
  try {
    if (Error error = read_once(path, out)) return error;
    for (int reading = 1; reading < kReadings; ++reading) {
      Verdict again;
      if (Error error = read_once(path, again)) return error;
      if (same_prefix(out, again)) {
        out.rebuilt = out.digest == again.digest;
        return {};
      }
      out = again;
    }
    return {};
  } catch (const std::bad_alloc&) {
    return Error{Code::no_memory, "out of memory"};
  }
}

}  // namespace warden::engine
