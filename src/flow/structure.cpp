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

// What may stand left of a value or of a quote that opens a string.
bool ends_word(char c) noexcept {
  return is_space(c) || c == '=' || c == ',' || c == '[' || c == ']' || c == '{' || c == '}';
}

class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  Error run() {
    if (text_.starts_with("\xef\xbb\xbf")) start_ = at_ = 3;  // byte order mark
    while (!at_end()) {
      if (Error error = step(); error) return error;
    }
    return {};
  }

 private:
  // What a bracket holds: an array's values, a table's keys and values, a header's key.
  enum class Bracket : char { array, table, header };

  bool at_end() const noexcept { return at_ >= text_.size(); }
  bool after_word() const noexcept { return at_ > start_ && !ends_word(text_[at_ - 1]); }

  Error step() {
    const char c = text_[at_];
    switch (c) {
      case '"':
      case '\'':
        return open_string();
      case '[':
      case '{':
        return open_bracket();
      case ']':
      case '}':
        close_bracket();
        break;
      case '=':
        if (in_value_) return touches("'='");
        in_value_ = true;
        dots_ = 0;
        break;
      case ',':
        in_value_ = depth_ > 0 && open_[depth_ - 1] == Bracket::array;
        dots_ = 0;
        break;
      case '\n':
        if (depth_ == 0) in_value_ = false;
        dots_ = 0;
        break;
      case '#':
        while (!at_end() && text_[at_] != '\n') ++at_;
        return {};
      case '.':
        if (++dots_ > kMaxNesting) return too_deep();
        break;
      default:
        if (beyond_ascii(c)) return outside();
        break;
    }
    ++at_;
    return {};
  }

  Error too_deep() const {
    return refuse(position_of(text_, at_),
                  "nested too deep; expected at most " + std::to_string(kMaxNesting) + " levels");
  }

  Error outside() const {
    return refuse(position_of(text_, at_),
                  "bad TOML: " + character() +
                      " stands outside of quotes; expected it in a string or a comment");
  }

  Error touches(std::string_view what) const {
    return refuse(position_of(text_, at_), "bad TOML in value: " + std::string(what) +
                                               " right after it; expected the value's end");
  }

  Error open_string() {
    // In a key, a string may follow the dot: a."b"
    const bool dotted = !in_value_ && at_ > start_ && text_[at_ - 1] == '.';
    if (after_word() && !dotted) return touches("a quote");
    return skip_string();
  }

  Error open_bracket() {
    if (in_value_ && after_word()) return touches(text_[at_] == '[' ? "'['" : "'{'");
    if (depth_ == kMaxNesting) return too_deep();
    if (text_[at_] == '{') {
      open_[depth_++] = Bracket::table;
      in_value_ = false;
    } else {
      open_[depth_++] = in_value_ ? Bracket::array : Bracket::header;
    }
    dots_ = 0;
    ++at_;
    return {};
  }

  void close_bracket() noexcept {
    dots_ = 0;
    if (depth_ == 0) return;
    in_value_ = open_[--depth_] != Bracket::header;
  }

  // Goes behind the string that opens here.
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
      } else if (!multi && c == quote) {
        ++at_;
        return {};
      } else if (!multi && c == '\n') {
        const std::size_t end = text_[at_ - 1] == '\r' ? at_ - 1 : at_;
        return refuse(position_of(text_, end),
                      "bad TOML in string: the line ends; expected a closing quote");
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
    // What an escape names is one character, never the line's end; what follows a
    // continued line may be a quote, and is looked at as any other.
    if (!continues && text_[at_] != '\n') ++at_;
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
  std::size_t start_ = 0;  // behind the byte order mark
  std::size_t at_ = 0;
  std::size_t dots_ = 0;  // of the key or word so far
  std::array<Bracket, kMaxNesting> open_{};
  std::size_t depth_ = 0;
  bool in_value_ = false;  // right of a '=' or inside of an array
};

}  // namespace

Error check_structure(std::string_view text) {
  return Scanner(text).run();
}

}  // namespace warden::flow
