// SPDX-License-Identifier: Apache-2.0
//
// As an ordinary user, whom root's tests do not show: little lockable memory, io_uring
// or O_DIRECT refused by the kernel. The same small story each time, by a process that
// dies in the middle and one that comes after it.
#include <fcntl.h>
#include <grp.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cerrno>

#include "../unit/io/refused_call.hpp"
#include "child.hpp"
#include "on_disk.hpp"

namespace warden::test {
namespace {

#define CHECK_OR_SAY(cond, what)                                                          \
  do {                                                                                    \
    if (!(cond))                                                                          \
      return std::string(#cond) + " at line " + std::to_string(__LINE__) + ": " + (what); \
  } while (false)

struct Notes {
  int count = 0;
  std::string text;
  static void hear(void* context, std::uint32_t weight, std::int32_t, const char* line) {
    auto& self = *static_cast<Notes*>(context);
    if (weight != WARDEN_LOG_NOTICE) return;
    ++self.count;
    self.text = line;
  }
};

struct Place {
  std::string path;
  const char* backend;   // asked
  const char* expected;  // chosen; null: whatever the kernel allows
  const char* note;      // to be said of it, once; null: only if it is not what was asked
};

std::string open_there(const Place& place, warden_store*& store) {
  warden_config* config = nullptr;
  warden_error error = WARDEN_ERROR_INIT;
  static Notes notes;  // lives as long as the store, which is as long as the process
  CHECK_OR_SAY(warden_config_new(&config) == WARDEN_OK, "");
  warden_config_set(config, "clock", "manual", nullptr);
  warden_config_set(config, "backend", place.backend, nullptr);
  warden_config_log(config, Notes::hear, &notes);
  const std::int32_t code = warden_open(place.path.c_str(), config, &store, &error);
  warden_config_free(config);
  CHECK_OR_SAY(code == WARDEN_OK, error.message);
  warden_stats stats = WARDEN_STATS_INIT;
  warden_stats_get(store, &stats);
  CHECK_OR_SAY(place.expected == nullptr || std::string(place.expected) == stats.backend,
               stats.backend);
  const bool fell_back =
      std::string(place.backend) == "auto" && std::string(stats.backend) == "posix";
  CHECK_OR_SAY(notes.count == (place.note != nullptr || fell_back ? 1 : 0), notes.text);
  CHECK_OR_SAY(!fell_back || notes.text.find("io_uring was refused") != std::string::npos,
               notes.text);
  CHECK_OR_SAY(place.note == nullptr || notes.text.find(place.note) != std::string::npos,
               notes.text);
  return {};
}

std::int32_t with(warden_store* store, const char* key,
                  std::int32_t (*verb)(warden_store*, const char*, std::size_t, const void*,
                                       std::size_t, const warden_item_options*, warden_result*)) {
  warden_item_options options = WARDEN_ITEM_OPTIONS_INIT;
  options.at_ns = 0;
  return verb(store, "timer", 5, key, std::strlen(key), &options, nullptr);
}

// Works, and dies without a word to the store.
std::string first_life(const Place& place) {
  warden_store* store = nullptr;
  if (std::string said = open_there(place, store); !said.empty()) return said;
  CHECK_OR_SAY(warden_flow_define(store, kTimer, std::strlen(kTimer), nullptr, nullptr) == 0, "");
  warden_consumer* ops = nullptr;
  CHECK_OR_SAY(warden_consumer_open(store, "ops", 3, nullptr, &ops, nullptr) == WARDEN_OK, "");
  for (int i = 0; i < 50; ++i) {
    const std::string key = numbered("k", i);
    const std::string payload(2000, static_cast<char>('a' + i % 26));
    warden_item_options options = WARDEN_ITEM_OPTIONS_INIT;
    options.at_ns = 0;
    CHECK_OR_SAY(warden_track(store, "timer", 5, key.data(), key.size(), payload.data(),
                              payload.size(), &options, nullptr) == WARDEN_NEW,
                 key);
  }
  CHECK_OR_SAY(with(store, "k0", warden_complete) == WARDEN_ON_TIME, "");
  CHECK_OR_SAY(with(store, "k1", warden_cancel) == WARDEN_OK, "");
  CHECK_OR_SAY(warden_clock_advance(store, 11 * kS) == WARDEN_OK, "");
  warden_alert alerts[4];
  std::vector<char> buffer(1 << 16);
  CHECK_OR_SAY(warden_consumer_poll(ops, 0, alerts, 4, buffer.data(), buffer.size(), nullptr) == 4,
               "");
  CHECK_OR_SAY(warden_alert_ack(ops, &alerts[0].lease, 1) == 1, "");
  CHECK_OR_SAY(warden_sync(store, kLong) == WARDEN_OK, "");
  _exit(0);
}

std::string second_life(const Place& place) {
  warden_store* store = nullptr;
  if (std::string said = open_there(place, store); !said.empty()) return said;
  warden_stats stats = WARDEN_STATS_INIT;
  warden_stats_get(store, &stats);
  CHECK_OR_SAY(stats.live == 48 && stats.done == 1 && stats.cancelled == 1, "counts");
  CHECK_OR_SAY(stats.alerts_raised == 48 && stats.alerts_kept == 47,
               std::to_string(stats.alerts_kept));
  for (int i = 2; i < 50; ++i) {
    const std::string key = numbered("k", i);
    std::vector<std::uint64_t> buffer(1 << 10);
    warden_item item{};
    CHECK_OR_SAY(warden_get(store, "timer", 5, key.data(), key.size(), &item, buffer.data(),
                            buffer.size() * 8, nullptr) == WARDEN_OK,
                 key);
    CHECK_OR_SAY(item.payload_len == 2000 &&
                     *(reinterpret_cast<const char*>(buffer.data()) + item.payload_offset) ==
                         static_cast<char>('a' + i % 26),
                 key);
  }
  CHECK_OR_SAY(warden_close(store, kLong) == WARDEN_OK, "");
  warden_free(store);
  return {};
}

// Nobody's, if we are root; else we are an ordinary user already.
bool become_nobody() {
  if (::geteuid() != 0) return true;
  constexpr unsigned kNobody = 65534;
  return ::setgroups(0, nullptr) == 0 && ::setgid(kNobody) == 0 && ::setuid(kNobody) == 0 &&
         ::geteuid() == kNobody;
}

// A folder in which anybody may make a store.
std::string open_to_all(const TempDir& dir, const char* name) {
  const std::string folder = dir.path(name);
  std::filesystem::create_directory(folder);
  EXPECT_EQ(::chmod(dir.path(".").c_str(), 0755), 0);
  EXPECT_EQ(::chmod(folder.c_str(), 0777), 0);
  return folder;
}

class OrdinaryUser : public ::testing::TestWithParam<const char*> {
 protected:
  // Both lives under the same restrictions, each in a process of its own.
  static std::string both(const Place& place, const std::function<bool()>& restrict) {
    for (const auto life : {first_life, second_life}) {
      const std::string said = in_child([&]() -> std::string {
        CHECK_OR_SAY(restrict(), "not restricted");
        return life(place);
      });
      if (!said.empty()) return said;
    }
    return {};
  }
  Place place(const char* name) {
    return {open_to_all(dir_, name) + "/store", GetParam(), nullptr, nullptr};
  }
  static bool is_posix() { return std::string(GetParam()) == "posix"; }

  TempDir dir_;
};

TEST_P(OrdinaryUser, WithLittleOrNoLockableMemory) {
  for (const rlim_t bytes : {rlim_t{0}, rlim_t{65536}}) {
    Place at = place(numbered("memlock", bytes).c_str());
    if (is_posix()) at.expected = "posix";
    EXPECT_EQ(both(at,
                   [&] {
                     const rlimit limit{bytes, bytes};
                     return ::setrlimit(RLIMIT_MEMLOCK, &limit) == 0 && become_nobody();
                   }),
              "")
        << bytes;
  }
}

TEST_P(OrdinaryUser, WhereIoUringIsRefused) {
  for (const int error : {EPERM, ENOSYS, ENOMEM}) {
    Place at = place(numbered("refused", error).c_str());
    at.expected = "posix";
    if (!is_posix()) at.note = "io_uring was refused";
    EXPECT_EQ(both(at, [&] { return become_nobody() && refuse(SYS_io_uring_setup, error); }), "")
        << error;
  }
}

TEST_P(OrdinaryUser, WhereODirectIsRefused) {
  Place at = place("buffered");
  at.note = "refused O_DIRECT";
  EXPECT_EQ(both(at, [&] { return become_nobody() && refuse(SYS_openat, EINVAL, 2, O_DIRECT); }),
            "");
}

TEST_P(OrdinaryUser, WhereBothAreRefused) {
  Place at = place("neither");
  at.expected = "posix";
  at.note = "refused O_DIRECT";
  EXPECT_EQ(both(at,
                 [&] {
                   return become_nobody() && refuse(SYS_io_uring_setup, EPERM) &&
                          refuse(SYS_openat, EINVAL, 2, O_DIRECT);
                 }),
            "");
}

// A store of somebody else's is refused, not half opened.
TEST_P(OrdinaryUser, AStoreThatMayNotBeWritten) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can make a store of somebody else's";
  const Place at = place("foreign");
  EXPECT_EQ(try_open(at.path, {{"backend", GetParam()}}).code, WARDEN_OK);
  const Image before = image_of(at.path);
  EXPECT_EQ(in_child([&]() -> std::string {
              CHECK_OR_SAY(become_nobody(), "");
              const Opened got = try_open(at.path, {{"backend", GetParam()}});
              CHECK_OR_SAY(got.code == WARDEN_E_PERMISSION, got.message());
              return {};
            }),
            "");
  EXPECT_EQ(image_of(at.path), before);
}

TEST(DemandedRing, IsNotReplacedWhereItIsRefused) {
  const TempDir dir;
  const std::string path = open_to_all(dir, "demanded") + "/store";
  EXPECT_EQ(in_child([&]() -> std::string {
              CHECK_OR_SAY(become_nobody() && refuse(SYS_io_uring_setup, EPERM), "");
              const Opened got = try_open(path, {{"backend", "uring"}});
              CHECK_OR_SAY(got.code == WARDEN_E_PERMISSION, got.message());
              CHECK_OR_SAY(got.message().find(path) == 0, got.message());
              return {};
            }),
            "");
}

INSTANTIATE_TEST_SUITE_P(Backend, OrdinaryUser, ::testing::Values("auto", "posix"),
                         [](const auto& with) { return std::string(with.param); });

}  // namespace
}  // namespace warden::test
