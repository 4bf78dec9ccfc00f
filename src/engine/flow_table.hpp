// SPDX-License-Identifier: Apache-2.0
//
// The flows of a store: names, versions, stage names. Read without a lock by
// every verb; added to under one mutex. Nothing is ever removed before the store
// is freed, so pointers and names stay valid.
//
// Orders: an entry is filled in, then its pointer is stored with release; readers
// load with acquire and see it whole.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "base/code.hpp"
#include "flow/evaluate.hpp"

namespace warden::engine {

struct StageName {
  std::uint64_t hash;
  flow::StageNo number;
  std::string name;
};

// Names of the stages of one version: those in the text, then (with
// stages = "any") those that come, up to flow::kMaxStages.
class StageTable {
 public:
  explicit StageTable(const flow::Definition& flow);
  ~StageTable();
  StageTable(const StageTable&) = delete;
  StageTable& operator=(const StageTable&) = delete;

  // Number of a stage, adding it where that is allowed; kNoStage if it is not.
  // `before(number)` runs before anyone else can see it. Throws std::bad_alloc,
  // nothing added.
  template <class Before>
  flow::StageNo find_or_add(std::string_view name, Before&& before) {
    flow::StageNo number = find(name);
    if (number != flow::kNoStage || !may_add(name)) return number;
    std::lock_guard guard(adding_);
    number = find(name);
    const std::uint32_t count = count_.load(std::memory_order_relaxed);
    if (number != flow::kNoStage || count == flow::kMaxStages) return number;
    auto fresh = make(name);
    before(static_cast<flow::StageNo>(count));
    publish(std::move(fresh));
    return static_cast<flow::StageNo>(count);
  }
  flow::StageNo find(std::string_view name) const noexcept;
  // Empty for a number that has no name (yet).
  std::string_view name(flow::StageNo number) const noexcept;
  bool has(flow::StageNo number) const noexcept {
    return number < count_.load(std::memory_order_acquire);
  }
  bool may_have(flow::StageNo number) const noexcept { return number < most_; }

 private:
  StageTable(bool any, std::size_t most);  // without names
  std::size_t probe(std::uint64_t hash, std::string_view name) const noexcept;
  bool may_add(std::string_view name) const noexcept {
    return any_ && !name.empty() && name.size() <= flow::kMaxNameBytes;
  }
  std::unique_ptr<StageName> make(std::string_view name) const;
  void publish(std::unique_ptr<StageName> fresh) noexcept;

  bool any_;
  std::size_t most_;
  std::size_t mask_;
  std::mutex adding_;
  std::atomic<std::uint32_t> count_{0};  // written under adding_
  std::unique_ptr<std::atomic<StageName*>[]> slots_;
  std::unique_ptr<std::atomic<StageName*>[]> by_number_;
};

struct FlowName;

// One version of a flow, and how the state of its items is laid out in the blob:
//   created 8 | wall timer 8 (flows with due rules) | RuleSlot x slots | seen words
struct FlowVersion {
  FlowVersion(flow::Definition&& parsed, FlowName* owner, std::uint16_t number);

  flow::Definition def;
  FlowName* name;
  std::uint16_t number;
  bool has_due;
  std::uint16_t slots;  // at least one: a submitted item keeps its TTL there
  std::uint16_t seen_words;
  std::uint16_t slots_at;  // offsets in the state
  std::uint16_t seen_at;
  std::uint16_t state_len;
  StageTable stages;

  // Most bytes that a change of an item may take in the log, its key and payload aside.
  std::uint32_t max_record() const noexcept;
  // Number of a rule of kind due, or -1.
  int find_due(std::string_view rule) const noexcept;
  int find_rule(std::string_view rule) const noexcept;
};

struct FlowName {
  std::string name;
  std::uint64_t hash;
  std::atomic<FlowVersion*> newest;
  // Most bytes that a change of an item of any version may take in the log, its key
  // and payload aside. Grows under the table's mutex; relaxed: whoever finds an
  // item of a version has found the version, which was published after it.
  std::atomic<std::uint32_t> max_record{0};
};

inline constexpr std::size_t kMaxStateBytes =
    16 + flow::kMaxRules * sizeof(flow::RuleSlot) + flow::kMaxStages / 8;

class FlowTable {
 public:
  static constexpr std::size_t kMaxVersions = 65535;

  // Null when memory is out.
  static std::unique_ptr<FlowTable> make() noexcept;
  ~FlowTable();

  // Parses and adds; the same text again changes nothing, the text of an older
  // version makes that one the newest again.
  // `before(number)` runs before the version can be seen.
  template <class Before>
  Error define(std::string_view text, const FlowVersion*& version, Before&& before);
  // The version that define() would find to be the newest already; else null. May
  // throw std::bad_alloc.
  const FlowVersion* newest(std::string_view text) const;
  // Replay: the version of this number. corrupt if that cannot be.
  Error restore(std::string_view text, std::uint64_t number);

  FlowName* find(std::string_view name) const noexcept;
  FlowVersion& version(std::uint16_t number) const noexcept {
    return *versions_[number].load(std::memory_order_acquire);
  }
  // Null if there is no such version.
  const FlowVersion* find_version(std::uint64_t number) const noexcept {
    return number < kMaxVersions ? versions_[number].load(std::memory_order_acquire) : nullptr;
  }
  // The greatest max_record of all.
  std::uint32_t max_record() const noexcept { return max_record_.load(std::memory_order_relaxed); }
  std::uint32_t names() const noexcept { return names_.load(std::memory_order_relaxed); }

 private:
  FlowTable() = default;
  // Under defining_: a version of the same name and text, or null; a new one, not
  // yet to be seen; and what makes it seen.
  FlowVersion* known(const flow::Definition& parsed) const noexcept;
  std::unique_ptr<FlowVersion> make(flow::Definition&& parsed, std::unique_ptr<FlowName>& fresh);
  FlowVersion* publish(std::unique_ptr<FlowVersion> made, std::unique_ptr<FlowName> fresh) noexcept;
  static Error parse(std::string_view text, flow::Definition& out);
  static Error full(const std::string& name);
  std::size_t probe(std::uint64_t hash, std::string_view name) const noexcept;

  static constexpr std::size_t kSlots = 1 << 17;  // more than twice kMaxVersions
  mutable std::mutex defining_;
  std::atomic<std::uint32_t> names_{0};       // written under defining_; a figure
  std::atomic<std::uint32_t> max_record_{0};  // written under defining_
  std::uint32_t count_ = 0;                   // of versions; under defining_
  std::atomic<FlowName*>* slots_ = nullptr;
  std::atomic<FlowVersion*>* versions_ = nullptr;
};

template <class Before>
Error FlowTable::define(std::string_view text, const FlowVersion*& version, Before&& before) {
  flow::Definition parsed;
  if (Error error = parse(text, parsed)) return error;
  std::lock_guard guard(defining_);
  if (FlowVersion* there = known(parsed)) {
    version = there;
    if (there->name->newest.load(std::memory_order_relaxed) == there) return {};
    before(there->number);
    there->name->newest.store(there, std::memory_order_release);
    return {};
  }
  if (count_ == kMaxVersions) return full(parsed.name);
  std::unique_ptr<FlowName> fresh;
  std::unique_ptr<FlowVersion> made = make(std::move(parsed), fresh);
  before(made->number);
  version = publish(std::move(made), std::move(fresh));
  return {};
}

}  // namespace warden::engine
