// SPDX-License-Identifier: Apache-2.0
//
// One pass: strings and comments are skipped, brackets and dots counted.
#include "flow/structure.hpp"

#include <array>
#include <cstdint>
#include <string>

#include "flow/text.hpp"

namespace warden::flow {
namespace {

bool beyond_ascii(char c) noexcept {
  return static_cast<unsigned char>(c) >= 0x80;
}
bool is_space(char c) noexcept {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  Error run() {
    if (text_.starts_with("\xef\xbb\xbf")) at_ = 3;  // byte order mark
    while (!at_end()) {
      const std::size_t here = at_;
      if (Error error = step(); error) return error;
      if (brackets_ > kMaxNesting || dots_ > kMaxNesting) {
        return refuse(position_of(text_, here), "nested too deep; expected at most " +
                                                    std::to_string(kMaxNesting) + " levels");
      }
    }
    return {};
  }

 private:
  bool at_end() const noexcept { return at_ >= text_.size(); }

  Error step() {
    const char c = text_[at_];
    if (c == '"' || c == '\'') return skip_string();
    if (beyond_ascii(c)) {
      return refuse(position_of(text_, at_),
                    "bad TOML: " + character() +
                        " stands outside of quotes; expected it in a string or a comment");
    }
    ++at_;
    if (c == '#') {
      while (!at_end() && text_[at_] != '\n') ++at_;
    } else if (c == '[' || c == '{') {
      ++brackets_;
      dots_ = 0;
    } else if (c == ']' || c == '}') {
      if (brackets_ > 0) --brackets_;
      dots_ = 0;
    } else if (c == '.') {
      ++dots_;
    } else if (c == ',' || c == '=' || c == '\n') {
      dots_ = 0;
    }
    return {};
  }

  // Goes behind the string that opens here, or to where a malformed one breaks off:
  // the library refuses the text there or earlier.
  Error skip_string() {
    const char quote = text_[at_];
    const std::array<char, 3> three{quote, quote, quote};
    const std::string_view fence(three.data(), three.size());
    const bool multi = text_.substr(at_).starts_with(fence);
    at_ += multi ? 3 : 1;
    while (!at_end()) {
      const char c = text_[at_];
      if (c == '\\' && quote == '"') {
        if (Error error = skip_escape(multi); error) return error;
      } else if (multi && text_.substr(at_).starts_with(fence)) {
        at_ += 3;
        // Up to two more quotes belong to the content: """"a"""""
        for (int more = 0; more < 2 && !at_end() && text_[at_] == quote; ++more) ++at_;
        return {};
      } else if (!multi && (c == quote || c == '\n')) {
        ++at_;
        return {};
      } else {
        ++at_;
      }
    }
    return {};
  }

  Error skip_escape(bool multi) {
    ++at_;
    if (at_end()) return {};
    const bool continues = multi && is_space(text_[at_]);
    while (continues && !at_end() && is_space(text_[at_])) ++at_;
    if (at_end()) return {};
    if (beyond_ascii(text_[at_])) {
      return refuse(position_of(text_, at_),
                    continues ? "bad TOML in string: the line after a '\\' begins with " +
                                    character() + "; expected an ASCII character there"
                              : "bad TOML in string: unknown escape sequence '\\' and " +
                                    character() + "; expected such as \\n or \\u00e9");
    }
    // What an escape names is one character; what follows a continued line may be a
    // quote, and is looked at as any other.
    if (!continues) ++at_;
    return {};
  }

  // The character here, for a message: 'u' (U+0075), since many cannot be seen.
  std::string character() const {
    std::size_t length = 1;
    std::uint32_t code = static_cast<unsigned char>(text_[at_]);
    code &= code < 0xe0 ? 0x1f : code < 0xf0 ? 0x0f : 0x07;
    for (; at_ + length < text_.size(); ++length) {
      const auto next = static_cast<unsigned char>(text_[at_ + length]);
      if ((next & 0xc0) != 0x80) break;
      code = code << 6 | (next & 0x3f);
    }
    std::string number;
    for (std::uint32_t rest = code; rest != 0 || number.size() < 4; rest >>= 4) {
      number.insert(number.begin(), "0123456789ABCDEF"[rest & 15]);
    }
    return in_quotes(text_.substr(at_, length)) + " (U+" + number + ")";
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t brackets_ = 0;
  std::size_t dots_ = 0;
};

}  // namespace

Error check_structure(std::string_view text) {
  return Scanner(text).run();
}

}  // namespace warden::flow
