// SPDX-License-Identifier: Apache-2.0
//
// Bugs to test the tests with. They exist only where WARDEN_PLANTS is defined, in a
// test's own build of this folder; elsewhere planted() is the constant false, which
// leaves no branch behind (consteval).
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
  again_is_done,           // EAGAIN of a write counts as written
  flush_retried,           // a failed flush is asked again, and believed
  short_zeros_are_whole,   // a new segment is as long as was asked, not as was written
  no_seal,                 // a clean close does not say where the log ends
  old_manifest_first,      // removed before CURRENT names the new one
  chain_unchecked,         // a block need not follow the one before it
  sealed_end_unchecked,    // a chain may end before the sealed end
  sum_unchecked,           // of a record
  read_error_is_end,
  cache_is_trusted,        // what a failed flush left in the page cache is recovered
  header_error_is_unused,  // a segment whose header cannot be read
  cut_answers_ok,          // waiting for what a crash cut off
  reader_unbounded,        // a reader beside a writer takes what is not flushed
  lock_ignored,            // a second opening for writing
  full_disk_refuses_none,  // all of what is left goes to submits
  starved_for_ever,        // room that comes back is not noticed
  count,
};

#ifdef WARDEN_PLANTS
extern Plant g_planted;
inline bool planted(Plant plant) noexcept {
  return g_planted == plant;
}
#else
consteval bool planted(Plant) noexcept {
  return false;
}
#endif

}  // namespace warden::log
