// SPDX-License-Identifier: Apache-2.0
//
// Consumers: alerts copied out into the caller's buffer under their lease.
#include <span>

#include "handles.hpp"

using namespace warden;
using capi::code_of;

namespace {

static_assert(raw(alert::Kind::resolved) == WARDEN_KIND_RESOLVED);
static_assert(raw(alert::Kind::suspicious) == WARDEN_KIND_SUSPICIOUS);
static_assert(alert::kLevelResolved == WARDEN_LEVEL_RESOLVED);
static_assert(alert::kDeliveryWithdrawn == WARDEN_ALERT_WITHDRAWN);
static_assert(flow::kLevelBreach == WARDEN_LEVEL_BREACH);
static_assert(raw(flow::Severity::critical) == WARDEN_SEVERITY_CRITICAL);

// The caller's arrays while a poll fills them.
struct Sink {
  warden_alert* alerts;
  char* buffer;
  std::size_t buffer_len;
  std::size_t count = 0;
  std::size_t used = 0;
  std::size_t need = 0;  // of the alert that did not fit
};

void put_text(Sink& sink, std::string_view text, uint32_t& offset, uint32_t& length) noexcept {
  offset = static_cast<uint32_t>(sink.used);
  length = static_cast<uint32_t>(text.size());
  if (!text.empty()) std::memcpy(sink.buffer + sink.used, text.data(), text.size());
  sink.used += text.size();
}

bool put_alert(Sink& sink, const alert::Delivery& delivery) noexcept {
  const alert::Alert& from = *delivery.alert;
  const std::string_view key = from.blob == nullptr ? std::string_view{} : from.blob->key();
  const std::string_view payload = from.blob == nullptr ? std::string_view{} : from.blob->payload();
  sink.need = from.flow.size() + key.size() + from.rule.size() + from.stage.size() +
              from.armed_stage.size() + payload.size();
  if (sink.need > sink.buffer_len - sink.used) return false;
  warden_alert& to = sink.alerts[sink.count++];
  to = warden_alert{};
  to.id[0] = from.id.low;
  to.id[1] = from.id.high;
  to.incident[0] = from.incident.low;
  to.incident[1] = from.incident.high;
  to.resolves[0] = from.resolves.low;
  to.resolves[1] = from.resolves.high;
  to.lease = delivery.lease;
  to.incarnation = from.incarnation;
  to.token = from.token;
  to.lsn = raw(from.lsn);
  to.deadline_ns = from.deadline;
  to.raised_ns = from.raised;
  to.detected_ns = from.detected;
  to.kind = raw(from.kind);
  to.level = from.level;
  to.severity = from.severity;
  to.flags = delivery.flags;
  to.tries = from.tries;
  to.delivery = delivery.delivery;
  to.arming = from.arming;
  put_text(sink, from.flow, to.flow_offset, to.flow_len);
  put_text(sink, key, to.key_offset, to.key_len);
  put_text(sink, from.rule, to.rule_offset, to.rule_len);
  put_text(sink, from.stage, to.stage_offset, to.stage_len);
  put_text(sink, from.armed_stage, to.armed_stage_offset, to.armed_stage_len);
  put_text(sink, payload, to.payload_offset, to.payload_len);
  return true;
}

// Runs an entry point's body on a consumer of an open store.
template <class Body>
int32_t on_consumer(warden_consumer* consumer, Body&& body) noexcept {
  if (consumer == nullptr) return WARDEN_E_INVALID_ARGUMENT;
  if (const Code code = consumer->engine->usable(); is_error(code)) return code_of(code);
  return capi::guarded([&] { return body(consumer->engine->hub(), *consumer->name); });
}

bool read_options(const warden_consumer_options* given, alert::ConsumerOptions& out) {
  const warden_consumer_options initial = WARDEN_CONSUMER_OPTIONS_INIT;
  const warden_consumer_options in = capi::read_struct(given, initial);
  std::string_view flow;
  std::string_view rule;
  if (in.start > WARDEN_START_UNACKED || in.audit > 1 || in.early > 1 || in.reserved != 0 ||
      in.min_severity > WARDEN_SEVERITY_CRITICAL || !capi::view(in.flow, in.flow_len, flow) ||
      !capi::view(in.rule, in.rule_len, rule)) {
    return false;
  }
  out.start = in.start == WARDEN_START_NOW      ? alert::Start::now
              : in.start == WARDEN_START_OLDEST ? alert::Start::oldest
                                                : alert::Start::unacked;
  out.audit = in.audit != 0;
  out.early = in.early != 0;
  out.min_severity = static_cast<std::uint8_t>(in.min_severity);
  if (in.lease_ns != 0) out.lease = in.lease_ns;
  out.flow = flow;
  out.rule = rule;
  return true;
}

}  // namespace

extern "C" {

int32_t warden_consumer_open(warden_store* store, const char* name, size_t name_len,
                             const warden_consumer_options* options, warden_consumer** consumer,
                             warden_error* err) {
  std::string_view given;
  if (consumer == nullptr || !capi::view(name, name_len, given) || !capi::is_sized(err)) {
    return WARDEN_E_INVALID_ARGUMENT;
  }
  *consumer = nullptr;
  return capi::on_store(store, [&](engine::Store& engine) {
    if (!capi::is_sized(options)) {
      return capi::refuse_unsized("warden_consumer_options", options->struct_size, err);
    }
    alert::ConsumerOptions wanted;
    if (!read_options(options, wanted)) {
      return capi::report(
          Error{Code::invalid_argument,
                "consumer options: a value has no meaning; expected start 0..2, "
                "audit and early 0 or 1, min_severity 0..4, pointers with their lengths"},
          err);
    }
    auto handle = std::make_unique<warden_consumer>();
    handle->engine = &engine;
    const Error error =
        engine.open_consumer(given, options == nullptr ? nullptr : &wanted, handle->name);
    if (!error) *consumer = handle.release();
    return capi::report(error, err);
  });
}

int32_t warden_consumer_fd(warden_consumer* consumer) {
  return on_consumer(consumer, [](alert::Hub& hub, alert::Consumer& name) { return hub.fd(name); });
}

int32_t warden_consumer_poll(warden_consumer* consumer, int64_t timeout_ns, warden_alert* alerts,
                             size_t max, void* buffer, size_t buffer_len, size_t* need) {
  if ((alerts == nullptr && max != 0) || (buffer == nullptr && buffer_len != 0)) {
    return WARDEN_E_INVALID_ARGUMENT;
  }
  return on_consumer(consumer, [&](alert::Hub& hub, alert::Consumer& name) {
    Sink sink{alerts, static_cast<char*>(buffer), buffer_len};
    const auto take = [&](const alert::Delivery& delivery) { return put_alert(sink, delivery); };
    const std::size_t most = std::min<std::size_t>(max, INT32_MAX);
    const alert::Counted polled = hub.poll(name, most, timeout_ns, take);
    if (polled.code == Code::buffer_too_small && need != nullptr) *need = sink.need;
    return is_error(polled.code) ? code_of(polled.code) : static_cast<int32_t>(polled.count);
  });
}

int32_t warden_alert_ack(warden_consumer* consumer, const uint64_t* leases, size_t count) {
  if (leases == nullptr && count != 0) return WARDEN_E_INVALID_ARGUMENT;
  return on_consumer(consumer, [&](alert::Hub&, alert::Consumer& name) {
    const alert::Counted acked = consumer->engine->ack(name, {leases, count});
    return is_error(acked.code) ? code_of(acked.code) : static_cast<int32_t>(acked.count);
  });
}

int32_t warden_alert_nack(warden_consumer* consumer, uint64_t lease, int64_t delay_ns) {
  return on_consumer(consumer, [&](alert::Hub& hub, alert::Consumer& name) {
    return code_of(hub.nack(name, lease, delay_ns));
  });
}

int32_t warden_alert_extend(warden_consumer* consumer, uint64_t lease, int64_t lease_ns) {
  return on_consumer(consumer, [&](alert::Hub& hub, alert::Consumer& name) {
    return code_of(hub.extend(name, lease, lease_ns));
  });
}

int32_t warden_consumer_wake(warden_consumer* consumer) {
  return on_consumer(
      consumer, [](alert::Hub& hub, alert::Consumer& name) { return code_of(hub.wake(name)); });
}

int32_t warden_consumer_close(warden_consumer* consumer) {
  delete consumer;
  return WARDEN_OK;
}

int32_t warden_consumer_delete(warden_store* store, const char* name, size_t name_len) {
  std::string_view given;
  if (!capi::view(name, name_len, given)) return WARDEN_E_INVALID_ARGUMENT;
  return capi::on_store(
      store, [&](engine::Store& engine) { return code_of(engine.remove_consumer(given)); });
}

}  // extern "C"
