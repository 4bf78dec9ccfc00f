// SPDX-License-Identifier: Apache-2.0
//
// Bugs to test the tests with. They exist only where WARDEN_PLANTS is defined, in a
// test's own build of this folder; elsewhere planted() is the constant false.
#pragma once

namespace warden::log {

enum class Plant : int {
  none = 0,
  ack_before_flush,        // durable as soon as it is written
  flush_covers_unwritten,  // a flush counts for writes that are not complete
  short_write_is_whole,
  flush_error_ignored,
  no_directory_sync,
  current_not_flushed,  // before it is renamed into place
  no_epoch_bump,
  no_recovery_sync,   // what recovery read is sealed unflushed
  rotate_unflushed,   // a segment is left before it is flushed
  spare_not_flushed,  // its zeros, and so its size, are not safe when it is listed
  synced_ignored,     // the tail rule without its proof
  no_beacon,
  unlink_before_manifest,  // a freed file goes before the manifest that lists it
  free_before_durable,     // a segment is freed before what was moved is flushed
  digest_unchecked,        // a block counts by its header alone
  count,
};

#ifdef WARDEN_PLANTS
extern Plant g_planted;
inline bool planted(Plant plant) noexcept {
  return g_planted == plant;
}
#else
constexpr bool planted(Plant) noexcept {
  return false;
}
#endif

}  // namespace warden::log
