// SPDX-License-Identifier: Apache-2.0
//
// A kernel that says no: a seccomp filter, which cannot be taken back, so it belongs into
// a child.
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <iterator>

namespace warden::test {

// From now on, for all threads of this process and its children, system call `number` answers
// `error`; with `flag`, only if its argument `arg` has it.
inline bool refuse(long number, int error, unsigned arg = 0, std::uint32_t flag = 0) {
  const auto errno_return = static_cast<std::uint32_t>(SECCOMP_RET_ERRNO | error);
  const auto call = static_cast<std::uint32_t>(number);
  const auto low_word =
      static_cast<std::uint32_t>(offsetof(seccomp_data, args) + sizeof(std::uint64_t) * arg);
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, low_word),
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, flag, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, errno_return),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  if (flag == 0) {
    filter[2] = BPF_STMT(BPF_RET | BPF_K, errno_return);
  }
  sock_fprog program = {static_cast<unsigned short>(std::size(filter)), filter};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) == 0;
}

}  // namespace warden::test
