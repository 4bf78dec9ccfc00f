// SPDX-License-Identifier: Apache-2.0
//
// Linked into a C++ client: exits with 1 before main() if this program's malloc or
// operator new is not the one of its C or C++ library. Warden allocates from mimalloc,
// which holds both, and must not impose them on the program that it is linked into.
#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>

namespace {

// Where a function of this name, as this program finds it, lives.
bool lives_in(const char* name, const char* library) {
  void* function = dlsym(RTLD_DEFAULT, name);
  Dl_info info;
  if (function == nullptr || dladdr(function, &info) == 0 || info.dli_fname == nullptr) {
    std::fprintf(stderr, "client: %s is nowhere\n", name);
    return false;
  }
  if (std::strstr(info.dli_fname, library) != nullptr) return true;
  std::fprintf(stderr, "client: %s is that of %s, expected %s\n", name, info.dli_fname, library);
  return false;
}

struct Check {
  Check() {
    bool right = true;
    for (const char* name : {"malloc", "calloc", "realloc", "free"}) {
      right = lives_in(name, "libc.so") && right;
    }
    // new and delete of one object, of arrays, sized, aligned, and not throwing.
    for (const char* name : {"_Znwm", "_Znam", "_ZdlPv", "_ZdaPv", "_ZdlPvm",
                             "_ZnwmSt11align_val_t", "_ZnwmRKSt9nothrow_t"}) {
      right = lives_in(name, "libstdc++.so") && right;
    }
    if (!right) std::exit(1);
  }
} const check;

}  // namespace
