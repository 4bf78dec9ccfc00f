#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Builds and runs the whole suite, once a build: what `make test` is.

  tests/suite.py [--build DIR] [--jobs N] [--soak] [release] [asan] [tsan]

release is built in DIR, the sanitizers in DIR/asan and DIR/tsan. Labels of ctest
choose what runs where: `soak` only with --soak, `once` (cases that a sanitizer
cannot change: headers, layering, packages) only in release. Runs go on after a
failure, so one call shows every failure. The last line is always

  N passed, N failed, N skipped

over all runs; the exit code is 0 only if nothing failed. A build that fails, or a
run that finds no test, counts as one failure.
"""

import argparse
import os
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Sanitizers find the same at -O1, which halves the time to compile them or better;
# -g1 is enough for the lines of a report.
SANITIZED = {"CMAKE_BUILD_TYPE": "RelWithDebInfo", "WARDEN_BENCH": "OFF",
             "WARDEN_DEBUG_CHECKS": "ON", "CMAKE_CXX_FLAGS_RELWITHDEBINFO": "-O1 -g1",
             "CMAKE_C_FLAGS_RELWITHDEBINFO": "-O1 -g1"}
# name: (folder under the build folder, cache entries, labels left out)
RUNS = {
    "release": (".", {"CMAKE_BUILD_TYPE": "Release"}, "soak"),
    "asan": ("asan", {**SANITIZED, "WARDEN_SANITIZE": "address,undefined"}, "soak|once"),
    "tsan": ("tsan", {**SANITIZED, "WARDEN_SANITIZE": "thread"}, "soak|once"),
}
SANITIZER_OPTIONS = {
    "ASAN_OPTIONS": "detect_stack_use_after_return=1:strict_string_checks=1",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1",
}
# What ctest's report says of a case that skipped itself. Any other case that was
# not run (no executable, a fixture that failed) is a failure.
SKIPPED_ITSELF = re.compile(r"SKIP_RETURN_CODE|SKIP_REGULAR_EXPRESSION|Disabled")
PASSED_LINE = re.compile(r"^\s*(Start\s+\d+:|\d+/\d+ Test\s+#\d+:.* Passed )")


def say(text):
    print(text, flush=True)


def quietly(command, **options):
    """Runs it; shows its output only if it fails."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", **options)
    if done.returncode != 0:
        say(done.stdout)
    return done.returncode == 0


def build(name, folder, entries, jobs):
    entries = dict(entries, WARDEN_TESTS="ON")
    if name == "release" and not (folder / "CMakeCache.txt").exists():
        entries["WARDEN_BENCH"] = "OFF"  # the benches are built by make bench
    definitions = [f"-D{key}={value}" for key, value in entries.items()]
    if not quietly(["cmake", "-S", str(ROOT), "-B", str(folder), "-G", "Ninja", *definitions]):
        return False
    command = ["cmake", "--build", str(folder), "-j", str(jobs), "--", "-k", "0", "--quiet"]
    return subprocess.run(command, stdin=subprocess.DEVNULL).returncode == 0


def read_report(path):
    """Names by outcome out of ctest's JUnit file."""
    passed, failed, skipped = [], [], []
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        name, status = case.get("name"), case.get("status")
        note = case.find("skipped")
        if status == "run":
            passed.append(name)
        elif status == "disabled":
            skipped.append((name, "disabled"))
        elif note is not None and SKIPPED_ITSELF.search(note.get("message", "")):
            output = (case.findtext("system-out") or "").strip().splitlines()
            told = [line for line in output if re.search(r"[Ss]kip", line)]
            skipped.append((name, (told or output or [""])[0].strip()))
        else:
            failed.append(name)
    return passed, failed, skipped


def environment(name, folder):
    env = dict(os.environ)
    if name != "release":
        for key, value in SANITIZER_OPTIONS.items():
            env[key] = ":".join(filter(None, [value, os.environ.get(key, "")]))
    env["WARDEN_BUILD_DIR"] = str(folder)
    return env


def prefix(name):
    """TSan's shadow does not fit kernels that randomise more than 28 bits."""
    bits = Path("/proc/sys/vm/mmap_rnd_bits")
    if name != "tsan" or not bits.exists() or int(bits.read_text()) <= 28:
        return []
    return ["setarch", os.uname().machine, "-R"]


def test(name, folder, left_out, jobs, only_soak):
    report = folder / "ctest-report.xml"
    report.unlink(missing_ok=True)
    choice = ["-L", "^soak$"] if only_soak else ["-LE", f"^({left_out}|wheel-soak)$"]
    command = prefix(name) + ["ctest", "--test-dir", str(folder), "-j", str(jobs), *choice,
                              "--output-on-failure", "--no-tests=error", "--timeout", "300",
                              "--output-junit", str(report)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace",
                          env=environment(name, folder)) as ctest:
        for line in ctest.stdout:
            if not PASSED_LINE.match(line):
                print(line, end="", flush=True)
    passed, failed, skipped = read_report(report) if report.exists() else ([], [], [])
    if ctest.returncode != 0 and not failed:
        failed.append("ctest itself")
    return passed, failed, skipped


def main():
    parser = argparse.ArgumentParser(description="Builds and runs the test suite.")
    parser.add_argument("--build", default="build", type=Path)
    parser.add_argument("--jobs", default=len(os.sched_getaffinity(0)), type=int)
    parser.add_argument("--soak", action="store_true", help="only the tests labelled soak")
    parser.add_argument("runs", nargs="*", metavar="release|asan|tsan")
    args = parser.parse_args()
    for name in args.runs:
        if name not in RUNS:
            parser.error(f"no run named '{name}': expected {', '.join(RUNS)}")

    total = {"passed": 0, "failed": 0, "skipped": 0}
    for name in args.runs or list(RUNS):
        place, entries, left_out = RUNS[name]
        folder = (ROOT / args.build / place).resolve()
        started = time.monotonic()
        say(f"== {name}: building in {os.path.relpath(folder, ROOT)}")
        if build(name, folder, entries, args.jobs):
            built = time.monotonic()
            passed, failed, skipped = test(name, folder, left_out, args.jobs, args.soak)
        else:
            built = time.monotonic()
            passed, failed, skipped = [], ["the build"], []
        for case, reason in skipped:
            say(f"skipped: {name}: {case}: {reason}")
        for case in failed:
            say(f"FAILED: {name}: {case}")
        say(f"== {name}: {len(passed)} passed, {len(failed)} failed, {len(skipped)} skipped"
            f" (build {built - started:.0f} s, tests {time.monotonic() - built:.0f} s)")
        for key, cases in zip(total, (passed, failed, skipped)):
            total[key] += len(cases)
    say(", ".join(f"{count} {key}" for key, count in total.items()))
    return 1 if total["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
