// SPDX-License-Identifier: Apache-2.0
//
// See collector.hpp.
#include "cli/collector.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <new>

#include "cli/instant.hpp"
#include "cli/text.hpp"

namespace warden::cli {
namespace {

constexpr std::size_t kAlertsAPoll = 1024;
// A durable store's room for acknowledgements is counted for few at once.
constexpr std::size_t kAcksACall = 64;
constexpr std::size_t kBufferBytes = std::size_t{1} << 18;
constexpr std::int64_t kPollNs = 20'000'000;

}  // namespace

std::string kind_name(std::uint32_t kind, std::uint32_t level) {
  switch (kind) {
    case WARDEN_KIND_WARN:
      return "WARN";
    case WARDEN_KIND_BREACH:
      return "BREACH";
    case WARDEN_KIND_ESCALATION:
      return fmt::format("ESCALATION {}", level - WARDEN_LEVEL_BREACH);
    case WARDEN_KIND_EXPIRED:
      return "EXPIRED";
    case WARDEN_KIND_SUSPICIOUS:
      return "SUSPICIOUS";
    case WARDEN_KIND_RESOLVED:
      return "RESOLVED";
    default:
      return fmt::format("KIND {}", kind);
  }
}

void Collector::start() {
  alerts_.resize(kAlertsAPoll);
  buffer_.resize(kBufferBytes);
  thread_ = std::thread{[this] { run(); }};
}

void Collector::stop() {
  finishing_.store(true, std::memory_order_relaxed);
  if (thread_.joinable()) {
    warden_consumer_wake(consumer_.get());
    thread_.join();
  }
}

Status Collector::finish() {
  stop();
  return failure_;
}

Status Collector::drain(AlertJournal& journal) {
  alerts_.resize(kAlertsAPoll);
  buffer_.resize(kBufferBytes);
  journal_ = &journal;
  for (;;) {
    const std::int32_t taken = take(0);
    if (failure_) return failure_;
    if (taken < 0) return engine_failure("polling for alerts", taken);
    if (taken == 0) return std::nullopt;
  }
}

void Collector::run() {
  // Memory may run out while rows are kept: that ends the run with a message,
  // not the process with a trace.
  try {
    for (;;) {
      const bool last_round = finishing_.load(std::memory_order_relaxed);
      const std::int32_t taken = take(last_round ? 0 : kPollNs);
      if (taken < 0) {
        failure_ = engine_failure("polling for alerts", taken);
        return;
      }
      if (last_round && taken == 0) return;
    }
  } catch (const std::bad_alloc&) {
    failure_ = bad_environment("out of memory while keeping alerts");
  }
}

std::int32_t Collector::take(std::int64_t timeout_ns) {
  std::size_t need = 0;
  std::int32_t taken = warden_consumer_poll(consumer_.get(), timeout_ns, alerts_.data(),
                                            alerts_.size(), buffer_.data(), buffer_.size(), &need);
  if (taken == WARDEN_E_BUFFER_TOO_SMALL) {
    buffer_.resize(std::max(need, buffer_.size() * 2));
    // Not zero: there is something to take, the round is not over.
    return 1;
  }
  if (taken <= 0) return taken;
  leases_.clear();
  for (std::int32_t i = 0; i < taken; ++i) {
    const warden_alert& alert = alerts_[static_cast<std::size_t>(i)];
    leases_.push_back(alert.lease);
    // Whether a RESOLVED follows depends on how soon the alert before it was taken:
    // it says something about this consumer, not about the log.
    if (alert.kind == WARDEN_KIND_RESOLVED) continue;
    AlertEntry entry = entry_of(alert);
    if (journal_ != nullptr) journal_->add(entry);
    keep(std::move(entry));
  }
  if (journal_ != nullptr) {
    failure_ = journal_->commit();
    if (failure_) return WARDEN_E_IO;
  }
  for (std::size_t first = 0; first < leases_.size(); first += kAcksACall) {
    const std::size_t count = std::min(kAcksACall, leases_.size() - first);
    const std::int32_t acked = warden_alert_ack(consumer_.get(), leases_.data() + first, count);
    if (acked < 0) return acked;
  }
  return taken;
}

AlertEntry Collector::entry_of(const warden_alert& alert) const {
  const auto text = [&](std::uint32_t offset, std::uint32_t size) {
    return std::string{buffer_.data() + offset, size};
  };
  AlertEntry entry;
  entry.id = {alert.id[0], alert.id[1]};
  entry.kind = alert.kind;
  entry.level = alert.level;
  entry.raised_ns = alert.raised_ns;
  entry.deadline_ns = alert.deadline_ns;
  entry.rule = text(alert.rule_offset, alert.rule_len);
  entry.case_id = case_of_key(text(alert.key_offset, alert.key_len));
  // Only `total` is armed before any stage: of it the stage at the deadline is
  // what tells where the case stood.
  entry.stage = alert.armed_stage_len != 0 ? text(alert.armed_stage_offset, alert.armed_stage_len)
                                           : text(alert.stage_offset, alert.stage_len);
  return entry;
}

void Collector::keep(AlertEntry entry) {
  if (!seen_.insert(entry.id).second) return;
  ++counts_[{entry.rule, kind_name(entry.kind, entry.level)}];
  if (!keep_rows_ || entry.kind != WARDEN_KIND_BREACH) return;
  rows_.push_back({entry.raised_ns, entry.deadline_ns, std::move(entry.case_id),
                   std::move(entry.rule), std::move(entry.stage)});
}

std::string Collector::ids_text() const {
  std::vector<AlertId> ids{seen_.begin(), seen_.end()};
  std::sort(ids.begin(), ids.end());
  std::string out;
  for (const AlertId& id : ids) out += fmt::format("{:016x}{:016x}\n", id.first, id.second);
  return out;
}

std::string Collector::to_csv() {
  std::sort(rows_.begin(), rows_.end());
  std::string out = "rule,case_id,stage,deadline,raise_at\n";
  for (const BreachRow& row : rows_) {
    out += fmt::format("{},{},{},{},{}\n", csv_field(row.rule), csv_field(row.case_id),
                       csv_field(row.stage), format_instant(row.deadline_ns),
                       format_instant(row.raised_ns));
  }
  return out;
}

}  // namespace warden::cli
