// SPDX-License-Identifier: Apache-2.0
#include "engine/store.hpp"

#include <sys/random.h>

#include "engine/cleaner.hpp"
#include "engine/fork_guard.hpp"
#include "engine/replay_crew.hpp"
#include "flow/text.hpp"
#include "io/posix_disk.hpp"
#include "io/quiet_thread.hpp"

namespace warden::engine {
namespace {

std::uint64_t random_word() noexcept {
  std::uint64_t word = 0;
  if (getrandom(&word, sizeof word, 0) != sizeof word) {
    word = static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(&word));
  }
  return word;
}

Notices::Weight weight_of(Code code) noexcept {
  if (code == Code::ok) return Notices::Weight::notice;
  return code == Code::io ? Notices::Weight::error : Notices::Weight::warning;
}

}  // namespace

Store::Store(const Config& config) noexcept
    : config_(config),
      id_{{random_word(), random_word()}},
      seed_(random_word()),
      fork_generation_(fork_generation()),
      time_(config.manual_clock, config.start),
      base_(time_.elapsed()),
      hub_(alert::HubOptions{.now = [this] { return time_.elapsed(); },
                             .real_clock = !config.manual_clock,
                             .gated = config.has_path,
                             .sink = config.has_path ? &consumers_ : nullptr,
                             .timer_moved = [this](Nanos to) { leases_end_at(to); }}),
      consumers_(recorder_),
      held_(config.hold),
      read_only_(config.read_only) {}

// The same keys hash alike in every opening, and differently in every store.
void Store::adopt(const Hash128& uuid) noexcept {
  id_.uuid = uuid;
  seed_ = uuid.low ^ uuid.high;
}

bool Store::make_parts() noexcept {
  flows_ = FlowTable::make();
  index_ = index::Index::make(config_.stripes);
  elapsed_ = wheel::Wheel::create({});
  wall_ = wheel::Wheel::create({});
  return flows_ && index_ && elapsed_ && wall_;
}

void Store::forget_all() {
  if (!make_parts()) throw std::bad_alloc();
  counters_.clear();
}

Error Store::open(const char* path, const Config& given, std::unique_ptr<Store>& out,
                  const Footing* footing) {
  Config config = given;
  config.has_path = path != nullptr;
  if (!config.has_path && (config.read_only || config.hold)) {
    return Error{Code::invalid_argument,
                 "config: mode = read-only and hold = true need a path, expected one"};
  }
  if (Error error = config.check()) return error;
  std::unique_ptr<Store> store(new Store(config));
  if (!store->make_parts() || !store->durable_bell_.open()) {
    return Error{Code::no_memory, "out of memory while opening a store"};
  }
  if (path != nullptr) {
    if (Error error = store->open_log(path, footing)) return error;
  }
  if (!config.manual_clock && !config.read_only) {
    if (Error error = store->start_keeper()) return error;
  }
  out = std::move(store);
  return {};
}

Error Store::open_log(const char* path, const Footing* footing) {
  ReplayCrew replay(*this);
  log::Options options;
  io::Disk* disk = nullptr;
  if (footing != nullptr) {
    options = footing->log;
    disk = footing->disk;
  } else {
    options.segment_bytes = config_.segment_bytes;
    disk_ = io::make_real_disk(config_.backend);
    disk = disk_.get();
  }
  if (disk == nullptr) return Error{Code::no_memory, "out of memory while opening a store"};
  options.mode = config_.read_only ? log::Mode::read_only : log::Mode::write;
  std::unique_ptr<log::Log> opened;
  if (Error error = log::Log::open(*disk, path, options, replay, opened)) return error;
  adopt(opened->uuid());
  incarnations_.begin(opened->epoch());
  time_.go_on_from(std::max(replay.anchor(), config_.manual_clock ? kNoTime : replay.latest()));
  // What is replayed is durable, whatever the log calls it.
  hub_.set_durable(opened->durable());
  recorder_.attach(std::move(opened));
  if (Error error = replay.finish()) return error;
  watch_log();
  const log::LogStats stats = log_stats();
  if (!stats.note.empty()) {
    config_.notices.tell(Notices::Weight::notice,
                         Error{Code::ok, std::string(path) + ": " + stats.note});
  }
  // A log that a test drives by hand has no other threads.
  if (read_only_ || options.manual) return {};
  cleaner_ = std::make_unique<Cleaner>(*this);
  return cleaner_->start();
}

// What the log's own thread, or a waiter in its place, tells.
void Store::watch_log() {
  log::Log& log = recorder_.log();
  log.on_durable([this](Lsn lsn) {
    hub_.set_durable(lsn);
    durable_bell_.advanced(lsn);
  });
  log.on_failure([this] {
    hub_.fail();
    durable_bell_.fail();
  });
  log.on_trouble(
      [this](const Error& error) { config_.notices.tell(weight_of(error.code), error); });
}

void Store::arm_durable(Lsn lsn) noexcept {
  durable_bell_.arm(lsn, [this, lsn] {
    if (!recorder_.has_log() || recorder_.log().failed()) return Lsn{~std::uint64_t{0}};
    return recorder_.log().durable();
  });
}

Error Store::start_keeper() {
  if (Error error = wakeup_.open()) return error;
  keeper_ = io::quiet_thread("warden-keeper", [this] { keep(); });
  if (keeper_.joinable()) return {};
  return Error{Code::no_memory, "cannot start the keeper's thread"};
}

Store::~Store() {
  if (usable() == Code::forked) {
    if (keeper_.joinable()) keeper_.detach();  // the parent's thread, not there in the child
    return;
  }
  close(0);
}

Code Store::release_hold() noexcept {
  if (!held_.exchange(false, std::memory_order_seq_cst)) return Code::ok;
  if (!time_.manual() && !read_only_) wakeup_.wake();
  return Code::ok;
}

Code Store::usable() const noexcept {
  if (fork_generation() != fork_generation_) return Code::forked;
  return closed_.load(std::memory_order_relaxed) ? Code::store_closed : Code::ok;
}

Code Store::close(Nanos drain) noexcept {
  if (usable() == Code::forked) return Code::forked;
  closed_.store(true, std::memory_order_seq_cst);
  hub_.close();
  std::lock_guard guard(closing_);
  if (keeper_.joinable()) {
    wakeup_.wake();
    keeper_.join();
  }
  if (cleaner_ != nullptr) cleaner_->stop();
  return recorder_.has_log() ? recorder_.log().close(drain) : Code::ok;
}

Error Store::open_consumer(std::string_view name, const alert::ConsumerOptions* options,
                           alert::ConsumerRef& consumer) {
  if (read_only_) {
    return Error{Code::read_only,
                 "consumer: this store is open read-only; alerts go to its writer"};
  }
  if (const std::size_t bad = flow::find_unprintable(name); bad != std::string_view::npos) {
    return Error{Code::invalid_argument, "consumer: byte " + std::to_string(bad) +
                                             " of the name is a control character or not UTF-8; "
                                             "expected 1..255 bytes of printable UTF-8"};
  }
  return consumers_.open(hub_, name, options, consumer);
}

Code Store::remove_consumer(std::string_view name) {
  return read_only_ ? Code::read_only : consumers_.remove(hub_, name);
}

alert::Counted Store::ack(alert::Consumer& consumer, std::span<const std::uint64_t> leases) {
  return consumers_.ack(hub_, consumer, leases);
}

Figures Store::figures() noexcept {
  Figures f{};
  for (std::size_t i = 0; i < Counters::kCount; ++i) {
    f.values[i] = counters_.sum(static_cast<Counters::Name>(i));
  }
  const alert::Figures alerts = hub_.figures();
  f.flows = flows_->names();
  f.alerts_withdrawn = alerts.withdrawn;
  f.alerts_kept = alerts.kept;
  f.tombstones = index_->tombstones();
  f.timers = elapsed_->size() + wall_->size();
  f.keeper_wakeups = keeper_wakeups_.load(std::memory_order_relaxed);
  f.item_bytes =
      index_->bytes() + elapsed_->bytes() + wall_->bytes() + f.values[Counters::blob_bytes];
  f.now = time_.elapsed();
  f.next_due = next_due();
  return f;
}

}  // namespace warden::engine
