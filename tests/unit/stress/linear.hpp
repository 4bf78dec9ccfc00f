// SPDX-License-Identifier: Apache-2.0
//
// Is there one order a key that explains every answer? The log positions say which: an
// answer that changed the item bears the position of its own record, one that only saw
// it bears the position of the state that it saw.
//
//   answers of all threads -> by key -> changes in order of LSN, replayed by the rules of
//   the verbs -> every answer compared with the state that its LSN names -> real time
//
// Invariants
//   1. Incarnations of a key grow; of one incarnation, accepted seqs do.
//   2. What was answered before a call began is in what that call saw; what a call saw
//      had begun before it was answered.
//   3. UNKNOWN_ITEM: at some moment of the call the key was free.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "client.hpp"

namespace warden::test {

enum class Verb : std::uint8_t { submit, track, exec, mark, touch, complete, cancel, look };

// One call and what it was answered. Stamps come from one counter of all threads.
struct Event {
  std::uint64_t began = 0;
  std::uint64_t ended = 0;
  std::uint64_t lsn = 0;
  std::uint64_t incarnation = 0;
  std::uint64_t token = 0;
  std::uint64_t asked_seq = 0;          // mark, touch; look: what was read
  std::uint64_t asked_incarnation = 0;  // complete, cancel
  std::int32_t code = 0;
  std::uint32_t state = 0;
  Verb verb = Verb::look;
  char stage = 0;  // mark: asked; look: read
};

struct Seen {
  std::uint64_t incarnation = 0;  // 0: the key is free
  std::uint64_t seq = 0;
  std::uint32_t state = WARDEN_STATE_NONE;
  char stage = 0;
};

class Order {
 public:
  explicit Order(std::vector<Event> events) : events_(std::move(events)) {}

  // "" or what cannot be explained.
  std::string explain();
  const Seen& last() const { return states_.back(); }
  std::uint64_t created() const { return created_; }
  std::size_t changes() const { return changes_.size(); }

 private:
  static bool is_change(const Event& e) {
    switch (e.verb) {
      case Verb::submit:
      case Verb::track:
        return e.code == WARDEN_NEW;
      case Verb::exec:
        return e.code == WARDEN_ARMED;
      case Verb::mark:
      case Verb::touch:
        return e.code == WARDEN_OK || e.code == WARDEN_CLOSED;
      case Verb::complete:
        return e.code == WARDEN_ON_TIME;
      case Verb::cancel:
        return e.code == WARDEN_OK;
      case Verb::look:
        return false;
    }
    return false;
  }
  std::string replay();
  std::string apply(const Event& e, Seen& state);
  std::string compare(const Event& e) const;
  std::string in_time(const Event& e) const;
  // Of changes that were answered before `stamp`, the highest LSN.
  std::uint64_t known_before(std::uint64_t stamp) const;
  // Number of changes up to this LSN; states_[n] holds after n changes.
  std::size_t index_of(std::uint64_t lsn) const {
    const auto after = std::upper_bound(
        changes_.begin(), changes_.end(), lsn,
        [](std::uint64_t value, const Event& change) { return value < change.lsn; });
    return static_cast<std::size_t>(after - changes_.begin());
  }
  static std::string text(const Event& e, const char* why) {
    return std::string(why) + numbered(": verb ", static_cast<int>(e.verb)) + " answered " +
           warden_code_name(e.code) + numbered(" at LSN ", e.lsn) +
           numbered(", incarnation ", e.incarnation) + numbered(", seq ", e.asked_seq) +
           numbered(", began ", e.began);
  }

  std::vector<Event> events_;
  std::vector<Event> changes_;             // by LSN
  std::vector<Seen> states_;               // one more than changes
  std::vector<std::uint64_t> last_began_;  // of the first n changes, the latest beginning
  std::vector<std::pair<std::uint64_t, std::uint64_t>> answered_;  // ended, highest LSN so far
  std::uint64_t created_ = 0;
};

inline std::string Order::explain() {
  for (const Event& e : events_) {
    if (is_change(e)) changes_.push_back(e);
  }
  std::sort(changes_.begin(), changes_.end(),
            [](const Event& a, const Event& b) { return a.lsn < b.lsn; });
  if (std::string wrong = replay(); !wrong.empty()) return wrong;
  for (const Event& change : changes_) answered_.push_back({change.ended, change.lsn});
  std::sort(answered_.begin(), answered_.end());
  for (std::size_t i = 1; i < answered_.size(); ++i) {
    answered_[i].second = std::max(answered_[i].second, answered_[i - 1].second);
  }
  for (const Event& e : events_) {
    if (std::string wrong = compare(e); !wrong.empty()) return wrong;
    if (std::string wrong = in_time(e); !wrong.empty()) return wrong;
  }
  return {};
}

inline std::string Order::replay() {
  Seen state;
  std::uint64_t newest = 0;
  std::uint64_t began = 0;
  states_.push_back(state);
  last_began_.push_back(0);
  for (std::size_t i = 0; i < changes_.size(); ++i) {
    const Event& e = changes_[i];
    if (e.lsn == 0 || (i > 0 && e.lsn == changes_[i - 1].lsn)) return text(e, "two of one LSN");
    if (std::string wrong = apply(e, state); !wrong.empty()) return wrong;
    if (e.code == WARDEN_NEW && e.incarnation <= newest) return text(e, "an old incarnation");
    if (e.code == WARDEN_NEW) newest = e.incarnation;
    created_ += e.code == WARDEN_NEW ? 1 : 0;
    began = std::max(began, e.began);
    states_.push_back(state);
    last_began_.push_back(began);
  }
  return {};
}

inline std::string Order::apply(const Event& e, Seen& state) {
  if (e.code == WARDEN_NEW) {
    if (state.incarnation != 0) return text(e, "created while it was there");
    const std::uint32_t begins = e.verb == Verb::track ? WARDEN_STATE_LIVE : WARDEN_STATE_SUBMITTED;
    state = Seen{e.incarnation, 0, begins, 0};
    return {};
  }
  if (state.incarnation == 0) return text(e, "changed while it was not there");
  if (state.incarnation != e.incarnation) return text(e, "of another incarnation");
  switch (e.verb) {
    case Verb::exec:
      if (state.state != WARDEN_STATE_SUBMITTED) return text(e, "begun twice");
      state.state = WARDEN_STATE_LIVE;
      return {};
    case Verb::mark:
    case Verb::touch:
      if (state.state != WARDEN_STATE_LIVE) return text(e, "an event before it began");
      if (e.asked_seq <= state.seq) return text(e, "an old seq was accepted");
      state.seq = e.asked_seq;
      if (e.verb == Verb::mark) state.stage = e.stage;
      if (e.code == WARDEN_CLOSED) state = Seen{};
      return {};
    default:
      if (e.asked_incarnation != 0 && e.asked_incarnation != state.incarnation) {
        return text(e, "another incarnation was closed");
      }
      state = Seen{};
      return {};
  }
}

// What an answer says, against the state that its LSN names.
inline std::string Order::compare(const Event& e) const {
  if (e.code == WARDEN_E_UNKNOWN_ITEM) return {};
  const std::size_t n = index_of(e.lsn);
  if (n == 0 || changes_[n - 1].lsn != e.lsn) return text(e, "an LSN of no change");
  const Seen& state = states_[n];
  const bool closed = state.incarnation == 0;
  if (closed != (e.state == WARDEN_STATE_CLOSED)) return text(e, "open or closed?");
  if (closed) return is_change(e) ? std::string() : text(e, "saw what was gone");
  if (e.incarnation != state.incarnation) return text(e, "another incarnation");
  if (e.state != state.state) return text(e, "another state");
  const std::uint64_t tries = state.state == WARDEN_STATE_LIVE ? 1 : 0;
  if (e.token != (tries == 0 ? 0 : state.incarnation + tries)) return text(e, "another token");
  const bool live = state.state == WARDEN_STATE_LIVE;
  switch (e.code) {
    case WARDEN_ALREADY:
      return e.asked_seq <= state.seq ? std::string() : text(e, "a new seq was refused");
    case WARDEN_E_BAD_STATE:
      return live ? text(e, "refused though it runs") : std::string();
    case WARDEN_ALREADY_ARMED:
      return live ? std::string() : text(e, "armed before it began");
    case WARDEN_E_FENCED:
      return e.asked_incarnation != state.incarnation ? std::string() : text(e, "its own fenced");
    default:
      break;
  }
  if (e.verb == Verb::look && (e.asked_seq != state.seq || e.stage != state.stage)) {
    return text(e, "read another seq or stage");
  }
  return {};
}

inline std::uint64_t Order::known_before(std::uint64_t stamp) const {
  const auto at = std::lower_bound(answered_.begin(), answered_.end(),
                                   std::pair<std::uint64_t, std::uint64_t>{stamp, 0});
  return at == answered_.begin() ? 0 : std::prev(at)->second;
}

inline std::string Order::in_time(const Event& e) const {
  const std::uint64_t known = known_before(e.began);
  if (e.code != WARDEN_E_UNKNOWN_ITEM) {
    const bool fresh = is_change(e) ? known < e.lsn : known <= e.lsn;
    if (!fresh) return text(e, "it did not see what had been answered");
    if (last_began_[index_of(e.lsn)] >= e.ended) return text(e, "it saw what had not begun");
    return {};
  }
  for (std::size_t n = index_of(known); n < states_.size() && last_began_[n] < e.ended; ++n) {
    if (states_[n].incarnation == 0) return {};
  }
  return text(e, "the key was never free");
}

}  // namespace warden::test
