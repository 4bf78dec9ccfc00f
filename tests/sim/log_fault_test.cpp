// SPDX-License-Identifier: Apache-2.0
//
// H4: every operation of a fixed run of the log fails in every way, once and from
// then on; every allocation of opening fails. The answer is a clean error or none,
// and the log opens intact afterwards.
#include <gtest/gtest.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <new>

#include "io/posix_disk.hpp"
#include "log_model.hpp"

namespace {
// Counts down to the allocation that fails; negative: none does. It alone fails, or all
// after it too.
long g_allocations_left = -1;
bool g_lasting = false;
bool g_reached = false;

bool fails() {
  if (g_allocations_left < 0) return false;
  if (g_allocations_left > 0) {
    --g_allocations_left;
    return false;
  }
  g_reached = true;
  if (!g_lasting) g_allocations_left = -1;
  return true;
}
}  // namespace

void* operator new(std::size_t size) {
  if (fails()) throw std::bad_alloc();
  if (void* place = std::malloc(size == 0 ? 1 : size)) return place;
  throw std::bad_alloc();
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  if (fails()) return nullptr;
  return std::malloc(size == 0 ? 1 : size);
}
void operator delete(void* place) noexcept {
  std::free(place);
}
void operator delete(void* place, std::size_t) noexcept {
  std::free(place);
}
void operator delete(void* place, const std::nothrow_t&) noexcept {
  std::free(place);
}

namespace warden::sim {
namespace {

constexpr std::uint64_t kRun = 7;

struct Outcome {
  std::string wrong;
  bool finished = false;  // the run did not notice
};

Outcome fixed_run(SimWorld& world, LogModel& model) {
  Outcome out;
  for (int life = 0; life < 2; ++life) {
    out.wrong = model.open();
    if (!out.wrong.empty() || !model.is_open()) return out;
    bool alive = true;
    for (int i = 0; i < 24 && alive && out.wrong.empty(); ++i) {
      out.wrong = model.append(i % 8 == 0 ? 5000 : 60, alive);
      if (alive && out.wrong.empty() && i % 4 == 3) {
        // On a full disk waiting for ever is right; here the disk stays full, so look
        // only at what does become durable.
        model.rest(kSecond);
      }
    }
    if (!out.wrong.empty()) return out;
    if (alive && model.log().durable() < model.log().last_appended()) {
      model.drop();
      return out;
    }
    out.wrong = alive ? model.close_cleanly() : std::string();
    model.drop();
    if (!out.wrong.empty() || !alive) return out;
    world.locked = false;
  }
  out.finished = true;
  return out;
}

TEST(LogFaults, EveryOperationFailsInEveryWay) {
  std::uint64_t last = 0;
  {
    SimWorld world(kRun);
    io::ManualClock clock(1'000'000'000);
    LogModel model(world, clock);
    ASSERT_EQ(fixed_run(world, model).wrong, "");
    last = world.operations();
  }
  std::uint64_t runs = 0;
  std::uint64_t unnoticed = 0;
  for (std::uint64_t at = 1; at <= last; ++at) {
    for (const int error : {0, -EIO, -ENOSPC, -EINTR, -EAGAIN, -ENOMEM}) {
      for (const bool sticky : {false, true}) {
        if (sticky && error == 0) continue;
        SimWorld world(kRun);
        io::ManualClock clock(1'000'000'000);
        LogModel model(world, clock);
        world.fail_at = at;
        world.fail_with = error;
        world.fail_sticky = sticky;
        const Outcome out = fixed_run(world, model);
        ASSERT_EQ(out.wrong, "") << "operation " << at << " answers " << error
                                 << (sticky ? " from then on" : " once");
        ++runs;
        unnoticed += out.finished ? 1 : 0;
        model.drop();
        world.restart_after_kill();
        world.locked = false;
        ASSERT_EQ(model.open(), "") << "operation " << at << " answered " << error;
        ASSERT_TRUE(model.is_open()) << model.open_error().message;
        model.drop();
        world.restart([](std::size_t, std::size_t) { return false; }, 0);
        ASSERT_EQ(model.open(), "") << "operation " << at << " answered " << error;
        ASSERT_TRUE(model.is_open()) << model.open_error().message;
      }
    }
  }
  std::printf("faults: %llu operations, %llu runs, %llu of them without a trace\n",
              static_cast<unsigned long long>(last), static_cast<unsigned long long>(runs),
              static_cast<unsigned long long>(unnoticed));
}

TEST(LogFaults, EveryAllocationOfOpeningFails) {
  io::ManualClock clock(1'000'000'000);
  SimWorld world(kRun);
  LogModel model(world, clock);
  ASSERT_EQ(model.open(), "");
  bool alive = true;
  for (int i = 0; i < 20; ++i) ASSERT_EQ(model.append(100, alive), "");
  ASSERT_EQ(model.sync(alive), "");
  model.drop();
  class QuietSink final : public log::ReplaySink {
   public:
    Error apply(Lsn, log::RecordType, std::uint64_t, log::Part) override {
      ++records;
      return {};
    }
    void reset() override { records = 0; }
    int records = 0;
  } sink;
  const auto disk = io::make_real_disk(io::Backend::posix);
  char name[] = "/tmp/warden-fault-XXXXXX";
  const std::string path = std::string(::mkdtemp(name)) + "/store";
  log::Options options = model.options();
  options.clock = &clock;
  std::unique_ptr<log::Log> log;
  ASSERT_EQ(log::Log::open(*disk, path, options, sink, log).code, Code::ok);
  constexpr int kRecords = 20;
  for (int i = 0; i < kRecords; ++i) {
    log::Credit credit;
    ASSERT_EQ(log->reserve(5, 1, log::ReserveFlags::none, credit), Code::ok);
    log->append(credit, log::RecordType::state, 1, std::as_bytes(std::span("hello", 5)));
    log->release(credit);
  }
  ASSERT_EQ(log->sync(-1), Code::ok);
  log.reset();
  int refused = 0;
  bool ended[2] = {false, false};
  for (long n = 0; !ended[0] || !ended[1]; ++n) {
    g_lasting = n % 2 != 0;
    g_reached = false;
    g_allocations_left = n / 2;
    const Error error = log::Log::open(*disk, path, options, sink, log);
    const bool reached = g_reached;
    g_allocations_left = -1;
    log.reset();
    // A refused opening changes nothing, and the next finds all of it.
    sink.records = 0;
    const Error again = log::Log::open(*disk, path, options, sink, log);
    ASSERT_EQ(again.code, Code::ok) << "after allocation " << n << ": " << again.message;
    ASSERT_EQ(sink.records, kRecords) << "after allocation " << n;
    log.reset();
    if (!reached) {
      EXPECT_EQ(error.code, Code::ok) << error.message;
      ended[n % 2] = true;
      continue;
    }
    if (!error) continue;  // it could do without, as when removing leftovers
    ++refused;
    EXPECT_EQ(error.code, Code::no_memory) << "allocation " << n << ": " << error.message;
  }
  EXPECT_GT(refused, 10);
  std::printf("allocations: %d refusals\n", refused);
  ASSERT_EQ(std::system(("rm -rf " + path.substr(0, path.size() - 6)).c_str()), 0);
}

// A disk that is full: ordinary records are refused, closings go on, and it resumes.
TEST(LogFaults, AFullDiskRefusesAndResumes) {
  io::ManualClock clock(1'000'000'000);
  SimWorld world(kRun);
  LogModel model(world, clock);
  ASSERT_EQ(model.open(), "");
  world.capacity = world.used() + 70 * 1024;  // not enough for the next segment
  bool alive = true;
  int tries = 0;
  while (!model.log().stats().starved && ++tries < 1000) {
    ASSERT_EQ(model.append(500, alive), "");
    ASSERT_TRUE(alive);
    model.pump(3);
    model.rest(kMilli);
  }
  ASSERT_TRUE(model.log().stats().starved);
  log::Credit credit;
  EXPECT_EQ(model.log().reserve(100, 1, log::ReserveFlags::nowait, credit), Code::no_space);
  EXPECT_EQ(model.log().reserve(100, 1, log::ReserveFlags::none, credit), Code::no_space);
  world.capacity = ~std::uint64_t{0};
  model.rest(kSecond);
  EXPECT_FALSE(model.log().stats().starved);
  ASSERT_EQ(model.append(500, alive), "");
  ASSERT_EQ(model.sync(alive), "");
  ASSERT_TRUE(alive);
  ASSERT_EQ(model.close_cleanly(), "");
  world.locked = false;
  ASSERT_EQ(model.open(), "");
  ASSERT_TRUE(model.is_open());
}

}  // namespace
}  // namespace warden::sim
