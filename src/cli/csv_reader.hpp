// SPDX-License-Identifier: Apache-2.0
//
// A strict reader of CSV as RFC 4180 has it: fields in double quotes may hold
// commas, line breaks and doubled quotes; rows end in LF or CRLF; the last row
// may lack its line end. Written here because the CSV libraries at hand either
// do not take line breaks in fields or accept broken quoting in silence, and a
// wrong split would shift a case into another one's column.
//
// Data flow: the caller keeps the file's text; next() hands out one row of views
// into it (or into the reader, for fields that had doubled quotes).
//
// Invariants:
//   1. line() is the physical line, from 1, on which the newest row began.
//   2. The views of a row are valid until the next call of next().
//   3. After a fault every further call gives the same fault.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace warden::cli {

class CsvReader {
 public:
  enum class Outcome { row, end, fault };

  explicit CsvReader(std::string_view text) : text_(text) {}

  // Lines with nothing on them are passed over.
  Outcome next();

  const std::vector<std::string_view>& fields() const { return fields_; }
  std::size_t line() const { return row_line_; }

  // Of a fault: where, and what was wrong and expected.
  std::size_t fault_line() const { return fault_line_; }
  const std::string& fault() const { return fault_; }

 private:
  bool read_quoted();
  bool read_plain();
  bool end_field();
  bool skip_line_end();
  bool fail(std::size_t line, std::string what);

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t line_ = 1;
  std::size_t row_line_ = 0;
  bool row_done_ = false;
  std::vector<std::string_view> fields_;
  // Fields that had to be rebuilt; a deque, so that views into it stay good
  // while it grows.
  std::deque<std::string> rebuilt_;
  std::size_t fault_line_ = 0;
  std::string fault_;
};

}  // namespace warden::cli
