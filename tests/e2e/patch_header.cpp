// SPDX-License-Identifier: Apache-2.0
//
// patch_header FILE OFFSET VALUE [BYTES]
//
// Puts a 32-bit VALUE at OFFSET into the header of a manifest or a segment and makes
// its checksum fit again (docs/log-format.md): a file as a newer Warden would write it,
// for scripts, which cannot compute XXH3. BYTES: how many the checksum covers, the
// whole file if it is not given.
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>

namespace {

constexpr std::size_t kDigestBytes = 16;  // the magic number stands right behind it

int fail(const char* what) {
  std::fprintf(stderr, "patch_header: %s\n", what);
  return 2;
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 4) return fail("expected FILE OFFSET VALUE [BYTES]");
  const std::string path = arguments[1];
  const auto offset = std::strtoull(arguments[2], nullptr, 0);
  const auto value = static_cast<std::uint32_t>(std::strtoul(arguments[3], nullptr, 0));
  std::ifstream in(path, std::ios::binary);
  std::string content{std::istreambuf_iterator<char>(in), {}};
  const std::size_t bytes = count > 4 ? std::strtoull(arguments[4], nullptr, 0) : content.size();
  if (bytes > content.size() || bytes < kDigestBytes + 8 || offset < kDigestBytes ||
      offset + sizeof value > bytes) {
    return fail("OFFSET and BYTES lie outside of the file");
  }
  std::memcpy(content.data() + offset, &value, sizeof value);
  std::uint64_t magic = 0;
  std::memcpy(&magic, content.data() + kDigestBytes, sizeof magic);
  const XXH128_hash_t sum =
      XXH3_128bits_withSeed(content.data() + kDigestBytes, bytes - kDigestBytes, magic);
  std::memcpy(content.data(), &sum.low64, sizeof sum.low64);
  std::memcpy(content.data() + sizeof sum.low64, &sum.high64, sizeof sum.high64);
  std::ofstream out(path, std::ios::binary);
  out << content;
  return out.flush() ? 0 : fail("cannot write");
}
