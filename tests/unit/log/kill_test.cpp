// SPDX-License-Identifier: Apache-2.0
//
// H2, the log's own part: a child under load is killed with SIGKILL after a random
// number of acknowledgements; the oracle is this process, told of them by a pipe.
// WARDEN_SEED=<n> sets the seed, WARDEN_KILLS=<n> how many.
#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <random>
#include <set>
#include <thread>

#include "log_fixture.hpp"

namespace warden::log::test {
namespace {

constexpr unsigned kThreads = 3;

struct Ack {
  std::uint64_t thread;
  std::uint64_t number;
};

std::uint64_t setting(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

// Appends numbers, each thread its own row, and reports every one that is durable.
[[noreturn]] void child(const std::string& path, io::Backend backend, int out,
                        const std::uint64_t* next) {
  const auto disk = io::make_real_disk(backend);
  KeepingSink sink;
  std::unique_ptr<Log> log;
  const Error error = Log::open(*disk, path, small_options(), sink, log);
  if (error) {
    std::fprintf(stderr, "%s\n", error.message.c_str());
    _exit(2);
  }
  std::thread threads[kThreads];
  for (unsigned t = 0; t < kThreads; ++t) {
    threads[t] = std::thread([&, t] {
      for (std::uint64_t n = next[t];; ++n) {
        const Lsn lsn = put(*log, std::to_string(n) + std::string(n % 500, 'k'), t);
        if (n % 4 != t && log->wait_durable(lsn, kNever) == Code::ok) {
          const Ack ack = {t, n};
          if (::write(out, &ack, sizeof ack) != sizeof ack) _exit(3);
        }
      }
    });
  }
  for (auto& thread : threads) thread.join();
  _exit(4);
}

TEST(LogKill, NothingAcknowledgedIsLost) {
  const std::uint64_t seed = setting("WARDEN_SEED", 1);
  const std::uint64_t kills = setting("WARDEN_KILLS", WARDEN_USUAL_KILLS);
  std::mt19937_64 rng(seed);
  TempDir dir;
  std::uint64_t next[kThreads] = {};
  std::uint64_t acks = 0;
  std::uint64_t torn = 0;
  for (std::uint64_t kill = 0; kill < kills; ++kill) {
    SCOPED_TRACE(testing::Message() << "WARDEN_SEED=" << seed << ", kill " << kill);
    const io::Backend backend = kill % 2 == 0 ? io::Backend::uring : io::Backend::posix;
    int pipe[2];
    ASSERT_EQ(::pipe(pipe), 0);
    const pid_t pid = ::fork();
    if (pid == 0) {
      ::close(pipe[0]);
      child(dir.path(), backend, pipe[1], next);
    }
    ::close(pipe[1]);
    std::uint64_t acked[kThreads];
    std::copy(next, next + kThreads, acked);  // one past the newest acknowledged
    std::uint64_t left = 1 + rng() % 60;
    Ack ack{};
    while (::read(pipe[0], &ack, sizeof ack) == sizeof ack) {
      acked[ack.thread] = std::max(acked[ack.thread], ack.number + 1);
      ++acks;
      if (left != 0 && --left == 0) ::kill(pid, SIGKILL);
    }
    ::close(pipe[0]);
    int status = 0;
    ::waitpid(pid, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;

    KeepingSink sink;
    std::unique_ptr<Log> log;
    const auto disk = io::make_real_disk(backend);
    const Error error = Log::open(*disk, dir.path(), small_options(), sink, log);
    ASSERT_EQ(error.code, Code::ok) << error.message;
    torn += log->recovery().torn ? 1 : 0;
    std::fill(next, next + kThreads, 0);
    for (const Seen& record : sink.seen) {
      const std::uint64_t n = next[record.incarnation]++;
      ASSERT_EQ(record.content, std::to_string(n) + std::string(n % 500, 'k'));
    }
    for (unsigned t = 0; t < kThreads; ++t) ASSERT_GE(next[t], acked[t]) << "thread " << t;
  }
  std::printf("kills: %llu, %llu acknowledgements, %llu torn tails, seed %llu\n",
              static_cast<unsigned long long>(kills), static_cast<unsigned long long>(acks),
              static_cast<unsigned long long>(torn), static_cast<unsigned long long>(seed));
}

}  // namespace
}  // namespace warden::log::test
