// SPDX-License-Identifier: Apache-2.0
//
// One pass over the text, one function a kind of field; see csv_reader.hpp.
#include "cli/csv_reader.hpp"

#include <algorithm>
#include <utility>

namespace warden::cli {

bool CsvReader::fail(std::size_t line, std::string what) {
  fault_line_ = line;
  fault_ = std::move(what);
  return false;
}

// Consumes LF or CRLF at the present place, if one stands there.
bool CsvReader::skip_line_end() {
  if (at_ < text_.size() && text_[at_] == '\n') {
    ++at_;
  } else if (at_ + 1 < text_.size() && text_[at_] == '\r' && text_[at_ + 1] == '\n') {
    at_ += 2;
  } else {
    return false;
  }
  ++line_;
  return true;
}

// After a field: a comma leads on, a line end or the end of the text ends the row.
bool CsvReader::end_field() {
  if (at_ == text_.size() || skip_line_end()) {
    row_done_ = true;
    return true;
  }
  if (text_[at_] == ',') {
    ++at_;
    return true;
  }
  if (text_[at_] == '\r') {
    return fail(line_, "a carriage return stands alone; expected rows to end in LF or CRLF");
  }
  return fail(line_, "text follows a closing quote; expected a comma or the end of the row");
}

bool CsvReader::read_plain() {
  const std::size_t end = std::min(text_.find_first_of(",\"\r\n", at_), text_.size());
  if (end < text_.size() && text_[end] == '"') {
    return fail(line_, "a double quote inside an unquoted field; expected the field to be quoted");
  }
  fields_.push_back(text_.substr(at_, end - at_));
  at_ = end;
  return end_field();
}

bool CsvReader::read_quoted() {
  const std::size_t opened_on = line_;
  std::size_t from = ++at_;
  std::string* rebuilt = nullptr;
  for (;;) {
    const std::size_t quote = text_.find('"', at_);
    if (quote == std::string_view::npos) {
      return fail(opened_on, "a quoted field is never closed; expected a double quote");
    }
    line_ += static_cast<std::size_t>(std::count(text_.begin() + static_cast<std::ptrdiff_t>(at_),
                                                 text_.begin() + static_cast<std::ptrdiff_t>(quote),
                                                 '\n'));
    const bool doubled = quote + 1 < text_.size() && text_[quote + 1] == '"';
    if (!doubled) {
      const std::string_view last = text_.substr(from, quote - from);
      if (rebuilt != nullptr) rebuilt->append(last);
      fields_.push_back(rebuilt != nullptr ? std::string_view{*rebuilt} : last);
      at_ = quote + 1;
      return end_field();
    }
    if (rebuilt == nullptr) rebuilt = &rebuilt_.emplace_back();
    rebuilt->append(text_.substr(from, quote + 1 - from));
    from = at_ = quote + 2;
  }
}

CsvReader::Outcome CsvReader::next() {
  if (!fault_.empty()) return Outcome::fault;
  fields_.clear();
  rebuilt_.clear();
  while (skip_line_end()) {
  }
  if (at_ == text_.size()) return Outcome::end;
  row_line_ = line_;
  row_done_ = false;
  while (!row_done_) {
    const bool quoted_field = at_ < text_.size() && text_[at_] == '"';
    if (!(quoted_field ? read_quoted() : read_plain())) return Outcome::fault;
  }
  return Outcome::row;
}

}  // namespace warden::cli
