#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs every bench in its quick mode, so that none rots: `make bench`.
#
#   tests/bench.sh BUILD_DIR
#
# A bench is a folder bench/NAME with an executable quick.sh: a run of seconds that
# checks its own result and exits non-zero when it is wrong. It runs at the top of
# the tree, with BUILD_DIR in the environment. A folder that builds a program but has
# no quick.sh is a failure. The last line counts the scripts.
set -u
build=${1:?usage: tests/bench.sh BUILD_DIR}
cd "$(dirname "$0")/.." || exit 2
build=$(realpath -m "$build")
export BUILD_DIR=$build

passed=0 failed=0
if ! told=$(cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release \
    -DWARDEN_BENCH=ON 2>&1 </dev/null); then
  echo "$told"
  echo "0 passed, 1 failed, 0 skipped"
  exit 1
fi
if ! cmake --build "$build" -- --quiet </dev/null; then
  echo "0 passed, 1 failed, 0 skipped"
  exit 1
fi

for folder in bench/*/; do
  name=$(basename "$folder")
  # results/ holds numbers and peers/ what other benches link: neither has CMake of
  # its own to run. A folder that builds something must say how to run it quickly.
  if [ ! -e "$folder/quick.sh" ]; then
    [ -e "$folder/CMakeLists.txt" ] || continue
    grep -q add_executable "$folder/CMakeLists.txt" || continue
    echo "FAILED: bench/$name: builds a program but has no quick.sh"
    failed=$((failed + 1))
    continue
  fi
  echo "== bench/$name"
  if timeout 300 "./bench/$name/quick.sh" </dev/null; then
    passed=$((passed + 1))
  else
    echo "FAILED: bench/$name/quick.sh: exit code $?"
    failed=$((failed + 1))
  fi
done
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
