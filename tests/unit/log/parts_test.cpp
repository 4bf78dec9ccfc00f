// SPDX-License-Identifier: Apache-2.0
//
// The small parts by themselves: the histogram, the catalog, the ring of the buffer.
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "log/buffer.hpp"
#include "log/catalog.hpp"
#include "log/histogram.hpp"
#include "log_fixture.hpp"

namespace warden::log::test {
namespace {

// ------------------------------------------------------------------- histogram
TEST(LogHistogram, WithoutDurationsThereAreNoShares) {
  const Histogram empty;
  for (const double share : {0.0, 0.5, 1.0}) EXPECT_EQ(empty.quantile(share), 0);
  EXPECT_EQ(empty.total(), 0u);
}

TEST(LogHistogram, EachDurationIsInABucketAtMostAnEighthWide) {
  for (Nanos value = 8; value < kNever / 3; value = value * 3 + 1) {
    const Nanos longest = Histogram::longest(Histogram::bucket(value));
    EXPECT_GE(longest, value);
    EXPECT_LE(longest - value, value / 8) << value;
    EXPECT_EQ(Histogram::bucket(longest), Histogram::bucket(value));
    EXPECT_EQ(Histogram::bucket(longest + 1), Histogram::bucket(value) + 1);
  }
  EXPECT_EQ(Histogram::bucket(-5), 0u) << "a clock that stepped back";
}

TEST(LogHistogram, SharesAreReachedInOrder) {
  Histogram counts;
  for (int i = 0; i < 90; ++i) counts.add(kMicro);
  for (int i = 0; i < 9; ++i) counts.add(kMilli);
  counts.add(kNever);  // the longest that there is
  EXPECT_EQ(counts.total(), 100u);
  EXPECT_EQ(counts.quantile(0), Histogram::longest(Histogram::bucket(kMicro)));
  EXPECT_EQ(counts.quantile(0.9), Histogram::longest(Histogram::bucket(kMicro)));
  EXPECT_EQ(counts.quantile(0.91), Histogram::longest(Histogram::bucket(kMilli)));
  EXPECT_EQ(counts.quantile(0.99), Histogram::longest(Histogram::bucket(kMilli)));
  EXPECT_EQ(counts.quantile(1), kNever);
}

// --------------------------------------------------------------------- catalog
struct Entry {
  RecordType type;
  std::uint64_t incarnation;
  std::string content;
  bool operator==(const Entry&) const = default;
};

std::vector<Entry> entries(const Catalog& catalog) {
  std::vector<Entry> out;
  catalog.for_each([&](RecordType type, std::uint64_t incarnation, Part content) -> Error {
    out.push_back({type, incarnation,
                   std::string(reinterpret_cast<const char*>(content.data()), content.size())});
    return {};
  });
  return out;
}

TEST(LogCatalog, GivesBackWhatWasAdded) {
  Catalog catalog;
  EXPECT_TRUE(catalog.empty());
  const std::vector<Entry> want = {{RecordType::flow, 1, "[flow]"},
                                   {RecordType::totals, ~std::uint64_t{0}, ""},
                                   {RecordType::meta, 3, std::string(100'000, 'm')}};
  for (const Entry& each : want) catalog.add(each.type, each.incarnation, bytes_of(each.content));
  EXPECT_EQ(entries(catalog), want);
  Catalog copy;
  ASSERT_TRUE(copy.assign(catalog.bytes()));
  EXPECT_EQ(entries(copy), want);
  ASSERT_TRUE(copy.assign({}));
  EXPECT_TRUE(copy.empty());
}

TEST(LogCatalog, TheFirstErrorEndsTheRound) {
  Catalog catalog;
  for (int i = 0; i < 3; ++i) catalog.add(RecordType::flow, 1, {});
  for (const std::string& text : {std::string("here"), std::string(100, 'h')}) {
    int seen = 0;
    const Error error = catalog.for_each([&](RecordType, std::uint64_t, Part) -> Error {
      return ++seen == 2 ? Error{Code::corrupt, text, 0, 0, 0} : Error{};
    });
    EXPECT_EQ(error.message, text);
    EXPECT_EQ(seen, 2);
  }
}

TEST(LogCatalog, CutAnywhereItIsRefusedAndChangesNothing) {
  Catalog catalog;
  catalog.add(RecordType::flow, 1, bytes_of("first"));
  const std::size_t boundary = catalog.bytes().size();
  catalog.add(RecordType::flow, 2, bytes_of("second"));
  Catalog kept;
  kept.add(RecordType::meta, 9, bytes_of("kept"));
  const std::vector<Entry> before = entries(kept);
  for (std::size_t size = 1; size < catalog.bytes().size(); ++size) {
    Catalog target = kept;
    const bool whole = size == boundary;
    EXPECT_EQ(target.assign(catalog.bytes().first(size)), whole) << size;
    EXPECT_TRUE(whole || entries(target) == before) << size;
  }
}

// ---------------------------------------------------------------------- buffer
TEST(LogBuffer, SharesLeaveTheCleanerItsPart) {
  Buffer small;
  ASSERT_TRUE(small.init(64 * 1024));
  EXPECT_EQ(small.share(Pool::cleaner), 8u * 1024);
  EXPECT_EQ(small.share(Pool::callers), 56u * 1024);
  Buffer large;
  ASSERT_TRUE(large.init(4 * 1024 * 1024));
  EXPECT_GE(large.share(Pool::cleaner), record_bytes(kMaxContent)) << "any record can be moved";
  EXPECT_EQ(large.share(Pool::cleaner) + large.share(Pool::callers), large.capacity());
}

// Records of every size at every place, over the ring's end too, come out as they went
// in; what is freed is zero again.
TEST(LogBuffer, TheRingsEndIsInvisible) {
  Buffer buffer;
  constexpr std::size_t kRing = 4096;
  ASSERT_TRUE(buffer.init(kRing));
  std::uint64_t at = 0;
  for (std::uint32_t size = 0; size < 1000; size += 7) {
    const std::uint32_t bytes = record_bytes(size);
    ASSERT_TRUE(buffer.try_take(Pool::callers, bytes));
    ASSERT_EQ(buffer.claim(bytes), at);
    EXPECT_EQ(buffer.peek(at), 0u) << "a gap is not a record";
    const std::string content(size, static_cast<char>('a' + size % 26));
    buffer.copy_in(at + kRecordHeadBytes, content.data(), content.size());
    buffer.publish(at, make_word(RecordType::state, 0, size));
    EXPECT_EQ(content_of(buffer.peek(at)), size);
    std::string out(size, '?');
    buffer.copy_out(at + kRecordHeadBytes, out.data(), out.size());
    EXPECT_EQ(out, content);
    const bool wraps = (at + kRecordHeadBytes) % kRing + size > kRing;
    EXPECT_EQ(buffer.contiguous(at + kRecordHeadBytes, size) == nullptr, wraps);
    buffer.free(at, bytes, 0);
    std::string freed(bytes, '?');
    buffer.copy_out(at, freed.data(), freed.size());
    EXPECT_EQ(freed, std::string(bytes, '\0'));
    at += bytes;
  }
  EXPECT_GT(at, 10 * kRing);
  EXPECT_EQ(buffer.taken(), 0u);
}

// Threads that take and give back in each other's way never get more than there is,
// and in the end all of it is there.
TEST(LogBuffer, CreditIsNeitherLostNorGivenTwice) {
  Buffer buffer;
  ASSERT_TRUE(buffer.init(4096));
  const std::size_t all = buffer.share(Pool::callers);
  const std::size_t piece = all / 3;  // room for three of four threads
  std::atomic<std::size_t> held{0};
  std::atomic<std::uint64_t> excess{0};
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&] {
      for (int i = 0; i < 50'000; ++i) {
        if (!buffer.try_take(Pool::callers, piece)) continue;
        if (held.fetch_add(piece) + piece > all) ++excess;
        held.fetch_sub(piece);
        buffer.give_back(Pool::callers, piece);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(excess, 0u);
  EXPECT_EQ(buffer.taken(), 0u);
  EXPECT_TRUE(buffer.try_take(Pool::callers, all));
  EXPECT_FALSE(buffer.try_take(Pool::callers, 1));
  buffer.give_back(Pool::callers, 0);
  EXPECT_FALSE(buffer.try_take(Pool::callers, 1)) << "nothing was given back";
}

}  // namespace
}  // namespace warden::log::test
