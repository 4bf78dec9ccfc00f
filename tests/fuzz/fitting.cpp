// SPDX-License-Identifier: Apache-2.0
#include "fitting.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "log/manifest.hpp"

namespace warden::fuzz {
namespace {

class Fitter {
 public:
  explicit Fitter(const log::Uuid& uuid) : uuid_(uuid) {}

  void segment(std::uint64_t number, std::string& image) {
    if (image.size() < log::kPage) return;
    const auto header = log::load<log::SegmentHeader>(image.data());
    if (header.magic == log::kSegmentMagic) {
      follow(image, offsetof(log::SegmentHeader, previous_digest));
      fit(image, 0, log::kPage, log::kSegmentMagic);
    }
    const std::uint64_t seed = log::segment_seed(uuid_, number);
    std::size_t at = log::kPage;
    while (at + log::kPage <= image.size()) {
      const auto block = log::load<log::BlockHeader>(image.data() + at);
      const bool is_block = block.magic == log::kBlockMagic && block.length >= log::kPage &&
                            block.length % log::kPage == 0 && block.length <= image.size() - at;
      if (is_block) {
        fit_records(block, image, at);
        follow(image, at + offsetof(log::BlockHeader, previous));
        fit(image, at, block.length, seed);
      }
      at += is_block ? block.length : log::kPage;
    }
  }

  void manifest(std::string& image) {
    if (image.size() < sizeof(log::ManifestHeader)) return;
    const auto header = log::load<log::ManifestHeader>(image.data());
    std::size_t at = sizeof header;
    for (std::uint32_t i = 0; i < header.segments; ++i, at += sizeof(log::SegmentEntry)) {
      if (image.size() - at < sizeof(log::SegmentEntry)) break;
      follow(image, at + offsetof(log::SegmentEntry, digest));
    }
    fit(image, 0, image.size(), log::kManifestMagic);
  }

 private:
  using Key = std::pair<std::uint64_t, std::uint64_t>;

  void fit_records(const log::BlockHeader& block, std::string& image, std::size_t block_at) {
    std::uint64_t lsn = block.first;
    std::size_t at = block_at + log::kBlockHeaderBytes;
    const std::size_t end = block_at + block.length;
    while (lsn < block.end && end - at >= sizeof(log::RecordHead)) {
      auto head = log::load<log::RecordHead>(image.data() + at);
      const std::uint32_t content = log::content_of(head.word);
      const std::uint32_t size = log::record_bytes(content);
      if (size > end - at) return;
      lsn += size;
      const std::uint64_t incarnation = head.incarnation_low | std::uint64_t{head.incarnation_high}
                                                                   << 32;
      const std::uint64_t sum =
          log::record_sum(head.word, incarnation, static_cast<Lsn>(lsn),
                          log::content_hash(image.data() + at + sizeof head, content));
      head.sum_low = static_cast<std::uint32_t>(sum);
      head.sum_high = static_cast<std::uint32_t>(sum >> 32);
      std::memcpy(image.data() + at, &head, sizeof head);
      at += size;
    }
  }

  // A digest is the first of what it covers.
  void fit(std::string& image, std::size_t at, std::size_t length, std::uint64_t seed) {
    const auto before = log::load<log::Digest>(image.data() + at);
    const log::Digest now = log::image_digest(image.data() + at, length, seed);
    std::memcpy(image.data() + at, &now, sizeof now);
    changed_[Key{before.low, before.high}] = now;
  }

  void follow(std::string& image, std::size_t at) const {
    const auto named = log::load<log::Digest>(image.data() + at);
    const auto found = changed_.find(Key{named.low, named.high});
    if (found != changed_.end()) std::memcpy(image.data() + at, &found->second, sizeof named);
  }

  const log::Uuid uuid_;
  std::map<Key, log::Digest> changed_;
};

static_assert(offsetof(log::SegmentHeader, digest) == 0 &&
              offsetof(log::BlockHeader, digest) == 0 &&
              offsetof(log::ManifestHeader, digest) == 0);

}  // namespace

void fit_checksums(sim::Directory& files, const log::Uuid& uuid) {
  Fitter fitter(uuid);
  std::map<std::uint64_t, std::string*> segments;
  for (auto& [name, node] : files) {
    const std::uint64_t number = log::number_in(name, "wal-");
    if (number != 0) segments[number] = &node->durable;
  }
  for (auto& [number, image] : segments) fitter.segment(number, *image);
  for (auto& [name, node] : files) {
    if (name.starts_with("MANIFEST-")) fitter.manifest(node->durable);
  }
}

}  // namespace warden::fuzz
