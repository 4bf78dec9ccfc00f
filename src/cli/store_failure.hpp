// SPDX-License-Identifier: Apache-2.0
//
// An error of the engine's or the log's own, as this command's failure: for the files
// that look below the C ABI.
#pragma once

#include <string>

#include "base/code.hpp"
#include "cli/failure.hpp"

namespace warden::cli {

inline Failure store_failure(const std::string& directory, const Error& error) {
  const std::string message =
      error.message.empty() ? directory + ": cannot be read" : error.message;
  switch (error.code) {
    case Code::corrupt:
    case Code::newer_format:
    case Code::not_a_store:
      return bad_input(message);
    case Code::internal:
      return Failure{ExitCode::engine, message};
    default:
      return bad_environment(message);
  }
}

}  // namespace warden::cli
