// SPDX-License-Identifier: Apache-2.0
//
// Makes the checksums of a directory of the log fit what its files hold, as no damage
// ever does: so a fuzzer gets past them, to the code that believes what they cover.
//
// Each digest that changes is changed wherever it stands again: in the block that follows
// in the chain, in the next segment's header, in the manifest's entry. So a mutation
// stays one mutation, and does not break every link behind it.
#pragma once

#include "../sim/sim_disk.hpp"
#include "log/format.hpp"

namespace warden::fuzz {

void fit_checksums(sim::Directory& files, const log::Uuid& uuid);

}  // namespace warden::fuzz
