// SPDX-License-Identifier: Apache-2.0
//
// What was measured: a table for people as it comes, a list for programs at the end.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace bench {

struct Line {
  std::string metric;
  double ours = 0;
  double peer = 0;        // 0: there is no peer
  std::string peer_name;  // or what `peer` is
  std::string unit;
  unsigned threads = 1;
  std::uint64_t live = 0;
};

class Report {
 public:
  void heading(const std::string& text);
  void add(const Line& line);
  // Writes the list; false if the file could not be written.
  bool write_json(const std::string& path) const;

 private:
  std::vector<Line> lines_;
};

}  // namespace bench
