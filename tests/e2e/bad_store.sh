#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Stores that cannot be opened: each its own exit code and one line, and not a byte of
# the directory changed.
#
#   tests/e2e/bad_store.sh [WARDEN]
source "$(dirname "$0")/lib.sh"

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
{
  echo case_id,stage,timestamp
  for i in $(seq 1 500); do echo "p$i,packed,2024-05-01T10:00:00Z"; done
} >log.csv
make() { "$warden" replay log.csv --flow flow.toml --store "$1" >/dev/null; }

# refuse CODE WORDS DIR: replay --store, verify, ls and dump refuse it, changing nothing.
refuse() {
  local code=$1 words=$2 dir=$3 before line got command
  before=$(find "$dir" -type f -exec sha256sum {} + | sort)
  for command in "verify $dir" "ls $dir" "stats $dir" "dump $dir" \
    "replay log.csv --flow flow.toml --store $dir"; do
    # shellcheck disable=SC2086
    "$warden" $command >stdout 2>stderr
    got=$?
    line=$(cat stderr)
    check "$command: exit code $got, expected $code" test "$got" -eq "$code"
    check "$command: one line" test "$(wc -l <stderr)" -eq 1
    check "$command: '$line' holds '$words'" grep -qi -- "$words" stderr
    check "$command: nothing on stdout" test ! -s stdout
  done
  echo "ok: $line"
  check "$dir unchanged" test "$before" = "$(find "$dir" -type f -exec sha256sum {} + | sort)"
}

make good
check "a good store verifies" "$warden" verify good >/dev/null
check "all are listed" test "$("$warden" ls good | wc -l)" -eq 500
check "one is shown" bash -c "'$warden' show good p7 | grep -q whole"

echo text >file
refuse 3 "directory" file

# A manifest whose version was changed without its digest is damage (a newer format
# with a right digest is log_refusal_test's matter: it needs XXH3).
cp -r good manifest
python3 - manifest/MANIFEST-* <<'END'
import sys
path = sys.argv[1]
data = bytearray(open(path, "rb").read())
data[24:28] = (99).to_bytes(4, "little")  # docs/log-format.md: format version
open(path, "wb").write(data)
END
refuse 3 "MANIFEST-.*damaged" manifest

cp -r good flipped
python3 - flipped <<'END'
import glob, sys
path = max(glob.glob(sys.argv[1] + "/wal-*"), key=lambda p: len(open(p, "rb").read().rstrip(b"\0")))
data = bytearray(open(path, "rb").read())
data[4096 + 2000] ^= 1
open(path, "wb").write(data)
END
refuse 3 "wal-.*byte" flipped

# Held: by the lock of a process that is alive, as a writer has it.
cp -r good held
flock held/LOCK sleep 60 &
holder=$!
sleep 0.5
before=$(find held -type f -exec sha256sum {} + | sort)
"$warden" replay log.csv --flow flow.toml --store held >stdout 2>stderr
check "held: exit code 4" test $? -eq 4
check "held: says so" grep -q "held" stderr
check "held: unchanged" test "$before" = "$(find held -type f -exec sha256sum {} + | sort)"
check "held: can be listed" "$warden" ls held >/dev/null
kill "$holder"

if [ "$(id -u)" -eq 0 ]; then
  echo "skipped: a store without permission (root may write everywhere)"
else
  cp -r good sealed
  chmod a-w sealed
  "$warden" replay log.csv --flow flow.toml --store sealed >stdout 2>stderr
  check "no permission: exit code 4" test $? -eq 4
  chmod u+w sealed
fi
finish
