#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Every workload and peer of the wheel's bench, small: a check that all of them run and
# that the driver reads what they print.
set -eu
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
python3 bench/wheel/run.py --bench "${BUILD_DIR:-build}/bin/wheel_bench" --quick --out "$out"
python3 -c 'import json, sys; assert json.load(open(sys.argv[1])), "no figures"' "$out/wheel.json"
