// SPDX-License-Identifier: Apache-2.0
//
// H10 on this machine: a limit of file sizes, a small tmpfs, a small ext4 in a file.
// Each in a process of its own, with mounts of its own that vanish with it.
//
//   fill until refused -> nothing half applied; closings, acks, alerts go on
//   -> room again -> it resumes by itself -> open again: all as answered
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <thread>

#include "child.hpp"
#include "on_disk.hpp"

namespace warden::test {
namespace {

// What the log hook heard; from any thread.
struct Told {
  std::atomic<int> warnings{0};
  std::atomic<int> notices_of_room{0};
  std::string text;  // of the first warning; read once warnings is seen
  static void hear(void* context, std::uint32_t weight, std::int32_t code, const char* line) {
    auto& self = *static_cast<Told*>(context);
    if (weight == WARDEN_LOG_WARNING && code == WARDEN_E_NO_SPACE) {
      if (self.warnings == 0) self.text = line;
      ++self.warnings;
    }
    if (weight == WARDEN_LOG_NOTICE && std::strstr(line, "room again") != nullptr) {
      ++self.notices_of_room;
    }
  }
};

warden_store* open_store(const std::string& path, const char* backend, Told& told,
                         std::string& why) {
  warden_config* config = nullptr;
  warden_error error = WARDEN_ERROR_INIT;
  warden_store* store = nullptr;
  if (warden_config_new(&config) < 0) return nullptr;
  warden_config_set(config, "clock", "manual", nullptr);
  warden_config_set(config, "backend", backend, nullptr);
  warden_config_log(config, Told::hear, &told);
  if (warden_open(path.c_str(), config, &store, &error) < 0) why = error.message;
  warden_config_free(config);
  return store;
}

#define CHECK_OR_SAY(cond, what)                                                          \
  do {                                                                                    \
    if (!(cond))                                                                          \
      return std::string(#cond) + " at line " + std::to_string(__LINE__) + ": " + (what); \
  } while (false)

class Story {
 public:
  Story(std::string path, const char* backend) : path_(std::move(path)), backend_(backend) {}

  std::string run(const std::function<bool()>& make_room) {
    std::string said = full();
    if (said.empty()) said = going_on();
    if (!said.empty()) return said;
    CHECK_OR_SAY(make_room(), "no room was made");
    said = resumed();
    return said.empty() ? opened_again() : said;
  }

 private:
  // The first two segments of a store, 4 and 8 MiB, find room, the third of 16 does not:
  // so all of the first can be filled.
  static constexpr std::size_t kPayload = 60000;

  std::int32_t track(int i, std::uint32_t durability) {
    const std::string key = numbered("k", i);
    const std::string payload(kPayload, 'p');
    warden_item_options options = WARDEN_ITEM_OPTIONS_INIT;
    options.at_ns = 0;
    options.durability = durability;
    return warden_track(store_, "timer", 5, key.data(), key.size(), payload.data(), payload.size(),
                        &options, nullptr);
  }
  std::int32_t complete(int i) {
    const std::string key = numbered("k", i);
    warden_item_options options = WARDEN_ITEM_OPTIONS_INIT;
    options.at_ns = now_;
    return warden_complete(store_, "timer", 5, key.data(), key.size(), &options, nullptr);
  }
  std::int32_t look(int i, warden_item& item) {
    const std::string key = numbered("k", i);
    std::vector<std::uint64_t> buffer(1 << 14);
    return warden_get(store_, "timer", 5, key.data(), key.size(), &item, buffer.data(),
                      buffer.size() * 8, nullptr);
  }

  std::string full() {
    std::string why;
    store_ = open_store(path_, backend_, told_, why);
    CHECK_OR_SAY(store_ != nullptr, why);
    CHECK_OR_SAY(warden_flow_define(store_, kTimer, std::strlen(kTimer), nullptr, nullptr) == 0,
                 "");
    CHECK_OR_SAY(warden_consumer_open(store_, "ops", 3, nullptr, &ops_, nullptr) == 0, "");
    std::int32_t code = WARDEN_NEW;
    for (; code == WARDEN_NEW && taken_ < 5000; taken_ += code == WARDEN_NEW ? 1 : 0) {
      code = track(taken_, WARDEN_DURABILITY_DURABLE);
    }
    CHECK_OR_SAY(code == WARDEN_E_NO_SPACE, warden_code_name(code));
    CHECK_OR_SAY(taken_ > 40, std::to_string(taken_));
    warden_item item{};
    CHECK_OR_SAY(look(taken_, item) == WARDEN_E_UNKNOWN_ITEM, "half applied");
    CHECK_OR_SAY(told_.warnings == 1, std::to_string(told_.warnings));
    CHECK_OR_SAY(told_.text.find(path_) == 0, told_.text);
    warden_error error = WARDEN_ERROR_INIT;
    CHECK_OR_SAY(warden_flow_define(store_, kUpload, std::strlen(kUpload), nullptr, &error) ==
                     WARDEN_E_NO_SPACE,
                 error.message);
    CHECK_OR_SAY(std::string(error.message).find(path_) != std::string::npos, error.message);
    return {};
  }

  std::string going_on() {
    for (int i = 0; i < 10; ++i) {
      const std::int32_t code = complete(i);
      CHECK_OR_SAY(code == WARDEN_ON_TIME, warden_code_name(code));
    }
    now_ = 20 * kS;
    std::int32_t code = warden_clock_advance(store_, now_);
    CHECK_OR_SAY(code == WARDEN_OK, warden_code_name(code));
    for (;;) {
      std::vector<char> buffer(1 << 20);
      warden_alert alerts[16];
      const std::int32_t got =
          warden_consumer_poll(ops_, 0, alerts, 16, buffer.data(), buffer.size(), nullptr);
      CHECK_OR_SAY(got >= 0, warden_code_name(got));
      if (got == 0) break;
      std::uint64_t leases[16];
      for (std::int32_t i = 0; i < got; ++i) leases[i] = alerts[i].lease;
      const auto count = static_cast<std::size_t>(got);
      CHECK_OR_SAY(warden_alert_ack(ops_, leases, count) == got, "an ack");
      alerts_ += got;
    }
    CHECK_OR_SAY(alerts_ == taken_ - 10, std::to_string(alerts_));
    code = warden_sync(store_, kLong);
    CHECK_OR_SAY(code == WARDEN_OK, warden_code_name(code));
    code = complete(10);
    CHECK_OR_SAY(code == WARDEN_LATE, warden_code_name(code));
    code = track(taken_, WARDEN_DURABILITY_DURABLE);
    CHECK_OR_SAY(code == WARDEN_E_NO_SPACE, warden_code_name(code));
    return {};
  }

  std::string resumed() {
    const auto until = std::chrono::steady_clock::now() + std::chrono::nanoseconds(kLong);
    std::int32_t code = WARDEN_E_NO_SPACE;
    while (code == WARDEN_E_NO_SPACE && std::chrono::steady_clock::now() < until) {
      code = track(taken_, WARDEN_DURABILITY_DURABLE);
      std::this_thread::yield();
    }
    CHECK_OR_SAY(code == WARDEN_NEW, warden_code_name(code));
    CHECK_OR_SAY(told_.notices_of_room >= 1, "nobody says so");
    return {};
  }

  std::string opened_again() {
    warden_consumer_close(ops_);
    CHECK_OR_SAY(warden_close(store_, kLong) == WARDEN_OK, "");
    warden_free(store_);
    std::string why;
    store_ = open_store(path_, backend_, told_, why);
    CHECK_OR_SAY(store_ != nullptr, why);
    warden_stats stats = WARDEN_STATS_INIT;
    warden_stats_get(store_, &stats);
    CHECK_OR_SAY(stats.done == 11, std::to_string(stats.done));
    CHECK_OR_SAY(stats.live == static_cast<std::uint64_t>(taken_ + 1 - 11),
                 std::to_string(stats.live));
    for (int i = 0; i <= taken_; ++i) {
      warden_item item{};
      const std::int32_t code = look(i, item);
      CHECK_OR_SAY(code == (i <= 10 ? WARDEN_ALREADY_DONE : WARDEN_OK), numbered("item ", i));
      CHECK_OR_SAY(i <= 10 || item.payload_len == kPayload, numbered("payload of ", i));
    }
    warden_free(store_);
    return {};
  }

  const std::string path_;
  const char* backend_;
  Told told_;
  warden_store* store_ = nullptr;
  warden_consumer* ops_ = nullptr;
  std::int64_t now_ = 0;
  int taken_ = 0;
  int alerts_ = 0;
};

class SmallDisk : public ::testing::TestWithParam<const char*> {
 protected:
  TempDir dir_;
};

constexpr rlim_t kMiB = 1 << 20;

bool limit_files(rlim_t bytes) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_FSIZE, &limit) != 0) return false;
  limit.rlim_cur = bytes;
  return ::setrlimit(RLIMIT_FSIZE, &limit) == 0;
}

// SIGXFSZ has its default action here, which ends a process.
TEST_P(SmallDisk, ALimitOfFileSizesIsAFullDiskAndKillsNobody) {
  EXPECT_EQ(
      in_child([&]() -> std::string {
        std::signal(SIGXFSZ, SIG_DFL);
        CHECK_OR_SAY(limit_files(9 * kMiB), "setrlimit");
        return Story(dir_.path("store"), GetParam()).run([] { return limit_files(RLIM_INFINITY); });
      }),
      "");
}

TEST_P(SmallDisk, ALimitBelowWhatOpeningNeedsRefusesIt) {
  EXPECT_EQ(in_child([&]() -> std::string {
              std::signal(SIGXFSZ, SIG_DFL);
              const std::string path = dir_.path("store");
              for (const rlim_t bytes : {rlim_t{0}, rlim_t{100}, 5000 * rlim_t{1}, kMiB}) {
                CHECK_OR_SAY(limit_files(bytes), "setrlimit");
                const Opened got = try_open(path, {{"backend", GetParam()}});
                CHECK_OR_SAY(got.code == WARDEN_E_NO_SPACE, got.message());
                CHECK_OR_SAY(got.message().find(path) == 0, got.message());
              }
              CHECK_OR_SAY(limit_files(RLIM_INFINITY), "setrlimit");
              CHECK_OR_SAY(try_open(path, {{"backend", GetParam()}}).code == WARDEN_OK, "");
              // The limit comes down while a segment is being written.
              Told told;
              std::string why;
              warden_store* store = open_store(path, GetParam(), told, why);
              CHECK_OR_SAY(store != nullptr, why);
              const auto define = [&](const char* flow) {
                return warden_flow_define(store, flow, std::strlen(flow), nullptr, nullptr);
              };
              CHECK_OR_SAY(define(kTimer) == WARDEN_OK, "");
              CHECK_OR_SAY(limit_files(8192), "setrlimit");
              warden_item_options options = WARDEN_ITEM_OPTIONS_INIT;
              options.at_ns = 0;
              options.durability = WARDEN_DURABILITY_BUFFERED;
              const auto track = [&] {
                return warden_track(store, "timer", 5, "k", 1, "p", 1, &options, nullptr);
              };
              // Taken, and then it waits for room; or refused, if the next segment met the limit
              // before.
              const std::int32_t code = track();
              CHECK_OR_SAY(code == WARDEN_NEW || code == WARDEN_E_NO_SPACE, warden_code_name(code));
              if (code == WARDEN_NEW) {
                CHECK_OR_SAY(warden_sync(store, 20 * kMs) == WARDEN_E_TIMEOUT, "it waits for room");
              }
              CHECK_OR_SAY(limit_files(RLIM_INFINITY), "setrlimit");
              while (track() == WARDEN_E_NO_SPACE) std::this_thread::yield();
              CHECK_OR_SAY(track() == WARDEN_EXISTING, "");
              CHECK_OR_SAY(warden_sync(store, kLong) == WARDEN_OK, "and goes on");
              warden_free(store);
              return {};
            }),
            "");
}

bool put_line(const char* file, const std::string& line) {
  const int fd = ::open(file, O_WRONLY | O_CLOEXEC);
  const bool put = fd >= 0 && ::write(fd, line.data(), line.size()) > 0;
  if (fd >= 0) ::close(fd);
  return put;
}

// A mount namespace of this process's own, as root or as root of a user namespace. "", or
// why there is none.
std::string own_mounts() {
  if (::unshare(CLONE_NEWNS) != 0) {
    const std::string user = "0 " + std::to_string(::getuid()) + " 1";
    const std::string group = "0 " + std::to_string(::getgid()) + " 1";
    if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return "no mount namespace may be made here";
    if (!put_line("/proc/self/setgroups", "deny") || !put_line("/proc/self/uid_map", user) ||
        !put_line("/proc/self/gid_map", group)) {
      return "no user can be mapped here";
    }
  }
  if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0) return {};
  return "no private mounts";
}

// Half of what will be missing: gone, it is room.
bool put_ballast(const std::string& path, std::size_t bytes) {
  write_file(path, std::string(bytes, 'b'));
  return read_file(path).size() == bytes;
}

// What cannot be mounted here is skipped, in CI too: a sandbox may allow nothing.
constexpr const char* kNotHere = "not here: ";

std::string on_mount(const std::string& at, const std::string& why_not, std::size_t ballast,
                     const char* backend) {
  if (!why_not.empty()) return kNotHere + why_not;
  const std::string weight = at + "/ballast";
  CHECK_OR_SAY(put_ballast(weight, ballast), "no ballast");
  return Story(at + "/store", backend).run([&] { return ::unlink(weight.c_str()) == 0; });
}

#define EXPECT_OR_SKIP(said)                                    \
  const std::string outcome = said;                             \
  if (outcome.rfind(kNotHere, 0) == 0) GTEST_SKIP() << outcome; \
  EXPECT_EQ(outcome, "")

TEST_P(SmallDisk, ASmallTmpfs) {
  const std::string at = dir_.path("mount");
  std::filesystem::create_directory(at);
  EXPECT_OR_SKIP(in_child([&]() -> std::string {
    std::string why = own_mounts();
    if (why.empty() && ::mount("none", at.c_str(), "tmpfs", 0, "size=40m") != 0) why = "no tmpfs";
    return on_mount(at, why, 26 * kMiB, GetParam());
  }));
}

TEST_P(SmallDisk, ASmallExt4InAFile) {
  const std::string at = dir_.path("mount");
  const std::string image = dir_.path("image");
  std::filesystem::create_directory(at);
  EXPECT_OR_SKIP(in_child([&]() -> std::string {
    if (::geteuid() != 0) return std::string(kNotHere) + "a loop device needs root";
    std::string why = own_mounts();
    const std::string make = "{ truncate -s 64M " + image + " && mkfs.ext4 -q -m 0 -J size=4 " +
                             image + " && mount -o loop " + image + " " + at +
                             "; } >/dev/null 2>&1";
    if (why.empty() && std::system(make.c_str()) != 0)
      why = "mkfs.ext4 or a loop device is missing";
    return on_mount(at, why, 40 * kMiB, GetParam());
  }));
}

INSTANTIATE_TEST_SUITE_P(Backend, SmallDisk, ::testing::Values("auto", "posix"),
                         [](const auto& with) { return std::string(with.param); });

}  // namespace
}  // namespace warden::test
