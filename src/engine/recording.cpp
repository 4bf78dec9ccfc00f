// SPDX-License-Identifier: Apache-2.0
//
// What goes into the log and when: room before the stripe is locked, the record
// under it, the wait after it (see recorder.hpp).
#include "engine/change.hpp"

namespace warden::engine {

namespace {

// The record that is being made by this thread's verb; encoded before anything that
// cannot be undone, since it may need memory.
Writer& scratch() noexcept {
  thread_local Writer writer;
  return writer;
}

}  // namespace

Code Store::reserve(Entry& e, std::uint32_t most, const Need& need) noexcept {
  if (read_only_) return Code::read_only;
  const std::size_t bytes = most + need.extra;
  return recorder_.reserve(bytes, 2, need.flags, e.room);
}

bool Store::is_logged(const Entry& e) const noexcept {
  return recorder_.has_log() && (e.item->flags & index::kVolatile) == 0;
}

// ok, or too_large for what no record can hold. May throw std::bad_alloc, nothing
// changed.
Code Store::encode(Entry& e, Draft& draft) {
  if (!is_logged(e)) return Code::ok;
  Writer& out = scratch();
  out.clear();
  if (e.payload != nullptr) {
    out.varint(draft.flow.number);
    out.word(static_cast<std::uint64_t>(draft.created()));
    out.text(e.key);
    out.text(*e.payload);
  }
  draft.encode(out, e.hash);
  return out.bytes().size() > recorder_.log().max_content() ? Code::too_large : Code::ok;
}

Lsn Store::record(Entry& e, const Draft& draft) noexcept {
  if (!is_logged(e)) return Lsn::none;
  const auto type = e.payload != nullptr ? log::RecordType::body : log::RecordType::state;
  return recorder_.append(e.room, type, draft.incarnation, scratch().bytes());
}

// The number of a stage; a name that is new to the flow is in the log before any
// other thread can see it, so before any record that uses it.
flow::StageNo Store::stage_number(Entry& e, FlowVersion& flow, std::string_view stage) {
  return flow.stages.find_or_add(stage, [&](flow::StageNo number) {
    Writer content;
    content.text(stage);
    recorder_.append(e.room, log::RecordType::stage_name, std::uint64_t{flow.number} << 16 | number,
                     content.bytes());
  });
}

// Waits, and opens the hub's gate that far: the log wakes waiters before it tells the
// hub, and who was told that an alert is durable is to find it with the next poll.
Code Store::opened(Lsn lsn, Nanos timeout) noexcept {
  const Code code = recorder_.wait(lsn, timeout);
  if (!is_error(code)) hub_.set_durable(lsn);
  return code;
}

Code Store::wait_durable(Lsn lsn, Nanos timeout) noexcept {
  const Code code = recorder_.wait_named(lsn, timeout);
  if (!is_error(code)) hub_.set_durable(lsn);
  return code;
}

// Waits for the state that is answered, unless the caller asked not to.
Code Store::settle(Code code, const Options& o, const After& after, Result& r) noexcept {
  r.lsn = after.lsn;
  if (!recorder_.has_log() || after.in_memory) {
    r.durability = Durability::in_memory;
    return code;
  }
  const Durability wanted =
      o.durability == Durability::by_default ? config_.durability : o.durability;
  if (wanted != Durability::durable) {
    r.durability = Durability::buffered;
    return code;
  }
  r.durability = Durability::durable;
  const Code waited = opened(after.lsn, -1);
  return is_error(waited) ? waited : code;
}

Error Store::define_flow(std::string_view text, const FlowVersion*& version) {
  if (read_only_) return Error{Code::read_only, "flow: this store is open read-only"};
  Room room;
  // A longer text is refused by the parser, with its limit.
  const std::size_t bytes = std::min(text.size(), flow::kMaxTextBytes) + 16;
  const Code code = recorder_.reserve(bytes, 1, log::ReserveFlags::none, room);
  // On a full disk what is there already can still be said again, as every program does
  // when it starts.
  if (is_error(code)) {
    version = flows_->newest(text);
    const bool scarce = code == Code::no_space || code == Code::no_memory;
    if (version != nullptr && scarce) return {};
    return Error{code, "flow: " + recorder_.log().why(code)};
  }
  Lsn lsn = recorder_.last();  // the same again: where it stands is not remembered
  const Error error = flows_->define(text, version, [&](std::uint16_t number) {
    Writer content;
    content.text(text);
    lsn = recorder_.append(room, log::RecordType::flow, number, content.bytes());
  });
  if (error) return error;
  if (const Code waited = recorder_.wait(lsn, -1); is_error(waited)) {
    return Error{waited, "flow: not known whether it is durable"};
  }
  return {};
}

}  // namespace warden::engine
