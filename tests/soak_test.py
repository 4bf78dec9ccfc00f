#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The soak driver over harnesses that are shell scripts."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

import soak

GOOD = """#!/bin/sh
echo "[ RUN      ] noise: 5 seeds"
echo "log simulation: ${WARDEN_SEEDS:-0} seeds, 40 operations"
echo "  ends: 3 power cuts, 1 kills"
"""
KILLS = """#!/bin/sh
echo "kills: 25 kills, 7 acknowledged answers, 0 lost"
"""


class Driver(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.build = Path(folder.name)
        (self.build / "bin").mkdir()
        for program, *_ in soak.HARNESSES.values():
            self.harness(program, KILLS if program == "kill_harness" else GOOD)

    def harness(self, program, text):
        path = self.build / "bin" / program
        path.write_text(text)
        path.chmod(0o755)

    def command(self, *more):
        return [sys.executable, soak.__file__, "--build", str(self.build), *more]

    def run_it(self, *more):
        return subprocess.run(self.command("--slices", "4", *more), capture_output=True, text=True,
                              check=False)

    def state(self):
        return json.loads((self.build / "soak.json").read_text())

    def sums(self, harness):
        (entry,) = self.state()["versions"].values()
        return entry["harnesses"][harness]

    def test_goes_on_from_the_next_seed_and_adds_up(self):
        for runs in (1, 2):
            self.assertEqual(self.run_it().returncode, 0)
            self.assertEqual(self.state()["next"], {"simulation": 1 + 200 * runs,
                                                    "cleaning": 1 + 300 * runs,
                                                    "kills, io_uring": 1 + runs,
                                                    "kills, posix": 1 + runs})
            lines = self.sums("simulation")["lines"]
            self.assertEqual(lines["log simulation"], {"seeds": 200 * runs,
                                                       "operations": 40 * runs})
            self.assertEqual(lines["ends"], {"power cuts": 3 * runs, "kills": runs})
            self.assertNotIn("noise", lines)

    def test_a_failure_is_printed_and_kept_with_its_seed(self):
        self.harness("log_sim_test", "#!/bin/sh\necho 'wrong: again with WARDEN_SEED=77'\nexit 1\n")
        done = self.run_it()
        self.assertEqual(done.returncode, 1)
        self.assertIn("FAILED: simulation, seed 77, exit code 1\nwrong: again with", done.stdout)
        (failure,) = self.state()["failures"]
        self.assertEqual((failure["harness"], failure["seed"], failure["slice"]),
                         ("simulation", 77, 1))
        self.assertEqual(self.state()["next"]["simulation"], 201)

    def test_a_missing_harness_is_a_failure(self):
        (self.build / "bin" / "kill_harness").unlink()
        done = self.run_it()
        self.assertEqual(done.returncode, 1)
        self.assertEqual(len(self.state()["failures"]), 2)

    def test_sigterm_waits_for_the_slices_that_run(self):
        # The harness itself says when it has begun, and waits until the driver was told.
        self.harness("log_sim_test", "#!/bin/sh\n: > \"$BOX/begun\"\n"
                     "until [ -e \"$BOX/told\" ]; do sleep 0.02; done\n" + GOOD)
        process = subprocess.Popen(self.command("--jobs", "1", "--minutes", "60"),
                                   env={**os.environ, "BOX": str(self.build)},
                                   stdout=subprocess.PIPE, text=True)
        while not (self.build / "begun").exists():
            self.assertIsNone(process.poll())
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.stdout.readline(), "soak: ends with the slices that run\n")
        (self.build / "told").touch()
        process.communicate()
        self.assertEqual(process.returncode, 0)
        self.assertEqual(self.sums("simulation")["lines"]["log simulation"]["seeds"], 200)

    def test_the_report_replaces_what_stands_between_its_marks(self):
        self.run_it()
        document = self.build / "page.md"
        document.write_text(f"before\n{soak.BEGIN}\nold\n{soak.END}\nafter\n")
        for _ in range(2):
            self.run_it("--report", str(document))
            text = document.read_text()
            self.assertTrue(text.startswith("before\n") and text.endswith("\nafter\n"), text)
            self.assertNotIn("old", text)
            self.assertIn("| seeds | 500 |", text)
            self.assertIn("| real kills of the engine | 50 |", text)
            self.assertIn("| failures | 0 |", text)


if __name__ == "__main__":
    unittest.main()
