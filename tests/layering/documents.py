# SPDX-License-Identifier: Apache-2.0
"""Documents, and comments in code, name only files and make targets that exist.

CHANGELOG.md is history and may name what is gone. A name may be a pattern: `*`,
`{a,b}`, `<module>` and words in capitals (NAME.toml) stand for anything.
"""

import fnmatch
import itertools
import posixpath
import re

from tree import is_data, line_of

HISTORY = {"CHANGELOG.md"}
# Plants names of files that are not there.
PLANTS = {"tests/layering/check_test.py"}
ROOTS = r"(?:src|capi|include|tests|bench|docs|bindings|\.ci)"
PATH_IN_TEXT = re.compile(r"(?<![\w/.\-$}~])" + ROOTS + r"/[\w./*{},<>+-]*[\w/*}>]")
PATH_IN_CODE = re.compile(r"(?<![\w/.\-$}~])" + ROOTS + r"/[\w./*-]+"
                          r"\.(?:md|cpp|c|hpp|h|sh|py|toml|csv|map|txt|cmake|in|golden)\b")
LINK = re.compile(r"\]\(([^)\s#]+)(?:#[^)\s]*)?\)")
MAKE = re.compile(r"(?:`|^\s*(?:\$ )?)make ([a-z][\w-]*)", re.MULTILINE)
BRACES = re.compile(r"\{([^{}]*)\}")


def expand(pattern):
    """a/{b,c}.h -> a/b.h, a/c.h"""
    parts = BRACES.split(pattern)
    choices = [part.split(",") if i % 2 else [part] for i, part in enumerate(parts)]
    return ["".join(choice) for choice in itertools.product(*choices)]


def is_there(tree, name, beside=""):
    for one in expand(name):
        wild = re.sub(r"<[^<>/]*>", "*", one)
        wild = re.sub(r"(?<![A-Za-z])[A-Z][A-Z_]+(?![A-Za-z])", "*", wild) \
            if not tree.exists(wild) else wild
        wild = posixpath.normpath(wild)
        places = [wild, posixpath.normpath(posixpath.join(beside, wild))]
        if "*" in wild:
            everything = itertools.chain(tree.known, tree.folders)
            if not any(fnmatch.fnmatchcase(path, place)
                       for path in everything for place in places):
                return False
        elif not any(tree.exists(place) for place in places):
            return False
    return True


def targets(tree):
    if "Makefile" not in tree.known:
        return set()
    return set(re.findall(r"^([a-z][\w-]*):", tree.text("Makefile"), re.MULTILINE))


def documents(tree):
    known_targets = targets(tree)
    for path in tree.paths:
        if path in HISTORY or path in PLANTS or is_data(path):
            continue
        text, beside = tree.text(path), posixpath.dirname(path)
        if path.endswith(".md"):
            names = [(m.start(), m[0]) for m in PATH_IN_TEXT.finditer(text)]
            names += [(m.start(1), m[1]) for m in LINK.finditer(text)
                      if not re.match(r"[a-z]+:", m[1])]
            for made in MAKE.finditer(text):
                if made[1] not in known_targets:
                    yield path, line_of(text, made.start(1)), f"no target '{made[1]}' in Makefile"
        elif tree.is_script(path):
            names = [(m.start(), m[0]) for m in PATH_IN_CODE.finditer(text)]
        else:
            continue
        for offset, name in names:
            if not is_there(tree, name, beside):
                yield path, line_of(text, offset), f"names '{name}', which does not exist"
