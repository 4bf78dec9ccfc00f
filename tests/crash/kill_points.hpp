// SPDX-License-Identifier: Apache-2.0
//
// Named points at which the child of the kill harness kills itself: just before or just
// after the n-th call of one kind on one kind of file. The calls are those by which the
// library changes its directory; kill_points.cpp stands in for them in this program alone.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace warden::crash {

struct Point {
  const char* call;  // as the C library or liburing names it
  const char* file;  // segment, manifest, current, lock, directory, ring
  bool after;        // else before
  std::uint32_t nth;
  // Every opening of a store that was there passes it: a child that does not is a failure.
  // Others are passed under load, or not before the time is up.
  bool certain;

  std::string name() const;
};

// One of each that there is, `nth` from 1 to `most`; those of io_uring if it is used.
std::vector<Point> named_points(std::uint32_t most, bool with_ring);
// In the child: from now on.
void arm(const std::string& name);

}  // namespace warden::crash
