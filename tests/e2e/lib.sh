# SPDX-License-Identifier: Apache-2.0
#
# For the end-to-end scripts: a work folder that goes away by itself, and checks
# that count failures. Source it; call `finish` last.
#
# $warden: the command under test, first argument of the script or $WARDEN.
set -u
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
warden=${1:-${WARDEN:-$root/build/bin/warden}}
warden=$(realpath -- "$warden") || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work" "$work".*' EXIT
cd "$work" || exit 1
checks=0
failures=0

# check NAME COMMAND...: it must succeed.
check() {
  local name=$1
  shift
  checks=$((checks + 1))
  if "$@"; then return; fi
  echo "FAILED: $name: $*"
  failures=$((failures + 1))
}

finish() {
  echo "$checks checks, $failures failed"
  [ "$failures" -eq 0 ] && [ "$checks" -gt 0 ]
  exit
}
