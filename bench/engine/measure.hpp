// SPDX-License-Identifier: Apache-2.0
//
// What all workloads share: keys, clocks, threads that start together, medians.
//
// Two clocks are read around each phase. CPU is that of the whole process, so the
// engine's keeper counts too; it is the figure for one thread, since other programs on
// the machine hardly move it. Wall time is the figure for two threads, since a thread
// that waits for a mutex costs no CPU.
#pragma once

#include <barrier>
#include <cstdint>
#include <cstring>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace bench {

inline constexpr std::size_t kKeyBytes = 16;
inline constexpr std::size_t kPayloadBytes = 100;

// Prints the line to standard error and ends the program with code 1: a bench whose
// workload went wrong has no figures.
[[noreturn]] void fail(const std::string& what);

constexpr std::uint64_t mix(std::uint64_t x) noexcept {  // the finaliser of MurmurHash3
  x ^= x >> 33;
  x *= 0xff51'afd7'ed55'8ccdu;
  x ^= x >> 33;
  x *= 0xc4ce'b9fe'1a85'ec53u;
  return x ^ (x >> 33);
}

// Key and payload of item `id`, made anew wherever they are needed: no array of a
// million keys stands in the caches or in the memory figures.
struct Key {
  char bytes[kKeyBytes];
  explicit Key(std::uint64_t id) noexcept {
    const std::uint64_t words[2] = {mix(id), id};
    std::memcpy(bytes, words, sizeof bytes);
  }
  std::string_view view() const noexcept { return {bytes, sizeof bytes}; }
};

struct Payload {
  char bytes[kPayloadBytes];
  explicit Payload(std::uint64_t id) noexcept {
    std::memset(bytes, 'p', sizeof bytes);
    std::memcpy(bytes, &id, sizeof id);
  }
  std::string_view view() const noexcept { return {bytes, sizeof bytes}; }
};

std::int64_t process_cpu_ns() noexcept;
std::int64_t wall_ns() noexcept;

struct Cost {
  double cpu_ns = 0;   // of the process, an operation
  double wall_ns = 0;  // from the first start to the last end, an operation of all threads
};

// Runs body(thread) on `threads` threads at once. `operations` is the sum of theirs.
template <class Body>
Cost timed(unsigned threads, std::size_t operations, Body&& body) {
  std::int64_t cpu = 0;
  std::int64_t wall = 0;
  if (threads == 1) {
    cpu = process_cpu_ns();
    wall = wall_ns();
    body(0u);
  } else {
    std::barrier<> start(threads + 1);
    std::vector<std::jthread> running;
    for (unsigned t = 0; t < threads; ++t) {
      running.emplace_back([&start, &body, t] {
        start.arrive_and_wait();
        body(t);
      });
    }
    cpu = process_cpu_ns();
    wall = wall_ns();
    start.arrive_and_wait();
    running.clear();  // joins
  }
  const auto count = static_cast<double>(operations);
  return {static_cast<double>(process_cpu_ns() - cpu) / count,
          static_cast<double>(wall_ns() - wall) / count};
}

double median(std::vector<double> values) noexcept;

// Moves `count` random elements to the end and answers them.
inline std::span<std::uint64_t> pick(std::vector<std::uint64_t>& from, std::size_t count,
                                     std::mt19937_64& random) {
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t end = from.size() - i;
    std::swap(from[random() % end], from[end - 1]);
  }
  return std::span(from).last(count);
}

}  // namespace bench
