# SPDX-License-Identifier: Apache-2.0
"""A ratchet on the length of functions.

No function is longer than MAX_LINES, from the first line of its head to its closing
brace, but for those in long_functions.txt, which may only shrink: a listed function
that grew is a finding, and so is one that became shorter than its entry says.

The reader of C++ below knows just enough: what stands before an opening brace tells
whether it opens a type or namespace, a function, a block or an initialiser.
"""

import re
from pathlib import PurePosixPath

from tree import is_data

MAX_LINES = 70
RATCHET = "tests/layering/long_functions.txt"

DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n\\]|\\.)*(?:\\\n(?:[^\n\\]|\\.)*)*", re.MULTILINE)
NOISE = re.compile(r"\b(?:alignas|__attribute__|decltype|noexcept|explicit|requires)\s*"
                   r"\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)|\[\[.*?\]\]", re.DOTALL)
SCOPE = re.compile(r"(?:^|\b)(namespace|class|struct|union|enum|extern)\b")
WORD_END = re.compile(r"(\w+)\s*$")
BEFORE_BODY = {"const", "noexcept", "override", "final", "mutable", "try", "volatile"}
CASE = re.compile(r"\b(?:TEST|TEST_F|TEST_P|TYPED_TEST|BENCHMARK\w*)\s*\(\s*(\w+)\s*"
                  r"(?:,\s*(\w+)\s*)?\)")
NAME = re.compile(r"((?:[\w~]+(?:<[^<>()]*>)?\s*::\s*)*"
                  r"(?:operator\s*[^\s(]+|operator\s*\(\)|~?\w+))\s*\(")


def kind_of(head):
    """What a brace after this text opens: 'scope', 'function' or 'other'."""
    head = NOISE.sub(" ", head).strip()
    if "(" not in head:
        return "scope" if SCOPE.search(head) else "other"
    if re.search(r"(=|\breturn|,)\s*$", head):
        return "other"
    last = WORD_END.search(head)
    after = head[head.rfind(")") + 1:]
    # A member's initialiser that ended ("}") has the constructor's body behind it.
    if "->" in after or after.strip() == "" or after.rstrip().endswith("}"):
        return "function"
    if last and last[1] in BEFORE_BODY:
        return "function"
    # `Name() : member_` or `..., member_`: the brace initialises the member.
    return "other"


def name_of(head):
    head = NOISE.sub(" ", head)
    case = CASE.search(head)
    if case:
        return f"{case[1]}.{case[2]}" if case[2] else case[1]
    found = NAME.search(head)
    return re.sub(r"\s+", "", found[1]) if found else "(unnamed)"


def functions(code):
    """(name, first line, lines) of each function in code without comments."""
    code = DIRECTIVE.sub(lambda m: re.sub(r"[^\n]", " ", m[0]), code)
    found, stack, head, line = [], [], "", 1
    head_line = 1
    for char in code:
        if char == "{":
            inside = any(kind == "function" for kind, _, _ in stack)
            kind = "other" if inside else kind_of(head)
            stack.append((kind, head_line, head))
            if kind != "other" or inside:
                head = ""
        elif char == "}":
            if stack:
                kind, first, opened = stack.pop()
                if kind == "function":
                    found.append((name_of(opened), first, line - first + 1))
                # After a member's initialiser the head of its constructor goes on.
                head = opened + "{}" if kind == "other" else ""
        elif char == ":" and head.strip() in ("public", "private", "protected"):
            head = ""
        elif char == ";" and not any(kind == "other" for kind, _, _ in stack):
            head = ""
        else:
            if not head.strip() and not char.isspace():
                head, head_line = "", line
            head += char
        if char == "\n":
            line += 1
    return found


def longest(tree):
    """{(path, name): (lines, first line)} of all functions above the limit."""
    over = {}
    for path in tree.suffixed({".c", ".cpp", ".hpp"}):
        if is_data(path):
            continue
        for name, first, lines in functions(tree.code(path)):
            if lines > MAX_LINES and lines > over.get((path, name), (0, 0))[0]:
                over[path, name] = (lines, first)
    return over


def ratchet(tree):
    """Findings about functions that are too long or entries that are out of date."""
    over = longest(tree)
    listed = {}
    if RATCHET in tree.known:
        for number, line in enumerate(tree.lines(RATCHET), 1):
            if not line.strip() or line.startswith("#"):
                continue
            parts = line.split()
            if len(parts) != 3 or not parts[0].isdigit():
                yield RATCHET, number, "expected: lines path function"
                continue
            listed[parts[1], parts[2]] = (int(parts[0]), number)
    for (path, name), (lines, first) in sorted(over.items()):
        allowed = listed.get((path, name), (MAX_LINES, 0))[0]
        if lines > allowed:
            yield path, first, f"function {name} of {lines} lines: at most {allowed}"
    for (path, name), (allowed, number) in sorted(listed.items()):
        lines = over.get((path, name), (0, 0))[0]
        if lines < allowed:
            now = f"{lines} lines" if lines else "not over the limit any more"
            yield RATCHET, number, (f"{PurePosixPath(path).name}: {name} is {now}: "
                                    f"lower or drop its entry of {allowed}")
