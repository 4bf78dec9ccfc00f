#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# clang-format and clang-tidy: `make lint`.
#
#   tests/lint.sh BUILD_DIR [all]
#
# Looks at what differs from where this branch left main, changes not committed
# included; at everything on main itself, or with a second argument. BUILD_DIR must be
# configured with tests and benches (its compile_commands.json says how files are
# compiled).
set -u
build=${1:?usage: tests/lint.sh BUILD_DIR [all]}
cd "$(dirname "$0")/.." || exit 2

changed() {
  local base
  base=$(git merge-base HEAD main 2>/dev/null || git merge-base HEAD origin/main 2>/dev/null)
  if [ -n "${2:-}" ] || [ -z "$base" ] ||
      { [ "$base" = "$(git rev-parse HEAD)" ] && git diff --quiet HEAD; }; then
    git ls-files -co --exclude-standard -- "$1"
  else
    { git diff --name-only --diff-filter=d "$base" -- "$1"
      git ls-files -o --exclude-standard -- "$1"; } | sort -u
  fi
}

all=${2:-}
mapfile -t sources < <(changed '*.c' "$all"; changed '*.cpp' "$all")
mapfile -t headers < <(changed '*.h' "$all"; changed '*.hpp' "$all")
# The public header is laid out by hand: its tables of comments are its documentation.
mapfile -t headers < <(printf '%s\n' "${headers[@]}" | grep -vx 'include/warden/warden\.h' |
  grep .)
files=("${sources[@]}" "${headers[@]}")
[ ${#files[@]} -gt 0 ] || { echo "lint: no C or C++ file has changed"; exit 0; }

status=0
clang-format --dry-run -Werror "${files[@]}" || status=1
# A header is looked at in the sources that include it: all that are compiled here.
mapfile -t compiled < <(
  for file in "${sources[@]}"; do
    grep -qF "\"$PWD/$file\"" "$build/compile_commands.json" && echo "$file"
  done)
if [ ${#compiled[@]} -gt 0 ]; then
  printf '%s\0' "${compiled[@]}" |
    xargs -0 -n 1 -P "$(nproc)" clang-tidy -p "$build" --quiet 2> >(
      grep -vE 'warnings? generated|Suppressed|Use -header-filter' >&2) || status=1
fi
[ $status -eq 0 ] && echo "lint: ${#files[@]} files formatted, ${#compiled[@]} sources clean"
exit $status
