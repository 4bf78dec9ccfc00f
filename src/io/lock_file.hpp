// SPDX-License-Identifier: Apache-2.0
//
// LOCK: the lock itself (flock), and the text that says who has it.
//
//   "<process> <start>\n"   process number, and when it started: field 22 of its
//                           /proc/<process>/stat, 0 where that cannot be read
//   "<process>\n"           by versions that did not write the second
//
// Invariants
// 1. The lock is what counts. The text decides only whether it is worth while to wait, and
//    what the message says.
// 2. Who is seen to live is not waited for (a holder in another PID namespace is not seen).
//    Who was killed is: the kernel keeps the lock until the
//    last write of its ring has landed. A number alone may be another process's by now (a
//    container that is started again calls everybody by the same numbers), so a holder
//    lives only if a process of that number started when the text says.
// 3. There is one limit to waiting, in all, by the clock.
#pragma once

#include "io/disk.hpp"

namespace warden::io {

// For the last writes of a holder that is gone. It should take milliseconds; a device that
// takes longer than this is not waited for by a call that somebody waits for.
inline constexpr Nanos kLockPatience = 5 * kSecond;

// Locks what `fd` has open, and writes our text. 0 or -errno; -EWOULDBLOCK with `holder`.
int take_lock(int fd, Nanos patience, LockHolder& holder) noexcept;
// Leaves no text behind that could be taken for a holder's.
void give_lock_back(int fd) noexcept;

}  // namespace warden::io
