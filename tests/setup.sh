#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Installs the Debian packages that are missing, set by set:
#
#   tests/setup.sh [run] [test] [bench] [lint] [coverage] [fuzz]   (no set named: all of them)
#
# Nothing missing: says nothing and touches nothing (one dpkg-query). Something
# missing: apt-get installs it when this user may (root, or sudo without a
# password), else the exact command is printed and the exit code is 1. Never asks.
set -eu

run="build-essential cmake ninja-build ccache pkg-config liburing-dev libmimalloc-dev
  libxxhash-dev libtomlplusplus-dev libcli11-dev libfmt-dev nlohmann-json3-dev"
test="python3 git libgtest-dev libgmock-dev relacy-dev abigail-tools"
bench="python3 libbenchmark-dev libevent-dev libuv1-dev libboost-dev"
lint="python3 git clang-format clang-tidy"
coverage="python3 gcovr"
fuzz="clang libclang-rt-dev llvm"

[ $# -gt 0 ] || set -- run test bench lint coverage fuzz
wanted=
for name in "$@"; do
  case $name in
    run) wanted="$wanted $run" ;;
    test) wanted="$wanted $test" ;;
    bench) wanted="$wanted $bench" ;;
    lint) wanted="$wanted $lint" ;;
    coverage) wanted="$wanted $coverage" ;;
    fuzz) wanted="$wanted $fuzz" ;;
    *)
      echo "setup: no set named '$name': expected run, test, bench, lint, coverage or fuzz" >&2
      exit 2
      ;;
  esac
done

if ! command -v dpkg-query >/dev/null 2>&1; then
  # Another distribution: CMake names what it misses; this is the list to look for.
  for tool in cmake ninja c++; do
    command -v "$tool" >/dev/null 2>&1 && continue
    echo "setup: no dpkg here and no $tool: install what Debian calls:" $wanted >&2
    exit 1
  done
  exit 0
fi

missing=$(for package in $wanted; do echo "$package"; done | sort -u | {
  have=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' 2>/dev/null |
    sed -n 's/^installed //p')
  while read -r package; do
    printf '%s\n' "$have" | grep -qxF "$package" || echo "$package"
  done
})
[ -n "$missing" ] || exit 0
missing=$(echo $missing)

if [ "$(id -u)" -eq 0 ]; then
  as_root=
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
  as_root="sudo -n"
else
  echo "setup: missing packages and no right to install them; run:" >&2
  echo "  sudo apt-get install --no-install-recommends $missing" >&2
  exit 1
fi

echo "setup: installing $missing"
apt() {
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y \
    -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@" </dev/null
}
# The package lists of a fresh machine are empty or old: fetched only when needed.
if ! apt install --no-install-recommends $missing; then
  apt update
  apt install --no-install-recommends $missing
fi
