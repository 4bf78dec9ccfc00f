#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the seeded harnesses of the log for long: what `make soak` is.

  tests/soak.py [--build DIR] [--minutes N] [--jobs N] [--state FILE]
  tests/soak.py --report [DOCUMENT]

Each harness goes on from the seed where it last stopped, in slices of some seconds,
and every slice that ended adds what it covered to the state, DIR/soak.json; so runs
of any length, on any version, add up to one report. SIGINT and SIGTERM start no new
slice and wait for those that run. Exit code 1 if a slice failed; the state keeps its
seed and its last lines. --report writes the sums between the marks in the document
(docs/testing.md) instead of running anything.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- soak: tests/soak.py --report -->", "<!-- end of soak -->"
# One slice of each runs at a time, so the seeds of a harness are done in order.
# name: (program, arguments, environment, seeds a slice); {first} and {count} are filled in
HARNESSES = {
    "simulation": ("log_sim_test", [], {"WARDEN_FIRST": "{first}", "WARDEN_SEEDS": "{count}"},
                   200),
    "kills, io_uring": ("kill_harness", ["--kills", "25", "--seed", "{first}", "--backend",
                                         "uring"], {}, 1),
    "cleaning": ("log_clean_test", [], {"WARDEN_FIRST": "{first}", "WARDEN_SEEDS": "{count}"},
                 300),
    "kills, posix": ("kill_harness", ["--kills", "25", "--seed", "{first}", "--backend",
                                      "posix"], {}, 1),
}
REPORT_LINE = re.compile(r"^(?:  )?([a-z][a-z ]*): ((?:[a-z]+: )?\d+ .*)$")
FIGURE = re.compile(r"(\d+) ([a-z][^,;]*)")
FAILING_SEED = re.compile(r"WARDEN_SEED=(\d+)|--seed (\d+)")
LAST_LINES = 40


def version():
    """The commit, with a + if what is compiled differs from it."""
    def git(*command):
        return subprocess.run(["git", *command], cwd=ROOT, capture_output=True, text=True,
                              check=True).stdout.strip()
    try:
        changed = git("status", "--porcelain", "--", "src", "tests", "include", "capi")
        return git("rev-parse", "--short=12", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "no git"


def machine():
    kernel = re.match(r"\d+\.\d+", os.uname().release)
    return (f"{os.uname().machine}, {len(os.sched_getaffinity(0))} cores, "
            f"{os.uname().sysname} {kernel.group() if kernel else ''}")


def figures_of(output):
    """{line: {figure: number}} of a harness's report."""
    out = {}
    for line in output.splitlines():
        match = REPORT_LINE.match(line)
        for number, name in FIGURE.findall(match.group(2)) if match else ():
            row = out.setdefault(match.group(1), {})
            row[name.strip()] = row.get(name.strip(), 0) + int(number)
    return out


class State:
    """What was done so far. A slice is added whole or not at all."""

    def __init__(self, path):
        self.path = path
        self.data = {"next": {}, "versions": {}, "failures": []}
        if path.exists():
            self.data = json.loads(path.read_text())

    def save(self):
        temporary = self.path.with_suffix(".tmp")
        with open(temporary, "w") as file:
            json.dump(self.data, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, self.path)

    def next_seed(self, name):
        return self.data["next"].get(name, 1)

    def add(self, name, count, seconds, output, now, on):
        self.data["next"][name] = self.next_seed(name) + count
        entry = self.data["versions"].setdefault(now, {"machines": [], "harnesses": {}})
        if on not in entry["machines"]:
            entry["machines"].append(on)
        done = entry["harnesses"].setdefault(name, {"slices": 0, "seconds": 0, "lines": {}})
        done["slices"] += 1
        done["seconds"] += round(seconds, 1)
        for line, row in figures_of(output).items():
            sums = done["lines"].setdefault(line, {})
            for figure, number in row.items():
                sums[figure] = sums.get(figure, 0) + number


class Soak:
    def __init__(self, state, binaries, minutes, slices):
        self.state = state
        self.binaries = binaries
        self.until = time.monotonic() + 60 * minutes
        self.slices = slices  # None: as many as there is time for
        self.lock = threading.Lock()
        self.stopping = False
        self.failed = False
        self.begun = dict.fromkeys(HARNESSES, 0)
        self.running = set()
        self.version, self.machine = version(), machine()

    def stop(self, *_):
        self.stopping = True
        print("soak: ends with the slices that run", flush=True)

    def take(self):
        """The harness that had the fewest slices and does not run now, or None."""
        with self.lock:
            over = self.slices is not None and sum(self.begun.values()) >= self.slices
            if self.stopping or over or time.monotonic() >= self.until:
                return None
            name = min((n for n in HARNESSES if n not in self.running), key=self.begun.get)
            self.begun[name] += 1
            self.running.add(name)
            return name, self.state.next_seed(name)

    def work(self):
        while taken := self.take():
            name, first = taken
            program, arguments, env, count = HARNESSES[name]
            fill = {"first": first, "count": count}
            command = [str(self.binaries / program)] + [a.format(**fill) for a in arguments]
            started = time.monotonic()
            # A session of its own: Ctrl-C is for this program alone.
            environment = {**os.environ, **{k: v.format(**fill) for k, v in env.items()}}
            try:
                done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                      stderr=subprocess.STDOUT, text=True, errors="replace",
                                      start_new_session=True, env=environment, check=False)
            except OSError as error:
                done = subprocess.CompletedProcess(command, 127, str(error))
            self.end(name, first, count, time.monotonic() - started, done)

    def end(self, name, first, count, seconds, done):
        with self.lock:
            self.running.discard(name)
            self.state.add(name, count, seconds, done.stdout, self.version, self.machine)
            if done.returncode != 0:
                self.fail(name, first, done)
            self.state.save()

    def fail(self, name, first, done):
        found = FAILING_SEED.search(done.stdout)
        seed = int(found.group(1) or found.group(2)) if found else first
        lines = done.stdout.splitlines()[-LAST_LINES:]
        self.state.data["failures"].append({"harness": name, "seed": seed, "slice": first,
                                            "version": self.version, "exit": done.returncode,
                                            "output": lines})
        print(f"FAILED: {name}, seed {seed}, exit code {done.returncode}", *lines, sep="\n",
              flush=True)
        self.failed = True

    def run(self, jobs):
        signal.signal(signal.SIGINT, self.stop)
        signal.signal(signal.SIGTERM, self.stop)
        threads = [threading.Thread(target=self.work) for _ in range(min(jobs, len(HARNESSES)))]
        for thread in threads:
            thread.start()
        # By turns: a signal that comes just before a wait without an end is not handled
        # before that has ended.
        for thread in threads:
            while thread.is_alive():
                thread.join(0.2)
        return 1 if self.failed else 0


def total(data, line, figure):
    return sum(done["lines"].get(line, {}).get(figure, 0)
               for entry in data["versions"].values() for done in entry["harnesses"].values())


def report(data):
    """The section's text, of Markdown."""
    rows = [("seeds", [("log simulation", "seeds"), ("cleaning", "seeds")]),
            ("operations of their users", [("log simulation", "operations"),
                                           ("cleaning", "operations")]),
            ("power cuts", [("ends", "power cuts")]),
            ("of them while opening", [("cuts while opening at", None)]),
            ("simulated kills", [("ends", "kills")]),
            ("recoveries", [("recoveries", "openings")]),
            ("states of the disk, distinct within a slice", [("recoveries",
                                                     "distinct states of the disk")]),
            ("torn tails", [("recoveries", "torn tails")]),
            ("unflushed writes torn by a cut", [("unflushed writes at cuts", "torn")]),
            ("real kills of the engine", [("kills", "kills")]),
            ("answers acknowledged before them", [("kills", "acknowledged answers")]),
            ("failures", [])]
    out = ["| | |", "| --- | --- |"]
    for name, figures in rows:
        value = len(data["failures"]) if not figures else 0
        for line, figure in figures:
            names = [figure] if figure else {
                f for entry in data["versions"].values() for done in entry["harnesses"].values()
                for f in done["lines"].get(line, {})}
            value += sum(total(data, line, each) for each in names)
        out.append(f"| {name} | {value:,} |")
    out += ["", "| version | machine | hours of slices | slices |", "| --- | --- | --- | --- |"]
    for name, entry in data["versions"].items():
        seconds = sum(done["seconds"] for done in entry["harnesses"].values())
        slices = sum(done["slices"] for done in entry["harnesses"].values())
        out.append(f"| {name} | {'; '.join(entry['machines'])} | {seconds / 3600:.2f} | {slices} |")
    for failure in data["failures"]:
        out += ["", f"Failed: {failure['harness']}, seed {failure['seed']}, "
                    f"version {failure['version']}."]
    return "\n".join(out)


def write_report(data, document):
    text = document.read_text()
    if BEGIN not in text or END not in text:
        sys.exit(f"{document}: expected the marks {BEGIN} and {END}")
    before, rest = text.split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    document.write_text(f"{before}{BEGIN}\n{report(data)}\n{END}{after}")


def main():
    parser = argparse.ArgumentParser(description="Runs the log's harnesses for long.")
    parser.add_argument("--build", default=ROOT / "build", type=Path)
    parser.add_argument("--minutes", default=60, type=float)
    parser.add_argument("--slices", type=int, help="end after so many")
    parser.add_argument("--jobs", default=len(os.sched_getaffinity(0)), type=int)
    parser.add_argument("--state", type=Path, help="instead of soak.json in the build folder")
    parser.add_argument("--report", nargs="?", const=ROOT / "docs" / "testing.md", type=Path,
                        metavar="DOCUMENT")
    args = parser.parse_args()
    state = State(args.state or args.build / "soak.json")
    if args.report:
        write_report(state.data, args.report)
        return 0
    code = Soak(state, args.build / "bin", args.minutes, args.slices).run(args.jobs)
    seeds = sum(total(state.data, line, "seeds") for line in ("log simulation", "cleaning"))
    print(f"soak: {seeds} seeds, {total(state.data, 'kills', 'kills')} kills, "
          f"{len(state.data['failures'])} failures so far; state: {state.path}")
    return code


if __name__ == "__main__":
    sys.exit(main())
