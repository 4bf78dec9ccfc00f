// SPDX-License-Identifier: Apache-2.0
//
// Fork safety. A forked child shares its parent's open file descriptions: left
// open, they would keep the store locked after the parent's end. So every
// descriptor of a store is registered here, and a handler of pthread_atfork closes
// all of them in the child, which thereby can neither write nor hold a store.
//
// Invariants
// 1. A descriptor is opened and registered under one lock, and taken out and closed under
//    it; fork() takes it as well. So the table never names a number that was reused, and
//    no child begins between the two with a descriptor that the table does not know.
// 2. generation() differs between a parent and its forked children, so that an
//    object can tell that it was inherited.
// 3. No deadlock comes of that lock. Under it there are only system calls that open, map and
//    close, none of which waits for another thread (a FIFO is opened O_NONBLOCK), and
//    growing the table. That may take a lock of the allocator, which fork() takes after
//    ours too. Nobody is called back. fork() waits as long as such a system call takes.
// 4. A child made by clone() without the C library's handlers is not covered.
#pragma once

#include <cstdint>

namespace warden::io {

// While there is one, no other thread forks, and none opens or closes here.
class NoFork {
 public:
  NoFork() noexcept;
  ~NoFork();
  NoFork(const NoFork&) = delete;
  NoFork& operator=(const NoFork&) = delete;
  // For a descriptor opened since. False when memory is out; it is then not registered.
  bool guard_fd(int fd) noexcept;
};

// Closes it and takes it out; in a forked child, where the handler has closed
// everything already, does nothing.
void close_guarded_fd(int fd) noexcept;
std::uint32_t fork_generation() noexcept;

}  // namespace warden::io
