// SPDX-License-Identifier: Apache-2.0
//
// The two readings of a damaged log that come before anything is written (salvage.hpp).
#pragma once

#include <map>
#include <memory>
#include <unordered_map>
#include <unordered_set>

#include "engine/owed_record.hpp"
#include "engine/records.hpp"
#include "engine/salvage.hpp"

namespace warden::engine {

// First reading: definitions, which everything else is read with.
class Definitions final : public log::ReplaySink {
 public:
  Error apply(Lsn lsn, log::RecordType type, std::uint64_t incarnation,
              std::span<const std::byte> content) override;
  // Builds the table. A version that is missing below others is replaced by a flow
  // without rules, so that numbers stay; it has no items.
  Error build(std::vector<std::string>& notes);
  // Names every stage number up to those `used`, of flows that take names as they come.
  Error name_stages(const std::map<std::uint16_t, flow::StageNo>& used,
                    std::vector<std::string>& notes);

  const FlowVersion* find(std::uint64_t number) const noexcept {
    return number < good_.size() && good_[number] ? table_->find_version(number) : nullptr;
  }
  // What the new log begins with, by number.
  const std::vector<std::string>& texts() const noexcept { return texts_; }
  const std::map<std::uint64_t, std::string>& stages() const noexcept { return stages_; }

 private:
  std::map<std::uint64_t, std::string> flows_;   // found, by number
  std::map<std::uint64_t, std::string> stages_;  // by version << 16 | number
  std::vector<std::string> texts_;
  std::vector<bool> good_;  // false: a stand-in
  std::unique_ptr<FlowTable> table_;
};

// Second reading: what becomes of each item.
class Survey final : public log::ReplaySink {
 public:
  explicit Survey(const Definitions& definitions) noexcept : defined_(definitions) {}
  Error apply(Lsn lsn, log::RecordType type, std::uint64_t incarnation,
              std::span<const std::byte> content) override;
  // Lists what is lost and what is uncertain; counts.
  void judge(const log::SalvageReport& report, Salvaged& out) const;

  // Incarnations that must not be in the new store: their closing is lost, and a later
  // item of the same key is there.
  const std::unordered_set<std::uint64_t>& superseded() const noexcept { return superseded_; }
  const std::map<std::uint16_t, flow::StageNo>& stages_used() const noexcept { return used_; }

 private:
  struct Known {
    std::string key;  // empty: its BODY is lost
    std::uint64_t flow = 0;
    Lsn lsn = Lsn::none;
    Nanos at = kNoTime;
    flow::StageNo stage = flow::kNoStage;
    index::State state = index::State::none;
    Lsn moved = Lsn::none;  // of the ITEM after which its OWED has to come; none: nothing to come
    std::uint32_t raised = 0;  // alerts found
    std::uint32_t alerts = 0;  // that it had raised, as it says itself
  };
  using Items = std::unordered_map<std::uint64_t, Known>;

  void body(Lsn lsn, std::uint64_t incarnation, Reader& in, bool again);
  void owed(Lsn lsn, std::uint64_t incarnation, Reader& in);
  bool owed_is_lost(const log::SalvageReport& report, const Known& item) const noexcept;
  void state(Lsn lsn, std::uint64_t incarnation, Reader& in);
  void take(Known& item, Lsn lsn);
  void use_stages();
  void supersede(std::uint64_t incarnation);
  Casualty casualty(Fate fate, std::uint64_t incarnation, const Known& item, std::string why) const;
  static std::uint64_t alerts_missing(const Known& item) noexcept;

  const Definitions& defined_;
  StateRecord record_;
  Items open_;
  Items headless_;                                         // open, without a BODY that can be read
  std::unordered_map<std::string, std::uint64_t> by_key_;  // of open_: flow, 0, key
  std::unordered_set<std::uint64_t> superseded_;
  std::map<std::uint16_t, flow::StageNo> used_;
  std::vector<Casualty> past_;               // casualties that are not in open_ any more
  std::unordered_set<std::uint64_t> pasts_;  // closed items that alerts are still owed of
  std::unordered_set<std::uint64_t> consumers_;
  std::unordered_set<std::uint64_t> acked_by_;
  OwedRecord owed_;
  std::uint64_t closed_ = 0;
  std::uint64_t unreadable_ = 0;  // whole records that say nothing this program knows
};

}  // namespace warden::engine
