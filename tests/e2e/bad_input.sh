#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Every kind of bad input: the exit code, one line on stderr that names the place
# and what was expected, nothing on stdout, and not a file more or less than before.
#
#   tests/e2e/bad_input.sh [WARDEN]
source "$(dirname "$0")/lib.sh"

mkdir in out
cat >in/flow.toml <<'END'
[flow]
name = "parcels"
stages = ["packed", "sent", "arrived"]
close = ["arrived"]

[[rule]]
name = "deliver"
kind = "stage"
from = "sent"
to = ["arrived"]
within = "2d"

[[rule]]
name = "promised"
kind = "due"
to = ["arrived"]
END
sed 's/^within/wihtin/' in/flow.toml >in/misspelt.toml
printf '[flow\nname = 1\n' >in/syntax.toml
sed 's/"2d"/"2 parsecs"/' in/flow.toml >in/duration.toml
sed 's/to = \["arrived"\]/to = ["arived"]/' in/flow.toml >in/stage.toml
head -c 4096 /dev/urandom >in/binary.toml
: >in/empty.toml

head='case_id,stage,timestamp,seq,promised'
row='p1,packed,2024-05-01T10:00:00Z,1,'
printf '%s\n%s\n' "$head" "$row" >in/good.csv
log() { # log FILE LINE...: good.csv and these lines
  local file=$1
  shift
  { cat in/good.csv && printf '%s\n' "$@"; } >"in/$file"
}
log stage.csv 'p1,sent,2024-05-01T11:00:00Z,2,' 'p1,lost,2024-05-01T12:00:00Z,3,'
log time.csv 'p1,sent,2024-05-01 11:00:00,2,'
log leap.csv 'p1,sent,2023-02-29T11:00:00Z,2,'
log zone.csv 'p1,sent,2024-05-01T11:00:00+02:00,2,'
log range.csv 'p1,sent,2463-05-01T11:00:00Z,2,'
log fields.csv 'p1,sent,2024-05-01T11:00:00Z'
log blank.csv 'p1,,2024-05-01T11:00:00Z,2,'
log quote.csv 'p1,"sent,2024-05-01T11:00:00Z,2,'
log seq.csv 'p1,sent,2024-05-01T11:00:00Z,two,'
log twice.csv 'p1,sent,2024-05-01T11:00:00Z,1,'
log due.csv 'p1,sent,2024-05-01T11:00:00Z,2,soon'
printf 'case_id,stage,when\np1,packed,2024-05-01T10:00:00Z\n' >in/column.csv
printf '%s\n' "$head" >in/header.csv
: >in/empty.csv
printf '\177ELF\002\001\001\000\000binary\n\000' >in/binary.csv
printf '%s\np\xFC,packed,2024-05-01T10:00:00Z,1,\n' "$head" >in/latin1.csv
long=$(printf 'k%.0s' {1..513})
log long.csv "$long,sent,2024-05-01T11:00:00Z,2,"

# refuse CODE PLACE WORDS ARGUMENT...: warden ARGUMENT... must fail with CODE and one
# line that begins with "warden: PLACE", holds WORDS and says what was expected.
refuse() {
  local code=$1 place=$2 words=$3 got lines line
  shift 3
  find . | sort >"$work.before"
  "$warden" "$@" >"$work.stdout" 2>"$work.stderr" </dev/null
  got=$?
  find . | sort >"$work.after"
  lines=$(wc -l <"$work.stderr")
  line=$(cat "$work.stderr")
  checks=$((checks + 1))
  local wrong=""
  [ "$got" -eq "$code" ] || wrong+=" [exit code $got, expected $code]"
  [ "$lines" -eq 1 ] || wrong+=" [$lines lines on stderr, expected 1]"
  [[ $line == "warden: $place"* ]] || wrong+=" [expected to begin 'warden: $place']"
  [[ $line == *"$words"* ]] || wrong+=" [expected to hold '$words']"
  [[ $code -eq 2 || $line == *xpected* ]] || wrong+=" [does not say what was expected]"
  [ ! -s "$work.stdout" ] || wrong+=" [something on stdout]"
  cmp -s "$work.before" "$work.after" || wrong+=" [files were created or removed]"
  rm -f "$work.before" "$work.after" "$work.stdout" "$work.stderr"
  if [ -z "$wrong" ]; then
    echo "ok ($got): $line"
  else
    echo "FAILED: warden $*:$wrong"
    echo "    $line"
    failures=$((failures + 1))
  fi
}
# log and flow as given, the rest good.
replay() { refuse "$1" "$2" "$3" replay "$4" --flow "$5" --alerts out/alerts.csv "${@:6}"; }

good=in/flow.toml
echo "-- logs"
replay 3 in/none.csv: 'No such file' in/none.csv $good
replay 3 in: 'is a directory' in $good
replay 3 in/empty.csv:1: 'empty' in/empty.csv $good
replay 3 in/binary.csv:1: 'not UTF-8 text' in/binary.csv $good
replay 3 in/latin1.csv:2: 'byte 0xFC' in/latin1.csv $good
replay 3 in/header.csv:1: 'no rows' in/header.csv $good
replay 3 in/column.csv:1: "no column 'timestamp'" in/column.csv $good
replay 3 in/column.csv:1: "no column 'timestamp'" in/column.csv $good --order seq
replay 3 in/time.csv:3: "'2024-05-01 11:00:00'" in/time.csv $good
replay 3 in/leap.csv:3: "'2023-02-29T11:00:00Z'" in/leap.csv $good
replay 3 in/zone.csv:3: "+02:00" in/zone.csv $good
replay 3 in/range.csv:3: "years 1677 to 2262" in/range.csv $good
replay 3 in/fields.csv:3: '3 fields' in/fields.csv $good
replay 3 in/blank.csv:3: 'stage has 0 bytes' in/blank.csv $good
replay 3 in/long.csv:3: 'case_id has 513 bytes' in/long.csv $good
replay 3 in/quote.csv:3: 'never closed' in/quote.csv $good
replay 3 in/stage.csv:4: "stage 'lost' is not in flow 'parcels' (in/flow.toml)" \
  in/stage.csv $good
replay 3 in/seq.csv:3: "seq 'two'" in/seq.csv $good --order seq
replay 3 in/twice.csv:3: 'seq 1 stands on line 2 too' in/twice.csv $good --order seq
echo "-- dues"
replay 3 in/due.csv:3: "'soon'" in/due.csv $good --due promised=promised
replay 3 in/good.csv:1: "no column 'promise'" in/good.csv $good --due promised=promise
replay 3 in/flow.toml: "no rule 'promise' of kind due" in/good.csv $good --due promise=promised
replay 3 in/flow.toml: "no rule 'deliver' of kind due" in/good.csv $good --due deliver=promised
replay 2 --due "RULE=COLUMN" in/good.csv $good --due promised
replay 2 --due "given twice" in/good.csv $good --due promised=promised --due promised=seq
echo "-- flows"
for command in check replay; do
  flow() {
    if [ $command = check ]; then
      refuse "$1" "$2" "$3" flow check "$4"
    else
      replay "$1" "$2" "$3" in/good.csv "$4"
    fi
  }
  flow 3 in/none.toml: 'No such file' in/none.toml
  flow 3 in: 'is a directory' in
  flow 3 in/empty.toml:1 '' in/empty.toml
  flow 3 in/binary.toml:1 '' in/binary.toml
  flow 3 in/misspelt.toml:11:1: "wihtin" in/misspelt.toml
  flow 3 in/syntax.toml:1: '' in/syntax.toml
  flow 3 in/duration.toml:11: '2 parsecs' in/duration.toml
  flow 3 in/stage.toml:10: 'arived' in/stage.toml
done
echo "-- output"
refuse 4 out: 'is a directory' replay in/good.csv --flow $good --alerts out
refuse 4 none/alerts.csv: 'cannot be written' \
  replay in/good.csv --flow $good --alerts none/alerts.csv
if [ -e /dev/full ]; then
  refuse 4 /dev/full: 'cannot be written' replay in/good.csv --flow $good --alerts /dev/full
fi
echo "-- command line"
refuse 2 '' 'warden --help'
refuse 2 '' 'warden --help' nonsense
refuse 2 '' '--flow' replay in/good.csv
refuse 2 '' 'EVENTS' replay --flow $good
refuse 2 '' '--order' replay in/good.csv --flow $good --order random
refuse 2 '' '--feeders' replay in/good.csv --flow $good --feeders 0
refuse 2 '' '--nonsense' replay in/good.csv --flow $good --nonsense
refuse 2 '' '--drop' demo --drop 200%
refuse 2 '' '--rate' demo --rate 0
refuse 2 '' '--seconds' demo --seconds -1
refuse 2 '' '50,000,000' demo --rate 1000000 --seconds 3600
refuse 2 '' 'warden --help' flow
refuse 2 '' 'FILE' flow check

# And the good ones are taken, so that the refusals above are for their own reasons.
check "good log" "$warden" replay in/good.csv --flow $good --alerts out/alerts.csv \
  --due promised=promised --json >/dev/null
check "alerts written" test -s out/alerts.csv
check "nothing beside them" test "$(ls out)" = alerts.csv
finish
