#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Warden as its users get it: installed, moved to another place, and used from there
# by programs that know nothing of this tree. Each case is one of ctest.
#
#   tests/package/package_test.sh BUILD_DIR CASE
#
# Cases: install (the others need its tree), files, pkgconfig_shared,
# pkgconfig_static, pkgconfig_cxx, cmake_c, cmake_cxx, subdirectory.
set -u
build=$(realpath "${1:?usage: package_test.sh BUILD_DIR CASE}") || exit 2
name=${2:?usage: package_test.sh BUILD_DIR CASE}
source=$(realpath "$(dirname "$0")/../..")
work=$build/package
prefix=$work/moved  # installed elsewhere, then moved here
export LC_ALL=C
mkdir -p "$work"

fail() {
  echo "package $name: $*" >&2
  exit 1
}

# Nothing but the moved tree may be found; its dependencies stand in the system.
export PKG_CONFIG_PATH=$prefix/lib/pkgconfig
unset LD_LIBRARY_PATH LIBRARY_PATH CPATH

allocators="malloc|calloc|realloc|free|_Zn[wa]m|_Zd[la]Pv"
warnings="-std=c99 -pedantic -Wall -Wextra -Werror"

# Runs a client. The library allocates from mimalloc, whose shared library also holds
# a malloc and an operator new: the client must go on with its own. (allocations.cpp
# looks from inside of a C++ client; this, which library each reference was bound to.)
run_client() {
  "$1" || fail "$1: exit code $?"
  LD_DEBUG=bindings LD_BIND_NOW=1 "$1" 2>&1 >/dev/null |
    grep -E "to [^ ]*libmimalloc.*symbol .($allocators)[A-Za-z0-9_]*'" |
    grep -v "file [^ ]*libmimalloc[^ ]* \[[0-9]*\] to" &&
    fail "$1: its malloc or operator new has been replaced by mimalloc's"
  return 0
}

compile_with_cmake() {  # compile_with_cmake PROJECT PROGRAM... -- OPTION...
  local project=$1 programs=() folder=$work/$name
  shift
  while [ "$1" != -- ]; do programs+=("$1"); shift; done
  shift
  rm -rf "$folder"
  cmake -S "$source/tests/package/$project" -B "$folder" -G Ninja \
    -DCMAKE_BUILD_TYPE=Debug "$@" >"$folder.log" 2>&1 || { cat "$folder.log"; fail configure; }
  grep -i "CMake.*Warning" "$folder.log" && fail "a warning of CMake's"
  cmake --build "$folder" >"$folder.log" 2>&1 || { cat "$folder.log"; fail build; }
  local program place
  for program in "${programs[@]}"; do
    place=$(find "$folder" -type f -name "$program" -perm -u+x)
    [ -n "$place" ] || fail "$program was not built"
    run_client "$place"
  done
}

case $name in
  install)
    rm -rf "$work/first" "$prefix"
    cmake --install "$build" --prefix "$work/first" >/dev/null || fail "cmake --install"
    mv "$work/first" "$prefix"
    ;;
  files)
    for path in include/warden/warden.h lib/libwarden.a lib/libwarden.so lib/libwarden.so.0 \
        lib/pkgconfig/warden.pc lib/cmake/warden/warden-config.cmake \
        lib/cmake/warden/warden-config-version.cmake bin/warden; do
      [ -e "$prefix/$path" ] || fail "$path is not installed"
    done
    known='include/warden/[a-z_]+\.(h|hpp)|lib/libwarden\.(a|so[.0-9]*)|bin/warden|share/.*'
    known="$known|lib/pkgconfig/warden\.pc|lib/cmake/warden/[a-z-]+\.cmake"
    stray=$(cd "$prefix" && find . -type f | grep -vE "^\./($known)\$")
    [ -z "$stray" ] || fail "installed, but not known here: $stray"
    # A text that names the build would not survive on another machine.
    grep -rIlF -e "$build" -e "$source" -e "$work/first" "$prefix" &&
      fail "the files above name a folder of the build"
    grep -rInE 'lib(uring|mimalloc|stdc\+\+)\.(a|so)' "$prefix"/lib/{cmake,pkgconfig} &&
      fail "the lines above name a file of this machine, expected a library's name"
    soname=$(objdump -p "$prefix/lib/libwarden.so" | sed -n 's/ *SONAME *//p')
    [ "$soname" = libwarden.so.0 ] || fail "SONAME is '$soname', expected libwarden.so.0"
    objdump -p "$prefix/lib/libwarden.so" "$prefix/bin/warden" | grep -E 'R(UN)?PATH +[^$ ]' &&
      fail "a run path of the build is left in what is installed"
    "$prefix/bin/warden" --version >/dev/null || fail "bin/warden --version: exit code $?"
    ;;
  pkgconfig_shared)
    [ "$(pkg-config --modversion warden)" = \
      "$(sed -n 's/^project(warden VERSION \([0-9.]*\).*/\1/p' "$source/CMakeLists.txt")" ] ||
      fail "pkg-config knows another version than CMakeLists.txt"
    cc $warnings "$source/tests/package/client.c" $(pkg-config --cflags --libs warden) \
      -o "$work/client_shared" || fail "does not link"
    export LD_LIBRARY_PATH=$prefix/lib
    run_client "$work/client_shared"
    ;;
  pkgconfig_static)
    # -lwarden would prefer the shared library that lies beside the archive.
    libs=$(pkg-config --static --libs warden | sed 's/-lwarden\b/-l:libwarden.a/')
    cc $warnings "$source/tests/package/client.c" $(pkg-config --cflags warden) $libs \
      -o "$work/client_static" || fail "does not link with: $libs"
    objdump -p "$work/client_static" | grep 'NEEDED.*libwarden' &&
      fail "the static client needs libwarden.so"
    run_client "$work/client_static"
    ;;
  pkgconfig_cxx)
    cp "$source/tests/package/client.c" "$work/client.cpp"
    libs=$(pkg-config --static --libs warden | sed 's/-lwarden\b/-l:libwarden.a/')
    c++ -std=c++11 -Wall -Wextra -Werror $(pkg-config --cflags warden) "$work/client.cpp" \
      "$source/tests/package/allocations.cpp" $libs -o "$work/client_cxx" ||
      fail "does not link with: $libs"
    run_client "$work/client_cxx"
    ;;
  cmake_c)
    compile_with_cmake consumer uses_warden uses_warden_static -- \
      -DCMAKE_PREFIX_PATH="$prefix" -DLANGUAGES=C
    ;;
  cmake_cxx)
    compile_with_cmake consumer uses_warden uses_warden_static uses_warden_from_cxx \
      uses_warden_static_from_cxx -- -DCMAKE_PREFIX_PATH="$prefix" "-DLANGUAGES=C;CXX"
    ;;
  subdirectory)
    launcher=$(command -v ccache)
    # Without optimisation: what is tested is the linking, and it compiles much faster.
    compile_with_cmake subdirectory uses_warden uses_warden_static -- \
      -DWARDEN_SOURCE="$source" -DCMAKE_CXX_FLAGS_DEBUG=-O0 \
      -DCMAKE_C_COMPILER_LAUNCHER="$launcher" -DCMAKE_CXX_COMPILER_LAUNCHER="$launcher"
    cmake --install "$work/$name" --prefix "$work/$name/installed" >/dev/null ||
      fail "cmake --install of the project around it"
    stray=$(find "$work/$name/installed" -type f 2>/dev/null)
    [ -z "$stray" ] || fail "a project that only uses the library installs: $stray"
    ;;
  *)
    fail "no such case"
    ;;
esac
