#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds the fuzz targets with clang, libFuzzer, ASan and UBSan, and runs each from the
# committed inputs on: `make fuzz`.
#
#   tests/fuzz/run.sh [SECONDS] [TARGET...]    60 seconds a target, all of them
#   tests/fuzz/run.sh --self-check             that wrong answers, hangs and unbounded
#                                              allocations are found (plant.hpp)
#   tests/fuzz/run.sh --minimise [SECONDS] [TARGET...]
#                                              then replaces tests/data/fuzz/TARGET by the
#                                              smallest set of inputs that reaches as much
#
# Two targets run at a time. Of each: executions, edges covered, inputs kept. A finding
# is printed with its input and how to replay it, and fails. Inputs found on the way stay
# in BUILD/corpus (WARDEN_BUILD_DIR, build/fuzz): the next run goes on from them.
# The last line is `N passed, N failed, N skipped`; without clang all are skipped, and
# fail where CI=true.
set -u
cd "$(dirname "$0")/../.." || exit 2
build=${WARDEN_BUILD_DIR:-build/fuzz}
all=(flow_fuzz log_fuzz record_fuzz capi_fuzz)
declare -A longest=([flow_fuzz]=4096 [log_fuzz]=121 [record_fuzz]=2048 [capi_fuzz]=600)

mode=fuzz
case ${1:-} in
  --self-check) mode=self-check; shift ;;
  --minimise) mode=minimise; shift ;;
esac
seconds=60
if [[ ${1:-} =~ ^[0-9]+$ ]]; then seconds=$1; shift; fi
targets=("${@:-}")
[ -n "${targets[0]}" ] || targets=("${all[@]}")
for target in "${targets[@]}"; do
  [ -n "${longest[$target]:-}" ] && continue
  echo "run.sh: no target '$target': expected ${all[*]}" >&2
  exit 2
done

passed=0 failed=0 skipped=0
finish() {
  echo "$passed passed, $failed failed, $skipped skipped"
  [ "$failed" -eq 0 ]
  exit
}

# What is needed and cannot be had: told, not counted as passed.
absent() {
  echo "fuzz: $1"
  if [ "${CI:-}" = true ]; then failed=${#targets[@]}; else skipped=${#targets[@]}; fi
  finish
}

[ -n "$(command -v clang++)" ] || tests/setup.sh run test fuzz >&2
[ -n "$(command -v clang++)" ] || absent "skipped: there is no clang++ here"
probe=$(mktemp -d) || exit 2
trap 'rm -rf "$probe"' EXIT
echo 'extern "C" int LLVMFuzzerTestOneInput(const char *, long) { return 0; }' >"$probe/p.cpp"
clang++ -fsanitize=fuzzer,address "$probe/p.cpp" -o "$probe/p" 2>/dev/null ||
  tests/setup.sh run test fuzz >&2
clang++ -fsanitize=fuzzer,address "$probe/p.cpp" -o "$probe/p" 2>"$probe/why" ||
  absent "skipped: clang++ has no libFuzzer or ASan: $(head -n 1 "$probe/why")"

make_targets() {
  cmake -S . -B "$build" -G Ninja -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++ \
    -DCMAKE_BUILD_TYPE=RelWithDebInfo "-DCMAKE_CXX_FLAGS_RELWITHDEBINFO=-O1 -g1" \
    "-DCMAKE_C_FLAGS_RELWITHDEBINFO=-O1 -g1" -DWARDEN_BENCH=OFF -DWARDEN_TESTS=ON \
    -DWARDEN_DEBUG_CHECKS=ON -DWARDEN_SANITIZE=address,undefined -DWARDEN_FUZZ=ON &&
    cmake --build "$build" -j "${CMAKE_BUILD_PARALLEL_LEVEL:-2}" --target "${targets[@]}"
}
make_targets >"$probe/build" 2>&1 || {
  tail -n 40 "$probe/build"
  echo "FAILED: the build of the fuzz targets"
  failed=${#targets[@]}
  finish
}

seeds_of() {
  echo "tests/data/fuzz/$1"
  # Of defects that were found once; --minimise leaves them alone.
  [ -d "tests/data/fuzz/$1_found" ] && echo "tests/data/fuzz/$1_found"
  [ "$1" = flow_fuzz ] && echo tests/data/flows tests/data/flows/valid tests/data/flows/invalid
}

# fuzz TARGET FOLDER OPTION...: runs it, what it prints in FOLDER/log, findings in FOLDER.
fuzz() {
  local target=$1 folder=$2 words=()
  shift 2
  mkdir -p "$folder" "$build/corpus/$target"
  if [ -f "tests/fuzz/$target.dict" ]; then words=("-dict=tests/fuzz/$target.dict"); fi
  # shellcheck disable=SC2046 # folders without spaces
  "$build/bin/$target" -timeout=25 -len_control=20 -malloc_limit_mb=512 -rss_limit_mb=1536 \
    -print_final_stats=1 -max_len="${longest[$target]}" "-artifact_prefix=$folder/" \
    "${words[@]}" "$@" "$build/corpus/$target" $(seeds_of "$target") \
    </dev/null >"$folder/log" 2>&1
  echo $? >"$folder/status"
}

# What a run of TARGET has left in FOLDER, in one line; a finding in full.
report() {
  local target=$1 folder=$2 status runs last artifact
  status=$(cat "$folder/status")
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$folder/log")
  last=$(grep -oE 'cov: [0-9]+ .*corp: [0-9]+' "$folder/log" | tail -n 1)
  if [ "$status" -eq 0 ] && [ "${runs:-0}" -gt 0 ] && [[ $last =~ cov:\ ([0-9]+) ]]; then
    local edges=${BASH_REMATCH[1]}
    echo "$target: $runs executions, $edges edges, ${last##*corp: } inputs"
    passed=$((passed + 1))
    return
  fi
  failed=$((failed + 1))
  grep -vE '^(#[0-9]+[[:space:]]+(NEW|REDUCE|pulse|RELOAD)|"|NEW_FUNC)' "$folder/log" | tail -n 60
  echo "FAILED: $target (exit code $status)"
  for artifact in "$folder"/{crash,oom,timeout,leak}-*; do
    [ -f "$artifact" ] || continue
    echo "  its input: $artifact, base64: $(base64 -w 0 "$artifact")"
    echo "  again with: $build/bin/$target $artifact"
  done
}

in_pairs() {  # FUNCTION: for each target, two at a time
  local target
  for target in "${targets[@]}"; do
    while [ "$(jobs -rp | wc -l)" -ge 2 ]; do wait -n; done
    "$1" "$target" &
  done
  wait
}

out=$build/findings
rm -rf "$out"

if [ "$mode" != self-check ]; then
  one() { fuzz "$1" "$out/$1" "-max_total_time=$seconds"; }
  in_pairs one
  for target in "${targets[@]}"; do report "$target" "$out/$target"; done
  [ "$mode" = fuzz ] && finish
  [ "$failed" -eq 0 ] || finish
  for target in "${targets[@]}"; do
    # By edges alone, not by how often each is taken: some tens of inputs instead of
    # hundreds. Those that are kept for another reason count as there already.
    rm -rf "$probe/small" "$probe/known" && mkdir "$probe/small" "$probe/known"
    for folder in $(seeds_of "$target" | tr ' ' '\n' | grep -vx "tests/data/fuzz/$target"); do
      find "$folder" -maxdepth 1 -type f -exec cp -t "$probe/known" {} +
    done
    cp "$probe/known"/* "$probe/small" 2>/dev/null
    "$build/bin/$target" -merge=1 -use_counters=0 -max_len="${longest[$target]}" \
      "$probe/small" "tests/data/fuzz/$target" "$build/corpus/$target" \
      </dev/null >"$out/$target/merge" 2>&1 || {
      echo "FAILED: the merge of $target"
      failed=$((failed + 1))
      continue
    }
    (cd "$probe/known" && find . -type f) | (cd "$probe/small" && xargs -r rm -f)
    rm -rf "tests/data/fuzz/$target" && cp -r "$probe/small" "tests/data/fuzz/$target"
    echo "$target: $(ls "tests/data/fuzz/$target" | wc -l) inputs kept"
  done
  finish
fi

# The plants: what is expected in the log, and what limits the run.
check() {
  local target=$1 plant
  for plant in wrong hang memory; do
    WARDEN_FUZZ_PLANT=$plant fuzz "$target" "$out/$target-$plant" -max_total_time=120 -timeout=5
  done
}
declare -A sign=([wrong]='^broken: ' [hang]='ERROR: libFuzzer: timeout'
  [memory]='ERROR: libFuzzer: out-of-memory')
in_pairs check
for target in "${targets[@]}"; do
  for plant in wrong hang memory; do
    folder=$out/$target-$plant
    if [ "$(cat "$folder/status")" -ne 0 ] && grep -qE "${sign[$plant]}" "$folder/log"; then
      passed=$((passed + 1))
      echo "$target: planted '$plant' was found"
    else
      failed=$((failed + 1))
      tail -n 20 "$folder/log"
      echo "FAILED: $target: planted '$plant' was not found"
    fi
  done
done
finish
