// SPDX-License-Identifier: Apache-2.0
#include "engine/freed_part.hpp"

#include <algorithm>

namespace warden::engine {

using index::State;
using index::Verdict;
using log::RecordType;

void Totals::count(const StateRecord& state, bool is_new) noexcept {
  if (is_new) ++submitted;
  alerts += state.raised.size();
  if (state.state != State::closed) return;
  if (state.early) {
    ++early;
  } else if (state.verdict == Verdict::done) {
    ++done;
  } else if (state.verdict == Verdict::cancelled) {
    ++cancelled;
  } else {
    ++expired;
  }
}

void encode_totals(Writer& out, const Totals& totals) {
  for (const std::uint64_t value : {totals.submitted, totals.done, totals.cancelled, totals.expired,
                                    totals.early, totals.alerts}) {
    out.varint(value);
  }
}

bool decode_totals(Reader& in, Totals& out) {
  for (std::uint64_t* value :
       {&out.submitted, &out.done, &out.cancelled, &out.expired, &out.early, &out.alerts}) {
    *value = in.varint();
  }
  return !in.failed() && in.at_end();
}

bool FreedPart::begin(const log::Catalog& catalog) {
  *this = FreedPart();
  bool good = true;
  catalog.for_each(
      [&](RecordType type, std::uint64_t incarnation, std::span<const std::byte> content) {
        if (type == RecordType::totals) {
          Reader in(content);
          good &= decode_totals(in, totals_);
        } else {
          good &= add(type, incarnation, content);
        }
        return Error{};
      });
  return good;
}

bool FreedPart::add(RecordType type, std::uint64_t incarnation,
                    std::span<const std::byte> content) {
  Bytes bytes(content.begin(), content.end());
  if (type == RecordType::flow) {
    const bool is_new = flows_.emplace(incarnation, std::move(bytes)).second;
    // Behind a renewal a new version counts as one too: it takes over from it.
    if (is_new && renewed_.empty()) return true;
    std::erase(renewed_, incarnation);
    renewed_.push_back(incarnation);
  } else if (type == RecordType::stage_name) {
    stages_.emplace_back(incarnation, std::move(bytes));
  } else if (type == RecordType::consumer) {
    ConsumerRecord record;
    Reader in(content);
    if (!decode_consumer(in, record)) return false;
    if (!consumers_.empty() && consumers_.rbegin()->first < incarnation) {
      const auto last = std::prev(consumers_.end());
      ConsumerRecord of_last;
      Reader again(last->second);
      if (decode_consumer(again, of_last) && of_last.deleted) consumers_.erase(last);
    }
    const bool is_last = consumers_.empty() || consumers_.rbegin()->first <= incarnation;
    if (record.deleted && !is_last) {
      consumers_.erase(incarnation);
    } else {
      consumers_[incarnation] = std::move(bytes);
    }
  } else if (type == RecordType::anchor) {
    Reader in(content);
    anchor_ = std::max(anchor_, static_cast<Nanos>(in.word()));
    return !in.failed();
  }
  return true;
}

log::Catalog FreedPart::catalog() const {
  log::Catalog out;
  Writer totals;
  encode_totals(totals, totals_);
  out.add(RecordType::totals, 0, totals.bytes());  // first: it says that the log is cut
  for (const auto& [number, text] : flows_) out.add(RecordType::flow, number, text);
  for (const auto& [number, name] : stages_) out.add(RecordType::stage_name, number, name);
  for (const std::uint64_t number : renewed_) {
    out.add(RecordType::flow, number, flows_.at(number));
  }
  for (const auto& [number, record] : consumers_) out.add(RecordType::consumer, number, record);
  if (anchor_ != kNoTime) {
    Writer anchor;
    anchor.word(static_cast<std::uint64_t>(anchor_));
    out.add(RecordType::anchor, 0, anchor.bytes());
  }
  return out;
}

}  // namespace warden::engine
