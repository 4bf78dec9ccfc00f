#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Each command on good input, against outputs worked out by hand: replay of a log of
# a few rows with every rule kind and every CSV quirk, flow check, version, help.
#
#   tests/e2e/commands.sh [WARDEN]
source "$(dirname "$0")/lib.sh"

cat >parcels.toml <<'END'
[flow]
name = "parcels"
stages = ["packed", "sent, by \"air\"", "customs held", "arrived"]
close = ["arrived"]
dedupe = "100y"

[[rule]]
name = "whole"
kind = "total"
within = "10d"
warn_at = "50%"
escalate = ["+1d"]

[[rule]]
name = "silence"
kind = "idle"
within = "4d"

[[rule]]
name = "flight"
kind = "stage"
from = "sent, by \"air\""
to = ["arrived"]
within = "2d"

[[rule]]
name = "promised"
kind = "due"
to = ["arrived"]
END

# Case "p,1" in Köln: sent on the 1st, arrived on the 4th, promised for the 3rd.
# Case p2: packed and sent, then nothing; the log ends with p3 on the 20th.
# Case p3: given a promise that lay in the past.
# An event without a case: promised for the 6th.
{
  printf '\xEF\xBB\xBFcase_id,seq,stage,timestamp,note,promise\r\n'
  printf '"p,1 Köln",1,packed,2024-05-01T10:00:00Z,"two\r\nlines",\r\n'
  printf '"p,1 Köln",2,"sent, by ""air""",2024-05-01T12:00:00.25Z,,2024-05-03T00:00:00Z\r\n'
  printf 'p2,3,packed,2024-05-02T08:00:00Z,,\r\n'
  printf 'p2,4,"customs held",2024-05-02T09:00:00.000001Z,"""",\r\n'
  printf '\r\n'
  printf '"p,1 Köln",5,arrived,2024-05-04T10:00:00Z,,\r\n'
  printf ',8,packed,2024-05-05T00:00:00Z,,2024-05-06T00:00:00Z\r\n'
  printf 'p3,6,packed,2024-05-20T00:00:00Z,,2024-05-19T00:00:00Z\r\n'
  printf 'p3,7,packed,2024-05-20T00:00:00Z,,2024-05-25T00:00:00Z'
} >parcels.csv

cat >expected.csv <<'END'
rule,case_id,stage,deadline,raise_at
promised,"p,1 Köln","sent, by ""air""",2024-05-03T00:00:00Z,2024-05-03T00:00:00Z
flight,"p,1 Köln","sent, by ""air""",2024-05-03T12:00:00.250Z,2024-05-03T12:00:00.250Z
promised,,packed,2024-05-06T00:00:00Z,2024-05-06T00:00:00Z
silence,p2,customs held,2024-05-06T09:00:00.000001Z,2024-05-06T09:00:00.000001Z
silence,,packed,2024-05-09T00:00:00Z,2024-05-09T00:00:00Z
whole,p2,customs held,2024-05-12T08:00:00Z,2024-05-12T08:00:00Z
whole,,packed,2024-05-15T00:00:00Z,2024-05-15T00:00:00Z
promised,p3,packed,2024-05-19T00:00:00Z,2024-05-20T00:00:00Z
END

replay="$warden replay parcels.csv --flow parcels.toml --due promised=promise"
for options in "" "--feeders 2" "--feeders 3 --batch 1" "--order seq" "--times 3" \
  "--times 2 --feeders 2 --batch 2"; do
  rm -f alerts.csv
  # shellcheck disable=SC2086
  check "replay $options" $replay $options --alerts alerts.csv --json >summary.json
  check "alerts, $options" diff expected.csv alerts.csv
done

# figure EXPRESSION VALUE: of the summary s, in Python.
figure() {
  check "$1 is $2" python3 -c '
import json, sys
s = json.load(open("summary.json"))
kinds = {(a["rule"], a["kind"]): a["count"] for a in s.get("alerts", [])}
got = eval(sys.argv[1])
sys.exit(0 if got == eval(sys.argv[2]) else f"got {got!r}")' "$1" "$2"
}
# shellcheck disable=SC2086
check "summary as JSON" $replay --json >summary.json
figure 's["items"]' 4
figure 's["events"]' 8
figure 's["blank_case_rows"]' 1
figure 's["open_items"]' 3
figure 's["closed_items"]' 1
figure 's["last"]' '"2024-05-20T00:00:00Z"'
figure 'kinds[("whole", "BREACH")]' 2
figure 'kinds[("whole", "WARN")]' 2
figure 'kinds[("whole", "ESCALATION 1")]' 2
figure 'kinds[("promised", "BREACH")]' 3
figure 'kinds[("silence", "BREACH")]' 2
figure 'kinds[("flight", "BREACH")]' 1
figure 's["alerts_total"]' 12
# shellcheck disable=SC2086
check "fed three times" $replay --times 3 --json >summary.json
figure 's["events"]' 24
figure 's["already"] > 0' True
figure 'kinds[("promised", "BREACH")]' 3
# shellcheck disable=SC2086
check "summary as text" $replay >summary.txt 2>errors.txt
check "text names the rules" grep -q 'whole ESCALATION 1' summary.txt
check "no progress bar without a terminal" test ! -s errors.txt
# shellcheck disable=SC2086
check "a log from a pipe" bash -c "cat parcels.csv | $warden replay /dev/stdin --flow parcels.toml \
  --due promised=promise --alerts piped.csv >/dev/null && cmp expected.csv piped.csv"
check "alerts into a pipe" bash -c \
  "$replay --alerts /dev/stderr 2>&1 >/dev/null | cmp expected.csv -"

check "flow check" "$warden" flow check parcels.toml >flow.txt
cat >expected.txt <<'END'
stages packed, sent, by "air", customs held, arrived
close any of: arrived
dedupe 100y
rules 4

RULE KIND ARMED BY MET BY WITHIN WARN ESCALATE SEVERITY MIN CAP
whole total its beginning closing 10d 50% +1d warning, error, critical - -
silence idle every event the next event 4d - - error - -
flight stage sent, by "air" arrived, closing 2d - - error - -
promised due an instant given arrived, closing as given - - error - -
END
check "flow check tells the rules" diff expected.txt <(tail -n +3 flow.txt | tr -s ' ')
check "flow check names it" grep -qx 'flow     parcels' flow.txt
cat >any.toml <<'END'
[flow]
name = "any"
stages = "any"
[[rule]]
name = "r"
kind = "total"
to = ["a", "b"]
within = "2h"
warn_at = "99.5%"
min = "5s"
cap = "1d12h"
[[rule]]
name = "Köln"
kind = "due"
warn_at = "15m"
END
check "flow check of any stages" "$warden" flow check any.toml >flow.txt
check "and of all that a rule may have" grep -qxF \
  'r total its beginning a, b, closing 2h 99.5% - warning, error 5s 1d12h' <(tr -s ' ' <flow.txt)
check "columns are characters" python3 -c '
rows = open("flow.txt", encoding="utf-8").read().split("\n\n")[1].splitlines()
column = rows[0].index("SEVERITY")
assert all(row[column - 1] == " " and row[column:].startswith("warning") for row in rows[1:]), rows'
check "any stages are said" grep -qx 'stages   a, b, and any other as it comes' flow.txt
check "what closes is said" grep -qx 'closed   by complete and cancel alone' flow.txt
check "flow check as JSON" "$warden" flow check parcels.toml --json >summary.json
figure 's["name"]' '"parcels"'
figure 'len(s["stages"])' 4
figure 's["close"]' '["arrived"]'
figure 's["dedupe"]' '"100y"'
figure '[r["name"] for r in s["rules"]]' '["whole", "silence", "flight", "promised"]'
figure '[r["kind"] for r in s["rules"]]' '["total", "idle", "stage", "due"]'
figure 's["rules"][0]["warn_at"]' '"50%"'
figure 's["rules"][0]["escalate"]' '["+1d"]'
figure 's["rules"][0]["severity"]' '["warning", "error", "critical"]'
figure 's["rules"][2]["from"]' "['sent, by \"air\"']"
figure 's["rules"][2]["within"]' '"2d"'
figure 's["rules"][3]["within"]' None
figure 's["any_stages"]' False
figure 'len(s["version"])' 32

# shellcheck disable=SC2086
check "replay into a store" $replay --store store --alerts stored.csv >/dev/null
cat >expected.txt <<'END'
timeline
 2024-05-02T08:00:00Z track whole until 2024-05-12T08:00:00Z, silence until 2024-05-06T08:00:00Z
 2024-05-02T08:00:00Z mark packed
 2024-05-02T09:00:00.000001Z mark customs held
 2024-05-06T09:00:00.000001Z BREACH silence error, at customs held, noticed 2024-05-20T00:00:00Z
 2024-05-07T08:00:00Z WARN whole warning, at customs held, noticed 2024-05-20T00:00:00Z
 2024-05-12T08:00:00Z BREACH whole error, at customs held, noticed 2024-05-20T00:00:00Z
 2024-05-13T08:00:00Z ESCALATION 1 whole critical, at customs held, noticed 2024-05-20T00:00:00Z
 - BREACH silence acknowledged by replay
 - WARN whole acknowledged by replay
 - BREACH whole acknowledged by replay
 - ESCALATION 1 whole acknowledged by replay
END
check "ls of a flow that is not there is refused" bash -c \
  "! '$warden' ls store --flow nope >out 2>err && test ! -s out && grep -q \"no flow 'nope'\" err"
check "ls of a flow that is there" test "$("$warden" ls store --flow parcels | wc -l)" -gt 0
check "show of an open item" "$warden" show store p2 >shown.txt
check "its timeline" diff expected.txt <(sed -n '/^timeline/,$p' shown.txt | tr -s ' ')
check "show of a closed item" "$warden" show store 'p,1 Köln' --flow parcels --json >summary.json
figure 's["verdict"]' '"done"'
figure 's["timeline"][5]["what"]' '"mark arrived: done"'
figure 's["timeline"][5]["at"]' '"2024-05-04T10:00:00Z"'
figure 's["timeline"][5]["detail"]' '"flight met 21h59m59s750ms late, promised met 1d10h late"'
figure 's["timeline"][6]["at"]' None

check "version" bash -c "'$warden' --version | grep -Eq '^warden [0-9]+\.[0-9]+\.[0-9]+$'"
for command in "" demo replay flow "flow check"; do
  # shellcheck disable=SC2086
  check "help $command" "$warden" $command --help >help.txt
  check "help $command says something" test -s help.txt
done
check "help has the exit codes" bash -c "'$warden' --help | grep -q '^Exit codes'"
if [ -e /dev/full ]; then
  "$warden" flow check parcels.toml >/dev/full 2>errors.txt
  check "a full disk on stdout is exit code 4" test $? -eq 4
  check "and says so" grep -q 'standard output cannot be written' errors.txt
fi
finish
