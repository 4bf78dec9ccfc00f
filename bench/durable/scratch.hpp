// SPDX-License-Identifier: Apache-2.0
//
// A directory of a bench's own, gone with all that is in it when the bench ends.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

namespace warden::bench {

class Scratch {
 public:
  // In `parent`, which must be there; path() is empty if it cannot be made.
  explicit Scratch(const std::string& parent) {
    std::string form = parent + "/warden-bench-XXXXXX";  // mkdtemp(3) fills in the X
    if (::mkdtemp(form.data()) != nullptr) path_ = form;
  }
  ~Scratch() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace warden::bench
