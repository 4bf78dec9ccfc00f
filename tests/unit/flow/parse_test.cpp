// SPDX-License-Identifier: Apache-2.0
//
// What the golden files do not show: the version's hash, defaults, limits too large
// for a file, and that texts made of pieces never break a promise. Random cases
// print their seed; WARDEN_SEED sets it.
#include "flow/parse.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "support.hpp"

namespace warden::flow::test {
namespace {

const std::string kFlow = "[flow]\nname = \"f\"\nstages = \"any\"\n";

std::string where(const Error& error) {
  return std::to_string(error.line) + ":" + std::to_string(error.column);
}

TEST(FlowParse, version_is_the_hash_of_the_text) {
  Definition first;
  ASSERT_FALSE(parse(kFlow, first));
  // From the xxHash library, built on its own, over the same 33 bytes.
  EXPECT_EQ(first.version.high, 0x8ee14c9fd462aadfull);
  EXPECT_EQ(first.version.low, 0xd971d5304b6e6bd4ull);
  Definition same;
  ASSERT_FALSE(parse(kFlow, same));
  EXPECT_EQ(first.version, same.version);
  Definition other;
  ASSERT_FALSE(parse(kFlow + "# a comment is another version\n", other));
  EXPECT_NE(first.version, other.version);
}

TEST(FlowParse, defaults) {
  Definition out;
  ASSERT_FALSE(parse(kFlow + "[[rule]]\nname=\"r\"\nkind=\"total\"\nwithin=\"1h\"\n"
                             "warn_at=\"80%\"\nescalate=[\"+1m\",\"+2m\"]\n",
                     out));
  EXPECT_EQ(out.dedupe, kHour);
  ASSERT_EQ(out.rules.size(), 1u);
  const Rule& rule = out.rules[0];
  EXPECT_EQ(rule.warn_severity, Severity::warning);
  EXPECT_EQ(rule.breach_severity, Severity::error);
  EXPECT_EQ(rule.escalate_severity,
            (std::vector<Severity>{Severity::critical, Severity::critical}));
  EXPECT_EQ(rule.min, 0);
  EXPECT_EQ(rule.cap, 0);
  EXPECT_EQ(rule.warn_lead, 0);
  EXPECT_EQ(rule.warn_share_ppm, 800'000u);
}

TEST(FlowParse, replaces_what_was_there_on_success_and_only_then) {
  Definition out;
  ASSERT_FALSE(parse(kFlow + "close = [\"a\", \"b\"]\n[[rule]]\nname=\"r\"\nkind=\"idle\"\n"
                             "within=\"1s\"\n",
                     out));
  const std::string before = describe(out);
  EXPECT_TRUE(parse("[flow]\nname = \"g\"\n", out));
  EXPECT_EQ(describe(out), before);
  ASSERT_FALSE(parse("[flow]\nname = \"g\"\nstages = []\n", out));
  EXPECT_EQ(describe(out), "flow g\nstages\ndone\nclose\ndedupe 1h\n");
}

TEST(FlowParse, the_text_may_be_that_of_out_itself) {
  Definition out;
  ASSERT_FALSE(parse(kFlow, out));
  ASSERT_FALSE(parse(out.text, out));
  EXPECT_EQ(out.text, kFlow);
}

// The full example of the reference has tables that come with later versions.
TEST(FlowParse, later_tables_are_refused_by_name) {
  std::string text = read_file(WARDEN_TEST_DATA "/flows/valid/semantics_example.toml");
  ASSERT_FALSE(text.empty());
  const std::string retry =
      "\n[retry]\nmax = 5\nbase = \"1s\"\ncap = \"1h\"\nfactor = 2.0\njitter = 0.2\n";
  const std::string policy = "\n[policy]\nmax_live = 5_000_000\nexec_rate = \"5000/s\"\n";
  Definition out;
  EXPECT_FALSE(parse(text, out));
  Error error = parse(text + retry + policy, out);
  EXPECT_EQ(raw(error.code), raw(Code::flow_syntax));
  EXPECT_EQ(error.message, "'retry' is not supported by this version");
  EXPECT_EQ(where(error), "22:2");
  error = parse(text + policy, out);
  EXPECT_EQ(error.message, "'policy' is not supported by this version");
  EXPECT_EQ(where(error), "22:2");
}

TEST(FlowParse, length_is_limited) {
  Definition out;
  std::string text = kFlow;
  text.resize(kMaxTextBytes, '\n');
  EXPECT_FALSE(parse(text, out));
  EXPECT_EQ(out.text.size(), kMaxTextBytes);
  text += "\n";
  const Error error = parse(text, out);
  EXPECT_EQ(raw(error.code), raw(Code::too_large));
  EXPECT_EQ(broken_refusal(error), "");
  EXPECT_EQ(error.message, "text of 1048577 bytes is too long; expected at most 1048576");
}

std::string stages_array(std::size_t count) {
  std::string out = "[";
  for (std::size_t i = 0; i < count; ++i) out += "\"s" + std::to_string(i) + "\", ";
  return out + "]\n";
}

TEST(FlowParse, takes_as_many_stages_as_promised) {
  Definition out;
  ASSERT_FALSE(parse("[flow]\nname = \"f\"\nstages = " + stages_array(kMaxStages), out));
  EXPECT_EQ(out.stages.size(), kMaxStages);
  ASSERT_FALSE(parse(kFlow + "close = " + stages_array(kMaxStages), out));
  EXPECT_EQ(out.close.size(), kMaxStages);
  EXPECT_EQ(broken_invariant(out), "");
}

// Each within the limit, all together over it: the refusal stands at the name that
// is one too many.
TEST(FlowParse, counts_stages_of_all_rules_together) {
  std::string text = kFlow;
  for (int rule = 0; rule < 5; ++rule) {
    const std::string n = std::to_string(rule);
    text += "[[rule]]\nname = \"r" + n + "\"\nkind = \"total\"\nwithin = \"1h\"\nto = [\n";
    for (int i = 0; i < 1000; ++i) text += "\"r" + n + "s" + std::to_string(i) + "\",\n";
    text += "]\n";
  }
  Definition out;
  const Error error = parse(text, out);
  EXPECT_EQ(error.message, "too many stages; expected at most 4096");
  EXPECT_EQ(where(error), std::to_string(3 + 4 * 1006 + 5 + 97) + ":1");
}

// Deep tables must be refused before anything recurses into them.
TEST(FlowParse, depth_is_no_danger) {
  Definition out;
  std::string dots = "a";
  for (int i = 0; i < 200'000; ++i) dots += ".a";
  const std::string many(200'000, '[');
  std::string tables = "x = ";
  for (int i = 0; i < 100'000; ++i) tables += "{a=";
  for (const std::string& text : {dots + " = 1\n", "[" + dots + "]\n", "[[" + dots + "]]\n",
                                  "x = {" + dots + " = 1}\n", many, "x = " + many, tables}) {
    const Error error = parse(text, out);
    EXPECT_EQ(error.message, "nested too deep; expected at most 16 levels");
  }
}

TEST(FlowParse, any_number_of_threads_at_once) {
  const std::string text = read_file(WARDEN_TEST_DATA "/flows/valid/every_key.toml");
  Definition expected;
  ASSERT_FALSE(parse(text, expected));
  std::vector<Definition> made(4);
  std::vector<std::thread> threads;
  for (Definition& out : made) {
    threads.emplace_back([&text, &out] {
      for (int i = 0; i < 50; ++i) {
        if (parse(text, out)) out = {};
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const Definition& out : made) EXPECT_EQ(describe(out), describe(expected));
}

// Valid and invalid files, cut and glued at random: whatever comes of it, either
// the invariants of a Definition hold or the refusal has its form.
TEST(FlowParse, texts_of_random_pieces_keep_the_promises) {
  std::uint64_t seed = std::random_device{}();
  if (const char* given = std::getenv("WARDEN_SEED")) seed = std::strtoull(given, nullptr, 10);
  SCOPED_TRACE("WARDEN_SEED=" + std::to_string(seed));
  std::mt19937_64 random(seed);
  std::vector<std::string> lines;
  for (const std::string folder : {"/flows/valid/", "/flows/invalid/"}) {
    for (const std::string& name : names_in(WARDEN_TEST_DATA + folder, ".toml")) {
      const std::string text = read_file(WARDEN_TEST_DATA + folder + name + ".toml");
      if (text.size() > 4000) continue;
      for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find('\n', at), text.size() - 1) + 1;
        lines.push_back(text.substr(at, end - at));
        at = end;
      }
    }
  }
  ASSERT_GT(lines.size(), 100u);
  int taken = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string text = round % 2 == 0 ? kFlow + "[[rule]]\nname = \"r\"\n" : "";
    for (std::size_t n = random() % 8; n > 0; --n) text += lines[random() % lines.size()];
    if (round % 3 == 0 && !text.empty()) text[random() % text.size()] = static_cast<char>(random());
    Definition out;
    const Error error = parse(text, out);
    if (error) {
      ASSERT_EQ(broken_refusal(error), "") << error.message << "\n" << text;
    } else {
      ++taken;
      ASSERT_EQ(broken_invariant(out), "") << text;
    }
  }
  EXPECT_GT(taken, 0);
}

}  // namespace
}  // namespace warden::flow::test
