#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# What `warden replay` must refuse before it creates, feeds or overwrites anything.
#
#   tests/e2e/replay_store.sh [WARDEN]
source "$(dirname "$0")/lib.sh"

flow() { # NAME DEDUPE
  cat <<END
[flow]
name = "$1"
stages = ["packed", "arrived"]
close = ["arrived"]
dedupe = "$2"

[[rule]]
name = "whole"
kind = "total"
within = "1h"
END
}
flow parcels 100y >flow.toml
flow letters 100y >letters.toml
flow parcels 1h >forgets.toml
log() { # YEAR
  echo case_id,seq,stage,timestamp
  for i in 1 2 3 4 5 6; do echo "p$i,$i,packed,$1-05-01T10:00:00Z"; done
  echo "p1,7,arrived,$1-05-01T10:30:00Z"
  echo "p2,8,arrived,$1-05-02T10:00:00Z"
}
log 2024 >log.csv
log 2020 >earlier.csv
log 2030 >later.csv

state() { find . -type f ! -name stdout ! -name stderr -exec sha256sum {} + | sort; }

# refuse CODE WORDS ARGUMENTS...: one line, and not a byte of any file changed.
refuse() {
  local code=$1 words=$2 before got
  shift 2
  before=$(state)
  "$warden" replay "$@" >stdout 2>stderr
  got=$?
  check "$*: exit code $got, expected $code" test "$got" -eq "$code"
  check "$*: one line" test "$(wc -l <stderr)" -eq 1
  check "$*: '$(cat stderr)' holds '$words'" grep -qF -- "$words" stderr
  check "$*: nothing changed" test "$before" = "$(state)"
}

# An output that is an input, or the other output.
refuse 2 "is the file of EVENTS too" log.csv --flow flow.toml --alerts ./log.csv
refuse 2 "is the file of --flow too" log.csv --flow flow.toml --alerts flow.toml
refuse 2 "is the file of --alerts too" log.csv --flow flow.toml --alerts out --alert-ids ./out
ln log.csv link
refuse 2 "is the file of EVENTS too" log.csv --flow flow.toml --alert-ids link
refuse 2 "the journal of --alerts too" log.csv --flow flow.toml --store none --alerts out \
  --alert-ids out.journal

# A run that was killed could not tell a closed case from a new one.
refuse 3 "closed cases are forgotten after 1h" log.csv --flow forgets.toml --store none
check "no store was made" test ! -e none
check "in memory it may" "$warden" replay log.csv --flow forgets.toml >/dev/null

# A store of another replay.
run() { "$warden" replay log.csv --flow flow.toml --store good --alerts out.csv "$@" >/dev/null; }
check "a first run" run
cp out.csv first.csv
listing=$("$warden" ls good)
refuse_store() {
  local words=$1
  shift
  "$warden" replay "$@" --store good >stdout 2>stderr
  check "$*: exit code 3" test $? -eq 3
  check "$*: '$(cat stderr)' holds '$words'" grep -qF -- "$words" stderr
  check "$*: the same items" test "$listing" = "$("$warden" ls good)"
}
refuse_store "holds other flows and not 'letters'" log.csv --flow letters.toml
refuse_store "clock stands after" earlier.csv --flow flow.toml
refuse_store "of another replay into" later.csv --flow flow.toml --alerts out.csv
refuse_store "of another replay into" log.csv --flow flow.toml --alerts out.csv --order seq

# A journal of another store, or something else of that name, is nobody's to remove.
refuse 3 "holds the alerts of the store" log.csv --flow flow.toml --store none --alerts out.csv
echo "a diary" >diary.csv.journal
refuse 3 "diary.csv.journal" log.csv --flow flow.toml --store none --alerts diary.csv

check "the same command again" run
check "gives the same alerts" cmp out.csv first.csv
finish
