// SPDX-License-Identifier: Apache-2.0
#include "engine/store.hpp"

namespace warden::engine {

Error Store::backup(const char* to, log::BackupReport& out) {
  if (!recorder_.has_log()) {
    return Error{Code::bad_state,
                 "backup: this store keeps everything in memory; expected one with a path"};
  }
  return recorder_.log().backup(*disk_, to, {}, out);
}

}  // namespace warden::engine
