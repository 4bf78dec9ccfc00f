#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Coverage by file out of gcovr's JSON, less what a list argues for.

  tests/coverage_report.py COVERAGE.json EXCLUSIONS.txt [--strict]

An entry of the list: `file | text | reason`, the file * for all. It excuses the branches
and lines of every source line of that file that contains the text; one that excuses
nothing is an error, so the list cannot outlive the code. Where the reason speaks of
chance the line may be covered by chance too: then it need only be there. With --strict
it is an error if anything else is uncovered. Throws are not branches here, nor is what the compiler
adds for destructors (gcovr's --exclude-throw-branches, --exclude-unreachable-branches).
"""

import json
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def exclusions(path):
    out = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        parts = [part.strip() for part in line.split(" | ", 2)]
        if len(parts) != 3 or not all(parts):
            sys.exit(f"{path}:{number}: expected `file | text | reason`")
        out.append({"file": parts[0], "text": parts[1], "used": False, "at": number,
                    "chance": "chance" in parts[2]})
    return out


def excused(entries, file, text):
    found = False
    for entry in entries:
        if entry["file"] in ("*", file) and entry["text"] in text:
            entry["used"] = found = True
    return found


def main():
    data = json.loads(Path(sys.argv[1]).read_text())
    entries = exclusions(Path(sys.argv[2]))
    print(f"{'file':32} {'lines':>12} {'branches':>14}   excused")
    sums = defaultdict(int)
    missing = []
    strict = sys.argv[3:4] == ["--strict"]
    faults = 0  # of the lines missing: in files that are held to it
    for file in sorted(data["files"], key=lambda each: each["file"]):
        name = file["file"]
        source = (ROOT / name).read_text().splitlines()
        for entry in entries:
            if entry["chance"] and entry["file"] in ("*", name):
                entry["used"] |= any(entry["text"] in line for line in source)
        # A template or inline function counts once, not once an object file.
        lines = defaultdict(lambda: {"count": 0, "branches": []})
        for line in file["lines"]:
            if line.get("gcovr/noncode"):
                continue
            entry = lines[line["line_number"]]
            entry["count"] += line["count"]
            entry["branches"] += [branch["count"] for branch in line["branches"]]
        row = defaultdict(int)
        for number, line in sorted(lines.items()):
            text = source[number - 1]
            gaps = sum(1 for count in line["branches"] if count == 0)
            row["lines"] += 1
            row["lines_hit"] += 1 if line["count"] else 0
            row["branches"] += len(line["branches"])
            row["branches_hit"] += len(line["branches"]) - gaps
            if not gaps and line["count"]:
                continue
            if excused(entries, name, text):
                row["excused"] += gaps
                row["lines_excused"] += 0 if line["count"] else 1
            else:
                what = "not run" if not line["count"] else f"{gaps} of {len(line['branches'])}"
                faults += 1
                missing.append(f"{name}:{number}: {what}: {text.strip()}")
        print(f"{name:32} {row['lines_hit']:5} of {row['lines']:4} "
              f"{row['branches_hit']:6} of {row['branches']:4}   {row['excused']}")
        for key, value in row.items():
            sums[key] += value
    reached = sums["branches"] - sums["excused"]
    print(f"lines {100 * sums['lines_hit'] / sums['lines']:.1f} %, "
          f"branches {100 * sums['branches_hit'] / sums['branches']:.1f} % of {sums['branches']}; "
          f"less {sums['excused']} excused: {100 * sums['branches_hit'] / reached:.1f} %")
    print(f"not covered: {len(missing)} lines, wholly or in part", *missing, sep="\n")
    stale = [f"{sys.argv[2]}:{entry['at']}: fits nothing that is uncovered"
             for entry in entries if not entry["used"]]
    for line in stale:
        print(line)
    return 1 if stale or (strict and faults) else 0


if __name__ == "__main__":
    sys.exit(main())
