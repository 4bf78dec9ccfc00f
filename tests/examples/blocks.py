#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the code in documents to the programs in docs/examples.

  tests/examples/blocks.py documents ROOT          every document of the tree
  tests/examples/blocks.py the_check_itself ROOT   planted differences are found
  tests/examples/blocks.py update ROOT             writes the files into the documents

A block that belongs to a file is one fenced block of code between two comments:

  <!-- file: docs/examples/NAME.c -->              the whole file
  <!-- file: docs/examples/NAME.c part WORD -->    the lines between the comments
                                                   /* [WORD] */ and /* [end] */
  <!-- end of file -->

What an example prints is shown in the same way, from tests/examples/NAME.expected.
"""

import re
import sys
import tempfile
import textwrap
from pathlib import Path

BLOCK = re.compile(r"^<!-- file: (?P<file>\S+)(?: part (?P<part>\w+))? -->\n"
                   r"(?:\s*```\w*\n(?P<code>.*?)^```\n\s*(?P<end><!-- end of file -->))?",
                   re.MULTILINE | re.DOTALL)
BEGINS = re.compile(r"^<!-- file: ", re.MULTILINE)
# What must be shown, so that a block cannot just go.
REQUIRED = {("README.md", "docs/examples/first.c"),
            ("README.md", "tests/examples/first.expected")}


def part_of(text, name):
    """The lines of a part, moved to the left edge; None if it is not there once."""
    found = re.findall(rf"^ */\* \[{name}\] \*/\n(.*?)^ */\* \[end\] \*/\n", text,
                       re.MULTILINE | re.DOTALL)
    return textwrap.dedent(found[0]) if len(found) == 1 else None


def text_of(root, block):
    """What a block has to hold; None if there is no such part."""
    text = (root / block["file"]).read_text()
    return part_of(text, block["part"]) if block["part"] else text


def check_document(root, name):
    """Findings about one document, and the files that it shows."""
    findings, shown = [], set()
    text = (root / name).read_text()
    blocks = list(BLOCK.finditer(text))
    if len(BEGINS.findall(text)) != len(blocks):
        findings.append(f"{name}: a '<!-- file:' comment is not of the expected form")
    for block in blocks:
        where = f"{name}:{text.count(chr(10), 0, block.start()) + 1}"
        source = root / block["file"]
        if block["end"] is None or "<!--" in block["code"]:
            findings.append(f"{where}: expected one fenced block, then '<!-- end of file -->'")
        elif not source.is_file():
            findings.append(f"{where}: there is no {block['file']}")
        else:
            wanted = text_of(root, block)
            if wanted is None:
                findings.append(f"{where}: {block['file']} has no part '{block['part']}'")
            elif block["code"] != wanted:
                findings.append(f"{where}: differs from {block['file']}")
            shown.add(block["file"])
    return findings, shown


def documents(root):
    return [root / "README.md", *sorted((root / "docs").glob("*.md"))]


def update(root):
    """Puts the files' text into every well-formed block."""
    def replace(block):
        if block["end"] is None or not (root / block["file"]).is_file():
            return block[0]
        wanted = text_of(root, block)
        if wanted is None:
            return block[0]
        begin, end = block.start("code") - block.start(), block.end("code") - block.start()
        return block[0][:begin] + wanted + block[0][end:]

    for path in documents(root):
        path.write_text(BLOCK.sub(replace, path.read_text()))


def check_tree(root):
    findings, shown = [], set()
    for path in documents(root):
        name = path.relative_to(root).as_posix()
        found, files = check_document(root, name)
        findings += found
        shown |= {(name, file) for file in files}
    findings += [f"{name}: does not show {file}" for name, file in sorted(REQUIRED - shown)]
    return findings


def check_itself():
    """One good tree, then one difference at a time: each must be the only finding."""
    good = ("text\n<!-- file: docs/examples/first.c -->\n```c\nint x;\n/* [a] */\n  f();\n"
            "/* [end] */\n```\n<!-- end of file -->\n"
            "<!-- file: docs/examples/first.c part a -->\n```c\nf();\n```\n<!-- end of file -->\n"
            "<!-- file: tests/examples/first.expected -->\n```\nx\n```\n<!-- end of file -->\n")
    planted = [("int x;", "int y;", "differs"), ("```c\nf();", "```c\ng();", "differs"),
               ("part a", "part b", "no part"), ("first.expected", "other.expected", "there is no"),
               ("```\n<!-- end of file -->\n<!-- file: d", "```\n<!-- file: d", "expected one"),
               ("<!-- file: tests", "<!-- see: tests", "does not show")]
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for made in ("docs/examples", "tests/examples"):
            (root / made).mkdir(parents=True)
        (root / "docs/examples/first.c").write_text("int x;\n/* [a] */\n  f();\n/* [end] */\n")
        (root / "tests/examples/first.expected").write_text("x\n")
        (root / "README.md").write_text(good)
        if check_tree(root):
            wrong.append(f"a good tree: {check_tree(root)}")
        for before, after, expected in planted:
            if before not in good:
                wrong.append(f"cannot plant {after!r}")
                continue
            (root / "README.md").write_text(good.replace(before, after, 1))
            if not any(expected in finding for finding in check_tree(root)):
                wrong.append(f"{before!r} -> {after!r} was not found")
    return wrong


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in ("documents", "the_check_itself", "update"):
        print(__doc__, file=sys.stderr)
        return 2
    if sys.argv[1] == "update":
        update(Path(sys.argv[2]))
    own = sys.argv[1] == "the_check_itself"
    findings = check_itself() if own else check_tree(Path(sys.argv[2]))
    for finding in findings:
        print(finding)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
