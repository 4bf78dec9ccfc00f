// SPDX-License-Identifier: Apache-2.0
//
// Header, then rows, then the order; see event_log.hpp.
#include "cli/event_log.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <numeric>
#include <unordered_map>

#include "cli/csv_reader.hpp"
#include "cli/instant.hpp"
#include "cli/text.hpp"

namespace warden::cli {
namespace {

constexpr std::size_t kMost = std::numeric_limits<std::uint32_t>::max();
constexpr std::size_t kKeyMostBytes = 512;
constexpr std::size_t kStageMostBytes = 255;
constexpr std::size_t kAbsent = kMost;

// Looks names up while the log is read. Its keys are views into the file's
// text or copies; the log's own arena may move while it grows.
using NameTable = std::unordered_map<std::string, std::uint32_t>;

class Loader {
 public:
  Loader(const std::string& file, std::string_view text, const std::vector<DueColumn>& due_columns,
         FeedOrder order)
      : file_(file), reader_(text), due_columns_(due_columns), order_(order) {}

  Result<EventLog> load();

 private:
  Status read_header();
  Status read_row();
  Status read_dues(EventRow& row);
  Status find_column(std::string_view name, std::string_view why, std::size_t& column) const;
  Status sort_rows();
  Result<std::uint32_t> intern_case(std::string_view text);
  Result<std::uint32_t> intern_stage(std::string_view text);
  Result<Name> keep(std::string_view text);
  Failure at_line(std::size_t line, std::string_view what) const {
    return bad_input(fmt::format("{}:{}: {}", file_, line, what));
  }
  Failure at_row(std::string_view what) const { return at_line(reader_.line(), what); }

  const std::string& file_;
  CsvReader reader_;
  const std::vector<DueColumn>& due_columns_;
  FeedOrder order_;
  EventLog log_;
  NameTable case_numbers_;
  NameTable stage_numbers_;
  std::vector<std::string> header_;
  std::size_t case_column_ = kAbsent;
  std::size_t stage_column_ = kAbsent;
  std::size_t instant_column_ = kAbsent;
  std::size_t seq_column_ = kAbsent;
  std::vector<std::size_t> due_positions_;
  std::vector<std::uint64_t> seqs_;
};

Status Loader::find_column(std::string_view name, std::string_view why, std::size_t& column) const {
  const auto found = std::find(header_.begin(), header_.end(), name);
  if (found == header_.end()) {
    return at_line(
        1, fmt::format("no column {}{}; the file has {}; expected the columns case_id, "
                       "stage, timestamp{} and those named by --due",
                       in_quotes(name), why, one_line(fmt::format("{}", fmt::join(header_, ", "))),
                       order_ == FeedOrder::seq ? ", seq" : ""));
  }
  if (std::find(found + 1, header_.end(), name) != header_.end()) {
    return at_line(1, fmt::format("two columns are named {}; expected one", in_quotes(name)));
  }
  column = static_cast<std::size_t>(found - header_.begin());
  return std::nullopt;
}

Status Loader::read_header() {
  const CsvReader::Outcome outcome = reader_.next();
  if (outcome == CsvReader::Outcome::fault) return at_line(reader_.fault_line(), reader_.fault());
  if (outcome == CsvReader::Outcome::end) {
    return at_line(1, "the file is empty; expected a header with case_id, stage, timestamp");
  }
  header_.assign(reader_.fields().begin(), reader_.fields().end());
  if (auto bad = find_column("case_id", "", case_column_)) return bad;
  if (auto bad = find_column("stage", "", stage_column_)) return bad;
  if (auto bad = find_column("timestamp", "", instant_column_)) return bad;
  if (order_ == FeedOrder::seq) {
    if (auto bad = find_column("seq", " (needed by --order seq)", seq_column_)) return bad;
  }
  for (const DueColumn& due : due_columns_) {
    std::size_t column = 0;
    const std::string why = fmt::format(" (given with --due {}={})", due.rule, due.column);
    if (auto bad = find_column(due.column, why, column)) return bad;
    due_positions_.push_back(column);
    auto name = keep(due.rule);
    if (!name.ok()) return std::move(name.failure());
    log_.due_rules.push_back(name.value());
  }
  return std::nullopt;
}

Result<Name> Loader::keep(std::string_view text) {
  if (text.size() > kMost - log_.names.size()) {
    return at_row("the names of cases and stages take more than 4 GiB; expected a smaller file");
  }
  const Name name{static_cast<std::uint32_t>(log_.names.size()),
                  static_cast<std::uint32_t>(text.size())};
  log_.names.append(text);
  return name;
}

Result<std::uint32_t> Loader::intern_case(std::string_view text) {
  if (text.size() > kKeyMostBytes) {
    return at_row(
        fmt::format("case_id has {} bytes; expected at most {}", text.size(), kKeyMostBytes));
  }
  if (text.empty()) ++log_.blank_cases;
  const auto number = static_cast<std::uint32_t>(log_.cases.size());
  const auto [place, is_new] = case_numbers_.try_emplace(std::string{text}, number);
  if (is_new) {
    auto name = keep(key_of_case(text));
    if (!name.ok()) return std::move(name.failure());
    log_.cases.push_back(name.value());
  }
  return place->second;
}

Result<std::uint32_t> Loader::intern_stage(std::string_view text) {
  if (text.empty() || text.size() > kStageMostBytes) {
    return at_row(
        fmt::format("stage has {} bytes; expected 1 to {}", text.size(), kStageMostBytes));
  }
  // That it is UTF-8 is known of the whole file.
  const auto control = std::find_if(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
  });
  if (control != text.end()) {
    return at_row(fmt::format("stage {} has a control character at byte {}; expected none",
                              in_quotes(text), control - text.begin()));
  }
  const auto number = static_cast<std::uint32_t>(log_.stages.size());
  const auto [place, is_new] = stage_numbers_.try_emplace(std::string{text}, number);
  if (is_new) {
    auto name = keep(text);
    if (!name.ok()) return std::move(name.failure());
    log_.stages.push_back({name.value(), static_cast<std::uint32_t>(reader_.line())});
  }
  return place->second;
}

Status Loader::read_dues(EventRow& row) {
  row.due_first = static_cast<std::uint32_t>(log_.dues.size());
  for (std::size_t i = 0; i < due_positions_.size(); ++i) {
    const std::string_view text = reader_.fields()[due_positions_[i]];
    if (text.empty()) continue;
    const auto instant = parse_instant(text);
    if (!instant) {
      return at_row(fmt::format("{} {} is no instant; expected {} or nothing",
                                due_columns_[i].column, in_quotes(text), kInstantForm));
    }
    log_.dues.push_back({static_cast<std::uint32_t>(i), *instant});
  }
  row.due_count = static_cast<std::uint32_t>(log_.dues.size()) - row.due_first;
  return std::nullopt;
}

Status Loader::read_row() {
  const auto& fields = reader_.fields();
  if (fields.size() != header_.size()) {
    return at_row(fmt::format("the row has {} fields; expected {} as in the header", fields.size(),
                              header_.size()));
  }
  if (log_.rows.size() == kMost || reader_.line() >= kMost ||
      log_.dues.size() + due_positions_.size() >= kMost) {
    return at_row("too many rows; expected less than 4,294,967,295");
  }
  EventRow row;
  row.line = static_cast<std::uint32_t>(reader_.line());
  auto case_no = intern_case(fields[case_column_]);
  if (!case_no.ok()) return std::move(case_no.failure());
  row.case_no = case_no.value();
  auto stage_no = intern_stage(fields[stage_column_]);
  if (!stage_no.ok()) return std::move(stage_no.failure());
  row.stage_no = stage_no.value();
  const auto instant = parse_instant(fields[instant_column_]);
  if (!instant) {
    return at_row(fmt::format("timestamp {} is no instant; expected {}",
                              in_quotes(fields[instant_column_]), kInstantForm));
  }
  row.at_ns = *instant;
  if (order_ == FeedOrder::seq) {
    const std::string_view text = fields[seq_column_];
    std::uint64_t seq = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seq);
    if (error != std::errc{} || end != text.data() + text.size()) {
      return at_row(
          fmt::format("seq {} is no number; expected a whole number from 0", in_quotes(text)));
    }
    seqs_.push_back(seq);
  }
  if (auto bad = read_dues(row)) return bad;
  log_.rows.push_back(row);
  return std::nullopt;
}

Status Loader::sort_rows() {
  log_.order.resize(log_.rows.size());
  std::iota(log_.order.begin(), log_.order.end(), 0U);
  if (order_ == FeedOrder::file) return std::nullopt;
  std::sort(log_.order.begin(), log_.order.end(), [&](std::uint32_t a, std::uint32_t b) {
    return seqs_[a] != seqs_[b] ? seqs_[a] < seqs_[b] : a < b;
  });
  // Two rows with one seq have no order between them: which came first would be
  // a guess, and the guess would decide alerts.
  for (std::size_t i = 1; i < log_.order.size(); ++i) {
    const std::uint32_t a = log_.order[i - 1];
    const std::uint32_t b = log_.order[i];
    if (seqs_[a] == seqs_[b]) {
      return at_line(log_.rows[b].line,
                     fmt::format("seq {} stands on line {} too; expected every seq "
                                 "once with --order seq",
                                 seqs_[b], log_.rows[a].line));
    }
  }
  return std::nullopt;
}

Result<EventLog> Loader::load() {
  if (auto bad = read_header()) return std::move(*bad);
  for (;;) {
    const CsvReader::Outcome outcome = reader_.next();
    if (outcome == CsvReader::Outcome::end) break;
    if (outcome == CsvReader::Outcome::fault) return at_line(reader_.fault_line(), reader_.fault());
    if (auto bad = read_row()) return std::move(*bad);
  }
  if (log_.rows.empty()) {
    return at_line(1, "the file has a header and no rows; expected at least one event");
  }
  if (auto bad = sort_rows()) return std::move(*bad);
  const auto [first, last] =
      std::minmax_element(log_.rows.begin(), log_.rows.end(),
                          [](const EventRow& a, const EventRow& b) { return a.at_ns < b.at_ns; });
  log_.first_ns = first->at_ns;
  log_.last_ns = last->at_ns;
  return std::move(log_);
}

}  // namespace

Result<EventLog> load_event_log(const std::string& file, std::string_view text,
                                const std::vector<DueColumn>& due_columns, FeedOrder order) {
  return Loader{file, text, due_columns, order}.load();
}

}  // namespace warden::cli
