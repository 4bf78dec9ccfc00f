// SPDX-License-Identifier: Apache-2.0
//
// Bytes of a fuzzer as arguments of the C ABI. What is handed to the library lies on the
// heap in blocks of exactly the size that the call is told, so that ASan sees a byte read
// or written beyond.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

namespace warden::fuzz {

// Zeros once the input is over.
class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : at_(data), left_(size) {}
  bool over() const { return left_ == 0; }
  std::uint8_t byte() {
    if (left_ == 0) return 0;
    --left_;
    return *at_++;
  }
  // One in `n`, never once the input is over.
  bool rarely(unsigned n) { return byte() % n == n - 1; }
  template <class T, std::size_t N>
  const T& pick(const std::array<T, N>& from) {
    return from[byte() % N];
  }
  std::string bytes(std::size_t most) {
    const std::size_t count = std::min<std::size_t>({byte(), most, left_});
    std::string out(reinterpret_cast<const char*>(at_), count);
    at_ += count;
    left_ -= count;
    return out;
  }

 private:
  const std::uint8_t* at_;
  std::size_t left_;
};

// A copy without a byte to spare; NULL for an empty text.
class Exact {
 public:
  explicit Exact(std::string_view text) : size_(text.size()) {
    if (size_ == 0) return;
    data_.reset(new char[size_]);
    std::memcpy(data_.get(), text.data(), size_);
  }
  const char* data() const { return data_.get(); }
  std::size_t size() const { return size_; }

 private:
  std::size_t size_;
  std::unique_ptr<char[]> data_;
};

// A struct of the caller's whose struct_size is another than this header's: an older or
// newer program's, or one that was never set.
template <class T>
class Sized {
 public:
  Sized(const T& value, std::uint32_t size) : size_(size) {
    const std::size_t taken = std::max<std::size_t>(size, sizeof size);
    data_.reset(new char[taken]);
    std::memset(data_.get(), 0x5a, taken);
    std::memcpy(data_.get(), &value, std::min(taken, sizeof(T)));
    std::memcpy(data_.get(), &size, sizeof size);
  }
  T* get() const { return reinterpret_cast<T*>(data_.get()); }
  bool is_whole() const { return size_ >= sizeof(T); }
  // It was neither read nor written past its size, and what it says of itself stayed.
  bool is_intact() const {
    std::uint32_t size = 0;
    std::memcpy(&size, data_.get(), sizeof size);
    return size == size_;
  }

 private:
  std::uint32_t size_;
  std::unique_ptr<char[]> data_;
};

template <class T>
std::uint32_t pick_size(Input& in) {
  constexpr std::uint32_t kWhole = sizeof(T);
  constexpr std::array<std::uint32_t, 8> kSizes{0, 3, 4, 8, 12, kWhole - 8, kWhole + 64, 16};
  return in.rarely(16) ? in.pick(kSizes) : kWhole;
}

}  // namespace warden::fuzz
