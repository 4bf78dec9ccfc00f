// SPDX-License-Identifier: Apache-2.0
//
// flow_fuzz_replay FOLDER...: gives every file of each folder to the fuzz target. A
// folder without files is an error: a test that replays nothing shows nothing.
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <string>

#include "support.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: flow_fuzz_replay FOLDER...\n");
    return 2;
  }
  for (int i = 1; i < argc; ++i) {
    int files = 0;
    for (const auto& entry : std::filesystem::directory_iterator(argv[i])) {
      if (!entry.is_regular_file()) continue;
      const std::string text = warden::flow::test::read_file(entry.path().string());
      // Named first, so that a crash tells its input.
      std::fprintf(stderr, "%s\n", entry.path().c_str());
      LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
      ++files;
    }
    if (files == 0) {
      std::fprintf(stderr, "flow_fuzz_replay: no files in %s\n", argv[i]);
      return 1;
    }
    std::printf("%s: %d files\n", argv[i], files);
  }
  return 0;
}
