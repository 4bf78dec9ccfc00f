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
  StageTable(const flow::Definition& flow);
  ~StageTable();
  StageTable(const StageTable&) = delete;
  StageTable& operator=(const StageTable&) = delete;

  // Number of a stage, adding it where that is allowed; kNoStage if it is not.
  // Throws std::bad_alloc, nothing added.
  flow::StageNo find_or_add(std::string_view name);
  flow::StageNo find(std::string_view name) const noexcept;
  std::string_view name(flow::StageNo number) const noexcept;

 private:
  std::size_t probe(std::uint64_t hash, std::string_view name) const noexcept;
  void add(std::string_view name);

  bool any_;
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
  std::uint16_t slots;       // at least one: a submitted item keeps its TTL there
  std::uint16_t seen_words;
  std::uint16_t slots_at;    // offsets in the state
  std::uint16_t seen_at;
  std::uint16_t state_len;
  StageTable stages;

  // Number of a rule of kind due, or -1.
  int find_due(std::string_view rule) const noexcept;
  int find_rule(std::string_view rule) const noexcept;
};

struct FlowName {
  std::string name;
  std::uint64_t hash;
  std::atomic<FlowVersion*> newest;
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
  Error define(std::string_view text, const FlowVersion*& version);

  FlowName* find(std::string_view name) const noexcept;
  FlowVersion& version(std::uint16_t number) const noexcept {
    return *versions_[number].load(std::memory_order_acquire);
  }
  std::uint32_t names() const noexcept { return names_.load(std::memory_order_relaxed); }

 private:
  FlowTable() = default;
  std::size_t probe(std::uint64_t hash, std::string_view name) const noexcept;

  static constexpr std::size_t kSlots = 1 << 17;  // more than twice kMaxVersions
  mutable std::mutex defining_;
  std::atomic<std::uint32_t> names_{0};     // written under defining_; a figure
  std::uint32_t count_ = 0;                 // of versions; under defining_
  std::atomic<FlowName*>* slots_ = nullptr;
  std::atomic<FlowVersion*>* versions_ = nullptr;
};

}  // namespace warden::engine
