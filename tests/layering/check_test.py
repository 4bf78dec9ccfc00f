#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tests of the checks: a clean tree passes, and each planted violation is found."""

import os
import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

import check
import functions
from tree import Tree

C_HEAD = "// SPDX-License-Identifier: Apache-2.0\n"
SHELL_HEAD = "# SPDX-License-Identifier: Apache-2.0\n"


def source(*lines):
    return C_HEAD + "".join(line + "\n" for line in lines)


def header(*lines):
    return source("#pragma once", *lines)


def long_function(name, lines):
    body = ["  work();"] * (lines - 2)
    return [f"void {name}() {{", *body, "}"]


CLEAN = {
    "CMakeLists.txt": SHELL_HEAD + "add_subdirectory(src)\nadd_subdirectory(capi)\n"
                                   "add_subdirectory(tests)\n",
    "Makefile": SHELL_HEAD + "test:\n\ttrue\n",
    "README.md": "Run `make test`; see [the sources](src/README.md).\n",
    "include/warden/warden.h": source("#define WARDEN_OK 0"),
    "src/README.md": "Arrows, from `src/base/types.hpp` up to src/<module>/*.cpp.\n",
    "src/CMakeLists.txt": SHELL_HEAD + "foreach(module io flow index engine cli)\n"
                                       "  add_subdirectory(${module})\nendforeach()\n",
    "src/base/types.hpp": header("#include <cstdint>"),
    "src/io/CMakeLists.txt": SHELL_HEAD + "target_sources(core PRIVATE clock.cpp)\n",
    "src/io/clock.cpp": source('#include "io/clock.hpp"'),
    "src/io/clock.hpp": header('#include "base/types.hpp"'),
    "src/flow/CMakeLists.txt": SHELL_HEAD + "target_sources(core PRIVATE rule.cpp)\n",
    "src/flow/rule.hpp": header('#include "base/types.hpp"'),
    "src/flow/rule.cpp": source('#include "flow/rule.hpp"'),
    "src/index/CMakeLists.txt": SHELL_HEAD + "target_sources(core PRIVATE index.cpp)\n",
    "src/index/index.cpp": source('#include "io/clock.hpp"'),
    "src/engine/CMakeLists.txt": SHELL_HEAD + "target_sources(core PRIVATE engine.cpp)\n",
    "src/engine/engine.hpp": header('#include "flow/rule.hpp"'),
    "src/engine/engine.cpp": source('#include "engine/engine.hpp"'),
    "src/cli/CMakeLists.txt": SHELL_HEAD + "add_executable(cli main.cpp)\n",
    "src/cli/main.cpp": source('#include "warden/warden.h"'),
    "capi/CMakeLists.txt": SHELL_HEAD + "add_library(warden warden.cpp)\n",
    "capi/warden.cpp": source('#include "warden/warden.h"', '#include "engine/engine.hpp"'),
    "tests/CMakeLists.txt": SHELL_HEAD + "add_subdirectory(unit/flow)\n",
    "tests/unit/flow/CMakeLists.txt": SHELL_HEAD + "foreach(name rule)\n"
                                                   "  test(${name}_test.cpp)\nendforeach()\n",
    "tests/unit/flow/rule_test.cpp": source('#include "flow/rule.hpp"'),
}


class WithTree(unittest.TestCase):
    def findings(self, planted, names=(), executable=()):
        """Findings of the clean tree with some files changed; None removes one."""
        with tempfile.TemporaryDirectory() as root:
            for path, text in {**CLEAN, **planted}.items():
                if text is None:
                    continue
                place = Path(root, path)
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_text(text, encoding="utf-8")
                if path in executable:
                    os.chmod(place, 0o755)
            return check.run(root, names)

    def expect(self, planted, *parts, count=1):
        """Exactly count findings, the first of which holds every part."""
        found = self.findings(planted)
        self.assertEqual(len(found), count, found)
        for part in parts:
            self.assertIn(part, found[0])


class Planted(WithTree):
    def test_clean_tree_has_no_findings(self):
        self.assertEqual(self.findings({}), [])

    def test_empty_tree_is_not_clean(self):
        with tempfile.TemporaryDirectory() as root:
            self.assertEqual(len(check.run(root)), 1)

    # arrows

    def test_base_includes_nothing_above(self):
        self.expect({"src/base/types.hpp": header('#include "io/clock.hpp"')},
                    "src/base/types.hpp:3:", "base must not include io", "[arrows]")

    def test_io_includes_no_module(self):
        self.expect({"src/io/clock.cpp": source('#include "io/clock.hpp"',
                                                '#include "flow/rule.hpp"')},
                    "src/io/clock.cpp:3:", "io must not include flow")

    def test_middle_modules_do_not_see_one_another(self):
        self.expect({"src/index/index.cpp": source('#include "flow/rule.hpp"')},
                    "index must not include flow")

    def test_middle_module_does_not_see_the_engine(self):
        self.expect({"src/flow/rule.cpp": source('#include "engine/engine.hpp"',
                                                 '#include "flow/rule.hpp"')},
                    "flow must not include engine")

    def test_no_module_sees_the_public_header(self):
        self.expect({"src/engine/engine.cpp": source('#include "engine/engine.hpp"',
                                                     '#include "warden/warden.h"')},
                    "engine must not include warden")

    def test_c_abi_sees_only_engine_and_base(self):
        self.expect({"capi/warden.cpp": source('#include "engine/engine.hpp"',
                                               '#include "flow/rule.hpp"')},
                    "capi must not include flow")

    def test_cli_sees_only_public_headers(self):
        self.expect({"src/cli/main.cpp": source('#include "engine/engine.hpp"')},
                    "cli must not include engine")

    def test_angle_brackets_are_no_way_round(self):
        self.expect({"src/cli/main.cpp": source("#include <engine/engine.hpp>")},
                    "cli must not include engine")

    def test_dots_are_no_way_round(self):
        self.expect({"src/cli/main.cpp": source('#include "../engine/engine.hpp"')},
                    "without ..")

    def test_tests_may_share_helpers_by_dots(self):
        self.assertEqual(self.findings({
            "tests/model.hpp": header(),
            "tests/unit/flow/rule_test.cpp": source('#include "../../model.hpp"')}), [])

    def test_include_in_a_comment_does_not_count(self):
        self.assertEqual(self.findings({"src/cli/main.cpp": source(
            '#include "warden/warden.h"', '// #include "engine/engine.hpp"',
            "/*", '#include "engine/engine.hpp"', "*/")}), [])

    def test_missing_header_is_found(self):
        self.expect({"src/io/clock.cpp": source('#include "io/clock.hpp"',
                                                '#include "io/gone.hpp"')},
                    "'io/gone.hpp', which is no file of the tree")

    def test_unknown_module_is_found(self):
        self.expect({"src/util/CMakeLists.txt": SHELL_HEAD + "add(misc.cpp)\n",
                     "src/CMakeLists.txt": CLEAN["src/CMakeLists.txt"] + "add(util)\n",
                     "src/util/misc.cpp": source()}, "belongs to no known layer ('util')")

    # dead files

    def test_source_that_nothing_builds(self):
        self.expect({"src/io/old.cpp": source()}, "src/io/old.cpp:1:", "built by nothing")

    def test_source_named_only_in_a_comment(self):
        self.expect({"src/io/old.cpp": source(),
                     "src/io/CMakeLists.txt": CLEAN["src/io/CMakeLists.txt"] + "# old.cpp\n"},
                    "src/io/old.cpp:1:", "built by nothing")

    def test_header_that_nothing_includes(self):
        self.expect({"src/io/old.hpp": header()}, "src/io/old.hpp:1:", "included by nothing")

    def test_header_that_only_a_dead_file_includes(self):
        self.expect({"src/io/old.cpp": source('#include "io/old.hpp"'),
                     "src/io/old.hpp": header()}, "built by nothing", count=2)

    def test_test_that_nothing_builds(self):
        self.expect({"tests/unit/flow/more_test.cpp": source()}, "built by nothing")

    def test_folder_that_nothing_enters(self):
        self.expect({"tests/unit/lost/CMakeLists.txt": SHELL_HEAD + "add(a_test.cpp)\n",
                     "tests/unit/lost/a_test.cpp": source()},
                    "tests/unit/lost/CMakeLists.txt:1:", "entered by nothing")

    # shape

    def test_long_line(self):
        self.expect({"src/io/clock.cpp": source('#include "io/clock.hpp"', "// " + "x" * 98)},
                    "src/io/clock.cpp:3:", "line of 101 columns")

    def test_columns_are_characters_not_bytes(self):
        self.assertEqual(self.findings(
            {"src/io/clock.cpp": source('#include "io/clock.hpp"', "// " + "\u00b5" * 97)}), [])

    def test_long_file(self):
        self.expect({"src/io/clock.cpp": source('#include "io/clock.hpp"', *["//"] * 449)},
                    "file of 451 lines")

    def test_missing_licence(self):
        self.expect({"src/io/clock.cpp": '#include "io/clock.hpp"\n'}, "does not open with")

    def test_script_without_licence(self):
        self.expect({"tests/run.sh": "#!/bin/sh\ntrue\n"}, "does not open with", count=2)

    def test_script_that_cannot_run(self):
        text = "#!/bin/sh\n" + SHELL_HEAD
        self.expect({"tests/run.sh": text}, "may not be executed")
        self.assertEqual(self.findings({"tests/run.sh": text}, executable=["tests/run.sh"]), [])

    def test_c_header_outside_the_abi(self):
        self.expect({"src/io/clock.h": source(), "src/io/clock.cpp": source(
            '#include "io/clock.hpp"', '#include "io/clock.h"')}, "that is for the C ABI")

    def test_header_without_pragma_once(self):
        self.expect({"src/io/clock.hpp": source('#include "base/types.hpp"')}, "#pragma once")

    def test_left_over_markers(self):
        for marker in ("TO" + "DO", "FIX" + "ME", "X" + "XX", "HA" + "CK"):
            self.expect({"README.md": f"Later ({marker}: say how)\n"}, "README.md:1:", marker)

    def test_letters_of_a_marker_inside_a_word(self):
        self.assertEqual(self.findings({"README.md": "mkstemp takes name.XXXX" + "XX\n"}), [])

    def test_left_over_conflict(self):
        self.expect({"README.md": "a\n" + "<" * 7 + " main\n"}, "README.md:2:", "merge conflict")

    def test_path_of_a_machine(self):
        for path in ("/ho" + "me/ada/warden", "/wo" + "rk/x", "/ro" + "ot/.cache"):
            self.expect({"README.md": f"It lies in {path}.\n"}, "path of one machine")

    def test_folder_of_that_name_inside_the_tree(self):
        self.assertEqual(self.findings({"README.md": "$build/wo" + "rk/x, https://a.b/ho"
                                        + "me/x\n"}), [])

    def test_stray_file_at_the_top(self):
        self.expect({"notes.txt": "x\n"}, "notes.txt:1:", "no place at the top")

    def test_stray_folder_at_the_top(self):
        self.expect({"scripts/a.txt": "x\n"}, "'scripts' has no place at the top")

    # documents

    def test_document_that_names_a_missing_file(self):
        self.expect({"README.md": "a\nSee `docs/wheel.md`.\n"},
                    "README.md:2:", "'docs/wheel.md', which does not exist")

    def test_link_to_a_missing_file(self):
        self.expect({"src/README.md": "[x](../docs/none.md#part)\n"}, "'../docs/none.md'")

    def test_pattern_that_matches_nothing(self):
        self.expect({"README.md": "`tests/e2e/*.sh`\n"}, "'tests/e2e/*.sh'")

    def test_pattern_of_which_one_part_is_missing(self):
        self.expect({"README.md": "`src/{io,nowhere}/clock.cpp`\n"}, "src/{io,nowhere}")

    def test_placeholder_stands_for_anything(self):
        self.assertEqual(self.findings({"README.md": "`src/MODULE/CMakeLists.txt`\n"}), [])

    def test_comment_that_names_a_missing_document(self):
        self.expect({"src/io/clock.hpp": header('#include "base/types.hpp"',
                                                "// docs/clock.md says why.")},
                    "src/io/clock.hpp:4:", "'docs/clock.md'")

    def test_make_target_that_is_missing(self):
        self.expect({"README.md": "Run `make coffee`.\n"}, "no target 'coffee'")

    def test_changelog_may_name_what_is_gone(self):
        self.assertEqual(self.findings({"CHANGELOG.md": "- removed `docs/old.md`\n"}), [])


class Functions(unittest.TestCase):
    def found(self, *lines):
        with tempfile.TemporaryDirectory() as root:
            Path(root, "a.cpp").write_text("\n".join(lines) + "\n", encoding="utf-8")
            return functions.functions(Tree(root).code("a.cpp"))

    def test_measures_from_head_to_closing_brace(self):
        self.assertEqual(self.found("namespace a {", "int f(int x,", "      int y) {",
                                    "  if (x) { return 1; }", "  return 2;", "}", "}"),
                         [("f", 2, 5)])

    def test_methods_and_constructors_with_initialisers(self):
        self.assertEqual(self.found(
            "struct alignas(64) A : B {", " public:", "  A() : x_{1}, y_(2), z_{} {", "    g();",
            "  }", "  int get() const noexcept { return x_; }", "  int x_ = f(1);", "};",
            "auto A::h(int a) -> int {", "  return a;", "}"),
            [("A", 3, 3), ("get", 6, 1), ("A::h", 9, 3)])

    def test_braces_in_text_comments_and_directives_do_not_count(self):
        self.assertEqual(self.found(
            "#define OPEN(x) { \\", "  x", "void f() {", '  s("}}}"); // }', "  c('}'); /* } */",
            '  r(R"x(})x"); n = 1\'000;', "}", "void g() {", "}"),
            [("f", 3, 5), ("g", 8, 2)])

    def test_test_cases_have_their_full_name(self):
        self.assertEqual(self.found("TEST(Wheel, Fires) {", "}", "BENCHMARK_F(a) {", "}"),
                         [("Wheel.Fires", 1, 2), ("a", 3, 2)])

    def test_tables_and_enums_are_no_functions(self):
        self.assertEqual(self.found("enum class E : int { a = 1, b };", "extern \"C\" {",
                                    "const T t[] = {", "  {f(1), 2},", "  {g(3), {4}},", "};", "}",
                                    "int h() {", "}"), [("h", 8, 2)])


class Ratchet(WithTree):
    LIST = functions.RATCHET

    def test_function_over_the_limit(self):
        self.expect({"src/io/clock.cpp": source('#include "io/clock.hpp"',
                                                *long_function("tick", 71))},
                    "src/io/clock.cpp:3:", "tick of 71 lines: at most 70", "[functions]")

    def test_function_at_the_limit(self):
        self.assertEqual(self.findings({"src/io/clock.cpp": source(
            '#include "io/clock.hpp"', *long_function("tick", 70))}), [])

    def planted(self, lines, entry):
        return {"src/io/clock.cpp": source('#include "io/clock.hpp"',
                                           *long_function("tick", lines)), self.LIST: entry}

    def test_listed_function_may_stay(self):
        self.assertEqual(self.findings(self.planted(80, "80 src/io/clock.cpp tick\n")), [])

    def test_listed_function_must_not_grow(self):
        self.expect(self.planted(81, "80 src/io/clock.cpp tick\n"), "81 lines: at most 80")

    def test_listed_function_that_shrank_lowers_its_entry(self):
        self.expect(self.planted(75, "# why\n80 src/io/clock.cpp tick\n"),
                    f"{self.LIST}:2:", "is 75 lines", "lower or drop")

    def test_entry_of_a_function_that_is_short_now(self):
        self.expect(self.planted(10, "80 src/io/clock.cpp tick\n"), "not over the limit any more")

    def test_entry_that_does_not_parse(self):
        self.expect(self.planted(10, "tick is long\n"), "expected: lines path function")


class Repository(unittest.TestCase):
    def test_ignored_files_are_not_looked_at(self):
        with tempfile.TemporaryDirectory() as root:
            git = f"git -C '{root}' -c init.defaultBranch=main"
            self.assertEqual(os.system(f"{git} init -q"), 0)
            Path(root, ".gitignore").write_text("/build/\n", encoding="utf-8")
            Path(root, "build").mkdir()
            Path(root, "build", "a.cpp").write_text("x", encoding="utf-8")
            self.assertEqual(Tree(root).paths, [".gitignore"])


if __name__ == "__main__":
    unittest.main()
