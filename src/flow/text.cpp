// SPDX-License-Identifier: Apache-2.0
//
// Text before TOML. The checks here run on every byte that a caller gives, in one
// pass each, and before the TOML parser sees it.
#include "flow/text.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <utility>

#include "flow/definition.hpp"
#include "flow/structure.hpp"

namespace warden::flow {
namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
constexpr std::size_t kMaxListed = 16;
constexpr std::size_t kMaxDistance = 3;

unsigned byte_at(std::string_view text, std::size_t i) noexcept {
  return static_cast<unsigned char>(text[i]);
}

char lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

bool is_continuation(unsigned byte) noexcept {
  return (byte & 0xc0) == 0x80;
}

std::string hex(unsigned byte) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  return {kDigits[byte >> 4], kDigits[byte & 15]};
}

// Length of the well-formed sequence at `i`, or 0 (the table of RFC 3629).
std::size_t sequence_length(std::string_view text, std::size_t i) noexcept {
  const unsigned first = byte_at(text, i);
  if (first < 0x80) return 1;
  std::size_t length = 0;
  unsigned low = 0x80;  // range of the second byte
  unsigned high = 0xbf;
  if (first >= 0xc2 && first <= 0xdf) {
    length = 2;
  } else if (first >= 0xe0 && first <= 0xef) {
    length = 3;
    if (first == 0xe0) low = 0xa0;
    if (first == 0xed) high = 0x9f;
  } else if (first >= 0xf0 && first <= 0xf4) {
    length = 4;
    if (first == 0xf0) low = 0x90;
    if (first == 0xf4) high = 0x8f;
  } else {
    return 0;
  }
  if (text.size() - i < length) return 0;
  const unsigned second = byte_at(text, i + 1);
  if (second < low || second > high) return 0;
  for (std::size_t k = 2; k < length; ++k) {
    if (!is_continuation(byte_at(text, i + k))) return 0;
  }
  return length;
}

// Edits (insert, delete, replace, swap neighbours; case is free) that make `a` of
// `b`, or kMaxDistance + 1 if they are more.
std::size_t edit_distance(std::string_view a, std::string_view b) noexcept {
  constexpr std::size_t kFar = kMaxDistance + 1;
  // Longer words are not compared: rows on the stack, bounded work.
  constexpr std::size_t kMaxWord = 64;
  if (a.size() > kMaxWord || b.size() > kMaxWord) return kFar;
  const std::size_t gap = a.size() > b.size() ? a.size() - b.size() : b.size() - a.size();
  if (gap > kMaxDistance) return kFar;
  std::array<std::array<std::size_t, kMaxWord + 1>, 3> rows{};
  for (std::size_t j = 0; j <= b.size(); ++j) rows[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    auto& row = rows[i % 3];
    const auto& above = rows[(i + 2) % 3];
    const auto& above2 = rows[(i + 1) % 3];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t differs = lower(a[i - 1]) == lower(b[j - 1]) ? 0 : 1;
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + differs});
      if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
          lower(a[i - 2]) == lower(b[j - 1])) {
        row[j] = std::min(row[j], above2[j - 2] + 1);
      }
    }
  }
  return std::min(rows[a.size() % 3][b.size()], kFar);
}

}  // namespace

Error refuse(Position at, std::string message) {
  return {.code = Code::flow_syntax,
          .message = std::move(message),
          .line = at.line,
          .column = at.column};
}

Position position_of(std::string_view text, std::size_t offset) noexcept {
  Position at;
  std::size_t i = text.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0;
  for (; i < offset && i < text.size(); ++i) {
    if (text[i] == '\n') {
      ++at.line;
      at.column = 1;
    } else if (!is_continuation(byte_at(text, i))) {
      ++at.column;
    }
  }
  return at;
}

std::size_t find_bad_utf8(std::string_view text) noexcept {
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = sequence_length(text, i);
    if (length == 0) return i;
    i += length;
  }
  return std::string_view::npos;
}

std::size_t find_unprintable(std::string_view name) noexcept {
  for (std::size_t i = 0; i < name.size();) {
    const std::size_t length = sequence_length(name, i);
    if (length == 0 || byte_at(name, i) < 0x20 || byte_at(name, i) == 0x7f) return i;
    i += length;
  }
  return std::string_view::npos;
}

Error check_text(std::string_view text) {
  if (text.size() > kMaxTextBytes) {
    Error error =
        refuse(position_of(text, kMaxTextBytes), "text of " + std::to_string(text.size()) +
                                                     " bytes is too long; expected at most " +
                                                     std::to_string(kMaxTextBytes));
    error.code = Code::too_large;
    return error;
  }
  const std::size_t nul = text.find('\0');
  const std::size_t bad = find_bad_utf8(text);
  if (nul < bad) {
    return refuse(position_of(text, nul), "binary input: a NUL byte; expected TOML text in UTF-8");
  }
  if (bad != std::string_view::npos) {
    return refuse(position_of(text, bad), "byte 0x" + hex(byte_at(text, bad)) +
                                              " is not UTF-8; expected TOML text in UTF-8");
  }
  return check_structure(text);
}

std::string in_quotes(std::string_view text) {
  std::string out = "'";
  std::size_t used = 0;
  while (used < text.size()) {
    const std::size_t length = sequence_length(text, used);
    if (used + std::max<std::size_t>(length, 1) > kMaxQuoted) {
      out += "...";
      break;
    }
    const unsigned byte = byte_at(text, used);
    if (length == 0 || byte < 0x20 || byte == 0x7f) {
      out += "\\x" + hex(byte);
      ++used;
    } else {
      out += text.substr(used, length);
      used += length;
    }
  }
  return out += '\'';
}

std::string listed(std::span<const std::string_view> words) {
  std::string out;
  const std::size_t shown = std::min(words.size(), kMaxListed);
  for (std::size_t i = 0; i < shown; ++i) {
    if (i > 0) out += ", ";
    // Known words are plain; names from the text are shown as any other text.
    const std::string shown_word = in_quotes(words[i]);
    out += std::string_view(shown_word).substr(1, shown_word.size() - 2);
  }
  if (shown < words.size()) out += " and " + std::to_string(words.size() - shown) + " more";
  return out;
}

std::string suggestion(std::string_view word, std::span<const std::string_view> known) {
  // One edit in three letters, but never so many that nothing of the word is left.
  std::size_t best = std::min(kMaxDistance, std::max<std::size_t>(1, word.size() / 3)) + 1;
  best = std::min(best, word.size());
  std::string_view nearest;
  for (std::string_view candidate : known) {
    const std::size_t distance = edit_distance(word, candidate);
    if (distance < best) {
      best = distance;
      nearest = candidate;
    }
  }
  if (nearest.empty()) return {};
  return " (did you mean " + in_quotes(nearest) + "?)";
}

}  // namespace warden::flow
