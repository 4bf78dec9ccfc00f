// SPDX-License-Identifier: Apache-2.0
//
// Tells a forked child that a handle is its parent's. pthread_atfork(3) bumps a
// number in the child; a store compares it with the one that it was opened under.
#pragma once

#include <cstdint>

namespace warden::engine {

std::uint32_t fork_generation() noexcept;

}  // namespace warden::engine
