#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# backup, salvage, verify and dump as a user meets them: of whole stores, damaged ones,
# held ones; and every input that they refuse, each with its exit code and one line.
#
#   tests/e2e/store_tools.sh [WARDEN]
source "$(dirname "$0")/lib.sh"

cat >flow.toml <<'END'
[flow]
name = "parcels"
stages = ["packed", "arrived"]
close = ["arrived"]
dedupe = "10y"

[[rule]]
name = "whole"
kind = "total"
within = "1d"
END
{
  echo case_id,stage,timestamp
  for i in $(seq 1 2000); do echo "p$i,packed,2024-05-01T10:00:00Z"; done
  for i in $(seq 1 3 2000); do echo "p$i,arrived,2024-05-01T11:00:00Z"; done
} >log.csv
image() { find "$1" -type f ! -name LOCK -exec sha256sum {} + | sort; }
"$warden" replay log.csv --flow flow.toml --store good >/dev/null || exit 1
good=$(image good)

# answers CODE WORDS COMMAND...: exit code, and one line on stderr that holds WORDS.
answers() {
  local code=$1 words=$2 got
  shift 2
  "$@" >stdout 2>stderr
  got=$?
  check "$*: exit code $got, expected $code" test "$got" -eq "$code"
  check "$*: one line, got $(wc -l <stderr)" test "$(wc -l <stderr)" -eq 1
  check "$*: '$(cat stderr)' holds '$words'" grep -q -- "$words" stderr
}
# runs CODE COMMAND...: exit code, nothing on stderr; stdout is kept in `out`.
runs() {
  local code=$1 got
  shift
  "$@" >out 2>stderr
  got=$?
  check "$*: exit code $got, expected $code" test "$got" -eq "$code"
  check "$*: nothing on stderr: $(cat stderr)" test ! -s stderr
}
# json EXPRESSION: of the JSON in `out`.
json() { python3 -c "import json; d = json.load(open('out')); print($1)"; }
# same A B: the two stores list the same items, at whatever position of the log.
same() {
  "$warden" ls "$1" --json | grep -v '"lsn"' >a.json
  "$warden" ls "$2" --json | grep -v '"lsn"' >b.json
  check "$1 lists items" grep -q '"key"' a.json
  check "$1 and $2 list the same" cmp a.json b.json
}

# ---- backup
runs 0 "$warden" backup good copy
check "backup says how to restore" grep -q "hold = true" out
runs 0 "$warden" backup good copy.json --json
check "backup's bytes" test "$(json 'd["bytes"]')" -gt 4096
check "the original is as it was" test "$(image good)" = "$good"
same good copy
runs 0 "$warden" verify copy
check "the copy verifies" grep -q '^ok:' out
runs 0 "$warden" replay log.csv --flow flow.toml --store copy
check "the copy can be written" grep -q recovered out
answers 3 "expected a new or empty directory" "$warden" backup good copy
answers 3 "a file; expected a new or empty directory" "$warden" backup good log.csv
answers 3 "parent directory" "$warden" backup good none/copy
answers 3 "none: no such directory" "$warden" backup none copy.1
answers 3 "log.csv: a file" "$warden" backup log.csv copy.1
mkdir empty
answers 3 "empty: not a Warden store" "$warden" backup empty copy.1
check "no copy of what is no store" test ! -e copy.1
answers 2 "DEST" "$warden" backup good

# Beside a writer: a prefix of what it wrote, which opens.
{
  echo case_id,stage,timestamp
  seq -f 'p%.0f,packed,2024-05-01T10:00:00Z' 1 200000
} >long.csv
"$warden" replay long.csv --flow flow.toml --store busy >/dev/null 2>&1 &
writer=$!
until [ -e busy/wal-2 ] || ! kill -0 "$writer" 2>/dev/null; do :; done
runs 0 "$warden" backup busy beside
kill -STOP "$writer"
alive=$?
runs 0 "$warden" backup busy stopped
runs 0 "$warden" verify busy --json
check "verify beside a writer" test "$(json 'd["ok"]')" = True
answers 4 "busy: held open for writing" "$warden" salvage busy none.1
check "the writer lived until here" test "$alive" -eq 0
disown "$writer"
kill -9 "$writer"
flock busy/LOCK true
for one in beside stopped; do
  runs 0 "$warden" verify "$one"
  check "$one: opens clean" grep -q '^torn_bytes *0$' out
done
check "the later one has as much" \
  test "$("$warden" ls beside | wc -l)" -le "$("$warden" ls stopped | wc -l)"

# ---- the disk refuses: a limit on the size of files stands for a full one
(
  trap '' XFSZ
  ulimit -f 8
  answers 4 "cannot write it: File too large" "$warden" backup good full
  answers 4 "full2" "$warden" salvage good full2
  echo "$checks $failures" >counts
)
read -r checks failures <counts
answers 3 "CURRENT" "$warden" ls full
check "a salvage cut short leaves nothing" test ! -e full2 -a ! -e full2.salvaging

# ---- verify
runs 0 "$warden" verify good
check "verify: built twice" grep -q "built twice, the store is the same" out
runs 0 "$warden" verify good --json
for key in ok checksums links balanced counted indexed timed rebuilt_equal; do
  check "verify --json: $key" test "$(json "d['$key']")" = True
done
digest=$(json 'd["digest"]')
runs 0 "$warden" verify copy.json --json
check "the copy's state has the same digest" test "$(json 'd["digest"]')" = "$digest"
runs 0 "$warden" verify copy --json
check "a store that went on has another" test "$(json 'd["items_created"]')" -eq 2000
answers 3 "none: no such directory" "$warden" verify none --json
cp stdout out
check "verify --json: a verdict all the same" test "$(json 'd["verdict"]')" = not-a-store

# ---- dump
runs 0 "$warden" dump good
check "dump: a line a record" test "$(wc -l <out)" -gt 4667
for words in " flow .*flow=parcels" " body .*key=p7 " " state .*verdict=done" \
  " anchor .*at=2024"; do
  check "dump: $words" grep -q "$words" out
done
runs 0 "$warden" dump good --json
cat >check_dump.py <<'END'
import collections, json
types = collections.Counter()
last = 0
for line in open("out"):
    record = json.loads(line)
    assert record["lsn"] > last, record
    last = record["lsn"]
    types[record["type"]] += 1
    assert "content_hex" not in record, record
    if record["type"] == "body":
        assert record["rules"][0]["rule"] == "whole" and record["state"] == "live", record
assert types["body"] == 2000 and types["flow"] == 1 and types["state"] >= 2667, types
END
check "dump --json: every record decoded" python3 check_dump.py

# ---- salvage
runs 0 "$warden" salvage good whole
check "of a whole store nothing is lost" \
  grep -q '^summary .*(open 1,333, closed 667), items lost 0, items uncertain 0' out
same good whole
answers 3 "expected a new or empty directory" "$warden" salvage good whole
answers 3 "none: no such directory" "$warden" salvage none new
answers 3 "empty: not a Warden store" "$warden" salvage empty new
answers 3 "in the damaged store" "$warden" salvage good good/new
answers 3 "parent directory" "$warden" salvage good none/new
answers 2 "NEWDIR" "$warden" salvage good

cp -r good damaged
python3 - damaged/wal-1 <<'END'
import struct, sys
path = sys.argv[1]
data = bytearray(open(path, "rb").read())
at = 4096
blocks = []
while data[at + 16:at + 24] == b"WARDBLK1":
    first, end, length, count = struct.unpack_from("<QQII", data, at + 48)
    blocks.append((count, end - first, at))
    at += length
# How records fall into blocks is a matter of time: of the block that has most of them,
# from the middle of the records on, not of the padding behind them.
count, size, at = max(blocks[2:])
assert count >= 2, blocks
begin = at + 128 + size // 2
hurt = min(size // 4, 2048)
data[begin:begin + hurt] = b"\xa5" * hurt
open(path, "wb").write(data)
END
before=$(image damaged)
answers 3 "wal-1: damaged at byte" "$warden" verify damaged
answers 3 "wal-1: damaged at byte" "$warden" verify damaged --json
cp stdout out
check "verify --json: damaged" test "$(json 'd["verdict"]')" = damaged
answers 3 "damaged at byte" "$warden" backup damaged copy.2
check "no copy of a damaged store" test ! -e copy.2/CURRENT
runs 1 "$warden" salvage damaged new --json
check "salvage: something is listed" test "$(json 'len(d["items"]) + len(d["ranges"])')" -gt 1
check "salvage: the range's file" test "$(json 'd["ranges"][0]["file"]')" = wal-1
check "salvage: records from the damaged block" \
  test "$(json 'd["summary"]["records_rescued"]')" -gt 0
saved=$(json 'd["summary"]["items_open"]')
runs 1 "$warden" salvage damaged new.text
check "salvage: a summary line" grep -q '^summary .*bytes unreadable [1-9]' out
check "salvage: a range" grep -q '^range .*wal-1 from byte' out
check "the damaged store is as it was" test "$(image damaged)" = "$before"
runs 0 "$warden" verify new
check "what is saved is listed" test "$("$warden" ls new | wc -l)" -eq "$saved"
cat >check_salvage.py <<'END'
import json, subprocess, sys
found = json.load(open("out.json"))
listed = {item["key"]: item["fate"] for item in found["items"]}
def items(store):
    out = subprocess.run([sys.argv[1], "ls", store, "--json"], capture_output=True, check=True)
    return {item["key"]: item for item in json.loads(out.stdout)}
truth, saved = items("good"), items("new")
silent = 0
for key, item in truth.items():
    if key in saved and (saved[key]["stage"] == item["stage"] or key in listed):
        continue
    silent += key not in listed
for key in saved:
    assert key in truth or key in listed, f"{key} looks open"
lost = sum(1 for fate in listed.values() if fate == "lost")
assert silent == 0 or found["ranges"], silent
print(f"open {len(saved)} of {len(truth)}, listed {len(listed)} ({lost} lost), by range {silent}")
END
"$warden" salvage damaged new.json --json >out.json
check "no item is silently wrong" python3 check_salvage.py "$warden"

# ---- permission: as somebody else than the owner, since root may do everything
chmod 755 "$work"
as=()
if [ "$(id -u)" -eq 0 ]; then
  as=(setpriv --reuid=65534 --regid=65534 --clear-groups)
fi
if ! "${as[@]}" "$warden" --help >/dev/null 2>stderr; then
  echo "skipped: the command cannot be run as another user here: $(head -1 stderr)"
  [ "${CI:-}" = true ] && check "CI=true: this must run" false
  finish
fi
mkdir closed
chmod 555 closed
answers 4 "closed/copy: cannot make the directory: Permission denied" \
  "${as[@]}" "$warden" backup good closed/copy
answers 4 "Permission denied" "${as[@]}" "$warden" salvage good closed/new
cp -r good private
chmod 000 private
[ "$(id -u)" -eq 0 ] && chmod 700 private
answers 4 "private: cannot open the directory: Permission denied" \
  "${as[@]}" "$warden" backup private "$work.copy"
answers 4 "private: cannot open the directory: Permission denied" \
  "${as[@]}" "$warden" salvage private "$work.new"
chmod 755 private closed
finish
