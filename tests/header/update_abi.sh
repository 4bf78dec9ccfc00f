#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The ABI as libabigail sees it, against the committed baseline.
#
#   tests/header/update_abi.sh BUILD_DIR            writes abi.baseline.xml anew
#   tests/header/update_abi.sh BUILD_DIR --check    compares with it; any change fails
#
# A change is let through by committing a new baseline: whoever reviews it sees
# whether it only adds. libabigail needs debug information, which a release lacks;
# so the few files of capi/ are compiled once more, by the commands of BUILD_DIR with
# -g and without optimisation, and linked alone: every exported function stands there.
# Exit code 77: the tools are not installed (in CI, where CI=true, that is a failure).
set -u
build=${1:?usage: tests/header/update_abi.sh BUILD_DIR [--check]}
mode=${2:-update}
cd "$(dirname "$0")/../.." || exit 2
baseline=tests/header/abi.baseline.xml

for tool in abidw abidiff; do
  command -v $tool >/dev/null 2>&1 && continue
  echo "skipped: no $tool here; it is in Debian's package abigail-tools"
  [ "${CI:-}" = true ] && exit 1
  exit 77
done

work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT

# Each line: a folder, then the command that compiles one file of capi/ there.
python3 - "$build/compile_commands.json" "$PWD/capi/" "$work" >"$work/commands" <<'PYTHON' || exit 1
import json
import shlex
import sys

database, capi, work = sys.argv[1:]
with open(database, encoding="utf-8") as file:
    entries = [entry for entry in json.load(file) if entry["file"].startswith(capi)]
if not entries:
    sys.exit(f"{database}: compiles nothing of capi/: expected a configured build")
for number, entry in enumerate(entries):
    words = shlex.split(entry["command"])
    at = words.index("-o")
    words[at + 1] = f"{work}/{number}.o"
    debug = ["-g", "-gdwarf-4", "-fno-lto", "-O0", "-w"]
    print(shlex.join(["cd", entry["directory"]]), "&&",
          shlex.join(words[:at] + debug + words[at:]))
PYTHON
xargs -d '\n' -P "$(nproc)" -n 1 bash -c <"$work/commands" || exit 1

library=$work/libwarden.so.0
c++ -shared -o "$library" "$work"/*.o -Wl,-soname,libwarden.so.0 \
  -Wl,--unresolved-symbols=ignore-all -Wl,--version-script=capi/exports.map || exit 1

# Only what the public header declares, and nothing that names this machine.
abidw --headers-dir include/warden --drop-private-types --exported-interfaces-only \
  --no-show-locs --no-corpus-path --no-comp-dir-path --out-file "$work/abi.xml" "$library" ||
  exit 1
sed -i "s|path='$PWD/|path='|" "$work/abi.xml"

if [ "$mode" != --check ]; then
  cp "$work/abi.xml" $baseline
  exit
fi
if [ ! -e $baseline ]; then
  echo "$baseline is not there: run tests/header/update_abi.sh $build"
  exit 1
fi
abidiff $baseline "$work/abi.xml" && exit 0
echo "the ABI is not that of $baseline: if every change above is an addition,"
echo "run tests/header/update_abi.sh $build and have the new baseline reviewed"
exit 1
