// SPDX-License-Identifier: Apache-2.0
//
// The pass before the TOML library: what nests too deep, what is not ASCII where it
// must be, and that neither is seen in strings and comments.
#include "flow/structure.hpp"

#include <gtest/gtest.h>

#include <string>

namespace warden::flow {
namespace {

std::string nested(std::size_t brackets) {
  return "a = " + std::string(brackets, '[') + std::string(brackets, ']') + "\n";
}

TEST(FlowStructure, nesting_is_counted_outside_of_strings_and_comments) {
  EXPECT_FALSE(check_structure(nested(kMaxNesting)));
  EXPECT_EQ(check_structure(nested(kMaxNesting + 1)).message,
            "nested too deep; expected at most 16 levels");
  std::string dots = "a";
  for (std::size_t i = 0; i < kMaxNesting; ++i) dots += ".a";
  EXPECT_FALSE(check_structure(dots + " = 1\n" + dots + " = 1\n"));
  EXPECT_EQ(check_structure("\n" + dots + ".a = 1\n").line, 2u);
  // Dots and brackets in strings and comments do not count; quotes inside of
  // strings do not end them.
  const std::string deep = "[[[[[[[[[[[[[[[[[[[[......................";
  for (const std::string& text : {
           "a = \"" + deep + "\"\n",
           "a = '" + deep + "'\n",
           "# " + deep + "\n",
           "a = \"\\\"" + deep + "\"\n",
           "a = \"\\\\\"\nb = '" + deep + "'\n",
           "a = \"\"\"\n\"\"" + deep + "\n\"\"\"\n",
           "a = '''\n'" + deep + "\n'''\n",
           "a = \"\"\"\"" + deep + "\"\"\"\"\"\nb = \"" + deep + "\"\n",
           "a = \"\"\nb = \"" + deep + "\"\n",
           "a = '\\'\nb = '" + deep + "'\n",
           "a = \"\"\"\\\"\"\"" + deep + "\"\"\"\n",
       }) {
    EXPECT_FALSE(check_structure(text)) << text;
  }
  // Behind them it does.
  for (const std::string before : {"a = \"]\"\n", "a = '''\n'x'''''\n", "a = \"\"\"\"\"\"\n",
                                   "a = \"\\\\\"\n", "a = '\\'\n", "# \"\n"}) {
    const Error error = check_structure(before + nested(17));
    EXPECT_EQ(error.message, "nested too deep; expected at most 16 levels") << before;
    EXPECT_EQ(error.column, 21u) << before;
  }
  // Unbalanced brackets cannot wrap.
  EXPECT_FALSE(check_structure("]]]]]]}}}}}}}\n" + nested(kMaxNesting)));
}

std::string refusal(const std::string& text) {
  const Error error = check_structure(text);
  if (!error) return {};
  return std::to_string(error.line) + ":" + std::to_string(error.column) + ": " + error.message;
}

TEST(FlowStructure, beyond_ascii_only_in_strings_and_comments) {
  for (const std::string text :
       {"# ä", "a = 'ä'", R"(a = "ä")", "a = '''\nä'''", "a = \"\"\"\nä\"\"\"", R"("ä" = 1)",
        "\ufeffa = 1", R"(a = "\nä")", R"(a = '\ä')", R"(a = """\nä""")", "a = '''\\\nä'''",
        "a = \"\"\"\\ \n xä\"\"\""}) {
    EXPECT_EQ(refusal(text), "") << text;
  }
  const std::string outside = " stands outside of quotes; expected it in a string or a comment";
  EXPECT_EQ(refusal("ä = 1"), "1:1: bad TOML: 'ä' (U+00E4)" + outside);
  EXPECT_EQ(refusal("a = 1\u0499"), "1:6: bad TOML: '\u0499' (U+0499)" + outside);
  EXPECT_EQ(refusal("a = 'ä'\n b\u2028= 2"), "2:3: bad TOML: '\u2028' (U+2028)" + outside);
  EXPECT_EQ(refusal("# ä\n\U0001f600"), "2:1: bad TOML: '\U0001f600' (U+1F600)" + outside);
  EXPECT_EQ(refusal("a = '''ä''''ä"), "1:13: bad TOML: 'ä' (U+00E4)" + outside);
  EXPECT_EQ(refusal(R"(a = """x"""""ä)"), "1:14: bad TOML: 'ä' (U+00E4)" + outside);
  EXPECT_EQ(refusal(R"(a = "\"ä"ä)"), "1:10: bad TOML: 'ä' (U+00E4)" + outside);
  EXPECT_EQ(refusal("a = 1\ufeff"), "1:6: bad TOML: '\ufeff' (U+FEFF)" + outside);
}

TEST(FlowStructure, beyond_ascii_not_right_after_a_backslash) {
  const std::string escape = R"(bad TOML in string: unknown escape sequence '\' and 'ä' (U+00E4); )"
                             R"(expected such as \n or \u00e9)";
  EXPECT_EQ(refusal(R"(a = "\ä")"), "1:7: " + escape);
  EXPECT_EQ(refusal(R"(a = """\ä""")"), "1:9: " + escape);
  const std::string line =
      R"(bad TOML in string: the line after a '\' begins with 'ä' (U+00E4); expected an ASCII )"
      "character there";
  EXPECT_EQ(refusal("a = \"\"\"\\\nä\"\"\""), "2:1: " + line);
  EXPECT_EQ(refusal("a = \"\"\"b\\ \r\n\n\t ä\"\"\""), "3:3: " + line);
  EXPECT_EQ(refusal("a = \"\"\"b\\\n\\\nä\"\"\""), "3:1: " + line);
}

// The library reads a bare value to its end before it judges it: what could open a
// string there, in the eyes of this pass alone, is refused.
TEST(FlowStructure, nothing_opens_inside_of_a_bare_value) {
  const std::string end = " right after it; expected the value's end";
  EXPECT_EQ(refusal("a = 7'ä'"), "1:6: bad TOML in value: a quote" + end);
  EXPECT_EQ(refusal("a = 7.'ä'"), "1:7: bad TOML in value: a quote" + end);
  EXPECT_EQ(refusal("a = 7='ä'"), "1:6: bad TOML in value: '='" + end);
  EXPECT_EQ(refusal("a = ='ä'"), "1:5: bad TOML in value: '='" + end);
  EXPECT_EQ(refusal("a = 7['ä'"), "1:6: bad TOML in value: '['" + end);
  EXPECT_EQ(refusal("a = 7{'ä'"), "1:6: bad TOML in value: '{'" + end);
  EXPECT_EQ(refusal("a = [1, 7.'ä'"), "1:11: bad TOML in value: a quote" + end);
  EXPECT_EQ(refusal("a = [[1], 7='ä'"), "1:12: bad TOML in value: '='" + end);
  EXPECT_EQ(refusal("a = {b = 7='ä'"), "1:11: bad TOML in value: '='" + end);
  EXPECT_EQ(refusal("a = [{b = 1}, 7='ä'"), "1:16: bad TOML in value: '='" + end);
  EXPECT_EQ(refusal("a = [\n7\n, 8.'ä'"), "3:5: bad TOML in value: a quote" + end);
  for (const std::string text :
       {"a='ä'", "a.'ä'=1", "a . 'ä' = 1", "['ä']", "[a.'ä']", "[[a.'ä'.\"ä\"]]", "a={'ä'='ä'}",
        "a = {b = 1, c.'ä' = 2}", "a = ['ä','ä',['ä'],{'ä'='ä'}]", "a = [\n'ä'\n]\n'b'.'ä' = 1",
        "a = {b = {c.'ä' = 1}, d.'ä' = 1}\ne.'ä' = 2", "a = [1]\nb.'ä' = 1", "a=\"ä\"#ä"}) {
    EXPECT_EQ(refusal(text), "") << text;
  }
}

TEST(FlowStructure, strings_end_on_their_line) {
  const std::string message = "bad TOML in string: the line ends; expected a closing quote";
  EXPECT_EQ(refusal("a = 'b\nc = 'd'"), "1:7: " + message);
  EXPECT_EQ(refusal("a = \"b\r\nc = 'd'"), "1:7: " + message);
  EXPECT_EQ(refusal("a = \"\n"), "1:6: " + message);
  EXPECT_EQ(refusal("a = \"\\\n"), "1:7: " + message);
}

TEST(FlowStructure, texts_that_break_off_are_left_to_the_parser) {
  for (const std::string text : {R"(")", R"("\)", R"(""")", R"("""\)", "\"\"\"\\\n", "'''", "''''",
                                 "#", "", R"(""""")", "\ufeff"}) {
    EXPECT_EQ(refusal(text), "") << text;
  }
}

}  // namespace
}  // namespace warden::flow
