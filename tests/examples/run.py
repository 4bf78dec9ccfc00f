#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs an example and compares what it prints with what was expected.

  tests/examples/run.py PROGRAM EXPECTED_FILE

It runs in an empty directory of its own. The exit code must be 0, standard error
empty, standard output the file's bytes.
"""

import difflib
import subprocess
import sys
import tempfile
from pathlib import Path


def main():
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    expected = Path(sys.argv[2])
    if not expected.exists():
        print(f"{expected.name}: missing: every example says here what it prints")
        return 1
    with tempfile.TemporaryDirectory() as place:
        done = subprocess.run([Path(sys.argv[1]).resolve()], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, check=False, cwd=place)
    wrong = False
    if done.returncode != 0:
        print(f"exit code {done.returncode}, expected 0")
        wrong = True
    if done.stderr:
        print(f"standard error, expected none:\n{done.stderr}")
        wrong = True
    if done.stdout != expected.read_text():
        sys.stdout.writelines(difflib.unified_diff(
            expected.read_text().splitlines(True), done.stdout.splitlines(True),
            expected.name, "printed"))
        wrong = True
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
