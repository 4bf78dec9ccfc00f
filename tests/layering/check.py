#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Lint as a test: what a compiler does not say about the tree.

  tests/layering/check.py [--root DIR] [--list] [check...]

Each check yields findings as `file:line: what is wrong`; any finding makes the exit
code 1. Without a name all checks run. check_test.py plants one violation of each
kind and looks whether it is found.
"""

import argparse
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

import documents
import functions
import includes
import shape
from tree import Tree

CHECKS = {
    "arrows": includes.arrows,
    "dead": includes.dead,
    "top": shape.top,
    "lengths": shape.lengths,
    "functions": functions.ratchet,
    "licence": shape.licence,
    "scripts": shape.scripts,
    "pragma_once": shape.pragma_once,
    "left_overs": shape.left_overs,
    "machine_paths": shape.machine_paths,
    "documents": documents.documents,
}


def run(root, names=()):
    """Findings of the named checks, or of all, as lines of text."""
    tree = Tree(root)
    if not tree.paths:
        return [f"{root}: no files to check"]
    findings = []
    for name in names or CHECKS:
        for path, line, what in CHECKS[name](tree):
            findings.append(f"{path}:{line}: {what} [{name}]")
    return findings


def main():
    parser = argparse.ArgumentParser(description="Checks the form of the source tree.")
    parser.add_argument("--root", default=Path(__file__).resolve().parents[2], type=Path)
    parser.add_argument("--list", action="store_true", help="print the names of the checks")
    parser.add_argument("checks", nargs="*", metavar="check")
    args = parser.parse_args()
    if args.list:
        print("\n".join(CHECKS))
        return 0
    for name in args.checks:
        if name not in CHECKS:
            parser.error(f"no check named '{name}': expected {', '.join(CHECKS)}")
    findings = run(args.root, args.checks)
    for finding in findings:
        print(finding)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
