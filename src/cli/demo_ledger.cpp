// SPDX-License-Identifier: Apache-2.0
//
// See demo_ledger.hpp.
#include "cli/demo_ledger.hpp"

#include <fmt/format.h>

namespace warden::cli {

void DemoLedger::blame(std::string what) {
  if (example_.empty()) example_ = std::move(what);
}

// False: the note is of a feeder or step that there is not.
bool DemoLedger::grow(const Note& note) {
  if (note.feeder >= records_.size() || note.step >= kSteps) return false;
  auto& items = records_[note.feeder];
  while (items.size() <= note.item) {
    ItemRecord record;
    record.stops_after =
        stop_of(seed_, note.feeder, static_cast<std::uint32_t>(items.size()), share_);
    items.push_back(record);
  }
  if (seen_[note.feeder].size() < items.size()) seen_[note.feeder].resize(items.size());
  return true;
}

void DemoLedger::take_alert(const Note& note) {
  if (!ids_.emplace(note.id[0], note.id[1]).second) {
    ++again_;
    return;
  }
  AlertNote alert;
  alert.feeder = note.feeder;
  alert.item = note.item;
  alert.rule = note.step;
  alert.stage = note.stage;
  alert.known = note.known != 0;
  alert.taken_ns = note.a;
  alerts_.push_back(alert);
  const bool over_the_kill =
      killed_ns_ != 0 && note.a > killed_ns_ && (back_ns_ == 0 || note.a - note.b < back_ns_);
  (over_the_kill ? restart_latency_ : latency_).record(note.b);
}

void DemoLedger::take(const Note& note) {
  switch (note.kind) {
    case NoteKind::begin:
      if (grow(note)) span(records_[note.feeder][note.item], note.step) = {note.a, 0};
      return;
    case NoteKind::done:
      if (!grow(note)) return;
      span(records_[note.feeder][note.item], note.step) = {note.a, note.b};
      seen_[note.feeder][note.item].acked |= 1U << note.step;
      acks_.record(note.c - note.a);
      return;
    case NoteKind::alert:
      return take_alert(note);
    case NoteKind::present:
      if (note.feeder >= records_.size() || note.item >= records_[note.feeder].size()) {
        ++wrong_;
        return blame(fmt::format("{} is in the store, but was never begun",
                                 demo_key(note.feeder, note.item)));
      }
      seen_[note.feeder][note.item].present = static_cast<std::int32_t>(note.step);
      ++found_;
      return;
    case NoteKind::scan_end:
      reconcile();
      scanned_ = true;
      return;
    case NoteKind::wrong:
      ++wrong_;
      return blame(fmt::format("{} step {} was answered {}", demo_key(note.feeder, note.item),
                               note.step, note.a));
    case NoteKind::figures:
      figures_ = note;
      return;
    case NoteKind::fed:
      fed_ = true;
      return;
  }
}

void DemoLedger::reconcile() {
  for (std::uint32_t feeder = 0; feeder < records_.size(); ++feeder) {
    for (std::uint32_t item = 0; item < records_[feeder].size(); ++item) {
      Seen& seen = seen_[feeder][item];
      settle(records_[feeder][item], seen, feeder, item);
      seen.present = -1;
    }
  }
}

void DemoLedger::settle(ItemRecord& record, const Seen& seen, std::uint32_t feeder,
                        std::uint32_t item) {
  std::int32_t acked = -1;  // highest step acknowledged
  std::int32_t begun = -1;
  for (std::uint32_t step = 0; step < kSteps; ++step) {
    if ((seen.acked >> step & 1U) != 0) acked = static_cast<std::int32_t>(step);
    if (span(record, step).before_ns != 0) begun = static_cast<std::int32_t>(step);
  }
  constexpr auto kLast = static_cast<std::int32_t>(kSteps) - 1;
  std::int32_t reached = seen.present;
  // Not there: closed, if closing it was called for; else it never was.
  if (reached < 0 && begun == kLast && (acked >= 0 || killed_ns_ != 0)) reached = kLast;
  if (reached < acked || (seen.present >= 0 && acked == kLast)) {
    ++lost_;
    return blame(fmt::format("lost: {} was acknowledged up to step {}, and is {}",
                             demo_key(feeder, item), acked,
                             seen.present < 0 ? "gone" : fmt::format("at step {}", seen.present)));
  }
  for (std::uint32_t step = 0; step < kSteps; ++step) {
    Span& at = span(record, step);
    if (at.before_ns == 0 || at.after_ns != 0) continue;
    if (static_cast<std::int32_t>(step) <= reached) {
      at.after_ns = killed_ns_;
    } else {
      at = Span{};
    }
  }
}

}  // namespace warden::cli
