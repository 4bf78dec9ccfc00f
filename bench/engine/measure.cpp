// SPDX-License-Identifier: Apache-2.0
#include "measure.hpp"

#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace bench {
namespace {

std::int64_t read(clockid_t clock) noexcept {
  timespec now{};
  clock_gettime(clock, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

void fail(const std::string& what) {
  std::fprintf(stderr, "warden_bench_engine: %s\n", what.c_str());
  std::exit(1);
}

std::int64_t process_cpu_ns() noexcept {
  return read(CLOCK_PROCESS_CPUTIME_ID);
}
std::int64_t wall_ns() noexcept {
  return read(CLOCK_MONOTONIC);
}

double median(std::vector<double> values) noexcept {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

}  // namespace bench
