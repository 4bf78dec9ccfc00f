// SPDX-License-Identifier: Apache-2.0
//
// Out of memory at every allocation in turn: parse(), parse_duration() and the tables
// that a flow's version is kept in must answer no_memory, leave `out` alone and leak
// nothing: what is allocated is counted. This program replaces operator new, so it is
// one of its own.
#include <gtest/gtest.h>

#include <cstdlib>
#include <new>
#include <string>

#include "engine/flow_table.hpp"
#include "flow/duration.hpp"
#include "flow/parse.hpp"
#include "support.hpp"

namespace {

// Allocations that may still succeed; negative: no limit. Each thread its own, so
// that the test's own machinery elsewhere is never starved.
thread_local long allowance = -1;
// Allocations that this thread has not given back.
thread_local long outstanding = 0;

void* allocate(std::size_t size) noexcept {
  if (allowance == 0) return nullptr;
  if (allowance > 0) --allowance;
  void* place = std::malloc(size == 0 ? 1 : size);
  if (place != nullptr) ++outstanding;
  return place;
}

void give_back(void* place) noexcept {
  if (place != nullptr) --outstanding;
  std::free(place);
}

void* allocate_or_throw(std::size_t size) {
  void* place = allocate(size);
  if (place == nullptr) throw std::bad_alloc();
  return place;
}

}  // namespace

void* operator new(std::size_t size) {
  return allocate_or_throw(size);
}
void* operator new[](std::size_t size) {
  return allocate_or_throw(size);
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return allocate(size);
}
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
  return allocate(size);
}
void operator delete(void* place) noexcept {
  give_back(place);
}
void operator delete[](void* place) noexcept {
  give_back(place);
}
void operator delete(void* place, std::size_t) noexcept {
  give_back(place);
}
void operator delete[](void* place, std::size_t) noexcept {
  give_back(place);
}

namespace warden::flow::test {
namespace {

// Runs `call` with 0, 1, 2, ... allocations until it is not short of memory; gives
// how often it was.
template <class Call>
long starve(Call call) {
  for (long allowed = 0;; ++allowed) {
    allowance = allowed;
    const Error error = call();  // never copied: that would allocate too
    allowance = -1;
    if (error.code != Code::no_memory) return allowed;
    EXPECT_EQ(error.message, "out of memory");
    EXPECT_EQ(error.line, 0u);
  }
}

TEST(FlowMemory, a_valid_flow_needs_all_of_it_or_is_refused_cleanly) {
  for (const std::string name : {"every_key", "any_numbers_in_order_of_mention", "string_forms"}) {
    const std::string text = read_file(WARDEN_TEST_DATA "/flows/valid/" + name + ".toml");
    ASSERT_FALSE(text.empty());
    Definition out;
    out.name = "untouched";
    const long failed = starve([&] {
      Error error = parse(text, out);
      if (error && out.name != "untouched") std::abort();
      return error;
    });
    EXPECT_GT(failed, 50) << name;
    EXPECT_EQ(out.text, text);
    EXPECT_EQ(broken_invariant(out), "");
  }
}

TEST(FlowMemory, every_refusal_is_clean_too) {
  const std::string folder = WARDEN_TEST_DATA "/flows/invalid/";
  long starved = 0;
  for (const std::string& name : names_in(folder, ".toml")) {
    const std::string text = read_file(folder + name + ".toml");
    if (text.size() > 4000) continue;  // thousands of allocations, each like the last
    SCOPED_TRACE(name);
    Definition out;
    starved += starve([&] { return parse(text, out); });
    const Error last = parse(text, out);
    EXPECT_EQ(raw(last.code), raw(Code::flow_syntax));
    EXPECT_EQ(broken_refusal(last), "");
  }
  EXPECT_GT(starved, 1000);
}

TEST(FlowMemory, durations) {
  Nanos length = -1;
  EXPECT_GT(starve([&] { return parse_duration("5 parsecs", length); }), 0);
  EXPECT_GT(starve([&] { return parse_duration("99999999999y", length); }), 0);
  EXPECT_EQ(length, -1);
  EXPECT_EQ(starve([&] { return parse_duration("1h30m", length); }), 0);
  EXPECT_EQ(length, 90 * kMinute);
}

// Midway through the names, too: those made before the one that did not fit go again.
TEST(FlowMemory, a_version_of_a_flow_is_whole_or_leaves_nothing) {
  std::string text = "[flow]\nname = \"f\"\nstages = [";
  for (int i = 0; i < 40; ++i) {
    text += i == 0 ? "\"" : ", \"";
    text += "a stage whose name is too long for the string itself " + std::to_string(i) + "\"";
  }
  text += "]\n";
  Definition flow;
  ASSERT_FALSE(parse(text, flow));
  for (long allowed = 0;; ++allowed) {
    const long before = outstanding;
    bool made = false;
    allowance = allowed;
    try {
      const engine::StageTable table(flow);
      allowance = -1;
      made = table.find(flow.stages.back()) == 39;
    } catch (const std::bad_alloc&) {
      allowance = -1;
    }
    ASSERT_EQ(outstanding, before) << "after " << allowed << " allocations";
    if (!made) continue;
    EXPECT_EQ(allowed, 2 + 2 * 40) << "two tables, and each name with its text";
    break;
  }
}

}  // namespace
}  // namespace warden::flow::test
