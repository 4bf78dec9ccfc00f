// SPDX-License-Identifier: Apache-2.0
//
// The driver and its checks.
#include "log_model.hpp"

#include <algorithm>

namespace warden::sim {
namespace {

class ModelSink final : public log::ReplaySink {
 public:
  Error apply(Lsn lsn, log::RecordType, std::uint64_t incarnation, log::Part content) override {
    got.push_back(
        {lsn, std::to_string(incarnation) + ":" +
                  std::string(reinterpret_cast<const char*>(content.data()), content.size())});
    return {};
  }
  void reset() override { got.clear(); }
  std::vector<Issued> got;
};

std::string text(Lsn lsn) {
  return std::to_string(log::epoch_of(lsn)) + "/" + std::to_string(log::position_of(lsn));
}

}  // namespace

LogModel::LogModel(SimWorld& world, io::ManualClock& clock)
    : world_(world), clock_(clock), disk_(make_sim_disk(world, clock)) {
  options_.segment_bytes = 128 * 1024;
  options_.first_segment_bytes = 64 * 1024;
  options_.buffer_bytes = 64 * 1024;
  options_.manual = true;
  options_.clock = &clock;
  options_.uuid = {1, 2};
}

std::string LogModel::open() {
  ModelSink sink;
  ++coverage_.openings;
  open_error_ = log::Log::open(*disk_, "sim", options_, sink, log_);
  if (open_error_) {
    ++coverage_.failed_openings;
    if (open_error_.code == Code::corrupt) return "damage reported: " + open_error_.message;
    if (open_error_.message.empty()) return "an error without a message";
    return {};
  }
  coverage_.torn_tails += log_->recovery().torn ? 1 : 0;
  return check_recovered(sink.got);
}

std::string LogModel::check_recovered(const std::vector<Issued>& got) {
  if (got.size() < acked_) {
    return "acknowledged records are gone: " + std::to_string(got.size()) + " recovered, " +
           std::to_string(acked_) + " acknowledged";
  }
  if (got.size() > history_.size()) return "more recovered than was ever appended";
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (got[i].lsn != history_[i].lsn || got[i].content != history_[i].content) {
      return "record " + std::to_string(i) + " differs: " + text(got[i].lsn) + " instead of " +
             text(history_[i].lsn);
    }
  }
  coverage_.recovered += got.size();
  coverage_.cut += history_.size() - got.size();
  for (std::size_t i = 0; i < history_.size(); ++i) {
    const Code want = i < got.size() ? Code::ok : Code::lost;
    const Code have = log_->wait_durable(history_[i].lsn, 0);
    if (have != want) return "waiting on " + text(history_[i].lsn) + " answers wrongly";
  }
  history_.resize(got.size());
  acked_ = got.size();
  return {};
}

std::string LogModel::note_acks() {
  if (!log_) return {};
  const Lsn durable = log_->durable();
  while (acked_ < history_.size() && history_[acked_].lsn <= durable) ++acked_;
  return {};
}

std::string LogModel::append(std::size_t size, bool& alive, log::ReserveFlags flags) {
  std::string content(size, '\0');
  for (char& c : content) c = static_cast<char>('a' + world_.rng()() % 26);
  const std::uint64_t incarnation = world_.rng()();
  log::Credit credit;
  for (int tries = 0;; ++tries) {
    const Code code = log_->reserve(size, 1, flags, credit);
    if (code == Code::ok) break;
    if (code == Code::no_space) {
      ++coverage_.no_space;
      return {};
    }
    if (code == Code::io) {
      alive = false;
      return {};
    }
    if (code != Code::would_block) return "reserve answers " + std::to_string(raw(code));
    if (tries == 10'000) return "no room for ever";
    pump(1);
    log_->queue().wait(log_->idle_time());
  }
  const Lsn lsn =
      log_->append(credit, log::RecordType::state, incarnation, std::as_bytes(std::span(content)));
  log_->release(credit);
  if (lsn <= highest_) return "position " + text(lsn) + " was issued before";
  highest_ = lsn;
  history_.push_back({lsn, std::to_string(incarnation) + ":" + content});
  ++coverage_.records;
  return note_acks();
}

std::string LogModel::sync(bool& alive) {
  const Code code = log_->sync(kNever);
  if (code == Code::ok) {
    note_acks();
    if (acked_ != history_.size()) return "sync answered ok with records not durable";
    return {};
  }
  if (code != Code::outcome_unknown) return "sync answers " + std::to_string(raw(code));
  ++coverage_.sticky;
  alive = false;
  const Lsn before = log_->durable();
  pump(5);
  if (log_->durable() != before) return "something was acknowledged after a failure";
  log::Credit credit;
  if (log_->reserve(1, 1, log::ReserveFlags::nowait, credit) != Code::io) {
    return "a failed log takes records";
  }
  return note_acks();
}

void LogModel::pump(unsigned passes) {
  while (passes-- != 0 && log_) log_->pump();
  if (log_) note_acks();
}

void LogModel::rest(Nanos span) {
  const Nanos until = clock_.now_elapsed() + span;
  for (;;) {
    while (log_->pump()) {
    }
    note_acks();
    if (log_->in_flight()) {
      log_->queue().wait(kMilli);
      continue;
    }
    const Nanos now = clock_.now_elapsed();
    if (now >= until || log_->stats().failure) return;
    clock_.advance(std::min(until - now, log_->idle_time() == kNever ? kNever : 10 * kMilli));
  }
}

std::string LogModel::step(bool& alive) {
  const unsigned what = static_cast<unsigned>(world_.rng()() % 100);
  if (what < 60) return append(world_.rng()() % (what < 4 ? 6000 : 300), alive);
  if (what < 85) {
    pump(1 + static_cast<unsigned>(world_.rng()() % 4));
    if (world_.rng()() % 2 == 0 && log_->in_flight()) log_->queue().wait(kMilli);
    return note_acks();
  }
  if (what < 95) return sync(alive);
  if (what < 98) {
    rest(static_cast<Nanos>(world_.rng()() % 300) * kMilli);
    alive = log_->stats().failure.code == Code::ok;
    return {};
  }
  return check_reader();
}

std::string LogModel::check_reader() {
  log::Options options = options_;
  options.mode = log::Mode::read_only;
  ModelSink sink;
  std::unique_ptr<log::Log> reader;
  ++coverage_.readers;
  const Error error = log::Log::open(*disk_, "sim", options, sink, reader);
  note_acks();
  if (error) {
    if (error.code == Code::corrupt) return "a reader sees damage: " + error.message;
    return {};
  }
  if (is_open() && sink.got.size() > acked_) return "a reader sees what is not durable";
  for (std::size_t i = 0; i < sink.got.size(); ++i) {
    if (i >= history_.size() || sink.got[i].lsn != history_[i].lsn ||
        sink.got[i].content != history_[i].content) {
      return "a reader sees something else";
    }
  }
  return {};
}

std::string LogModel::close_cleanly() {
  const Code code = log_->close(kNever);
  note_acks();
  if (code == Code::ok && acked_ != history_.size()) return "closed with records not durable";
  drop();
  return {};
}

void LogModel::drop() {
  if (!log_) return;
  // What became durable after the last look was durable before the crash.
  coverage_.segments += log_->stats().segments;
  // A killed process closes nothing: from here on the world answers errors only.
  const bool crashed = world_.crashed();
  world_.crash();
  log_.reset();
  if (!crashed) world_.revive();
}

}  // namespace warden::sim
