// SPDX-License-Identifier: Apache-2.0
//
// NAME_replay FOLDER...: gives every file of each folder to the fuzz target that it is
// linked with. A folder without files is an error: what replays nothing shows nothing.
//
// NAME_replay --planted FOLDER...: the same in a child whose harness tells its oracle
// something that is not so (plant.hpp); succeeds only if the target aborts.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

bool replay(const char* folder) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  if (files.empty()) {
    std::fprintf(stderr, "replay: no files in %s\n", folder);
    return false;
  }
  std::sort(files.begin(), files.end());
  for (const auto& path : files) {
    std::ifstream in(path, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    if (!in.good() && !in.eof()) {
      std::fprintf(stderr, "replay: %s cannot be read\n", path.c_str());
      return false;
    }
    // Named first, so that a crash tells its input.
    std::fprintf(stderr, "%s\n", path.c_str());
    // Of exactly its size on the heap, so that reading past it is seen.
    const std::vector<std::uint8_t> bytes(text.begin(), text.end());
    LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
  }
  std::printf("%s: %zu files\n", folder, files.size());
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  const bool planted = argc > 1 && std::strcmp(argv[1], "--planted") == 0;
  const int first = planted ? 2 : 1;
  if (argc <= first) {
    std::fprintf(stderr, "usage: %s [--planted] FOLDER...\n", argv[0]);
    return 2;
  }
  if (!planted) {
    return std::all_of(argv + first, argv + argc, replay) ? 0 : 1;
  }
  setenv("WARDEN_FUZZ_PLANT", "wrong", 1);
  const pid_t child = fork();
  if (child == 0) {
    std::all_of(argv + first, argv + argc, replay);
    _exit(0);
  }
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child) return 1;
  const bool noticed = WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
  std::printf("the planted bug was %s\n", noticed ? "noticed" : "NOT noticed");
  return noticed ? 0 : 1;
}
