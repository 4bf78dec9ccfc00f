#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Replays five public event logs and compares the alerts with those that must come
# (tests/e2e/compare_alerts.py): fed by one and by two threads, in the order of
# `seq`, and twice into the same run.
#
#   tests/e2e/replay_all.sh [DATA_DIR [WARDEN]]
#
# DATA_DIR holds logs/NAME/events.csv and truth/NAME.csv; without it $WARDEN_DATA,
# else ../shared/data beside the repository. Exit codes: 0 all right, 1 a difference
# or a failed run, 77 no data (with CI=true that is a failure: 1).
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
data=${1:-${WARDEN_DATA:-$root/../shared/data}}
warden=${2:-$root/build/bin/warden}

if [ ! -d "$data/logs" ] || [ ! -d "$data/truth" ]; then
  echo "skipped: no event logs in $data (logs/, truth/); set WARDEN_DATA to their folder"
  if [ "${CI:-}" = true ]; then
    echo "CI=true: that they are absent is a failure"
    exit 1
  fi
  exit 77
fi

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failures=0

# due_of NAME: the option that gives the log's column of dues, if it has one.
due_of() {
  case $1 in
    bpic2020_permit) echo --due=U_approved_before_trip=due_approval ;;
    receipt) echo --due=U_case_deadline=due_closed ;;
    kth_sp2) echo --due=U_walltime=due_ended ;;
  esac
}

# replay NAME TITLE EXTRA OPTION...: one run, compared.
replay() {
  local name=$1 title=$2 extra=$3 out=$work/$1.csv
  shift 3
  rm -f "$out"
  # shellcheck disable=SC2046
  if ! "$warden" replay "$data/logs/$name/events.csv" --flow "$root/tests/data/flows/$name.toml" \
    $(due_of "$name") --alerts "$out" "$@" >"$work/summary" 2>"$work/errors" </dev/null; then
    echo "$name $title: warden failed: $(cat "$work/errors")"
    failures=$((failures + 1))
    return
  fi
  # shellcheck disable=SC2086
  python3 "$here/compare_alerts.py" "$name $title" "$data/truth/$name.csv" "$out" $extra ||
    failures=$((failures + 1))
}

for name in uci_incident bpic2020_permit sepsis receipt kth_sp2; do
  # In this order some closings of receipt are dated before events already seen: in
  # the item's own time, 24 deadlines between the two have passed by then.
  seq_extra=""
  if [ "$name" = receipt ]; then seq_extra="U_case_deadline=22 D=1 G=1"; fi
  replay "$name" "1 feeder" "" --feeders 1
  cp "$work/$name.csv" "$work/first.csv" 2>/dev/null
  replay "$name" "2 feeders" "" --feeders 2
  if ! cmp -s "$work/first.csv" "$work/$name.csv"; then
    echo "$name: 1 and 2 feeders wrote different files"
    failures=$((failures + 1))
  fi
  replay "$name" "seq order, 1 feeder" "$seq_extra" --order seq --feeders 1
  replay "$name" "seq order, 2 feeders" "$seq_extra" --order seq --feeders 2
  replay "$name" "fed twice, 1 feeder" "" --times 2 --feeders 1
  replay "$name" "fed twice, 2 feeders" "" --times 2 --feeders 2
  replay "$name" "3 feeders, batches of 7" "" --feeders 3 --batch 7
done

if [ "$failures" -ne 0 ]; then
  echo "FAILED: $failures"
  exit 1
fi
echo "all alerts as expected"
