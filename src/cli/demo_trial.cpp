// SPDX-License-Identifier: Apache-2.0
//
// See demo_trial.hpp. The parent never opens the store: it knows what the worker told
// through the pipe before it was killed, and what it told after.
#include "cli/demo_trial.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <functional>
#include <system_error>
#include <vector>

#include "cli/demo_pipeline.hpp"
#include "cli/demo_wire.hpp"

extern char** environ;

namespace warden::cli {
namespace {

constexpr std::int64_t kQuietNs = 200'000'000;
constexpr std::int64_t kGraceNs = 5'000'000'000;
constexpr int kLookMs = 20;

Failure system_failure(const char* what, int error) {
  return bad_environment(fmt::format("demo: {}: {}", what, std::generic_category().message(error)));
}

// One worker process and the two pipes to it.
class WorkerProcess {
 public:
  explicit WorkerProcess(DemoLedger& ledger) : ledger_(ledger) {}
  WorkerProcess(const WorkerProcess&) = delete;
  WorkerProcess& operator=(const WorkerProcess&) = delete;
  ~WorkerProcess() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
    release();
    if (from_ >= 0) ::close(from_);
  }

  Status start(const std::vector<std::string>& arguments);
  void kill_now() { ::kill(pid_, SIGKILL); }
  // Tells it to end in order.
  void release() {
    if (to_ >= 0) ::close(to_);
    to_ = -1;
  }
  // Takes notes until `until` says so or the pipe is at its end (false).
  bool pump(const std::function<bool()>& until);
  // After the pipe's end: exit status as of waitpid.
  int reap() {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return status;
  }

 private:
  DemoLedger& ledger_;
  pid_t pid_ = -1;
  int from_ = -1;
  int to_ = -1;
  std::string rest_;
};

Status WorkerProcess::start(const std::vector<std::string>& arguments) {
  int in[2];
  int out[2];
  if (::pipe2(in, O_CLOEXEC) != 0) return system_failure("a pipe", errno);
  to_ = in[1];
  if (::pipe2(out, O_CLOEXEC) != 0) {
    ::close(in[0]);
    return system_failure("a pipe", errno);
  }
  from_ = out[0];
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
  const int failed =
      ::posix_spawn(&pid_, "/proc/self/exe", &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  ::close(in[0]);
  ::close(out[1]);
  if (failed == 0) return std::nullopt;
  pid_ = -1;
  return system_failure("the worker process cannot be started", failed);
}

bool WorkerProcess::pump(const std::function<bool()>& until) {
  char buffer[1 << 16];
  while (!until()) {
    struct pollfd look {
      from_, POLLIN, 0
    };
    if (::poll(&look, 1, kLookMs) <= 0) continue;
    const ssize_t got = ::read(from_, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    rest_.append(buffer, static_cast<std::size_t>(got));
    std::size_t used = 0;
    for (; used + sizeof(Note) <= rest_.size(); used += sizeof(Note)) {
      Note note;
      std::memcpy(&note, rest_.data() + used, sizeof note);
      ledger_.take(note);
    }
    rest_.erase(0, used);
  }
  return true;
}

// The directory of the demo's store, and its removal if it was only borrowed.
class Place {
 public:
  explicit Place(const std::string& given) : path_(given) {}
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  ~Place() {
    std::error_code error;
    if (!base_.empty()) std::filesystem::remove_all(base_, error);
  }
  Status make() {
    std::error_code error;
    if (!path_.empty()) {
      if (!std::filesystem::exists(path_, error) || std::filesystem::is_empty(path_, error)) {
        return std::nullopt;
      }
      return bad_input(
          fmt::format("{}: is there already; expected a new or empty directory", path_));
    }
    base_ = (std::filesystem::temp_directory_path(error) / "warden-demo-XXXXXX").string();
    if (::mkdtemp(base_.data()) == nullptr) {
      const int number = errno;
      base_.clear();
      return system_failure("a temporary directory", number);
    }
    path_ = base_ + "/store";
    return std::nullopt;
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  std::string base_;
};

std::vector<std::string> arguments_of(const TrialOptions& options, const std::string& store,
                                      std::int64_t end_ns, const DemoLedger& ledger) {
  std::vector<std::string> out{"warden",  "demo-worker",
                               "--store", store,
                               "--end",   std::to_string(end_ns),
                               "--rate",  fmt::format("{}", options.rate / options.threads),
                               "--drop",  fmt::format("{}", options.drop_share),
                               "--seed",  std::to_string(options.seed),
                               "--from"};
  for (std::uint32_t f = 0; f < options.threads; ++f) {
    out.push_back(std::to_string(ledger.next_item(f)));
  }
  return out;
}

Failure ended_early(const char* when) {
  return Failure{
      ExitCode::engine,
      fmt::format("demo: the worker process ended by itself {}; its own message says why", when)};
}

void add_figures(const DemoLedger& ledger, TrialOutcome& outcome) {
  outcome.commits += static_cast<std::uint64_t>(ledger.figures().a);
  outcome.log_bytes += static_cast<std::uint64_t>(ledger.figures().b);
}

}  // namespace

Result<TrialOutcome> run_trial(const TrialOptions& options) {
  Place place{options.store};
  if (auto bad = place.make()) return std::move(*bad);
  DemoLedger ledger{options.threads, options.seed, options.drop_share};
  TrialOutcome outcome;
  const std::int64_t begin = boottime_ns();
  const std::int64_t end = begin + static_cast<std::int64_t>(options.seconds * 1e9);
  {
    WorkerProcess first{ledger};
    if (auto bad = first.start(arguments_of(options, place.path(), end, ledger))) {
      return std::move(*bad);
    }
    const std::int64_t kill_at = begin + (end - begin) / 2;
    if (!first.pump([&] { return boottime_ns() >= kill_at; })) {
      return ended_early("before it was killed");
    }
    first.kill_now();
    ledger.killed(boottime_ns());
    first.pump([] { return false; });  // what it told before
    first.reap();
  }
  const std::int64_t killed = boottime_ns();
  add_figures(ledger, outcome);
  ledger.new_life();
  WorkerProcess second{ledger};
  if (auto bad = second.start(arguments_of(options, place.path(), end, ledger))) {
    return std::move(*bad);
  }
  if (!second.pump([&] { return ledger.scanned(); })) return ended_early("after the restart");
  ledger.back(boottime_ns());
  outcome.recovered = ledger.found();
  outcome.down_s = static_cast<double>(boottime_ns() - killed) / 1e9;
  if (!second.pump([&] { return ledger.fed(); })) return ended_early("while feeding");
  outcome.feed_s = static_cast<double>(boottime_ns() - begin) / 1e9;
  const std::int64_t last = boottime_ns() + kLongestWithinNs;
  std::int64_t look_at = last + kQuietNs;
  const bool alive = second.pump([&] {
    const std::int64_t now = boottime_ns();
    if (now < look_at) return false;
    look_at = now + kQuietNs;
    return now > last + kGraceNs || ledger.judge_all().missed == 0;
  });
  if (!alive) return ended_early("while alerts were awaited");
  second.release();
  second.pump([] { return false; });  // its last scan: lost() counts what is not there
  if (second.reap() != 0) return ended_early("at its end, with an error");
  add_figures(ledger, outcome);
  outcome.records = static_cast<std::uint64_t>(ledger.figures().c);
  outcome.verdict = ledger.judge_all();
  outcome.latency = ledger.latency();
  outcome.restart_latency = ledger.restart_latency();
  outcome.acks = ledger.acks();
  outcome.acknowledged = ledger.acknowledged();
  outcome.lost = ledger.lost();
  outcome.wrong_answers = ledger.wrong();
  outcome.again = ledger.again();
  outcome.fault = ledger.example().empty() ? outcome.verdict.example : ledger.example();
  return outcome;
}

}  // namespace warden::cli
