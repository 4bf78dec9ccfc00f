# SPDX-License-Identifier: Apache-2.0
"""Who may include whom, and that every file is built or included by something.

The arrows of src/README.md: base <- io <- {flow, index, log, wheel, alert} <- engine
<- capi <- cli. The five in the middle never include one another; the C ABI sees the
engine and the base types; the command sees only the public headers, as does
everything else that a user of the library could have written.
"""

import posixpath
import re

from tree import C_LIKE, folder_of, line_of

MIDDLE = {"flow", "index", "log", "wheel", "alert"}
MAY_INCLUDE = {
    "base": set(),
    "io": {"base"},
    **{folder: {"base", "io"} for folder in MIDDLE},
    "engine": MIDDLE | {"base", "io"},
    "capi": {"base", "engine", "warden"},
    "cli": {"warden"},
    "include": {"warden"},
    "docs": {"warden"},
    "bindings": {"warden"},
}
# Single files that may see more: what reads the log or a flow as it is, offline, where
# the C ABI tells less.
MAY_ALSO = {
    "src/cli/cmd_backup.cpp": {"io", "log"},
    "src/cli/cmd_dump.cpp": {"log", "io"},
    "src/cli/cmd_salvage.cpp": {"engine", "index", "log"},
    "src/cli/cmd_verify.cpp": {"engine"},
    "src/cli/store_failure.hpp": {"base"},
    "src/cli/flow_view.cpp": {"flow"},
    "src/cli/record_view.cpp": {"alert", "engine", "flow", "index", "log"},
    "src/cli/record_view.hpp": {"engine", "log"},
    "src/cli/timeline.cpp": {"alert", "engine", "flow", "io", "log"},
}
# May look at everything: they are on top of nothing that ships.
FREE = {"tests", "bench"}
HEADERS = {".h", ".hpp"}
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(["<])([^">\n]+)[">]', re.MULTILINE)


def layer_of(path):
    """The layer that a file belongs to; None where no rule applies."""
    top = folder_of(path, 1)
    if top == "src":
        return path.split("/")[1] if path.count("/") > 1 else "src"
    return top


def includes(tree, path):
    """(line, style, name) of every include of a file."""
    code = tree.code(path, keep_text=True)
    return [(line_of(code, m.start(1)), m[1], m[2]) for m in INCLUDE.finditer(code)]


def resolve(tree, path, name):
    """The file of the tree that an include names; None for a system header."""
    places = [posixpath.dirname(path), "src", "include", "capi", "tests", "bench"]
    for place in places:
        candidate = posixpath.normpath(posixpath.join(place, name))
        if candidate in tree.known:
            return candidate
    # Tests and benches share helpers by include folders of their own.
    if layer_of(path) in FREE:
        for candidate in tree.paths:
            if layer_of(candidate) in FREE and candidate.endswith("/" + name):
                return candidate
    return None


def target_layer(target):
    return "warden" if target.startswith("include/warden/") else layer_of(target)


def arrows(tree):
    """Findings about the direction and the form of includes."""
    for path in tree.suffixed(C_LIKE):
        layer = layer_of(path)
        if layer not in MAY_INCLUDE and layer not in FREE:
            yield path, 1, (f"belongs to no known layer ('{layer}'): "
                            f"expected one of {', '.join(sorted(MAY_INCLUDE))}")
            continue
        for line, style, name in includes(tree, path):
            if ".." in name.split("/") and layer not in FREE:
                yield path, line, f"includes '{name}': write it as folder/file.hpp, without .."
                continue
            target = resolve(tree, path, name)
            if target is None:
                if style == '"':
                    yield path, line, f"includes '{name}', which is no file of the tree"
                continue
            seen = target_layer(target)
            if layer in FREE:
                continue
            allowed = MAY_INCLUDE[layer] | MAY_ALSO.get(path, set()) | {layer}
            if seen in allowed:
                continue
            may = ", ".join(sorted(allowed))
            yield path, line, f"{layer} must not include {seen} ('{name}'): it may see {may}"


def mentions(text, word):
    return re.search(rf"(?<![\w.-]){re.escape(word)}(?![\w-])", text) is not None


def is_built(tree, path):
    """A build file or script of its folder, or of one above, names it."""
    folder, name = posixpath.split(path)
    while True:
        inside = posixpath.relpath(path, folder or ".")
        for other in tree.by_folder.get(folder, []):
            if other == path:
                continue
            text = tree.build_text[other]
            if mentions(text, inside) or mentions(text, name):
                return True
            # foreach(one a b c) ... ${one}_test.cpp
            for rest in re.findall(r"\$\{\w+\}([\w.]*\.\w+)", text):
                if name.endswith(rest) and mentions(text, name[:-len(rest)]):
                    return True
        if not folder:
            return False
        folder = posixpath.dirname(folder)


def index_builders(tree):
    """Build files by folder, without their comments."""
    tree.by_folder, tree.build_text = {}, {}
    for path in tree.paths:
        if posixpath.basename(path) in ("CMakeLists.txt", "Makefile") \
                or posixpath.splitext(path)[1] in (".cmake", ".sh", ".py"):
            tree.by_folder.setdefault(posixpath.dirname(path), []).append(path)
            tree.build_text[path] = re.sub(r"(?m)(^|\s)#.*$", " ", tree.text(path))


def folder_is_entered(tree, path):
    """For a CMakeLists.txt: something above its folder names the folder."""
    folder = posixpath.dirname(path)
    if not folder:
        return True
    above, name = posixpath.dirname(folder), posixpath.basename(folder)
    while True:
        for other in tree.by_folder.get(above, []):
            if mentions(tree.build_text[other], posixpath.relpath(folder, above or ".")) \
                    or mentions(tree.build_text[other], name):
                return True
        if not above:
            return False
        above = posixpath.dirname(above)


def dead(tree):
    """Findings about sources that nothing builds and headers that nothing includes."""
    index_builders(tree)
    reached = []
    for path in tree.suffixed({".c", ".cpp"}):
        if is_built(tree, path):
            reached.append(path)
        else:
            yield path, 1, "is built by nothing: no CMakeLists.txt or script names it"
    # What is installed is in use, and what a CMakeLists.txt has the compiler include
    # (-include); all other headers must be reached from a source.
    reached += [path for path in tree.suffixed(HEADERS)
                if path.startswith("include/") or is_built(tree, path)]
    seen = set(reached)
    while reached:
        path = reached.pop()
        for _, _, name in includes(tree, path):
            target = resolve(tree, path, name)
            if target is not None and target not in seen:
                seen.add(target)
                reached.append(target)
    for path in tree.suffixed(HEADERS):
        if path not in seen:
            yield path, 1, "is included by nothing that is built"
    for path in tree.paths:
        if posixpath.basename(path) == "CMakeLists.txt" and not folder_is_entered(tree, path):
            yield path, 1, "is entered by nothing: no CMakeLists.txt above names its folder"
