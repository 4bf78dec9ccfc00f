#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Stores in every state that is not simply closed and whole: of a newer format, with a
# torn tail, held by a writer, without permission. What ls, show, verify and stats say
# of them, their exit codes (docs/cli.md), and that they change no byte.
#
#   tests/e2e/store_states.sh [WARDEN [PATCH_HEADER]]
here=$(cd "$(dirname "$0")" && pwd)
patch=$(realpath -- "${2:-$here/../../build/bin/patch_header}") || exit 1
source "$here/lib.sh"

cat >flow.toml <<'END'
[flow]
name = "parcels"
stages = ["packed", "arrived"]
close = ["arrived"]

[[rule]]
name = "whole"
kind = "total"
within = "1d"
END
# feed FIRST LAST: a log of so many items, each packed.
feed() {
  echo case_id,stage,timestamp
  seq -f 'p%.0f,packed,2024-05-01T10:00:00Z' "$1" "$2"
}
feed 1 300 >log.csv
image() { find "$1" -type f ! -name LOCK -exec sha256sum {} + | sort; }

# answers CODE WORDS COMMAND...: exit code, and one line on stderr that holds WORDS.
answers() {
  local code=$1 words=$2 got
  shift 2
  "$@" >stdout 2>stderr
  got=$?
  check "$*: exit code $got, expected $code" test "$got" -eq "$code"
  check "$*: one line, got $(wc -l <stderr)" test "$(wc -l <stderr)" -eq 1
  check "$*: '$(cat stderr)' holds '$words'" grep -q -- "$words" stderr
  check "$*: nothing on stdout" test ! -s stdout
}

# looks CODE WORDS DIR: each command that looks is refused so, and changes nothing.
looks() {
  local code=$1 words=$2 dir=$3 before
  before=$(image "$dir")
  answers "$code" "$words" "$warden" ls "$dir"
  answers "$code" "$words" "$warden" show "$dir" p7
  answers "$code" "$words" "$warden" verify "$dir"
  answers "$code" "$words" "$warden" stats "$dir"
  answers "$code" "$words" "$warden" dump "$dir"
  answers "$code" "$words" "$warden" ls "$dir" --json
  check "$dir unchanged" test "$before" = "$(image "$dir")"
}

# reads DIR ITEMS [AS...]: each of them answers, with nothing on stderr; AS: run so.
reads() {
  local dir=$1 items=$2 before
  shift 2
  before=$(image "$dir")
  "$@" "$warden" ls "$dir" >list 2>stderr
  check "ls $dir: exit code $?, $(cat stderr)" test $? -eq 0
  check "ls $dir: $(wc -l <list) items, expected $items" test "$(wc -l <list)" -eq "$items"
  "$@" "$warden" show "$dir" p1 >shown 2>>stderr
  check "show $dir p1: exit code 0" test $? -eq 0
  check "show $dir p1: its rule" grep -q whole shown
  "$@" "$warden" verify "$dir" >verified 2>>stderr
  check "verify $dir: exit code 0" test $? -eq 0
  check "verify $dir: says ok" grep -q '^ok:' verified
  "$@" "$warden" stats "$dir" --json >figures 2>>stderr
  check "stats $dir: exit code 0" test $? -eq 0
  check "nothing on stderr: $(cat stderr)" test ! -s stderr
  check "$dir unchanged" test "$before" = "$(image "$dir")"
}
figure() { python3 -c 'import json, sys; print(json.load(open("figures"))[sys.argv[1]])' "$1"; }

"$warden" replay log.csv --flow flow.toml --store good >/dev/null || exit 1
reads good 300

# ---- of a newer format: the version, or a feature that a reader must know
cp -r good newer
"$patch" newer/MANIFEST-* 24 9 || exit 1
looks 3 "^warden: newer/MANIFEST-.*: format version 9.*reads up to version 1" newer
answers 3 "format version 9" "$warden" replay log.csv --flow flow.toml --store newer
cp -r good feature
"$patch" feature/wal-1 32 2 4096 || exit 1
looks 3 "^warden: feature/wal-1: .*with features 2" feature
answers 3 "with features 2" "$warden" replay log.csv --flow flow.toml --store feature

# ---- a torn tail: a writer killed while it wrote, and its last block half there
cat >tear.py <<'END'
import glob, struct, sys
# The last block of the newest segment that was begun: nothing proves it was flushed.
for path in sorted(glob.glob("torn/wal-*"), key=lambda p: -int(p.rsplit("-", 1)[1])):
    data = bytearray(open(path, "rb").read())
    number = int(path.rsplit("-", 1)[1])
    if data[16:24] != b"WARDSEG1" or struct.unpack_from("<Q", data, 56)[0] != number:
        continue  # a spare
    blocks = [at for at in range(4096, len(data), 4096) if data[at + 16:at + 24] == b"WARDBLK1"
              and struct.unpack_from("<Q", data, at + 24)[0] == number]
    if not blocks:
        sys.exit(f"{path} was begun and has no block yet")
    last = blocks[-1]
    length = struct.unpack_from("<I", data, last + 64)[0]
    data[last + length // 2:last + length] = bytes(length - length // 2)
    data[last + 130] ^= 1
    open(path, "wb").write(data)
    print(f"torn: {path}, byte {last}, {length} bytes")
    sys.exit(0)
sys.exit("no segment was begun")
END
feed 1 200000 >long.csv
whole=200000
for attempt in 1 2 3 4 5 6 7 8; do
  rm -rf torn
  "$warden" replay long.csv --flow flow.toml --store torn >/dev/null 2>killed &
  writer=$!
  # Its third segment is made when the second is begun: 4 MiB have been written.
  until [ -e torn/wal-3 ] || ! kill -0 "$writer" 2>/dev/null; do :; done
  sleep "0.00$attempt"
  kill -9 "$writer" 2>/dev/null
  wait "$writer" 2>/dev/null
  # The kernel holds the lock until the last of its writes has landed.
  flock torn/LOCK true
  # A log fed to its end was closed cleanly; between two segments nothing is torn.
  whole=$("$warden" ls torn | wc -l)
  if [ "$whole" -lt 200000 ] && python3 tear.py; then break; fi
  echo "attempt $attempt: killed too late, or between two segments"
  whole=200000
done
check "the writer was killed on its way" test "$whole" -lt 200000
left=$("$warden" ls torn | wc -l)
check "what stood before the tail is there: $left of $whole" \
  test "$left" -le "$whole" -a "$left" -gt 0
reads torn "$left"
check "stats tells of the torn bytes" test "$(figure torn_bytes)" -gt 0
check "verify says what they are" grep -q "none of it was ever acknowledged" verified
"$warden" replay long.csv --flow flow.toml --store torn >/dev/null 2>stderr
check "a writer goes on: exit code $?, $(cat stderr)" test $? -eq 0
reads torn 200000
check "the tail was cut once" test "$(figure torn_bytes)" -eq 0

# ---- held: by a writer that lives; who looks is let in, who would write is told by whom
cp -r good held
"$warden" replay long.csv --flow flow.toml --store held >/dev/null 2>&1 &
writer=$!
until [ -s held/LOCK ] || ! kill -0 "$writer" 2>/dev/null; do :; done
kill -STOP "$writer"
reads held "$("$warden" ls held | wc -l)"
answers 4 "held open for writing by process $writer" \
  "$warden" replay log.csv --flow flow.toml --store held
disown "$writer"  # or the shell would report its end
kill -9 "$writer"
flock held/LOCK true
"$warden" verify held >/dev/null
check "verify after the holder was killed: exit code 0" test $? -eq 0

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
cp -r good locked
chmod 555 locked
chmod 444 locked/*
reads locked 300 "${as[@]}"
answers 4 "locked/LOCK: cannot lock it: Permission denied" \
  "${as[@]}" "$warden" replay log.csv --flow flow.toml --store locked
chmod 000 locked
[ "$(id -u)" -eq 0 ] && chmod 700 locked
for command in ls verify stats dump; do
  answers 4 "locked: cannot open the directory: Permission denied" \
    "${as[@]}" "$warden" "$command" locked
done
answers 4 "Permission denied" "${as[@]}" "$warden" show locked p1
chmod 755 locked
finish
