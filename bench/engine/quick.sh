#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The engine's bench in its quick mode: seconds. It fails if a verb answered wrongly, an
# item was lost, or a figure is missing; never for a figure's size.
#
#   BUILD_DIR=build bench/engine/quick.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
json=$(mktemp)
trap 'rm -f "$json"' EXIT
"${BUILD_DIR:-build}/bin/warden_bench_engine" --quick --json "$json"
python3 - "$json" <<'PYTHON'
import json
import sys

lines = json.load(open(sys.argv[1]))
keys = {"metric", "ours", "peer", "peer_name", "unit", "ratio", "threads", "live"}
assert all(set(line) == keys for line in lines), "a line lacks a key"
verbs = [line for line in lines if line["metric"].startswith("track + complete")]
assert len(verbs) == 8, f"{len(verbs)} lines of track + complete, expected 8"
assert all(line["ours"] > 0 and line["peer"] > 0 for line in verbs), "a figure is missing"
print(f"{len(lines)} figures")
PYTHON
