#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares two CSV files of alerts as multisets over rule, case_id, stage,
deadline, raise_at (instants by value, not by text).

  compare_alerts.py TITLE TRUTH.csv RAISED.csv [EXTRA [RULE]]

Prints one line (expected, raised, missing, extra) and the first few that differ.
EXTRA: how many alerts more than in TRUTH are right (0); RULE: all of them are of
this rule. Exit code 0 if nothing is missing and exactly EXTRA are extra, else 1.
"""

import collections
import csv
import sys
from datetime import datetime, timezone

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def nanoseconds(text):
    if not text.endswith("Z"):
        raise ValueError(f"{text!r} is no UTC instant")
    whole, _, fraction = text[:-1].partition(".")
    moment = datetime.strptime(whole, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc)
    since = moment - EPOCH
    return (since.days * 86400 + since.seconds) * 10**9 + int(fraction.ljust(9, "0") or 0)


def read(path):
    with open(path, newline="", encoding="utf-8") as file:
        return collections.Counter(
            (row["rule"], row["case_id"], row["stage"], nanoseconds(row["deadline"]),
             nanoseconds(row["raise_at"]))
            for row in csv.DictReader(file))


def main():
    title, truth_path, raised_path = sys.argv[1:4]
    extra_allowed = int(sys.argv[4]) if len(sys.argv) > 4 else 0
    extra_rule = sys.argv[5] if len(sys.argv) > 5 else None
    truth, raised = read(truth_path), read(raised_path)
    missing, extra = truth - raised, raised - truth
    good = not missing and sum(extra.values()) == extra_allowed
    if extra_rule is not None:
        good = good and all(alert[0] == extra_rule for alert in extra)
    note = f" (expected: {extra_allowed})" if extra_allowed else ""
    print(f"{title:<46} expected {sum(truth.values()):>6}  raised {sum(raised.values()):>6}"
          f"  missing {sum(missing.values()):>4}  extra {sum(extra.values()):>4}{note}"
          f"  {'ok' if good else 'WRONG'}")
    if not good:
        for what, alerts in (("missing", missing), ("extra", extra)):
            for alert in sorted(alerts)[:5]:
                print(f"    {what}: {alert}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
