// SPDX-License-Identifier: Apache-2.0
//
// docs/flows.md, held to its word: its examples parse, its messages are real, its
// tables name exactly the keys that the parser takes.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "flow/parse.hpp"
#include "support.hpp"

namespace warden::flow::test {
namespace {

std::string page() {
  return read_file(WARDEN_DOCS "/flows.md");
}

// The fenced blocks of `language`.
std::vector<std::string> blocks(const std::string& language) {
  std::vector<std::string> out;
  const std::string text = page();
  const std::string open = "\n```" + language + "\n";
  for (std::size_t at = text.find(open); at != std::string::npos; at = text.find(open, at)) {
    at += open.size();
    const std::size_t end = text.find("\n```", at);
    if (end == std::string::npos) break;
    out.push_back(text.substr(at, end + 1 - at));
    at = end;
  }
  return out;
}

std::string refusal(const std::string& text) {
  Definition out;
  const Error error = parse(text, out);
  if (!error) return "no refusal";
  return std::to_string(error.line) + ":" + std::to_string(error.column) + ": " + error.message;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

TEST(FlowDocs, every_example_parses) {
  const auto examples = blocks("toml");
  ASSERT_GE(examples.size(), 4u);
  for (const std::string& text : examples) {
    Definition out;
    const Error error = parse(text, out);
    EXPECT_FALSE(error) << error.line << ":" << error.column << ": " << error.message << "\n"
                        << text;
    EXPECT_EQ(broken_invariant(out), "");
  }
}

// The first example, spoilt, gives the messages that the page shows.
TEST(FlowDocs, the_messages_are_real) {
  const auto examples = blocks("toml");
  const auto shown = blocks("text");
  ASSERT_FALSE(examples.empty());
  ASSERT_EQ(shown.size(), 2u);
  const std::string& good = examples[0];
  const auto line = [](const std::string& text) { return "upload.toml:" + refusal(text) + "\n"; };
  EXPECT_EQ(shown[0], line(replaced(good, "within = \"2h\"", "withn = \"2h\"")) +
                          line(replaced(good, "within = \"2h\"", "within = \"0s\"")) +
                          line(replaced(good, "to = [\"copied\"]", "to = [\"copid\"]")));
  EXPECT_EQ(shown[1], line(good + "\n[retry]\nmax = 5\n"));
}

// Keys in the first column of the table under `heading`.
std::vector<std::string> documented_keys(const std::string& heading) {
  const std::string text = page();
  std::vector<std::string> keys;
  std::size_t at = text.find("\n## " + heading + "\n");
  EXPECT_NE(at, std::string::npos) << heading;
  if (at == std::string::npos) return keys;
  const std::size_t end = text.find("\n## ", at + 1);
  const std::string row = "\n| `";
  for (at = text.find(row, at); at < end; at = text.find(row, at)) {
    at += row.size();
    keys.push_back(text.substr(at, text.find('`', at) - at));
  }
  std::sort(keys.begin(), keys.end());
  return keys;
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) {
    if (!out.empty()) out += ", ";
    out += word;
  }
  return out;
}

TEST(FlowDocs, the_tables_name_every_key_and_no_other) {
  EXPECT_EQ(refusal("[flow]\nzzzzzzzz = 1\n"),
            "2:1: unknown key 'zzzzzzzz' in [flow]; expected one of: " +
                joined(documented_keys("`[flow]`")));
  EXPECT_EQ(refusal("[flow]\nname = \"f\"\nstages = []\n[[rule]]\nzzzzzzzz = 1\n"),
            "5:1: unknown key 'zzzzzzzz' in rule 1; expected one of: " +
                joined(documented_keys("`[[rule]]`")));
}

// "refused by name: `retry`, `policy`, ..." lists what the parser refuses so.
TEST(FlowDocs, keys_of_later_versions_are_all_named) {
  const std::string text = page();
  const std::size_t start = text.find("as if they had been heeded: ");
  ASSERT_NE(start, std::string::npos);
  const std::string list = text.substr(start, text.find(".\n", start) - start);
  int keys = 0;
  for (std::size_t at = list.find('`'); at != std::string::npos; at = list.find('`', at + 1)) {
    const std::size_t end = list.find('`', at + 1);
    const std::string key = list.substr(at + 1, end - at - 1);
    EXPECT_EQ(refusal("[flow]\n" + key + " = 1\n"),
              "2:1: '" + key + "' is not supported by this version");
    at = end;
    ++keys;
  }
  EXPECT_EQ(keys, 9);
}

}  // namespace
}  // namespace warden::flow::test
