#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# `warden replay --store` where files may not grow: exit code 4 and one line that names
# the store, not only the event; the same command goes on once there is room.
#
#   tests/e2e/full_disk.sh [WARDEN]
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
python3 - >log.csv <<'END'
print("case_id,stage,timestamp")
for i in range(60000):
    for stage, hour in (("packed", 10), ("arrived", 11)):
        print(f"parcel-with-a-long-name-{i:060d},{stage},2024-05-01T{hour}:00:00Z")
END
replay() { "$warden" replay log.csv --flow flow.toml --store store --json >stdout 2>stderr; }

# In blocks of 1 KiB: the log's first segment of 4 MiB fits, the next one does not.
(ulimit -f 5000 && replay)
code=$?
line=$(cat stderr)
check "exit code $code, expected 4" test $code -eq 4
check "one line" test "$(wc -l <stderr)" -eq 1
check "'$line' says NO_SPACE" grep -q NO_SPACE stderr
check "'$line' names the store" grep -q ' store: cannot ' stderr
check "'$line' says why" grep -q 'File too large' stderr
echo "ok: $line"

# Not even the first segment.
(ulimit -f 1000 && "$warden" replay log.csv --flow flow.toml --store other >stdout 2>stderr)
code=$?
check "exit code $code, expected 4" test $code -eq 4
check "'$(cat stderr)' names the store" grep -q 'other/wal-1: .*File too large' stderr

check "with room the same command goes on" replay
check "all were fed" grep -q '"rows": 120000' stdout
check "none is open" grep -q '"open_items": 0' stdout
check "the store is whole" "$warden" verify store >/dev/null
finish
