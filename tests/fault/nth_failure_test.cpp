// SPDX-License-Identifier: Apache-2.0
//
// H4 for the whole engine: a fixed run (script.hpp) in which every operation of the disk
// fails in every way, and every allocation fails, once and from then on. Afterwards the
// store opens, as a killed process and as a power loss leave it, and holds all that was
// acknowledged.
//
// Each test prints what it covered. WARDEN_FAULT_STEP=n tries every n-th place only; under
// a sanitizer it is every 11th unless that says otherwise.
#include <gtest/gtest.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "allocations.hpp"
#include "script.hpp"

namespace warden::fault {
namespace {

constexpr std::uint64_t kRun = 11;
constexpr Nanos kStart = 1'000'000'000'000;

// Sanitizers make a run some ten times as slow.
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr std::uint64_t kStep = 11;
#else
constexpr std::uint64_t kStep = 1;
#endif

std::uint64_t step() {
  const char* text = std::getenv("WARDEN_FAULT_STEP");
  return text == nullptr ? kStep : std::max(1ull, std::strtoull(text, nullptr, 0));
}

// One run with what `prepare` sets up; then both ways of what is left.
struct Outcome {
  std::string wrong;
  unsigned failures = 0;
  unsigned refusals = 0;
  std::uint64_t operations = 0;
};

template <class Prepare, class Lift>
Outcome disturbed(bool lasting, Prepare&& prepare, Lift&& lift) {
  const sim::Exempt exempt;  // Script lifts it around calls of the library
  sim::SimWorld world(kRun);
  world.count_all = true;
  io::ManualClock clock(kStart);
  prepare(world);
  Script script(world, clock, lasting);
  Outcome out;
  out.wrong = script.run();
  lift();
  out.failures = script.failures();
  out.refusals = script.refusals();
  out.operations = world.operations();
  for (const bool power : {false, true}) {
    if (!out.wrong.empty()) return out;
    const auto left = world.clone(kRun);
    if (power) {
      left->restart([](std::size_t, std::size_t) { return false; }, 0);
    } else {
      left->restart_after_kill();
    }
    Expected expected = script.expected();
    out.wrong = expected.verify(*left, script.now() + 100 * kSecond);
    if (!out.wrong.empty()) out.wrong += power ? " (power lost)" : " (killed)";
  }
  return out;
}

const char* name_of(int error) {
  switch (error) {
    case 0:
      return "a short write";
    case -EIO:
      return "EIO";
    case -ENOSPC:
      return "ENOSPC";
    case -EINTR:
      return "EINTR";
    default:
      return "EAGAIN";
  }
}

TEST(EngineFaults, EveryOperationOfTheDiskFailsInEveryWay) {
  const Outcome whole = disturbed(
      false, [](sim::SimWorld&) {}, [] {});
  ASSERT_EQ(whole.wrong, "");
  ASSERT_EQ(whole.failures + whole.refusals, 0u) << "undisturbed, nothing fails";
  std::uint64_t runs = 0;
  std::uint64_t failures = 0;
  std::uint64_t refusals = 0;
  std::uint64_t sites = 0;
  for (std::uint64_t at = 1; at <= whole.operations; at += step(), ++sites) {
    for (const int error : {0, -EIO, -ENOSPC, -EINTR, -EAGAIN}) {
      for (const bool sticky : {false, true}) {
        const auto prepare = [&](sim::SimWorld& world) {
          world.fail_at = at;
          world.fail_with = error;
          world.fail_sticky = sticky;
          // A durable call waits for room for as long as it takes: so it comes back.
          if (error == -ENOSPC) world.fail_for = 40;
        };
        const Outcome out = disturbed(sticky, prepare, [] {});
        ASSERT_EQ(out.wrong, "") << "operation " << at << " answers " << name_of(error)
                                 << (sticky ? " from then on" : " once");
        ++runs;
        failures += out.failures;
        refusals += out.refusals;
      }
    }
  }
  std::printf(
      "disk: %llu of %llu operations x 5 answers x once and from then on = %llu runs; the device "
      "counted as failed %llu times, %llu calls were refused\n",
      static_cast<unsigned long long>(sites), static_cast<unsigned long long>(whole.operations),
      static_cast<unsigned long long>(runs), static_cast<unsigned long long>(failures),
      static_cast<unsigned long long>(refusals));
  EXPECT_GT(failures, 0u);
  EXPECT_GT(refusals, 0u);
}

TEST(EngineFaults, EveryAllocationFails) {
  // Once before it is counted: buffers that a thread keeps are made in its first run.
  ASSERT_EQ(disturbed(
                false, [](sim::SimWorld&) {}, disarm)
                .wrong,
            "");
  const Outcome whole = disturbed(
      false, [](sim::SimWorld&) { count(); }, disarm);
  ASSERT_EQ(whole.wrong, "");
  const std::uint64_t all = allocations();
  ASSERT_GT(all, 100u);
  std::uint64_t runs = 0;
  std::uint64_t refusals = 0;
  std::uint64_t sites = 0;
  for (std::uint64_t at = 0; at < all; at += step(), ++sites) {
    for (const bool sticky : {false, true}) {
      const Outcome out = disturbed(
          sticky, [&](sim::SimWorld&) { arm(at, sticky); }, disarm);
      ASSERT_EQ(out.wrong, "") << "allocation " << at << " fails"
                               << (sticky ? ", and all after it" : "");
      ASSERT_EQ(out.failures, 0u) << "memory is no device: allocation " << at;
      ASSERT_GT(failed_allocations(), 0u) << "allocation " << at << " was never made";
      ++runs;
      refusals += out.refusals;
    }
  }
  std::printf(
      "memory: %llu of %llu allocations, once and from then on = %llu runs; %llu calls were "
      "refused\n",
      static_cast<unsigned long long>(sites), static_cast<unsigned long long>(all),
      static_cast<unsigned long long>(runs), static_cast<unsigned long long>(refusals));
  EXPECT_GT(refusals, 0u);
}

}  // namespace
}  // namespace warden::fault
