// SPDX-License-Identifier: Apache-2.0
//
// warden_batch_run: the whole batch is checked before its first entry is run.
#include <vector>

#include "handles.hpp"

using namespace warden;

namespace {

constexpr uint32_t kMaxEntries = 65536;

bool inside(uint64_t offset, uint64_t length, size_t size) noexcept {
  return offset <= size && length <= size - offset;
}

bool is_valid(const warden_batch& batch) noexcept {
  if (batch.count > kMaxEntries || batch.reserved != 0) return false;
  if (batch.count != 0 && batch.entries == nullptr) return false;
  if (batch.blob == nullptr && batch.blob_len != 0) return false;
  if (batch.dues == nullptr && batch.due_count != 0) return false;
  if (batch.durability > WARDEN_DURABILITY_VOLATILE) return false;
  for (size_t i = 0; i < batch.due_count; ++i) {
    if (!inside(batch.dues[i].rule_offset, batch.dues[i].rule_len, batch.blob_len)) return false;
  }
  for (uint32_t i = 0; i < batch.count; ++i) {
    const warden_batch_entry& e = batch.entries[i];
    if (!inside(e.key_offset, e.key_len, batch.blob_len) ||
        !inside(e.arg_offset, e.arg_len, batch.blob_len) ||
        !inside(e.due_first, e.due_count, batch.due_count)) {
      return false;
    }
  }
  return true;
}

// The dues of one entry, as the engine reads them.
struct DueSlice {
  const warden_batch* batch;
  uint32_t first;
};

engine::Due due_of_slice(const void* source, std::size_t i) {
  const auto& slice = *static_cast<const DueSlice*>(source);
  const warden_batch_due& due = slice.batch->dues[slice.first + i];
  return {{static_cast<const char*>(slice.batch->blob) + due.rule_offset, due.rule_len},
          due.instant_ns};
}

void read_entry(const warden_batch& batch, const warden_batch_entry& in, DueSlice& slice,
                engine::BatchEntry& out) noexcept {
  const auto* blob = static_cast<const char*>(batch.blob);
  out.key = {blob + in.key_offset, in.key_len};
  out.arg = {blob + in.arg_offset, in.arg_len};
  out.options.durability = engine::Durability{static_cast<std::uint8_t>(batch.durability)};
  out.options.incarnation = in.incarnation;
  out.options.token = in.token;
  out.options.seq = in.seq;
  out.options.at = in.at_ns;
  slice = {&batch, in.due_first};
  out.options.dues = {in.due_count, &slice, due_of_slice};
}

// Entries are run in slices of this many, on the stack.
constexpr uint32_t kSlice = 64;

int32_t run(engine::Store& engine, engine::Op op, const warden_batch& batch, uint64_t* last_lsn) {
  const std::string_view flow{batch.flow == nullptr ? "" : batch.flow, batch.flow_len};
  int32_t good = 0;
  uint64_t last = 0;
  for (uint32_t first = 0; first < batch.count; first += kSlice) {
    const uint32_t count = std::min(kSlice, batch.count - first);
    engine::BatchEntry entries[kSlice];
    DueSlice dues[kSlice];
    for (uint32_t i = 0; i < count; ++i) {
      read_entry(batch, batch.entries[first + i], dues[i], entries[i]);
    }
    engine.run_batch(op, flow, {entries, count});
    for (uint32_t i = 0; i < count; ++i) {
      const engine::BatchEntry& e = entries[i];
      good += is_error(e.code) ? 0 : 1;
      last = std::max(last, raw(e.result.lsn));
      if (batch.results == nullptr) continue;
      batch.results[first + i] = {capi::code_of(e.code), raw(e.result.verdict), raw(e.result.lsn),
                                  e.result.incarnation, e.result.token};
    }
  }
  if (last_lsn != nullptr) *last_lsn = last;
  engine::Result answered;
  const Code waited = engine.settle_batch(
      engine::Durability{static_cast<std::uint8_t>(batch.durability)}, Lsn{last}, answered);
  return is_error(waited) ? capi::code_of(waited) : good;
}

}  // namespace

extern "C" int32_t warden_batch_run(warden_store* store, uint32_t op, const warden_batch* batch,
                                    uint64_t* last_lsn) {
  if (batch == nullptr || !capi::is_sized(batch) || op < WARDEN_OP_TRACK ||
      op > WARDEN_OP_COMPLETE) {
    return WARDEN_E_INVALID_ARGUMENT;
  }
  const warden_batch initial = WARDEN_BATCH_INIT;
  const warden_batch given = capi::read_struct(batch, initial);
  if (!is_valid(given) || (given.flow == nullptr && given.flow_len != 0)) {
    return WARDEN_E_INVALID_ARGUMENT;
  }
  return capi::on_store(store, [&](engine::Store& engine) {
    return run(engine, engine::Op{static_cast<std::uint8_t>(op)}, given, last_lsn);
  });
}
