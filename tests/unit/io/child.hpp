// SPDX-License-Identifier: Apache-2.0
//
// A process of its own for filters and limits, which cannot be taken back.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <functional>

namespace warden::test {

// Runs `body` in a child; its answer must be 0, else the line where it gave up.
inline int in_child(const std::function<int()>& body) {
  const pid_t child = ::fork();
  if (child == 0) _exit(body());
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

#define GIVE_UP_UNLESS(cond) \
  if (!(cond)) return __LINE__ % 250 + 1

}  // namespace warden::test
