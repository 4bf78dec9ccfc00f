#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Line and branch coverage of src/log by its own tests:
#
#   tests/coverage.sh [--no-run] [--strict]
#
# Builds with --coverage in build/coverage, runs the programs below, and prints the
# share by file and every line or branch that is not covered and that
# tests/coverage_exclusions.txt does not argue for. --no-run: only the report, of what
# ran before. Exit code 1 if an entry of the list fits nothing any more, and with
# --strict if anything is uncovered.
set -eu
cd "$(dirname "$0")/.."
build=build/coverage
tests='log_test log_edges_test log_refusal_test log_sector_test log_golden_test log_kill_test
  log_sim_test log_clean_test log_power_test log_fault_test log_mutation_test io_test
  log_backup_test log_backup_power_test log_salvage_test log_recovery_test log_calls_test
  log_committer_test log_clerk_test'

tests/setup.sh run test coverage
run=yes strict=
for option in "$@"; do
  case $option in
    --no-run) run= ;;
    --strict) strict=--strict ;;
    *) echo "coverage: no option '$option'" >&2; exit 2 ;;
  esac
done
if [ -n "$run" ]; then
  cmake -S . -B $build -G Ninja -DCMAKE_BUILD_TYPE=Debug -DWARDEN_TESTS=ON -DWARDEN_BENCH=OFF \
    -DWARDEN_CLI=OFF -DCMAKE_CXX_FLAGS='--coverage -fprofile-update=atomic' \
    -DCMAKE_C_FLAGS=--coverage -DCMAKE_EXE_LINKER_FLAGS=-Wl,-u,__gcov_dump >/dev/null
  # Counters of another build of a file do not fit: ninja rebuilds it, gcov refuses them.
  find $build -name '*.gcda' -delete
  # shellcheck disable=SC2086
  cmake --build $build --target $tests -- --quiet
  for test in $tests; do
    echo "coverage: $test"
    case $test in  # fewer seeds: each takes ten times as long here
      log_sim_test | log_clean_test) seeds=40 ;;
      *) seeds=3000 ;;
    esac
    WARDEN_SEEDS=$seeds WARDEN_KILLS=10 $build/bin/"$test" --gtest_brief=1
  done
fi
gcovr --root . --filter 'src/log/' --exclude-throw-branches --exclude-unreachable-branches \
  --json $build/coverage.json $build
python3 tests/coverage_report.py $build/coverage.json tests/coverage_exclusions.txt $strict
