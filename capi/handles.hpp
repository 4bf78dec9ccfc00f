// SPDX-License-Identifier: Apache-2.0
//
// What stands behind the opaque handles of the C ABI, and the frame of every entry
// point: nothing is thrown across it, out of memory is a code.
#pragma once

#include <cstring>
#include <new>
#include <string_view>

#include "engine/store.hpp"
#include "warden/warden.h"

struct warden_config {
  warden::engine::Config values;
};

struct warden_store {
  std::unique_ptr<warden::engine::Store> engine;
};

struct warden_consumer {
  warden::engine::Store* engine;
  warden::alert::ConsumerRef name;
};

struct warden_scan {
  warden::engine::Store* engine;
  std::uint32_t next = 0;
  std::uint32_t state = 0;
  bool overdue = false;
  bool any_flow = true;
  bool any_stage = true;
  std::string flow;
  std::string stage;
  std::string key_prefix;
  warden::engine::Reading pending;  // read, but it did not fit
  bool has_pending = false;
};

namespace warden::capi {

inline std::int32_t code_of(Code code) noexcept {
  return static_cast<std::int32_t>(code);
}

// A struct of the caller's says its size in its first member. A size that does not
// even cover that member is one that was never set: nothing in the struct can be
// believed, and nothing may be written to it.
template <class T>
bool is_sized(const T* given) noexcept {
  return given == nullptr || given->struct_size >= sizeof given->struct_size;
}

// A struct of the caller's, of its size, brought to ours: what it is too short to
// hold has its initial value.
template <class T>
T read_struct(const T* given, T initial) noexcept {
  if (given == nullptr) return initial;
  const std::uint32_t size = given->struct_size;
  std::memcpy(&initial, given, size < sizeof(T) ? size : sizeof(T));
  return initial;
}

template <class T>
void write_struct(T* given, T value) noexcept {
  if (given == nullptr) return;
  const std::uint32_t size = given->struct_size;
  value.struct_size = size;
  std::memcpy(given, &value, size < sizeof(T) ? size : sizeof(T));
}

inline std::int32_t report(const Error& error, warden_error* out) noexcept {
  if (out != nullptr) {
    warden_error value WARDEN_ERROR_INIT;
    value.code = code_of(error.code);
    value.line = error.line;
    value.column = error.column;
    value.offset = error.offset;
    const std::size_t length = std::min(error.message.size(), sizeof value.message - 1);
    std::memcpy(value.message, error.message.data(), length);
    write_struct(out, value);
  }
  return code_of(error.code);
}

// For calls that can tell: the struct `what` of the caller's is not sized.
inline std::int32_t refuse_unsized(const char* what, std::uint32_t size, warden_error* out) {
  const std::string name(what);
  return report(Error{Code::invalid_argument, name + ": struct_size is " + std::to_string(size) +
                                                  "; expected sizeof(" + name +
                                                  "), as its *_INIT macro sets it"},
                out);
}

// Bytes of the caller's: false if a length comes without a pointer.
inline bool view(const void* at, std::size_t length, std::string_view& out) noexcept {
  if (at == nullptr && length != 0) return false;
  out = {static_cast<const char*>(at), length};
  return true;
}

// Runs an entry point's body.
template <class Body>
std::int32_t guarded(Body&& body) noexcept {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return WARDEN_E_NO_MEMORY;
  } catch (...) {
    return WARDEN_E_INTERNAL;
  }
}

// The same, for a store that must be open.
template <class Body>
std::int32_t on_store(warden_store* store, Body&& body) noexcept {
  if (store == nullptr) return WARDEN_E_INVALID_ARGUMENT;
  if (const Code code = store->engine->usable(); is_error(code)) return code_of(code);
  return guarded([&] { return body(*store->engine); });
}

// Lays an item out for the caller: strings into `buffer` from `used` on. False if
// it does not fit; `need` is what it takes, counted from an aligned start.
bool put_item(const engine::Reading& reading, warden_item& item, void* buffer,
              std::size_t buffer_len, std::size_t& used, std::size_t& need) noexcept;

}  // namespace warden::capi
