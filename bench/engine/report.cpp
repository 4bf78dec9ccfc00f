// SPDX-License-Identifier: Apache-2.0
#include "report.hpp"

#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

namespace bench {

void Report::heading(const std::string& text) {
  std::printf("\n%s\n%-38s %9s %3s %10s %10s %6s  %s\n", text.c_str(), "metric", "live", "thr",
              "ours", "peer", "ratio", "unit");
}

void Report::add(const Line& line) {
  lines_.push_back(line);
  std::printf("%-38s %9llu %3u %10.1f ", line.metric.c_str(),
              static_cast<unsigned long long>(line.live), line.threads, line.ours);
  if (line.peer == 0) {
    std::printf("%10s %6s", "", "");
  } else {
    std::printf("%10.1f %6.2f", line.peer, line.ours / line.peer);
  }
  std::printf("  %s\n", line.unit.c_str());
  std::fflush(stdout);
}

bool Report::write_json(const std::string& path) const {
  const auto tenth = [](double value) {
    return static_cast<double>(std::int64_t(value * 10)) / 10;
  };
  nlohmann::json list = nlohmann::json::array();
  for (const Line& line : lines_) {
    nlohmann::json one{{"metric", line.metric},   {"ours", tenth(line.ours)}, {"unit", line.unit},
                       {"threads", line.threads}, {"live", line.live},        {"peer", nullptr},
                       {"peer_name", nullptr},    {"ratio", nullptr}};
    if (line.peer != 0) {
      one["peer"] = tenth(line.peer);
      one["peer_name"] = line.peer_name;
      one["ratio"] = static_cast<double>(std::int64_t(line.ours / line.peer * 1000)) / 1000;
    }
    list.push_back(one);
  }
  std::ofstream file(path);
  file << list.dump(1) << '\n';
  file.close();
  return static_cast<bool>(file);
}

}  // namespace bench
