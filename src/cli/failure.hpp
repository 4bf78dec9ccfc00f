// SPDX-License-Identifier: Apache-2.0
//
// How the command reports that something went wrong: a value that carries the
// one line for the person and the exit code for the script. It travels up to
// main.cpp, which is the only place that prints it.
//
// Invariants:
//   1. A message names the file (and line, where there is one), says what was
//      wrong and what was expected. It is printed as one line, whatever it holds.
//   2. The numbers of ExitCode are documented (docs/cli.md) and do not change.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace warden::cli {

enum class ExitCode : int {
  ok = 0,
  fault_found = 1,  // the run itself found a fault: demo missed a dropped item, say
  usage = 2,        // the command line
  bad_input = 3,    // an input file is missing, unreadable or wrong
  environment = 4,  // output cannot be written, memory or threads are out
  engine = 5,       // the engine refused or failed what it should have accepted
};

struct Failure {
  ExitCode exit_code = ExitCode::engine;
  std::string message;
};

// Nothing, or why not.
using Status = std::optional<Failure>;

// A value, or why there is none.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : content_(std::move(value)) {}            // NOLINT(google-explicit-constructor)
  Result(Failure failure) : content_(std::move(failure)) {}  // NOLINT(google-explicit-constructor)

  bool ok() const { return content_.index() == 0; }
  T& value() { return *std::get_if<0>(&content_); }
  const T& value() const { return *std::get_if<0>(&content_); }
  Failure& failure() { return *std::get_if<1>(&content_); }
  const Failure& failure() const { return *std::get_if<1>(&content_); }

 private:
  std::variant<T, Failure> content_;
};

inline Failure bad_input(std::string message) {
  return Failure{ExitCode::bad_input, std::move(message)};
}
inline Failure bad_usage(std::string message) {
  return Failure{ExitCode::usage, std::move(message)};
}
inline Failure bad_environment(std::string message) {
  return Failure{ExitCode::environment, std::move(message)};
}

}  // namespace warden::cli
