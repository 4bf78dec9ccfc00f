#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares two CSV files of alerts as multisets over rule, case_id, stage,
deadline, raise_at (instants by value, not by text).

  compare_alerts.py TITLE TRUTH.csv RAISED.csv [RULE=EXTRA]...

Prints one line (expected, raised, missing, extra) and the first few that differ.
RULE=EXTRA: so many alerts of this rule more than in TRUTH are right. Exit code 0 if
nothing is missing and exactly those are extra, else 1.
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
    allowed = collections.Counter()
    for text in sys.argv[4:]:
        rule, _, count = text.rpartition("=")
        allowed[rule] = int(count)
    truth, raised = read(truth_path), read(raised_path)
    missing, extra = truth - raised, raised - truth
    extra_rules = collections.Counter()
    for alert, count in extra.items():
        extra_rules[alert[0]] += count
    good = not missing and extra_rules == allowed
    note = f" (expected: {sum(allowed.values())})" if allowed else ""
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
