// SPDX-License-Identifier: Apache-2.0
//
// Everything that a program may do with a store, tried on one that was made of mutated
// bytes: whatever it holds, no call may crash, hang, or answer INTERNAL.
#pragma once

#include <warden/warden.h>

namespace warden::fuzz {

// Some life on a new store on a manual clock, so that its log holds every kind of record
// that verbs write: items in all states, alerts taken and not, consumers, flows. Aborts
// if a step is refused.
void live_a_while(warden_store* store);

void use_everything(warden_store* store);

}  // namespace warden::fuzz
