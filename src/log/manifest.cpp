// SPDX-License-Identifier: Apache-2.0
//
// Reading and writing MANIFEST-<n> and CURRENT.
#include "log/manifest.hpp"

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>

#include "log/errors.hpp"
#include "log/planted.hpp"

namespace warden::log {
namespace {

constexpr int kTries = 100;
constexpr std::uint64_t kManifestLimit = 64u << 20;

int write_whole(io::File& file, const void* data, std::size_t size) {
  std::size_t done = 0;
  int tries = 0;
  while (done < size) {
    const auto put = file.write(static_cast<const char*>(data) + done, size - done, done);
    if ((put == -EINTR || put == -EAGAIN) && ++tries <= kTries) continue;
    if (put < 0) return static_cast<int>(put);
    if (put == 0) return -EIO;
    done += static_cast<std::size_t>(put);
  }
  return 0;
}

int write_small(io::Dir& dir, const std::string& name, const void* data, std::size_t size) {
  std::unique_ptr<io::File> file;
  int result = dir.open(name.c_str(), io::Open::small, file);
  if (result == 0) result = write_whole(*file, data, size);
  if (planted(Plant::current_not_flushed) && name == "CURRENT.tmp") return result;
  return result == 0 ? file->sync_data() : result;
}

std::vector<std::byte> encode(const Manifest& manifest) {
  ManifestHeader header;
  header.uuid = manifest.uuid;
  header.number = manifest.number;
  header.epoch = manifest.epoch;
  header.segments = static_cast<std::uint32_t>(manifest.segments.size());
  header.ends = static_cast<std::uint32_t>(manifest.ends.size());
  header.clean = manifest.clean ? 1 : 0;
  header.next_number = manifest.next_number;
  const std::size_t segment_bytes = manifest.segments.size() * sizeof(SegmentEntry);
  const std::size_t end_bytes = manifest.ends.size() * sizeof(EpochEnd);
  const std::span<const std::byte> catalog = manifest.catalog.bytes();
  header.catalog = catalog.size();
  header.incompat = catalog.empty() ? 0 : kManifestCatalog;
  header.bytes = round_page(sizeof header + segment_bytes + end_bytes + catalog.size());
  std::vector<std::byte> image(header.bytes);
  std::byte* out = image.data();
  std::memcpy(out, &header, sizeof header);
  if (segment_bytes != 0) {
    std::memcpy(out + sizeof header, manifest.segments.data(), segment_bytes);
  }
  if (end_bytes != 0) {
    std::memcpy(out + sizeof header + segment_bytes, manifest.ends.data(), end_bytes);
  }
  if (!catalog.empty()) {
    std::memcpy(out + sizeof header + segment_bytes + end_bytes, catalog.data(), catalog.size());
  }
  const Digest digest = image_digest(out, image.size(), kManifestMagic);
  std::memcpy(out, &digest, sizeof digest);
  return image;
}

// CURRENT: "MANIFEST-<n> <16 hex digits of XXH3-64 of the name>\n".
std::string current_text(const std::string& name) {
  char sum[20];
  std::snprintf(sum, sizeof sum, " %016llx\n",
                static_cast<unsigned long long>(XXH3_64bits(name.data(), name.size())));
  return name + sum;
}

Error read_current(io::Dir& dir, const std::string& path, std::string& name) {
  std::unique_ptr<io::File> file;
  const int opened = dir.open("CURRENT", io::Open::read, file);
  if (opened == -ENOENT) {
    return make_error(Code::not_a_store, path + ": not a Warden store: it has no file CURRENT");
  }
  if (opened < 0) return io_error(path, "CURRENT", "open it", opened);
  char text[128];
  const auto got = file->read(text, sizeof text, 0);
  if (got < 0) return io_error(path, "CURRENT", "read it", got);
  const std::string content(text, static_cast<std::size_t>(got));
  name = content.substr(0, content.find(' '));
  const std::string expected = current_text(name);
  if (number_in(name, "MANIFEST-") == 0 || content != expected) {
    return damage(path, "CURRENT", 0, "expected the name of a manifest and its checksum");
  }
  return {};
}

Error decode(const std::string& path, const std::string& name, const std::vector<std::byte>& image,
             Manifest& out) {
  ManifestHeader header;
  if (image.size() < sizeof header) return damage(path, name, image.size(), "it is cut short");
  header = load<ManifestHeader>(image.data());
  if (header.magic != kManifestMagic) return damage(path, name, 16, "no manifest's magic number");
  if (image_digest(image.data(), image.size(), kManifestMagic) != header.digest) {
    return damage(path, name, 0, "its checksum does not match");
  }
  if (header.version > kFormatVersion || (header.incompat & ~kManifestCatalog) != 0) {
    return make_error(Code::newer_format,
                      path + "/" + name + ": format version " + std::to_string(header.version) +
                          " with features " + std::to_string(header.incompat) +
                          "; this program reads up to version " + std::to_string(kFormatVersion));
  }
  const std::uint64_t need = sizeof header + std::uint64_t{header.segments} * sizeof(SegmentEntry) +
                             std::uint64_t{header.ends} * sizeof(EpochEnd);
  const bool fits = need <= image.size() && header.catalog <= image.size() - need;
  if (header.bytes != image.size() || !fits || header.number != number_in(name, "MANIFEST-") ||
      header.epoch == 0) {
    return damage(path, name, 0, "its header contradicts the file");
  }
  out.uuid = header.uuid;
  out.number = header.number;
  out.epoch = header.epoch;
  out.clean = header.clean != 0;
  out.next_number = header.next_number;
  out.segments.resize(header.segments);
  out.ends.resize(header.ends);
  const std::byte* in = image.data() + sizeof header;
  if (header.segments != 0) {
    std::memcpy(out.segments.data(), in, header.segments * sizeof(SegmentEntry));
  }
  if (header.ends != 0) {
    std::memcpy(out.ends.data(), in + header.segments * sizeof(SegmentEntry),
                header.ends * sizeof(EpochEnd));
  }
  if (!out.catalog.assign({image.data() + need, header.catalog})) {
    return damage(path, name, need, "its catalog cannot be");
  }
  std::uint64_t last = 0;
  for (const SegmentEntry& entry : out.segments) {
    if (entry.number <= last || entry.number >= header.next_number || entry.size % kPage != 0 ||
        entry.size < 2 * kPage || entry.offset > entry.size) {
      return damage(path, name, sizeof header, "an entry of a segment is impossible");
    }
    last = entry.number;
  }
  return {};
}

// The manifest in a file that was opened with result `opened`.
Error read_open(const std::string& path, const std::string& name, int opened, io::File* file,
                Manifest& out) {
  if (opened < 0) return io_error(path, name, "open it", opened);
  const auto size = file->size();
  if (size < 0) return io_error(path, name, "read its size", size);
  if (static_cast<std::uint64_t>(size) > kManifestLimit) {
    return damage(path, name, 0, "it is larger than any manifest");
  }
  std::vector<std::byte> image(static_cast<std::size_t>(size));
  const auto got = file->read(image.data(), image.size(), 0);
  if (got < 0) return io_error(path, name, "read it", got);
  image.resize(static_cast<std::size_t>(got));
  return decode(path, name, image, out);
}

}  // namespace

std::string segment_name(std::uint64_t number) {
  return std::string("wal-").append(std::to_string(number));
}
std::string manifest_name(std::uint64_t number) {
  return std::string("MANIFEST-").append(std::to_string(number));
}

std::uint64_t number_in(const std::string& name, const char* prefix) {
  const std::size_t skip = std::strlen(prefix);
  if (name.compare(0, skip, prefix) != 0 || name.size() == skip || name[skip] == '0') return 0;
  std::uint64_t number = 0;
  const char* end = name.data() + name.size();
  const auto parsed = std::from_chars(name.data() + skip, end, number);
  return parsed.ec == std::errc() && parsed.ptr == end ? number : 0;
}

Error read_manifest(io::Dir& dir, const std::string& path, Manifest& out) {
  // A writer may replace the manifest between our two reads: then CURRENT has
  // changed, and we read again. Gone although CURRENT still names it is damage.
  std::string name;
  std::string last;
  for (;;) {
    if (Error error = read_current(dir, path, name)) return error;
    std::unique_ptr<io::File> file;
    const int opened = dir.open(name.c_str(), io::Open::read, file);
    if (opened != -ENOENT) return read_open(path, name, opened, file.get(), out);
    if (name == last) return damage(path, "CURRENT", 0, name + ", which it names, is missing");
    last = name;
  }
}

Error read_manifest_file(io::Dir& dir, const std::string& path, const std::string& name,
                         Manifest& out) {
  std::unique_ptr<io::File> file;
  const int opened = dir.open(name.c_str(), io::Open::read, file);
  return read_open(path, name, opened, file.get(), out);
}

int write_manifest(io::Dir& dir, Manifest& manifest) {
  const std::uint64_t old = manifest.number;
  ++manifest.number;
  const std::string name = manifest_name(manifest.number);
  const std::vector<std::byte> image = encode(manifest);
  int result = write_small(dir, name, image.data(), image.size());
  if (planted(Plant::old_manifest_first)) dir.unlink(manifest_name(old).c_str());
  const bool entries = !planted(Plant::no_directory_sync);
  if (result == 0 && entries) result = dir.sync();
  const std::string text = current_text(name);
  if (result == 0) result = write_small(dir, "CURRENT.tmp", text.data(), text.size());
  if (result == 0) result = dir.rename("CURRENT.tmp", "CURRENT");
  if (result != 0) {  // nothing names it: the next attempt takes the number again
    dir.unlink(name.c_str());
    manifest.number = old;
    return result;
  }
  if (entries) result = dir.sync();
  if (result != 0) return result;
  if (old != 0) dir.unlink(manifest_name(old).c_str());  // left over: removed when opening
  return 0;
}

}  // namespace warden::log
