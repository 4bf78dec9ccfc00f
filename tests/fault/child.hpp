// SPDX-License-Identifier: Apache-2.0
//
// A process of its own for limits, filters, users and mounts, which cannot be taken back.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <functional>
#include <string>

namespace warden::test {

// Runs `body` in a child; "" if it answers "", else what it said or how it ended.
inline std::string in_child(const std::function<std::string()>& body) {
  int ends[2];
  if (::pipe(ends) != 0) return "no pipe";
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(ends[0]);
    const std::string said = body();
    if (::write(ends[1], said.data(), said.size()) < 0) _exit(2);
    _exit(said.empty() ? 0 : 1);
  }
  ::close(ends[1]);
  std::string said;
  char some[512];
  for (ssize_t got = 0; (got = ::read(ends[0], some, sizeof some)) > 0;) {
    said.append(some, static_cast<std::size_t>(got));
  }
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  if (WIFSIGNALED(status)) return said + " killed by signal " + std::to_string(WTERMSIG(status));
  return WEXITSTATUS(status) == 0 || !said.empty() ? said : "it ended without a word";
}

}  // namespace warden::test
