// SPDX-License-Identifier: Apache-2.0
//
// How many threads std::thread started that have not ended, and one that the system
// refuses. For programs that are linked with counted_threads.cpp and wrap the function
// by which std::thread starts.
#pragma once

namespace warden::log::test {

// Exact once whoever started them has joined them.
int threads_running() noexcept;
// The n-th from now on cannot be had, those around it can; 0: every one can.
void refuse_thread(int n) noexcept;

}  // namespace warden::log::test
