#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Replays each of the five public event logs into a durable store: the alerts must be
# those that must come. Then again into new stores, killed with SIGKILL at random
# points, and run again with the same command: the same alerts, each id once, nothing
# that was taken before the kill missing, and the store must verify.
#
#   tests/e2e/kill_replay.sh [DATA_DIR [WARDEN]]
#
# WARDEN_KILLS: kills a log, 3. WARDEN_SEED: of the points, chosen and printed.
# Exit codes as of replay_all.sh: 77 without data.
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
data=${1:-${WARDEN_DATA:-$root/../shared/data}}
warden=${2:-$root/build/bin/warden}
kills=${WARDEN_KILLS:-3}
seed=${WARDEN_SEED:-$RANDOM}
RANDOM=$seed

if [ ! -d "$data/logs" ] || [ ! -d "$data/truth" ]; then
  echo "skipped: no event logs in $data (logs/, truth/); set WARDEN_DATA to their folder"
  if [ "${CI:-}" = true ]; then
    echo "CI=true: that they are absent is a failure"
    exit 1
  fi
  exit 77
fi
echo "WARDEN_SEED=$seed WARDEN_KILLS=$kills"

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failures=0
fail() {
  echo "FAILED: $*"
  failures=$((failures + 1))
}

due_of() {
  case $1 in
    bpic2020_permit) echo --due=U_approved_before_trip=due_approval ;;
    receipt) echo --due=U_case_deadline=due_closed ;;
    kth_sp2) echo --due=U_walltime=due_ended ;;
  esac
}

# command NAME: the command line, in the array `line`.
command_of() {
  # shellcheck disable=SC2046,SC2207
  line=("$warden" replay "$data/logs/$1/events.csv" --flow "$root/tests/data/flows/$1.toml"
    $(due_of "$1") --store store --alerts out.csv --alert-ids out.ids --json)
}
milliseconds() { echo $(($(date +%s%N) / 1000000)); }
summary_field() {
  python3 -c 'import json, sys; print(json.load(open("summary"))[sys.argv[1]])' "$1"
}

# compare NAME TITLE: out.csv with the truth, ids each once.
compare() {
  python3 "$here/compare_alerts.py" "$1 $2" "$data/truth/$1.csv" out.csv ||
    fail "$1 $2: other alerts than must come"
  [ "$(sort out.ids | uniq -d | wc -l)" -eq 0 ] || fail "$1 $2: an id twice"
  [ "$(wc -l <out.ids)" -eq "$(summary_field alerts_total)" ] || fail "$1 $2: ids and alerts differ"
}

killed=0
for name in uci_incident bpic2020_permit sepsis receipt kth_sp2; do
  command_of "$name"
  rm -rf store out.*
  begin=$(milliseconds)
  "${line[@]}" >summary 2>errors || fail "$name: $(cat errors)"
  whole=$(($(milliseconds) - begin))
  compare "$name" "durable"
  sort out.ids >first.ids
  "${line[@]}" >summary 2>errors || fail "$name again: $(cat errors)"
  compare "$name" "durable, run again"
  sort out.ids | cmp -s - first.ids || fail "$name: run again, other ids"
  for ((kill = 1; kill <= kills; ++kill)); do
    rm -rf store out.*
    after=$(((RANDOM * 32768 + RANDOM) % (whole + 1)))
    "${line[@]}" >summary 2>errors &
    pid=$!
    sleep "$(printf '%d.%03d' $((after / 1000)) $((after % 1000)))"
    if kill -9 "$pid" 2>/dev/null; then killed=$((killed + 1)); fi
    wait "$pid" 2>/dev/null
    [ -s errors ] && fail "$name killed after $after ms: $(cat errors)"
    "${line[@]}" >summary 2>errors || fail "$name after a kill at $after ms: $(cat errors)"
    compare "$name" "killed at $after ms"
    sort out.ids >again.ids
    "${line[@]}" >summary 2>errors || fail "$name a third time: $(cat errors)"
    sort out.ids | cmp -s - again.ids || fail "$name: a third run gives other ids"
    "$warden" verify store >verified 2>errors || fail "$name verify: $(cat verified errors)"
  done
done
echo "$killed of $((5 * kills)) runs were killed before they had ended"
if [ "$failures" -ne 0 ]; then
  echo "FAILED: $failures (WARDEN_SEED=$seed)"
  exit 1
fi
echo "every run gave the alerts that must come, each once"
