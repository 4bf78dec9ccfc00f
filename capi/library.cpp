// SPDX-License-Identifier: Apache-2.0
//
// warden_version ... warden_code_flags, and the configuration.
#include "handles.hpp"

namespace {

struct CodeInfo {
  std::int32_t code;
  const char* name;
  std::uint32_t flags;
};

constexpr std::uint32_t kError = WARDEN_CODE_ERROR;
constexpr std::uint32_t kRetry = WARDEN_CODE_ERROR | WARDEN_CODE_RETRYABLE;

constexpr CodeInfo kCodes[] = {
    {WARDEN_OK, "OK", 0},
    {WARDEN_NEW, "NEW", 0},
    {WARDEN_EXISTING, "EXISTING", 0},
    {WARDEN_ALREADY_DONE, "ALREADY_DONE", 0},
    {WARDEN_DONE_EARLY, "DONE_EARLY", 0},
    {WARDEN_ARMED, "ARMED", 0},
    {WARDEN_ALREADY_ARMED, "ALREADY_ARMED", 0},
    {WARDEN_ON_TIME, "ON_TIME", 0},
    {WARDEN_LATE, "LATE", 0},
    {WARDEN_RECORDED_EARLY, "RECORDED_EARLY", 0},
    {WARDEN_ALREADY, "ALREADY", 0},
    {WARDEN_CLOSED, "CLOSED", 0},
    {WARDEN_CAPPED, "CAPPED", 0},
    {WARDEN_E_UNKNOWN_FLOW, "UNKNOWN_FLOW", kError},
    {WARDEN_E_UNKNOWN_ITEM, "UNKNOWN_ITEM", kError},
    {WARDEN_E_BAD_STATE, "BAD_STATE", kError},
    {WARDEN_E_FENCED, "FENCED", kError},
    {WARDEN_E_UNKNOWN_STAGE, "UNKNOWN_STAGE", kError},
    {WARDEN_E_UNKNOWN_RULE, "UNKNOWN_RULE", kError},
    {WARDEN_E_CONFLICT, "CONFLICT", kError},
    {WARDEN_E_INVALID_ARGUMENT, "INVALID_ARGUMENT", kError},
    {WARDEN_E_TOO_LARGE, "TOO_LARGE", kError},
    {WARDEN_E_OUT_OF_RANGE, "OUT_OF_RANGE", kError},
    {WARDEN_E_FLOW_SYNTAX, "FLOW_SYNTAX", kError},
    {WARDEN_E_BUFFER_TOO_SMALL, "BUFFER_TOO_SMALL", kError},
    {WARDEN_E_UNKNOWN_CONFIG, "UNKNOWN_CONFIG", kError},
    {WARDEN_E_NO_MEMORY, "NO_MEMORY", kRetry},
    {WARDEN_E_NO_SPACE, "NO_SPACE", kRetry},
    {WARDEN_E_WOULD_BLOCK, "WOULD_BLOCK", kRetry},
    {WARDEN_E_TIMEOUT, "TIMEOUT", kRetry},
    {WARDEN_E_LIMIT, "LIMIT", kError},
    {WARDEN_E_STORE_CLOSED, "STORE_CLOSED", kError},
    {WARDEN_E_FORKED, "FORKED", kError},
    {WARDEN_E_CONSUMER_CLOSED, "CONSUMER_CLOSED", kError},
    {WARDEN_E_READ_ONLY, "READ_ONLY", kError},
    {WARDEN_E_UNKNOWN_LEASE, "UNKNOWN_LEASE", kError},
    {WARDEN_E_IO, "IO", kError},
    {WARDEN_E_OUTCOME_UNKNOWN, "OUTCOME_UNKNOWN", kError | WARDEN_CODE_OUTCOME_UNKNOWN},
    {WARDEN_E_CORRUPT, "CORRUPT", kError | WARDEN_CODE_CORRUPTION},
    {WARDEN_E_NEWER_FORMAT, "NEWER_FORMAT", kError},
    {WARDEN_E_NOT_A_STORE, "NOT_A_STORE", kError},
    {WARDEN_E_HELD, "HELD", kRetry},
    {WARDEN_E_PERMISSION, "PERMISSION", kError},
    {WARDEN_E_LOST, "LOST", kError},
    {WARDEN_E_INTERNAL, "INTERNAL", kError},
};

// The engine's codes are the ABI's.
using warden::Code;
constexpr bool same(Code code, std::int32_t abi) {
  return static_cast<std::int32_t>(code) == abi;
}
static_assert(same(Code::created, WARDEN_NEW) && same(Code::existing, WARDEN_EXISTING) &&
              same(Code::already_done, WARDEN_ALREADY_DONE) &&
              same(Code::done_early, WARDEN_DONE_EARLY) && same(Code::armed, WARDEN_ARMED) &&
              same(Code::already_armed, WARDEN_ALREADY_ARMED) &&
              same(Code::on_time, WARDEN_ON_TIME) && same(Code::late, WARDEN_LATE) &&
              same(Code::recorded_early, WARDEN_RECORDED_EARLY) &&
              same(Code::already, WARDEN_ALREADY) && same(Code::closed, WARDEN_CLOSED) &&
              same(Code::capped, WARDEN_CAPPED));
static_assert(same(Code::unknown_flow, WARDEN_E_UNKNOWN_FLOW) &&
              same(Code::conflict, WARDEN_E_CONFLICT) &&
              same(Code::unknown_rule, WARDEN_E_UNKNOWN_RULE) &&
              same(Code::invalid_argument, WARDEN_E_INVALID_ARGUMENT) &&
              same(Code::flow_syntax, WARDEN_E_FLOW_SYNTAX) &&
              same(Code::unknown_config, WARDEN_E_UNKNOWN_CONFIG) &&
              same(Code::no_memory, WARDEN_E_NO_MEMORY) && same(Code::limit, WARDEN_E_LIMIT) &&
              same(Code::store_closed, WARDEN_E_STORE_CLOSED) &&
              same(Code::unknown_lease, WARDEN_E_UNKNOWN_LEASE) && same(Code::io, WARDEN_E_IO) &&
              same(Code::lost, WARDEN_E_LOST) && same(Code::internal, WARDEN_E_INTERNAL));

const CodeInfo* find_code(std::int32_t code) noexcept {
  for (const CodeInfo& one : kCodes) {
    if (one.code == code) return &one;
  }
  return nullptr;
}

}  // namespace

extern "C" {

uint32_t warden_version(void) {
  return (WARDEN_VERSION_MAJOR << 16) | (WARDEN_VERSION_MINOR << 8) | WARDEN_VERSION_PATCH;
}

const char* warden_version_string(void) {
  return WARDEN_VERSION_TEXT;
}

int32_t warden_abi_check(uint32_t abi, uint32_t min_version) {
  return abi == WARDEN_ABI && warden_version() >= min_version ? WARDEN_OK
                                                              : WARDEN_E_INVALID_ARGUMENT;
}

const char* warden_code_name(int32_t code) {
  const CodeInfo* info = find_code(code);
  return info == nullptr ? "?" : info->name;
}

uint32_t warden_code_flags(int32_t code) {
  const CodeInfo* info = find_code(code);
  if (info != nullptr) return info->flags;
  return code < 0 ? kError : 0;
}

int32_t warden_config_new(warden_config** config) {
  if (config == nullptr) return WARDEN_E_INVALID_ARGUMENT;
  *config = new (std::nothrow) warden_config;
  return *config == nullptr ? WARDEN_E_NO_MEMORY : WARDEN_OK;
}

int32_t warden_config_set(warden_config* config, const char* key, const char* value,
                          warden_error* err) {
  if (config == nullptr || key == nullptr || value == nullptr || !warden::capi::is_sized(err)) {
    return WARDEN_E_INVALID_ARGUMENT;
  }
  return warden::capi::guarded(
      [&] { return warden::capi::report(config->values.set(key, value), err); });
}

int32_t warden_config_log(warden_config* config, warden_log_fn hook, void* context) {
  if (config == nullptr) return WARDEN_E_INVALID_ARGUMENT;
  config->values.notices = {hook, context};
  return WARDEN_OK;
}

int32_t warden_config_progress(warden_config* config, warden_progress_fn hook, void* context) {
  if (config == nullptr) return WARDEN_E_INVALID_ARGUMENT;
  config->values.progress = {hook, context};
  return WARDEN_OK;
}

void warden_config_free(warden_config* config) {
  delete config;
}

}  // extern "C"
