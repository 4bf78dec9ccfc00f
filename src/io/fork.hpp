// SPDX-License-Identifier: Apache-2.0
//
// Fork safety. A forked child shares its parent's open file descriptions: left
// open, they would keep the store locked after the parent's end. So every
// descriptor of a store is registered here, and a handler of pthread_atfork closes
// all of them in the child, which thereby can neither write nor hold a store.
//
// Invariants
// 1. While a descriptor is opened and registered there is a NoFork, which fork() waits for;
//    it is taken out and closed under the table's lock, which fork() takes. So the table
//    never names a number that was reused, and no child begins between the two with a
//    descriptor that the table does not know.
// 2. generation() differs between a parent and its forked children, so that an
//    object can tell that it was inherited.
// 3. Only fork() waits for a NoFork, as long as the system calls under it take: opening,
//    listing, mapping, none of which waits for another thread (a FIFO is opened
//    O_NONBLOCK). Nobody else who opens or closes does, of this store or another. The
//    table's lock is held for a few instructions, and for growing the table: that may take
//    a lock of the allocator, which fork() takes after ours too. Nobody is called back.
// 4. A child made by clone() without the C library's handlers is not covered.
#pragma once

#include <cstdint>

namespace warden::io {

// While there is one, no other thread forks. Its own thread must not.
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
