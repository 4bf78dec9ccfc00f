# SPDX-License-Identifier: Apache-2.0
"""The outer form of files: lengths, licence line, left-overs, places, names."""

import os
import re

from tree import C_LIKE, is_data, line_of

MAX_COLUMNS = 100
MAX_LINES = 450
# The public header is one document on purpose: users read it from top to bottom.
LONG_FILES = {"include/warden/warden.h"}
LICENCE = "SPDX-License-Identifier: Apache-2.0"

# Put together here so that this file does not hold what it looks for.
MARKERS = re.compile(r"\b(" + "|".join(
    a + b for a, b in [("TO", "DO"), ("FIX", "ME"), ("X", "XX"), ("HA", "CK"), ("T", "BD")]
) + r")\b")
CONFLICT = re.compile(r"^(<{7} |>{7} |={7}$)")
MACHINE_PATH = re.compile(
    r"(?<![\w.$~}>)*-])/(" + "|".join(["home", "root", "Users", "work", "workspace", "mnt"])
    + r")/[\w.-]")

TOP = {"README.md", "LICENSE", "CHANGELOG.md", "Makefile", "CMakeLists.txt",
       "CMakePresets.json"}
TOP_FOLDERS = {"include", "src", "capi", "bindings", "bench", "tests", "docs"}


def top(tree):
    for path in tree.paths:
        first, _, rest = path.partition("/")
        if first.startswith(".") or (first in TOP_FOLDERS if rest else first in TOP):
            continue
        yield path, 1, f"'{first}' has no place at the top of the tree (tests/layering/shape.py)"


def lengths(tree):
    for path in tree.paths:
        if not tree.is_script(path) or is_data(path):
            continue
        lines = tree.lines(path)
        for number, line in enumerate(lines, 1):
            if len(line) > MAX_COLUMNS:
                yield path, number, f"line of {len(line)} columns: at most {MAX_COLUMNS}"
        if len(lines) > MAX_LINES and path not in LONG_FILES:
            yield path, 1, f"file of {len(lines)} lines: at most {MAX_LINES}"


def licence(tree):
    for path in tree.paths:
        if not tree.is_script(path) or is_data(path):
            continue
        if not any(LICENCE in line for line in tree.lines(path)[:2]):
            yield path, 1, f"does not open with '{LICENCE}'"


def scripts(tree):
    for path in tree.paths:
        if tree.text(path).startswith("#!") and not os.access(tree.root / path, os.X_OK):
            yield path, 1, "has a #! line but may not be executed (chmod +x)"
    for path in tree.suffixed({".h"}):
        if not path.startswith("include/warden/"):
            yield path, 1, "ends in .h: that is for the C ABI; C++ headers end in .hpp"
    for path in tree.suffixed({".cc", ".cxx", ".hh", ".hxx"}):
        yield path, 1, "C++ files end in .cpp and .hpp"


def left_overs(tree):
    for path in tree.paths:
        if is_data(path):
            continue
        for number, line in enumerate(tree.lines(path), 1):
            found = MARKERS.search(line)
            if found:
                yield path, number, f"left-over marker '{found[0]}'"
            if CONFLICT.search(line):
                yield path, number, "left-over of a merge conflict"


def machine_paths(tree):
    for path in tree.paths:
        if is_data(path):
            continue
        for found in MACHINE_PATH.finditer(tree.text(path)):
            yield (path, line_of(tree.text(path), found.start()),
                   f"path of one machine: '{found[0]}...'")


def pragma_once(tree):
    for path in tree.suffixed(C_LIKE):
        if path.endswith(".hpp") and "#pragma once" not in tree.text(path):
            yield path, 1, "header without #pragma once"
