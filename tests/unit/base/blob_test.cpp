// SPDX-License-Identifier: Apache-2.0
//
// Blob: its layout, and that it lives exactly as long as its last reference. What
// was freed is seen by ASan only in part (mimalloc keeps the pages), so the count
// itself is checked, and under TSan the order of the last reader and the free.
#include "base/blob.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <thread>
#include <vector>

// Sanitizers abort where an allocator would answer null, unless told otherwise.
extern "C" __attribute__((visibility("default"))) const char* __asan_default_options() {
  return "allocator_may_return_null=1";
}
extern "C" __attribute__((visibility("default"))) const char* __tsan_default_options() {
  return "allocator_may_return_null=1";
}

namespace warden {
namespace {

std::uint32_t refs_of(const Blob* blob) {
  return blob->refs.load(std::memory_order_relaxed);
}

TEST(Blob, HoldsStateKeyAndPayloadInThisOrder) {
  Blob* blob = Blob::make(24, "order-4711", "payload bytes");
  ASSERT_NE(blob, nullptr);
  EXPECT_EQ(blob->state(), static_cast<void*>(blob + 1));
  EXPECT_EQ(blob->key(), "order-4711");
  EXPECT_EQ(blob->payload(), "payload bytes");
  EXPECT_EQ(blob->key().data(), static_cast<const char*>(blob->state()) + 24);
  EXPECT_EQ(blob->payload().data(), blob->key().data() + blob->key().size());
  EXPECT_EQ(blob->bytes(), 16u + 24u + 10u + 13u);
  blob->unref();
}

TEST(Blob, StateIsZeroedAndAlignedForWords) {
  // A dirty block of the same size first, so that zeroes are not just luck.
  Blob* dirty = Blob::make(64, "k", "");
  ASSERT_NE(dirty, nullptr);
  std::memset(dirty->state(), 0xff, 64);
  dirty->unref();
  Blob* blob = Blob::make(64, "k", "");
  ASSERT_NE(blob, nullptr);
  const auto* bytes = static_cast<const unsigned char*>(blob->state());
  EXPECT_TRUE(std::all_of(bytes, bytes + 64, [](unsigned char b) { return b == 0; }));
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(blob->state()) % 8, 0u);
  blob->unref();
}

TEST(Blob, TakesAnyBytesAndEmptyParts) {
  const std::string key("a\0b\xff", 4);
  Blob* blob = Blob::make(0, key, {});
  ASSERT_NE(blob, nullptr);
  EXPECT_EQ(blob->key(), key);
  EXPECT_TRUE(blob->payload().empty());
  EXPECT_EQ(blob->bytes(), sizeof(Blob) + key.size());
  blob->unref();
}

TEST(Blob, TakesTheLargestKeyStateAndPayload) {
  const std::string key(512, 'k');
  const std::string payload(1 << 20, 'p');
  Blob* blob = Blob::make(65'528, key, payload);
  ASSERT_NE(blob, nullptr);
  EXPECT_EQ(blob->state_len, 65'528u);
  EXPECT_EQ(blob->key(), key);
  EXPECT_EQ(blob->payload(), payload);
  blob->unref();
}

// No system has 2^62 bytes: the block is refused before anything is read.
TEST(Blob, AnswersNullWhenMemoryIsOut) {
  const char byte = 'x';
  const volatile std::size_t huge = std::size_t{1} << 62;  // not for the compiler to see
  EXPECT_EQ(Blob::make(8, "key", std::string_view(&byte, huge)), nullptr);
}

TEST(Blob, CountsItsReferences) {
  Blob* blob = Blob::make(8, "key", "payload");
  ASSERT_NE(blob, nullptr);
  EXPECT_EQ(refs_of(blob), 1u);
  blob->ref();
  blob->ref();
  EXPECT_EQ(refs_of(blob), 3u);
  blob->unref();
  blob->unref();
  EXPECT_EQ(refs_of(blob), 1u);
  EXPECT_EQ(blob->key(), "key") << "still there for the last holder";
  blob->unref();
}

// Every thread reads until it gives its reference back; whoever is last frees. TSan
// reports the free if it is not ordered after all reads.
TEST(Blob, LastHolderOfManyThreadsFrees) {
  constexpr int kThreads = 4;
  constexpr int kRounds = 2'000;
  const std::string payload(100, 'x');
  for (int round = 0; round < kRounds; round += kThreads) {
    std::vector<Blob*> blobs;
    for (int i = 0; i < kThreads; ++i) {
      blobs.push_back(Blob::make(8, "key", payload));
      ASSERT_NE(blobs.back(), nullptr);
      for (int holder = 1; holder < kThreads; ++holder) blobs.back()->ref();
    }
    std::atomic<std::uint64_t> wrong{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&] {
        for (Blob* blob : blobs) {
          if (blob->payload() != payload) wrong.fetch_add(1);
          blob->unref();
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    ASSERT_EQ(wrong.load(), 0u);
  }
}

}  // namespace
}  // namespace warden
