// SPDX-License-Identifier: Apache-2.0
//
// What the child of the kill harness tells its parent through a pipe: before each
// call that it is about to make it, after each answer that it got it. A message is
// smaller than PIPE_BUF, so messages of several threads never mix (pipe(7)).
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>

namespace warden::crash {

// The steps of an item's life, in order.
enum Step : std::uint32_t { kNone, kTracked, kCopied, kChecked, kDone };

struct Message {
  std::uint32_t round;
  std::uint32_t thread;
  std::uint32_t item;
  std::uint32_t step;
  std::uint32_t answered;  // 0: about to call; 1: answered, durable
};

inline std::string key_of(std::uint32_t round, std::uint32_t thread, std::uint32_t item) {
  return "r" + std::to_string(round) + "-t" + std::to_string(thread) + "-i" + std::to_string(item);
}
inline std::string payload_of(const std::string& key) {
  return "payload of " + key + std::string(key.size() * 7 % 90, '.');
}
// Every 4th item is dropped after its first stage: it must be detected.
inline bool is_dropped(std::uint32_t item) { return item % 4 == 0; }

inline constexpr char kFlowText[] = R"(
[flow]
name = "crash"
stages = ["copied", "checked"]
[[rule]]
name = "hand-off"
kind = "stage"
from = "copied"
to = ["checked"]
within = "20ms"
)";

int run_child(const char* store, std::uint32_t round, const char* backend, int pipe_fd);

}  // namespace warden::crash
