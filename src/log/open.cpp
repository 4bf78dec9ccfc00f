// SPDX-License-Identifier: Apache-2.0
//
// Opening a log: directory -> lock -> recovery -> new epoch -> scribe; and closing.
#include <signal.h>
#include <sys/random.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <new>
#include <system_error>
#include <thread>

#include "base/assert.hpp"
#include "io/fork.hpp"
#include "log/errors.hpp"
#include "log/log.hpp"
#include "log/planted.hpp"

namespace warden::log {
namespace {

constexpr unsigned kQueueDepth = 16;  // 8 blocks, 2 flushes, 1 for a new segment

Error check_options(const Options& options) {
  const bool good = options.segment_bytes % kPage == 0 && options.segment_bytes >= 16 * kPage &&
                    options.first_segment_bytes % kPage == 0 &&
                    options.first_segment_bytes >= 16 * kPage &&
                    std::has_single_bit(options.buffer_bytes) &&
                    options.buffer_bytes >= 16 * kPage && options.spares >= 1;
  if (good) return {};
  return make_error(Code::invalid_argument,
                    "log options: segments must be whole pages of 4096 bytes, at least 16 of them; "
                    "the buffer a power of two of at least 65536; spares at least 1");
}

bool ours(const std::string& name) {
  return name == "LOCK" || name == "CURRENT.tmp" || number_in(name, "MANIFEST-") != 0 ||
         number_in(name, "wal-") != 0;
}

}  // namespace

Log::Log(const std::string& path, const Options& options)
    : path_(path), options_(options), generation_(io::fork_generation()) {}

Error Log::open(io::Disk& disk, const std::string& path, const Options& options, ReplaySink& sink,
                std::unique_ptr<Log>& out) {
  out.reset();
  try {
    return open_or_throw(disk, path, options, sink, out);
  } catch (const std::bad_alloc&) {
    return Error{Code::no_memory, "out of memory", 0, 0, 0};
  } catch (const std::system_error&) {
    return Error{Code::no_memory, "the scribe thread could not be started", 0, 0, 0};
  }
}

Error Log::open_or_throw(io::Disk& disk, const std::string& path, const Options& options,
                         ReplaySink& sink, std::unique_ptr<Log>& out) {
  if (Error error = check_options(options)) return error;
  std::unique_ptr<Log> log(new Log(path, options));
  if (Error error = log->open_dir(disk)) return error;
  if (options.mode == Mode::write) {
    if (Error error = log->check_owner()) return error;
    if (Error error = log->lock()) return error;
  }
  Recovered recovered;
  if (Error error = log->open_existing(sink, recovered)) return error;
  log->report_ = recovered.report;
  log->recovered_end_ = recovered.end;
  log->uuid_ = recovered.manifest.uuid;
  log->ends_ = recovered.manifest.ends;
  log->epoch_ = recovered.manifest.epoch;
  if (options.mode == Mode::write) {
    if (Error error = log->start(recovered)) return error;
  }
  out = std::move(log);
  return {};
}

Error Log::open_dir(io::Disk& disk) {
  const int opened = disk.open_dir(path_.c_str(), options_.mode == Mode::write, dir_);
  if (opened == 0) return {};
  if (opened == -ENOTDIR) {
    return make_error(Code::not_a_store, path_ + ": a file; expected a directory");
  }
  if (opened == -ENOENT) {
    const bool make = options_.mode == Mode::write;
    return make_error(Code::not_a_store,
                      path_ + (make ? ": its parent directory does not exist; expected one"
                                    : ": no such directory; expected that of a store"));
  }
  return io_error(path_, "", "open the directory", opened);
}

Error Log::lock() {
  io::LockHolder holder;
  const int locked = dir_->lock(holder);
  if (locked == 0 || planted(Plant::lock_ignored)) return {};
  if (locked != -EWOULDBLOCK) return io_error(path_, "LOCK", "lock it", locked);
  std::string who = "another process";
  if (holder.process > 0) who = "process " + std::to_string(holder.process);
  // It was killed, and the kernel has not ended its last writes; or it is in another
  // container.
  if (holder.gone) who += ", which does not run here any more; waited for its last writes to end";
  return make_error(Code::held, path_ + ": held open for writing by " + who);
}

// Before LOCK is made: a directory of somebody else's is left as it is.
Error Log::check_owner() {
  std::vector<std::string> names;
  const int listed = dir_->list(names);
  if (listed < 0) return io_error(path_, "", "list the directory", listed);
  if (std::find(names.begin(), names.end(), "CURRENT") != names.end()) return {};
  const auto other =
      std::find_if(names.begin(), names.end(), [](const auto& n) { return !ours(n); });
  if (other == names.end()) return {};
  return make_error(Code::not_a_store,
                    path_ + ": not a Warden store: it has no file CURRENT, but holds " + *other +
                        "; expected an empty directory or a store");
}

// A directory without CURRENT is a new store if nothing in it ever held data.
Error Log::check_new() {
  std::vector<std::string> names;
  const int listed = dir_->list(names);
  if (listed < 0) return io_error(path_, "", "list the directory", listed);
  for (const std::string& name : names) {
    // CURRENT follows the first manifest, and records follow CURRENT.
    if (number_in(name, "MANIFEST-") > 1) {
      return damage(path_, "CURRENT", 0, "it is missing, but " + name + " is there");
    }
    if (number_in(name, "wal-") == 0) continue;
    std::unique_ptr<io::File> file;
    std::vector<std::byte> page(kPage);
    int result = dir_->open(name.c_str(), io::Open::read, file);
    if (result == 0)
      result = static_cast<int>(std::min<std::int64_t>(0, file->read(page.data(), page.size(), 0)));
    if (result < 0) return io_error(path_, name, "read it", result);
    if (std::any_of(page.begin(), page.end(), [](std::byte b) { return b != std::byte{0}; })) {
      return damage(path_, "CURRENT", 0, "it is missing, but " + name + " holds data");
    }
  }
  return {};
}

Error Log::open_existing(ReplaySink& sink, Recovered& recovered) {
  if (options_.mode == Mode::read_only) return recover_unlocked(*dir_, path_, sink, recovered);
  Error error = recover(*dir_, path_, false, sink, recovered);
  if (error.code != Code::not_a_store) return error;
  recovered = {};
  recovered.manifest.epoch = options_.epochs_before;
  recovered.manifest.uuid = options_.uuid;
  return check_new();
}

Uuid Log::new_uuid(const Recovered& recovered) const {
  if (recovered.manifest.epoch != 0) return recovered.manifest.uuid;
  Uuid uuid = options_.uuid;
  while (uuid == Uuid{}) {
    if (::getrandom(&uuid, sizeof uuid, 0) != sizeof uuid) uuid = {};
  }
  return uuid;
}

Error Log::start(const Recovered& recovered) {
  if (!buffer_.init(options_.buffer_bytes)) {
    return make_error(Code::no_memory, "no memory for the log's buffer");
  }
  const int made = dir_->make_queue(kQueueDepth, queue_, note_);
  if (made < 0) return io_error(path_, "", "set up asynchronous writing", made);
  CommitterOptions options;
  options.segment_bytes = options_.segment_bytes;
  options.first_segment_bytes = options_.first_segment_bytes;
  options.spares = options_.spares;
  options.beacon_after = options_.beacon_after;
  options.starved_retry = options_.starved_retry;
  Listener listener;
  listener.durable = [this](Lsn lsn) { durable_moved(lsn); };
  listener.failing = [this](const Error& error) {
    if (on_trouble_) on_trouble_(error);
  };
  listener.failed = [this] {
    durable_moved(committer_->durable());
    buffer_.wake_takers();
    if (on_failure_) on_failure_();
  };
  listener.freed = [this] { durable_moved(committer_->durable()); };
  listener.starved = [this](const char* what, int error) { tell_of_room(what, error); };
  listener.room = [this] {
    buffer_.wake_takers();
    if (on_segment_) on_segment_();  // who cleans is to know of either
  };
  listener.segment = [this] {
    if (on_segment_) on_segment_();
  };
  io::Clock& clock = options_.clock != nullptr ? *options_.clock : io::real_clock();
  auto committer = std::make_unique<Committer>(*dir_, path_, *queue_, clock, buffer_, options,
                                               std::move(listener));
  uuid_ = new_uuid(recovered);
  // Ours only once it has begun, whether it answers an error or throws: closing would
  // seal what it knows, and half of a manifest is a log without its segments.
  if (Error error = committer->begin(recovered, uuid_)) return error;
  committer_ = std::move(committer);
  if (dir_->buffered()) {
    if (!note_.empty()) note_ += "; ";
    note_ += "the file system refused O_DIRECT: writing through the page cache";
  }
  epoch_ = committer_->epoch();
  ends_ = committer_->manifest().ends;
  catalog_ = committer_->manifest().catalog;
  max_content_ = committer_->max_content();
  const int attached = options_.manual ? queue_->attach() : hire_scribe();
  if (attached == 0) return {};
  committer_.reset();
  return io_error(path_, "", "set up asynchronous writing", attached);
}

// What the queue answered to its new owner.
int Log::hire_scribe() {
  committer_->hire([this] { wake_scribe(); });
  // The new thread inherits the mask: it is to see no signal of the application.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    scribe_ = std::thread([this] { scribe(); });
  } catch (...) {
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    committer_.reset();
    throw;
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  attached_.wait(kUnattached, std::memory_order_acquire);
  const int attached = attached_.load(std::memory_order_acquire);
  if (attached < 0) scribe_.join();
  return attached;
}

Code Log::close(Nanos drain) noexcept {
  if (forked()) return Code::forked;
  const std::lock_guard lock(close_);
  if (closed_) return Code::ok;
  closed_ = true;
  if (!committer_) return Code::ok;
  closing_.store(true, std::memory_order_seq_cst);
  buffer_.wake_takers();
  Code code = sync(drain);
  stop_.store(true, std::memory_order_seq_cst);
  if (scribe_.joinable()) {
    doorbell_.ring_out([this] { queue_->wake(); });
    scribe_.join();
  } else {  // manual
    while (committer_->turn(true) || committer_->in_flight()) queue_->wait(kMilli);
  }
  stopped_.store(true, std::memory_order_release);
  durable_moved(committer_->durable());
  if (committer_->failed()) {
    code = Code::outcome_unknown;
  } else if (committer_->quiet() && !committer_->pending()) {
    const Error sealed = committer_->seal();
    if (sealed) code = sealed.code;
  }
  // All writes are reaped by now, so nothing can land after the lock is gone. The
  // queue stays: a late wake_scribe() may still hold on to it.
  dir_->unlock();
  return code;
}

Log::~Log() {
  if (!forked()) {
    close(0);
  } else if (scribe_.joinable()) {
    // A child has no scribe to join; its memory is a copy that ends with the process.
    scribe_.detach();
  }
  committer_.reset();  // first: its clerk may be about to wake the scribe
}

}  // namespace warden::log
