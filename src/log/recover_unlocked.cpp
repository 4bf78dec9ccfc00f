// SPDX-License-Identifier: Apache-2.0
//
// Recovery for who only looks: a read-only opening, a copy from outside. Whether a writer is
// at work is looked up before; but one may come, and go, after that look. What it freed
// meanwhile then looks like damage, and what it has not flushed like records.
//
// Each opening for writing writes a manifest before its first record: if the number is the
// same before the look and after the reading, nobody has written anything in between.
#include "log/errors.hpp"
#include "log/recovery.hpp"

namespace warden::log {

namespace {

// 0: there is none that can be read.
std::uint64_t manifest_number(io::Dir& dir, const std::string& path) {
  Manifest present;
  return read_manifest(dir, path, present) ? 0 : present.number;
}

}  // namespace

Error recover_unlocked(io::Dir& dir, const std::string& path, ReplaySink& sink, Recovered& out) {
  for (;;) {
    const std::uint64_t before = manifest_number(dir, path);
    const int locked = dir.locked();
    if (locked < 0) return io_error(path, "LOCK", "look at it", locked);
    Error error = recover(dir, path, locked == 1, sink, out);
    if (locked == 1 || manifest_number(dir, path) == before) return error;
    sink.reset();
  }
}

}  // namespace warden::log
