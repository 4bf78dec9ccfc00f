#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A short demo: its verdict must be clean, and must add up. Nothing is said about
# its speed: the machine may be slow, late files are then late by the record too.
#
#   tests/e2e/demo.sh [WARDEN]
source "$(dirname "$0")/lib.sh"

seed=${WARDEN_SEED:-$RANDOM}
echo "WARDEN_SEED=$seed"
check "demo" "$warden" demo --seconds 4 --rate 1000 --drop 2% --seed "$seed" --json >demo.json
cat demo.json
check "the table adds up" python3 - <<'END'
import json

d = json.load(open("demo.json"))
stops = d["stopped_at"].values()
assert d["ok"] is True
assert d["tracked"] > 100, "hardly anything was fed"
assert d["tracked"] == d["completed"] + d["dropped"]
assert d["dropped"] > 0 and d["detected"] == d["dropped"]
assert sum(s["dropped"] for s in stops) == d["dropped"]
assert sum(s["detected"] for s in stops) == d["detected"]
assert d["missed"] == d["false_alarms"] == d["wrong_stage"] == d["wrong_answers"] == 0
assert d["alerts"] >= 2 * d["dropped"]
assert 0 < d["latency_p50_ns"] <= d["latency_p99_ns"] <= d["latency_max_ns"]
END
# Everything dropped, nothing dropped: the ends of the range.
check "all dropped" "$warden" demo --seconds 1 --rate 200 --drop 100% --threads 3 --json >all.json
check "none completed" python3 -c '
import json
d = json.load(open("all.json"))
assert d["completed"] == 0 and d["dropped"] == d["detected"] == d["tracked"] > 0'
check "none dropped" "$warden" demo --seconds 1 --rate 200 --drop 0 --threads 1 >none.txt
check "the table ends in ok" grep -q '^ok: ' none.txt
finish
