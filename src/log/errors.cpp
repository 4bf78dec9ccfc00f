// SPDX-License-Identifier: Apache-2.0
//
// Texts of errors.
#include "log/errors.hpp"

#include <cerrno>
#include <cstring>

namespace warden::log {

bool is_full(int error) noexcept {
  return error == ENOSPC || error == EDQUOT || error == EFBIG;
}

Code code_of_errno(int error) noexcept {
  if (is_full(error)) return Code::no_space;
  switch (error) {
    case ENOMEM:
    case EMFILE:
    case ENFILE:
      return Code::no_memory;
    case EACCES:
    case EPERM:
    case EROFS:
      return Code::permission;
    default:
      return Code::io;
  }
}

Error make_error(Code code, std::string message, std::uint64_t offset) {
  Error error;
  error.code = code;
  error.message = std::move(message);
  error.offset = offset;
  return error;
}

Error io_error(const std::string& path, const std::string& file, const char* what,
               std::int64_t result) {
  const int number = static_cast<int>(-result);
  std::string text = path;
  if (!file.empty()) text.append("/").append(file);
  text.append(": cannot ").append(what).append(": ").append(std::strerror(number));
  return make_error(code_of_errno(number), std::move(text));
}

std::string no_room_text(const std::string& path, const char* what, int error) {
  return path + ": cannot " + what + ": " + std::strerror(error) +
         "; new flows, consumers and items are refused until there is room";
}

Error damage(const std::string& path, const std::string& file, std::uint64_t offset,
             const std::string& what) {
  return make_error(Code::corrupt,
                    path + "/" + file + ": damaged at byte " + std::to_string(offset) + ": " + what,
                    offset);
}

}  // namespace warden::log
