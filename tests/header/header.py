#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks include/warden/warden.h as its users' compilers and linkers see it.

  header.py standard COMPILER STD   the header alone, and a program over all of it,
                                    compile without a warning; the program's table of
                                    layouts and values is that of layout.golden
  header.py exports LIBWARDEN.SO    it exports what the header declares, nothing else
  header.py archive LIBWARDEN.A     it defines nothing under the names of others
  header.py loads LIBWARDEN.SO      a program that was not linked with it can load it, as
                                    Python does, and its thread-local storage is small
  header.py update COMPILER         writes layout.golden anew, for review

The program is generated from the header: every struct with size, alignment, and the
offset, size and type of each field; every constant with its value; every *_INIT macro
initialises its struct. layout.golden is plain text, for bindings to check too.
"""

import ctypes
import difflib
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HEADER = ROOT / "include" / "warden" / "warden.h"
GOLDEN = Path(__file__).resolve().parent / "layout.golden"

WARNINGS = ["-pedantic", "-Wall", "-Wextra", "-Werror", "-Wundef"]
STRUCT = re.compile(r"typedef struct (\w+) \{(.*?)\} \1;", re.DOTALL)
CONSTANT = re.compile(r"^#define (WARDEN_\w+)[ \t]+([^\n{\\]+)$", re.MULTILINE)
INITIALISER = re.compile(r"^#define (WARDEN_(\w+)_INIT)\b", re.MULTILINE)
FUNCTION = re.compile(r"^WARDEN_API\b[^;(]*?\b(warden_\w+)\(", re.MULTILINE)
DECLARATOR = re.compile(r"(\**)\s*(\w+)\s*((?:\[[^\]]*\])*)$")


class Failure(Exception):
    """One line for a person: what was wrong, and what was expected."""


def header_text():
    return re.sub(r"/\*.*?\*/", lambda m: re.sub(r"[^\n]", " ", m[0]), HEADER.read_text(),
                  flags=re.DOTALL)


def structs(text):
    """[(struct, [(field, type)])] in the order of the header."""
    found = []
    for name, body in STRUCT.findall(text):
        fields = []
        for declaration in body.split(";"):
            declaration = " ".join(declaration.split())
            if not declaration:
                continue
            first, *others = declaration.split(",")
            base = DECLARATOR.sub("", first).strip()
            for declarator in [first[len(base):], *others]:
                stars, field, dimensions = DECLARATOR.search(declarator.strip()).groups()
                fields.append((field, base + (" " + stars if stars else "") + dimensions))
        found.append((name, fields))
    if not found:
        raise Failure(f"{HEADER.name}: no struct found; has its form changed?")
    return found


def constants(text):
    """Numbers only; the version's change with every release."""
    return [name for name, value in CONSTANT.findall(text)
            if not name.endswith("_INIT") and name != "WARDEN_API"
            and not name.startswith("WARDEN_VERSION_") and not value.strip().startswith('"')]


def program(text):
    """C that is C++ too; prints the table, checks the initialisers."""
    out = ['#include "warden/warden.h"', "", "#include <stdio.h>", ""]
    declared = structs(text)
    for name, _ in declared:
        out.append(f"struct align_{name} {{ char c; {name} value; }};")
    out += ["", "int main(void) {", "  int wrong = 0;"]
    for name in constants(text):
        out.append(f'  printf("const {name} %lld\\n", (long long)({name}));')
    for name, fields in declared:
        out.append(f'  printf("struct {name} size %u align %u\\n", (unsigned)sizeof({name}), '
                   f"(unsigned)offsetof(struct align_{name}, value));")
        for field, kind in fields:
            out.append(f'  printf("field {name}.{field} offset %u size %u {kind}\\n", '
                       f"(unsigned)offsetof({name}, {field}), "
                       f"(unsigned)sizeof((({name} *)0)->{field}));")
    for macro, stem in INITIALISER.findall(text):
        out += ["  {", f"    warden_{stem.lower()} value = {macro};",
                "    if (value.struct_size != sizeof(value)) wrong = 1;", "  }"]
    for name in FUNCTION.findall(text):
        out.append(f"  wrong |= sizeof(&{name}) != sizeof(int (*)(void));")
    out += ["  return wrong;", "}", ""]
    return "\n".join(out)


def run(command, what):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failure(f"{what} (exit code {done.returncode}): {' '.join(command)}\n"
                      f"{done.stdout}{done.stderr}")
    return done.stdout


def table(compiler, standard):
    """Compiles the header alone and the program as this standard; runs the program."""
    language = "c++" if "++" in standard else "c"
    flags = [f"-std={standard}", *WARNINGS, "-I", str(ROOT / "include"), "-x", language]
    with tempfile.TemporaryDirectory() as folder:
        alone = Path(folder, "alone")
        alone.write_text('#include "warden/warden.h"\n#include "warden/warden.h"\n'
                         "typedef int not_empty;\n")
        run([compiler, *flags, "-fsyntax-only", str(alone)], "the header does not stand alone")
        source, binary = Path(folder, "layout"), Path(folder, "program")
        source.write_text(program(header_text()))
        run([compiler, *flags, str(source), "-o", str(binary)], "the program does not compile")
        return run([str(binary)], "an initialiser or a declaration is wrong")


def check_standard(compiler, standard):
    seen = table(compiler, standard)
    if not GOLDEN.exists():
        raise Failure(f"{GOLDEN.name} is not there: tests/header/header.py update {compiler}")
    golden = GOLDEN.read_text()
    if seen != golden:
        difference = difflib.unified_diff(golden.splitlines(), seen.splitlines(),
                                          "layout.golden", "warden.h", lineterm="", n=0)
        raise Failure("the layout is not that of layout.golden. Lines that went are a break of "
                      "the ABI; for additions run tests/header/header.py update cc\n"
                      + "\n".join(difference))


def symbols(library, *options):
    """[(kind, name)] that nm prints of a library."""
    lines = run(["nm", *options, "--defined-only", library], "nm cannot read it").splitlines()
    parts = [line.split() for line in lines]
    return [(part[1], part[2].split("@")[0]) for part in parts if len(part) == 3]


def check_exports(library):
    declared = set(FUNCTION.findall(header_text()))
    exported = {name for kind, name in symbols(library, "-D") if kind != "A"}
    missing, more = declared - exported, exported - declared
    if missing or more:
        raise Failure(f"{library}: declared but not exported: {sorted(missing) or 'none'}; "
                      f"exported but not declared: {sorted(more) or 'none'}")


def check_archive(library):
    """Strong symbols only: weak ones are inline functions, merged by the linker."""
    ours = re.compile(r"^(warden_|_Z(N|NK|T[VIS]N|GVN|NSt\w*)?K?6warden|_ZNO?K?6warden)")
    foreign = sorted({name for kind, name in symbols(library, "-g")
                      if kind in "TDBR" and not ours.match(name)})
    declared = set(FUNCTION.findall(header_text()))
    missing = sorted(declared - {name for _, name in symbols(library, "-g")})
    if foreign or missing:
        raise Failure(f"{library}: defines what is not ours: {foreign or 'nothing'}; "
                      f"lacks: {missing or 'nothing'}")


# The loader keeps some hundred bytes of static thread-local storage for all libraries
# that are loaded late, ours among many; what asks for more is refused.
MAX_TLS_BYTES = 256
MAX_TLS_ALIGN = 64


def check_loads(library):
    segments = run(["readelf", "-lW", library], "readelf cannot read it").splitlines()
    sizes = [line.split() for line in segments if line.split()[:1] == ["TLS"]]
    if len(sizes) != 1:
        raise Failure(f"{library}: {len(sizes)} TLS segments; expected 1. Has readelf's form "
                      "changed?")
    size, align = int(sizes[0][5], 16), int(sizes[0][-1], 16)
    if size > MAX_TLS_BYTES or align > MAX_TLS_ALIGN:
        raise Failure(f"{library}: {size} bytes of thread-local storage, aligned to {align}; "
                      f"expected at most {MAX_TLS_BYTES}, {MAX_TLS_ALIGN}: readelf -sW names them")
    try:
        loaded = ctypes.CDLL(library)
    except OSError as error:
        raise Failure(f"dlopen: {error}") from error
    text = header_text()
    parts = [int(re.search(rf"^#define WARDEN_VERSION_{part}\s+(\d+)", text, re.MULTILINE)[1])
             for part in ("MAJOR", "MINOR", "PATCH")]
    loaded.warden_version_string.restype = ctypes.c_char_p
    version = loaded.warden_version_string().decode()
    if version != ".".join(map(str, parts)):
        raise Failure(f"{library}: says version {version}; expected that of the header, {parts}")
    # A store, so that the thread-local variables are used as well.
    store = ctypes.c_void_p()
    opened = loaded.warden_open(None, None, ctypes.byref(store), None)
    closed = loaded.warden_close(store, ctypes.c_int64(0))
    loaded.warden_free(store)
    if (opened, closed) != (0, 0):
        raise Failure(f"{library}: opening a store answers {opened}, closing it {closed}; "
                      "expected 0, 0")


def update(compiler):
    GOLDEN.write_text(table(compiler, "c99"))


COMMANDS = {"standard": (check_standard, 2), "exports": (check_exports, 1),
            "archive": (check_archive, 1), "loads": (check_loads, 1),
            "update": (update, 1)}


def main():
    name, arguments = (sys.argv + [""])[1], sys.argv[2:]
    if name not in COMMANDS or len(arguments) != COMMANDS[name][1]:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        COMMANDS[name][0](*arguments)
    except Failure as failure:
        print(f"header {name}: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
