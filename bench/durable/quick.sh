#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The log's bench, small: a check that every workload runs on both backends.
set -eu
"${BUILD_DIR:-build}/bin/bench_durable" --quick
"${BUILD_DIR:-build}/bin/bench_recovery" --quick
"${BUILD_DIR:-build}/bin/bench_cleaning" --quick
