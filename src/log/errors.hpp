// SPDX-License-Identifier: Apache-2.0
//
// One clear line for each way in which storage says no.
#pragma once

#include <string>

#include "base/code.hpp"

namespace warden::log {

// no_space, no_memory, permission or io, by errno (positive).
Code code_of_errno(int error) noexcept;
bool is_full(int error) noexcept;  // ENOSPC, EDQUOT, EFBIG

Error make_error(Code code, std::string message, std::uint64_t offset = 0);
// A full disk, a quota or a limit of file sizes, for a person.
std::string no_room_text(const std::string& path, const char* what, int error);
// "<path>/<file>: cannot <what>: <strerror>". `result` is -errno.
Error io_error(const std::string& path, const std::string& file, const char* what,
               std::int64_t result);
// "<path>/<file>: damaged at byte <offset>: <what>"
Error damage(const std::string& path, const std::string& file, std::uint64_t offset,
             const std::string& what);

}  // namespace warden::log
