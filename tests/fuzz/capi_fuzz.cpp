// SPDX-License-Identifier: Apache-2.0
//
// Fuzz target of the C ABI: bytes -> a sequence of calls on a store on the simulated disk,
// with invalid arguments, a failing disk, kills and losses of power among them
// (capi_session.hpp says what is checked).
#include "capi_session.hpp"
#include "plant.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  warden::fuzz::Input in(data, size);
  warden::fuzz::Session session(in);
  for (int steps = 0; steps < 200 && !in.over(); ++steps) session.step();
  session.finish();
  warden::fuzz::misbehave(size);
  return 0;
}
