// SPDX-License-Identifier: Apache-2.0
//
// Recovery for who only looks: a read-only opening, a copy from outside. Whether a writer is
// at work is looked up before; but one may come, and go, while the log is read, and what it
// freed then looks like damage. Each opening for writing writes a manifest: as long as the
// number that was read is still the present one, nobody has come.
#include "log/errors.hpp"
#include "log/recovery.hpp"

namespace warden::log {

Error recover_unlocked(io::Dir& dir, const std::string& path, ReplaySink& sink, Recovered& out) {
  for (;;) {
    const int locked = dir.locked();
    if (locked < 0) return io_error(path, "LOCK", "look at it", locked);
    Error error = recover(dir, path, locked == 1, sink, out);
    if (locked == 1 || error.code != Code::corrupt) return error;
    Manifest present;
    if (read_manifest(dir, path, present) || present.number == out.manifest.number) return error;
    sink.reset();
  }
}

}  // namespace warden::log
