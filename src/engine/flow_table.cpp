// SPDX-License-Identifier: Apache-2.0
#include "engine/flow_table.hpp"

#include <mimalloc.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <bit>

#include "flow/parse.hpp"

namespace warden::engine {
namespace {

std::uint64_t hash_of(std::string_view name) noexcept {
  return XXH3_64bits(name.data(), name.size());
}

std::size_t most_stages(const flow::Definition& flow) noexcept {
  return flow.any_stages ? flow::kMaxStages : flow.stages.size();
}

}  // namespace

StageTable::StageTable(bool any, std::size_t most)
    : any_(any),
      most_(most),
      mask_(std::bit_ceil(most * 2) - 1),
      slots_(std::make_unique<std::atomic<StageName*>[]>(mask_ + 1)),
      by_number_(std::make_unique<std::atomic<StageName*>[]>(most)) {}

// The table stands before the first name is made: if memory runs out among them, its
// destructor frees those that are there.
StageTable::StageTable(const flow::Definition& flow)
    : StageTable(flow.any_stages, std::max<std::size_t>(most_stages(flow), 4)) {
  for (const std::string& name : flow.stages) publish(make(name));
}

StageTable::~StageTable() {
  for (std::uint32_t i = 0; i < count_.load(std::memory_order_relaxed); ++i) {
    delete by_number_[i].load(std::memory_order_relaxed);
  }
}

// Slot of the name, or the empty one where it would go.
std::size_t StageTable::probe(std::uint64_t hash, std::string_view name) const noexcept {
  for (std::size_t at = hash & mask_;; at = (at + 1) & mask_) {
    const StageName* there = slots_[at].load(std::memory_order_acquire);
    if (there == nullptr || (there->hash == hash && there->name == name)) return at;
  }
}

std::unique_ptr<StageName> StageTable::make(std::string_view name) const {
  const std::uint32_t count = count_.load(std::memory_order_relaxed);
  return std::unique_ptr<StageName>(
      new StageName{hash_of(name), static_cast<flow::StageNo>(count), std::string(name)});
}

void StageTable::publish(std::unique_ptr<StageName> fresh) noexcept {
  const std::size_t slot = probe(fresh->hash, fresh->name);
  StageName* one = fresh.release();
  by_number_[one->number].store(one, std::memory_order_release);
  slots_[slot].store(one, std::memory_order_release);
  count_.store(one->number + 1u, std::memory_order_release);
}

flow::StageNo StageTable::find(std::string_view name) const noexcept {
  const StageName* there = slots_[probe(hash_of(name), name)].load(std::memory_order_acquire);
  return there == nullptr ? flow::kNoStage : there->number;
}

std::string_view StageTable::name(flow::StageNo number) const noexcept {
  if (!may_have(number)) return {};
  const StageName* there = by_number_[number].load(std::memory_order_acquire);
  return there == nullptr ? std::string_view() : there->name;
}

FlowVersion::FlowVersion(flow::Definition&& parsed, FlowName* owner, std::uint16_t no)
    : def(std::move(parsed)), name(owner), number(no), stages(def) {
  has_due = std::any_of(def.rules.begin(), def.rules.end(),
                        [](const flow::Rule& rule) { return rule.kind == flow::RuleKind::due; });
  slots = static_cast<std::uint16_t>(std::max<std::size_t>(1, def.rules.size()));
  seen_words = static_cast<std::uint16_t>(flow::StageSet::words_for(def.stages.size()));
  slots_at = has_due ? 16 : 8;
  seen_at = static_cast<std::uint16_t>(slots_at + slots * sizeof(flow::RuleSlot));
  state_len = static_cast<std::uint16_t>(seen_at + seen_words * 8);
}

// What STATE records hold (records.hpp), each number at its longest; levels may be
// reached twice in one change, before the event and after it.
std::uint32_t FlowVersion::max_record() const noexcept {
  constexpr std::size_t kHead = 80;  // of BODY and STATE, lengths and counts included
  constexpr std::size_t kSlot = 32;
  constexpr std::size_t kRaised = 48;
  constexpr std::size_t kStageName = flow::kMaxNameBytes + 8;
  std::size_t levels = 1;
  for (const flow::Rule& rule : def.rules) levels += 3 + rule.escalate.size();
  return static_cast<std::uint32_t>(kHead + slots * kSlot + seen_words * 10u +
                                    2 * levels * kRaised + (def.any_stages ? kStageName : 0));
}

int FlowVersion::find_rule(std::string_view rule) const noexcept {
  for (std::size_t i = 0; i < def.rules.size(); ++i) {
    if (def.rules[i].name == rule) return static_cast<int>(i);
  }
  return -1;
}

int FlowVersion::find_due(std::string_view rule) const noexcept {
  const int found = find_rule(rule);
  return found >= 0 && def.rules[static_cast<std::size_t>(found)].kind == flow::RuleKind::due
             ? found
             : -1;
}

std::unique_ptr<FlowTable> FlowTable::make() noexcept {
  std::unique_ptr<FlowTable> table(new (std::nothrow) FlowTable);
  if (table == nullptr) return nullptr;
  // Zero pages until touched.
  table->slots_ = static_cast<std::atomic<FlowName*>*>(mi_zalloc(kSlots * sizeof(void*)));
  table->versions_ =
      static_cast<std::atomic<FlowVersion*>*>(mi_zalloc((kMaxVersions + 1) * sizeof(void*)));
  if (table->slots_ == nullptr || table->versions_ == nullptr) return nullptr;
  return table;
}

FlowTable::~FlowTable() {
  // A name goes with its newest version, after all others of it: a look at every slot
  // would touch a megabyte, nearly always for a few.
  for (const bool newest : {false, true}) {
    for (std::uint32_t i = 0; i < count_; ++i) {
      FlowVersion* version = versions_[i].load(std::memory_order_relaxed);
      if (version == nullptr) continue;
      FlowName* name = version->name;
      if ((name->newest.load(std::memory_order_relaxed) == version) != newest) continue;
      versions_[i].store(nullptr, std::memory_order_relaxed);
      delete version;
      if (newest) delete name;
    }
  }
  mi_free(slots_);
  mi_free(versions_);
}

std::size_t FlowTable::probe(std::uint64_t hash, std::string_view name) const noexcept {
  for (std::size_t at = hash & (kSlots - 1);; at = (at + 1) & (kSlots - 1)) {
    const FlowName* there = slots_[at].load(std::memory_order_acquire);
    if (there == nullptr || (there->hash == hash && there->name == name)) return at;
  }
}

FlowName* FlowTable::find(std::string_view name) const noexcept {
  return slots_[probe(hash_of(name), name)].load(std::memory_order_acquire);
}

Error FlowTable::parse(std::string_view text, flow::Definition& out) {
  return flow::parse(text, out);
}

Error FlowTable::full(const std::string& name) {
  return Error{Code::limit, "flow '" + name + "': this store has 65535 versions of flows already"};
}

FlowVersion* FlowTable::known(const flow::Definition& parsed) const noexcept {
  const FlowName* name = find(parsed.name);
  for (std::uint32_t i = 0; name != nullptr && i < count_; ++i) {
    FlowVersion* one = versions_[i].load(std::memory_order_relaxed);
    if (one->name == name && one->def.version == parsed.version) return one;
  }
  return nullptr;
}

const FlowVersion* FlowTable::newest(std::string_view text) const {
  flow::Definition parsed;
  if (parse(text, parsed)) return nullptr;
  const FlowName* name = find(parsed.name);
  const FlowVersion* there =
      name == nullptr ? nullptr : name->newest.load(std::memory_order_acquire);
  return there != nullptr && there->def.version == parsed.version ? there : nullptr;
}

std::unique_ptr<FlowVersion> FlowTable::make(flow::Definition&& parsed,
                                             std::unique_ptr<FlowName>& fresh) {
  FlowName* name = find(parsed.name);
  if (name == nullptr) {
    fresh.reset(new FlowName{parsed.name, hash_of(parsed.name), nullptr, {}});
    name = fresh.get();
  }
  return std::make_unique<FlowVersion>(std::move(parsed), name, static_cast<std::uint16_t>(count_));
}

FlowVersion* FlowTable::publish(std::unique_ptr<FlowVersion> made,
                                std::unique_ptr<FlowName> fresh) noexcept {
  FlowVersion* added = made.release();
  FlowName* name = added->name;
  const std::uint32_t most = added->max_record();
  if (most > name->max_record.load(std::memory_order_relaxed)) {
    name->max_record.store(most, std::memory_order_relaxed);
  }
  if (most > max_record_.load(std::memory_order_relaxed)) {
    max_record_.store(most, std::memory_order_relaxed);
  }
  versions_[count_++].store(added, std::memory_order_release);
  name->newest.store(added, std::memory_order_release);
  if (fresh != nullptr) {
    const std::size_t slot = probe(name->hash, name->name);
    slots_[slot].store(fresh.release(), std::memory_order_release);
    names_.fetch_add(1, std::memory_order_relaxed);
  }
  return added;
}

Error FlowTable::restore(std::string_view text, std::uint64_t number) {
  const FlowVersion* version = nullptr;
  const Error error = define(text, version, [](std::uint16_t) {});
  if (!error && version->number == number) return {};
  return Error{error.code == Code::no_memory ? Code::no_memory : Code::corrupt,
               "flow version " + std::to_string(number) +
                   " of the log does not fit: " + (error ? error.message : "another number")};
}

}  // namespace warden::engine
