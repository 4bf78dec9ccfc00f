// SPDX-License-Identifier: Apache-2.0
//
// One line on stderr that is drawn over while work goes on; nothing at all
// where stderr is no terminal.
#pragma once

#include <string>

namespace warden::cli {

class LiveLine {
 public:
  LiveLine();
  LiveLine(const LiveLine&) = delete;
  LiveLine& operator=(const LiveLine&) = delete;
  ~LiveLine() { clear(); }

  bool shown() const { return terminal_; }
  // Cut to the terminal's width.
  void draw(std::string text);
  void clear();

 private:
  bool terminal_;
  bool drawn_ = false;
};

// "[#####.....]", `share` of 1.
std::string bar(double share);

}  // namespace warden::cli
