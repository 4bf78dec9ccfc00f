// SPDX-License-Identifier: Apache-2.0
//
// Fork safety. A forked child shares its parent's open file descriptions: left
// open, they would keep the store locked after the parent's end. So every
// descriptor of a store is registered here, and a handler of pthread_atfork closes
// all of them in the child, which thereby can neither write nor hold a store.
//
// Invariants
// 1. A descriptor is registered before the call that opened it returns, and taken
//    out before it is closed: the table never names a number that was reused.
//    Both happen under one lock, which fork() takes as well.
// 2. generation() differs between a parent and its forked children, so that an
//    object can tell that it was inherited.
// 3. A child made by clone() without the C library's handlers is not covered.
#pragma once

#include <cstdint>

namespace warden::io {

// False when memory is out; the descriptor is then not registered.
bool guard_fd(int fd) noexcept;
// Closes it and takes it out; in a forked child, where the handler has closed
// everything already, does nothing.
void close_guarded_fd(int fd) noexcept;
std::uint32_t fork_generation() noexcept;

}  // namespace warden::io
