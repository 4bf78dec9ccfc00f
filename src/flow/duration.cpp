// SPDX-License-Identifier: Apache-2.0
//
// Durations: a cursor over the text, one part at a time, the sum in 128 bits. A
// part is checked against the range before the next is read, so that no sum can
// wrap.
#include "flow/duration.hpp"

#include <array>
#include <new>
#include <span>
#include <utility>

#include "flow/text.hpp"

namespace warden::flow {
namespace {

__extension__ using Wide = __int128;

struct Unit {
  std::string_view name;
  Nanos length;
};

// Largest first: the order in which parts must come.
constexpr std::array<Unit, 8> kPlainUnits{{{"y", kYear},
                                           {"d", kDay},
                                           {"h", kHour},
                                           {"m", kMinute},
                                           {"s", kSecond},
                                           {"ms", kMilli},
                                           {"us", kMicro},
                                           {"ns", 1}}};
constexpr std::array<Unit, 3> kIsoDateUnits{{{"Y", kYear}, {"W", 7 * kDay}, {"D", kDay}}};
constexpr std::array<Unit, 3> kIsoTimeUnits{{{"H", kHour}, {"M", kMinute}, {"S", kSecond}}};

constexpr std::string_view kExpected =
    "expected numbers with units, such as 250ms, 1h30m or 7d, or ISO 8601 such as PT10S";

constexpr bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}
constexpr bool is_letter(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Error run(Nanos& out) {
    Error error = text_.starts_with('P') ? iso() : plain();
    if (error) return error;
    out = static_cast<Nanos>(sum_);
    return {};
  }

 private:
  Error bad(std::string_view why) const {
    return {.code = Code::invalid_argument,
            .message = "bad duration " + in_quotes(text_) + ": " + std::string(why)};
  }

  bool at_end() const noexcept { return at_ == text_.size(); }

  Error plain() {
    if (text_.empty()) return bad("it is empty; " + std::string(kExpected));
    std::size_t next_unit = 0;
    while (!at_end()) {
      if (Error error = part(kPlainUnits, next_unit); error) return error;
    }
    return {};
  }

  Error iso() {
    at_ = 1;
    std::size_t next_unit = 0;
    bool any = false;
    while (!at_end() && text_[at_] != 'T') {
      any = true;
      if (Error error = part(kIsoDateUnits, next_unit); error) return error;
    }
    if (!at_end()) {
      ++at_;  // T
      next_unit = 0;
      if (fraction_) return bad("only the last number may have a fraction");
      if (weeks_) return bad("weeks stand alone in ISO 8601; use days");
      if (at_end()) return bad("nothing follows the T; expected such as PT10S or P1DT2H");
      while (!at_end()) {
        if (Error error = part(kIsoTimeUnits, next_unit); error) return error;
      }
      any = true;
    }
    if (!any) return bad("nothing follows the P; expected such as PT10S or P1DT2H");
    return {};
  }

  // Digits up to `limit`; more are taken but make `fits` false.
  Wide digits(std::size_t& count, Wide limit, bool& fits) noexcept {
    Wide value = 0;
    count = 0;
    for (; !at_end() && is_digit(text_[at_]); ++at_, ++count) {
      value = value * 10 + (text_[at_] - '0');
      if (value > limit) {
        fits = false;
        value = limit;
      }
    }
    return value;
  }

  // One number with its unit, which must be of `units` from `next_unit` on.
  Error part(std::span<const Unit> units, std::size_t& next_unit) {
    if (fraction_) return bad("only the last number may have a fraction");
    bool fits = true;
    std::size_t count = 0;
    const Wide whole = digits(count, kNever, fits);
    if (count == 0) return bad(kExpected);
    std::string_view decimals;
    if (!at_end() && text_[at_] == '.') {
      const std::size_t start = ++at_;
      while (!at_end() && is_digit(text_[at_])) ++at_;
      decimals = text_.substr(start, at_ - start);
      if (decimals.empty()) return bad("expected digits after the '.'");
      fraction_ = true;
    }
    std::size_t unit_start = at_;
    while (!at_end() && is_letter(text_[at_])) {
      ++at_;
      if (text_[0] == 'P') break;  // ISO units have one letter
    }
    const std::string_view name = text_.substr(unit_start, at_ - unit_start);
    const Unit* unit = nullptr;
    if (Error error = find_unit(units, name, next_unit, unit); error) return error;
    if (name == "W") {
      weeks_ = true;
      if (sum_ != 0 || !at_end()) return bad("weeks stand alone in ISO 8601; use days");
    }
    return add(whole, decimals, unit->length, fits);
  }

  Error find_unit(std::span<const Unit> units, std::string_view name, std::size_t& next_unit,
                  const Unit*& out) const {
    if (name.empty()) {
      if (!at_end()) return bad(kExpected);
      return bad("a number has no unit; expected one of " + names(units) + " after it");
    }
    for (std::size_t i = 0; i < units.size(); ++i) {
      if (units[i].name != name) continue;
      if (i < next_unit) {
        return bad("unit " + in_quotes(name) +
                   " is out of order; expected each unit at most once, "
                   "largest first");
      }
      next_unit = i + 1;
      out = &units[i];
      return {};
    }
    if (name == "M" && text_[0] == 'P') {
      return bad("months have no fixed length; use days, or PT for minutes");
    }
    return bad("unknown unit " + in_quotes(name) + "; expected one of " + names(units));
  }

  static std::string names(std::span<const Unit> units) {
    std::string out;
    for (const Unit& unit : units) {
      if (!out.empty()) out += ", ";
      out += unit.name;
    }
    return out;
  }

  Error add(Wide whole, std::string_view decimals, Nanos length, bool fits) {
    // 18 digits after the point times a year fit 128 bits; a 19th that is not 0
    // could never come out whole, since no unit has so many factors of ten.
    while (decimals.ends_with('0')) decimals.remove_suffix(1);
    Wide scaled = 0;
    if (!decimals.empty()) {
      if (decimals.size() > 18) return bad("the fraction is finer than a nanosecond");
      Wide power = 1;
      for (char c : decimals) {
        scaled = scaled * 10 + (c - '0');
        power *= 10;
      }
      scaled *= length;
      if (scaled % power != 0) return bad("the fraction is finer than a nanosecond");
      scaled /= power;
    }
    sum_ += whole * length + scaled;  // < 2^63 * 2^55 + ...: no overflow
    if (!fits || sum_ > kNever) {
      return {.code = Code::out_of_range,
              .message = "duration " + in_quotes(text_) + " is too long: expected at most 292y"};
    }
    return {};
  }

  std::string_view text_;
  std::size_t at_ = 0;
  Wide sum_ = 0;
  bool fraction_ = false;
  bool weeks_ = false;
};

}  // namespace

Error parse_duration(std::string_view text, Nanos& out) noexcept try {
  return Parser(text).run(out);
} catch (const std::bad_alloc&) {
  // Short enough to need no allocation itself.
  return {.code = Code::no_memory, .message = "out of memory"};
}

std::string format_duration(Nanos length) {
  if (length == 0) return "0s";
  std::string out;
  // Unsigned, so that the smallest number has a magnitude too.
  auto left = static_cast<std::uint64_t>(length);
  if (length < 0) {
    out += '-';
    left = 0 - left;
  }
  for (const Unit& unit : kPlainUnits) {
    const auto size = static_cast<std::uint64_t>(unit.length);
    if (unit.length == kYear && left % size != 0) continue;
    if (left < size) continue;
    out += std::to_string(left / size);
    out += unit.name;
    left %= size;
  }
  return out;
}

}  // namespace warden::flow
