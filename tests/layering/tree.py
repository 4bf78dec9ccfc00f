# SPDX-License-Identifier: Apache-2.0
"""The files of the tree as the checks see them: names, text, code without comments."""

import os
import re
import subprocess
from pathlib import Path, PurePosixPath

C_LIKE = {".c", ".cpp", ".h", ".hpp"}
CODE = C_LIKE | {".py", ".sh", ".cmake", ".go", ".rs", ".java"}

COMMENT_OR_TEXT = re.compile(
    r"""(?P<comment>//[^\n]*|/\*.*?\*/)"""
    r"""|(?P<raw>R"(?P<mark>[^()\s\\]{0,16})\(.*?\)(?P=mark)")"""
    r"""|(?P<text>"(?:\\.|[^"\\\n])*")"""
    # Not the separator of 1'000: no digit or letter may stand before the quote.
    r"""|(?P<char>(?<![0-9A-Za-z_])'(?:\\.|[^'\\\n])+')""",
    re.DOTALL | re.VERBOSE)


def blank(text):
    """Spaces of the same shape, so that line numbers stay."""
    return re.sub(r"[^\n]", " ", text)


class Tree:
    """A snapshot of one source tree. Paths are relative to its root, with '/'."""

    def __init__(self, root):
        self.root = Path(root)
        self.paths = sorted(self._listed() or self._walked())
        self.known = set(self.paths)
        self._texts = {}
        self.folders = {str(parent) for path in self.paths
                        for parent in PurePosixPath(path).parents}

    def _listed(self):
        """What git knows or would add; None outside a repository of its own."""
        if not (self.root / ".git").exists():
            return None
        done = subprocess.run(
            ["git", "-C", str(self.root), "ls-files", "-z", "-co", "--exclude-standard"],
            capture_output=True, text=True, check=False)
        if done.returncode != 0:
            return None
        return [path for path in done.stdout.split("\0")
                if path and (self.root / path).is_file()]

    def _walked(self):
        found = []
        for folder, folders, names in os.walk(self.root):
            relative = Path(folder).relative_to(self.root)
            folders[:] = [name for name in folders if name not in (".git", "__pycache__")
                          and not (relative == Path(".") and name == "build")]
            found += [(relative / name).as_posix() for name in names]
        return found

    def text(self, path):
        if path not in self._texts:
            data = (self.root / path).read_bytes()
            self._texts[path] = "" if b"\0" in data else data.decode("utf-8", "replace")
        return self._texts[path]

    def lines(self, path):
        return self.text(path).splitlines()

    def code(self, path, keep_text=False):
        """A C-like file with comments, and literals unless asked for, blanked out."""
        def replace(match):
            if match["comment"] is not None or not keep_text:
                return blank(match[0])
            return match[0]
        return COMMENT_OR_TEXT.sub(replace, self.text(path))

    def suffixed(self, suffixes):
        return [path for path in self.paths if PurePosixPath(path).suffix in suffixes]

    def is_script(self, path):
        """Code by its suffix, its name, or its first line."""
        name = PurePosixPath(path)
        return (name.suffix in CODE or name.name in ("CMakeLists.txt", "Makefile")
                or (name.suffix == "" and self.text(path).startswith("#!")))

    def exists(self, path):
        path = str(PurePosixPath(path))
        return path in self.known or path in self.folders


def is_data(path):
    """Input and output of tests and benches: as its makers wrote it."""
    return path.startswith(("tests/data/", "tests/golden/", "bench/results/", "tests/corpus/"))


def folder_of(path, levels):
    return "/".join(path.split("/")[:levels])


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1
